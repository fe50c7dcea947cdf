"""Speech to text: Moonshine tiny, English, on the CPU. Its model comes with its wheel."""

from collections.abc import Generator, Iterator
from contextlib import closing
from importlib import import_module
from itertools import takewhile
from typing import Protocol

import numpy as np

from .engines import Line
from .wav import Recording

PIECE = 30.0
"""Seconds of audio handed over at a time; lines and their times run on across pieces."""

HUSH_RATE = 16_000
HUSH = [0.0] * HUSH_RATE
"""A second of silence. See `Moonshine._turn_to`."""

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
            # Nobody reads the lines' audio, and it would be copied with every update.
            options={"return_audio_data": "false"},
        )
        self._latest: _Stream | None = None

    def hear(self, recording: Recording) -> Generator[tuple[Line, ...]]:
        """The lines of a recording, piece by piece; other recordings may be heard in between."""
        told = 0
        heard: list[_TranscriptLine] = []
        with closing(self._open_stream()) as stream:
            for piece in _pieces(recording):
                self._turn_to(stream)
                stream.add_audio(piece, recording.sample_rate)
                # All lines so far. Only the last one can be unfinished; its text and its end may still change.
                heard = stream.update_transcription(FORCE_UPDATE).lines
                finished = list(takewhile(lambda line: line.is_complete, heard[told:]))
                told += len(finished)
                yield _lines(finished, recording.duration)
        yield _lines(heard[told:], recording.duration)

    def _turn_to(self, stream: _Stream) -> None:
        """Let the voice detector hear silence before it hears another stream than last.

        Moonshine's streams share the detector's state: after speech that broke off, it takes the silence at the start
        of the next recording for voice, in which the model then hears a word ("You").
        """
        if stream is not self._latest:
            with closing(self._open_stream()) as hush:
                hush.add_audio(HUSH, HUSH_RATE)
                hush.update_transcription(FORCE_UPDATE)
            self._latest = stream

    def _open_stream(self) -> _Stream:
        # Transcription happens when it is asked for and at no other time.
        stream = self._transcriber.create_stream(update_interval=float("inf"))
        stream.start()
        return stream


def _pieces(recording: Recording) -> Iterator[list[float]]:
    """The recording in mono, as samples from -1 to 1."""
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
