"""Speech to text over HTTP: what clients send, what they get, and what is said about wrong input."""

import asyncio
import base64
import json as jsonlib
import re
from collections.abc import AsyncGenerator

import pytest
from aiohttp import FormData, web
from spark_audio_proxy.uploads import form as form_module
from spark_engine.models import Audio
from spark_engine.speech.audio import read_wav, silence, wav_header, write_wav

from tests.fakes import faults, openai_parakeet, parakeet
from tests.fakes.parakeet import TRANSCRIPTIONS
from tests.fakes.server import FakeServer, Handler, data, json, text
from tests.helpers.proxy.forms import error_in, send, upload
from tests.helpers.proxy.recordings import many_channels, recorded, speech_with_pauses, tone
from tests.helpers.proxy.running_proxy import Proxy, StartProxy

type Document = dict[str, object]

TEXT = "Turn on the kitchen light."


SPEECH = tone(1.5)


async def test_a_wav_becomes_text(proxy: Proxy) -> None:
    """With usage in seconds, counted from the samples; Parakeet gets the same samples."""
    status, kind, body = await send(proxy, upload(write_wav(SPEECH)))
    assert (status, kind) == (200, "application/json")
    assert jsonlib.loads(body) == {"text": TEXT, "usage": {"type": "duration", "seconds": 1.5}}
    assert read_wav(proxy.parakeet.posts(TRANSCRIPTIONS)[0].file or b"") == SPEECH


@pytest.mark.parametrize(
    ("container", "codec", "live"),
    [
        ("webm", "libopus", True),
        ("ogg", "libopus", True),
        ("mp4", "aac", False),
        ("adts", "aac", True),
        ("mp3", "libmp3lame", False),
        ("flac", "flac", False),
        ("wav", "pcm_s16le", False),
        ("wav", "pcm_f32le", False),
        ("mov", "alac", False),
    ],
)
async def test_recordings_of_phones_and_browsers_are_decoded(
    proxy: Proxy, container: str, codec: str, *, live: bool
) -> None:
    """By content, whatever the file is called; Parakeet gets clean 16 kHz mono WAV."""
    audio = recorded(container, codec, live=live)
    status, _, body = await send(proxy, upload(audio, "recording.wav"))
    assert status == 200, body
    heard = read_wav(proxy.parakeet.posts(TRANSCRIPTIONS)[0].file or b"")
    assert heard.sample_rate == 16_000
    assert heard.seconds == pytest.approx(2.0, abs=0.08)
    assert max(heard.pcm) > 0


async def test_many_channels_at_a_high_rate_are_mixed_down(proxy: Proxy) -> None:
    status, _, _ = await send(proxy, upload(many_channels()))
    heard = read_wav(proxy.parakeet.posts(TRANSCRIPTIONS)[0].file or b"")
    assert (status, heard.sample_rate) == (200, 16_000)
    assert heard.seconds == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("size", [b"\0\0\0\0", b"\xff\xff\xff\xff"])
async def test_a_wav_without_a_size_is_read_to_its_end(proxy: Proxy, size: bytes) -> None:
    """What streaming encoders write."""
    header = bytearray(wav_header(16_000))
    header[40:44] = size
    assert (await send(proxy, upload(bytes(header) + SPEECH.pcm)))[0] == 200
    assert read_wav(proxy.parakeet.posts(TRANSCRIPTIONS)[0].file or b"") == SPEECH


@pytest.mark.parametrize("before", [0, 5000])
@pytest.mark.parametrize("duration", [0.2, 1.5, 40.0])
async def test_chunks_around_the_samples_are_not_heard(proxy: Proxy, duration: float, before: int) -> None:
    """Titles and the like: they would be a click, and what they push out would be missing."""
    audio = tone(duration)
    file = write_wav(audio)
    file = file[:36] + b"junk" + before.to_bytes(4, "little") + bytes(before) + file[36:]
    assert (await send(proxy, upload(file + b"LIST\x1a\0\0\0INFOISFT\x0d\0\0\0Lavf62.3.100\0\0")))[0] == 200
    assert read_wav(proxy.parakeet.posts(TRANSCRIPTIONS)[0].file or b"") == audio


@pytest.mark.parametrize("file_first", [True, False])
@pytest.mark.parametrize("brackets", ["", "[]"])
async def test_parts_come_in_any_order_and_names_with_brackets(
    start_proxy: StartProxy, brackets: str, *, file_first: bool
) -> None:
    """OpenAI's Python client puts the file last, its Node client first; both send arrays as `name[]`."""
    hearing = parakeet.openai()
    words = [{"word": "Turn", "start": 0.0, "end": 0.2}]
    hearing.answers["POST", TRANSCRIPTIONS] = json({"text": "Turn", "words": words, "segments": []})
    proxy = await start_proxy(hearing)
    form = FormData()
    if file_first:
        form.add_field("file", write_wav(SPEECH), filename="a.wav")
    form.add_field("response_format", "verbose_json")
    form.add_field(f"timestamp_granularities{brackets}", "word")
    if not file_first:
        form.add_field("file", write_wav(SPEECH), filename="a.wav")
    _, _, body = await send(proxy, form)
    document = jsonlib.loads(body)
    assert document["words"] == words
    assert "segments" not in document


async def test_a_chunked_upload_is_an_upload(proxy: Proxy) -> None:
    """Open WebUI sends no Content-Length."""
    form = upload(write_wav(SPEECH))()

    async def body() -> AsyncGenerator[bytes]:
        whole = await form.as_bytes()
        for at in range(0, len(whole), 777):
            yield whole[at : at + 777]

    async with proxy.client.post(
        f"{proxy.url}/v1/audio/transcriptions", data=body(), headers={"Content-Type": form.headers["Content-Type"]}
    ) as response:
        assert (await response.json())["text"] == TEXT


async def test_audio_in_json_is_transcribed(proxy: Proxy) -> None:
    """The other way in which Open WebUI may ask."""
    document = {
        "model": "x",
        "language": "en",
        "input_audio": {"data": base64.b64encode(write_wav(SPEECH)).decode(), "format": "webm"},
    }
    async with proxy.client.post(f"{proxy.url}/v1/audio/transcriptions", json=document) as response:
        assert (await response.json())["text"] == TEXT
    assert proxy.parakeet.posts(TRANSCRIPTIONS)[0].fields["language"] == "en"


TIMED = {
    "text": "One two.",
    "language": "english",
    "segments": [{"start": 0.1, "end": 1.25, "text": " One two."}],
    "words": [{"word": "One", "start": 0.1, "end": 0.5}, {"word": "two.", "start": 0.6, "end": 1.25}],
}

SRT = "1\n00:00:00,100 --> 00:00:01,250\nOne two.\n"
VTT = "WEBVTT\n\n00:00:00.100 --> 00:00:01.250\nOne two.\n"


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("text", "text/plain", "One two.\n"),
        ("srt", "application/x-subrip", SRT),
        ("vtt", "text/vtt", VTT),
    ],
)
async def test_text_formats(start_proxy: StartProxy, name: str, kind: str, expected: str) -> None:
    hearing = parakeet.openai()
    hearing.answers["POST", TRANSCRIPTIONS] = json(TIMED)
    proxy = await start_proxy(hearing)
    assert await send(proxy, upload(write_wav(SPEECH), response_format=name)) == (200, kind, expected.encode())


@pytest.mark.parametrize(("name", "cue"), [("srt", "R&D: 3 < 5 --> yes\n"), ("vtt", "R&amp;D: 3 &lt; 5 --&gt; yes\n")])
async def test_a_text_never_ends_its_cue(start_proxy: StartProxy, name: str, cue: str) -> None:
    """An empty line would, and in WebVTT what looks like a tag is not shown."""
    hearing = parakeet.openai()
    segment = {"start": 0.1, "end": 1.25, "text": "R&D: 3 < 5\n\n--> yes\r\n"}
    hearing.answers["POST", TRANSCRIPTIONS] = json({"text": "x", "segments": [segment]})
    proxy = await start_proxy(hearing)
    _, _, body = await send(proxy, upload(write_wav(SPEECH), response_format=name))
    assert body.decode().endswith(f"01{',' if name == 'srt' else '.'}250\n{cue}")


async def test_verbose_json_tells_what_is_known_and_nothing_else(start_proxy: StartProxy) -> None:
    """No made-up probabilities; words only where they were asked for."""
    hearing = parakeet.openai()
    hearing.answers["POST", TRANSCRIPTIONS] = json(TIMED)
    proxy = await start_proxy(hearing)
    _, _, body = await send(proxy, upload(write_wav(SPEECH), response_format="verbose_json"))
    assert jsonlib.loads(body) == {
        "task": "transcribe",
        "language": "english",
        "duration": 1.5,
        "text": "One two.",
        "usage": {"type": "duration", "seconds": 1.5},
        "segments": [{"id": 0, "start": 0.1, "end": 1.25, "text": "One two."}],
    }


async def test_without_segments_the_recording_is_one(start_proxy: StartProxy) -> None:
    proxy = await start_proxy(openai_parakeet.martin())
    _, _, body = await send(proxy, upload(write_wav(SPEECH), response_format="verbose_json", language="en"))
    document = jsonlib.loads(body)
    assert document["segments"] == [{"id": 0, "start": 0.0, "end": 1.5, "text": TEXT}]
    assert document["language"] == "en"


@pytest.mark.parametrize(
    "answer", [{"text": TEXT}, {"text": TEXT, "words": []}, {"text": TEXT, "words": [{"word": "Turn"}]}]
)
async def test_word_times_that_the_server_lacks_are_refused(start_proxy: StartProxy, answer: object) -> None:
    """Times are never invented."""
    proxy = await start_proxy(FakeServer(parakeet.openai().answers | {("POST", TRANSCRIPTIONS): json(answer)}))
    form = upload(write_wav(SPEECH), response_format="verbose_json", **{"timestamp_granularities[]": "word"})
    status, _, body = await send(proxy, form)
    assert (status, error_in(body)["message"]) == (400, "This Parakeet server gives no word times.")


async def test_times_that_a_server_refuses_cost_no_text(start_proxy: StartProxy) -> None:
    """vLLM answers 400: it is asked once more, and every format has one cue for the whole window."""
    hearing = openai_parakeet.vllm()
    proxy = await start_proxy(hearing)
    for _ in range(2):
        _, _, body = await send(proxy, upload(write_wav(SPEECH), response_format="srt"))
        assert body.decode() == f"1\n00:00:00,000 --> 00:00:01,500\n{TEXT}\n"
    formats = [asked.fields["response_format"] for asked in hearing.posts(TRANSCRIPTIONS)]
    assert formats == ["verbose_json", "json", "json"]


async def test_a_window_is_no_longer_than_the_server_takes(start_proxy: StartProxy) -> None:
    """achetronic fails above 400 s, whatever `--window` says."""
    hearing = parakeet.achetronic()
    proxy = await start_proxy(hearing, window=1000.0)
    status, _, _ = await send(proxy, upload(write_wav(silence(450.0, 16_000))))
    assert status == 200
    assert len(hearing.posts(TRANSCRIPTIONS)) == 2


@pytest.mark.parametrize("name", ["json", "text", "srt"])
@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (data(b'{"text": "a \\ud800 b"}', "application/json"), 200),
        (text("[" * 200_000 + "]" * 200_000, content_type="application/json"), 503),
        (json({"detail": "loading"}, status=503, headers={"Retry-After": "9" * 400}), 429),
    ],
    ids=["half a character", "deep", "wait for ever"],
)
async def test_an_answer_that_makes_no_sense_is_no_internal_error(
    start_proxy: StartProxy, answer: Handler, status: int, name: str
) -> None:
    """Whatever a server sends, callers get a document that they can read."""
    proxy = await start_proxy(FakeServer(parakeet.openai().answers | {("POST", TRANSCRIPTIONS): answer}))
    got, _, body = await send(proxy, upload(write_wav(SPEECH), response_format=name))
    assert got == status
    assert b"a ? b" in body if status == 200 else error_in(body)["message"]


async def counting(request: web.Request) -> web.Response:
    """Answers how long the audio was that it got."""
    file = (await request.post())["file"]
    assert isinstance(file, web.FileField)
    seconds = read_wav(file.file.read()).seconds
    times = {"start": 0.0, "end": seconds}
    text = f"{seconds:.1f}"
    return web.json_response({"text": text, "segments": [{"text": text} | times], "words": [{"word": text} | times]})


async def test_a_long_recording_is_cut_at_pauses_and_joined(start_proxy: StartProxy) -> None:
    """With times counted from the start of the whole."""
    proxy = await start_proxy(FakeServer(parakeet.openai().answers | {("POST", TRANSCRIPTIONS): counting}), window=10.0)
    form = upload(write_wav(speech_with_pauses()), response_format="verbose_json")
    form.add_field("timestamp_granularities[]", "word")
    form.add_field("timestamp_granularities[]", "segment")
    _, _, body = await send(proxy, form)
    document = jsonlib.loads(body)
    starts = [segment["start"] for segment in document["segments"]]
    assert [start % 9 > 8.5 or start == 0 for start in starts] == [True] * 5
    assert [segment["end"] for segment in document["segments"]] == [*starts[1:], 40.0]
    assert [word["start"] for word in document["words"]] == starts
    assert document["duration"] == 40.0
    assert document["text"] == " ".join(segment["text"] for segment in document["segments"])


async def test_events_arrive_window_by_window(start_proxy: StartProxy) -> None:
    """The first delta is there while the second window is still being heard."""
    go = asyncio.Event()

    async def answer(request: web.Request) -> web.Response:
        if len(hearing.posts(TRANSCRIPTIONS)) > 1:
            await go.wait()
        return await counting(request)

    hearing = parakeet.openai()
    hearing.answers["POST", TRANSCRIPTIONS] = answer
    proxy = await start_proxy(hearing, window=30.0)
    form = upload(write_wav(speech_with_pauses()), stream="true")
    async with proxy.client.post(f"{proxy.url}/v1/audio/transcriptions", data=form) as response:
        assert response.content_type == "text/event-stream"
        first = await response.content.readuntil(b"\n\n")
        go.set()
        rest = await response.content.read()
    events = [jsonlib.loads(line.removeprefix(b"data: ")) for line in (first + rest).split(b"\n\n") if line]
    assert [event["type"] for event in events] == ["transcript.text.delta"] * 2 + ["transcript.text.done"]
    assert "".join(event["delta"] for event in events[:2]) == events[2]["text"]
    assert events[2]["usage"] == {"type": "duration", "seconds": 40.0}


async def test_an_error_in_mid_stream_is_an_event(start_proxy: StartProxy) -> None:
    """OpenAI's clients raise on it."""

    async def answer(request: web.Request) -> web.Response:
        if len(hearing.posts(TRANSCRIPTIONS)) > 1:
            return web.json_response({"detail": "CUDA error: boom"}, status=500)
        return await counting(request)

    hearing = parakeet.openai()
    hearing.answers["POST", TRANSCRIPTIONS] = answer
    proxy = await start_proxy(hearing, window=30.0)
    _, _, body = await send(proxy, upload(write_wav(speech_with_pauses()), stream="true"))
    last = jsonlib.loads(body.strip().rpartition(b"data: ")[2])
    assert "CUDA" in last["error"]["message"]


TWO_CHANNELS = write_wav(SPEECH)[:22] + b"\2" + write_wav(SPEECH)[23:]
WEBM = recorded("webm", "libopus", live=True)


@pytest.mark.parametrize(
    ("audio", "message"),
    [
        (b"", "is empty"),
        (b"This is a text file, whatever its name says. " * 20, "not audio in a known format"),
        (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "not audio in a known format"),
        (b"RIFF\x10\0\0\0WAVE", "cut"),
        (write_wav(SPEECH)[:44], "cut"),
        (write_wav(SPEECH)[: len(SPEECH.pcm) // 2], "bytes of audio are missing"),
        (recorded("mp4", "aac")[:4000], "damaged or cut"),
        (WEBM[:300], "damaged or cut|no sound|no audio"),
        (b"\x1a\x45\xdf\xa3" + bytes(200), "damaged or cut"),
        (write_wav(tone(0.05)), "shorter than 0.1 seconds"),
        (wav_header(16_000, 0), "no sound|damaged"),
    ],
    ids=[
        *("empty", "text", "playlist", "half a header", "header only", "half a wav", "half an mp4"),
        *("header-only webm", "broken webm", "a click", "wav without samples"),
    ],
)
async def test_what_is_no_audio_is_refused(proxy: Proxy, audio: bytes, message: str) -> None:
    """With the cause, and without asking Parakeet."""
    status, _, body = await send(proxy, upload(audio))
    assert status == 400
    assert error_in(body)["param"] == "file"
    assert re.search(message, error_in(body)["message"])
    assert proxy.parakeet.posts(TRANSCRIPTIONS) == []


async def test_a_webm_that_stops_in_the_middle_is_heard_as_far_as_it_goes(proxy: Proxy) -> None:
    """A browser that was closed while recording."""
    status, _, _ = await send(proxy, upload(WEBM[: len(WEBM) * 3 // 4]))
    heard = read_wav(proxy.parakeet.posts(TRANSCRIPTIONS)[0].file or b"")
    assert status == 200
    assert 0.5 < heard.seconds < 1.9


@pytest.mark.parametrize(
    ("fields", "param", "message"),
    [
        ({"response_format": "xml"}, "response_format", "json, text, verbose_json, srt, vtt, diarized_json"),
        ({"timestamp_granularities[]": "word"}, "timestamp_granularities", "needs response_format verbose_json"),
        ({"timestamp_granularities[]": "char"}, "timestamp_granularities", "knows segment and word, not 'char'"),
        ({"language": "en;rm -rf"}, "language", "must be a language"),
        ({"prompt": "x" * (1 << 20) + "x"}, "prompt", "exceeds"),
    ],
)
async def test_wrong_fields_are_named(proxy: Proxy, fields: dict[str, str], param: str, message: str) -> None:
    """Before Parakeet is asked."""
    status, _, body = await send(proxy, upload(write_wav(SPEECH), **fields))
    assert status in (400, 413)
    assert error_in(body)["param"] == param
    assert message in error_in(body)["message"]
    assert proxy.parakeet.posts(TRANSCRIPTIONS) == []


@pytest.mark.parametrize(
    ("content_type", "body", "message"),
    [
        ("multipart/form-data; boundary=x", b"--x--\r\n", "`file` is missing"),
        ("multipart/form-data; boundary=x", b"", "incomplete"),
        ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="file"', "incomplete"),
        ("multipart/form-data", b"--x--", "has no boundary"),
        ("application/octet-stream", write_wav(SPEECH), "must be multipart/form-data"),
        ("multipart/form-data; boundary=x", b"no boundary at all", "incomplete"),
        ("application/json", b"{", "not valid JSON"),
        ("application/json", b"[]", "input_audio"),
        ("application/json", b'{"input_audio": {"data": "@@@"}}', "not base64"),
    ],
)
async def test_a_broken_upload_is_refused(proxy: Proxy, content_type: str, body: bytes, message: str) -> None:
    """Cut, unnamed, of the wrong kind."""
    async with proxy.client.post(
        f"{proxy.url}/v1/audio/transcriptions", data=body, headers={"Content-Type": content_type}
    ) as response:
        assert response.status == 400
        assert message in error_in(await response.read())["message"]


async def test_any_model_and_ignored_fields_are_accepted(proxy: Proxy) -> None:
    form = upload(
        write_wav(SPEECH), model="gpt-9-hear", temperature="0.3", prompt="Names: Ada", chunking_strategy="auto"
    )
    assert (await send(proxy, form))[0] == 200


@pytest.mark.parametrize("chunked", [True, False])
async def test_too_large_is_a_413(start_proxy: StartProxy, *, chunked: bool) -> None:
    """As soon as it is known."""
    proxy = await start_proxy(max_upload=10_000)
    form = upload(write_wav(SPEECH))()
    payload: object = form
    if chunked:

        async def pieces() -> object:
            for _ in range(100):
                yield bytes(1000)

        payload = pieces()
    async with proxy.client.post(
        f"{proxy.url}/v1/audio/transcriptions", data=payload, headers={"Content-Type": form.headers["Content-Type"]}
    ) as response:
        body = await response.read()
        assert (response.status, error_in(body)["code"]) == (413, "content_too_large")


async def test_26_megabytes_are_accepted(proxy: Proxy) -> None:
    """OpenAI stops at 25 MiB; a long WAV at home does not."""
    status, _, body = await send(proxy, upload(write_wav(Audio(bytes(27_000_000), 16_000))))
    assert status == 200
    assert jsonlib.loads(body)["usage"]["seconds"] == pytest.approx(843.75)


async def test_too_many_bytes_at_once_are_a_429(start_proxy: StartProxy) -> None:
    """Memory is bounded for all requests together, and given back."""
    proxy = await start_proxy(bytes_in_flight=20_000)
    for _ in range(2):
        status, _, body = await send(proxy, upload(write_wav(SPEECH)))
        assert (status, error_in(body)["code"]) == (429, "uploads_full")
    assert (await send(proxy, upload(write_wav(tone(0.2)))))[0] == 200


async def test_too_long_is_refused(start_proxy: StartProxy) -> None:
    """A few kilobytes may unpack to days."""
    proxy = await start_proxy(max_audio=1.0)
    status, _, body = await send(proxy, upload(write_wav(SPEECH)))
    assert (status, error_in(body)["message"]) == (400, "The recording is longer than 1 seconds.")


async def test_a_stalled_upload_is_given_up(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    """Slow-loris."""
    monkeypatch.setattr(form_module, "UPLOAD_PAUSE", 0.05)

    async def stalling() -> object:
        yield b"--x\r\n"
        await asyncio.Event().wait()

    async with proxy.client.post(
        f"{proxy.url}/v1/audio/transcriptions",
        data=stalling(),
        headers={"Content-Type": "multipart/form-data; boundary=x"},
    ) as response:
        assert response.status == 408


@pytest.mark.parametrize("path", ["/v1/audio/translations", "/audio/translations"])
async def test_parakeet_does_not_translate(proxy: Proxy, path: str) -> None:
    status, _, body = await send(proxy, upload(write_wav(SPEECH)), path)
    assert (status, "does not translate" in error_in(body)["message"]) == (400, True)


@pytest.mark.parametrize(
    ("answer", "status", "retry_after"),
    [
        (json({"detail": "CUDA error: an illegal memory access"}, status=422), 503, "60"),
        (json({"error": {"message": "Transcription failed"}}, status=500), 503, "60"),
        (json({"detail": "Model is not ready"}, status=503), 429, "5"),
        (json({"detail": "audio too long"}, status=400), 400, None),
        (json({"detail": "too big"}, status=413), 413, None),
        (json({"words": []}), 503, "60"),
    ],
)
async def test_what_goes_wrong_upstream_is_told(
    start_proxy: StartProxy, answer: Handler, status: int, retry_after: str | None
) -> None:
    """The design's table."""
    hearing = parakeet.openai()
    hearing.answers["POST", TRANSCRIPTIONS] = answer
    proxy = await start_proxy(hearing)
    async with proxy.client.post(f"{proxy.url}/v1/audio/transcriptions", data=upload(write_wav(SPEECH))) as response:
        assert (response.status, response.headers.get("Retry-After")) == (status, retry_after)


async def test_a_parakeet_that_is_off_is_a_503(start_proxy: StartProxy) -> None:
    proxy = await start_proxy(parakeet_url=faults.refused())
    async with proxy.client.post(f"{proxy.url}/v1/audio/transcriptions", data=upload(write_wav(SPEECH))) as response:
        assert (response.status, response.headers["Retry-After"]) == (503, "30")
        assert "No connection" in (response.reason or "")


async def test_without_a_parakeet_nothing_is_heard(start_proxy: StartProxy) -> None:
    proxy = await start_proxy(parakeet_url=None)
    status, _, body = await send(proxy, upload(write_wav(SPEECH)))
    assert (status, "no Parakeet" in error_in(body)["message"]) == (404, True)
