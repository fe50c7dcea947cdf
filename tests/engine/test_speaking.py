"""Order of events while text is turned into speech. No clock: a slow fake says when it starts and may go on."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field

import pytest
from spark_engine.errors import ServerFault
from spark_engine.models import Audio
from spark_engine.speaking import speak


def pcm(text: str) -> Audio:
    """Recognisable audio for a text."""
    return Audio(text.encode("utf-16-le"), 22_050)


async def texts(*items: str) -> AsyncGenerator[str]:
    """Utterances that are all there."""
    for item in items:
        yield item


@dataclass
class SlowMagpie:
    """Synthesises an utterance only once the test lets it."""

    events: list[str] = field(default_factory=list)
    gates: dict[str, asyncio.Event] = field(default_factory=dict)
    failing: str | None = None

    def allow(self, text: str) -> None:
        """Let this utterance be synthesised."""
        self.gates.setdefault(text, asyncio.Event()).set()

    async def synthesize(self, text: str) -> AsyncGenerator[Audio]:
        """Two pieces of audio."""
        self.events.append(f"start {text}")
        try:
            await self.gates.setdefault(text, asyncio.Event()).wait()
            if text == self.failing:
                raise ServerFault("broken")
            yield pcm(f"{text}1")
            yield pcm(f"{text}2")
            self.events.append(f"end {text}")
        except asyncio.CancelledError, GeneratorExit:
            self.events.append(f"cancel {text}")
            raise


async def settle() -> None:
    """Let every task run until all of them wait."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_the_first_sentence_is_heard_before_the_second_is_synthesised() -> None:
    """First PCM of a three-sentence answer leaves while the second has not been given out."""
    magpie = SlowMagpie()
    magpie.allow("one")
    async with aclosing(speak(texts("one", "two", "three"), magpie.synthesize)) as pieces:
        assert await anext(pieces) == pcm("one1")
        assert await anext(pieces) == pcm("one2")
        await settle()
        assert magpie.events == ["start one", "end one", "start two"]


async def test_only_one_utterance_is_made_ahead() -> None:
    """A listener who has not heard the first sentence does not need the third."""
    magpie = SlowMagpie()
    for text in ("one", "two", "three", "four"):
        magpie.allow(text)
    async with aclosing(speak(texts("one", "two", "three", "four"), magpie.synthesize)) as pieces:
        await anext(pieces)
        await settle()
        assert magpie.events == ["start one", "end one", "start two", "end two"]
        assert [await anext(pieces), await anext(pieces)] == [pcm("one2"), pcm("two1")]
        await settle()
        assert "start three" in magpie.events
        assert "start four" not in magpie.events


async def test_all_audio_comes_in_order() -> None:
    """However far ahead the synthesis was."""
    magpie = SlowMagpie()
    for text in "abcde":
        magpie.allow(text)
    heard = [audio async for audio in speak(texts(*"abcde"), magpie.synthesize)]
    assert heard == [pcm(f"{text}{n}") for text in "abcde" for n in "12"]


async def test_an_error_comes_after_the_audio_before_it() -> None:
    """What was said stays said; then the failure is raised, once."""
    magpie = SlowMagpie(failing="two")
    for text in ("one", "two"):
        magpie.allow(text)
    heard: list[Audio] = []
    with pytest.raises(ServerFault, match="broken"):
        async for audio in speak(texts("one", "two", "three"), magpie.synthesize):
            heard.append(audio)
    assert heard == [pcm("one1"), pcm("one2")]
    assert "start three" not in magpie.events


async def test_an_error_of_the_text_is_raised_too() -> None:
    """A language model may break off."""

    async def breaking() -> AsyncGenerator[str]:
        yield "one"
        raise RuntimeError("model gone")

    magpie = SlowMagpie()
    magpie.allow("one")
    with pytest.raises(RuntimeError, match="model gone"):
        [audio async for audio in speak(breaking(), magpie.synthesize)]


async def test_leaving_early_ends_the_request_in_flight() -> None:
    """A listener who has gone must not keep the GPU busy."""
    magpie = SlowMagpie()
    magpie.allow("one")
    async with aclosing(speak(texts("one", "two"), magpie.synthesize)) as pieces:
        await anext(pieces)
        await settle()
    assert magpie.events[-1] == "cancel two"


async def test_no_text_gives_no_audio() -> None:
    """The silence for it is made elsewhere."""
    assert [audio async for audio in speak(texts(), SlowMagpie().synthesize)] == []
