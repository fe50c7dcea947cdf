"""Whether a command is finished, by silence and by words."""

import pytest
from spark_engine.speech.turn_end import BALANCED, FAST, NOTHING_SAID, Meaning, TurnRule, is_complete, is_over

COMPLETE = [
    ("en", "Turn on the kitchen light."),
    ("en-GB", "What time is it?"),
    ("en", "Turn it on!"),
    ("en", 'Play "Yesterday."'),
    ("de", "Mach das Licht an."),
    ("de-DE", "Schalte den Fernseher ein."),
    ("de", "Mach bitte die Tür zu."),
    ("es", "Enciende la luz de la cocina."),
    ("fr", "Allume-la. Merci."),
    ("it", "Accendi la luce in cucina."),
    ("pl", "Włącz światło w kuchni."),
    (None, "Turn off the radio."),
    ("en", "Set the light to 50."),
    ("en", "Wake me at six."),
    ("de", "Stell den Wecker auf sieben."),
    ("hi", "बत्ती जलाओ।"),
]
OPEN = [
    ("en", "Turn on the"),
    ("en", "Turn on the."),
    ("en", "Remind me, too."),
    ("en", "Turn off the light,"),
    ("en", "Um, turn off the..."),
    ("en", "Set a timer for ten."),
    ("en", "Set a timer for 10."),
    ("en", "Turn off the light and…"),
    ("en", "Stop."),
    ("en", "Nabu."),
    ("en", "turn off the radio"),
    ("de", "Schalte das Licht in der."),
    ("de", "Stell den Timer auf zehn oder."),
    ("de", "Erinnere mich in zehn."),
    ("fr", "Réveille-moi dans 5."),
    ("it", "Svegliami tra dieci."),
    ("es", "Enciende la luz de la."),
    ("es", "Pon un temporizador de cinco."),
    ("fr", "Allume la lumière de la."),
    ("it", "Accendi la luce in."),
    (None, "Turn on the."),
    ("en", "."),
]


@pytest.mark.parametrize(("language", "text"), COMPLETE)
def test_complete(language: str | None, text: str) -> None:
    assert is_complete(text, language)


@pytest.mark.parametrize(("language", "text"), OPEN)
def test_open(language: str | None, text: str) -> None:
    assert not is_complete(text, language)


@pytest.mark.parametrize(
    ("text", "is_whole"),
    [
        ("turn off the radio", True),
        ("Turn off the radio.", True),
        ("बत्ती जला दी", True),
        ("turn on the", False),
        ("set a timer for ten", False),
        ("stop", False),
        *((f"turn off the radio{sign}", False) for sign in (",", ";", ":", "...", "…", " -", " –", " —")),
    ],
)
def test_the_end_that_a_server_has_heard_is_worth_a_stop(text: str, *, is_whole: bool) -> None:
    """And no more: it goes by silence, and the words count as well."""
    assert is_complete(text, "hi" if text.startswith("ब") else "en", has_ended=True) == is_whole
    for silence in (BALANCED.complete, BALANCED.unfinished):
        over = is_whole or silence == BALANCED.unfinished
        assert is_over(BALANCED, silence, text, "en", has_ended=True) == over


def test_words_belong_to_their_language() -> None:
    """German verbs end with what are articles elsewhere."""
    assert is_complete("Mach das Licht an.", "de")
    assert not is_complete("Give me an.", "en")


@pytest.mark.parametrize("rule", [BALANCED, FAST, TurnRule(0.1, 0.2, 0.05)])
def test_the_rule(rule: TurnRule) -> None:
    """Each kind of ending has its own silence."""
    for text, seconds in (
        ("Turn it on.", rule.complete),
        ("Turn on the", rule.unfinished),
        (None, rule.unfinished),
        ("", NOTHING_SAID),
    ):
        assert is_over(rule, seconds, text, "en")
        assert not is_over(rule, seconds - 0.01, text, "en")


@pytest.mark.parametrize("rule", [BALANCED, FAST])
def test_what_the_home_makes_of_it_comes_first(rule: TurnRule) -> None:
    """Recognisers without punctuation gain from it, and a full stop is no proof that nothing follows."""
    for text, meaning, seconds in (
        ("turn it on", Meaning.WHOLE, rule.known),
        ("Turn it on.", Meaning.MAY_GO_ON, rule.unfinished),
        ("Turn it on.", Meaning.UNKNOWN, rule.complete),
        ("turn it on", Meaning.UNKNOWN, rule.unfinished),
        (None, Meaning.WHOLE, rule.unfinished),
        ("", Meaning.WHOLE, NOTHING_SAID),
    ):
        assert is_over(rule, seconds, text, "en", meaning)
        assert not is_over(rule, seconds - 0.01, text, "en", meaning)


def test_finished_sentences_wait_less() -> None:
    assert FAST.complete < BALANCED.complete < FAST.unfinished < BALANCED.unfinished
