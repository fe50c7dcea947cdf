"""Another engine speaks where Magpie fails, once it was tried twice."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any, override

import pytest
from aiohttp import web
from homeassistant.components.tts import TTSAudioResponse, TtsAudioType, async_create_stream
from homeassistant.components.tts.entity import TTSAudioRequest
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_mock_restore_state_shutdown_restart,
)
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.spark_audio import fallback
from custom_components.spark_audio.replayed_text import ReplayedText
from custom_components.spark_audio.spark_engine.models import Audio
from custom_components.spark_audio.spark_engine.speech.audio import read_wav, silence, write_wav
from tests.fakes import server as fake
from tests.fakes.magpie import SYNTHESIZE_ONLINE, in_pieces, spoken, stream_pcm
from tests.fakes.server import FakeServer
from tests.helpers.integration.hearing import warnings
from tests.helpers.integration.other_engines import CUDA, MOUTH, SPEAK, OtherMouth, add_mouth
from tests.helpers.integration.pipeline import TTS
from tests.helpers.integration.player import decode, probe
from tests.helpers.integration.speaking import RATE, TEXT, entity_of

pytestmark = pytest.mark.usefixtures("assist", "socket_enabled")

OTHER_WAV = write_wav(silence(0.7, 8_000))


def says_wav(_: str) -> TtsAudioType:
    """What the other engine speaks."""
    return "wav", OTHER_WAV


async def test_another_speaks(
    hass: HomeAssistant,
    hass_client: ClientSessionGenerator,
    both: MockConfigEntry,
    magpie: FakeServer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A player gets the other engine's speech, converted from its own format to what the player wants."""
    mouth = OtherMouth(says_wav)
    await add_mouth(hass, mouth)
    magpie.answers[SPEAK] = CUDA
    result = async_create_stream(hass, TTS)
    result.async_set_message(TEXT)
    response = await (await hass_client()).get(result.url)
    assert response.status == 200
    assert len(await decode(await response.read())) / 2 / 16_000 == pytest.approx(0.7, abs=0.2)
    assert mouth.asked == [(TEXT, "en", {"voice": "Otto"})]
    [line] = warnings(caplog)
    assert line.getMessage().startswith(f"Magpie could not speak, {MOUTH} does instead: The server reports a CUDA")
    await hass.async_block_till_done(wait_background_tasks=True)


async def test_magpie_is_heard_again(hass: HomeAssistant, both: MockConfigEntry, magpie: FakeServer) -> None:
    """What the other engine said in the meantime is not taken out of the cache in its place."""
    await add_mouth(hass, OtherMouth(says_wav))
    magpie.answers[SPEAK] = CUDA
    assert await _heard(hass) == OTHER_WAV
    magpie.answers[SPEAK] = stream_pcm
    assert read_wav(await _heard(hass)).pcm == spoken(TEXT, RATE)
    count = len(magpie.posts(SYNTHESIZE_ONLINE))
    assert read_wav(await _heard(hass)).pcm == spoken(TEXT, RATE)
    assert len(magpie.posts(SYNTHESIZE_ONLINE)) == count


async def test_magpie_is_heard_again_after_a_restart(
    hass: HomeAssistant, both: MockConfigEntry, magpie: FakeServer
) -> None:
    """That is kept, as the cache is."""
    await add_mouth(hass, OtherMouth(says_wav))
    magpie.answers[SPEAK] = CUDA
    assert await _heard(hass) == OTHER_WAV
    before = (entity_of(hass).default_options or {})["edition"]
    assert await hass.config_entries.async_unload(both.entry_id)
    await async_mock_restore_state_shutdown_restart(hass)
    assert await hass.config_entries.async_setup(both.entry_id)
    assert (entity_of(hass).default_options or {})["edition"] == before


async def test_text_is_told_again_from_its_beginning(
    hass: HomeAssistant, both: MockConfigEntry, magpie: FakeServer
) -> None:
    """Even where an agent was still writing it when Magpie failed."""
    mouth = OtherMouth(says_wav)
    await add_mouth(hass, mouth)
    failed = asyncio.Event()

    async def fail(request: web.Request) -> web.StreamResponse:
        failed.set()
        return await CUDA(request)

    async def writing() -> AsyncGenerator[str]:
        yield "The first sentence is complete. "
        yield "The second"
        await failed.wait()
        yield " one follows."

    magpie.answers[SPEAK] = fail
    response = await entity_of(hass).async_stream_tts_audio(TTSAudioRequest("en-US", {}, writing()))
    assert (response.extension, [chunk async for chunk in response.data_gen]) == ("wav", [OTHER_WAV])
    assert [text for text, *_ in mouth.asked] == ["The first sentence is complete. The second one follows."]


WRITTEN = """<think>They ask for the weather.</think># Weather

It is **21 ℃** 😀 in [Bonn](https://example.com), see `sensor.bonn`.

```yaml
code: none
```

- 5 < 6 km/h &amp; rising
- Done"""

SPOKEN = "Weather. It is 21 °C in Bonn, see sensor.bonn. 5 6 kilometres per hour & rising. Done"


@pytest.mark.parametrize("size", [1, 7, 1000])
async def test_another_gets_the_text_that_magpie_would_have_spoken(
    hass: HomeAssistant, both: MockConfigEntry, magpie: FakeServer, size: int
) -> None:
    """No thoughts, Markdown, code or emoji, whether the text is there or still being written; words are replaced."""
    hass.config_entries.async_update_entry(
        both, options={**both.options, "replacements": "km/h -> kilometres per hour"}
    )
    assert await hass.config_entries.async_reload(both.entry_id)
    mouth = OtherMouth(says_wav)
    await add_mouth(hass, mouth)

    async def writing() -> AsyncGenerator[str]:
        for at in range(0, len(WRITTEN), size):
            yield WRITTEN[at : at + size]

    magpie.answers[SPEAK] = CUDA
    response = await entity_of(hass).async_stream_tts_audio(TTSAudioRequest("en-US", {}, writing()))
    assert [chunk async for chunk in response.data_gen] == [OTHER_WAV]
    await entity_of(hass).async_get_tts_audio(WRITTEN, "en-US", {})
    assert [text for text, *_ in mouth.asked] == [SPOKEN, SPOKEN]


async def test_tried_twice_before_the_first_sound(
    hass: HomeAssistant, both: MockConfigEntry, magpie: FakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    """A hiccup is not heard."""

    async def once(request: web.Request) -> web.StreamResponse:
        magpie.answers[SPEAK] = stream_pcm
        return await CUDA(request)

    magpie.answers[SPEAK] = once
    assert read_wav(await _heard(hass)).pcm == spoken(TEXT, RATE)
    assert len(magpie.posts(SYNTHESIZE_ONLINE)) == 2
    assert warnings(caplog) == []


async def test_not_tried_again_after_the_first_sound(
    hass: HomeAssistant, both: MockConfigEntry, magpie: FakeServer
) -> None:
    """What has been heard cannot be taken back: neither twice, nor by another voice."""
    mouth = OtherMouth(says_wav)
    await add_mouth(hass, mouth)
    magpie.answers[SPEAK] = in_pieces(spoken(TEXT, RATE)[:50_000], then_reset=True)
    response = await entity_of(hass).async_stream_tts_audio(TTSAudioRequest("en-US", {}, _text()))
    with pytest.raises(HomeAssistantError, match="Magpie has an error"):
        _ = [chunk async for chunk in response.data_gen]
    assert len(magpie.posts(SYNTHESIZE_ONLINE)) == 1
    assert mouth.asked == []


@pytest.mark.parametrize(
    ("answer", "times"),
    [(CUDA, 2), (fake.json({"detail": "bad"}, status=400), 1), (fake.json({"detail": "wait"}, status=503), 1)],
    ids=["fault", "rejected", "busy"],
)
async def test_what_is_tried_again(
    hass: HomeAssistant, both: MockConfigEntry, magpie: FakeServer, answer: fake.Handler, times: int
) -> None:
    """Only what may be gone at the second try; the other engine speaks either way."""
    await add_mouth(hass, OtherMouth(says_wav))
    magpie.answers[SPEAK] = answer
    assert await entity_of(hass).async_get_tts_audio(TEXT, "en-US", {}) == ("wav", OTHER_WAV)
    assert len(magpie.posts(SYNTHESIZE_ONLINE)) == times


def _raises(_: str) -> TtsAudioType:
    raise RuntimeError("They said: my code is swordfish")


@pytest.mark.parametrize(
    ("speak", "language", "told"),
    [
        (None, "en-US", "it is not there"),
        (says_wav, "fr-FR", "it does not know fr-FR"),
        (lambda _: ("mp3", b""), "en-US", "it says nothing"),
        (lambda _: (None, None), "en-US", "it failed with HomeAssistantError"),
        (_raises, "en-US", "it failed with RuntimeError"),
    ],
    ids=["gone", "language", "nothing", "none", "raises"],
)
async def test_another_cannot_speak(
    hass: HomeAssistant,
    both: MockConfigEntry,
    magpie: FakeServer,
    caplog: pytest.LogCaptureFixture,
    speak: Callable[[str], TtsAudioType] | None,
    language: str,
    told: str,
) -> None:
    """The error names both causes, without the text; the player logs it."""
    if speak:
        await add_mouth(hass, OtherMouth(speak))
    magpie.answers[SPEAK] = CUDA
    with pytest.raises(HomeAssistantError, match=f"The fallback {MOUTH} was used instead, but {told}") as failed:
        await entity_of(hass).async_stream_tts_audio(TTSAudioRequest(language, {}, _text()))
    assert "swordfish" not in str(failed.value)
    assert warnings(caplog) == []


class SlowMouth(OtherMouth):
    """An engine that knows streams, and what its players want."""

    def __init__(self, answer: Callable[[str], AsyncGenerator[bytes]]) -> None:
        """Speak like this, once the text is there."""
        super().__init__(says_wav)
        self._attr_supported_options = ["preferred_format"]
        self._answer = answer
        self.options: dict[str, Any] = {}

    @override
    async def async_stream_tts_audio(self, request: TTSAudioRequest) -> TTSAudioResponse:
        self.options = request.options
        text = "".join([chunk async for chunk in request.message_gen])
        return TTSAudioResponse("wav", self._answer(text))


async def _hangs(_: str) -> AsyncGenerator[bytes]:
    await asyncio.Event().wait()
    yield OTHER_WAV


async def _speaks(_: str) -> AsyncGenerator[bytes]:
    yield OTHER_WAV


async def test_another_hangs(
    hass: HomeAssistant, both: MockConfigEntry, magpie: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fallback, "FIRST_SOUND_DEADLINE", 0.05)
    await add_mouth(hass, SlowMouth(_hangs))
    magpie.answers[SPEAK] = CUDA
    with pytest.raises(
        HomeAssistantError, match=f"The fallback {MOUTH} was used instead, but it did not answer in time"
    ):
        await entity_of(hass).async_stream_tts_audio(TTSAudioRequest("en-US", {}, _text()))


async def test_another_hangs_before_it_reads(
    hass: HomeAssistant, both: MockConfigEntry, magpie: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even one that does not want to know the text."""

    async def never(self: SlowMouth, _: TTSAudioRequest) -> TTSAudioResponse:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(fallback, "FIRST_SOUND_DEADLINE", 0.05)
    monkeypatch.setattr(SlowMouth, "async_stream_tts_audio", never)
    await add_mouth(hass, SlowMouth(_hangs))
    magpie.answers[SPEAK] = CUDA
    with pytest.raises(HomeAssistantError, match="it did not answer in time"):
        await entity_of(hass).async_stream_tts_audio(TTSAudioRequest("en-US", {}, _text()))


async def test_time_for_writing_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """An agent that takes its time is not held against the engine that waits for its text."""
    monkeypatch.setattr(fallback, "FIRST_SOUND_DEADLINE", 0.0)

    async def writing() -> AsyncGenerator[str]:
        for word in ("One ", "two ", "three."):
            for _turn in range(5):
                await asyncio.sleep(0)
            yield word

    async with fallback.first_sound_in_time(ReplayedText(writing())) as told:
        assert [chunk async for chunk in told] == ["One ", "two ", "three."]
    with pytest.raises(TimeoutError):
        async with fallback.first_sound_in_time(ReplayedText(writing())) as told:
            await anext(told)
            await asyncio.Event().wait()


async def test_another_may_hesitate_after_its_first_sound(
    hass: HomeAssistant, both: MockConfigEntry, magpie: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is cut then, and it may go on reading."""
    monkeypatch.setattr(fallback, "FIRST_SOUND_DEADLINE", 0.0)
    mouth = SlowMouth(_speaks)

    async def streams(request: TTSAudioRequest) -> TTSAudioResponse:
        async def speaking() -> AsyncGenerator[bytes]:
            async for chunk in request.message_gen:
                yield chunk.encode()
                for _turn in range(5):
                    await asyncio.sleep(0)

        return TTSAudioResponse("wav", speaking())

    monkeypatch.setattr(mouth, "async_stream_tts_audio", streams)
    await add_mouth(hass, mouth)
    magpie.answers[SPEAK] = CUDA
    words = ["The first sentence is complete. ", "The second ", "one is not."]

    async def writing() -> AsyncGenerator[str]:
        for word in words:
            yield word

    response = await entity_of(hass).async_stream_tts_audio(TTSAudioRequest("en-US", {}, writing()))
    assert b"".join([chunk async for chunk in response.data_gen]).decode() == "".join(words)


async def test_another_hears_what_the_player_wants(
    hass: HomeAssistant, both: MockConfigEntry, magpie: FakeServer
) -> None:
    """As far as it knows of that; the rest is converted."""
    mouth = SlowMouth(_speaks)
    await add_mouth(hass, mouth)
    magpie.answers[SPEAK] = CUDA
    wanted = {"preferred_format": "wav", "preferred_sample_rate": 16_000, "speed": 2, "voice": "Aria"}
    await entity_of(hass).async_stream_tts_audio(TTSAudioRequest("en-US", wanted, _text()))
    assert mouth.options == {"voice": "Otto", "preferred_format": "wav"}


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"preferred_sample_rate": 16_000, "preferred_sample_channels": 2}, "pcm_s16le,16000,2"),
        ({"preferred_format": "flac", "preferred_sample_rate": 48_000}, "flac,48000,1"),
        ({"preferred_format": "aac"}, "aac,22050,1"),
    ],
)
async def test_a_player_gets_the_form_that_it_asks_for(
    hass: HomeAssistant, both: MockConfigEntry, magpie: FakeServer, wanted: dict[str, Any], found: str
) -> None:
    """Although the other engine knows of no forms."""
    audio = Audio(spoken(TEXT, 22_050), 22_050)
    await add_mouth(hass, OtherMouth(lambda _: ("wav", write_wav(audio))))
    magpie.answers[SPEAK] = CUDA
    assert await probe(await _heard(hass, **wanted), "codec_name,sample_rate,channels") == found
    await hass.async_block_till_done(wait_background_tasks=True)


async def _text() -> AsyncGenerator[str]:
    yield TEXT


async def _heard(hass: HomeAssistant, **options: Any) -> bytes:
    result = async_create_stream(hass, TTS, None, {"preferred_format": "wav", **options})
    result.async_set_message(TEXT)
    heard = b"".join([chunk async for chunk in result.async_stream_result()])
    await hass.async_block_till_done(wait_background_tasks=True)
    return heard
