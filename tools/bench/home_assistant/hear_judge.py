"""What the names of a home do to transcripts: before and after, by Home Assistant's own agent.

Runs where Home Assistant is installed: `python -m tools.bench.home_assistant.hear_judge` reads a document as JSON from
standard input ({homes, commands, ordinary}, see `tools/bench/hear.py`) and prints one verdict for each command and each
ordinary sentence.
"""

import asyncio
import json
import sys
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from custom_components.spark_audio.home_names import HomeNames, Sentences, sentences_of
from custom_components.spark_audio.spark_engine.speech.phonetics import words_of

from .bare_home import Names, bare_home

PATIENT = 60.0
"""Seconds for a correction: the time that it took is told, and what is beyond the product's limit."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one transcript. Where it is a command, whether its name is right and what it does is right."""

    way: str
    home: str
    said: str
    heard: str
    corrected: str
    seconds: float
    is_ordinary: bool
    name_before: bool = False
    name_after: bool = False
    done_before: bool = False
    done_after: bool = False


async def judge(document: Mapping[str, Any]) -> AsyncGenerator[Verdict]:
    """Yield all verdicts, home by home. A command that the agent does not know is left out."""
    for home in document["homes"]:
        async with bare_home(Names(home["entities"], home["areas"])) as hass:
            names = HomeNames(hass, (), longest=PATIENT)
            await names.prepare(home["language"])
            if (sentences := await sentences_of(hass, home["language"])) is None:
                raise RuntimeError(f"Home Assistant has no sentences in {home['language']}")
            for command in document["commands"]:
                if command["home"] == home["name"] and await _done(sentences, command["text"]):
                    yield await _command(names, sentences, home["language"], command)
            for text in document["ordinary"][home["language"]][home["purpose"]]:
                corrected, seconds = await _corrected(names, text, home["language"])
                yield Verdict("", home["name"], text, text, corrected, seconds, is_ordinary=True)


async def _command(names: HomeNames, sentences: Sentences, language: str, command: Mapping[str, str]) -> Verdict:
    said, heard = command["text"], command["heard"]
    corrected, seconds = await _corrected(names, heard, language)
    meant = await _done(sentences, said)
    return Verdict(
        way=command["way"],
        home=command["home"],
        said=said,
        heard=heard,
        corrected=corrected,
        seconds=seconds,
        is_ordinary=False,
        name_before=_has(heard, command["name"]),
        name_after=_has(corrected, command["name"]),
        done_before=await _done(sentences, heard) == meant,
        done_after=await _done(sentences, corrected) == meant,
    )


async def _corrected(names: HomeNames, text: str, language: str) -> tuple[str, float]:
    begun = time.perf_counter()
    return await names.corrected(text, language), time.perf_counter() - begun


async def _done(sentences: Sentences, text: str) -> Mapping[str, object] | None:
    """Return what the agent would do, and to what; None where it does not know the sentence."""
    found = await sentences.recognized(text, {})
    if found is None:
        return None
    return {"intent": found.intent.name, **{name: slot.value for name, slot in found.entities.items()}}


def _has(text: str, name: str) -> bool:
    words, wanted = words_of(text), words_of(name)
    return any(words[at : at + len(wanted)] == wanted for at in range(len(words)))


async def main(document: Mapping[str, Any]) -> Sequence[Mapping[str, object]]:
    """Return all verdicts as JSON has them."""
    return [asdict(verdict) async for verdict in judge(document)]


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(json.load(sys.stdin)))))  # noqa: T201 - what the bench reads
