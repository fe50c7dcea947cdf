"""The embedded Spark wedges on demand: how each way of failing looks, what stays green, and who may ask for it."""

from collections.abc import Awaitable, Callable
from contextlib import ExitStack

import pytest
from aiohttp import ClientSession, FormData, web
from aiohttp.test_utils import TestServer
from embedded_spark.engines import ADMITTED, EngineBusy
from embedded_spark.garbage import GARBAGE_WORDS, HEARD
from embedded_spark.refusals import Refusal, answer_refusals
from embedded_spark.wav import read_wav
from embedded_spark.wedge import CUBLAS, ILLEGAL_ACCESS, Mode, WedgeableEngine
from embedded_spark.wedge_routes import add_wedge

from tests.fakes.engines import FakeRecognizer
from tests.helpers.proxy.embedded_bench import INFERENCE, ONLINE, SYNTHESIZE, TRANSCRIPTIONS, Bench, form_for


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


@pytest.mark.parametrize("path", INFERENCE)
async def test_an_opaque_failure_is_plain_text(bench: Bench, path: str) -> None:
    """As web frameworks answer to an unhandled exception."""
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


async def test_a_hanging_server_admits_every_request() -> None:
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
async def test_what_needs_no_inference_stays_healthy(bench: Bench, mode: Mode) -> None:
    """Health, models and voices; and a wrong request is still refused for what it is."""
    before = await bench.pages()
    assert {status for status, _ in before} == {200}
    for path in (TRANSCRIPTIONS, SYNTHESIZE):
        assert await bench.wedge(path, mode) == {"mode": mode, "starting": False, "loaded": True, "restarts": 0}
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
    assert await bench.state(TRANSCRIPTIONS) == {"mode": "cublas", "starting": False, "loaded": True, "restarts": 0}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"mode": "fire"}', "mode must be one of cublas, opaque500, hang, garbage, cuda422, empty, memory."),
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
    assert await bench.state(TRANSCRIPTIONS) == {"mode": None, "starting": False, "loaded": True, "restarts": 0}


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
