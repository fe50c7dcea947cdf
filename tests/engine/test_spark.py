"""The one object that both hosts build."""

from collections.abc import AsyncGenerator

import pytest
from aiohttp import ClientSession
from spark_engine.models import Audio, SpeechStyle
from spark_engine.spark import UNSPEAKABLE_PAUSE, ServerAddress, Spark, SparkAddress
from spark_engine.speech import speaking

from tests.fakes import magpie
from tests.fakes.magpie import SYNTHESIZE_ONLINE
from tests.fakes.server import running


async def words(*pieces: str) -> AsyncGenerator[str]:
    """A text stream."""
    for piece in pieces:
        yield piece


async def test_each_sentence_is_one_request_in_order(session: ClientSession) -> None:
    async with running(magpie.nim()) as fake:
        spark = Spark(session, SparkAddress(magpie=(ServerAddress(fake.url),)))
        audio = [
            piece async for piece in spark.speak(words("The light is **on**. The", " door is closed."), SpeechStyle())
        ]
    assert [asked.fields["text"] for asked in fake.posts(SYNTHESIZE_ONLINE)] == [
        "The light is on.",
        "The door is closed.",
    ]
    assert sum(piece.seconds for piece in audio) > 2


async def test_text_that_is_being_written_begins_with_a_clause(session: ClientSession) -> None:
    """Text that is all there begins with a sentence: its end is not waited for."""
    text = "The lamp in the kitchen and the one in the hall are on, as you wished."
    async with running(magpie.nim()) as fake:
        spark = Spark(session, SparkAddress(magpie=(ServerAddress(fake.url),)))
        for said in (words(text), text):
            async for _ in spark.speak(said, SpeechStyle()):
                pass
    assert [asked.fields["text"] for asked in fake.posts(SYNTHESIZE_ONLINE)] == [
        "The lamp in the kitchen and the one in the hall are on,",
        "as you wished.",
        text,
    ]


async def test_speed_is_that_of_the_listener(session: ClientSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """It decides what goes together; the audio stays as Magpie speaks."""
    speeds: list[float] = []

    def watched(
        sentences: AsyncGenerator[str], synthesize: speaking.Synthesize, *, speed: float
    ) -> AsyncGenerator[Audio]:
        speeds.append(speed)
        return speaking.speak(sentences, synthesize, speed=speed)

    monkeypatch.setattr("spark_engine.spark.speak", watched)
    async with running(magpie.nim()) as fake:
        spark = Spark(session, SparkAddress(magpie=(ServerAddress(fake.url),)))
        usual, fast = [
            [piece async for piece in spark.speak("The light is on.", SpeechStyle(), **chosen)]
            for chosen in ({}, {"speed": 4.0})
        ]
    assert speeds == [1.0, 4.0]
    assert sum(piece.seconds for piece in usual) == sum(piece.seconds for piece in fast)


async def test_nothing_to_say_is_a_short_silence(session: ClientSession) -> None:
    """The server is not asked."""
    async with running(magpie.nim()) as fake:
        spark = Spark(session, SparkAddress(magpie=(ServerAddress(fake.url),)))
        (audio,) = [piece async for piece in spark.speak(words("😀"), SpeechStyle(sample_rate=44_100))]
        assert fake.asked == []
    assert audio.seconds == pytest.approx(UNSPEAKABLE_PAUSE)
    assert audio.sample_rate == 44_100


async def test_a_spark_has_what_it_has_an_address_for(session: ClientSession) -> None:
    """Either service may be missing; asking it then is a programming error."""
    spark = Spark(session, SparkAddress(parakeet=(ServerAddress("http://127.0.0.1:1"),)))
    assert spark.parakeet is not None
    assert spark.magpie is None
    with pytest.raises(RuntimeError, match="no Magpie"):
        await anext(spark.speak(words("hello"), SpeechStyle()))
