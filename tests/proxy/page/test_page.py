"""The status page and playground, used as people use it: in a browser, on top of real engines and of faulty fakes."""

import json as json_module
import re
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import ClientSession
from embedded_spark import EmbeddedSpark
from playwright.async_api import Browser, Page, expect
from spark_engine.healing.canary import CLIP_WORDS, canary_clip
from spark_engine.healing.health import Policy
from spark_engine.speech.audio import write_wav

from screenshots.browser import chromium, talking_into
from tests.fakes import magpie, parakeet
from tests.fakes.parakeet import TRANSCRIPTIONS
from tests.fakes.server import FakeServer, json, running
from tests.helpers.proxy.browser import serving, visiting
from tests.helpers.proxy.healing import RESTART, hook
from tests.helpers.proxy.settings import ProxySettings
from tests.helpers.repository import NODE

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.browser]

expect.set_options(timeout=30_000)

AXE = NODE / "node_modules/axe-core/axe.min.js"
TEXT = "The washing machine has finished."
HEAR = ("POST", TRANSCRIPTIONS)


@pytest.fixture(scope="module", name="clip")
def recorded_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of "Turn on the kitchen light."."""
    path = tmp_path_factory.mktemp("clip") / "clip.wav"
    path.write_bytes(write_wav(canary_clip()))
    return path


@pytest_asyncio.fixture(scope="module", loop_scope="module", name="browser")
async def talking_browser(clip: Path) -> AsyncGenerator[Browser]:
    """One Chromium for all tests; its microphone hears the clip."""
    async with chromium(*talking_into(clip)) as browser:
        yield browser


@pytest_asyncio.fixture(scope="module", loop_scope="module", name="spark")
async def real_engines() -> AsyncGenerator[EmbeddedSpark]:
    """Real speech."""
    async with EmbeddedSpark(start_delay=3) as spark:
        yield spark


@pytest_asyncio.fixture(loop_scope="module", name="hears")
async def fake_parakeet() -> AsyncGenerator[FakeServer]:
    """A Parakeet that can be broken."""
    async with running(parakeet.openai()) as fake:
        yield fake


@pytest_asyncio.fixture(loop_scope="module", name="speaks")
async def fake_magpie() -> AsyncGenerator[FakeServer]:
    """A Magpie with a hundred voices."""
    async with running(magpie.nim()) as fake:
        yield fake


def state(page: Page, name: str = "parakeet") -> str:
    """Where the page tells the state of a server."""
    return f"article[data-name={name}]"


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
        await page.get_by_label("Voice", exact=True).select_option(label="Jason, calm")
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
        await voice.select_option(label="Mia, happy")
        await visit.page.get_by_role("button", name="Speak").click()
        await expect(visit.page.locator("#replay")).to_be_visible()
    assert speaks.posts(magpie.SYNTHESIZE_ONLINE)[-1].fields["voice"] == "Magpie-Multilingual.DE-DE.Mia.Happy"


async def test_stop_ends_the_speech(browser: Browser, speaks: FakeServer) -> None:
    async with serving(magpie_url=speaks.url, watch=False) as url, visiting(browser, url) as visit:
        await visit.page.get_by_label("Text", exact=True).fill(f"{TEXT} " * 40)
        await visit.page.get_by_role("button", name="Speak").click()
        await expect(visit.page.locator("#speak-measured")).to_contain_text("First audio after")
        await visit.page.get_by_role("button", name="Stop").click()
        await expect(visit.page.get_by_role("button", name="Stop")).to_be_disabled()
        await expect(visit.page.locator("#speak-problem")).to_be_hidden()


async def test_what_the_microphone_hears_is_read(browser: Browser, spark: EmbeddedSpark, tmp_path: Path) -> None:
    """Through MediaRecorder, the proxy's decoder and a real recogniser, by keyboard alone."""
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
        assert await page.locator("#times li").count() >= 1


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


async def test_a_server_without_word_times_gives_segments(browser: Browser, hears: FakeServer, clip: Path) -> None:
    """It is asked again without them, and the page says which it shows."""
    async with serving(parakeet_url=hears.url, watch=False) as url, visiting(browser, url) as visit:
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


async def test_a_wedge_appears_and_heals_live(
    browser: Browser, spark: EmbeddedSpark, tmp_path: Path, clip: Path
) -> None:
    """Nothing is reloaded: the page follows, with evidence, history, restarts left and the failed canary."""
    settings: ProxySettings = {
        "parakeet_url": spark.parakeet_url,
        "magpie_url": spark.magpie_url,
        "parakeet_restart_url": spark.parakeet_restart_url,
        "state_dir": str(tmp_path),
        "canary_interval": 3600.0,
    }
    quick = Policy(suspect_interval=0.1)
    async with serving(policy=quick, **settings) as url, visiting(browser, url) as visit, ClientSession() as client:
        page = visit.page
        card = page.locator(state(page))
        await expect(page.locator("#overall")).to_have_text("Everything works")
        await expect(card.locator(".budget")).to_contain_text("3 of 3 within 30 min")
        async with client.post(f"{spark.parakeet_url}/embedded/wedge", json={"mode": "cublas"}) as response:
            assert response.status == 200
        await page.locator("#file").set_input_files(clip)
        await expect(page.locator("#listen-problem")).to_contain_text("CUDA failure")
        await expect(card).to_have_attribute("data-state", "restarting")
        await expect(page.locator("#overall")).to_have_text("Parakeet: restarting")
        await expect(card.locator(".budget")).to_contain_text("2 of 3 within 30 min")
        await expect(card).to_have_attribute("data-state", "healthy")
        await expect(page.locator("#overall")).to_have_text("Everything works")
        await expect(card.locator(".evidence")).to_have_text("The canary was transcribed right.")
        steps = await card.locator(".timeline .what").all_text_contents()
        assert steps == ["Healthy", "Restarting", "Wedged", "Suspect", "Healthy"]
        assert await card.locator(".bar.failed .cross").count() >= 2
        await expect(card.locator(".chart")).to_have_attribute("aria-label", re.compile("failed$"))


async def test_a_restart_needs_the_key(browser: Browser, hears: FakeServer, speaks: FakeServer, tmp_path: Path) -> None:
    """Without it the page tells states only; a wrong one is refused and asked for again; the right one is kept."""
    restarts = hook()
    async with (
        running(restarts),
        serving(
            parakeet_url=hears.url,
            magpie_url=speaks.url,
            parakeet_restart_url=restarts.url + RESTART,
            api_key=("right",),
            state_dir=str(tmp_path),
        ) as url,
        visiting(browser, url) as visit,
    ):
        page = visit.page
        card, dialog = page.locator(state(page)), page.locator("#key-dialog")
        await expect(page.locator("#link")).to_have_text("Locked")
        await expect(card.locator(".badge")).to_contain_text("Healthy")
        await expect(card.locator(".details")).to_be_hidden()
        await card.get_by_role("button", name="Restart…").click()
        await page.locator("#restart-dialog").get_by_role("button", name="Restart").click()
        await expect(dialog).to_be_visible()
        await page.locator("#key").fill("wrong")
        await dialog.get_by_role("button", name="Use this key").click()
        await expect(page.locator("#key-why")).to_have_text("Incorrect API key provided.")
        assert restarts.asked == []
        await page.keyboard.press("Escape")
        await expect(card.get_by_role("alert")).to_have_text("Incorrect API key provided.")
        await card.get_by_role("button", name="Restart…").click()
        await page.locator("#restart-dialog").get_by_role("button", name="Restart").click()
        await page.locator("#key").fill("right")
        await dialog.get_by_role("button", name="Use this key").click()
        await expect(page.locator("#link")).to_have_text("Live")
        await expect(card.locator(".timeline")).to_contain_text(["restart requested: by hand"])
        await page.reload()
        await expect(page.locator("#link")).to_have_text("Live")
        assert await page.evaluate("localStorage.length") == 0
    assert len(restarts.posts(RESTART)) == 1


async def test_a_restart_can_be_cancelled(browser: Browser, hears: FakeServer, tmp_path: Path) -> None:
    """Cancel sends nothing; without a target there is no button to press."""
    restarts = hook()
    async with (
        running(restarts),
        serving(
            parakeet_url=f"{hears.url},{hears.url}",
            parakeet_restart_url=restarts.url + RESTART,
            state_dir=str(tmp_path),
        ) as url,
        visiting(browser, url) as visit,
    ):
        first, second = visit.page.locator(state(visit.page)), visit.page.locator(state(visit.page, "parakeet-2"))
        await first.get_by_role("button", name="Restart…").click()
        await expect(visit.page.locator("#restart-title")).to_have_text("Restart Parakeet?")
        await visit.page.locator("#restart-dialog").get_by_role("button", name="Cancel").click()
        await expect(visit.page.locator("#restart-dialog")).to_be_hidden()
        await expect(second.get_by_role("heading")).to_have_text("Parakeet 2")
        await expect(second.get_by_role("button", name="Restart…")).to_be_disabled()
        await expect(second.locator(".budget")).to_contain_text("No restart target is set.")
    assert restarts.asked == []


async def test_what_the_servers_are_is_shown(browser: Browser, hears: FakeServer, speaks: FakeServer) -> None:
    """Dialect, model, voices, address; and that the server is not watched."""
    async with (
        serving(parakeet_url=hears.url, magpie_url=speaks.url, watch=False) as url,
        visiting(browser, url) as visit,
    ):
        facts = visit.page.locator(state(visit.page, "magpie")).locator(".facts")
        await expect(facts).to_contain_text("100")
        await expect(facts).to_contain_text(speaks.url)
        await expect(visit.page.locator(state(visit.page)).locator(".facts")).to_contain_text("parakeet-tdt-0.6b")
        await expect(visit.page.locator(state(visit.page)).locator(".evidence")).to_have_text(
            "This proxy does not monitor this server."
        )


async def test_a_proxy_that_stops_and_comes_back_is_noticed(
    browser: Browser, hears: FakeServer, tmp_path: Path
) -> None:
    """The page says so, and follows again by itself."""
    settings: ProxySettings = {"parakeet_url": hears.url, "state_dir": str(tmp_path)}
    stack = AsyncExitStack()
    url = await stack.enter_async_context(serving(**settings))
    async with stack, visiting(browser, url) as visit:
        link = visit.page.locator("#link")
        await expect(link).to_have_text("Live")
        await stack.aclose()
        await expect(link).to_have_text("No connection, trying again")
        async with serving(**settings | {"port": int(url.rpartition(":")[2].strip("/"))}):
            await expect(link).to_have_text("Live")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_core_finds_no_accessibility_problem(
    browser: Browser, hears: FakeServer, speaks: FakeServer, tmp_path: Path, scheme: str, clip: Path
) -> None:
    """With everything on the page that can be there, dialogs included."""
    hears.answers[HEAR] = json({"detail": "CUDA error"}, status=500)
    async with (
        serving(parakeet_url=hears.url, magpie_url=speaks.url, state_dir=str(tmp_path)) as url,
        visiting(browser, url, scheme=scheme) as visit,
    ):
        page = visit.page
        await expect(page.locator(state(page))).to_have_attribute("data-state", re.compile("suspect|wedged"))
        await expect(page.locator(state(page, "magpie"))).to_have_attribute("data-state", "healthy")
        await page.get_by_role("button", name="Speak").click()
        await expect(page.locator("#replay")).to_be_visible()
        await page.locator("#file").set_input_files(clip)
        await expect(page.locator("#listen-problem")).to_be_visible()
        await page.evaluate(AXE.read_text())
        assert await findings(page) == []
        await page.get_by_role("button", name="Key…").click()
        assert await findings(page) == []


async def findings(page: Page) -> list[str]:
    """What axe-core has against the page as it is now."""
    result = await page.evaluate("axe.run()")
    return [f"{item['id']}: {json_module.dumps([n['html'] for n in item['nodes']])}" for item in result["violations"]]


@pytest.mark.parametrize("width", [320, 390, 768])
async def test_narrow_screens_scroll_one_way_only(
    browser: Browser, hears: FakeServer, speaks: FakeServer, tmp_path: Path, width: int, clip: Path
) -> None:
    """Nothing is wider than a phone."""
    async with (
        serving(parakeet_url=hears.url, magpie_url=speaks.url, state_dir=str(tmp_path)) as url,
        visiting(browser, url, width=width) as visit,
    ):
        await expect(visit.page.locator("#overall")).to_have_text("Everything works")
        await visit.page.locator("#file").set_input_files(clip)
        await expect(visit.page.locator("#transcript")).to_be_visible()
        assert await visit.page.evaluate("document.documentElement.scrollWidth") == width


async def test_it_can_be_used_without_a_mouse(browser: Browser, speaks: FakeServer) -> None:
    """Tab reaches the playground, Enter speaks."""
    async with serving(magpie_url=speaks.url, watch=False) as url, visiting(browser, url) as visit:
        page = visit.page
        await expect(page.locator("#language option")).to_have_count(6)
        await page.keyboard.press("Tab")
        await expect(page.locator(".skip")).to_be_focused()
        await page.keyboard.press("Enter")
        for _ in range(4):
            await page.keyboard.press("Tab")
        await expect(page.locator("#speed")).to_be_focused()
        await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        await expect(page.locator("#replay")).to_be_visible()
