"""How uploads come in: what is heard while it is still coming, what waits for room, and what is given up."""

import asyncio
import json
import re
from base64 import b64encode
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from gzip import compress
from typing import cast

import pytest
from aiohttp import web
from spark_audio_proxy import form as form_module
from spark_audio_proxy import limits
from spark_engine.audio import read_wav, wav_header, write_wav
from spark_engine.models import Audio

from tests.fakes import parakeet
from tests.fakes.parakeet import TRANSCRIPTIONS
from tests.proxy.conftest import Proxy, StartProxy
from tests.proxy.recordings import tone
from tests.proxy.test_form import part
from tests.proxy.test_transcriptions import error_in, send, speech_with_pauses, upload

LONG = speech_with_pauses()
"""Four windows of ten seconds and more than twice as many bytes as two of them."""

WINDOW = 10.0
END = b"--x1--\r\n"


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who sends a form piece by piece."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def say(self, data: bytes) -> None:
        """Send; returns once it is on its way."""
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self) -> tuple[int, bytes]:
        """Status and body."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: (\d+)", head)
        assert length
        return int(head.split(b" ")[1]), await self.reader.readexactly(int(length[1]))

    def leave(self) -> None:
        """Hang up in the middle."""
        self.writer.transport.abort()


@asynccontextmanager
async def calling(proxy: Proxy, size: int, *headers: str) -> AsyncGenerator[Caller]:
    """A caller who has announced a form of so many bytes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(proxy.url.rpartition(":")[2]))
    lines = [f"POST {TRANSCRIPTIONS} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {size}", *headers]
    writer.write("\r\n".join([*lines, "Content-Type: multipart/form-data; boundary=x1", "", ""]).encode())
    caller = Caller(reader, writer)
    try:
        yield caller
    finally:
        caller.leave()


class Hearing:
    """A Parakeet that writes down how much it got, and answers as often as it may."""

    def __init__(self, answers: int = 1000) -> None:
        """So often at once."""
        self.fake = parakeet.openai()
        self.fake.answers["POST", TRANSCRIPTIONS] = self._answer
        self.asked = asyncio.Event()
        self._answers = asyncio.Semaphore(answers)

    def go(self, answers: int = 1000) -> None:
        """So often again."""
        for _ in range(answers):
            self._answers.release()

    async def _answer(self, _: web.Request) -> web.Response:
        self.asked.set()
        await self._answers.acquire()
        return web.json_response({"text": f"{len(self.heard)}"})

    @property
    def heard(self) -> list[Audio]:
        """All that it got so far."""
        return [read_wav(asked.file or b"") for asked in self.fake.posts(TRANSCRIPTIONS)]

    @property
    def whole(self) -> bytes:
        """The same in a row."""
        return b"".join(audio.pcm for audio in self.heard)

    @property
    def languages(self) -> set[str | None]:
        """What it was told about them."""
        return {asked.fields.get("language") for asked in self.fake.posts(TRANSCRIPTIONS)}


async def text_of(caller: Caller) -> str:
    """The transcript."""
    status, body = await caller.answer()
    assert status == 200, body
    return cast(str, json.loads(body)["text"])


async def test_a_long_wav_is_heard_while_it_is_still_sent(start_proxy: StartProxy) -> None:
    """The first window is answered before the second half was sent; what was heard is what was sent."""
    hearing = Hearing()
    proxy = await start_proxy(hearing.fake, window=WINDOW)
    body = part("language", b"de") + part("file", write_wav(LONG), "a.wav") + END
    async with calling(proxy, len(body)) as caller:
        await caller.say(body[: len(body) // 2])
        await hearing.asked.wait()
        await caller.say(body[len(body) // 2 :])
        assert await text_of(caller) == "1 2 3 4 5"
    assert hearing.whole == LONG.pcm
    assert hearing.languages == {"de"}
    assert all(audio.seconds <= WINDOW for audio in hearing.heard)


async def test_it_is_cut_where_it_would_have_been_cut_as_a_whole(start_proxy: StartProxy) -> None:
    """Chunked, so that nobody knows how long it is, it is held."""
    coming, held = Hearing(), Hearing()
    body = part("file", write_wav(LONG), "a.wav") + END
    proxy = await start_proxy(coming.fake, window=WINDOW)
    async with calling(proxy, len(body)) as caller:
        await caller.say(body)
        await text_of(caller)
    proxy = await start_proxy(held.fake, window=WINDOW)

    async def pieces() -> AsyncGenerator[bytes]:
        yield body

    headers = {"Content-Type": "multipart/form-data; boundary=x1"}
    async with proxy.client.post(proxy.url + TRANSCRIPTIONS, data=pieces(), headers=headers) as response:
        assert response.status == 200
    assert coming.heard == held.heard


@pytest.mark.parametrize(
    ("before", "after"),
    [(b"", part("language", b"de")), (part("model", b"x"), part("language", b"de")), (part("language", b"de"), b"")],
    ids=["after", "between", "before, and something follows"],
)
async def test_no_field_after_the_file_is_missed(start_proxy: StartProxy, before: bytes, after: bytes) -> None:
    """A file that is not the last part is heard once all is there: curl's users often name it first."""
    hearing = Hearing()
    proxy = await start_proxy(hearing.fake, window=WINDOW)
    body = before + part("file", write_wav(LONG), "a.wav") + after + part("model", b"y") + END
    async with calling(proxy, len(body)) as caller:
        await caller.say(body[:-20])
        assert (await send(proxy, upload(write_wav(tone(0.2)), language="fr")))[0] == 200
        assert hearing.languages == {"fr"}
        hearing.fake.asked.clear()
        await caller.say(body[-20:])
        await text_of(caller)
    assert hearing.languages == {"de"}
    assert hearing.whole == LONG.pcm


def lying(announced: int) -> bytes:
    """The long recording under a header that announces something else."""
    header = bytearray(wav_header(16_000))
    header[40:44] = announced.to_bytes(4, "little")
    return bytes(header) + LONG.pcm


@pytest.mark.parametrize(
    ("file", "heard"),
    [
        (wav_header(16_000, len(LONG.pcm)) + LONG.pcm + b"LIST\x04\0\0\0abcd", LONG.pcm),
        (lying(len(LONG.pcm) - 32_000), LONG.pcm[:-32_000]),
        (lying(0), LONG.pcm),
        (lying(0xFFFFFFFF), LONG.pcm),
        (write_wav(LONG) + b"\0", LONG.pcm),
        (lying(len(LONG.pcm) - 1)[:-1], LONG.pcm),
    ],
    ids=["a chunk after the samples", "too little", "nothing", "a placeholder", "a byte more", "half a sample"],
)
async def test_sizes_that_do_not_add_up_are_no_harm(start_proxy: StartProxy, file: bytes, heard: bytes) -> None:
    """Then the whole is looked at, as ever."""
    hearing = Hearing()
    proxy = await start_proxy(hearing.fake, window=WINDOW)
    body = part("file", file, "a.wav") + END
    async with calling(proxy, len(body)) as caller:
        await caller.say(body)
        await text_of(caller)
    assert abs(len(hearing.whole) - len(heard)) <= 2
    assert hearing.whole[: len(heard) - 2] == heard[:-2]
    assert all(len(asked.file or b"") % 2 == 0 for asked in hearing.fake.posts(TRANSCRIPTIONS))


async def test_a_recording_that_is_cut_is_not_heard_in_part(start_proxy: StartProxy) -> None:
    """Its header and the form's length tell from the start that something is missing."""
    hearing = Hearing()
    proxy = await start_proxy(hearing.fake, window=WINDOW)
    status, _, body = await send(proxy, upload(lying(2 * len(LONG.pcm))))
    assert (status, "cut" in error_in(body)["message"], hearing.heard) == (400, True, [])


async def test_samples_that_look_like_the_end_of_the_form(start_proxy: StartProxy) -> None:
    """At every edge of what was read; nothing is lost and nothing is added."""
    pcm = bytearray(LONG.pcm)
    for at in range(0, len(pcm) - 100, 1 << 12):
        pcm[at : at + 5] = b"\r\n--x"
    hearing = Hearing()
    proxy = await start_proxy(hearing.fake, window=WINDOW)
    body = part("file", write_wav(Audio(bytes(pcm), 16_000)), "a.wav") + END
    async with calling(proxy, len(body)) as caller:
        for at in range(0, len(body), 40_961):
            await caller.say(body[at : at + 40_961])
        await text_of(caller)
    assert hearing.whole == pcm


@pytest.mark.parametrize(
    ("tail", "message"),
    [
        (b'\r\n--x1\r\nContent-Disposition: form-data; name="x"\r\n\r\n', "shorter than its header says"),
        (b"\r\n--x1--" + b" " * 37, "not 1280044 as its header says"),
        (b" " * 45, "longer than its header says"),
    ],
    ids=["another part", "the end", "no end"],
)
async def test_an_end_that_comes_at_the_wrong_place_is_a_400(
    start_proxy: StartProxy, tail: bytes, message: str
) -> None:
    """Announced was a file that fits exactly; half a transcript must not pass for a whole one."""
    proxy = await start_proxy(Hearing().fake, window=WINDOW)
    body = part("file", write_wav(LONG), "a.wav") + END
    async with calling(proxy, len(body)) as caller:
        await caller.say(body[: -len(tail)] + tail)
        status, answer = await caller.answer()
    assert (status, message in error_in(answer)["message"]) == (400, True)


async def test_a_recording_that_is_too_long_is_refused_before_it_is_sent(start_proxy: StartProxy) -> None:
    """Its header tells."""
    hearing = Hearing()
    proxy = await start_proxy(hearing.fake, window=WINDOW, max_audio=39.0)
    body = part("file", write_wav(LONG), "a.wav") + END
    async with calling(proxy, len(body)) as caller:
        await caller.say(body[: len(body) // 2])
        status, answer = await caller.answer()
    assert (status, error_in(answer)["message"]) == (400, "The recording is longer than 39 seconds.")
    assert hearing.heard == []


async def test_a_caller_who_leaves_in_the_middle_ends_what_was_begun(start_proxy: StartProxy) -> None:
    """Parakeet is let go, and so is the room that was kept."""
    asked, let_go = asyncio.Event(), asyncio.Event()

    async def answer(request: web.Request) -> web.Response:
        if asked.is_set():
            return web.json_response({"text": "Next."})
        asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            let_go.set()
        raise AssertionError

    fake = parakeet.openai()
    fake.answers["POST", TRANSCRIPTIONS] = answer
    body = part("file", write_wav(LONG), "a.wav") + END
    proxy = await start_proxy(fake, window=WINDOW, concurrency=1, bytes_in_flight=len(body) + 1000)
    async with calling(proxy, len(body)) as caller:
        await caller.say(body[: len(body) // 2])
        await asked.wait()
    await let_go.wait()
    assert (await send(proxy, upload(write_wav(LONG))))[0] == 200


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


async def test_who_was_heard_in_part_is_heard_to_the_end(
    start_proxy: StartProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its later windows wait as long as it takes; who comes new is told to come back."""
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
    """With the time to come back; those who have room are not disturbed."""
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
