"""Whatever is written: nothing that is meant to be spoken gets lost, and the cost grows with the length alone."""

import asyncio
import re
from collections.abc import AsyncGenerator, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spark_engine.speech import text as text_module
from spark_engine.speech.text import UTTERANCE_LIMIT, clean, utterances

PLAIN = st.text(
    st.characters(categories=["Lu", "Ll", "Nd"], max_codepoint=0x24F) | st.sampled_from(" .,;:!?'()-\n<>*#_→💡"),
    max_size=300,
)


async def cut(text: str, size: int) -> AsyncGenerator[str]:
    for start in range(0, len(text), size):
        yield text[start : start + size]


def letters(text: str) -> str:
    return "".join(char for char in text if char.isalnum())


def has_markup(text: str) -> bool:
    """Whether cleaning may take letters away, or add some: tags, runs, list signs, C#, code, links."""
    return clean(text) != text.strip() and letters(clean(text)) != letters(text)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(PLAIN, st.integers(1, 30))
def test_every_letter_and_digit_is_spoken_in_order(text: str, size: int) -> None:
    """However the text is cut; streamed and whole give the same."""

    async def spoken(source: str | AsyncGenerator[str]) -> str:
        return letters("".join([utterance async for utterance in utterances(source) if utterance]))

    whole = asyncio.run(spoken(text))
    assert asyncio.run(spoken(cut(text, size))) == whole
    if not any(has_markup(line) for line in text.splitlines()):
        assert whole == letters(text)


class CountedPattern:
    """Counts the characters of the clauses that are looked at."""

    def __init__(self, pattern: re.Pattern[str]) -> None:
        self.pattern, self.looked_at = pattern, 0

    def finditer(self, text: str, *where: int) -> Iterator[re.Match[str]]:
        for match in self.pattern.finditer(text, *where):
            self.looked_at += match.end()
            yield match


@pytest.mark.parametrize("text", ["- - - ", '"eggs, ', "(x, ", "*a, ", "<b, ", "[1, "], ids=lambda text: text.strip())
async def test_looking_for_the_first_clause_costs_in_proportion(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """A quoted shopping list once stopped Home Assistant for seconds: what is looked at is counted, not time."""
    pattern = CountedPattern(vars(text_module)["_CLAUSE_END"])
    monkeypatch.setattr(text_module, "_CLAUSE_END", pattern)
    for times in (200, 400):
        pattern.looked_at = 0
        [utterance async for utterance in utterances(cut(text * times, 4))]
        assert pattern.looked_at <= 1.5 * UTTERANCE_LIMIT * len(text) * times
