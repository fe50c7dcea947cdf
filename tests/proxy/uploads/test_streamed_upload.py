"""A recording that Parakeet can have as it is goes on to it while it is still being received."""

import json
from pathlib import Path

import pytest
from spark_audio_proxy.uploads import streamed_upload
from spark_engine.healing.health import State
from spark_engine.speech.audio import write_wav

from tests.fakes import parakeet
from tests.fakes.parakeet import TRANSCRIPTIONS
from tests.fakes.server import json as answering
from tests.fakes.server import running
from tests.helpers.proxy.forms import error_in, part, send, upload
from tests.helpers.proxy.healing import dog_of, until, watched
from tests.helpers.proxy.recordings import tone
from tests.helpers.proxy.running_proxy import StartProxy
from tests.helpers.proxy.uploading import END, WRONG_ENDS, Hearing, Taking, calling, text_of

SPEECH = tone(5.0)
BODY = part("language", b"de") + part("file", write_wav(SPEECH), "a.wav") + END
HALF = len(BODY) // 2


async def test_it_is_sent_on_while_it_is_still_received(start_proxy: StartProxy) -> None:
    """Its second half is sent only once Parakeet has some of the first."""
    taking = Taking()
    proxy = await start_proxy(taking)
    async with calling(proxy, len(BODY)) as caller:
        await caller.say(BODY[:HALF])
        await taking.begun.wait()
        await caller.say(BODY[HALF:])
        assert await text_of(caller) == parakeet.TEXT
    assert taking.heard == [SPEECH]
    assert taking.lengths == [str(len(taking.taken[0]))]
    assert b'name="language"\r\n\r\nde\r\n' in taking.taken[0]


@pytest.mark.parametrize("size", [1, 700, 4096, 40_961])
async def test_in_pieces_of_any_size(start_proxy: StartProxy, size: int) -> None:
    taking = Taking()
    proxy = await start_proxy(taking)
    begun = HALF if size > 1 else len(BODY) - 300
    async with calling(proxy, len(BODY)) as caller:
        await caller.say(BODY[:begun])
        for at in range(begun, len(BODY), size):
            await caller.say(BODY[at : at + size])
        assert await text_of(caller) == parakeet.TEXT
    assert taking.heard == [SPEECH]


async def test_a_slow_one_gives_its_turn_back(start_proxy: StartProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    """The request is called off, another caller is heard in the only turn, and then the whole goes out anew."""
    taking = Taking()
    proxy = await start_proxy(taking, concurrency=1)
    monkeypatch.setattr(streamed_upload, "LATE_AFTER", 0.0)
    async with calling(proxy, len(BODY)) as caller:
        await caller.say(BODY[:HALF])
        assert (await send(proxy, upload(write_wav(tone(0.2)))))[0] == 200
        await caller.say(BODY[HALF:])
        await text_of(caller)
    assert taking.heard[-1] == SPEECH


async def test_parakeet_is_let_go_where_the_rest_is_late(
    start_proxy: StartProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It had begun to take it: its connection is closed, and it is not to blame."""
    monkeypatch.setattr(streamed_upload, "LATE_AFTER", 0.2)
    taking = Taking()
    proxy = await watched(start_proxy, tmp_path, taking)
    taking.forget()
    async with calling(proxy, len(BODY)) as caller:
        await caller.say(BODY[:HALF])
        await taking.let_go.wait()
        await caller.say(BODY[HALF:])
        assert await text_of(caller) == parakeet.TEXT
    assert len(taking.taken) == 2
    assert taking.heard[1] == SPEECH
    assert (dog_of(proxy).health.state, dog_of(proxy).health.timeouts) == (State.HEALTHY, 0)


async def test_a_caller_who_leaves_ends_it(start_proxy: StartProxy) -> None:
    """Parakeet is let go, its turn is free, and it is not to blame."""
    taking = Taking()
    proxy = await start_proxy(taking, concurrency=1)
    async with calling(proxy, len(BODY)) as caller:
        await caller.say(BODY[:HALF])
        await taking.begun.wait()
    await taking.let_go.wait()
    assert (await send(proxy, upload(write_wav(tone(0.2)))))[0] == 200


@WRONG_ENDS
async def test_an_end_that_comes_at_the_wrong_place_is_a_400(
    start_proxy: StartProxy, tail: bytes, message: str
) -> None:
    """Parakeet has got all but that; its answer is not used."""
    taking = Taking()
    proxy = await start_proxy(taking)
    async with calling(proxy, len(BODY)) as caller:
        await caller.say(BODY[:HALF])
        await taking.begun.wait()
        await caller.say(BODY[HALF : -len(tail)] + tail)
        status, answer = await caller.answer()
    expected = message.format(size=len(write_wav(SPEECH)))
    assert (status, expected in error_in(answer)["message"]) == (400, True)


async def test_the_next_server_gets_it_all(start_proxy: StartProxy) -> None:
    """The first one breaks on the whole of it; nothing of what was sent there is missing at the second."""
    broken, well = parakeet.openai(), Hearing()
    broken.answers["POST", TRANSCRIPTIONS] = answering({"detail": "broken"}, status=500)
    async with running(broken), running(well.fake):
        proxy = await start_proxy(parakeet_url=f"{broken.url}, {well.fake.url}")
        async with calling(proxy, len(BODY)) as caller:
            await caller.say(BODY[:HALF])
            await caller.say(BODY[HALF:])
            assert await text_of(caller) == "1"
    assert well.heard == [SPEECH]
    assert len(broken.posts(TRANSCRIPTIONS)) == 1


async def test_what_parakeet_says_against_it_is_told(start_proxy: StartProxy) -> None:
    """Its own words, once the caller has sent all."""
    refusing = parakeet.openai()
    refusing.answers["POST", TRANSCRIPTIONS] = answering({"detail": "no such language"}, status=422)
    proxy = await start_proxy(refusing)
    async with calling(proxy, len(BODY)) as caller:
        await caller.say(BODY[:HALF])
        await caller.say(BODY[HALF:])
        status, answer = await caller.answer()
    assert (status, "no such language" in error_in(answer)["message"]) == (400, True)


async def test_nothing_goes_to_a_parakeet_that_is_held(start_proxy: StartProxy, tmp_path: Path) -> None:
    """503, once the caller has sent all: most clients read no answer before."""
    wedged = parakeet.openai()
    proxy = await watched(start_proxy, tmp_path, wedged)
    wedged.answers["POST", TRANSCRIPTIONS] = answering({"detail": parakeet.CUDA}, status=500)
    assert (await send(proxy, upload(write_wav(tone(0.2)))))[0] == 503
    await until(dog_of(proxy), State.WEDGED)
    asked = len(wedged.posts(TRANSCRIPTIONS))
    async with calling(proxy, len(BODY)) as caller:
        await caller.say(BODY[:HALF])
        await caller.say(BODY[HALF:])
        status, answer = await caller.answer()
    assert (status, error_in(answer)["code"]) == (503, "service_held")
    assert len(wedged.posts(TRANSCRIPTIONS)) == asked


async def test_no_field_after_it_is_missed(start_proxy: StartProxy) -> None:
    """Something follows the file: it is held until that is known."""
    taking = Taking()
    proxy = await start_proxy(taking)
    body = part("file", write_wav(SPEECH), "a.wav") + part("language", b"fr") + END
    async with calling(proxy, len(body)) as caller:
        await caller.say(body[:-30])
        assert (await send(proxy, upload(write_wav(tone(0.2)))))[0] == 200
        assert len(taking.taken) == 1
        await caller.say(body[-30:])
        await text_of(caller)
    assert b'name="language"\r\n\r\nfr' in taking.taken[1]


async def test_verbose_json_has_its_length(start_proxy: StartProxy) -> None:
    """What is told about it does not depend on how it came."""
    proxy = await start_proxy(Taking())
    body = part("response_format", b"verbose_json") + part("file", write_wav(SPEECH), "a.wav") + END
    async with calling(proxy, len(body)) as caller:
        await caller.say(body[:HALF])
        await caller.say(body[HALF:])
        status, answer = await caller.answer()
    assert (status, json.loads(answer)["duration"]) == (200, 5.0)
