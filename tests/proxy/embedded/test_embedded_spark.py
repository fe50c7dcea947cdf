"""The embedded Spark as a whole, with its real engines: what it speaks it hears."""

import asyncio
import logging
import re
from array import array
from collections.abc import AsyncGenerator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, FormData
from embedded_spark import EmbeddedSpark
from embedded_spark.moonshine import Moonshine
from embedded_spark.piper import Piper
from embedded_spark.speakers import VOICES
from embedded_spark.wav import read_wav, write_wav

from tests.fakes.engines import playing

pytestmark = pytest.mark.engines

SENTENCE = "Turn on the kitchen light."
WORDS = "turn on the kitchen light"
TRANSCRIPTIONS = "/v1/audio/transcriptions"
SYNTHESIZE = "/v1/audio/synthesize"


@pytest.fixture(scope="module")
def moonshine() -> Moonshine:
    """The recognizer, loaded once."""
    return Moonshine()


@pytest.fixture(scope="module")
def piper() -> Piper:
    """The synthesizer, loaded once."""
    return Piper()


@pytest.fixture
async def spark(moonshine: Moonshine, piper: Piper) -> AsyncGenerator[EmbeddedSpark]:
    """Both servers around the real engines."""
    async with playing(moonshine, piper) as spark:
        yield spark


@pytest.fixture
async def client() -> AsyncGenerator[ClientSession]:
    """A client session, closed after the test."""
    async with ClientSession() as client:
        yield client


async def speak(client: ClientSession, spark: EmbeddedSpark, text: str, path: str = SYNTHESIZE, **fields: str) -> bytes:
    """Have a text spoken."""
    form = FormData({"text": text, "language": "en-US"} | fields)
    async with client.post(spark.magpie_url + path, data=form) as response:
        assert response.status == 200
        return await response.read()


async def hear(client: ClientSession, spark: EmbeddedSpark, wav: bytes) -> dict[str, object]:
    """Have a recording transcribed, with times."""
    form = FormData({"response_format": "verbose_json"})
    form.add_field("file", wav, filename="speech.wav")
    async with client.post(spark.parakeet_url + TRANSCRIPTIONS, data=form) as response:
        assert response.status == 200
        answer: dict[str, object] = await response.json()
        return answer


def segments(answer: dict[str, object]) -> list[dict[str, Any]]:
    """The lines with their times."""
    found = answer["segments"]
    assert isinstance(found, list)
    return found


def words(answer: dict[str, object]) -> str:
    """The transcript without case and punctuation, which a model puts as it likes."""
    return " ".join(re.findall(r"[\w']+", str(answer["text"]).lower()))


@pytest.mark.parametrize(
    "voice", [name for name in VOICES if name.count(".") == 2] + ["Magpie-Multilingual.EN-US.Aria.Sad"]
)
async def test_what_is_spoken_is_heard(client: ClientSession, spark: EmbeddedSpark, voice: str) -> None:
    """In every speaker's voice."""
    wav = await speak(client, spark, SENTENCE, voice=voice)
    assert words(await hear(client, spark, wav)) == WORDS


@pytest.mark.parametrize("sample_rate", [8_000, 16_000, 22_050, 44_100])
async def test_a_sample_rate_changes_neither_words_nor_length(
    client: ClientSession, spark: EmbeddedSpark, sample_rate: int
) -> None:
    """The file says the rate that was asked for."""
    wav = await speak(client, spark, SENTENCE, sample_rate_hz=str(sample_rate))
    recording = read_wav(wav)
    assert recording.sample_rate == sample_rate
    assert recording.duration == pytest.approx(read_wav(await speak(client, spark, SENTENCE)).duration, abs=0.001)
    assert words(await hear(client, spark, wav)) == WORDS


async def test_both_routes_speak_the_same(client: ClientSession, spark: EmbeddedSpark) -> None:
    text = f"{SENTENCE} Then lock the front door. Is anyone at home?"
    whole = read_wav(await speak(client, spark, text)).pcm
    assert await speak(client, spark, text, SYNTHESIZE + "_online") == whole
    assert read_wav(await speak(client, spark, text)).pcm == whole


async def test_speakers_and_emotions_differ(client: ClientSession, spark: EmbeddedSpark) -> None:
    """A base name is the neutral voice; every other one is its own."""
    spoken = {voice: await speak(client, spark, SENTENCE, voice=voice) for voice in VOICES}
    neutral = [voice for voice in VOICES if voice.endswith(".Neutral")]
    assert all(spoken[voice] == spoken[voice.removesuffix(".Neutral")] for voice in neutral)
    assert len(set(spoken.values())) == len(VOICES) - len(neutral)


async def test_pace_is_not_pitch(client: ClientSession, spark: EmbeddedSpark) -> None:
    """A high voice does not hurry, and a sad one takes its time."""
    name = "Magpie-Multilingual.EN-US."
    jason, sad, fearful, mia = [
        read_wav(await speak(client, spark, SENTENCE, voice=name + voice)).duration
        for voice in ("Jason", "Jason.Sad", "Jason.Fearful", "Mia")
    ]
    assert sad > 1.13 * fearful
    assert 0.8 * jason < mia < jason


@pytest.mark.parametrize("text", ["[[kˈɪtʃən]] \0 {@AW1} <b>&", "naïve 日本語 🙂", "line one\nline two", "a", "3.14 %"])
async def test_odd_texts_are_spoken(client: ClientSession, spark: EmbeddedSpark, text: str) -> None:
    """Something comes out and nothing breaks."""
    assert read_wav(await speak(client, spark, text)).duration > 0.1


@pytest.mark.parametrize("text", ["...", " ", "\n\n", "—", "[]"])
async def test_texts_without_a_word_are_refused(client: ClientSession, spark: EmbeddedSpark, text: str) -> None:
    """There is nothing to answer 200 with."""
    async with client.post(spark.magpie_url + SYNTHESIZE, data=FormData({"text": text})) as response:
        assert response.status == 400


async def test_stereo_is_mixed_down(client: ClientSession, spark: EmbeddedSpark) -> None:
    """Speech on one side only is heard."""
    mono = array("h", bytes(read_wav(await speak(client, spark, SENTENCE)).pcm))
    stereo = array("h", bytes(4 * len(mono)))
    stereo[1::2] = mono
    wav = bytearray(write_wav(stereo.tobytes(), 22_050))
    wav[22], wav[32] = 2, 4
    assert words(await hear(client, spark, bytes(wav))) == WORDS


async def test_long_speech_is_heard_with_its_times(client: ClientSession, spark: EmbeddedSpark) -> None:
    """A minute and a half, in several pieces, with other speech in between: nothing is lost, nothing told twice."""
    reading = read_wav(Path(import_module("moonshine_voice").get_assets_path(), "two_cities.wav").read_bytes())
    sentence = await speak(client, spark, SENTENCE)
    long = asyncio.create_task(hear(client, spark, write_wav(bytes(reading.pcm) * 2, reading.sample_rate)))
    heard_between = await hear(client, spark, sentence)
    assert (words(heard_between), long.done()) == (WORDS, False)
    answer = await long
    parts = segments(answer)
    assert answer["duration"] == pytest.approx(2 * reading.duration, abs=0.001)
    assert [segment["id"] for segment in parts] == list(range(len(parts)))
    assert all(segment["start"] < segment["end"] for segment in parts)
    starts = [segment["start"] for segment in parts]
    assert starts == sorted(starts)
    # 44.4 s of Dickens, begun after 1 s and over at 42 s; the pieces meet at 30 s and 60 s.
    assert [start for start in starts if start < 5] == pytest.approx([1.0, 4.8], abs=0.1)
    assert parts[-1]["end"] == pytest.approx(reading.duration + 42.0, abs=0.2)
    heard = words(answer)
    for phrase, times in {"worst of times": 2, "spring of hope": 1, "so far like the present period": 2}.items():
        assert times <= heard.count(phrase) <= 2
    assert answer["text"] == " ".join(segment["text"] for segment in parts)


async def test_speech_that_breaks_off_is_forgotten(client: ClientSession, spark: EmbeddedSpark) -> None:
    """The next recording begins with silence, in which a voice detector that is still open hears a word."""
    voice = "Magpie-Multilingual.EN-US.Jason"
    before = await speak(client, spark, "What is the weather today?", voice=voice)
    late = b"\0\0" * 11_025 + bytes(read_wav(await speak(client, spark, SENTENCE, voice=voice)).pcm)
    await hear(client, spark, before)
    [segment] = segments(await hear(client, spark, write_wav(late, 22_050)))
    assert re.fullmatch(r"\w+ on the kitchen\Wli\w+\W", str(segment["text"]))
    assert 0.2 < segment["start"] < 0.6


async def test_the_last_fraction_of_a_second_counts(client: ClientSession, spark: EmbeddedSpark) -> None:
    """Even where it is a piece of its own."""
    sentence = bytes(read_wav(await speak(client, spark, SENTENCE)).pcm)
    pcm = b"\0\0" * (22_050 * 30 + 4_410 - len(sentence) // 2) + sentence
    *_, segment = segments(await hear(client, spark, write_wav(pcm, 22_050)))
    assert segment["end"] == pytest.approx(30.2, abs=0.05)


@pytest.mark.parametrize("pcm", [b"", b"\0\0", b"\0\0" * 48_000])
async def test_silence_is_no_words(client: ClientSession, spark: EmbeddedSpark, pcm: bytes) -> None:
    answer = await hear(client, spark, write_wav(pcm, 16_000))
    assert (answer["text"], answer["segments"]) == ("", [])


async def test_requests_at_once_are_all_answered(client: ClientSession, spark: EmbeddedSpark) -> None:
    """Each with its own words."""
    texts = ["Stop the music.", "Is the garage door open?", SENTENCE, "All systems are working."]
    wavs = await asyncio.gather(*(speak(client, spark, text) for text in texts))
    answers = await asyncio.gather(*(hear(client, spark, wav) for wav in wavs))
    assert [words(answer) for answer in answers] == [words({"text": text}) for text in texts]


async def test_neither_text_nor_speech_is_logged(
    client: ClientSession, spark: EmbeddedSpark, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """At no level, and not by the engines either."""
    caplog.set_level(logging.DEBUG)
    await hear(client, spark, await speak(client, spark, f"{SENTENCE} \u4e16"))
    output = caplog.text + "".join(capfd.readouterr())
    assert not re.search("kitchen|kˈɪtʃən|\u4e16", output, re.IGNORECASE)
