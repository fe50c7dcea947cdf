"""The page in five languages: nothing is left in English, and nothing is translated that is not there."""

import re
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect
from spark_audio_proxy.problems import UPSTREAM

from tests.fakes.parakeet import TRANSCRIPTIONS
from tests.fakes.server import FakeServer, json, running
from tests.helpers.proxy.browser import serving, state, visiting
from tests.helpers.proxy.healing import RESTART
from tests.helpers.proxy.page_texts import (
    LANGUAGES,
    codes_with_a_sentence,
    texts_in_page,
    texts_in_scripts,
    translation,
    untranslated_in_scripts,
)
from tests.helpers.repository import ROOT

ENGLISH = texts_in_scripts() | texts_in_page()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_is_translated(language: str) -> None:
    assert len(ENGLISH) > 130
    texts = translation(language)
    assert set(texts) == ENGLISH
    assert all(text.count("{}") == english.count("{}") for english, text in texts.items())


def test_no_sentence_in_the_scripts_is_left_out() -> None:
    """What is in quotes is a name, a selector or a format."""
    assert untranslated_in_scripts() == set()


NEVER_SHOWN = {
    *("invalid_event", "unknown_event", "session_idle", "buffer_full", "input_audio_buffer_commit_empty"),
    *("method_not_allowed", "unknown_url", "unsupported_endpoint", "utterances_full", "websocket_required"),
}
"""Codes of requests that the page does not make, or has another way for."""


def test_every_error_has_a_sentence() -> None:
    """The proxy's own are English."""
    sources = "".join(path.read_text() for path in (ROOT / "proxy/spark_audio_proxy").rglob("*.py"))
    codes = set(re.findall(r'code="(\w+)"', sources)) | {code for _, code, _ in UPSTREAM.values()}
    codes |= set(re.findall(r'"(\w+_(?:parameter|long|short|found))"\s*\)', sources))
    assert codes > {"busy", "upstream_fault", "admin_key_required", "audio_too_short", "model_not_found"}
    assert codes - NEVER_SHOWN - codes_with_a_sentence() == set()
    assert codes_with_a_sentence() - codes == {"invalid_audio", "unsupported"}


def test_french_has_its_spaces() -> None:
    """A no-break space before a colon, a semicolon, a question mark and an exclamation mark."""
    wrong = [text for text in translation("fr").values() if any(f" {sign}" in text for sign in ":;?!")]
    assert wrong == []


ENGLISH_WORDS = re.compile(
    r"\b(the|this|that|and|with|not|key|may|cannot|requested|answered|does|was|is|it)\b", re.IGNORECASE
)

READERS_TEXT = """
    () => {
      const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
      const texts = [];
      while (walker.nextNode()) {
        const element = walker.currentNode.parentElement;
        if (!element.closest("[lang], noscript, textarea, select")) texts.push(walker.currentNode.data.trim());
      }
      for (const name of ["aria-label", "placeholder", "title", "alt"]) {
        const elements = document.body.querySelectorAll(`[${name}]:not([lang])`);
        texts.push(...[...elements].map((element) => element.getAttribute(name)));
      }
      return texts.filter(Boolean);
    }
"""


@pytest.mark.browser
@pytest.mark.asyncio(loop_scope="module")
async def test_what_the_proxy_says_is_translated_or_marked_as_english(
    browser: Browser, hears: FakeServer, speaks: FakeServer, clip: Path
) -> None:
    """Errors of the page's own requests, states with their evidence, the history, and both dialogs."""
    async with (
        running(FakeServer({("POST", RESTART): json({"message": "No such container"}, status=404)})) as refusing,
        serving(
            parakeet_url=hears.url,
            magpie_url=speaks.url,
            parakeet_restart_url=refusing.url + RESTART,
            api_key=("right",),
            admin_key=("admin",),
            request_history=5,
        ) as url,
        visiting(browser, url, locale="de-DE") as visit,
    ):
        page = visit.page
        card, dialog = page.locator(state(page)), page.locator("#key-dialog")
        take, alert = dialog.get_by_role("button", name="Diesen Schlüssel verwenden"), dialog.get_by_role("alert")
        await page.locator("#key-button").click()
        await page.locator("#key").fill("wrong")
        await take.click()
        await expect(alert).to_have_text("Dieser Schlüssel stimmt nicht.")
        await page.locator("#key").fill("right")
        await take.click()
        await expect(page.locator("#link")).to_have_text("Live")
        await card.get_by_role("button", name="Neu starten …").click()
        await page.locator("#restart-dialog").get_by_role("button", name="Neu starten").click()
        await expect(page.locator("#key-why")).to_contain_text("ein Admin-Schlüssel darf es")
        await page.locator("#key").fill("admin")
        await take.click()
        await expect(card.locator(".problem")).to_have_text(
            re.compile("^Der Neustart wurde abgelehnt. The restart target")
        )
        hears.answers["POST", TRANSCRIPTIONS] = json({"detail": "CUDA error"}, status=500)
        await page.locator("#file").set_input_files(clip)
        problem = page.locator("#listen-problem")
        await expect(problem).to_have_text(re.compile("^Der Server hat einen Fehler. Versuche es .* CUDA error"))
        assert "CUDA error" in await problem.locator("[lang=en]").inner_text()
        await expect(card).to_have_attribute("data-state", re.compile("suspect|wedged|gave_up"))
        texts = await page.evaluate(READERS_TEXT)
        assert len(texts) > 60
        assert [text for text in texts if ENGLISH_WORDS.search(text) and text not in translation("de").values()] == []


@pytest.mark.browser
@pytest.mark.asyncio(loop_scope="module")
async def test_numbers_and_times_are_the_readers(
    browser: Browser, speaks: FakeServer, hears: FakeServer, clip: Path
) -> None:
    """A comma in German, whatever the language of the machine."""
    async with (
        serving(magpie_url=speaks.url, parakeet_url=hears.url) as url,
        visiting(browser, url, locale="de-AT") as visit,
    ):
        page = visit.page
        await page.get_by_label("Geschwindigkeit").fill("1.25")
        await expect(page.locator("#speed-shown")).to_have_text("1,25×")
        await page.locator("#file").set_input_files(clip)
        await expect(page.locator("#listen-measured")).to_have_text(re.compile(r"^\d,\d\d s Ton, .* in \d,\d\d s\.$"))


@pytest.mark.browser
@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("locale", "language", "works", "speak"),
    [
        ("de-AT", "de", "Alles funktioniert", "Sprechen"),
        ("fr-CA", "fr", "Tout fonctionne", "Parler"),
        ("nl-NL", "en", "Everything works", "Speak"),
    ],
)
async def test_the_page_speaks_the_readers_language(
    browser: Browser, speaks: FakeServer, locale: str, language: str, works: str, speak: str
) -> None:
    """English where there is no translation."""
    async with serving(magpie_url=speaks.url) as url, visiting(browser, url, locale=locale) as visit:
        page = visit.page
        await expect(page.locator("html")).to_have_attribute("lang", language)
        await expect(page.locator("#overall")).to_have_text(works)
        await expect(page.locator("#speak-button")).to_have_text(speak)
        english = ENGLISH - set(translation(language).values()) if language != "en" else set()
        shown = {line.strip() for line in (await page.locator("body").inner_text()).splitlines()}
        assert shown & english == set()
        await expect(page.locator(state(page, "magpie"))).to_be_visible()


@pytest.mark.browser
@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("body", ['"Gone"', '{"error": "Gone"}', "<html>"], ids=["text", "string", "page"])
async def test_an_answer_that_is_not_the_proxys_is_a_sentence(browser: Browser, speaks: FakeServer, body: str) -> None:
    """Such as that of a reverse proxy in front."""
    async with (
        serving(magpie_url=speaks.url, watch=False) as url,
        visiting(browser, url, locale="de-DE") as visit,
    ):
        page = visit.page
        await page.route("**/v1/audio/speech", lambda route: route.fulfill(status=502, body=body))
        await page.locator("#speak-button").click()
        await expect(page.locator("#speak-problem")).to_have_text("Der Proxy antwortete 502 Bad Gateway.")
