"""How the proxy's costs grow: tables, aims and charts. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .figures import percentile
from .machine import MIB, Machine
from .plot import Bar, Chart, Group
from .report import Aim, Table
from .scale_work import PACE

GROWTH = 16.0
"""Aim: MiB that the longest recording or text may take more than a short one, the file itself left out."""

SEVERAL_PIECES = 600.0
"""Seconds from which on a recording goes to the upstream in several pieces; the memory of shorter ones is their own."""


@dataclass(frozen=True, slots=True)
class Callers:
    """So many callers at once. `served` are seconds of the answers; `peak` in bytes, None where no proxy was asked."""

    way: str
    callers: int
    served: tuple[float, ...]
    refused: int
    seconds: float
    peak: int | None


@dataclass(frozen=True, slots=True)
class Recording:
    """One recording: seconds of audio, bytes of the file, seconds to the answer and of CPU, bytes of memory.

    `requests` are the pieces that the upstream got.
    """

    audio_format: str
    seconds: float
    size: int
    whole: float
    cpu: float
    idle: int
    peak: int
    requests: int

    @property
    def beyond_upload(self) -> float:
        """MiB taken in all, less what was there and the file itself."""
        return max(0.0, (self.peak - self.idle - self.size) / MIB)

    @property
    def cpu_per_minute(self) -> float:
        """Milliseconds of CPU for a minute of audio."""
        return 1000 * self.cpu / (self.seconds / 60)


@dataclass(frozen=True, slots=True)
class Text:
    """One text: seconds that it sounds, seconds to the first audio and to the last, bytes of memory at the peak."""

    characters: int
    sounding: float
    first: float
    whole: float
    requests: int
    peak: int


def length(seconds: float) -> str:
    """In the largest unit that leaves no fraction."""
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def tables(callers: Sequence[Callers], recordings: Sequence[Recording], texts: Sequence[Text]) -> tuple[Table, ...]:
    """Callers, recordings, texts."""
    return _callers(callers), _recordings(recordings), _texts(texts)


def _callers(measured: Sequence[Callers]) -> Table:
    return Table(
        "Callers at once, each sending a 5 s WAV again and again; the upstream answers after 20 ms",
        ("way", "callers", "p50 ms", "p95 ms", "served/s", "served", "refused with 429", "peak MiB"),
        tuple(
            (
                *(each.way, each.callers, 1000 * percentile(each.served, 50), 1000 * percentile(each.served, 95)),
                *(len(each.served) / each.seconds, len(each.served), each.refused),
                None if each.peak is None else each.peak / MIB,
            )
            for each in measured
        ),
    )


def _recordings(measured: Sequence[Recording]) -> Table:
    return Table(
        "Recordings, one at a time, with room for large uploads; the upstream answers each piece after 20 ms",
        (
            *("format", "length", "file MiB", "answer after s", "CPU ms for a minute of audio"),
            *("requests to the upstream", "idle MiB", "peak MiB", "beyond idle and file MiB"),
        ),
        tuple(
            (
                *(each.audio_format, length(each.seconds), each.size / MIB, each.whole, each.cpu_per_minute),
                *(each.requests, each.idle / MIB, each.peak / MIB, each.beyond_upload),
            )
            for each in measured
        ),
    )


def _texts(measured: Sequence[Text]) -> Table:
    return Table(
        f"Texts, as WAV; the upstream's first audio comes after 80 ms, the rest at {PACE:.0f} times real time",
        ("characters", "sounds s", "first audio ms", "whole s", "requests to the upstream", "peak MiB"),
        tuple(
            (each.characters, each.sounding, 1000 * each.first, each.whole, each.requests, each.peak / MIB)
            for each in measured
        ),
    )


def aims(recordings: Sequence[Recording], texts: Sequence[Text]) -> tuple[Aim, ...]:
    """Memory must not grow with the length of what is decoded or spoken, nor the wait for the first audio."""
    in_pieces = [each for each in recordings if each.seconds >= SEVERAL_PIECES]
    formats = dict.fromkeys(each.audio_format for each in in_pieces)
    ends = [[each for each in in_pieces if each.audio_format == name] for name in formats]
    return (
        *(
            Aim(
                f"{length(last.seconds)} of {last.audio_format}: memory beyond the file, more than for "
                f"{length(first.seconds)}, MiB",
                GROWTH,
                last.beyond_upload - first.beyond_upload,
            )
            for first, *_, last in (each for each in ends if len(each) > 1)
        ),
        Aim(
            f"{texts[-1].characters} characters: memory, more than for {texts[0].characters}, MiB",
            GROWTH,
            (texts[-1].peak - texts[0].peak) / MIB,
        ),
        Aim(
            f"{texts[-1].characters} characters: first audio, times that of {texts[1].characters}",
            1.5,
            texts[-1].first / texts[1].first,
        ),
    )


def charts(
    callers: Sequence[Callers], recordings: Sequence[Recording], texts: Sequence[Text], machine: Machine
) -> tuple[Chart, ...]:
    """Callers served, CPU and memory for recordings, and time to the first audio, each as the work grows."""
    note = f"{machine.cores} cores, {machine.cpu}; load average before the run {machine.load:.2f}."
    return (
        _callers_served(callers, note),
        _cpu_for_recordings(recordings, note),
        _memory_for_recordings(recordings, note),
        _first_audio_of_texts(texts, note),
    )


def _callers_served(callers: Sequence[Callers], note: str) -> Chart:
    groups = tuple(
        Group(
            way,
            tuple(
                Bar(_some(each), len(each.served) / each.seconds, ours=way != "direct")
                for each in callers
                if each.way == way
            ),
        )
        for way in dict.fromkeys(each.way for each in callers)
    )
    return Chart(
        "bench-scale-callers",
        "Transcriptions served, by callers at once",
        "per second",
        groups,
        f"{note} As shipped, four at a time are served, 32 wait, and more are refused with 429.",
    )


def _cpu_for_recordings(recordings: Sequence[Recording], note: str) -> Chart:
    return Chart(
        "bench-scale-recordings",
        "CPU for a minute of audio, by the length of the recording",
        "ms",
        _by_format(recordings, lambda each: each.cpu_per_minute),
        note,
    )


def _memory_for_recordings(recordings: Sequence[Recording], note: str) -> Chart:
    return Chart(
        "bench-scale-memory",
        "Memory beyond the file, by the length of the recording",
        "MiB",
        _by_format(recordings, lambda each: each.beyond_upload),
        note,
    )


def _first_audio_of_texts(texts: Sequence[Text], note: str) -> Chart:
    bars = tuple(Bar(f"{each.characters} characters", 1000 * each.first, ours=True) for each in texts)
    return Chart("bench-scale-texts", "First audio, by the length of the text", "ms", (Group("as WAV", bars),), note)


def _by_format(recordings: Sequence[Recording], figure: Callable[[Recording], float]) -> tuple[Group, ...]:
    return tuple(
        Group(
            name,
            tuple(
                Bar(length(each.seconds), figure(each), ours=True) for each in recordings if each.audio_format == name
            ),
        )
        for name in dict.fromkeys(each.audio_format for each in recordings)
    )


def _some(each: Callers) -> str:
    return "1 caller" if each.callers == 1 else f"{each.callers} callers"
