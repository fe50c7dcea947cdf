"""Words so far, as pieces that a client appends."""

import pytest
from spark_audio_proxy.realtime.deltas import Deltas, added


@pytest.mark.parametrize(
    ("before", "text", "more"),
    [
        ("", "Turn on", "Turn on"),
        ("Turn on", "Turn on the light", " the light"),
        ("Turn on", "turn on, please", ", please"),
        ("Turn on", "Turn on", ""),
        ("Turn on", "Turn of the light", ""),
        ("Turn on the", "Turn", ""),
        ("It's 3.5", "It's 3.5 degrees", " degrees"),
        ("Schalte das Licht", "Schalte das Lichtband an", "band an"),
        ("電気を", "電気をつけて", "つけて"),
        ("...", "Hello", ""),
    ],
)
def test_what_a_reading_adds(before: str, text: str, more: str) -> None:
    assert added(before, text) == more


def test_a_sign_at_the_end_waits_until_it_is_certain() -> None:
    deltas = Deltas()
    assert deltas.so_far("Turn on the kitchen.") == "Turn on the kitchen"
    assert deltas.so_far("Turn on the kitchen light.") == " light"
    assert deltas.final("Turn on the kitchen light, please.") == ", please."
    assert deltas.sent == "Turn on the kitchen light, please."


def test_words_that_changed_are_not_sent_again() -> None:
    """The whole transcript follows in any case."""
    deltas = Deltas()
    deltas.so_far("Turn of")
    assert deltas.final("Turn on the light.") == ""
