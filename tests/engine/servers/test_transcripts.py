"""Transcripts out of answers: odd or missing times never cost the text, and are never passed on."""

import pytest
from spark_engine.models import Json, Segment, Transcript, Word
from spark_engine.servers.parakeet_readers import read_groxaxo, read_openai, read_shadowfita, read_text_alone

WORD: dict[str, Json] = {"word": "hello", "start": 0.1, "end": 0.5}
SEGMENT: dict[str, Json] = {"text": " hello ", "start": 0.0, "end": 0.6}

ODD: list[Json] = [
    {"word": "hello"},
    {"word": "hello", "start": "0:00", "end": 1},
    {"word": "hello", "start": None, "end": None},
    {"word": "hello", "start": True, "end": 2},
    {"word": "hello", "start": 2.0, "end": 1.0},
    {"word": "hello", "start": -1.0, "end": 1.0},
    {"word": "hello", "start": 0.0, "end": float("nan")},
    {"word": "hello", "start": 0.0, "end": float("inf")},
    {"word": "hello", "start": 0, "end": 10**400},
    {"word": "hello", "start": 0, "end": 1e308},
    {"word": "hello", "start": 0, "end": 86_401},
    {"word": 7, "start": 0.0, "end": 1.0},
    {"start": 0.0, "end": 1.0},
    "hello",
    ["hello", 0.0, 1.0],
    None,
]


@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_odd_times_do_not_cost_the_text(odd: Json) -> None:
    """One odd word leaves out all words, and no segments."""
    document: Json = {"text": "hello", "words": [WORD, odd], "segments": [SEGMENT]}
    assert read_openai(document) == Transcript("hello", segments=(Segment("hello", 0.0, 0.6),))
    named: Json = odd if not isinstance(odd, dict) else {**odd, "segment": odd.get("word")}
    times: Json = {"segment": [named], "word": [WORD]}
    assert read_shadowfita({"text": "hello", "timestamps": times}).words == (Word("hello", 0.1, 0.5),)
    assert read_groxaxo({"text": "hello", "words": [odd], "segments": [odd]}) == Transcript("hello")


@pytest.mark.parametrize("times", [[], None, "none", {}, 0], ids=repr)
def test_no_times_beside_a_text(times: Json) -> None:
    """An empty list has measured nothing, as mARTin-B78's image and LocalAI send it."""
    assert read_openai({"text": "hello", "words": times, "segments": times}) == Transcript("hello")
    assert read_shadowfita({"text": "hello", "timestamps": {"word": times, "segment": times}}) == Transcript("hello")
    assert read_shadowfita({"text": "hello", "timestamps": times}) == Transcript("hello")


def test_silence_has_no_times_and_says_so() -> None:
    """Not the same as a server without times."""
    assert read_openai({"text": " ", "words": [], "segments": []}) == Transcript("", segments=(), words=())


def test_words_are_read_under_either_name() -> None:
    """LocalAI's have the key `text`."""
    words: Json = [{"text": "hello", "start": 0.1, "end": 0.5}, WORD]
    assert read_openai({"text": "hello hello", "words": words}).words == (Word("hello", 0.1, 0.5),) * 2


def test_a_segment_of_no_length_is_a_placeholder() -> None:
    """As RunParakeet's; a word may be shorter than the model can tell."""
    instant: dict[str, Json] = {"start": 0.3, "end": 0.3}
    assert read_openai({"text": "a", "segments": [{"text": "a", **instant}]}).segments is None
    assert read_openai({"text": "a", "words": [{"word": "a", **instant}]}).words == (Word("a", 0.3, 0.3),)


def test_invented_times_are_not_read() -> None:
    """parakeet-api spreads the words evenly."""
    assert read_text_alone({"text": " hello ", "language": "en", "words": [WORD]}) == Transcript("hello")
