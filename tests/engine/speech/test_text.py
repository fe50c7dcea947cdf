"""Text on its way to speech: cleaned, split, never too long."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spark_engine.speech.text import (
    PAUSE,
    UTTERANCE_AIM,
    UTTERANCE_LIMIT,
    clean,
    is_speakable,
    split_long,
    utterances,
    with_pauses,
)

from tests.helpers.engine.virtual_time import run
from tests.helpers.engine.written_text import written


async def stream(text: str, size: int) -> AsyncGenerator[str]:
    """The text in pieces, as a language model writes it."""
    for start in range(0, len(text), size):
        yield text[start : start + size]


async def split(text: str, size: int = 1000) -> list[str]:
    """All utterances of a text."""
    return [utterance async for utterance in utterances(stream(text, size)) if utterance is not None]


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("It's **very** *nice*, ~~not~~ `code`", "It's very nice, not code"),
        ("### Heading", "Heading"),
        ("- item", "item"),
        ("> quoted", "quoted"),
        ("See [the manual](https://example.com/x?y=1).", "See the manual."),
        ("![a cat](cat.png) sleeps", "a cat sleeps"),
        ("Go to https://www.example.com/path/to?q=1.", "Go to example.com."),
        ("Go to http://spark.local:8600/v1!", "Go to spark.local:8600!"),
        ("Read https://en.wikipedia.org/wiki/Mercury_(planet) first.", "Read en.wikipedia.org first."),
        ("(see https://example.com/a_(b)?c=1)", "(see example.com)"),
        ("https://example.com/( and on", "example.com( and on"),
        ("- [ ] milk", "milk"),
        ("* [x] bread", "bread"),
        ("<ruby>漢<rt>かん</rt></ruby>", "漢 かん"),
        ("a\0b\x07 c\x7f", "a b c"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\u202eleft\u2066 to \u200fright", "left to right"),
        ("Hello 😀👍🏽 world 🇩🇪", "Hello world"),
        ("21.5 °C, 50 % & 3 € + 1", "21.5 °C, 50 % & 3 € + 1"),
        ("<b>bold</b> {x}", "bold x"),
        ('<a href="x">Link</a><br/>and <!-- not this --> more', "Link and more"),
        ("Temperature below <10 or above >30 is bad.", "Temperature below 10 or above 30 is bad."),
        ("p<0.05 in A; r>0.9", "p 0.05 in A; r 0.9"),
        ("Write to <john@example.com>.", "Write to john@example.com."),
        ("Press <Enter> or <Ctrl>", "Press Enter or Ctrl"),
        ("a List<String> of names", "a List String of names"),
        ("Wind <10 km/h, Böen >50 km/h", "Wind 10 km/h, Böen 50 km/h"),
        ("if a <b and c> d", "if a b and c d"),
        ("| a | b |", "a, b"),
        ("snake_case and _emphasis_ and __init__", "snake_case and emphasis and init"),
        ("2 * 3 = 6", "2 3 = 6"),
        ("a → b", "a b"),
        ("I ♥ you™", "I you"),
        ("20→25 °C", "20 25 °C"),
        ("21℃ on 65㎡", "21°C on 65m2"),
        ("Licht an💡Küche", "Licht an Küche"),
        ("30*40*50 cm", "30 40 50 cm"),
        ("2*3*4 = 24", "2 3 4 = 24"),
        ("10:00→11:00", "10:00 11:00"),
        ("C# and F#", "C sharp and F sharp"),
        ("Tom &amp;amp; Jerry", "Tom & Jerry"),
        ("caf&eacute; &lt;3", "café 3"),
        ("It&amp;#39;s", "It's"),
        ("AT&T; is not an entity", "AT&T; is not an entity"),
        ("Help!!!!!!!!!!!!", "Help!"),
        ("What?!?!?!", "What?"),
        ("Soup ........ 5 €", "Soup… 5 €"),
        ("Name: ________", "Name:"),
        ("a" * 300, "aaa"),
        ("C++ and ==", "C++ and =="),
        ("1000000000 and 00000000", "1000000000 and 00000000"),
        ("zero\u200bwidth", "zerowidth"),
        ("The sky is blue【4†source】.", "The sky is blue."),
        ("As shown [1], and later [2, 3].", "As shown, and later."),
        ("a [1](https://example.com) link", "a 1 link"),
        ("It rains [[1]](https://a.example/b) today.", "It rains today."),
        ("It rains \ue200cite\ue202turn0search1\ue201.", "It rains."),
        ("See [the manual][1].\n[1]: https://a.example/b", "See the manual."),
        ("See [the manual][].", "See the manual."),
        ("matrix[i][j] is zero", "matrix[i][j] is zero"),
        ("Take [Mo][Di] off", "Take [Mo][Di] off"),
        ("So it is[^1].\n[^1]: By the manual.", "So it is. By the manual."),
        ("([Mercury](https://en.wikipedia.org/wiki/Mercury_(planet)))", "(Mercury)"),
        ("a [b](c(d", "a [b](c(d"),
        ("significant (p<.05)", "significant (p .05)"),
        ("done<|tool_sep|><｜User｜>", "done"),
        ("The ﬁnal Ⅳ", "The final IV"),
        ("Wait [pause:2s] for it", "Wait, for it"),
        ("[pause 500ms] Now", "Now"),
        ("Où ? C'est l'été", "Où ? C'est l'été"),
        ("   ", ""),
        ("😀", ""),
    ],
)
def test_cleaning_leaves_what_is_meant_to_be_spoken(written: str, spoken: str) -> None:
    """Markdown, emoji, tags, braces and links go."""
    assert clean(written) == spoken


@pytest.mark.parametrize(
    ("text", "expected"),
    [("---", False), ("😀 …!", False), ("", False), ("a", True), ("5", True), ("日本", True), ("नमस्ते", True)],
)
def test_speakable_means_a_letter_or_a_digit(text: str, *, expected: bool) -> None:
    """Of any script."""
    assert is_speakable(text) is expected


ANSWER = """# Weather

It is **sunny** with 21.5 °C. 🌞 Dr. Smith agrees, e.g. on Mondays.

1. Open the `door`
2. Wait

```python
print("never. spoken.")
```
* milk
* eggs
---
This line is wrapped
in the middle. Done"""

SPOKEN = [
    *("Weather", "It is sunny with 21.5 °C.", "Dr. Smith agrees, e.g. on Mondays.", "1. Open the door", "2. Wait"),
    *("milk", "eggs", "This line is wrapped in the middle.", "Done"),
]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 50, 10_000])
async def test_an_answer_becomes_the_same_utterances_however_it_arrives(size: int) -> None:
    assert await split(ANSWER, size) == SPOKEN


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("------ no rule", ["- no rule"]),
        ("One\n-------\nTwo", ["One", "Two"]),
        ("One\n###### Two\nThree", ["One", "Two", "Three"]),
        ("One\n100) Two\nThree", ["One", "100) Two", "Three"]),
        ("One\n``` python\ncode\n``` end of it\nTwo", ["One", "Two"]),
    ],
)
@pytest.mark.parametrize("size", [1, 3, 1000])
async def test_what_a_line_is_does_not_depend_on_how_it_arrives(text: str, expected: list[str], size: int) -> None:
    """Its first characters are held back until they tell."""
    assert await split(text, size) == expected


OPENINGS = [
    (
        "The weather today is sunny with light winds, and it stays warm.",
        ["The weather today is sunny with light winds,"],
    ),
    ("Yes, I turned it on.", []),
    ("I have turned on all of it for you: lamp, fan and radio.", ["I have turned on all of it for you:"]),
    ("One two three four five six seven eight, nine.", ["One two three four five six seven eight,"]),
    ("The total of everything you have bought is 1,000,000 euros today.", []),
    ("It will be ready at about half past ten, so 10:30, I think.", ["It will be ready at about half past ten,"]),
    (
        "The shop in the old town will open on Monday, May 3, 2027 at noon.",
        ["The shop in the old town will open on Monday,"],
    ),
    ("The match that all of us were waiting for ended 2 : 1 and all is well.", []),
    ("The shop in the old town is open from 8 – 12 and on Sunday from 9 - 11.", []),
    ("You reach the people of the shop at Tel.: 030 1234567 on all days.", []),
    ("Look at https://example.com/a,b:c/a-very-long-path,1 and then come back, please.", []),
    ("Look at [this](https://example.com/a-very-long-path), then come back, please.", []),
    ("Am Dienstag regnet es den ganzen Tag in Hamburg, danach wird es besser.", None),
    ("Mañana habrá sol en toda la costa del sur — después, lluvia.", None),
    ("Il fera beau demain sur toute la côte ouest ; ensuite, de la pluie.", None),
    ("Domani ci sarà il sole su tutta la costa, poi arriverà la pioggia.", None),
    (
        "See [the manual of the machine, page two](https://x.y/z) for more, please.",
        ["See the manual of the machine, page two for more,"],
    ),
    ("He said (and I believe him, mostly, these days at least) that it works.", []),
    ("Er sagte: „Das ist mir wirklich ganz egal, und zwar für immer“ und ging.", []),
    ("Il a dit « ça m'est vraiment égal, et pour toujours aussi » en partant.", []),
    ("Press `a, b, c, d and e in that very order, please` to begin.", []),
]


@pytest.mark.parametrize(("text", "first"), OPENINGS)
@pytest.mark.parametrize("size", [1, 4, 1000])
async def test_the_first_utterance_may_end_at_a_clause(text: str, first: list[str] | None, size: int) -> None:
    """Once it is long enough; later ones are whole sentences, numbers and brackets are never cut."""
    spoken = await split(text + " And this one, which is long enough as well, stays whole.", size)
    assert spoken[-1] == "And this one, which is long enough as well, stays whole."
    assert len(spoken) == (3 if first is None or first else 2)
    assert spoken[: len(first or [])] == (first or [])
    assert " ".join(spoken[:-1]) == clean(text)


@pytest.mark.parametrize(("text", "_"), OPENINGS)
async def test_text_that_is_all_there_is_spoken_in_whole_sentences(text: str, _: object) -> None:
    """Its first clause is not there any sooner than its end."""
    assert [utterance async for utterance in utterances(f"{text} And so on.")] == [clean(text), "And so on."]


async def test_a_sentence_leaves_before_the_text_ends() -> None:
    """The first one is spoken while the model still writes."""
    seen: list[str | None] = []

    async def writing() -> AsyncGenerator[str]:
        yield "The light is on. "
        yield "The door "
        assert seen == ["The light is on."]
        yield "is closed."

    async for utterance in utterances(writing()):
        seen.append(utterance)
    assert seen == ["The light is on.", "The door is closed."]


async def test_a_clause_leaves_before_the_sentence_ends() -> None:
    """With the first letter behind it, long before the text says how the sentence goes on."""
    seen: list[str | None] = []

    async def writing() -> AsyncGenerator[str]:
        yield "The light in the hall and the one in the kitchen"
        yield ","
        yield " a"
        assert seen == ["The light in the hall and the one in the kitchen,"]
        yield "re on."

    async for utterance in utterances(writing()):
        seen.append(utterance)
    assert seen[1:] == ["are on."]


async def test_leaving_early_closes_the_text() -> None:
    """A language model need not go on writing."""
    closed = []

    async def writing() -> AsyncGenerator[str]:
        try:
            yield "One. Two. Three."
        finally:
            closed.append(True)

    async with aclosing(utterances(writing())) as spoken:
        assert await anext(spoken) == "One."
        assert not closed
    assert closed


async def timed(text: AsyncGenerator[str]) -> list[tuple[float, str | None]]:
    """All utterances of a text, and when each came."""
    return [(round(asyncio.get_running_loop().time(), 3), utterance) async for utterance in utterances(text)]


def test_a_pause_ends_a_sentence() -> None:
    """PAUSE after its stop, once, and the text goes on when it does."""
    assert run(timed(written("One", " moment.", 5.0, "The light", " is on."))) == [
        (PAUSE, "One moment."),
        (PAUSE, None),
        (5.0, "The light is on."),
    ]


@pytest.mark.parametrize("sentence", ["Ja.", "Oui!", "Sí."])
def test_a_short_line_is_no_sign_of_a_block(sentence: str) -> None:
    assert run(timed(written(sentence, 5.0, "Next."))) == [(PAUSE, sentence), (PAUSE, None), (5.0, "Next.")]


def test_text_that_comes_in_time_does_not_pause() -> None:
    """It takes as long as it takes, and the first letter of the next word ends a sentence as ever."""
    almost = PAUSE - 0.1
    assert run(timed(written("One", almost, " moment.", almost, " The", almost, " light is on."))) == [
        (round(2 * almost, 3), "One moment."),
        (round(3 * almost, 3), "The light is on."),
    ]


def test_a_pause_within_a_sentence_ends_nothing() -> None:
    assert run(timed(written("Ask Dr.", 5.0, " Smith, or", 5.0, " his 3.", 5.0, "5 friends."))) == [
        (PAUSE, None),
        (5 + PAUSE, None),
        (10 + PAUSE, None),
        (15.0, "Ask Dr. Smith, or his 3.5 friends."),
    ]


def test_a_clause_that_went_ahead_is_not_said_again() -> None:
    clause = "The light in the hall and the one in the kitchen,"
    assert run(timed(written(f"{clause} both are on.", 5.0, "Good."))) == [
        (0.0, clause),
        (PAUSE, "both are on."),
        (PAUSE, None),
        (5.0, "Good."),
    ]


def test_text_without_a_word_pauses_without_an_utterance() -> None:
    assert run(timed(written("😀.", 5.0, " Next."))) == [(PAUSE, None), (5.0, "Next.")]


def test_an_error_of_the_text_comes_behind_the_pause() -> None:
    async def breaking() -> AsyncGenerator[str]:
        yield "One moment."
        await asyncio.sleep(5)
        raise RuntimeError("model gone")

    async def read() -> None:
        spoken = utterances(breaking())
        assert [await anext(spoken), await anext(spoken)] == ["One moment.", None]
        with pytest.raises(RuntimeError, match="model gone"):
            await anext(spoken)

    run(read())


@pytest.mark.parametrize("pauses", [False, True])
def test_leaving_in_a_pause_closes_the_text(*, pauses: bool) -> None:
    """Whether a pause was told of, or is only waited for: no task is left."""

    async def leave() -> None:
        closed = []

        async def writing() -> AsyncGenerator[str]:
            try:
                yield "One"
                await asyncio.Event().wait()
            finally:
                closed.append(True)

        async with aclosing(with_pauses(writing())) as pieces:
            assert await anext(pieces) == "One"
            if pauses:
                assert await anext(pieces) is None
            waiting = asyncio.create_task(_anext(pieces))
            await asyncio.sleep(PAUSE / 2)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
        assert closed
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(leave())


async def _anext(pieces: AsyncGenerator[str | None]) -> str | None:
    return await anext(pieces)


@pytest.mark.parametrize("text", ["", "   \n\n", "😀😀", "---\n\n***", "```\ncode\n```", "```\nnever closed"])
async def test_nothing_to_say_gives_no_utterance(text: str) -> None:
    """The caller then sends a short silence."""
    assert await split(text) == []


async def test_windows_line_ends_are_line_ends() -> None:
    """As pasted; one of them alone ends no sentence."""
    assert await split("- one\r\n- two\r\n\r\nThree\r\nfour", 1) == ["one", "two", "Three four"]


def test_a_long_sentence_is_cut_at_a_clause() -> None:
    clause = "and then we walked on along the river, "
    pieces = list(split_long(clause * 12))
    assert all(piece.endswith(",") for piece in pieces)
    assert max(map(len, pieces)) <= UTTERANCE_AIM


def test_without_a_clause_it_is_cut_between_words() -> None:
    """At the hard limit, not within a word."""
    pieces = list(split_long("word " * 200))
    assert max(map(len, pieces)) <= UTTERANCE_LIMIT
    assert set(" ".join(pieces).split()) == {"word"}


@settings(deadline=None)
@given(st.text(max_size=3000))
def test_no_piece_exceeds_the_limit_and_no_letter_is_lost(text: str) -> None:
    pieces = list(split_long(text))
    assert all(len(piece) <= UTTERANCE_LIMIT for piece in pieces)
    assert "".join("".join(pieces).split()) == "".join(text.split())


@settings(deadline=None)
@given(st.text(alphabet="aB .,!:?#*`|-1\n\r>_~😀(“", max_size=120), st.integers(1, 9))
async def test_the_cut_of_the_stream_does_not_change_what_is_said(text: str, size: int) -> None:
    assert await split(text, size) == await split(text)


@settings(deadline=None)
@given(text=st.text(alphabet="aB .,!:?1\n—é", max_size=300), written=st.booleans())
async def test_every_letter_is_said_once_and_in_order(text: str, *, written: bool) -> None:
    """Where there is no Markdown to take away, whether it is there or still being written."""
    spoken = "".join([utterance or "" async for utterance in utterances(stream(text, 3) if written else text)])
    assert "".join(filter(str.isalnum, spoken)) == "".join(filter(str.isalnum, text))
