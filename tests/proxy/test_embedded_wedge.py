"""The embedded Spark wedges on demand, is cured by a restart alone, and the proxy heals it by itself."""

import asyncio
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiohttp import ClientError, ClientPayloadError, ClientSession, FormData, web
from aiohttp.test_utils import TestServer
from embedded_spark import EmbeddedSpark
from embedded_spark.engines import ADMITTED, EngineBusy, Line
from embedded_spark.nonsense import GARBAGE_WORDS, HEARD
from embedded_spark.refusals import Refusal, answer_refusals
from embedded_spark.wav import read_wav, write_wav
from embedded_spark.wedge import CUBLAS, ILLEGAL_ACCESS, START_DELAY, Mode, Wedge, WedgeableEngine, restarted, wedged
from embedded_spark.wedge_routes import add_wedge
from spark_audio_proxy.__main__ import _with_embedded_spark
from spark_audio_proxy.config import Settings
from spark_engine.health import State
from spark_engine.request_body import FilePart, form_body

from tests.fakes.engines import FakeRecognizer, FakeSynthesizer, Gate
from tests.proxy.conftest import StartProxy
from tests.proxy.healing import dog_of, quicken, watched

TRANSCRIPTIONS = "/v1/audio/transcriptions"
SYNTHESIZE = "/v1/audio/synthesize"
ONLINE = "/v1/audio/synthesize_online"
SECOND = write_wav(b"\x00\x01" * 16_000, 16_000)
TEXT = "Turn on the kitchen light."
LOUD = b"\x00\x10" * 22_050
INFERENCE = (TRANSCRIPTIONS, SYNTHESIZE, ONLINE)


@dataclass
class HandClock:
    """A clock that goes where it is told."""

    now: float = 1000.0

    def __call__(self) -> float:
        """Seconds."""
        return self.now


@dataclass
class Bench:
    """An embedded Spark without models, its clock, and a client."""

    spark: EmbeddedSpark
    clock: HandClock
    client: ClientSession

    def url(self, path: str) -> str:
        """Where that path is served: on Parakeet's server or on Magpie's."""
        return (self.spark.parakeet_url if path == TRANSCRIPTIONS else self.spark.magpie_url) + path

    def control(self, path: str, what: str = "") -> str:
        """The control routes of the server of an inference path."""
        return self.url(path).removesuffix(path) + "/embedded" + what

    async def infer(self, path: str, text: str = TEXT, sample_rate: int = 16_000) -> tuple[int, bytes]:
        """One transcription or one synthesis: status and body."""
        form = FormData({"text": text, "sample_rate_hz": str(sample_rate)}, default_to_multipart=True)
        if path == TRANSCRIPTIONS:
            form = FormData()
            form.add_field("file", SECOND, filename="a.wav")
        async with self.client.post(self.url(path), data=form) as response:
            return response.status, await response.read()

    async def wedge(self, path: str, mode: str) -> object:
        """Wedge the server of that path."""
        async with self.client.post(self.control(path, "/wedge"), json={"mode": mode}) as response:
            assert response.status == 200
            return await response.json()

    async def restart(self, path: str) -> None:
        """Restart it."""
        async with self.client.post(self.control(path, "/restart")) as response:
            assert (response.status, await response.read()) == (204, b"")

    async def state(self, path: str) -> object:
        """What it tells about itself."""
        async with self.client.get(self.control(path)) as response:
            return await response.json()

    async def get(self, url: str) -> tuple[int, object]:
        """Status and document of a page."""
        async with self.client.get(url) as response:
            return response.status, await response.json()

    async def pages(self) -> list[tuple[int, object]]:
        """Everything that needs no inference."""
        hears = [self.spark.parakeet_url + path for path in ("/health", "/v1/models")]
        speaks = [
            self.spark.magpie_url + path for path in ("/v1/health/live", "/v1/health/ready", "/v1/audio/list_voices")
        ]
        return [await self.get(url) for url in hears + speaks]


@pytest.fixture
async def bench() -> AsyncGenerator[Bench]:
    """Both servers in good health."""
    clock = HandClock()
    spark = EmbeddedSpark(load_recognizer=FakeRecognizer, load_synthesizer=FakeSynthesizer, clock=clock)
    async with spark, ClientSession() as client:
        yield Bench(spark, clock, client)


def parakeet_error(message: str, kind: str) -> dict[str, object]:
    """OpenAI's error object."""
    return {"error": {"message": message, "type": kind, "param": None, "code": None}}


@pytest.mark.parametrize(
    ("mode", "path", "status", "document"),
    [
        ("cublas", TRANSCRIPTIONS, 500, parakeet_error(CUBLAS, "server_error")),
        ("cublas", SYNTHESIZE, 500, {"detail": CUBLAS}),
        ("cublas", ONLINE, 500, {"detail": CUBLAS}),
        ("cuda422", TRANSCRIPTIONS, 422, parakeet_error(ILLEGAL_ACCESS, "invalid_request_error")),
        ("cuda422", SYNTHESIZE, 422, {"detail": ILLEGAL_ACCESS}),
        ("cuda422", ONLINE, 422, {"detail": ILLEGAL_ACCESS}),
        ("garbage", TRANSCRIPTIONS, 200, {"text": GARBAGE_WORDS}),
        ("empty", TRANSCRIPTIONS, 200, {"text": ""}),
    ],
)
async def test_each_mode_fails_in_the_shape_of_its_server(
    bench: Bench, mode: str, path: str, status: int, document: object
) -> None:
    """Where the answer is JSON."""
    await bench.wedge(path, mode)
    async with bench.client.post(bench.url(path), data=form_for(path)) as response:
        assert (response.status, await response.json()) == (status, document)


def form_for(path: str) -> FormData:
    """A good request."""
    if path != TRANSCRIPTIONS:
        return FormData({"text": TEXT}, default_to_multipart=True)
    form = FormData()
    form.add_field("file", SECOND, filename="a.wav")
    return form


@pytest.mark.parametrize("path", INFERENCE)
async def test_an_opaque_failure_is_plain_text(bench: Bench, path: str) -> None:
    """As web frameworks answer when nobody caught the error."""
    await bench.wedge(path, "opaque500")
    async with bench.client.post(bench.url(path), data=form_for(path)) as response:
        answer = response.status, response.content_type, await response.text()
    assert answer == (500, "text/plain", "Internal Server Error")


async def test_garbage_speech_is_silence_of_the_right_length(bench: Bench) -> None:
    """Well formed, at the rate that was asked for."""
    await bench.wedge(SYNTHESIZE, "garbage")
    status, wav = await bench.infer(SYNTHESIZE, "x" * 100, 44_100)
    recording = read_wav(wav)
    assert (status, recording.sample_rate, any(recording.pcm)) == (200, 44_100, False)
    assert recording.duration == pytest.approx(7.7)
    assert await bench.infer(ONLINE, "x" * 100, 44_100) == (200, bytes(recording.pcm))


async def test_empty_speech_is_cut_after_a_hundredth_of_a_second(bench: Bench) -> None:
    """Nothing that anybody could say."""
    await bench.wedge(SYNTHESIZE, "empty")
    status, wav = await bench.infer(SYNTHESIZE)
    assert (status, read_wav(wav).duration) == (200, 0.01)
    assert await bench.infer(ONLINE) == (200, bytes(320))


@pytest.mark.parametrize("answer_format", ["text", "verbose_json"])
async def test_garbage_words_come_in_every_format(bench: Bench, answer_format: str) -> None:
    """With times that look right."""
    await bench.wedge(TRANSCRIPTIONS, "garbage")
    form = form_for(TRANSCRIPTIONS)
    form.add_field("response_format", answer_format)
    async with bench.client.post(bench.url(TRANSCRIPTIONS), data=form) as response:
        assert GARBAGE_WORDS in await response.text()


@pytest.mark.parametrize("path", INFERENCE)
async def test_a_hang_ends_with_the_restart(bench: Bench, path: str) -> None:
    """Without an answer."""
    await bench.wedge(path, "hang")
    body, taken_on = form_body({"text": TEXT}, FilePart("file", "a.wav", "audio/wav", SECOND)), asyncio.Event()

    async def sent() -> AsyncGenerator[bytes]:
        # With Expect, nothing is sent before the handler is there.
        taken_on.set()
        yield body.data

    headers = {"Content-Type": body.content_type}
    hung = asyncio.ensure_future(bench.client.post(bench.url(path), data=sent(), headers=headers, expect100=True))
    await taken_on.wait()
    await bench.restart(path)
    with pytest.raises(ClientError):
        await hung


async def test_a_server_that_hangs_turns_nobody_away() -> None:
    """A 429 would be an answer."""
    engine = WedgeableEngine(FakeRecognizer, HEARD)
    await engine.load()
    with ExitStack() as stack:
        for _ in range(ADMITTED):
            stack.enter_context(engine.admit())
        with pytest.raises(EngineBusy):
            stack.enter_context(engine.admit())
        engine.break_down(Mode.HANG)
        stack.enter_context(engine.admit())
        engine.break_down(Mode.CUBLAS)
        with pytest.raises(EngineBusy):
            stack.enter_context(engine.admit())
    await engine.close()


@pytest.mark.parametrize("mode", Mode)
async def test_whatever_needs_no_inference_stays_green(bench: Bench, mode: Mode) -> None:
    """Health, models and voices; and a wrong request is still refused for what it is."""
    before = await bench.pages()
    assert {status for status, _ in before} == {200}
    for path in (TRANSCRIPTIONS, SYNTHESIZE):
        assert await bench.wedge(path, mode) == {"mode": mode, "starting": False, "restarts": 0}
    assert await bench.pages() == before
    for path in INFERENCE:
        async with bench.client.post(bench.url(path), data=FormData(default_to_multipart=True)) as response:
            assert response.status in (400, 422)
            assert "CUDA" not in await response.text()


async def test_the_two_services_wedge_apart(bench: Bench) -> None:
    """Each has its own process."""
    await bench.wedge(TRANSCRIPTIONS, "cublas")
    assert (await bench.infer(TRANSCRIPTIONS))[0] == 500
    assert (await bench.infer(ONLINE))[0] == 200
    await bench.restart(ONLINE)
    assert await bench.state(TRANSCRIPTIONS) == {"mode": "cublas", "starting": False, "restarts": 0}


@pytest.mark.parametrize("path", INFERENCE)
async def test_a_restart_cures_after_its_delay(bench: Bench, path: str) -> None:
    """While it starts, everything that needs the model answers 503, health included."""
    well = await bench.infer(path), await bench.pages()
    await bench.wedge(path, "cublas")
    await bench.restart(path)
    assert await bench.state(path) == {"mode": None, "starting": True, "restarts": 1}
    bench.clock.now += START_DELAY - 0.001
    async with bench.client.post(bench.url(path), data=form_for(path)) as response:
        assert (response.status, response.headers["Retry-After"]) == (503, "1")
    health = [status for status, _ in await bench.pages()]
    assert health == ([503, 200, 200, 200, 200] if path == TRANSCRIPTIONS else [200, 200, 200, 503, 503])
    bench.clock.now += 0.001
    assert (await bench.infer(path), await bench.pages()) == well
    assert await bench.state(path) == {"mode": None, "starting": False, "restarts": 1}


async def test_nothing_but_a_restart_cures(bench: Bench) -> None:
    """Neither time, nor requests of any kind, nor another wedge, nor a wedge that is refused."""
    await bench.wedge(TRANSCRIPTIONS, "opaque500")
    bench.clock.now += 1_000_000
    await bench.pages()
    for _ in range(20):
        assert (await bench.infer(TRANSCRIPTIONS))[0] == 500
    await bench.infer(ONLINE)
    async with bench.client.post(bench.control(TRANSCRIPTIONS, "/wedge"), json={"mode": None}) as response:
        assert response.status == 400
    async with bench.client.get(bench.control(TRANSCRIPTIONS, "/restart")) as response:
        assert response.status == 405
    assert await bench.state(TRANSCRIPTIONS) == {"mode": "opaque500", "starting": False, "restarts": 0}
    await bench.wedge(TRANSCRIPTIONS, "cuda422")
    assert (await bench.infer(TRANSCRIPTIONS))[0] == 422


def test_a_restart_during_a_start_begins_it_again() -> None:
    """And one that is wedged meanwhile comes up wedged: the restart that did not help."""
    first = restarted(Wedge(Mode.HANG), now=10.0, delay=3.0)
    assert first == Wedge(None, restarts=1, up_at=13.0)
    broken = wedged(first, Mode.CUBLAS)
    assert broken == Wedge(Mode.CUBLAS, restarts=1, up_at=13.0)
    assert restarted(broken, now=12.0, delay=3.0) == Wedge(None, restarts=2, up_at=15.0)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"mode": "fire"}', "mode must be one of cublas, opaque500, hang, garbage, cuda422, empty."),
        (b'{"mode": 3}', "mode must be one of"),
        (b'["cublas"]', "mode must be one of"),
        (b"{}", "mode must be one of"),
        (b"cublas", "not JSON"),
        (b"\xff", "not JSON"),
        (b"", "not JSON"),
    ],
)
@pytest.mark.parametrize("path", [TRANSCRIPTIONS, SYNTHESIZE])
async def test_a_wrong_wedge_is_told_the_right_ones(bench: Bench, path: str, body: bytes, message: str) -> None:
    """400, in the server's own shape."""
    async with bench.client.post(bench.control(path, "/wedge"), data=body) as response:
        assert (response.status, message in await response.text()) == (400, True)
    assert (await bench.infer(path))[0] == 200


async def test_curl_needs_no_content_type(bench: Bench) -> None:
    """Its -d claims to be a form."""
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    url = bench.control(SYNTHESIZE, "/wedge")
    async with bench.client.post(url, data=b'{"mode": "cublas"}', headers=kind) as response:
        assert response.status == 200
    assert (await bench.infer(ONLINE))[0] == 500


async def test_web_pages_may_not_wedge(bench: Bench) -> None:
    """A browser says where a page comes from."""
    page = {"Origin": "http://evil.example"}
    for method, what in (("POST", "/wedge"), ("POST", "/restart"), ("GET", "")):
        async with bench.client.request(
            method, bench.control(TRANSCRIPTIONS, what), json={"mode": "cublas"}, headers=page
        ) as response:
            assert response.status == 403
    assert await bench.state(TRANSCRIPTIONS) == {"mode": None, "starting": False, "restarts": 0}


@pytest.mark.parametrize(("remote", "status"), [("192.0.2.7", 403), ("", 403), ("::1", 200), ("::ffff:127.0.0.1", 200)])
async def test_other_machines_may_not_wedge(remote: str, status: int) -> None:
    """Even where the server listens for them."""

    @web.middleware
    async def from_there(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        return await handler(request.clone(remote=remote))

    def render(refusal: Refusal) -> web.Response:
        return web.Response(status=refusal.status)

    engine = WedgeableEngine(FakeRecognizer, HEARD)
    app = web.Application(middlewares=[from_there, answer_refusals(render)])
    add_wedge(app, engine)
    async with (
        TestServer(app, host="127.0.0.1") as server,
        ClientSession() as client,
        client.post(server.make_url("/embedded/wedge"), json={"mode": "hang"}) as response,
    ):
        assert response.status == status
    assert engine.wedge.mode == (Mode.HANG if status == 200 else None)


async def test_a_restart_cuts_what_is_under_way() -> None:
    """A transcript that is half done, and speech that is half spoken: nobody takes it for the whole."""
    hearing, speaking = Gate(), Gate()
    spark = EmbeddedSpark(
        load_recognizer=lambda: FakeRecognizer((hearing, (Line("Hello.", 0.0, 1.0),))),
        load_synthesizer=lambda: FakeSynthesizer((LOUD, speaking, LOUD)),
    )
    async with spark, ClientSession() as client:
        bench = Bench(spark, HandClock(), client)
        heard = asyncio.create_task(bench.infer(TRANSCRIPTIONS))
        assert await asyncio.to_thread(hearing.reached.wait, 30)
        async with client.post(bench.url(ONLINE), data=form_for(ONLINE)) as response:
            assert await response.content.readexactly(len(LOUD)) == LOUD
            await bench.restart(TRANSCRIPTIONS)
            await bench.restart(ONLINE)
            hearing.opened.set()
            speaking.opened.set()
            with pytest.raises(ClientPayloadError):
                await response.content.read()
        with pytest.raises(ClientError):
            await heard


STORY = [State.SUSPECT, State.WEDGED, State.RESTARTING, State.HEALTHY]


@pytest.mark.parametrize("service", ["parakeet", "magpie"])
@pytest.mark.parametrize("mode", Mode)
async def test_the_proxy_heals_its_embedded_spark_by_itself(
    monkeypatch: pytest.MonkeyPatch, start_proxy: StartProxy, tmp_path: Path, mode: Mode, service: str
) -> None:
    """`--embedded` and nothing else set: wedged over HTTP, restarted once, well again."""
    quicken(monkeypatch)
    monkeypatch.setattr("embedded_spark.EmbeddedSpark", speaking_and_hearing)
    async with AsyncExitStack() as stack:
        settings = await _with_embedded_spark(stack, Settings(embedded=True))
        names = [f"{name}_{kind}" for name in ("parakeet", "magpie") for kind in ("url", "restart_url")]
        urls = {name: getattr(settings, name) for name in names}
        proxy = await watched(start_proxy, tmp_path, canary_interval=0.05, **urls)
        dog, healed = dog_of(proxy, service), asyncio.Event()
        dog.subscribe(lambda change: healed.set() if change.after is State.HEALTHY else None)
        control = urls[f"{service}_url"] + "/embedded"
        async with proxy.client.post(control + "/wedge", json={"mode": mode}) as response:
            assert response.status == 200
        await healed.wait()
        async with proxy.client.get(control) as response:
            assert await response.json() == {"mode": None, "starting": False, "restarts": 1}
    assert [change.after for change in dog.history][1:] == STORY


def speaking_and_hearing() -> EmbeddedSpark:
    """Fakes that pass the canaries, and restart at once."""
    return EmbeddedSpark(
        load_recognizer=lambda: FakeRecognizer(((Line(TEXT, 0.0, 1.0),),)),
        load_synthesizer=lambda: FakeSynthesizer((LOUD,)),
        start_delay=0.0,
    )


async def test_what_is_set_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service of the user's own is not restarted by the stand-in's hook, nor a stand-in by two."""
    monkeypatch.setattr("embedded_spark.EmbeddedSpark", speaking_and_hearing)
    async with AsyncExitStack() as stack:
        own = Settings(embedded=True, parakeet_url="http://spark.local:8000", magpie_restart_command="true")
        settings = await _with_embedded_spark(stack, own)
    assert (settings.parakeet_url, settings.parakeet_restart_url) == ("http://spark.local:8000", None)
    assert (settings.magpie_restart_url, settings.magpie_restart_command) == (None, "true")
    assert settings.magpie_url is not None
    assert settings.magpie_url.startswith("http://127.0.0.1:")


@pytest.mark.parametrize("delay", ["-1", "nan", "inf", "soon"])
async def test_a_wrong_start_delay_is_said(delay: str) -> None:
    """By argparse, with exit status 2."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "embedded_spark", f"--start-delay={delay}"), stderr=asyncio.subprocess.PIPE
    )
    _, errors = await process.communicate()
    assert process.returncode == 2
    assert b"argument --start-delay" in errors
