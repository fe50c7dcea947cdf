"""Every fault on real sockets: what the caller gets, what state follows, how many restarts are sent."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from aiohttp import ClientResponse, FormData, web
from spark_engine.healing.budget import Budget
from spark_engine.healing.health import State
from spark_engine.healing.watchdog import Watchdog
from spark_engine.servers.deadlines import Deadlines
from spark_engine.speech.audio import write_wav

from tests.fakes import faults, magpie, parakeet
from tests.fakes.magpie import SYNTHESIZE_ONLINE, in_pieces, spoken
from tests.fakes.parakeet import TRANSCRIPTIONS
from tests.fakes.server import FakeServer, Handler, data, json, running, text
from tests.helpers.proxy.healing import RESTART, dog_of, hook, until, watched
from tests.helpers.proxy.recordings import tone
from tests.helpers.proxy.running_proxy import Proxy, StartProxy
from tests.helpers.proxy.settings import ProxySettings

HEAR = ("POST", TRANSCRIPTIONS)
SPEAK = ("POST", SYNTHESIZE_ONLINE)


async def hear(proxy: Proxy) -> ClientResponse:
    """One transcription."""
    form = FormData()
    form.add_field("file", write_wav(tone(0.5)), filename="a.wav")
    async with proxy.client.post(f"{proxy.url}/v1/audio/transcriptions", data=form) as response:
        await response.read()
        return response


async def say(proxy: Proxy) -> ClientResponse:
    """One utterance."""
    async with proxy.client.post(
        f"{proxy.url}/v1/audio/speech", json={"input": "Hello there.", "response_format": "wav"}
    ) as response:
        await response.read()
        return response


def states(dog: Watchdog) -> list[State]:
    """The states after the first healthy one."""
    return [change.after for change in dog.history][1:]


STORY = [State.SUSPECT, State.WEDGED, State.RESTARTING, State.HEALTHY]

WEDGES: list[tuple[str, Handler]] = [
    ("500 with CUDA text", json({"detail": "CUDA error: an illegal memory access"}, status=500)),
    ("422 with CUDA text", json({"detail": "CUBLAS_STATUS_EXECUTION_FAILED"}, status=422)),
    ("opaque 500", text("Internal Server Error", status=500)),
    ("a web page with 200", text("<html>", content_type="text/html")),
    ("JSON without text", json({})),
]


@pytest.mark.parametrize(("name", "fault"), WEDGES, ids=[name for name, _ in WEDGES])
async def test_a_wedged_parakeet_is_restarted_once_and_served_again(
    start_proxy: StartProxy, tmp_path: Path, name: str, fault: Handler
) -> None:
    """503 to the caller who meets the fault, 503 at once to the rest, then as before."""
    hearing = parakeet.openai()
    good = hearing.answers[HEAR]
    restarts = hook((hearing, HEAR, good))
    async with running(restarts):
        proxy = await watched(start_proxy, tmp_path, hearing, parakeet_restart_url=restarts.url + RESTART)
        hearing.answers[HEAR] = fault
        first = await hear(proxy)
        assert (first.status, first.headers["Retry-After"], first.headers["x-should-retry"]) == (503, "60", "false")
        await until(dog_of(proxy), State.RESTARTING)
        held = await hear(proxy)
        if held.status != 200:
            assert (held.status, held.headers["Retry-After"]) == (503, "60")
        await until(dog_of(proxy), State.HEALTHY)
        assert (await hear(proxy)).status == 200
    assert states(dog_of(proxy)) == STORY, name
    assert len(restarts.posts(RESTART)) == 1


@pytest.mark.parametrize(
    "fault",
    [
        in_pieces(),
        in_pieces(bytes(100)),
        json({"detail": "CUDA error"}, status=500),
        in_pieces(spoken("Hello there."), then_reset=True),
        data(b"<html>", "text/html"),
    ],
    ids=["empty", "cut short", "CUDA", "reset in the middle", "a web page"],
)
async def test_a_wedged_magpie_is_restarted_once(start_proxy: StartProxy, tmp_path: Path, fault: Handler) -> None:
    """An empty or cut answer is a fault, whatever its status."""
    speaking = magpie.nim()
    good = speaking.answers[SPEAK]
    restarts = hook((speaking, SPEAK, good))
    async with running(restarts):
        proxy = await watched(
            start_proxy, tmp_path, speaking=speaking, magpie_restart_url=restarts.url + RESTART, canary_interval=0.1
        )
        speaking.answers[SPEAK] = fault
        dog = dog_of(proxy, "magpie")
        await until(dog, State.WEDGED)
        await until(dog, State.HEALTHY)
        assert (await say(proxy)).status == 200
    assert states(dog) == STORY
    assert len(restarts.posts(RESTART)) == 1


@pytest.mark.parametrize(
    ("speaking_fault", "hearing_fault"),
    [(in_pieces(bytes(44_100)), None), (None, json({"text": "asdf jkl qwerty"}))],
    ids=["silence", "garbage words"],
)
async def test_an_answer_that_looks_well_and_is_wrong_is_found_by_the_canary(
    start_proxy: StartProxy, tmp_path: Path, speaking_fault: Handler | None, hearing_fault: Handler | None
) -> None:
    """A wedged GPU can answer 200."""
    hearing, speaking = parakeet.openai(), magpie.nim()
    name, server, route, fault = (
        ("magpie", speaking, SPEAK, speaking_fault) if speaking_fault else ("parakeet", hearing, HEAR, hearing_fault)
    )
    assert fault is not None
    restarts = hook((server, route, server.answers[route]))
    async with running(restarts):
        url = restarts.url + RESTART
        target: ProxySettings = {"magpie_restart_url": url} if speaking_fault else {"parakeet_restart_url": url}
        proxy = await watched(start_proxy, tmp_path, hearing, speaking, **target | {"canary_interval": 0.1})
        server.answers[route] = fault
        dog = dog_of(proxy, name)
        await until(dog, State.WEDGED)
        await until(dog, State.HEALTHY)
    assert states(dog) == STORY
    assert len(restarts.posts(RESTART)) == 1


ON_THE_WIRE: list[tuple[faults.Fault, State, int]] = [
    (faults.silent, State.WEDGED, 504),
    (faults.headers_then_nothing, State.WEDGED, 504),
    (faults.drip, State.WEDGED, 504),
    (faults.reset_before_answer, State.WEDGED, 503),
    (faults.reset_within_body, State.WEDGED, 503),
    (faults.close_without_answer, State.WEDGED, 503),
    (faults.short_content_length, State.WEDGED, 503),
    (faults.cut_without_length, State.WEDGED, 503),
    (faults.not_http, State.WEDGED, 503),
]


@pytest.mark.slow
@pytest.mark.parametrize(("fault", "state", "status"), ON_THE_WIRE, ids=lambda item: getattr(item, "__name__", ""))
async def test_faults_on_the_wire(
    start_proxy: StartProxy,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fault: faults.Fault,
    state: State,
    status: int,
) -> None:
    """A server that was well and then breaks like this: one restart is asked for, and no more than the budget."""
    deadlines = Deadlines(canary=0.2, transcription=0.2)
    restarts = hook()
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(running(restarts))
        broken = await stack.enter_async_context(faults.serving(fault))
        proxy = await watched(
            start_proxy, tmp_path, parakeet_restart_url=restarts.url + RESTART, canary_interval=0.1, deadlines=deadlines
        )
        monkeypatch.setattr(proxy.app_client().transport, "base_url", broken)
        assert (await hear(proxy)).status == status
        await until(dog_of(proxy), state)
        await until(dog_of(proxy), State.RESTARTING)
        # Its next canary is connecting already: a server that closes in between leaves the connection open.
        await proxy.app.cleanup()
    assert len(restarts.posts(RESTART)) <= 1
    assert dog_of(proxy).restarter.restarts_left == 2


async def test_a_web_page_is_named_and_nothing_is_restarted(
    start_proxy: StartProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On every path: a router's login, or a page of maintenance."""
    restarts = hook()
    async with running(restarts), faults.serving(faults.html) as page:
        proxy = await watched(start_proxy, tmp_path, parakeet_restart_url=restarts.url + RESTART)
        monkeypatch.setattr(proxy.app_client().transport, "base_url", page)
        answer = await hear(proxy)
        assert (answer.status, answer.reason) == (502, "This is a web page, not a Parakeet.")
        await until(dog_of(proxy), State.WRONG_SERVER)
        await proxy.app.cleanup()
    assert restarts.posts(RESTART) == []


@pytest.mark.parametrize("url", [faults.refused(), "http://no-such-host.invalid:9000"], ids=["refused", "no such host"])
async def test_a_box_that_is_off_is_unreachable_and_not_restarted(
    start_proxy: StartProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    """Nothing is there that could be restarted."""
    restarts = hook()
    async with running(restarts):
        proxy = await watched(start_proxy, tmp_path, parakeet_restart_url=restarts.url + RESTART)
        monkeypatch.setattr(proxy.app_client().transport, "base_url", url)
        answer = await hear(proxy)
        assert (answer.status, answer.headers["Retry-After"]) == (503, "30")
        await until(dog_of(proxy), State.UNREACHABLE)
        for _ in range(5):
            await dog_of(proxy).check()
    assert restarts.posts(RESTART) == []


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (json({"detail": "slow down"}, status=429), 429),
        (json({"detail": "audio too long"}, status=400), 400),
        (json({"detail": "Model is not ready"}, status=503), 429),
    ],
)
async def test_busy_and_refused_are_no_faults(
    start_proxy: StartProxy, tmp_path: Path, answer: Handler, status: int
) -> None:
    hearing, restarts = parakeet.openai(), hook()
    async with running(restarts):
        proxy = await watched(start_proxy, tmp_path, hearing, parakeet_restart_url=restarts.url + RESTART)
        hearing.answers[HEAR] = answer
        assert (await hear(proxy)).status == status
        for _ in range(5):
            await dog_of(proxy).check()
    assert restarts.posts(RESTART) == []


async def test_one_bad_recording_does_not_lock_others_out(start_proxy: StartProxy, tmp_path: Path) -> None:
    """It fails for each caller that sends it; the canary and other recordings pass."""
    hearing, restarts = parakeet.openai(), hook()
    good = hearing.answers[HEAR]
    bad_size = len(write_wav(tone(0.3)))

    async def picky(request: web.Request) -> web.StreamResponse:
        size = len(hearing.asked[-1].file or b"")
        answer = json({"detail": "CUDA error: padding"}, status=500) if size == bad_size else good
        return await answer(request)

    hearing.answers[HEAR] = picky
    async with running(restarts):
        proxy = await watched(start_proxy, tmp_path, hearing, parakeet_restart_url=restarts.url + RESTART)
        for _ in range(5):
            form = FormData()
            form.add_field("file", write_wav(tone(0.3)), filename="bad.wav")
            async with proxy.client.post(f"{proxy.url}/v1/audio/transcriptions", data=form) as response:
                assert response.status == 503
            assert (await hear(proxy)).status == 200
    assert restarts.posts(RESTART) == []


@pytest.mark.slow
@pytest.mark.parametrize("answer", [json({}, status=500), json({}, status=204)], ids=["500", "accepts, does nothing"])
async def test_a_restart_that_does_not_help_ends_in_giving_up(
    start_proxy: StartProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: Handler
) -> None:
    """Three attempts, then a person; told to every caller."""
    hearing, restarts = parakeet.openai(), FakeServer({("POST", RESTART): answer})
    async with running(restarts):
        proxy = await watched(
            start_proxy, tmp_path, hearing, parakeet_restart_url=restarts.url + RESTART, budget=Budget(spacing=0.1)
        )
        hearing.answers[HEAR] = WEDGES[0][1]
        await hear(proxy)
        await until(dog_of(proxy), State.GAVE_UP)
        held = await hear(proxy)
        assert (held.status, held.headers["Retry-After"]) == (503, "600")
        assert "operator action required" in (held.reason or "")
    assert len(restarts.posts(RESTART)) == 3


async def test_a_request_moves_to_the_next_server(start_proxy: StartProxy, tmp_path: Path) -> None:
    """Two Parakeets: a fault of the first is answered by the second, and the first is restarted by its own target."""
    broken, well = parakeet.openai(), parakeet.openai("Heard by the second: turn on the kitchen light.")
    restarts = hook((broken, HEAR, broken.answers[HEAR]))
    async with running(broken), running(well), running(restarts):
        proxy = await watched(
            start_proxy,
            tmp_path,
            parakeet_url=f"{broken.url}, {well.url}",
            parakeet_restart_url=f"{restarts.url}{RESTART}",
        )
        broken.answers[HEAR] = WEDGES[0][1]
        form = FormData()
        form.add_field("file", write_wav(tone(0.5)), filename="a.wav")
        async with proxy.client.post(f"{proxy.url}/v1/audio/transcriptions", data=form) as response:
            assert (await response.json())["text"].startswith("Heard by the second")
        async with proxy.client.get(f"{proxy.url}/readyz") as response:
            assert response.status == 200
        await until(dog_of(proxy), State.RESTARTING)
        await until(dog_of(proxy), State.HEALTHY)
    assert dog_of(proxy, "parakeet-2").health.state is State.HEALTHY
    assert len(restarts.posts(RESTART)) == 1


async def test_speech_moves_only_before_the_first_sound(start_proxy: StartProxy, tmp_path: Path) -> None:
    """A voice must not change in the middle of a word."""
    broken, well = magpie.nim(), magpie.nim()
    async with running(broken), running(well):
        proxy = await watched(start_proxy, tmp_path, magpie_url=f"{broken.url},{well.url}")
        broken.answers[SPEAK] = in_pieces()
        assert (await say(proxy)).status == 200
        assert len(well.posts(SYNTHESIZE_ONLINE)) == 2
        await until(dog_of(proxy, "magpie"), State.WEDGED)


type Edit = Callable[[Path], object]


@pytest.mark.parametrize("edit", [lambda path: path.write_text(""), lambda path: path.write_text("{}")])
async def test_a_damaged_record_means_no_restart(start_proxy: StartProxy, tmp_path: Path, edit: Edit) -> None:
    """Better a person too early than a storm."""
    edit(tmp_path / "parakeet.json")
    hearing, restarts = parakeet.openai(), hook()
    async with running(restarts):
        proxy = await watched(
            start_proxy, tmp_path, hearing, parakeet_restart_url=restarts.url + RESTART, budget=Budget(spacing=0.1)
        )
        hearing.answers[HEAR] = WEDGES[0][1]
        await hear(proxy)
        await until(dog_of(proxy), State.GAVE_UP)
    assert restarts.posts(RESTART) == []


async def test_the_record_survives_the_proxy(start_proxy: StartProxy, tmp_path: Path) -> None:
    """Killed and started again, the attempts still count."""
    hearing = parakeet.openai()
    restarts = hook((hearing, HEAR, hearing.answers[HEAR]))
    async with running(restarts):
        first = await watched(start_proxy, tmp_path, hearing, parakeet_restart_url=restarts.url + RESTART)
        hearing.answers[HEAR] = WEDGES[0][1]
        await hear(first)
        await until(dog_of(first), State.RESTARTING)
        await until(dog_of(first), State.HEALTHY)
        await first.stop()
        second = await watched(
            start_proxy, tmp_path, parakeet_url=first.parakeet.url, parakeet_restart_url=restarts.url + RESTART
        )
        assert dog_of(second).restarter.restarts_left == 2
