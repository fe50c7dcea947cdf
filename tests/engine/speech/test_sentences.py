"""Where sentences end, in five languages, however the text arrives."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spark_engine.speech.sentences import LONGEST, STOPS, SentenceReader

from tests.helpers.engine.sentence_cases import (
    LANGUAGES,
    PAUSES_BEHIND_A_SENTENCE,
    PAUSES_WITHIN_A_SENTENCE,
    UNFORESEEABLE,
)


def read(*pieces: str) -> list[str]:
    """All sentences of a text that arrives like this."""
    reader = SentenceReader()
    sentences = [sentence for piece in pieces for sentence in reader.feed(piece)]
    return sentences + reader.finish()


def read_with_a_pause(before: str, behind: str) -> list[str]:
    """All sentences of a text that pauses between these two."""
    reader = SentenceReader()
    sentences = reader.feed(before)
    sentences += filter(None, [reader.pause()])
    return sentences + reader.feed(behind) + reader.finish()


def tokens(text: str) -> list[str]:
    """About what a language model writes at a time."""
    return re.findall(r"\s?\S{1,4}|\s", text)


@pytest.mark.parametrize("case", [case for cases in LANGUAGES.values() for case in cases])
def test_a_sentence_is_cut_where_it_ends_and_nowhere_else(case: str) -> None:
    """Whole, token by token and letter by letter."""
    sentences = case.split(" | ")
    text = " ".join(sentences)
    assert read(text) == sentences
    assert read(*tokens(text)) == sentences
    assert read(*text) == sentences


@pytest.mark.parametrize("language", LANGUAGES)
def test_languages_do_not_disturb_each_other(language: str) -> None:
    """An answer may quote another language, and all cases make one text."""
    sentences = [sentence for case in LANGUAGES[language] for sentence in [*case.split(" | "), "OK!"]]
    assert read(*tokens(" ".join(sentences))) == sentences


@pytest.mark.parametrize(
    ("before", "telling"),
    [
        ("The light is on.", " T"),
        ("The light is on!", " 5"),
        ("Er sagte: „Halt.“", " „W"),
        ("¿Enciendo la luz?", " ¡C"),
        ("« Oui. »", " « M"),
        ("Es sind 21.", " Das "),
        ("It is 7 p.m.", " It'"),
        ("Son las 7 p.m.", " ¿Q"),
        ("今日は晴れです。", "明"),
        ("आज धूप है।", " क"),
        ("A heading", "\n\n"),
    ],
)
def test_a_sentence_is_given_as_soon_as_the_next_one_shows(before: str, telling: str) -> None:
    """With the first letter behind it; a number needs the word. Not before: 3. may become 3.5."""
    reader = SentenceReader()
    held = [sentence for letter in before + telling[:-1] for sentence in reader.feed(letter)]
    assert held == []
    assert reader.feed(telling[-1]) == [before]


@pytest.mark.parametrize("case", PAUSES_BEHIND_A_SENTENCE)
def test_a_pause_ends_a_sentence(case: str) -> None:
    """Without the first letter of the next one; what comes later is a sentence of its own."""
    before, behind = case.split("|")
    reader = SentenceReader()
    *earlier, _ = [*reader.feed(before), ""]
    sentence = reader.pause()
    assert sentence
    assert reader.pause() is None
    assert [*earlier, sentence, *reader.feed(behind), *reader.finish()] == read(before + behind)


@pytest.mark.parametrize("case", PAUSES_WITHIN_A_SENTENCE)
def test_a_pause_does_not_end_what_may_go_on(case: str) -> None:
    """It goes on as if there had been no pause."""
    before, behind = case.split("|")
    reader = SentenceReader()
    assert reader.feed(before) == []
    assert reader.pause() is None
    assert read_with_a_pause(before, behind) == read(before + behind)


@pytest.mark.parametrize("case", [case for cases in LANGUAGES.values() for case in cases if case != UNFORESEEABLE])
def test_wherever_a_text_pauses_its_sentences_stay_whole(case: str) -> None:
    """Behind each letter of it, but not within a run of marks."""
    sentences = case.split(" | ")
    text = " ".join(sentences)
    for end in range(1, len(text)):
        if not re.match(rf"[{STOPS}\s]\s?[{STOPS}]", text[end - 1 :]):
            assert read_with_a_pause(text[:end], text[end:]) == sentences


@pytest.mark.parametrize("marks", ["..", "!", " ?", "…"])
def test_marks_that_come_behind_the_pause_are_dropped(marks: str) -> None:
    """The sentence that they belong to has been given."""
    assert read_with_a_pause("Well.", f"{marks} That is fine.") == ["Well.", "That is fine."]


def test_what_goes_on_with_a_small_letter_is_cut_at_the_pause() -> None:
    """No word tells it, and nothing of it is lost."""
    assert read_with_a_pause("The iPhone is here.", " iPads too. Good.") == [
        "The iPhone is here.",
        "iPads too.",
        "Good.",
    ]


def test_an_abbreviation_costs_no_more_than_the_next_sentence() -> None:
    """In doubt two sentences go together."""
    reader = SentenceReader()
    assert reader.feed("I take vitamin C. Oranges have it. N") == ["I take vitamin C. Oranges have it."]


def test_what_is_unfinished_is_given_as_far_as_it_is_certain() -> None:
    """A clause may be taken out of it."""
    reader = SentenceReader()
    reader.feed("One. Two, three. ")
    assert reader.unfinished == "Two, three"
    reader.feed("and")
    assert reader.unfinished == "Two, three. and"


def test_text_without_an_end_is_cut_between_words() -> None:
    """It is neither held back for ever nor kept without bound."""
    sentences = read(*tokens("word " * 600))
    assert max(map(len, sentences)) <= LONGEST
    assert len(sentences) == 3
    assert {*" ".join(sentences).split()} == {"word"}


@pytest.mark.parametrize("length", range(LONGEST - 8, LONGEST + 8))
def test_a_sentence_end_near_the_bound_is_the_same_however_it_arrives(length: int) -> None:
    """What comes behind the bound must not help to find an end in front of it."""
    text = f"{'word ' * 180:{length}}x. Next one. And on."
    assert read(text) == read(*text)


@settings(deadline=None)
@given(st.text(alphabet='aB1 .!?…,:;"“”«»()-*\n¿。é', max_size=200), st.integers(1, 20))
def test_however_it_is_cut_the_sentences_are_the_same_and_whole(text: str, size: int) -> None:
    """Nothing but space is lost, nothing is said twice."""
    sentences = read(text)
    assert read(*(text[start : start + size] for start in range(0, len(text), size))) == sentences
    assert "".join("".join(sentences).split()) == "".join(text.split())
