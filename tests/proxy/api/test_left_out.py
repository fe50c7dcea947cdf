"""What could not be decoded of a recording is told: to the caller and in the log."""

import json
import logging

import pytest
from spark_audio_proxy.api.transcriptions import LEFT_OUT

from tests.helpers.proxy.forms import send, upload
from tests.helpers.proxy.recordings import recorded
from tests.helpers.proxy.running_proxy import Proxy

WHOLE = recorded("mp4", "aac", 4.0)
HOLE = WHOLE[:9000] + bytes(3000) + WHOLE[12_000:]


async def answer(proxy: Proxy, recording: bytes, **fields: str) -> tuple[str | None, bytes]:
    """The header and the body."""
    url = f"{proxy.url}/v1/audio/transcriptions"
    async with proxy.client.post(url, data=upload(recording, **fields)) as response:
        assert response.status == 200
        return response.headers.get(LEFT_OUT), await response.read()


@pytest.mark.parametrize("response_format", ["json", "text", "verbose_json", "srt", "vtt"])
async def test_the_answer_and_the_log_say_how_much(
    proxy: Proxy, caplog: pytest.LogCaptureFixture, response_format: str
) -> None:
    """Once; no name of a file, no speech."""
    caplog.set_level(logging.WARNING)
    left_out, body = await answer(proxy, HOLE, response_format=response_format)
    assert 0.3 < float(left_out or 0) < 0.6
    (line,) = (record.message for record in caplog.records if "left out" in record.message)
    assert line.startswith(f"{left_out} s of a recording could not be decoded and were left out; ")
    if response_format == "verbose_json":
        document = json.loads(body)
        assert document["left_out_seconds"] == float(left_out or 0)
        assert document["duration"] + document["left_out_seconds"] == pytest.approx(4.0, abs=0.1)


async def test_a_stream_says_so_at_its_end(proxy: Proxy, caplog: pytest.LogCaptureFixture) -> None:
    """Its headers are gone by then."""
    _, body = await answer(proxy, HOLE, stream="true")
    done = json.loads(body.strip().rpartition(b"data: ")[2])
    assert 0.3 < done["left_out_seconds"] < 0.6
    assert "left out" in caplog.text


@pytest.mark.parametrize("fields", [{"response_format": "verbose_json"}, {"stream": "true"}])
async def test_a_whole_recording_is_silent_about_it(
    proxy: Proxy, caplog: pytest.LogCaptureFixture, fields: dict[str, str]
) -> None:
    left_out, body = await answer(proxy, WHOLE, **fields)
    assert (left_out, b"left_out" in body, "left out" in caplog.text) == (None, False, False)


async def test_where_most_is_lost_the_answer_is_an_error(proxy: Proxy) -> None:
    """With the seconds."""
    status, _, body = await send(proxy, upload(WHOLE[:1500] + bytes(25_000) + WHOLE[26_500:]))
    assert (status, b"Most of the recording is damaged" in body) == (400, True)
