"""What people and programs can ask about the services, and who may ask for a restart."""

import asyncio
from datetime import datetime
from pathlib import Path

import pytest
from aiohttp import FormData, web
from spark_engine.healing.health import State
from spark_engine.speech.audio import write_wav

from tests.fakes import faults, parakeet
from tests.fakes.parakeet import TRANSCRIPTIONS
from tests.fakes.server import FakeServer, json, running
from tests.helpers.proxy.healing import RESTART, dog_of, hook, until, watched
from tests.helpers.proxy.recordings import tone
from tests.helpers.proxy.running_proxy import Proxy, StartProxy

HEAR = ("POST", TRANSCRIPTIONS)
POSTS = ["/api/services/parakeet/restart", "/api/services/parakeet/check"]


async def test_the_status_tells_everything(start_proxy: StartProxy, tmp_path: Path) -> None:
    """States, since when, evidence, canary, restarts left, history, dialects."""
    proxy = await watched(start_proxy, tmp_path)
    async with proxy.client.get(f"{proxy.url}/api/status") as response:
        document = await response.json()
    assert (document["automatic_restarts"], document["restart_limit"], document["restart_window"]) == (True, 3, 1800)
    first, second = document["services"]
    assert (first["name"], second["name"]) == ("parakeet", "magpie")
    assert (first["url"], first["state"], first["restarts_left"]) == (proxy.parakeet.url, "healthy", 3)
    assert "parakeet-tdt-0.6b" in first["server"]
    assert (first["dialect"], first["model"], first["version"]) == ("openai", "parakeet-tdt-0.6b", None)
    assert "100 voices" in second["server"]
    assert (first["last_canary"]["outcome"], first["restart_target"], first["restarts"]) == ("success", None, [])
    (change,) = first["history"]
    assert (change["from"], change["to"]) == ("unknown", "healthy")
    assert first["since"].endswith("+00:00")
    # One after the other, each by the clock's next reading: the canary is over, it is a success, the state is another.
    assert first["last_canary"]["at"] <= first["last_success"] <= change["at"] == first["since"]


async def test_the_last_success_is_that_of_any_request(start_proxy: StartProxy, tmp_path: Path) -> None:
    """A canary or a caller's; failures leave it as it was, and before the first there is none."""
    gone = await start_proxy(parakeet_url=faults.refused(), magpie_url=None, watch=True, state_dir=str(tmp_path / "a"))
    await until(dog_of(gone), State.UNREACHABLE)
    assert await last_success(gone) is None

    proxy = await watched(start_proxy, tmp_path / "b")
    by_canary = await last_success(proxy)
    form = FormData()
    form.add_field("file", write_wav(tone(0.5)), filename="a.wav")
    async with proxy.client.post(f"{proxy.url}/v1/audio/transcriptions", data=form) as response:
        assert response.status == 200
    by_request = await last_success(proxy)
    assert by_canary is not None
    assert by_request is not None
    assert datetime.fromisoformat(by_request) > datetime.fromisoformat(by_canary)

    proxy.parakeet.answers[HEAR] = json({"detail": "CUDA error"}, status=500)
    async with proxy.client.post(proxy.url + POSTS[1]) as response:
        assert (await response.json())["last_success"] == by_request


async def last_success(proxy: Proxy) -> str | None:
    """When Parakeet last did what it was asked to."""
    async with proxy.client.get(f"{proxy.url}/api/status") as response:
        moment: str | None = (await response.json())["services"][0]["last_success"]
        return moment


async def test_a_service_that_is_off_is_told_too(start_proxy: StartProxy, tmp_path: Path) -> None:
    proxy = await start_proxy(parakeet_url=faults.refused(), magpie_url=None, watch=True, state_dir=str(tmp_path))
    await until(dog_of(proxy), State.UNREACHABLE)
    async with proxy.client.get(f"{proxy.url}/api/status") as response:
        (service,) = (await response.json())["services"]
    assert (service["state"], service["server"]) == ("unreachable", None)
    assert "No connection" in service["evidence"]


async def test_a_check_sends_a_canary_at_once(start_proxy: StartProxy, tmp_path: Path) -> None:
    proxy = await watched(start_proxy, tmp_path)
    proxy.parakeet.answers[HEAR] = json({"detail": "CUDA error"}, status=500)
    async with proxy.client.post(proxy.url + POSTS[1]) as response:
        document = await response.json()
    assert (response.status, document["last_canary"]["outcome"]) == (200, "signed_fault")
    assert document["state"] == "suspect"


async def test_a_restart_by_hand(start_proxy: StartProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Accepted, counted, refused while it is under way."""
    hearing, restarts = parakeet.openai(), hook()
    async with running(restarts):
        proxy = await watched(start_proxy, tmp_path, hearing, parakeet_restart_url=restarts.url + RESTART)
        good = hearing.answers[HEAR]
        hearing.answers[HEAR] = json({"detail": "loading"}, status=503)
        async with proxy.client.post(proxy.url + POSTS[0]) as response:
            document = await response.json()
            assert (response.status, document["state"], document["restarts_left"]) == (202, "restarting", 2)
        async with proxy.client.post(proxy.url + POSTS[0]) as response:
            assert (response.status, (await response.json())["error"]["code"]) == (409, "restart_under_way")
        hearing.answers[HEAR] = good
        await until(dog_of(proxy), State.HEALTHY)
    assert len(restarts.posts(RESTART)) == 1


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/api/services/parakeet/restart", 409, "no_restart_target"),
        ("/api/services/zorg/restart", 404, "unknown_service"),
        ("/api/services/zorg/check", 404, "unknown_service"),
    ],
)
async def test_what_cannot_be_done_is_said(
    start_proxy: StartProxy, tmp_path: Path, path: str, status: int, code: str
) -> None:
    """As error objects."""
    proxy = await watched(start_proxy, tmp_path)
    async with proxy.client.post(proxy.url + path) as response:
        assert (response.status, (await response.json())["error"]["code"]) == (status, code)


@pytest.mark.parametrize("path", ["/api/status", *POSTS])
async def test_with_a_key_all_three_need_it(start_proxy: StartProxy, tmp_path: Path, path: str) -> None:
    """Reading, too."""
    proxy = await watched(start_proxy, tmp_path, api_key=("first",))
    method = "GET" if path == "/api/status" else "POST"
    async with proxy.client.request(method, proxy.url + path) as response:
        assert response.status == 401
    async with proxy.client.request(method, proxy.url + path, headers={"Authorization": "Bearer first"}) as response:
        assert response.status in (200, 409)


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Origin": "https://evil.example"}, "foreign_origin"),
        ({"Origin": "null"}, "foreign_origin"),
        ({"Origin": "http://127.0.0.1:1"}, "foreign_origin"),
        ({"Host": "rebound.example"}, "foreign_host"),
    ],
)
@pytest.mark.parametrize("path", POSTS)
async def test_no_foreign_page_can_ask_for_a_restart(
    start_proxy: StartProxy, tmp_path: Path, path: str, headers: dict[str, str], code: str
) -> None:
    """A browser on this machine shows other pages, too."""
    proxy = await watched(start_proxy, tmp_path)
    async with proxy.client.post(proxy.url + path, headers=headers) as response:
        assert (response.status, (await response.json())["error"]["code"]) == (403, code)


async def test_our_own_page_may_ask(start_proxy: StartProxy, tmp_path: Path) -> None:
    proxy = await watched(start_proxy, tmp_path)
    async with proxy.client.post(proxy.url + POSTS[1], headers={"Origin": proxy.url}) as response:
        assert response.status == 200


async def test_probes_need_no_key_and_know_their_place(start_proxy: StartProxy, tmp_path: Path) -> None:
    """The process; all services; and what Wyoming bridges look for."""
    proxy = await watched(start_proxy, tmp_path, api_key=("first",), protect_lists=True)
    async with proxy.client.get(f"{proxy.url}/healthz") as response:
        assert await response.json() == {"status": "ok"}
    async with proxy.client.get(f"{proxy.url}/readyz") as response:
        services = {"parakeet": "healthy", "magpie": "healthy"}
        assert (response.status, await response.json()) == (200, {"ready": True, "services": services})
    async with proxy.client.get(f"{proxy.url}/v1/health") as response:
        assert (response.content_type, await response.text()) == ("text/plain", "OK")
    async with proxy.client.get(f"{proxy.url}/v1/readyz") as response:
        assert response.status == 401


async def test_not_ready_while_a_service_is_down(start_proxy: StartProxy, tmp_path: Path) -> None:
    """The process is well all the same."""
    proxy = await start_proxy(parakeet_url=faults.refused(), watch=True, state_dir=str(tmp_path))
    await until(dog_of(proxy), State.UNREACHABLE)
    async with proxy.client.get(f"{proxy.url}/readyz") as response:
        assert (response.status, (await response.json())["ready"]) == (503, False)
    async with proxy.client.get(f"{proxy.url}/healthz") as response:
        assert response.status == 200


async def test_a_stop_ends_the_canary_that_is_under_way(start_proxy: StartProxy, tmp_path: Path) -> None:
    """It is cancelled upstream as well, and shows nothing."""
    arrived, cancelled = asyncio.Event(), asyncio.Event()

    async def never(_: web.Request) -> web.Response:
        arrived.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        raise AssertionError

    hearing = FakeServer(parakeet.openai().answers | {HEAR: never})
    proxy = await start_proxy(hearing, watch=True, state_dir=str(tmp_path))
    await arrived.wait()
    await proxy.app.cleanup()
    await cancelled.wait()
    assert not dog_of(proxy).history
