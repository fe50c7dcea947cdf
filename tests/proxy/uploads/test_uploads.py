"""How uploads come in: what is heard while it is still coming, and where it does not add up."""

import asyncio
from collections.abc import AsyncGenerator

import pytest
from aiohttp import web
from spark_engine.models import Audio
from spark_engine.speech.audio import wav_header, write_wav

from tests.fakes import parakeet
from tests.fakes.parakeet import TRANSCRIPTIONS
from tests.helpers.proxy.forms import error_in, part, send, upload
from tests.helpers.proxy.recordings import tone
from tests.helpers.proxy.running_proxy import StartProxy
from tests.helpers.proxy.uploading import END, LONG, WINDOW, WRONG_ENDS, Hearing, calling, text_of


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
    """A chunked upload, whose length is unknown, is held."""
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
        (lying(len(LONG.pcm) - 32_000), LONG.pcm),
        (lying(0), LONG.pcm),
        (lying(0xFFFFFFFF), LONG.pcm),
        (write_wav(LONG) + b"\0", LONG.pcm),
        (lying(len(LONG.pcm) - 1)[:-1], LONG.pcm),
    ],
    ids=["a chunk after the samples", "too little", "nothing", "a placeholder", "a byte more", "half a sample"],
)
async def test_sizes_that_do_not_add_up_are_no_harm(start_proxy: StartProxy, file: bytes, heard: bytes) -> None:
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


@WRONG_ENDS
async def test_an_end_that_comes_at_the_wrong_place_is_a_400(
    start_proxy: StartProxy, tail: bytes, message: str
) -> None:
    """Announced was a file that fits exactly; half a transcript must not pass for a whole one."""
    proxy = await start_proxy(Hearing().fake, window=WINDOW)
    body = part("file", write_wav(LONG), "a.wav") + END
    async with calling(proxy, len(body)) as caller:
        await caller.say(body[: -len(tail)] + tail)
        status, answer = await caller.answer()
    expected = message.format(size=len(write_wav(LONG)))
    assert (status, expected in error_in(answer)["message"]) == (400, True)


async def test_a_recording_that_is_too_long_is_refused_before_it_is_sent(start_proxy: StartProxy) -> None:
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
