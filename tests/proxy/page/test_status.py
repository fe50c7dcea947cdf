"""The cards of the servers on the page: what they tell while things happen."""

import re
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from aiohttp import ClientSession
from embedded_spark import EmbeddedSpark
from playwright.async_api import Browser, expect
from spark_engine.healing.health import Policy

from tests.fakes.parakeet import TRANSCRIPTIONS
from tests.fakes.server import FakeServer, Handler, json, running
from tests.helpers.proxy.browser import serving, state, visiting
from tests.helpers.proxy.healing import RESTART, hook
from tests.helpers.proxy.settings import ProxySettings

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.browser]

expect.set_options(timeout=30_000)

HEAR = ("POST", TRANSCRIPTIONS)


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
        await expect(card.locator(".headline")).to_have_text("It works.")
        await expect(card.locator(".evidence")).to_have_text("The canary was transcribed right.")
        steps = await card.locator(".timeline .what").all_text_contents()
        assert steps == ["Healthy", "Restarting", "Stuck", "Suspect", "Healthy"]
        assert await card.locator(".bar.failed .cross").count() >= 2
        await expect(card.locator(".strip")).to_have_attribute(
            "aria-label", re.compile(r"^Usable: \d\d?\.\d+ % since ")
        )
        await expect(card.locator(".chart")).to_be_hidden()
        await card.get_by_text("Details").click()
        await expect(card.locator(".chart")).to_be_visible()
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
        await expect(card.locator(".details").first).to_be_hidden()
        await card.get_by_role("button", name="Restart…").click()
        await page.locator("#restart-dialog").get_by_role("button", name="Restart").click()
        await expect(dialog).to_be_visible()
        await page.locator("#key").fill("wrong")
        await dialog.get_by_role("button", name="Use this key").click()
        await expect(dialog.get_by_role("alert")).to_have_text("Incorrect API key provided.")
        assert restarts.asked == []
        await page.keyboard.press("Escape")
        await expect(card.get_by_role("alert")).to_contain_text("API key")
        await card.get_by_role("button", name="Restart…").click()
        await page.locator("#restart-dialog").get_by_role("button", name="Restart").click()
        await page.locator("#key").fill("right")
        await dialog.get_by_role("button", name="Use this key").click()
        await expect(page.locator("#link")).to_have_text("Live")
        await expect(page.locator("#key-state")).to_have_text("Key accepted")
        await expect(card.get_by_role("alert")).to_be_hidden()
        await expect(card.locator(".timeline")).to_contain_text(["restart requested: by hand"])
        await expect(card.locator(".progress")).to_have_text(re.compile(r"^Restarted\. It works again after \d+ s\.$"))
        await page.reload()
        await expect(page.locator("#link")).to_have_text("Live")
        assert await page.evaluate("localStorage.length") == 0
    assert len(restarts.posts(RESTART)) == 1


async def test_a_restart_needs_an_admin_key(browser: Browser, hears: FakeServer, tmp_path: Path) -> None:
    """Where there is one, the key that shows everything restarts nothing; the page says so and asks for the other."""
    restarts = hook()
    async with (
        running(restarts),
        serving(
            parakeet_url=hears.url,
            parakeet_restart_url=restarts.url + RESTART,
            api_key=("right",),
            admin_key=("admin",),
            state_dir=str(tmp_path),
        ) as url,
        visiting(browser, url) as visit,
    ):
        page = visit.page
        card, dialog = page.locator(state(page)), page.locator("#key-dialog")
        await page.locator("#key-button").click()
        await page.locator("#key").fill("right")
        await dialog.get_by_role("button", name="Use this key").click()
        await expect(page.locator("#link")).to_have_text("Live")
        await card.get_by_role("button", name="Restart…").click()
        await page.locator("#restart-dialog").get_by_role("button", name="Restart").click()
        await expect(page.locator("#key-why")).to_have_text(re.compile("an admin key may"))
        assert restarts.asked == []
        await page.locator("#key").fill("admin")
        await dialog.get_by_role("button", name="Use this key").click()
        await expect(card.locator(".timeline")).to_contain_text(["restart requested: by hand"])
        await expect(page.locator("#link")).to_have_text("Live")
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
        await expect(visit.page.locator(state(visit.page)).locator(".headline")).to_have_text(
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


SENTENCES = [
    (
        json({"detail": "CUDA out of memory. Tried to allocate 20 MiB"}, status=500),
        "out_of_memory",
        "The GPU's memory is full",
    ),
    (json({"detail": "CUDA error: misaligned address"}, status=500), "wedged", "It answers, but no request succeeds"),
    (json({"detail": "The model is loading"}, status=503), "starting", "It is loading its model"),
]


@pytest.mark.parametrize(("answer", "name", "sentence"), SENTENCES, ids=[name for _, name, _ in SENTENCES])
async def test_a_state_is_one_plain_sentence(
    browser: Browser, hears: FakeServer, tmp_path: Path, answer: Handler, name: str, sentence: str
) -> None:
    """What the server itself said is there for those who look for it."""
    hears.answers[HEAR] = answer
    quick = Policy(suspect_interval=0.1)
    async with (
        serving(policy=quick, parakeet_url=hears.url, state_dir=str(tmp_path)) as url,
        visiting(browser, url) as visit,
    ):
        card = visit.page.locator(state(visit.page))
        await expect(card).to_have_attribute("data-state", name)
        await expect(card.locator(".headline")).to_contain_text(sentence)
        evidence = card.locator(".evidence")
        await expect(evidence).to_be_hidden()
        await card.get_by_text("Details").click()
        await expect(evidence).to_be_visible()
        await expect(evidence).to_contain_text("The server")


async def test_a_restart_that_is_refused_is_told(browser: Browser, hears: FakeServer, tmp_path: Path) -> None:
    """Nothing was restarted: the attempt is not spent, and the page says what the restart target answered."""
    refusing = FakeServer({("POST", RESTART): json({"message": "No such container"}, status=404)})
    async with (
        running(refusing),
        serving(parakeet_url=hears.url, parakeet_restart_url=refusing.url + RESTART, state_dir=str(tmp_path)) as url,
        visiting(browser, url) as visit,
    ):
        page = visit.page
        card = page.locator(state(page))
        await card.get_by_role("button", name="Restart…").click()
        await page.locator("#restart-dialog").get_by_role("button", name="Restart").click()
        answer = "The restart target answered 404 Not Found."
        await expect(card.locator(".problem")).to_contain_text(answer)
        await expect(card.locator(".budget")).to_contain_text(f"No restart is possible now. {answer}")
        await expect(card.locator(".pip.spent")).to_have_count(0)
        steps = await card.locator(".timeline .what").all_text_contents()
        assert steps == ["Restart refused", "Restarting, by hand", "Healthy"]
