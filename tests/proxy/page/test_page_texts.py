"""The page in five languages: nothing is left in English, and nothing is translated that is not there."""

import pytest
from playwright.async_api import Browser, expect

from tests.fakes.server import FakeServer
from tests.helpers.proxy.browser import serving, state, visiting
from tests.helpers.proxy.page_texts import LANGUAGES, texts_in_page, texts_in_scripts, translation

ENGLISH = texts_in_scripts() | texts_in_page()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_is_translated(language: str) -> None:
    assert len(ENGLISH) > 130
    texts = translation(language)
    assert set(texts) == ENGLISH
    assert all(text.count("{}") == english.count("{}") for english, text in texts.items())


def test_french_has_its_spaces() -> None:
    """A no-break space before a colon, a semicolon, a question mark and an exclamation mark."""
    wrong = [text for text in translation("fr").values() if any(f" {sign}" in text for sign in ":;?!")]
    assert wrong == []


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
