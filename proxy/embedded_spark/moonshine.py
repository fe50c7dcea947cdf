"""Speech to text: Moonshine tiny, English, on the CPU. Its model comes with its wheel."""

from collections.abc import Generator, Iterator
from contextlib import closing
from importlib import import_module
from itertools import takewhile
from math import inf
from typing import Protocol

import numpy as np

from .engines import Line
from .wav import Recording

PIECE = 30.0
"""Seconds of audio handed over at a time; lines and their times run on across pieces."""

FORCE_UPDATE = 1
"""The flag that has audio transcribed however short it is."""


class _TranscriptLine(Protocol):
    text: str
    start_time: float
    duration: float
    is_complete: bool


class _Transcript(Protocol):
    lines: list[_TranscriptLine]


class _Stream(Protocol):
    def start(self) -> None: ...
    def add_audio(self, audio_data: list[float], sample_rate: int) -> None: ...
    def update_transcription(self, flags: int) -> _Transcript: ...
    def close(self) -> None: ...


class _Transcriber(Protocol):
    def create_stream(self, update_interval: float) -> _Stream: ...


class Moonshine:
    """A Recognizer."""

    def __init__(self) -> None:
        """Load the model; blocks for about a second."""
        package = import_module("moonshine_voice")
        self._transcriber: _Transcriber = package.Transcriber(
            str(package.get_model_path("tiny-en")),
            package.ModelArch.TINY,
            # The lines' audio is not used, and it would be copied with every update.
            options={"return_audio_data": "false"},
        )

    def hear(self, recording: Recording) -> Generator[tuple[Line, ...]]:
        """Yield the lines of a recording, piece by piece; other recordings may be heard in between.

        A stream for each, because Moonshine's call for a whole recording carries its voice detector over to the next
        one: after speech that breaks off, it hears a word ("You") in the silence before the next speech.
        """
        told = 0
        heard: list[_TranscriptLine] = []
        # Transcription happens when it is asked for and at no other time.
        with closing(self._transcriber.create_stream(update_interval=inf)) as stream:
            stream.start()
            for piece in _pieces(recording):
                stream.add_audio(piece, recording.sample_rate)
                # All lines so far. Only the last one can be unfinished; its text and its end may still change.
                heard = stream.update_transcription(FORCE_UPDATE).lines
                finished = list(takewhile(lambda line: line.is_complete, heard[told:]))
                told += len(finished)
                yield _lines(finished, recording.duration)
        yield _lines(heard[told:], recording.duration)


def _pieces(recording: Recording) -> Iterator[list[float]]:
    """Yield the recording in mono, as samples from -1 to 1."""
    samples = np.frombuffer(recording.pcm, dtype="<i2").reshape(-1, recording.channels)
    length = round(PIECE * recording.sample_rate)
    for start in range(0, len(samples), length):
        mono = samples[start : start + length].mean(axis=1) / 32_768
        yield mono.tolist()


def _lines(heard: list[_TranscriptLine], duration: float) -> tuple[Line, ...]:
    return tuple(
        Line(line.text.strip(), line.start_time, min(line.start_time + line.duration, duration))
        for line in heard
        if line.text.strip()
    )
