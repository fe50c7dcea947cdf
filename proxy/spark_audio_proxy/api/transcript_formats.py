"""A transcript in each of OpenAI's response formats. Pure."""

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from spark_engine.models import Segment, Transcript

type Document = dict[str, object]


@dataclass(frozen=True, slots=True)
class Part:
    """What was heard in one window: where that starts, how long it is, and what was left out of it, in seconds."""

    start: float
    seconds: float
    transcript: Transcript
    left_out: float = 0.0
    is_final: bool = True
    """Whether that is all of it; where False, it is what was understood so far."""


@dataclass(frozen=True, slots=True)
class Said:
    """A segment or a word: when it was said, in seconds, and on which channel; None where all are mixed."""

    text: str
    start: float
    end: float
    channel: str | None = None


@dataclass(frozen=True, slots=True)
class Heard:
    """A whole recording: its length in seconds, and what was said when. `words` is None where a server has none.

    `left_out` are the seconds that could not be decoded, 0 where those are less than a hundredth.
    """

    text: str
    seconds: float
    language: str | None
    segments: tuple[Said, ...]
    words: tuple[Said, ...] | None
    left_out: float = 0.0


def join(parts: Sequence[Part], channel: str | None = None) -> Heard:
    """Return all windows of a channel as one, times counted from the start of the recording.

    A server without segments gives one for each window that holds speech: coarse, but true.
    """
    segments: list[Said] = []
    words: list[Said] | None = []
    for part in parts:
        transcript = part.transcript
        own = transcript.segments
        if own is None:
            own = (Segment(transcript.text, 0.0, part.seconds),) if transcript.text else ()
        segments += [Said(item.text, item.start + part.start, item.end + part.start, channel) for item in own]
        if transcript.words is None:
            # Silence has no words and is no proof that the server gives none.
            words = words if not transcript.text else None
        elif words is not None:
            words += [
                Said(item.text, item.start + part.start, item.end + part.start, channel) for item in transcript.words
            ]
    return Heard(
        text=" ".join(part.transcript.text for part in parts if part.transcript.text),
        seconds=parts[-1].start + parts[-1].seconds,
        language=next((part.transcript.language for part in parts if part.transcript.language), None),
        segments=tuple(segments),
        words=None if words is None else tuple(words),
        left_out=round(sum(part.left_out for part in parts), 2),
    )


def merge(channels: Sequence[Heard]) -> Heard:
    """Return what was said on all channels of a recording, in order of time."""
    if len(channels) == 1:
        return channels[0]
    segments = _in_order(item for heard in channels for item in heard.segments)
    words = [heard.words for heard in channels]
    return Heard(
        text=" ".join(item.text for item in segments),
        seconds=max(heard.seconds for heard in channels),
        language=next((heard.language for heard in channels if heard.language), None),
        segments=segments,
        words=None if None in words else _in_order(item for said in words for item in said or ()),
        left_out=max(heard.left_out for heard in channels),
    )


def _in_order(said: Iterable[Said]) -> tuple[Said, ...]:
    return tuple(sorted(said, key=lambda item: item.start))


def left_out(heard: Heard) -> Document:
    """Return the field for what could not be decoded, where there is something."""
    return {"left_out_seconds": heard.left_out} if heard.left_out else {}


def usage(heard: Heard) -> Document:
    """Return what OpenAI bills by: seconds, counted from the samples."""
    return {"type": "duration", "seconds": round(heard.seconds, 3)}


def as_json(heard: Heard) -> Document:
    """`json`."""
    return {"text": heard.text, "usage": usage(heard)}


def as_verbose_json(heard: Heard, language: str | None, granularities: Iterable[str]) -> Document:
    """`verbose_json`. What Parakeet does not tell (probabilities, tokens) is left out, not made up."""
    document: Document = {
        "task": "transcribe",
        "language": heard.language or language or "",
        "duration": round(heard.seconds, 3),
        "text": heard.text,
        "usage": usage(heard),
    } | left_out(heard)
    if "segment" in granularities:
        document["segments"] = [
            {"id": number, "start": _time(item.start), "end": _time(item.end), "text": item.text} | _channel(item)
            for number, item in enumerate(heard.segments)
        ]
    if "word" in granularities:
        document["words"] = [
            {"word": item.text, "start": _time(item.start), "end": _time(item.end)} | _channel(item)
            for item in heard.words or ()
        ]
    return document


def _channel(item: Said) -> Document:
    return {"channel": item.channel} if item.channel else {}


def as_diarized_json(heard: Heard) -> Document:
    """`diarized_json`: the channel is the speaker."""
    document: Document = {
        "task": "transcribe",
        "duration": round(heard.seconds, 3),
        "text": heard.text,
        "segments": [
            {
                "type": "transcript.text.segment",
                "id": f"seg_{number:03}",
                "start": _time(item.start),
                "end": _time(item.end),
                "text": item.text,
                "speaker": item.channel,
            }
            for number, item in enumerate(heard.segments)
        ],
        "usage": usage(heard),
    }
    return document | left_out(heard)


def as_srt(heard: Heard) -> str:
    """`srt`: SubRip."""
    cues = (
        f"{number}\n{_clock(item.start, ',')} --> {_clock(item.end, ',')}\n{_named(item)}\n"
        for number, item in enumerate(heard.segments, 1)
    )
    return "\n".join(cues)


def _named(item: Said) -> str:
    return f"{item.channel}: {_line(item)}" if item.channel else _line(item)


def _line(item: Said) -> str:
    """Return the text without line breaks: an empty line ends a cue."""
    return " ".join(item.text.split())


def as_vtt(heard: Heard) -> str:
    """`vtt`: WebVTT, whose text is marked up: with voice tags where channels are told apart."""
    cues = (
        f"{_clock(item.start, '.')} --> {_clock(item.end, '.')}\n"
        f"{f'<v {item.channel}>' if item.channel else ''}{html.escape(_line(item), quote=False)}\n"
        for item in heard.segments
    )
    return "WEBVTT\n\n" + "\n".join(cues)


def _time(seconds: float) -> float:
    return round(seconds, 3)


def _clock(seconds: float, decimal: str) -> str:
    milliseconds = round(seconds * 1000)
    minutes, milliseconds = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{milliseconds // 1000:02}{decimal}{milliseconds % 1000:03}"
