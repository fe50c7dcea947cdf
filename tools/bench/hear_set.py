"""What `bench hear` says: commands to homes with real-life names, and ordinary sentences that name nothing in them.

The homes that thresholds are tuned on and those that judge are apart.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

SET = Path(__file__).with_name("hear_set.json")


@dataclass(frozen=True, slots=True)
class SpokenHome:
    """One home: names of entities by domain, and of areas, in the language that is spoken there."""

    name: str
    language: str
    purpose: str
    """`tuning` or `judging`."""
    entities: Mapping[str, Sequence[str]]
    areas: Sequence[str]


@dataclass(frozen=True, slots=True)
class SpokenCommand:
    """A command that has a name of the home in it."""

    home: str
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class HearSet:
    """All of it. `ordinary` has the sentences by language and purpose of the home."""

    homes: Sequence[SpokenHome]
    commands: Sequence[SpokenCommand]
    ordinary: Mapping[str, Mapping[str, Sequence[str]]]


def read_set(*, every: int = 1) -> HearSet:
    """Return the set, or each so-manieth command and ordinary sentence of it."""
    document = json.loads(SET.read_text())
    homes = [
        SpokenHome(home["name"], home["language"], home["for"], home["entities"], home["areas"])
        for home in document["homes"]
    ]
    commands = [command for home in homes for command in _commands(home, document["commands"][home.language])]
    ordinary = {
        language: {purpose: list(_sentences(groups))[::every] for purpose, groups in by_purpose.items()}
        for language, by_purpose in document["ordinary"].items()
    }
    return HearSet(homes, commands[::every], ordinary)


def _commands(home: SpokenHome, frames: Mapping[str, Sequence[str]]) -> Iterator[SpokenCommand]:
    named = [*home.entities.items(), ("area", home.areas)]
    for domain, names in named:
        for name in names:
            for frame in frames[domain]:
                yield SpokenCommand(home.name, name, frame.format(name))


def _sentences(groups: Sequence[Mapping[str, Sequence[str]]]) -> Iterator[str]:
    for group in groups:
        for frame in group["frames"]:
            for thing in group["things"]:
                yield frame.format(thing)
