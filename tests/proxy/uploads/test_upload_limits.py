"""Uploads that share what there is: whose turn it is, what waits for room, and what is given up."""

import asyncio
from base64 import b64encode
from gzip import compress

import pytest
from spark_audio_proxy.app_state import UPLOADS
from spark_audio_proxy.uploads import admission as limits
from spark_audio_proxy.uploads import form as form_module
from spark_engine.models import Audio
from spark_engine.speech.audio import write_wav

from tests.fakes.parakeet import TRANSCRIPTIONS
from tests.helpers.proxy.forms import error_in, part, send, upload
from tests.helpers.proxy.recordings import tone
from tests.helpers.proxy.running_proxy import Proxy, StartProxy
from tests.helpers.proxy.uploading import END, LONG, WINDOW, Caller, Hearing, calling, text_of


async def test_a_slow_upload_keeps_no_turn(start_proxy: StartProxy) -> None:
    """While its next window is on its way, another request is heard, even where there is only one turn."""
    hearing = Hearing()
    proxy = await start_proxy(hearing.fake, window=WINDOW, concurrency=1)
    body = part("file", write_wav(LONG), "a.wav") + END
    async with calling(proxy, len(body)) as caller:
        await caller.say(body[: len(body) // 2])
        await hearing.asked.wait()
        status, _, answer = await send(proxy, upload(write_wav(tone(0.2))))
        assert status == 200, answer
        await caller.say(body[len(body) // 2 :])
        assert len((await text_of(caller)).split()) == 5


async def test_a_long_recording_lets_a_short_one_through(start_proxy: StartProxy) -> None:
    """After the window that is being heard, not after the last one."""
    hearing = Hearing(answers=0)
    proxy = await start_proxy(hearing.fake, window=WINDOW, concurrency=1)
    long = asyncio.create_task(send(proxy, upload(write_wav(LONG))))
    await hearing.asked.wait()
    short = asyncio.create_task(send(proxy, upload(write_wav(tone(0.2)))))
    # Behind a request that was answered, the one before it has come as well.
    await send(proxy, upload(b""))
    hearing.go()
    assert ((await short)[0], (await long)[0]) == (200, 200)
    lengths = [round(audio.seconds, 1) for audio in hearing.heard]
    assert lengths.index(0.2) == 1


async def test_a_recording_heard_in_part_is_heard_to_the_end(
    start_proxy: StartProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its later windows wait as long as it takes; new callers are told to come back."""
    monkeypatch.setattr(limits, "PATIENCE", 0.05)
    hearing = Hearing(answers=0)
    proxy = await start_proxy(hearing.fake, window=WINDOW, concurrency=1)
    long = asyncio.create_task(send(proxy, upload(write_wav(LONG))))
    await hearing.asked.wait()
    hearing.asked.clear()
    short = asyncio.create_task(send(proxy, upload(write_wav(tone(0.2)))))
    await send(proxy, upload(b""))
    hearing.go(1)
    await hearing.asked.wait()
    assert (await send(proxy, upload(write_wav(tone(0.3)))))[0] == 429
    hearing.go()
    assert ((await short)[0], (await long)[0]) == (200, 200)


def foreign(size: int) -> bytes:
    """A recording that has to be decoded, and so held: 8 kHz."""
    return write_wav(Audio(bytes(size), 8_000))


@pytest.mark.slow
async def test_an_upload_waits_unread_until_there_is_room(start_proxy: StartProxy) -> None:
    """It is answered, not refused; a voice turn waits for neither of the two."""
    hearing = Hearing(answers=0)
    proxy = await start_proxy(hearing.fake, bytes_in_flight=4_000_000)
    first = asyncio.create_task(send(proxy, upload(foreign(3_000_000))))
    await hearing.asked.wait()
    body = part("file", foreign(3_000_000), "a.wav") + END
    async with calling(proxy, len(body)) as second:
        await second.say(body[:200_000])
        hearing.asked.clear()
        voice = asyncio.create_task(send(proxy, upload(write_wav(tone(0.2)))))
        await hearing.asked.wait()
        assert [round(audio.seconds, 1) for audio in hearing.heard] == [187.5, 0.2]
        hearing.go()
        assert ((await voice)[0], (await first)[0]) == (200, 200)
        await second.say(body[200_000:])
        await text_of(second)


async def test_an_upload_that_waits_too_long_is_a_429(start_proxy: StartProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the time to come back; uploads that have room are not disturbed."""
    monkeypatch.setattr(limits, "PATIENCE", 0.05)
    hearing = Hearing(answers=0)
    proxy = await start_proxy(hearing.fake, bytes_in_flight=4_000_000)
    first = asyncio.create_task(send(proxy, upload(foreign(3_000_000))))
    await hearing.asked.wait()
    async with proxy.client.post(proxy.url + TRANSCRIPTIONS, data=upload(foreign(3_000_000))) as response:
        assert (response.status, response.headers["Retry-After"]) == (429, "5")
        assert error_in(await response.read())["code"] == "uploads_full"
    hearing.go()
    assert (await first)[0] == 200


async def test_audio_in_json_counts_as_often_as_it_is_there(start_proxy: StartProxy) -> None:
    """As the body, as text, and as audio."""
    proxy = await start_proxy(bytes_in_flight=250_000)
    for duration, status in ((1.5, 200), (2.5, 429)):
        document = {"input_audio": {"data": b64encode(write_wav(tone(duration))).decode()}}
        async with proxy.client.post(proxy.url + TRANSCRIPTIONS, json=document) as response:
            assert response.status == status


@pytest.mark.slow
async def test_a_packed_upload_counts_unpacked(start_proxy: StartProxy) -> None:
    """What it announces is how long it is on the way."""
    body = part("file", foreign(3_000_000), "a.wav") + END
    headers = {"Content-Type": "multipart/form-data; boundary=x1", "Content-Encoding": "gzip"}
    for room, status in ((2_000_000, 429), (8_000_000, 200)):
        proxy = await start_proxy(bytes_in_flight=room)
        async with proxy.client.post(proxy.url + TRANSCRIPTIONS, data=compress(body), headers=headers) as response:
            assert response.status == status


async def test_a_slow_upload_of_known_length_is_given_up(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    """Room for all of it is kept while it comes: no pause is too long, but all of them together are."""
    monkeypatch.setattr(form_module, "SLOWEST_UPLOAD", 1_000_000)
    monkeypatch.setattr(form_module, "UPLOAD_PAUSE", 0.1)
    body = part("file", write_wav(tone(1.5)), "a.wav") + END
    async with calling(proxy, len(body)) as caller:
        dripping = asyncio.create_task(_drip(caller, body))
        status, answer = await caller.answer()
        dripping.cancel()
    assert (status, error_in(answer)["message"]) == (408, "The upload took longer than 0 s.")


async def _drip(caller: Caller, body: bytes) -> None:
    for at in range(0, len(body), 100):
        await caller.say(body[at : at + 100])
        await asyncio.sleep(0.01)


async def test_requests_for_speech_share_the_room_with_uploads(start_proxy: StartProxy) -> None:
    """Large ones wait for it, unread, and go on as soon as there is room; small ones do not wait."""
    limit = 4 << 20
    proxy = await start_proxy(bytes_in_flight=limit)
    large = b'{"input": "Hello.", "instructions": "' + b"x" * (1 << 20) + b'"}'
    held = proxy.app[UPLOADS]
    with held.share() as share:
        await share.grow(limit - limit // 8)
        asking = asyncio.create_task(speech(proxy, large))
        assert await speech(proxy, b'{"input": "Hello."}') == 200
        assert not asking.done()
    assert await asking == 200
    with held.share() as share:
        # All of it was given back.
        await share.grow(limit)


async def test_a_request_for_speech_that_never_fits_is_told_so(start_proxy: StartProxy) -> None:
    proxy = await start_proxy(bytes_in_flight=1 << 20)
    assert await speech(proxy, b'{"input": "Hello.", "instructions": "' + b"x" * (1 << 20) + b'"}') == 429


async def speech(proxy: Proxy, body: bytes) -> int:
    """The status of a request for speech."""
    async with proxy.client.post(f"{proxy.url}/v1/audio/speech", data=body) as response:
        await response.read()
        return response.status
