"""JSON answers of other programs: a type for them, and a way in that says what is missing."""

from collections.abc import Mapping, Sequence

from .errors import DemoError

type Json = str | int | float | bool | Sequence[Json] | Mapping[str, Json] | None


def pick(answer: Json, *path: str) -> Json:
    """The value at `path`, or None where the path ends early."""
    for key in path:
        if not isinstance(answer, Mapping):
            return None
        answer = answer.get(key)
    return answer


def text(answer: Json, *path: str) -> str:
    """The string at `path`; DemoError if there is none."""
    value = pick(answer, *path)
    if not isinstance(value, str):
        raise DemoError(f"An answer lacks {'.'.join(path) or 'its text'}: {answer!r:.300}")
    return value


def items(answer: Json, *path: str) -> Sequence[Json]:
    """The list at `path`; DemoError if there is none."""
    value = pick(answer, *path)
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise DemoError(f"An answer lacks the list {'.'.join(path)}: {answer!r:.300}")
    return value
