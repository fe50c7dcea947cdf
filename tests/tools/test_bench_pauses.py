"""`scripts/bench pauses`: how turns are made, and what becomes of the figures."""

import json

import numpy as np
import pytest

from tools.bench import spoken_turns
from tools.bench.pauses import WAYS, Ends, Found, by_kind, by_length, by_setting, findings
from tools.bench.spoken_turns import (
    ALOUD,
    APART,
    BEFORE,
    FRAME,
    HOME,
    PAUSED,
    PAUSES,
    PURPOSES,
    SET,
    TELEVISION,
    Pause,
    SpokenTurn,
    TurnSet,
    pieces,
    read_sets,
    readings,
    turns,
    whole,
)
from tools.bench.stretched import FRAME_SAMPLES, Samples, boundaries, parted, trimmed

LANGUAGES = ("en", "de", "es", "fr", "it")


def tone(hertz: float, seconds: float, loudness: float = 8_000.0) -> Samples:
    """Return a tone that swells and falls like a word."""
    at = np.arange(round(seconds * 16_000)) / 16_000
    return np.sin(2 * np.pi * hertz * at) * loudness * (0.1 + np.sin(np.pi * at / seconds))


QUIET = np.zeros(4_000)
"""A quarter of a second."""


def test_the_boundary_is_where_the_pieces_meet() -> None:
    """Although the sentence is spoken faster than its pieces."""
    low, middle, high = 200.0, 900.0, 3_000.0
    sentence = np.concatenate([QUIET, tone(low, 0.3), tone(middle, 0.4), tone(high, 0.2), QUIET])
    apart = [np.concatenate([QUIET, tone(low, 0.5), tone(middle, 0.5)]), np.concatenate([tone(high, 0.4), QUIET])]
    [place] = boundaries(sentence, apart)
    assert place / 16_000 == pytest.approx(0.7, abs=0.04)
    first, second = parted(sentence, [place])
    assert len(first) + len(second) == len(trimmed(sentence)) == pytest.approx(0.9 * 16_000, abs=2 * FRAME_SAMPLES)
    assert abs(first[-1]) < 1
    assert abs(second[0]) < 1


SAID = {
    "home": ["Turn on the light."],
    "other": ["Why?"],
    "short": ["Stop."],
    "paused": ["Turn on the ... light."],
    "aloud": ["Um, ... turn on the ... light."],
}


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[SpokenTurn]:
    """Each kind of turn, in one language."""
    monkeypatch.setattr(spoken_turns, "ROOMS", (0.0, 0.0))
    wanted = TurnSet("en", {}, (), {"judging": SAID})
    hertz = {text: 300.0 + 700 * number for number, text in enumerate(dict.fromkeys(wanted.texts()))}
    speech = {text: tone(each, 0.4) for text, each in hertz.items()}
    for said in ("Turn on the ... light.", "Um, ... turn on the ... light."):
        speech[whole(said)] = np.concatenate([QUIET, *(speech[piece] for piece in pieces(said)), QUIET])
    return list(turns(wanted, speech, tone(100.0, 60.0)))


def test_a_turn_has_its_pauses_and_nothing_of_the_synthesisers(made: list[SpokenTurn]) -> None:
    """Its end is the frame of the last sound."""
    kinds = [turn.kind for turn in made]
    assert [kinds.count(kind) for kind in (HOME, PAUSED, APART, ALOUD, TELEVISION)] == [1, 4, 4, 2, 2]
    for turn in made:
        if turn.kind == TELEVISION:
            continue
        loud = [any(turn.pcm[at : at + FRAME]) for at in range(0, len(turn.pcm), FRAME)]
        assert loud.index(True) == BEFORE * 100
        assert abs(turn.end - (len(loud) - loud[::-1].index(True))) <= 1
        for pause in turn.pauses:
            assert not any(loud[pause.start : pause.end])
            assert loud[pause.start - 2]
            assert loud[pause.end + 1]
            assert pause.end - pause.start == round(pause.seconds * 100)
    assert [turn.pauses[0].seconds for turn in made if turn.kind == PAUSED] == list(PAUSES)


def test_a_pause_changes_nothing_of_what_precedes_it(made: list[SpokenTurn]) -> None:
    """So that it is transcribed once for all lengths."""
    first, *others = (turn for turn in made if turn.kind == PAUSED)
    shared = first.pauses[0].end * FRAME
    assert all(other.pcm[:shared] == first.pcm[:shared] for other in others)


def test_what_a_recogniser_without_errors_hears(made: list[SpokenTurn]) -> None:
    """A full stop behind whatever it gets; nothing is known within words."""
    aloud = next(turn for turn in made if turn.kind == ALOUD)
    first, second = aloud.pauses
    assert aloud.words_by(first.start + 20) == "Um."
    assert aloud.words_by(second.start + 20) == "Um, turn on the."
    assert aloud.words_by(aloud.end + 20) == "Um, turn on the light."
    assert aloud.words_by(first.start - 20) is None


def test_the_television_goes_on(made: list[SpokenTurn]) -> None:
    """More quietly than the voice."""
    on = next(turn for turn in made if turn.kind == TELEVISION)
    samples = np.frombuffer(on.pcm, "<i2").astype(float)
    after = samples[on.end * FRAME_SAMPLES :]
    assert 5 < np.abs(samples).max() / np.abs(after).max() < 15
    assert np.abs(after[-FRAME_SAMPLES:]).max() > 100


def test_a_reading_becomes_pairs_of_phrases() -> None:
    """With the pause that the reader made; shorter ones lie within a phrase."""
    spoken = np.concatenate([QUIET, tone(300, 0.5), QUIET[:2_000], tone(500, 0.5), QUIET, QUIET, tone(700, 0.5), QUIET])
    [turn] = readings("poem", spoken.astype("<i2").tobytes())
    assert turn.text == "poem"
    [pause] = turn.pauses
    assert pause.seconds == pytest.approx(0.5, abs=0.1)
    assert turn.end == pytest.approx(25 + 50 + 12 + 50 + 50 + 50, abs=5)


def test_the_halves_share_no_sentence() -> None:
    """Both halves have all kinds, in all languages, and pauses where they belong."""
    for language, each in read_sets(LANGUAGES).items():
        tuning, judging = ({said for kind in each.sentences[purpose].values() for said in kind} for purpose in PURPOSES)
        assert not {whole(said) for said in tuning} & {whole(said) for said in judging}, language
        for kinds in each.sentences.values():
            assert set(kinds) == {"home", "other", "short", "paused", "aloud"}
            assert all(len(pieces(said)) == 2 for said in kinds["paused"])
            assert all(len(pieces(said)) > 1 for said in kinds["aloud"])
            assert all(len(pieces(said)) == 1 for kind in ("home", "other", "short") for said in kinds[kind])
    assert set(json.loads(SET.read_text())) == set(LANGUAGES)


def found(kind: str, home_assistant: int | None, ours: int | None, *pauses: Pause) -> Found:
    """Return a turn whose last sound is in frame 200."""
    ends: Ends = {
        "home_assistant": home_assistant,
        **dict.fromkeys(set(WAYS) - {"home_assistant"}, ours),
    }
    return Found(SpokenTurn("en", "judging", kind, "", b"", 200, pauses), ends)


ONE, TWO = Pause(100, 130, 0.3), Pause(150, 160, 0.5)


def test_what_counts_as_cut_off() -> None:
    """An end before the last sound; its echo is no word. Pauses behind a cut are not reached."""
    cut = found(ALOUD, None, 128, ONE, TWO)
    assert cut.is_cut("fast 100")
    assert cut.delay("fast 100") is None
    assert [is_cut for _, is_cut in cut.pauses("fast 100")] == [True]
    assert [is_cut for _, is_cut in cut.pauses("home_assistant")] == [False, False]
    assert found(ALOUD, None, 155, ONE, TWO).pauses("fast 100") == [(ONE, False), (TWO, True)]
    assert found(HOME, 195, 230).delay("home_assistant") == 0
    assert found(HOME, 195, 230).delay("fast 100") == 0.3


def test_tables() -> None:
    """Delays are of true ends alone; the share is of the pauses that were reached."""
    several = [
        found(PAUSED, 330, 260, ONE),
        found(PAUSED, 320, 125, ONE),
        found(APART, 320, 125, ONE),
        found(ALOUD, 325, 155, ONE, TWO),
        found(HOME, None, 225),
    ]
    assert by_setting("judging", several).rows[:2] == (
        ("en", "Home Assistant", 3, 1.25, 1.3, 1, 4, 0.0),
        ("en", "Balanced", 2, 0.25, 0.6, 0, 4, 50.0),
    )
    assert by_length("judging", several).figures("Balanced", pauses=PAUSED) == [1, 0, 0, 0]
    assert by_length("judging", several).figures("of", pauses=ALOUD) == [1, 1, 0, 0]
    assert by_kind("judging", several).figures("cut off", kind=PAUSED) == [0, 1, 1, 1, 1, 1, 1]
    assert by_kind("judging", several).figures("never noticed", kind=HOME) == [1, 0, 0, 0, 0, 0, 0]
    aims = findings(several).aims
    assert [(aim.measured, aim.held) for aim in aims[:3]] == [(0.25, True), (50.0, False), (0.25, True)]
