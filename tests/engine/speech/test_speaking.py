"""Order of events while text is turned into speech. The clock is the test's, and a slow fake waits to be let go on."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from math import inf

import pytest
from spark_engine.errors import ServerFault
from spark_engine.models import Audio
from spark_engine.speech.speaking import MOST_UNHEARD, SILENCE, WAITING, Progress, heard, how_many, speak, together
from spark_engine.speech.text import PAUSE, UTTERANCE_AIM, utterances

from tests.helpers.engine.virtual_time import run
from tests.helpers.engine.written_text import written


def pcm(text: str) -> Audio:
    """Recognisable audio for a text."""
    return Audio(text.encode("utf-16-le"), 22_050)


async def texts(*items: str) -> AsyncGenerator[str]:
    """Sentences that are all there."""
    for item in items:
        yield item


@dataclass
class SlowMagpie:
    """Synthesises an utterance only once the test lets it, and slower than it is spoken."""

    events: list[str] = field(default_factory=list)
    gates: dict[str, asyncio.Event] = field(default_factory=dict)
    failing: str | None = None
    now: float = 0.0

    def speak(self, sentences: AsyncGenerator[str]) -> AsyncGenerator[Audio]:
        """What is tested, with this Magpie and its clock."""
        return speak(sentences, self.synthesize, clock=lambda: self.now)

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
            self.now += 1.0
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
    async with aclosing(magpie.speak(texts("one", "two", "three"))) as pieces:
        assert await anext(pieces) == pcm("one1")
        assert await anext(pieces) == pcm("one2")
        await settle()
        assert magpie.events == ["start one", "end one", "start two"]


async def test_only_one_utterance_is_made_ahead() -> None:
    """A listener who has not heard the first sentence does not need the third."""
    magpie = SlowMagpie()
    for text in ("one", "two", "three", "four"):
        magpie.allow(text)
    async with aclosing(magpie.speak(texts("one", "two", "three", "four"))) as pieces:
        await anext(pieces)
        await settle()
        assert magpie.events == ["start one", "end one", "start two", "end two"]
        assert [await anext(pieces), await anext(pieces)] == [pcm("one2"), pcm("two1")]
        await settle()
        assert "start three" in magpie.events
        assert "start four" not in magpie.events


async def test_all_audio_comes_in_order() -> None:
    magpie = SlowMagpie()
    for text in "abcde":
        magpie.allow(text)
    heard = [audio async for audio in magpie.speak(texts(*"abcde"))]
    assert heard == [pcm(f"{text}{n}") for text in "abcde" for n in "12"]


async def test_an_error_comes_after_the_audio_before_it() -> None:
    """What was said stays said; then the failure is raised, once."""
    magpie = SlowMagpie(failing="two")
    for text in ("one", "two"):
        magpie.allow(text)
    heard: list[Audio] = []
    with pytest.raises(ServerFault, match="broken"):
        async for audio in magpie.speak(texts("one", "two", "three")):
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
        [audio async for audio in magpie.speak(breaking())]


async def test_leaving_early_ends_the_request_in_flight() -> None:
    """A listener who has gone must not keep the GPU busy."""
    magpie = SlowMagpie()
    magpie.allow("one")
    async with aclosing(magpie.speak(texts("one", "two"))) as pieces:
        await anext(pieces)
        await settle()
    assert magpie.events[-1] == "cancel two"


async def test_no_text_gives_no_audio() -> None:
    """The silence for it is made elsewhere."""
    assert [audio async for audio in SlowMagpie().speak(texts())] == []


@dataclass
class QuickMagpie:
    """Answers with audio of one length; synthesis takes an eighth of a second for each character."""

    asked: list[str] = field(default_factory=list)
    now: float = 0.0
    seconds: float = 1.0

    async def synthesize(self, text: str) -> AsyncGenerator[Audio]:
        """Audio that is long, in few bytes."""
        self.asked.append(text)
        self.now += len(text) / 8
        yield Audio(bytes(round(self.seconds * 200)), 100)

    def speak(self, sentences: AsyncGenerator[str], speed: float = 1.0) -> AsyncGenerator[Audio]:
        """What is tested, with this Magpie and its clock."""
        return speak(sentences, self.synthesize, speed=speed, clock=lambda: self.now)


SENTENCES = ("One.", "Two.", "Three.", "Four.", "Five.")


@pytest.mark.parametrize(
    ("seconds", "speed", "asked"),
    [
        (60.0, 1.0, ["One.", "Two. Three. Four. Five."]),
        (3.0, 1.0, ["One.", "Two. Three.", "Four. Five."]),
        (0.5, 1.0, list(SENTENCES)),
        # As heard: 3 s, 0.75 s and 6 s of audio.
        (12.0, 4.0, ["One.", "Two. Three.", "Four. Five."]),
        (3.0, 4.0, list(SENTENCES)),
        (3.0, 0.5, ["One.", "Two. Three. Four. Five."]),
    ],
)
async def test_sentences_go_together_while_there_is_enough_to_hear(
    seconds: float, speed: float, asked: list[str]
) -> None:
    """The first one never waits; the less ahead of playback, the fewer at once, at whatever speed it is played."""
    magpie = QuickMagpie(seconds=seconds)
    async for _ in magpie.speak(texts(*SENTENCES), speed):
        pass
    assert magpie.asked == asked


async def test_a_sentence_does_not_wait_for_one_that_is_still_being_written() -> None:
    magpie, more = QuickMagpie(seconds=60.0), asyncio.Event()

    async def writing() -> AsyncGenerator[str]:
        yield "One."
        yield "Two."
        await more.wait()
        yield "Three."
        yield "Four."

    async with aclosing(magpie.speak(writing())) as pieces:
        await anext(pieces)
        await settle()
        assert magpie.asked == ["One.", "Two."]
        more.set()
        async for _ in pieces:
            pass
    assert magpie.asked == ["One.", "Two.", "Three. Four."]


async def test_after_a_pause_in_the_text_it_is_counted_anew() -> None:
    """What was heard long ago is no head start."""
    magpie = QuickMagpie(seconds=3.0)

    async def writing() -> AsyncGenerator[str]:
        yield "One."
        magpie.now += 100
        for sentence in SENTENCES[1:]:
            yield sentence

    async for _ in magpie.speak(writing()):
        pass
    assert magpie.asked == ["One.", "Two.", "Three. Four.", "Five."]


async def test_text_is_read_on_only_once_something_sounds() -> None:
    """A caller whose first request fails tries again, or asks another engine, with the same text."""
    events: list[str] = []

    async def writing() -> AsyncGenerator[str]:
        try:
            for text in ("one", "two"):
                events.append(text)
                yield text
        finally:
            events.append("closed")

    magpie = SlowMagpie(failing="one")
    magpie.allow("one")
    with pytest.raises(ServerFault, match="broken"):
        await anext(magpie.speak(writing()))
    assert events == ["one", "closed"]


async def test_an_utterance_without_audio_does_not_hold_up_the_next() -> None:
    """A Magpie raises where nothing comes, but nothing here relies on it."""
    asked: list[str] = []
    no_audio: tuple[Audio, ...] = ()

    async def mute(text: str) -> AsyncGenerator[Audio]:
        asked.append(text)
        for audio in no_audio:
            yield audio

    assert [audio async for audio in speak(texts("One.", "Two."), mute)] == []
    assert asked == ["One.", "Two."]


async def test_text_is_not_read_without_bound() -> None:
    """A book waits where it comes from, while its first page is spoken."""
    magpie, read = SlowMagpie(), 0

    async def book() -> AsyncGenerator[str]:
        nonlocal read
        while True:
            read += 1
            yield "a"

    magpie.allow("a")
    async with aclosing(magpie.speak(book())) as pieces:
        await anext(pieces)
        await settle()
        assert WAITING < read <= 2 * WAITING + 2


async def test_leaving_early_closes_the_text() -> None:
    """Even while it is waited for."""
    magpie, closed = SlowMagpie(), asyncio.Event()

    async def writing() -> AsyncGenerator[str]:
        try:
            yield "one"
            await asyncio.Event().wait()
        finally:
            closed.set()

    magpie.allow("one")
    async with aclosing(magpie.speak(writing())) as pieces:
        await anext(pieces)
        await settle()
        assert not closed.is_set()
    assert closed.is_set()


@pytest.mark.parametrize(
    ("ahead", "pace", "expected"),
    [
        # 29 characters are two sentences, 44 three; they may take twice as long as they should.
        (0, 0.5, 1),
        (-5, 0.0, 1),
        (28, 0.5, 1),
        (29, 0.5, 2),
        (43, 0.5, 2),
        (44, 0.5, 3),
        (1000, inf, 1),
        (1000, 0.5, 13),
    ],
)
def test_how_many_sentences_go_together(ahead: float, pace: float, expected: int) -> None:
    """As many as are made before what there is has been heard, up to the aim."""
    assert how_many(["Fourteen long."] * 20, Progress(100.0 + ahead, pace), 100.0) == expected


def test_a_long_sentence_goes_alone() -> None:
    assert how_many(["a" * 2 * UTTERANCE_AIM, "b"], Progress(1000.0, 0.0), 0.0) == 1


def test_a_listener_plays_on_or_begins_again() -> None:
    """Audio that comes in time is played behind what there is; else as soon as it comes."""
    second = Audio(bytes(200), 100)
    assert heard(Progress(), second, 10.0).heard_by == 11.0
    assert heard(Progress(heard_by=12.0), second, 10.0).heard_by == 13.0
    assert heard(Progress(heard_by=9.0), second, 10.0).heard_by == 11.0
    assert heard(Progress(heard_by=12.0), second, 10.0, speed=4.0).heard_by == 12.25
    assert heard(Progress(heard_by=9.0), second, 10.0, speed=0.5).heard_by == 12.0


def test_what_has_no_full_stop_gets_one() -> None:
    """Headings and list items must not run into each other."""
    assert together(["Weather", "It is „sunny.“", "Milk (fresh)", "first,", "then so", "End"]) == (
        "Weather. It is „sunny.“ Milk (fresh). first, then so. End"
    )


@dataclass
class TimedMagpie:
    """Answers after `takes` seconds of virtual time with `seconds` of sound; counts the requests that are open."""

    takes: float = 0.2
    seconds: float = 1.0
    asked: list[str] = field(default_factory=list)
    open: int = 0

    async def synthesize(self, text: str) -> AsyncGenerator[Audio]:
        """Sound, which is never zero, at 100 Hz."""
        self.asked.append(text)
        self.open += 1
        try:
            await asyncio.sleep(self.takes)
            yield Audio(b"\x01\x01" * round(self.seconds * 100), 100)
        finally:
            self.open -= 1

    def speak(self, text: AsyncGenerator[str], speed: float = 1.0) -> AsyncGenerator[Audio]:
        """Speak text that is being written."""
        return speak(utterances(text), self.synthesize, speed=speed, clock=asyncio.get_running_loop().time)


@dataclass(frozen=True)
class Sound:
    """Audio as it came: when, how long it is in seconds, and whether anything is heard in it."""

    at: float
    seconds: float
    is_speech: bool


async def listen(pieces: AsyncGenerator[Audio]) -> list[Sound]:
    """All that comes, taken at once."""
    now = asyncio.get_running_loop().time
    return [Sound(round(now(), 3), audio.seconds, any(audio.pcm)) async for audio in pieces]


async def spoken(magpie: TimedMagpie, *text: str | float, speed: float = 1.0) -> list[Sound]:
    """All that comes of a text."""
    return await listen(magpie.speak(written(*text), speed))


def test_a_pause_is_silent_for_as_long_as_it_lasts() -> None:
    """Once the first sentence was heard, and until the next one is asked for: the player never waits in between."""
    sounds = run(spoken(TimedMagpie(), "One moment.", 5.0, "The light is on."))
    first = Sound(round(PAUSE + 0.2, 3), 1.0, is_speech=True)
    heard_by = first.at + first.seconds
    assert sounds[0] == first
    assert sounds[-1] == Sound(5.2, 1.0, is_speech=True)
    silent = sounds[1:-1]
    assert not any(sound.is_speech for sound in silent)
    assert [sound.at for sound in silent] == pytest.approx([heard_by + n * SILENCE for n in range(len(silent))])
    assert sum(sound.seconds for sound in silent) == pytest.approx(5.0 - heard_by, abs=1.1 * SILENCE)


def test_a_pause_may_be_nothing() -> None:
    """Where the listener is told by other means that more comes."""

    async def unfilled() -> list[Sound]:
        magpie, clock = TimedMagpie(), asyncio.get_running_loop().time
        text = utterances(written("One moment.", 5.0, "The light is on."))
        return await listen(speak(text, magpie.synthesize, fills_pauses=False, clock=clock))

    assert run(unfilled()) == [Sound(round(PAUSE + 0.2, 3), 1.0, is_speech=True), Sound(5.2, 1.0, is_speech=True)]


@pytest.mark.parametrize("speed", [0.5, 2.0])
def test_silence_passes_at_the_speed_of_the_listener(speed: float) -> None:
    """Who hears one second in half of it hears two seconds of silence in one."""
    silent = run(spoken(TimedMagpie(), "One moment.", 5.0, "The light is on.", speed=speed))[1:-1]
    heard_by = PAUSE + 0.2 + 1.0 / speed
    assert [sound.at for sound in silent] == pytest.approx([heard_by + n * SILENCE for n in range(len(silent))])
    assert sum(sound.seconds for sound in silent) / speed == pytest.approx(5.0 - heard_by, abs=1.1 * SILENCE)


@pytest.mark.parametrize(
    "text",
    [
        # Sentences that take their time, but go on.
        ("Yes. The", *[0.3, " next"] * 20, " sentence is long. Good"),
        # A pause that is over before the first sentence was heard.
        ("One moment.", 1.0, "The light is on."),
        # A slow start.
        (" ", 5.0, "One moment. The light is on."),
        ("One", 5.0, " moment. The light is on."),
    ],
)
def test_no_silence_where_none_is_needed(text: tuple[str | float, ...]) -> None:
    assert all(sound.is_speech for sound in run(spoken(TimedMagpie(), *text)))


def test_no_silence_in_front_of_the_first_speech() -> None:
    """The caller would take it for the answer, while the request may still fail and be repeated elsewhere."""

    async def first() -> None:
        magpie = TimedMagpie(takes=10.0)
        async with aclosing(magpie.speak(written("One moment.", 60.0, "The light is on."))) as pieces:
            assert any((await anext(pieces)).pcm)
            assert magpie.asked == ["One moment."]

    run(first())


def test_sentences_behind_a_pause_go_together_as_ever() -> None:
    """Silence is no audio that covers a request: the first sentence behind it goes alone."""
    magpie = TimedMagpie(takes=0.5, seconds=60.0)
    rest = "The light is on. The door is closed. It is warm. Good night."
    run(spoken(magpie, "One moment.", 100.0, rest))
    assert magpie.asked == ["One moment.", "The light is on.", "The door is closed. It is warm. Good night."]


def test_a_caller_who_takes_nothing_gets_no_more_silence() -> None:
    """It does not pile up."""

    async def come_back() -> list[Sound]:
        async with aclosing(TimedMagpie().speak(written("One moment.", 60.0, "The light is on."))) as pieces:
            await anext(pieces)
            await asyncio.sleep(50)
            return await listen(pieces)

    assert [sound.seconds for sound in run(come_back()) if sound.at == PAUSE + 0.2 + 50] == [SILENCE]


@pytest.mark.parametrize("after", [0.1, PAUSE, PAUSE + 0.1, 1.0, 3.0, 5.1, 5.5])
def test_leaving_whenever_leaves_nothing_behind(after: float) -> None:
    """In the middle of the text, of the pause, of a request: no task, no open request, and the text is closed."""

    async def leave() -> None:
        magpie, text = TimedMagpie(), written("One moment.", 5.0, "The light is on.", 60.0)
        listener = asyncio.create_task(listen(magpie.speak(text)))
        await asyncio.sleep(after)
        listener.cancel()
        with pytest.raises(asyncio.CancelledError):
            await listener
        assert magpie.open == 0
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert await anext(text, "closed") == "closed"

    run(leave())


async def test_a_listener_who_takes_nothing_holds_the_server_back() -> None:
    """Little is held meanwhile, and all of it arrives once it is taken."""
    piece, pieces = Audio(bytes(1 << 20), 96_000), 32
    made: list[Audio] = []

    async def synthesize(text: str) -> AsyncGenerator[Audio]:
        for _ in range(pieces):
            made.append(piece)
            yield piece

    async with aclosing(speak(texts("One."), synthesize)) as spoken:
        heard_bytes = (await anext(spoken)).size
        for _ in range(pieces):
            await settle()
        assert sum(audio.size for audio in made) - heard_bytes <= MOST_UNHEARD + piece.size
        heard_bytes += sum([audio.size async for audio in spoken])
    assert heard_bytes == pieces * piece.size
