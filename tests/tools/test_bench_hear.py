"""The set that `bench hear` says, and what it makes of the verdicts."""

from tools.bench.hear import COLUMNS, Verdict, findings
from tools.bench.hear_set import SpokenCommand, read_set

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
            for purpose in ("tuning", "judging")
        }
        assert names["tuning"]
        assert names["judging"]
        assert names["tuning"].isdisjoint(names["judging"])


def test_there_are_five_hundred_ordinary_sentences_in_each_language() -> None:
    wanted = read_set()
    assert {language: len(set(sentences)) for language, sentences in wanted.ordinary.items()} == dict.fromkeys(
        LANGUAGES, 500
    )
    assert len(read_set(every=10).ordinary["en"]) == 50


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
        verdict("Brook", "Turn on the Roku.", "Turn on the rocker.", "Turn on the Roku."),
        verdict("Brook", "Turn on the Tado.", "Turn on the tattoo.", "Turn on the Roku."),
        verdict("Brook", "What is love?", "What is love?", "What is love?", is_ordinary=True),
        verdict("Carter", "What is love?", "What is love?", "What is Nest?", is_ordinary=True),
    ]
    heard = {WAY: [(SpokenCommand("Brook", "Roku", "Turn on the Roku."), "Turn on a Roku")]}
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
