"""A transcript in each of OpenAI's response formats. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from spark_engine.models import Segment, Transcript, Word

type Document = dict[str, object]


@dataclass(frozen=True, slots=True)
class Part:
    """What was heard in one window: where that starts and how long it is, in seconds."""

    start: float
    seconds: float
    transcript: Transcript
    is_final: bool = True
    """Whether that is all of it; where False, it is what was understood so far."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A whole recording: its length in seconds, and what was said when. `words` is None where a server has none."""

    text: str
    seconds: float
    language: str | None
    segments: tuple[Segment, ...]
    words: tuple[Word, ...] | None


def join(parts: Sequence[Part]) -> Heard:
    """Return all windows as one, times counted from the start of the recording.

    A server without segments gives one for each window that holds speech: coarse, but true.
    """
    segments: list[Segment] = []
    words: list[Word] | None = []
    for part in parts:
        transcript = part.transcript
        own = transcript.segments
        if own is None:
            own = (Segment(transcript.text, 0.0, part.seconds),) if transcript.text else ()
        segments += [Segment(item.text, item.start + part.start, item.end + part.start) for item in own]
        if transcript.words is None:
            # Silence has no words and is no proof that the server gives none.
            words = words if not transcript.text else None
        elif words is not None:
            words += [Word(item.text, item.start + part.start, item.end + part.start) for item in transcript.words]
    return Heard(
        text=" ".join(part.transcript.text for part in parts if part.transcript.text),
        seconds=parts[-1].start + parts[-1].seconds,
        language=next((part.transcript.language for part in parts if part.transcript.language), None),
        segments=tuple(segments),
        words=None if words is None else tuple(words),
    )


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
    }
    if "segment" in granularities:
        document["segments"] = [
            {"id": number, "start": _time(item.start), "end": _time(item.end), "text": item.text}
            for number, item in enumerate(heard.segments)
        ]
    if "word" in granularities:
        document["words"] = [
            {"word": item.text, "start": _time(item.start), "end": _time(item.end)} for item in heard.words or ()
        ]
    return document


def as_srt(heard: Heard) -> str:
    """`srt`: SubRip."""
    cues = (
        f"{number}\n{_clock(item.start, ',')} --> {_clock(item.end, ',')}\n{item.text}\n"
        for number, item in enumerate(heard.segments, 1)
    )
    return "\n".join(cues)


def as_vtt(heard: Heard) -> str:
    """`vtt`: WebVTT."""
    cues = (f"{_clock(item.start, '.')} --> {_clock(item.end, '.')}\n{item.text}\n" for item in heard.segments)
    return "WEBVTT\n\n" + "\n".join(cues)


def _time(seconds: float) -> float:
    return round(seconds, 3)


def _clock(seconds: float, decimal: str) -> str:
    milliseconds = round(seconds * 1000)
    minutes, milliseconds = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{milliseconds // 1000:02}{decimal}{milliseconds % 1000:03}"
