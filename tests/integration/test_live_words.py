"""Words while the user still speaks: what Home Assistant 2026.11 is told at each pause, and older versions are not."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from unittest.mock import AsyncMock, patch

import pytest
from aiohttp import web
from homeassistant.components.stt import SpeechResult, SpeechResultState
from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.spark_audio import stt
from custom_components.spark_audio.spark_engine.healing.canary import canary_clip
from custom_components.spark_audio.spark_engine.healing.health import State
from custom_components.spark_audio.spark_engine.speech.audio import silence
from custom_components.spark_audio.spark_engine.speech.voice_activity import FRAME
from custom_components.spark_audio.stt import PARTIAL_RESULT
from custom_components.spark_audio.wav_output import IS_OURS
from tests.fakes import live_parakeet
from tests.fakes import server as fake
from tests.fakes.live_parakeet import Live
from tests.fakes.parakeet import TEXT
from tests.fakes.server import FakeServer
from tests.helpers.integration.hearing import METADATA, POST, engine_entity
from tests.helpers.integration.microphone import listening_by, tell
from tests.helpers.integration.set_up import entry_for, set_up

pytestmark = pytest.mark.usefixtures("assist", "socket_enabled")

SPOKEN = canary_clip().pcm
PAUSE = silence(0.5, 16_000).pcm
END = silence(4.0, 16_000).pcm

FIRST, BOTH = "Turn on the", "Turn on the kitchen light and"


@pytest.fixture
def frames(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Bytes that the entity has taken, frame by frame: they are its clock."""
    frames: list[int] = []
    monkeypatch.setattr(stt, "Listening", listening_by(frames))
    return frames


@pytest.fixture
def healthy(entry: MockConfigEntry, frames: list[int]) -> None:
    """Early requests are made of a healthy service alone."""
    tell(entry, State.HEALTHY)


async def spoken(*sounds: bytes) -> AsyncGenerator[bytes]:
    """A microphone's frames, one after the other."""
    pcm = b"".join(sounds)
    for at in range(0, len(pcm), FRAME):
        yield pcm[at : at + FRAME]


def hear_in_turn(parakeet: FakeServer, *texts: str) -> None:
    """Each request gets the next text; the last one stays."""
    left = list(texts)

    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"text": left.pop(0) if len(left) > 1 else left[0]})

    parakeet.answers[POST] = answer


def partial_results(*texts: str) -> list[object]:
    """What Home Assistant is told before the end: nothing where it asks for nothing."""
    return [PARTIAL_RESULT(text) for text in texts] if PARTIAL_RESULT else []


async def results(hass: HomeAssistant, *sounds: bytes) -> list[object]:
    """All that the entity yields, in order."""
    return [
        heard async for heard in engine_entity(hass).async_process_audio_stream_with_progress(METADATA, spoken(*sounds))
    ]


def test_partial_results_are_of_2026_11() -> None:
    """The class loads in older versions, which have nothing to tell with."""
    assert (PARTIAL_RESULT is not None) is IS_OURS


@pytest.mark.usefixtures("healthy")
async def test_words_of_each_pause(hass: HomeAssistant, parakeet: FakeServer) -> None:
    """All words so far at each pause; the last ones are the result, and nothing is asked twice."""
    hear_in_turn(parakeet, FIRST, BOTH)
    heard = await results(hass, SPOKEN, PAUSE, SPOKEN, END)
    assert heard == [*partial_results(FIRST, BOTH), SpeechResult(BOTH, SpeechResultState.SUCCESS)]
    assert len(parakeet.posts(POST[1])) == 2


@pytest.mark.usefixtures("healthy")
async def test_same_text_as_the_plain_way(hass: HomeAssistant, parakeet: FakeServer) -> None:
    """For one stream, Home Assistant's own call and both of ours come to the same."""
    sounds = (SPOKEN, PAUSE, SPOKEN, END)
    hear_in_turn(parakeet, FIRST, BOTH)
    plain = await engine_entity(hass).async_process_audio_stream(METADATA, spoken(*sounds))
    hear_in_turn(parakeet, FIRST, BOTH)
    called = await engine_entity(hass).internal_async_process_audio_stream(METADATA, spoken(*sounds))
    hear_in_turn(parakeet, FIRST, BOTH)
    assert (await results(hass, *sounds))[-1] == plain == called == SpeechResult(BOTH, SpeechResultState.SUCCESS)


@pytest.mark.usefixtures("healthy")
@pytest.mark.parametrize("text", ["", "...", " "])
async def test_no_words_are_no_partial_result(hass: HomeAssistant, parakeet: FakeServer, text: str) -> None:
    hear_in_turn(parakeet, text)
    assert await results(hass, SPOKEN, END) == [SpeechResult("", SpeechResultState.SUCCESS)]


@pytest.mark.usefixtures("entry", "frames")
async def test_without_early_requests_only_the_result(hass: HomeAssistant) -> None:
    """Of a service whose health is not known nothing is asked early."""
    heard = await results(hass, SPOKEN, END)
    assert heard == [SpeechResult("Turn on the kitchen light.", SpeechResultState.SUCCESS)]


@pytest.mark.usefixtures("healthy")
async def test_a_failure_is_the_result(hass: HomeAssistant, parakeet: FakeServer) -> None:
    parakeet.answers[POST] = fake.json({"detail": "broken"}, status=500)
    assert await results(hass, SPOKEN, END) == [SpeechResult(None, SpeechResultState.ERROR)]


@pytest.mark.usefixtures("healthy")
async def test_a_stream_that_breaks_breaks_the_results(hass: HomeAssistant) -> None:
    async def broken() -> AsyncGenerator[bytes]:
        yield SPOKEN[:FRAME]
        raise ConnectionResetError("the satellite is gone")

    with pytest.raises(ConnectionResetError, match="the satellite is gone"):
        _ = [_ async for _ in engine_entity(hass).async_process_audio_stream_with_progress(METADATA, broken())]


@pytest.mark.usefixtures("healthy")
async def test_a_caller_that_leaves_ends_the_turn(hass: HomeAssistant, parakeet: FakeServer) -> None:
    """While it waits for words: the request that runs is given up, and the microphone is let go."""
    asked = asyncio.Event()
    given_up = asyncio.Event()

    async def hang(_: web.Request) -> web.Response:
        asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            given_up.set()
        raise AssertionError

    parakeet.answers[POST] = hang
    microphone = spoken(SPOKEN, END)
    async with aclosing(engine_entity(hass).async_process_audio_stream_with_progress(METADATA, microphone)) as heard:
        waiting = asyncio.ensure_future(anext(heard))
        await asked.wait()
        waiting.cancel()
        await asyncio.wait([waiting])
    assert waiting.cancelled()
    await given_up.wait()
    # Raises RuntimeError while it is still listened to.
    await microphone.aclose()


class TestAServerThatHearsLive:
    """NeMo-Speech.cpp with a streaming model, which has a word with each quarter of a second."""

    @pytest.fixture
    async def live(self, hass: HomeAssistant) -> AsyncGenerator[Live]:
        live = Live()
        async with fake.running(live_parakeet.nemo_speech(live)) as server:
            entry = entry_for(parakeet_url=server.url)
            assert await set_up(hass, entry)
            tell(entry, State.HEALTHY)
            # As the first canary does.
            assert (await entry.runtime_data.spark.parakeet.server()).live
            yield live

    async def test_the_first_word_comes_within_400_ms(self, hass: HomeAssistant, live: Live) -> None:
        """No more than 300 ms of audio come before it; the transcript is the server's last word."""
        if PARTIAL_RESULT is None:
            assert await results(hass, SPOKEN, END) == [SpeechResult(TEXT, SpeechResultState.SUCCESS)]
            return
        told = asyncio.Event()

        async def waiting_for_it() -> AsyncGenerator[bytes]:
            async for frame in spoken(bytes(9600)):
                yield frame
            await told.wait()
            async for frame in spoken(SPOKEN):
                yield frame

        heard = []
        async for result in engine_entity(hass).async_process_audio_stream_with_progress(METADATA, waiting_for_it()):
            heard.append(result)
            told.set()
        assert heard[0] == PARTIAL_RESULT("Turn")
        assert heard[-1] == SpeechResult(TEXT, SpeechResultState.SUCCESS)

    async def test_the_last_words_have_the_names_of_the_home(self, hass: HomeAssistant, live: Live) -> None:
        """What was told before stays as it was heard."""
        names = engine_entity(hass).names
        assert names is not None
        with patch.object(names, "corrected", AsyncMock(return_value="Turn on the Kallax lamp.")) as corrected:
            *_, last = await results(hass, SPOKEN, END)
        assert last == SpeechResult("Turn on the Kallax lamp.", SpeechResultState.SUCCESS)
        corrected.assert_awaited_once_with(TEXT, METADATA.language)

    async def test_a_turn_that_breaks_is_transcribed_in_the_plain_way(self, hass: HomeAssistant, live: Live) -> None:
        live.breaks = live_parakeet.close
        *_, last = await results(hass, SPOKEN, END)
        assert last == SpeechResult(TEXT, SpeechResultState.SUCCESS)

    async def test_a_turn_that_may_have_killed_the_server_is_not_sent_again(
        self, hass: HomeAssistant, live: Live
    ) -> None:
        live.breaks = live_parakeet.cut
        *_, last = await results(hass, SPOKEN, END)
        assert last == SpeechResult(None, SpeechResultState.ERROR)
