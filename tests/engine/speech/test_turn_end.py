"""Whether a command is finished, by silence and by words."""

import pytest
from spark_engine.speech.turn_end import (
    BALANCED,
    FAST,
    NOTHING_SAID,
    Meaning,
    TurnRule,
    is_brief,
    is_complete,
    is_over,
    without_hesitation,
)

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
    ("en", "Um. Turn off the television."),
    ("en", "Do it as soon as you can."),
    ("de", "Mach so schnell du kannst."),
    ("fr", "Fais ce que tu veux."),
    ("en", "Do you think so?"),
    ("es", "Eso está muy bueno."),
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
    ("en", "Um. Okay."),
    ("en", "Can you?"),
    ("en", "Okay. Could you?"),
    ("en", "Add. Let me think."),
    ("en", "I would like."),
    ("en", "I’d like."),
    ("fr", "J'aimerais."),
    ("en", "Turn on the lamp, er."),
    ("en", "Hmm, well."),
    ("de", "Kannst du?"),
    ("de", "Setze, lass mich überlegen."),
    ("de", "Schalte die Lampe, hm."),
    ("es", "¿Puedes?"),
    ("es", "Pues, quiero."),
    ("es", "Añade, a ver."),
    ("fr", "Peux-tu ?"),
    ("fr", "Est-ce que tu peux ?"),
    ("fr", "Allume l'."),
    ("fr", "Allume la lampe, euh."),
    ("it", "Allora, vorrei."),
    ("it", "Aggiungi, fammi pensare."),
    ("it", "Accendi l'."),
    ("it", "Chiudi la porta dell'."),
]

BRIEF = [
    ("en", "Turn on the light.", True),
    ("en", "What's the weather like?", True),
    ("en", "Turn on the lights please.", False),
    ("en", "Okay. Um, turn on the light.", True),
    ("en", "What time is it?", True),
    ("en", "How late is it now?", False),
    ("de", "Also, schalte das Licht ein.", True),
    ("de", "Schalte bitte das Licht ein.", False),
    (None, "Tell me a joke.", True),
    ("xx", "Okay, one two three four", False),
    ("en", "", True),
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
    ends_after = BALANCED.unfinished
    if is_whole:
        ends_after = BALANCED.brief if is_brief(text, "en") else BALANCED.complete
    for silence in (BALANCED.complete, BALANCED.brief, BALANCED.unfinished):
        over = silence >= ends_after
        assert is_over(BALANCED, silence, text, "en", has_ended=True) == over


@pytest.mark.parametrize(("language", "text", "is_one"), BRIEF)
def test_brief(language: str | None, text: str, *, is_one: bool) -> None:
    """Words that say nothing do not count."""
    assert is_brief(text, language) is is_one


@pytest.mark.parametrize(
    ("language", "text", "rest"),
    [
        ("en", "Um. Okay, turn it on.", "turn it on."),
        ("en", "Turn it on.", "Turn it on."),
        ("en", "So-called jazz.", "So-called jazz."),
        ("en-GB", "Uh... 2 minutes", "2 minutes"),
        ("en", "Um.", ""),
        ("en", "Um.  ", ""),
        ("en", " \n", " \n"),
        ("en", "Um.\nTurn it on.", "Turn it on."),
        ("de", "Äh, mach das Licht an.", "mach das Licht an."),
        ("fr", "Euh… éteins la radio.", "éteins la radio."),
        ("es", "Bueno, ¿qué hora es?", "¿qué hora es?"),
        ("pl", "Um, nie.", "Um, nie."),
        ("en", "", ""),
    ],
)
def test_what_hesitation_leaves(language: str, text: str, rest: str) -> None:
    assert without_hesitation(text, language) == rest


def test_words_belong_to_their_language() -> None:
    """German verbs end with what are articles elsewhere."""
    assert is_complete("Mach das Licht an.", "de")
    assert not is_complete("Give me an.", "en")


@pytest.mark.parametrize("rule", [BALANCED, FAST, TurnRule(complete=0.1, brief=0.15, unfinished=0.2, known=0.05)])
def test_the_rule(rule: TurnRule) -> None:
    """Each kind of ending has its own silence."""
    for text, seconds in (
        ("Turn it on again please.", rule.complete),
        ("Turn it on.", rule.brief),
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
        ("Turn it on again please.", Meaning.MAY_GO_ON, rule.unfinished),
        ("Turn it on again please.", Meaning.UNKNOWN, rule.complete),
        ("Turn it on.", Meaning.UNKNOWN, rule.brief),
        ("turn it on", Meaning.UNKNOWN, rule.unfinished),
        (None, Meaning.WHOLE, rule.unfinished),
        ("", Meaning.WHOLE, NOTHING_SAID),
    ):
        assert is_over(rule, seconds, text, "en", meaning)
        assert not is_over(rule, seconds - 0.01, text, "en", meaning)


def test_finished_sentences_wait_less() -> None:
    for rule in (BALANCED, FAST):
        assert rule.known < rule.complete < rule.brief <= rule.unfinished
    assert FAST.complete < BALANCED.complete
    assert FAST.brief < BALANCED.brief
