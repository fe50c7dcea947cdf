"""The set on which ends of turns are compared: what is said, with the pauses in it. Pure.

Commands are spoken by the embedded Spark's voice and get pauses where people make them: most before the word they look
for, some behind what already reads like a whole command, which is the hardest case.
"""

import random
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from spark_engine.models import SAMPLE_RATE

FRAME = SAMPLE_RATE // 100 * 2
"""Bytes of 10 ms, s16le mono."""

AT_ONCE = """
Turn on the kitchen light. / Turn off all the lights. / What time is it? / Set the bedroom to twenty degrees. / Stop. /
Pause. / Play some jazz in the living room. / What's the weather like tomorrow? / Lock the front door. / Is the garage
door open? / Add milk to my shopping list. / Set a timer for ten minutes. / Close the blinds. / Dim the lights to thirty
percent. / Cancel the timer. / How warm is it outside? / Good night. / Start the vacuum cleaner. / Turn up the volume. /
Who won the game last night? / Remind me to call my mother at six. / Switch the fan to high. / Open the curtains in the
office. / Tell me a joke.
"""

WITH_A_PAUSE = """
Turn on the ... kitchen light. / Set a timer for ... fifteen minutes. / Remind me to ... take out the bins. / Add ...
milk and eggs to my list. / Play ... some music by Miles Davis. / What's the weather like in ... Barcelona? / Set the
heating in the bathroom to ... twenty two degrees. / Um, ... turn off the television. / Okay, ... what time is it? / Set
a timer for ten ... minutes. / Turn on the light ... in the kitchen. / Close the blinds ... and turn off the radio. /
Turn off the lights. ... And lock the front door. / Play some jazz ... in the living room. / Is the window open ... in
the bedroom? / Dim the lamp ... to thirty percent.
"""

PAUSES = (0.3, 0.5, 0.8, 1.1)
"""Seconds."""

ROOMS = {"quiet room": 6, "fan": 60}
"""Standard deviation of the noise, of 32,767."""

BEFORE, AFTER = 0.3, 4.0
"""Seconds of the room alone before and after the words."""

SOUND = 150
"""Peak of 32,767 above which a frame of the synthesiser's clean speech is sound."""

SEED = 7


@dataclass(frozen=True, slots=True)
class SpokenTurn:
    """One turn as the microphone hears it. `pcm` is 16 kHz s16le mono; `end` is the frame of the last sound."""

    kind: str
    pcm: bytes
    end: int


def commands(text: str) -> list[list[str]]:
    """Return each command, as the phrases between its pauses."""
    return [command.split(" ... ") for command in " ".join(text.split()).split(" / ")]


def phrases() -> Iterator[str]:
    """Yield what has to be spoken."""
    return (phrase for command in commands(AT_ONCE) + commands(WITH_A_PAUSE) for phrase in command)


def turns(said: Mapping[str, bytes]) -> Iterator[SpokenTurn]:
    """Yield the whole set; `said` has the speech of each phrase."""
    chance = random.Random(SEED)  # noqa: S311 - noise, no secret
    for room, noise in ROOMS.items():
        kinds = [("without a pause", 0.0, AT_ONCE), *((f"pause of {each} s", each, WITH_A_PAUSE) for each in PAUSES)]
        for kind, pause, text in kinds:
            for command in commands(text):
                speech = [said[phrase] for phrase in command]
                yield spoken_turn(f"{room}, {kind}", speech, pause, noise, chance)


def spoken_turn(kind: str, speech: Sequence[bytes], pause: float, noise: int, chance: random.Random) -> SpokenTurn:
    """Return pieces of speech with a pause between them, in a room."""
    said = _hush(BEFORE) + _hush(pause).join(map(_trimmed, speech))
    return SpokenTurn(kind, _noisy(said + _hush(AFTER), noise, chance), len(said) // FRAME)


def _hush(seconds: float) -> bytes:
    return bytes(int(seconds * SAMPLE_RATE) * 2)


def _trimmed(pcm: bytes) -> bytes:
    """Without the silence that a synthesiser leaves before and behind."""
    frames = [pcm[at : at + FRAME] for at in range(0, len(pcm) - FRAME + 1, FRAME)]
    loud = [number for number, frame in enumerate(frames) if max(map(abs, memoryview(frame).cast("h"))) > SOUND]
    return b"".join(frames[loud[0] : loud[-1] + 1])


def _noisy(pcm: bytes, noise: int, chance: random.Random) -> bytes:
    samples = array("h", pcm[: len(pcm) // FRAME * FRAME])
    noisy = (sample + round(chance.gauss(0, noise)) for sample in samples)
    return array("h", (max(-32_768, min(32_767, sample)) for sample in noisy)).tobytes()
