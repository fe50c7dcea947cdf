"""The playground of the page, used as people use it."""

import re
from pathlib import Path

import pytest
from embedded_spark import EmbeddedSpark
from playwright.async_api import Browser, Page, expect
from spark_engine.healing.canary import CLIP_WORDS

from tests.fakes import live_parakeet, magpie, parakeet
from tests.fakes.live_parakeet import Live
from tests.fakes.parakeet import TRANSCRIPTIONS
from tests.fakes.server import FakeServer, json, running
from tests.helpers.proxy.accessibility import findings
from tests.helpers.proxy.browser import serving, visiting
from tests.helpers.proxy.settings import ProxySettings

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.browser]

expect.set_options(timeout=30_000)

TEXT = "The washing machine has finished."
HEAR = ("POST", TRANSCRIPTIONS)


async def replay_length(page: Page) -> float:
    """Seconds of what was spoken, once the browser has read it."""
    seconds: float = await page.locator("#replay-audio").evaluate(
        """audio => audio.duration || new Promise(known =>
            audio.addEventListener("loadedmetadata", () => known(audio.duration), {once: true}))"""
    )
    return seconds


async def test_a_text_is_spoken_and_heard(browser: Browser, spark: EmbeddedSpark, tmp_path: Path) -> None:
    """The speech comes with its time to first sound, has a plausible length, and can be played again."""
    settings: ProxySettings = {
        "parakeet_url": spark.parakeet_url,
        "magpie_url": spark.magpie_url,
        "state_dir": str(tmp_path),
    }
    async with serving(**settings) as url, visiting(browser, url) as visit:
        page = visit.page
        await page.get_by_label("Text", exact=True).fill(TEXT)
        await expect(page.get_by_label("Language")).to_have_value("en-US")
        await page.get_by_label("Voice", exact=True).select_option(label="Jason · Calm")
        await page.get_by_role("button", name="Speak").click()
        await expect(page.locator("#speak-measured")).to_contain_text("First audio after")
        await expect(page.locator("#replay")).to_be_visible()
        assert 1 < await replay_length(page) < 5
        # Stop is offered as long as there is something to be heard, and the sound does end.
        await expect(page.get_by_role("button", name="Stop")).to_be_disabled()


async def test_speed_changes_the_length(browser: Browser, speaks: FakeServer) -> None:
    """Twice the speed, half the length; what the field shows is what is asked for."""
    lengths = []
    async with serving(magpie_url=speaks.url, watch=False) as url, visiting(browser, url) as visit:
        for speed in ("1", "2"):
            await visit.page.get_by_label("Speed").fill(speed)
            await expect(visit.page.locator("#speed-shown")).to_have_text(f"{speed}×")
            await visit.page.get_by_label("Text", exact=True).fill(TEXT)
            await visit.page.get_by_role("button", name="Speak").click()
            await expect(visit.page.locator("#replay")).to_be_visible()
            lengths.append(await replay_length(visit.page))
    assert lengths[0] == pytest.approx(2 * lengths[1], rel=0.1)


async def test_voices_are_grouped_by_language_and_emotion(browser: Browser, speaks: FakeServer) -> None:
    """The choice of a language leaves its voices; emotions are the groups; OpenAI's names are not listed twice."""
    async with serving(magpie_url=speaks.url, watch=False) as url, visiting(browser, url) as visit:
        language, voice = visit.page.get_by_label("Language"), visit.page.get_by_label("Voice", exact=True)
        await expect(language.locator("option")).to_have_count(6)
        await language.select_option(label="German (Germany)")
        labels = await voice.locator("optgroup").evaluate_all("groups => groups.map(group => group.label)")
        assert labels == ["No particular emotion", "Calm", "Happy", "Neutral"]
        await voice.select_option(label="Mia · Happy")
        await visit.page.get_by_role("button", name="Speak").click()
        await expect(visit.page.locator("#replay")).to_be_visible()
    assert speaks.posts(magpie.SYNTHESIZE_ONLINE)[-1].fields["voice"] == "Magpie-Multilingual.DE-DE.Mia.Happy"


async def test_a_speaker_is_found_and_played(browser: Browser, speaks: FakeServer) -> None:
    """By name, language or emotion; the form shows who speaks, and the sentence is in the speaker's language."""
    async with serving(magpie_url=speaks.url, watch=False) as url, visiting(browser, url) as visit:
        page = visit.page
        await page.get_by_text("All speakers and emotions").click()
        await page.get_by_label("Search").fill("leo german calm")
        await expect(page.locator("#voices-found")).to_have_text("1 speaker")
        await page.get_by_role("button", name="Play Leo, Calm, German (Germany)").click()
        await expect(page.get_by_label("Language")).to_have_value("de-DE")
        await expect(page.locator("#replay")).to_be_visible()
        await page.get_by_label("Search").fill("zorg")
        await expect(page.locator("#voices-found")).to_have_text("0 speakers")
    fields = speaks.posts(magpie.SYNTHESIZE_ONLINE)[-1].fields
    assert fields["voice"] == "Magpie-Multilingual.DE-DE.Leo.Calm"
    assert "Waschmaschine" in str(fields["text"])


async def test_the_sentence_to_try_is_in_the_language(browser: Browser, speaks: FakeServer) -> None:
    """Until a person writes another one, which stays."""
    async with serving(magpie_url=speaks.url, watch=False) as url, visiting(browser, url) as visit:
        language, text = visit.page.get_by_label("Language"), visit.page.get_by_label("Text", exact=True)
        await expect(language.locator("option")).to_have_count(6)
        await expect(text).to_have_value(re.compile("^Good evening"))
        await language.select_option(label="German (Germany)")
        await expect(text).to_have_value(re.compile("^Guten Abend"))
        await text.fill("Mahlzeit.")
        await language.select_option(label="French (France)")
        await expect(text).to_have_value("Mahlzeit.")


async def test_stop_ends_the_speech(browser: Browser, speaks: FakeServer) -> None:
    async with serving(magpie_url=speaks.url, watch=False) as url, visiting(browser, url) as visit:
        await visit.page.get_by_label("Text", exact=True).fill(f"{TEXT} " * 40)
        await visit.page.get_by_role("button", name="Speak").click()
        await expect(visit.page.locator("#speak-measured")).to_contain_text("First audio after")
        await visit.page.get_by_role("button", name="Stop").click()
        await expect(visit.page.get_by_role("button", name="Stop")).to_be_disabled()
        await expect(visit.page.locator("#speak-problem")).to_be_hidden()


async def test_what_the_microphone_hears_is_read(browser: Browser, spark: EmbeddedSpark, tmp_path: Path) -> None:
    """Through the realtime door and a real recogniser, by keyboard alone; times of words come on request."""
    settings: ProxySettings = {
        "parakeet_url": spark.parakeet_url,
        "magpie_url": spark.magpie_url,
        "state_dir": str(tmp_path),
    }
    async with serving(**settings) as url, visiting(browser, url) as visit:
        page, talk = visit.page, visit.page.locator("#talk")
        await talk.press("Enter")
        await expect(talk).to_have_attribute("aria-pressed", "true")
        await expect(page.locator("#talk-time")).to_have_text(re.compile(r"^([3-9]|\d\d) s$"))
        await talk.press("Enter")
        await expect(talk).to_have_attribute("aria-pressed", "false")
        await expect(page.locator("#transcript")).to_be_visible()
        heard = (await page.locator("#transcript").inner_text()).lower()
        assert {word for word in CLIP_WORDS if word in heard} >= {"kitchen", "light"}
        await expect(page.locator("#listen-measured")).to_contain_text("of audio, transcribed in")
        assert await page.locator("#heard-audio").evaluate("audio => audio.src.startsWith('blob:')")
        await page.get_by_role("button", name="Show when each word was said").press("Enter")
        await expect(page.locator("#times")).to_be_focused()
        assert await page.locator("#times li").count() >= 1


async def test_words_appear_while_they_are_spoken(browser: Browser) -> None:
    """From a server that hears live, before the button is released; the transcript is the server's last word."""
    live = Live()
    async with (
        running(live_parakeet.nemo_speech(live)) as server,
        serving(parakeet_url=server.url, watch=False) as url,
        visiting(browser, url) as visit,
    ):
        page, talk = visit.page, visit.page.locator("#talk")
        words = page.locator("#live-words")
        await talk.hover()
        await page.mouse.down()
        await expect(words).to_have_text(parakeet.TEXT.rstrip("."))
        await expect(talk).to_have_attribute("aria-pressed", "true")
        await expect(page.locator("#heard")).to_be_hidden()
        assert await page.locator("#wave rect").count() > 20
        assert await findings(page) == []
        await page.mouse.up()
        await expect(page.locator("#transcript")).to_have_text(parakeet.TEXT)
        await expect(words).to_be_empty()
        assert server.posts(TRANSCRIPTIONS) == []
        await page.get_by_role("button", name="Show when each word was said").click()
        await expect(page.locator("#times li")).to_have_count(len(parakeet.WORDS))
    assert len(server.posts(TRANSCRIPTIONS)) == 1


async def test_a_live_turn_carries_the_key(browser: Browser) -> None:
    """As a subprotocol; nothing is sent in the plain way."""
    async with (
        running(live_parakeet.nemo_speech(Live())) as server,
        serving(parakeet_url=server.url, watch=False, api_key=("right",)) as url,
        visiting(browser, url) as visit,
    ):
        page = visit.page
        await page.evaluate("sessionStorage.setItem('spark-audio-key', 'right')")
        await page.reload()
        await page.locator("#talk").press("Enter")
        await expect(page.locator("#live-words")).not_to_be_empty()
        await page.locator("#talk").press("Enter")
        await expect(page.locator("#transcript")).to_have_text(parakeet.TEXT)
        assert server.posts(TRANSCRIPTIONS) == []


@pytest.mark.parametrize(
    "broken",
    [
        "WebSocket = class extends WebSocket { constructor() { throw new SyntaxError() } }",
        "WebSocket = class extends WebSocket { constructor(_, names) { super('/v1/nothing', names) } }",
        "WebSocket = class extends WebSocket { send() { this.close() } }",
        "WebSocket = class extends WebSocket { get readyState() { return 0 } set onopen(_) {} }",
        "delete AudioWorklet.prototype.addModule",
    ],
    ids=["no WebSocket", "refused", "cut off", "never open", "no samples"],
)
async def test_a_recording_is_sent_where_it_cannot_be_heard_live(
    browser: Browser, hears: FakeServer, broken: str
) -> None:
    """The transcript is the same, and it comes with its times."""
    async with serving(parakeet_url=hears.url, watch=False) as url, visiting(browser, url) as visit:
        page, talk = visit.page, visit.page.locator("#talk")
        await page.evaluate(f"() => {{ {broken} }}")
        await talk.press("Enter")
        await expect(page.locator("#talk-time")).to_have_text(re.compile(r"^[1-9]\d* s$"))
        await talk.press("Enter")
        await expect(page.locator("#transcript")).to_have_text(parakeet.TEXT)
        await expect(page.locator("#live-words")).to_be_empty()
    assert len(hears.posts(TRANSCRIPTIONS)) >= 1


async def test_a_live_turn_that_fails_says_why(browser: Browser, hears: FakeServer) -> None:
    """Once: the recording is not sent after it."""
    hears.answers[HEAR] = json({"detail": "CUDA error"}, status=500)
    async with serving(parakeet_url=hears.url, watch=False) as url, visiting(browser, url) as visit:
        page, talk = visit.page, visit.page.locator("#talk")
        await talk.press("Enter")
        await expect(page.locator("#talk-time")).to_have_text(re.compile(r"^[1-9]\d* s$"))
        await talk.press("Enter")
        await expect(page.locator("#listen-problem")).to_contain_text("CUDA error")
        await expect(page.locator("#heard")).to_be_hidden()


async def test_hold_to_talk(browser: Browser, hears: FakeServer) -> None:
    async with serving(parakeet_url=hears.url, watch=False) as url, visiting(browser, url) as visit:
        page, talk = visit.page, visit.page.locator("#talk")
        await talk.hover()
        await page.mouse.down()
        await expect(page.locator("#talk-time")).to_have_text(re.compile(r"^[1-9]\d* s$"))
        await page.mouse.up()
        await expect(page.locator("#transcript")).to_have_text(parakeet.TEXT)
        await expect(talk).to_have_attribute("aria-pressed", "false")


async def test_a_file_is_read_with_its_word_times(browser: Browser, clip: Path) -> None:
    """Words where the server has them."""
    async with (
        running(parakeet.nemo_speech()) as words,
        serving(parakeet_url=words.url, watch=False) as url,
        visiting(browser, url) as visit,
    ):
        await visit.page.locator("#file").set_input_files(clip)
        await expect(visit.page.locator("#transcript")).to_have_text(parakeet.TEXT)
        items = await visit.page.locator("#times li").all_inner_texts()
        assert items[0].split() == ["Turn", "0.08–0.32"]
        assert len(items) == len(parakeet.WORDS)


async def test_a_server_without_word_times_gives_segments(browser: Browser, clip: Path) -> None:
    """It is asked again without them, and the page says which it shows."""
    async with (
        running(parakeet.runparakeet()) as hears,
        serving(parakeet_url=hears.url, watch=False) as url,
        visiting(browser, url) as visit,
    ):
        await visit.page.locator("#file").set_input_files(clip)
        await expect(visit.page.locator("#transcript")).to_have_text(parakeet.TEXT)
        await expect(visit.page.locator("#times-title")).to_have_text("Segments, in seconds")


async def test_errors_are_sentences(browser: Browser, hears: FakeServer, tmp_path: Path) -> None:
    """Those of the error object."""
    letter = tmp_path / "letter.wav"
    letter.write_text("Dear Sir or Madam")
    async with serving(parakeet_url=hears.url, watch=False) as url, visiting(browser, url) as visit:
        await visit.page.locator("#file").set_input_files(letter)
        await expect(visit.page.locator("#listen-problem")).to_have_text(re.compile("^The file is not audio"))
        await visit.page.get_by_role("button", name="Speak").click()
        await expect(visit.page.locator("#speak-problem")).to_contain_text("This proxy has no Magpie")


async def test_what_to_copy_is_copied(browser: Browser, hears: FakeServer, clip: Path) -> None:
    """The address, ready lines for other programs, and the transcript; with and without the clipboard's interface."""
    async with serving(parakeet_url=hears.url, watch=False) as url, visiting(browser, url) as visit:
        page = visit.page
        await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        for name, expected in (("the base URL", f"{url}v1"), ("the lines for curl", f"curl {url}v1/audio/speech")):
            if name != "the base URL":
                await page.get_by_text("curl", exact=True).click()
            await page.get_by_role("button", name=f"Copy {name}").click()
            await expect(page.get_by_role("button", name=f"Copied {name}")).to_be_visible()
            assert expected in await page.evaluate("navigator.clipboard.readText()")
        await page.locator("#file").set_input_files(clip)
        await expect(page.locator("#transcript")).not_to_be_empty()
        await page.evaluate("delete Clipboard.prototype.writeText")
        await page.get_by_role("button", name="Copy the transcript").click()
        await expect(page.get_by_role("button", name="Copied the transcript")).to_be_visible()
        assert await page.evaluate("navigator.clipboard.readText()") == await page.locator("#transcript").text_content()
