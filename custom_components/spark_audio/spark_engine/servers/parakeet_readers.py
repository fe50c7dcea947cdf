"""Transcripts out of the JSON of each family of Parakeet servers.

Every reader raises KeyError, TypeError or ValueError where there is no transcript. Times that are odd or missing never
cost the text: they are left out, all of them, since times that are in part made up are worse than none.
"""

from ..models import Json, Segment, Transcript, Word
from ..speech.language import names_no_language

_LONGEST_LANGUAGE = 64

_LATEST = 86_400.0
"""Seconds from the start of a recording: what is later than a day is no time in one."""


def read_openai(document: Json) -> Transcript:
    """OpenAI's json and verbose_json. LocalAI's words have the key `text`."""
    if not isinstance(document, dict):
        raise TypeError("no text")
    return _transcript(
        _read_text(document),
        language=_read_language(document.get("language")),
        segments=_read_times(document.get("segments"), ("text",), Segment),
        words=_read_times(document.get("words"), ("word", "text"), Word),
    )


def read_text_alone(document: Json) -> Transcript:
    """The text, for servers whose other fields are made up."""
    if not isinstance(document, dict):
        raise TypeError("no text")
    return Transcript(_read_text(document))


def read_groxaxo(document: Json) -> Transcript:
    """OpenAI's verbose_json, but `words` are pieces of words, and the language is a constant."""
    heard = read_openai(document)
    words = None if heard.words is None else _join_pieces(heard.text, heard.words)
    return Transcript(heard.text, segments=heard.segments, words=words)


def read_shadowfita(document: Json) -> Transcript:
    """NeMo's own time stamps."""
    if not isinstance(document, dict):
        raise TypeError("no text")
    times = document.get("timestamps")
    if not isinstance(times, dict):
        return Transcript(_read_text(document))
    return _transcript(
        _read_text(document),
        segments=_read_times(times.get("segment"), ("segment",), Segment),
        words=_read_times(times.get("word"), ("word",), Word),
    )


def _transcript(
    text: str, *, language: str | None = None, segments: tuple[Segment, ...] | None, words: tuple[Word, ...] | None
) -> Transcript:
    """Return the transcript. An empty list beside a text is no list: the server has measured nothing."""
    return Transcript(
        text, language, segments=(segments or None) if text else segments, words=(words or None) if text else words
    )


def _read_text(document: dict[str, Json]) -> str:
    text = document["text"]
    if not isinstance(text, str):
        raise TypeError("no text")
    return text.strip()


def _read_language(value: Json) -> str | None:
    if not isinstance(value, str) or len(value) > _LONGEST_LANGUAGE or names_no_language(value):
        return None
    return value


def _read_times[T: (Segment, Word)](listed: Json, keys: tuple[str, ...], kind: type[T]) -> tuple[T, ...] | None:
    """Return segments or words, None where there is no list or one of them has no text or no usable time."""
    if not isinstance(listed, list):
        return None
    times = [_read_time(item, keys, kind) for item in listed]
    usable = tuple(time for time in times if time is not None)
    return usable if len(usable) == len(times) else None


def _read_time[T: (Segment, Word)](item: Json, keys: tuple[str, ...], kind: type[T]) -> T | None:
    if not isinstance(item, dict):
        return None
    text = next((item[key] for key in keys if key in item), None)
    start, end = _seconds(item.get("start")), _seconds(item.get("end"))
    if not isinstance(text, str) or start is None or end is None or end < start:
        return None
    # A segment of no length is a placeholder; a word may be shorter than the model's grid.
    if kind is Segment and text.strip() and end == start:
        return None
    return kind(text.strip(), start, end)


def _seconds(value: Json) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        seconds = float(value)
    except OverflowError:
        return None
    return seconds if 0 <= seconds <= _LATEST else None


def _join_pieces(text: str, pieces: tuple[Word, ...]) -> tuple[Word, ...] | None:
    """Return whole words: the server strips what marks a word's start, but its text is the pieces with spaces between.

    None where the pieces do not add up to the text: then it is unknown which belong together.
    """
    words: list[Word] = []
    rest = iter(pieces)
    for word in text.split():
        first = last = next(rest, None)
        spelled = last.text if last else ""
        while len(spelled) < len(word) and (last := next(rest, None)):
            spelled += last.text
        if first is None or last is None or spelled != word:
            return None
        words.append(Word(word, first.start, last.end))
    return tuple(words) if next(rest, None) is None else None
