"""Emotion and speed: as options, as options of an action, and in what is cached."""

from collections.abc import AsyncGenerator, Sequence
from typing import Any

import pytest
from homeassistant.components.tts import async_create_stream, async_get_media_source_audio
from homeassistant.components.tts.entity import TTSAudioRequest
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_mock_service
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.spark_audio.const import AS_IS, DOMAIN
from custom_components.spark_audio.spark_engine.models import Audio, SpeechStyle
from custom_components.spark_audio.spark_engine.servers.magpie_dialects import NIM, MagpieServer
from custom_components.spark_audio.spark_engine.servers.magpie_readers import Repertoire
from custom_components.spark_audio.spark_engine.spark import Spark
from custom_components.spark_audio.spark_engine.speech.audio import read_wav
from custom_components.spark_audio.spark_engine.speech.replacements import Replacements
from custom_components.spark_audio.spark_engine.speech.voices import parse_voice
from custom_components.spark_audio.voices import VoiceChoice, emotions
from tests.fakes import server as fake
from tests.fakes.magpie import LIST_VOICES, SYNTHESIZE_ONLINE, in_pieces, spoken
from tests.fakes.server import FakeServer
from tests.helpers.integration.config_forms import direct
from tests.helpers.integration.hearing import warnings
from tests.helpers.integration.option_forms import submit
from tests.helpers.integration.pipeline import TTS
from tests.helpers.integration.player import decode
from tests.helpers.integration.set_up import set_up
from tests.helpers.integration.speaking import ARIA, ARIA_CALM, POST, RATE, TEXT, cached, entity_of, stream

pytestmark = pytest.mark.usefixtures("assist", "socket_enabled")

MIA = "Magpie-Multilingual.EN-US.Mia"
LEO = "Magpie-Multilingual.DE-DE.Leo"
NAMES = ("M.EN-US.Mia", "M.EN-US.Mia.Happy", "M.EN-US.Mia.Calm", "M.EN-US.Leo", "M.DE-DE.Mia", "M.DE-DE.Mia.Sad")


async def asked(hass: HomeAssistant, magpie: FakeServer) -> list[str]:
    """The voices that spoke."""
    await hass.async_block_till_done(wait_background_tasks=True)
    return [request.fields["voice"] for request in magpie.posts(SYNTHESIZE_ONLINE)]


def choice(names: Sequence[str], emotion: str = AS_IS, **chosen: str) -> VoiceChoice:
    """What is chosen among these voices, by language."""
    repertoire = Repertoire(tuple(map(parse_voice, names)))
    return VoiceChoice(MagpieServer(NIM, repertoire), "en-US", {"en-US": chosen["us"]} if chosen else {}, emotion)


@pytest.mark.parametrize(
    ("chosen", "wanted", "given", "expected"),
    [
        # Nothing is said about emotion.
        (AS_IS, None, None, "Mia"),
        (AS_IS, "Mia.Calm", None, "Mia.Calm"),
        # What was chosen for all is for voices without one.
        ("happy", None, None, "Mia.Happy"),
        ("happy", "M.EN-US.Mia", None, "Mia.Happy"),
        ("happy", "Mia.Calm", None, "Mia.Calm"),
        ("happy", "Leo", None, "Leo"),
        # What an action says counts most.
        (AS_IS, None, "calm", "Mia.Calm"),
        ("happy", None, "CALM", "Mia.Calm"),
        ("happy", "Mia.Happy", "Calm", "Mia.Calm"),
        ("happy", None, "as_is", "Mia"),
        ("happy", "Mia.Calm", "as is", "Mia.Calm"),
        # Of another speaker, of another language.
        (AS_IS, "Leo", "Happy", "Leo"),
        (AS_IS, None, "Sad", "Mia"),
    ],
)
def test_emotion_precedence(chosen: str, wanted: str | None, given: str | None, expected: str) -> None:
    """The most specific one counts."""
    assert choice(NAMES, chosen).voice(wanted, "en-US", given).name == f"M.EN-US.{expected}"


def test_emotion_in_each_language() -> None:
    """The default voice that Home Assistant fills in is not a voice that the user chose."""
    voices = choice(NAMES, "sad")
    assert voices.default.name == "M.EN-US.Mia"
    assert voices.voice(voices.default.name, "de-DE", voices.emotion).name == "M.DE-DE.Mia.Sad"
    voices = choice(NAMES, "happy", us="M.EN-US.Mia.Calm")
    assert voices.default.name == "M.EN-US.Mia.Calm"


@pytest.mark.parametrize(
    ("names", "wanted", "expected"),
    [
        (["M.EN-GB.Mia.Calm", "M.EN-US.Mia"], "Mia", "M.EN-US.Mia"),
        (["A.EN-US.Mia.Calm", "B.EN-US.Mia"], "B.EN-US.Mia", "B.EN-US.Mia"),
        (["M.EN-US.Mia", "M.EN-US.Mia.calm"], "Mia", "M.EN-US.Mia.calm"),
    ],
)
def test_same_speaker(names: list[str], wanted: str, expected: str) -> None:
    """Of the same model, with the same accent."""
    assert choice(names, "calm").voice(wanted, "en-US").name == expected


def test_emotions() -> None:
    """Once each, however often and however they are written."""
    voices = [parse_voice(f"M.EN-US.{name}") for name in ("Mia", "Mia.Calm", "Leo.calm", "Leo.PleasantSurprised")]
    assert emotions(voices) == {"pleasantsurprised": "PleasantSurprised", "calm": "calm"}


async def test_emotion_that_a_voice_has_not(
    hass: HomeAssistant, entry: MockConfigEntry, magpie: FakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    """It speaks as it is; the log says so once, not for each sentence."""
    magpie.answers["GET", LIST_VOICES] = fake.json({"en-US": {"voices": [ARIA, f"{MIA}.Happy"]}})
    assert await hass.config_entries.async_reload(entry.entry_id)
    for text in (TEXT, "And again. And once more."):
        await stream(hass, text, emotion="happy")
    assert set(await asked(hass, magpie)) == {ARIA}
    assert [record.getMessage() for record in warnings(caplog)] == [
        f"Magpie has {ARIA} in no emotion Happy; it speaks as it is"
    ]


async def test_chosen_emotion(hass: HomeAssistant, entry: MockConfigEntry, magpie: FakeServer) -> None:
    """It is heard in every language, at once, though the text is in the cache in another."""
    await stream(hass, TEXT)
    await submit(hass, entry, voice={"emotion": "calm", "de-de": LEO})
    assert entity_of(hass).default_options == {
        "voice": ARIA_CALM,
        "emotion": "Calm",
        "speed": 1.0,
        "sample_rate": RATE,
        "voices": f"de-DE={LEO}",
    }
    await stream(hass, TEXT)
    await stream(hass, TEXT, "de-DE")
    await stream(hass, TEXT, "fr-FR", voice="Mia")
    await stream(hass, TEXT, voice="Mia.Happy")
    await stream(hass, TEXT, emotion="as_is")
    assert await asked(hass, magpie) == [
        ARIA,
        ARIA_CALM,
        f"{LEO}.Calm",
        "Magpie-Multilingual.FR-FR.Mia.Calm",
        f"{MIA}.Happy",
        ARIA,
    ]


async def test_chosen_emotion_that_has_gone(
    hass: HomeAssistant, entry: MockConfigEntry, magpie: FakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Voices speak as they are, the log says so once, and what is cached is not taken for the emotion."""
    await submit(hass, entry, voice={"emotion": "calm"})
    magpie.answers["GET", LIST_VOICES] = fake.json({"en-US": {"voices": [ARIA]}})
    assert await hass.config_entries.async_reload(entry.entry_id)
    await stream(hass, TEXT)
    await stream(hass, "Something else.")
    assert set(await asked(hass, magpie)) == {ARIA}
    assert [record.getMessage() for record in warnings(caplog)] == [
        "Magpie has no emotion calm any more; voices speak as they are"
    ]
    assert "emotion" not in (entity_of(hass).default_options or {})


async def test_speed_changes_the_length(
    hass: HomeAssistant, hass_client: ClientSessionGenerator, entry: MockConfigEntry
) -> None:
    """For a player, and as a whole file."""
    length = len(spoken(TEXT, 16_000))
    result = async_create_stream(hass, TTS, None, {"speed": 2})
    result.async_set_message(TEXT)
    response = await (await hass_client()).get(result.url)
    assert len(await decode(await response.read())) == pytest.approx(length / 2, rel=0.1)
    _, data = await entity_of(hass).async_get_tts_audio(TEXT, "en-US", {"speed": 0.5})
    assert read_wav(data or b"").seconds == pytest.approx(length / 2 / 16_000 * 2, rel=0.05)
    await hass.async_block_till_done(wait_background_tasks=True)


async def test_speed_counts_for_what_is_made_ahead(
    hass: HomeAssistant, entry: MockConfigEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine is told how fast its speech will be played."""
    speeds: list[float] = []
    speak = Spark.speak

    def watched(
        spark: Spark, text: str | AsyncGenerator[str], style: SpeechStyle, *, speed: float, replacements: Replacements
    ) -> AsyncGenerator[Audio]:
        speeds.append(speed)
        return speak(spark, text, style, speed=speed, replacements=replacements)

    monkeypatch.setattr(Spark, "speak", watched)
    await stream(hass, TEXT)
    await stream(hass, TEXT, speed=2)
    await entity_of(hass).async_get_tts_audio(TEXT, "en-US", {"speed": 0.5})
    assert speeds == [1.0, 2.0, 0.5]
    await hass.async_block_till_done(wait_background_tasks=True)


async def test_chosen_speed(hass: HomeAssistant, entry: MockConfigEntry, magpie: FakeServer) -> None:
    """It is heard at once, though the text is in the cache at another; an action may say otherwise."""
    await stream(hass, TEXT)
    await submit(hass, entry, voice={"speed": 1.6})
    seconds = [
        read_wav(b"".join(await stream(hass, TEXT, **options))).seconds
        for options in ({}, {"speed": 1}, {"speed": 1.6})
    ]
    usual = len(spoken(TEXT, RATE)) / 2 / RATE
    assert seconds == pytest.approx([usual / 1.6, usual, usual / 1.6], rel=0.05)
    assert len(await asked(hass, magpie)) == 3
    assert (entity_of(hass).default_options or {})["speed"] == 1.6


@pytest.mark.parametrize("text", ["🙂", "..."])
@pytest.mark.parametrize("speed", [0.5, 1, 2])
async def test_nothing_to_say_at_any_speed(
    hass: HomeAssistant, entry: MockConfigEntry, magpie: FakeServer, text: str, speed: float
) -> None:
    """A short silence, streamed and as a whole file."""
    streamed = read_wav(b"".join(await stream(hass, text, speed=speed)))
    _, data = await entity_of(hass).async_get_tts_audio(text, "en-US", {"speed": speed})
    for audio in (streamed, read_wav(data or b"")):
        assert 0.05 < audio.seconds < 0.5
        assert not any(audio.pcm)
    assert await asked(hass, magpie) == []


async def test_fails_in_the_middle_at_another_speed(
    hass: HomeAssistant, entry: MockConfigEntry, magpie: FakeServer
) -> None:
    """What came is heard, then it is an error, and nothing is kept."""
    magpie.answers[POST] = in_pieces(spoken(TEXT, RATE)[:50_000], then_reset=True)
    result = async_create_stream(hass, TTS, None, {"preferred_format": "wav", "speed": 2})
    result.async_set_message(TEXT)
    heard: list[bytes] = []
    with pytest.raises(HomeAssistantError) as failed:
        async for chunk in result.async_stream_result():
            heard.append(chunk)
    assert failed.value.translation_key == "server_fault"
    assert read_wav(b"".join(heard)).seconds == pytest.approx(25_000 / RATE / 2, rel=0.2)
    await hass.async_block_till_done(wait_background_tasks=True)
    assert cached(hass) == []


async def test_tried_twice_at_another_speed(hass: HomeAssistant, entry: MockConfigEntry, magpie: FakeServer) -> None:
    """A fault before the first sound is not heard at any speed."""

    async def once(request: Any) -> Any:
        magpie.answers[POST] = in_pieces(spoken(TEXT, RATE))
        return await fake.json({"detail": "CUDA error"}, status=500)(request)

    magpie.answers[POST] = once
    assert read_wav(b"".join(await stream(hass, TEXT, speed=2))).seconds > 0.5
    assert len(await asked(hass, magpie)) == 2


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "emotion": (
        {"emotion": "grumpy"},
        "Magpie does not have the emotion grumpy. It has: Calm, Happy, Neutral, as_is",
    ),
    "no emotion": ({"emotion": 7}, "Magpie does not have the emotion 7. It has: Calm, Happy, Neutral, as_is"),
    "speed": ({"speed": 3}, "The speed 3 is not possible. Enter a number from 0.5 to 2"),
    "no speed": ({"speed": "fast"}, "The speed fast is not possible. Enter a number from 0.5 to 2"),
}


@pytest.mark.parametrize(("options", "told"), WRONG.values(), ids=WRONG.keys())
async def test_wrong_options_of_an_action(
    hass: HomeAssistant, entry: MockConfigEntry, magpie: FakeServer, options: dict[str, Any], told: str
) -> None:
    """The action itself fails, and says what there is; where only a player asks, the player gets the error."""
    plays = async_mock_service(hass, "media_player", "play_media")
    call = {"entity_id": TTS, "media_player_entity_id": "media_player.kitchen", "message": TEXT, "options": options}
    with pytest.raises(ServiceValidationError) as refused:
        await hass.services.async_call("tts", "speak", call, blocking=True)
    assert str(refused.value) == told
    assert plays == []
    with pytest.raises(ServiceValidationError) as refused:
        await stream(hass, TEXT, **options)
    assert str(refused.value) == told
    assert await asked(hass, magpie) == []
    assert cached(hass) == []


async def test_action_with_options(hass: HomeAssistant, entry: MockConfigEntry, magpie: FakeServer) -> None:
    """All that an action may say reaches the player's URL."""
    plays = async_mock_service(hass, "media_player", "play_media")
    options = {"voice": "Leo", "emotion": "happy", "speed": 1.5}
    call = {"entity_id": TTS, "media_player_entity_id": "media_player.kitchen", "message": TEXT, "language": "de-DE"}
    await hass.services.async_call("tts", "speak", {**call, "options": options}, blocking=True)
    [play] = plays
    _, audio = await async_get_media_source_audio(hass, play.data["media_content_id"])
    assert len(await decode(audio)) == pytest.approx(len(spoken(TEXT, 16_000)) / 1.5, rel=0.1)
    assert await asked(hass, magpie) == [f"{LEO}.Happy"]


async def test_emotion_of_voices_without_any(hass: HomeAssistant, magpie: FakeServer) -> None:
    """Then only their own is left to choose."""
    magpie.answers["GET", LIST_VOICES] = fake.json({"any": {"voices": ["Aria", "Leo"]}})
    assert await set_up(hass, MockConfigEntry(domain=DOMAIN, data=direct(None, magpie.url)))
    request = TTSAudioRequest("en-US", {"emotion": "happy"}, _nothing())
    with pytest.raises(ServiceValidationError, match="It has: as_is"):
        await entity_of(hass).async_stream_tts_audio(request)


async def _nothing() -> Any:
    yield ""
