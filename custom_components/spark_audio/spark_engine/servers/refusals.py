"""What an answer that is an error says: which error it stands for, in the server's own words, without secrets."""

import re
from collections.abc import Callable
from http import HTTPStatus

from ..errors import Busy, Rejected, ServerFault, SparkError, Unauthorized
from ..models import Json
from .documents import read_answer
from .faults import gpu_fault

_LONGEST_MESSAGE = 200

_LONGEST_WAIT = 86_400.0
"""Seconds that a server may ask for before it is tried again; more is no promise."""

type Hide = Callable[[str], str]
"""Takes a secret out of a text that is shown to people, or logged."""


def hiding(secret: str | None) -> Hide:
    """Return what puts `...` for a secret, however it is spelt: some servers repeat the token that they refuse."""
    if not secret:
        return lambda text: text
    pattern = re.compile("".join(map(_spellings, secret)), re.IGNORECASE)
    return lambda text: pattern.sub("...", text)


def _spellings(char: str) -> str:
    """Return a pattern for a character as it is, and as it stands in JSON and in URLs."""
    encoded = "".join(f"%{byte:02x}" for byte in char.encode())
    return rf"(?:\\?{re.escape(char)}|\\u{ord(char):04x}|{encoded})"


def error_for(status: int, retry_after: str, data: bytes, hide: Hide, location: str = "") -> SparkError:
    """Return the error that an answer of status 300 or more stands for; `hide` takes the token out of its text.

    `retry_after` is the header as it came. The reason phrase tells nothing that the status does not.
    """
    seconds = _seconds(retry_after)
    text = data[: 1 << 16].decode("utf-8", "replace")
    try:
        document = read_answer(text.encode())
    except ValueError:
        document = None if text.lstrip().startswith("<") else text
    said = _said(hide(_message(document))) or phrase(status) or "no reason given"
    # A validation error repeats the caller's own words, which may be about anything.
    if fault := gpu_fault(said if _is_validation(document) else text, said, status, seconds):
        return fault
    if status in (401, 403):
        return Unauthorized(f"The server refuses the key ({status}): {said}", status=status, said=said)
    if status in (429, 503):
        message = f"The server is busy ({status}): {said}"
        return Busy(message, status=status, said=said, retry_after=seconds)
    if status >= 500:
        return ServerFault(f"The server failed ({status}): {said}", status=status, said=said)
    if status < 400:
        message = f"The server redirects ({status}); give the URL that it redirects to."
        return Rejected(message, status=status, said=hide(location)[:_LONGEST_MESSAGE])
    return Rejected(f"The server refuses the request ({status}): {said}", status=status, said=said)


def _is_validation(document: Json) -> bool:
    """Return whether FastAPI refuses the request itself: it lists what is wrong, with the input."""
    match document:
        case {"detail": [{"loc": _}, *_]}:
            return True
    return False


def _seconds(value: str) -> float | None:
    seconds = float(value) if value.isdecimal() else None
    return seconds if seconds is not None and seconds <= _LONGEST_WAIT else None


def phrase(status: int) -> str:
    """Return what a status means, empty for one that is in no standard."""
    return HTTPStatus(status).phrase if status in HTTPStatus else ""


def _said(message: str) -> str:
    """Return the server's own sentence on one line."""
    return " ".join(message.split())[:_LONGEST_MESSAGE]


def _message(document: Json) -> str:
    """Return the server's own text, from any of the shapes that servers use."""
    match document:
        case str():
            return document
        case {"error": {"message": str(message)}} | {"detail": str(message)} | {"error": str(message)}:
            return message
        case {"message": str(message)} | {"detail": [{"msg": str(message)}, *_]}:
            return message
    return ""
