"""The one object that both hosts build."""

from collections.abc import AsyncGenerator

import pytest
from aiohttp import ClientSession, web
from spark_engine.models import Audio, SpeechStyle
from spark_engine.spark import UNSPEAKABLE_PAUSE, ServerAddress, Spark, SparkAddress
from spark_engine.speech import speaking
from spark_engine.speech.audio import wav_header

from tests.fakes import magpie
from tests.fakes.magpie import SYNTHESIZE_ONLINE
from tests.fakes.server import data, json, running


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


async def test_another_server_goes_on_in_the_rate_of_the_first(session: ClientSession) -> None:
    """A player takes one rate for all of it: at another one it would be too slow and too low."""
    first, second = magpie.nim(), magpie.openai()
    good = first.answers["POST", SYNTHESIZE_ONLINE]

    async def once(request: web.Request) -> web.StreamResponse:
        first.answers["POST", SYNTHESIZE_ONLINE] = json({"detail": "CUDA error"}, status=500)
        return await good(request)

    first.answers["POST", SYNTHESIZE_ONLINE] = once
    second.answers["POST", "/v1/audio/speech"] = data(wav_header(44_100) + bytes(4 * 44_100), "audio/wav")
    async with running(first), running(second):
        spark = Spark(session, SparkAddress(magpie=(ServerAddress(first.url), ServerAddress(second.url))))
        said = [audio async for audio in spark.speak("The light is on. The door is closed.", SpeechStyle())]
    assert len(second.posts("/v1/audio/speech")) == 1
    assert {audio.sample_rate for audio in said} == {22_050}
    own = len(magpie.spoken("The light is on.")) / 2 / 22_050
    assert sum(audio.seconds for audio in said) == pytest.approx(own + 2, abs=0.01)


async def test_speed_is_that_of_the_listener(session: ClientSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """It decides what goes together; the audio stays as Magpie speaks."""
    speeds: list[float] = []

    def watched(
        sentences: AsyncGenerator[str], synthesize: speaking.Synthesize, *, speed: float, fills_pauses: bool
    ) -> AsyncGenerator[Audio]:
        speeds.append(speed)
        return speaking.speak(sentences, synthesize, speed=speed, fills_pauses=fills_pauses)

    monkeypatch.setattr("spark_engine.spark.speak", watched)
    async with running(magpie.nim()) as fake:
        spark = Spark(session, SparkAddress(magpie=(ServerAddress(fake.url),)))
        usual, fast = [
            [piece async for piece in spoken]
            for spoken in (
                spark.speak("The light is on.", SpeechStyle()),
                spark.speak("The light is on.", SpeechStyle(), speed=4.0),
            )
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
