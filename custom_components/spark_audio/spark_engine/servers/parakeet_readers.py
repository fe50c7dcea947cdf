"""Transcripts out of the JSON of each family of Parakeet servers.

Every reader raises KeyError, TypeError or ValueError where there is no transcript.
"""

from ..models import Json, Segment, Transcript, Word

_NO_LANGUAGE = ("", "auto", "unknown")


def read_openai(document: Json) -> Transcript:
    """OpenAI's json and verbose_json."""
    if not isinstance(document, dict):
        raise TypeError("no text")
    language = document.get("language")
    return Transcript(
        text=_read_text(document),
        language=language if isinstance(language, str) and language not in _NO_LANGUAGE else None,
        segments=_read_times(document.get("segments"), "text", Segment),
        words=_read_times(document.get("words"), "word", Word),
    )


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
    return Transcript(
        text=_read_text(document),
        segments=_read_times(times.get("segment"), "segment", Segment),
        words=_read_times(times.get("word"), "word", Word),
    )


def _read_text(document: dict[str, Json]) -> str:
    text = document["text"]
    if not isinstance(text, str):
        raise TypeError("no text")
    return text.strip()


def _read_times[T: (Segment, Word)](items: Json, key: str, kind: type[T]) -> tuple[T, ...] | None:
    if not isinstance(items, list):
        return None
    return tuple(_read_time(item, key, kind) for item in items)


def _read_time[T: (Segment, Word)](item: Json, key: str, kind: type[T]) -> T:
    if isinstance(item, dict):
        text, start, end = item[key], item["start"], item["end"]
        if isinstance(text, str) and isinstance(start, int | float) and isinstance(end, int | float):
            return kind(text.strip(), float(start), float(end))
    raise TypeError(f"{kind.__name__} without text or times")


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
