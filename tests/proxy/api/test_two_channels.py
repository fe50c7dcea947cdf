"""A call with a speaker on each channel."""

import json as jsonlib
from array import array
from math import sin

import pytest
from aiohttp import web
from openai.types.audio import TranscriptionDiarized
from spark_engine.speech.audio import read_wav, write_wav

from tests.fakes import parakeet
from tests.fakes.parakeet import TRANSCRIPTIONS
from tests.fakes.server import FakeServer
from tests.helpers.proxy.forms import error_in, send, upload
from tests.helpers.proxy.recordings import recorded, tone, two_sides
from tests.helpers.proxy.running_proxy import Proxy, StartProxy

CALL = two_sides(lambda at: sin(at * 2000), lambda _: 0.01)


def listening() -> FakeServer:
    """A Parakeet that hears a question on the loud side, and two answers on the quiet one."""

    async def answer(request: web.Request) -> web.Response:
        form = await request.post()
        file = form["file"]
        assert isinstance(file, web.FileField)
        samples = array("h", read_wav(file.file.read()).pcm)
        said = [(0.5, 0.9, "Is it on?")] if max(samples) > 1000 else [(0.1, 0.4, "Hello."), (1.0, 1.5, "Yes, it is.")]
        words = [{"word": text.split()[0], "start": start, "end": end} for start, end, text in said]
        segments = [parakeet.segment(start, end, text) for start, end, text in said]
        text = " ".join(text for _, _, text in said)
        return web.json_response({"text": text, "segments": segments, "words": words, "language": "en"})

    fake = parakeet.openai()
    fake.answers["POST", TRANSCRIPTIONS] = answer
    return fake


@pytest.fixture(name="proxy")
async def proxy_for_calls(start_proxy: StartProxy) -> Proxy:
    return await start_proxy(listening())


async def test_both_sides_are_heard_in_order_of_time(proxy: Proxy) -> None:
    """Each on its own."""
    status, _, body = await send(proxy, upload(CALL, channels="separate"))
    assert (status, jsonlib.loads(body)["text"]) == (200, "Hello. Is it on? Yes, it is.")
    assert len(proxy.parakeet.posts(TRANSCRIPTIONS)) == 2


async def test_verbose_json_names_the_channel(proxy: Proxy) -> None:
    """Of each segment, and of each word."""
    form = upload(CALL, channels="separate", response_format="verbose_json")
    form.add_field("timestamp_granularities[]", "segment")
    form.add_field("timestamp_granularities[]", "word")
    _, _, body = await send(proxy, form)
    document = jsonlib.loads(body)
    assert [(item["channel"], item["start"], item["text"]) for item in document["segments"]] == [
        ("right", 0.1, "Hello."),
        ("left", 0.5, "Is it on?"),
        ("right", 1.0, "Yes, it is."),
    ]
    assert [item["id"] for item in document["segments"]] == [0, 1, 2]
    assert [(item["channel"], item["word"]) for item in document["words"]] == [
        *(("right", "Hello."), ("left", "Is"), ("right", "Yes,"))
    ]
    assert document["duration"] == pytest.approx(2.0)


async def test_diarized_json_is_that_of_openai(proxy: Proxy) -> None:
    """Its own client reads it; the channel is the speaker."""
    _, _, body = await send(proxy, upload(CALL, channels="separate", response_format="diarized_json"))
    diarized = TranscriptionDiarized.model_validate_json(body, strict=True)
    assert [(item.speaker, item.text, item.id) for item in diarized.segments] == [
        ("right", "Hello.", "seg_000"),
        ("left", "Is it on?", "seg_001"),
        ("right", "Yes, it is.", "seg_002"),
    ]
    assert (diarized.text, diarized.duration) == ("Hello. Is it on? Yes, it is.", 2.0)


@pytest.mark.parametrize(
    ("response_format", "cue"),
    [("srt", "\nleft: Is it on?\n"), ("vtt", "\n<v left>Is it on?\n"), ("text", "Is it on?")],
)
async def test_subtitles_name_the_channel(proxy: Proxy, response_format: str, cue: str) -> None:
    _, _, body = await send(proxy, upload(CALL, channels="separate", response_format=response_format))
    assert cue in body.decode()


async def test_mixed_is_the_default(proxy: Proxy) -> None:
    """No channel is named."""
    for fields in ({}, {"channels": "mix"}):
        _, _, body = await send(proxy, upload(CALL, response_format="verbose_json", **fields))
        assert b"channel" not in body
    assert len(proxy.parakeet.posts(TRANSCRIPTIONS)) == 2


async def test_a_server_without_words_has_none_for_both(start_proxy: StartProxy) -> None:
    """Without segments, each side is one."""
    proxy = await start_proxy(parakeet.nim())
    _, _, body = await send(proxy, upload(CALL, channels="separate", response_format="verbose_json"))
    assert [item["channel"] for item in jsonlib.loads(body)["segments"]] == ["left", "right"]


@pytest.mark.parametrize(
    ("recording", "fields", "message"),
    [
        (write_wav(tone(1.0)), {"channels": "separate"}, "two channels; this one has 1"),
        (recorded("mp3", "libmp3lame"), {"channels": "separate"}, "two channels; this one has 1"),
        (write_wav(tone(30.0)), {"channels": "separate"}, "two channels; this one has 1"),
        (recorded("flac", "flac", channels="5.1"), {"channels": "separate"}, "two channels; this one has 6"),
        (CALL, {"channels": "left"}, "`channels` must be one of mix, separate"),
        (CALL, {"response_format": "diarized_json"}, "needs channels=separate"),
        (CALL, {"channels": "separate", "stream": "true"}, "cannot be streamed"),
    ],
)
async def test_what_cannot_be_is_refused(proxy: Proxy, recording: bytes, fields: dict[str, str], message: str) -> None:
    """With what would be needed, and without asking Parakeet."""
    status, _, body = await send(proxy, upload(recording, **fields))
    assert (status, proxy.parakeet.posts(TRANSCRIPTIONS)) == (400, [])
    assert message in error_in(body)["message"]
