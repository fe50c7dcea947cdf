"""The set that `bench hear` says, and what it makes of the verdicts."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from tools.bench.hear import COLUMNS, PURPOSES, Verdict, findings, judged
from tools.bench.hear_recordings import Way, heard_in
from tools.bench.hear_set import HearSet, SpokenCommand, SpokenHome, read_set
from tools.bench.kept_transcripts import AT_A_TIME, KeptTranscripts
from tools.stack.errors import ToolError

WAY = "a voice, a recogniser, close"

LANGUAGES = ["en", "de", "es", "fr", "it"]


def verdict(home: str, said: str, heard: str, corrected: str, *, is_ordinary: bool = False) -> Verdict:
    return Verdict(
        way="" if is_ordinary else WAY,
        home=home,
        said=said,
        heard=heard,
        corrected=corrected,
        seconds=0.01 if corrected == heard else 0.2,
        is_ordinary=is_ordinary,
        name_before=heard == said,
        name_after=corrected == said,
        done_before=heard == said,
        done_after=corrected == said,
    )


def test_the_homes_that_judge_are_not_those_that_tune() -> None:
    wanted = read_set()
    for language in LANGUAGES:
        names = {
            purpose: {
                name
                for home in wanted.homes
                if (home.language, home.purpose) == (language, purpose)
                for names in (*home.entities.values(), home.areas)
                for name in names
            }
            for purpose in PURPOSES
        }
        assert names["tuning"]
        assert names["judging"]
        assert names["tuning"].isdisjoint(names["judging"])


def test_there_are_five_hundred_ordinary_sentences_in_each_language_for_each_purpose() -> None:
    ordinary = read_set().ordinary
    assert list(ordinary) == LANGUAGES
    for by_purpose in ordinary.values():
        assert {purpose: len(set(texts)) for purpose, texts in by_purpose.items()} == dict.fromkeys(PURPOSES, 500)
        assert set(by_purpose["tuning"]).isdisjoint(by_purpose["judging"])
    assert len(read_set(every=10).ordinary["en"]["judging"]) == 50


def test_an_ordinary_sentence_has_no_name_of_the_homes_that_judge() -> None:
    wanted = read_set()
    for home in wanted.homes:
        if home.purpose == "judging":
            sentences = "\n".join(wanted.ordinary[home.language]["judging"]).casefold()
            names = [name for names in (*home.entities.values(), home.areas) for name in names]
            assert [name for name in names if re.search(rf"\b{re.escape(name.casefold())}\b", sentences)] == []


def test_a_command_names_something_of_its_home() -> None:
    homes = {home.name: home for home in read_set().homes}
    for command in read_set().commands:
        home = homes[command.home]
        assert command.name in command.text
        assert command.name in {name for names in (*home.entities.values(), home.areas) for name in names}


def test_findings() -> None:
    """By language and purpose, and the aims by the homes that judge alone."""
    wanted = read_set()
    verdicts = [
        verdict("Allen", "Turn on the Nanoleaf.", "Turn on the nano leaf.", "Turn on the Nanoleaf."),
        verdict("Dalton", "Turn on the Vizio.", "Turn on the visual.", "Turn on the Vizio."),
        verdict("Dalton", "Turn on the Hive.", "Turn on the hay.", "Turn on the Vizio."),
        verdict("Dalton", "What is love?", "What is love?", "What is love?", is_ordinary=True),
        verdict("Ellis", "What is love?", "What is love?", "What is Lasko?", is_ordinary=True),
    ]
    heard = {WAY: [(SpokenCommand("Dalton", "Vizio", "Turn on the Vizio."), "Turn on a Vizio")]}
    found = findings(wanted, heard, verdicts)
    errors, names, sentences, times = found.tables
    assert errors.rows == ((WAY, 1, 25),)
    assert [dict(zip(COLUMNS, row, strict=True)) for row in names.rows] == [
        dict(zip(COLUMNS, (WAY, "en", "tuning", 1, 0.0, 100.0, 0.0, 100.0, 0), strict=True)),
        dict(zip(COLUMNS, (WAY, "en", "judging", 2, 0.0, 50.0, 0.0, 50.0, 1), strict=True)),
    ]
    assert sentences.rows == (("en", "judging", 2, 1),)
    assert times.rows == ((5, 200.0, 200.0, 80.0),)
    assert [(aim.measured, aim.held) for aim in found.aims] == [(50.0, False), (50.0, True), (250.0, False)]


@pytest.mark.slow
def test_a_home_is_judged_with_the_sentences_of_its_purpose() -> None:
    """By Home Assistant, in its own environment; and a command with its name."""
    homes = [SpokenHome(f"a {purpose} home", "en", purpose, {"light": ["Nanoleaf"]}, []) for purpose in PURPOSES]
    command = SpokenCommand("a judging home", "Nanoleaf", "Turn on the Nanoleaf.")
    ordinary = {"en": {"tuning": ["What is love?"], "judging": ["Who was Bach?", "Where is Rome?"]}}
    verdicts = judged(HearSet(homes, [command], ordinary), {WAY: [(command, command.text)]})
    assert [(each.home, each.said, each.is_ordinary, each.done_after) for each in verdicts] == [
        ("a tuning home", "What is love?", True, False),
        ("a judging home", "Turn on the Nanoleaf.", False, True),
        ("a judging home", "Who was Bach?", True, False),
        ("a judging home", "Where is Rome?", True, False),
    ]


class Recogniser:
    """Hears as many batches as it can, and notes how many recordings each one had."""

    def __init__(self, *, batches: int) -> None:
        self.batches = batches
        self.asked: list[int] = []

    async def hear(self, recordings: Mapping[str, bytes], languages: Mapping[str, str]) -> Mapping[str, str]:
        if len(self.asked) == self.batches:
            raise ToolError("no more")
        self.asked.append(len(recordings))
        return {name: f"{languages[name]}, {len(pcm)} bytes" for name, pcm in recordings.items()}


async def say(texts: Mapping[str, str], _languages: Mapping[str, str]) -> Mapping[str, bytes]:
    return {name: bytes(2 * len(text)) for name, text in texts.items()}


def way(recogniser: Recogniser, place: str = "close") -> Way:
    return Way("a voice", "a recogniser", place, say, recogniser.hear, frozenset({"de"}))


async def test_a_run_goes_on_where_it_was_broken_off(tmp_path: Path) -> None:
    home = SpokenHome("Ahrens", "de", "tuning", {}, [])
    other = SpokenHome("Allen", "en", "tuning", {}, [])
    commands = [SpokenCommand("Ahrens", "x", "x" * (number + 1)) for number in range(AT_A_TIME + 5)]
    wanted = HearSet([home, other], [*commands, SpokenCommand("Allen", "y", "y")], {})
    kept = tmp_path / "tools/heard.jsonl"
    broken = Recogniser(batches=1)
    with pytest.raises(ToolError, match="no more"):
        await heard_in(way(broken), wanted, KeptTranscripts(kept))
    rest = Recogniser(batches=9)
    heard = await heard_in(way(rest), wanted, KeptTranscripts(kept))
    assert (broken.asked, rest.asked) == ([AT_A_TIME], [5])
    assert [command for command, _ in heard] == commands
    assert heard[1][1] == f"de, {2 * (2 + 16_000 // 2)} bytes"
    again = Recogniser(batches=0)
    assert await heard_in(way(again), wanted, KeptTranscripts(kept)) == heard
    assert again.asked == []


async def test_another_place_or_other_words_are_heard_anew(tmp_path: Path) -> None:
    home = SpokenHome("Ahrens", "de", "tuning", {}, [])
    kept = KeptTranscripts(tmp_path / "heard.jsonl")
    recogniser = Recogniser(batches=9)
    for text, place in (("x" * 4000, "close"), ("x" * 4000, "room"), ("x" * 4001, "room"), ("x" * 4001, "room")):
        await heard_in(way(recogniser, place), HearSet([home], [SpokenCommand("Ahrens", "x", text)], {}), kept)
    assert recogniser.asked == [1, 1, 1]


async def test_without_a_file_nothing_is_kept() -> None:
    wanted = HearSet([SpokenHome("Ahrens", "de", "tuning", {}, [])], [SpokenCommand("Ahrens", "x", "x")], {})
    recogniser = Recogniser(batches=9)
    for _ in range(2):
        await heard_in(way(recogniser), wanted, KeptTranscripts(None))
    assert recogniser.asked == [1, 1]
