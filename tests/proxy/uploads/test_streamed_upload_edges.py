"""Where a recording at the end of its form is not quite what the sizes around it say."""

import pytest
from spark_audio_proxy.uploads.multipart_reader import FormReader
from spark_engine.speech.audio import wav_header, write_wav

from tests.fakes.parakeet import TRANSCRIPTIONS
from tests.helpers.proxy.forms import part
from tests.helpers.proxy.raw_http import ask, request
from tests.helpers.proxy.recordings import tone
from tests.helpers.proxy.running_proxy import StartProxy
from tests.helpers.proxy.uploading import END, Hearing, Taking, calling, text_of

SPEECH = tone(5.0)


@pytest.mark.parametrize("too_many", [2, 4, 8, 44, 46])
async def test_a_header_that_promises_too_much_is_forgiven(start_proxy: StartProxy, too_many: int) -> None:
    """As for a file that is held: some writers count their own 44 bytes, fewer than a browser's end of a form."""
    hearing = Hearing()
    proxy = await start_proxy(hearing.fake)
    boundary = "----WebKitFormBoundary7MA4YWxkTrZu0gW"
    wav = wav_header(16_000, len(SPEECH.pcm) + too_many) + SPEECH.pcm
    body = (part("file", wav, "a.wav") + END).replace(b"--x1", f"--{boundary}".encode())
    content_type = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    async with proxy.client.post(proxy.url + TRANSCRIPTIONS, data=body, headers=content_type) as response:
        assert response.status == 200, await response.text()
    (heard,) = hearing.heard
    assert (heard.pcm[: len(SPEECH.pcm)], any(heard.pcm[len(SPEECH.pcm) :])) == (SPEECH.pcm, False)


async def test_samples_behind_what_the_header_promises_are_no_failure(start_proxy: StartProxy) -> None:
    """Two bytes of them, where the end of the form lacks its line break and comes later than all the rest."""
    hearing = Hearing()
    proxy = await start_proxy(hearing.fake)
    short = tone(1.0)
    end = b"\r\n--x1--"
    body = part("file", write_wav(short) + b"\x01\x02", "a.wav").removesuffix(b"\r\n") + end
    async with calling(proxy, len(body)) as caller:
        await caller.say(body[: -len(end)])
        await proxy.client.get(f"{proxy.url}/v1/models")
        await caller.say(end)
        await text_of(caller)
    assert [audio.pcm[: len(short.pcm)] for audio in hearing.heard] == [short.pcm]


@pytest.mark.parametrize("end", [END, b"--x1--"], ids=["line break", "none"])
async def test_it_is_sent_on_however_its_form_ends(start_proxy: StartProxy, end: bytes) -> None:
    """With a line break at the very end or without; and where the first half looks like the beginning of an end."""
    taking = Taking()
    proxy = await start_proxy(taking)
    body = part("file", write_wav(SPEECH), "a.wav") + end
    async with calling(proxy, len(body)) as caller:
        await caller.say(body[:-100])
        await taking.begun.wait()
        await caller.say(body[-100:])
        await text_of(caller)
    assert taking.heard == [SPEECH]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 1000])
def test_what_looks_like_an_end_does_not_hide_that_nothing_follows(size: int) -> None:
    """At each byte, in pieces of any size; and another part, however small, is never taken for the end."""
    sound = (wav := write_wav(tone(0.01)))[:100] + b"\r\r\n\r\n-\r\n--\r\n--x\r\n--y" + wav[100:]
    smallest = len(part("a", b""))
    body = part("language", b"de") + part("file", sound, "a.wav") + END
    reader, told = FormReader("multipart/form-data; boundary=x1"), set()
    for at in range(0, len(body), size):
        reader.feed(body[at : at + size])
        if reader.open_file is not None and reader.open_file.tell():
            told.add(reader.ends_with_file(len(sound), len(body)))
            assert not reader.ends_with_file(len(sound), len(body) + smallest)
    assert told == ({True} if size < len(body) else set())


async def test_a_boundary_that_is_no_text_is_a_400(start_proxy: StartProxy) -> None:
    """It came in no encoding that a header can have."""
    proxy = await start_proxy()
    form = 'Content-Type: multipart/form-data; boundary="a\xff"'
    answer = await ask(proxy.url, request("POST", TRANSCRIPTIONS, "Content-Length: 4", form, body=b"abcd"))
    assert (answer.status, "boundary" in answer.body) == (400, True)
