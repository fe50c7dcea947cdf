"""JSON of others, within bounds: reading it costs time and memory in proportion to its bytes, whatever is in it."""

import json
import re
from itertools import accumulate

from ..models import Json

MOST_VALUES = 1 << 18
"""Values in a document: an empty list takes three bytes there and a hundred in memory."""

MOST_DEPTH = 64
"""Lists and objects within each other: the parser, and what reads the document, call themselves for each."""

_QUOTES = 8 * MOST_VALUES
"""Quotation marks in a document: four for a name and its value, and as many within texts."""

_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))

_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]|\xed[\xa0-\xbf]")
"""Half of a pair in JSON, escaped or as bytes; the other half may follow."""

_STEPS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}


def read_json(data: bytes | bytearray) -> Json:
    """Return the document, in UTF-8. Raises ValueError with a sentence: no JSON, too many values, nested too deep."""
    if sum(map(data.count, (b"[", b"{", b","))) > MOST_VALUES or data.count(b'"') > _QUOTES:
        raise ValueError(f"It holds more than {MOST_VALUES} values.")
    if _depth(data) > MOST_DEPTH:
        raise ValueError("It is nested too deeply.")
    try:
        # Not left to the parser, which takes other encodings as well: in those, other bytes are brackets.
        document: Json = json.loads(data.decode("utf-8-sig", "surrogatepass"))
    except json.JSONDecodeError as err:
        raise ValueError(f"It is not valid JSON: see line {err.lineno}, column {err.colno}.") from err
    except ValueError as err:
        raise ValueError("It is not valid JSON.") from err
    return document


def read_answer(data: bytes) -> Json:
    """Return a JSON document, lone surrogates in it replaced: no text can be sent on with one. Raises ValueError."""
    document = read_json(data)
    if _SURROGATE.search(data):
        document = read_json(json.dumps(document, ensure_ascii=False).encode("utf-8", "replace"))
    return document


def _depth(data: bytes | bytearray) -> int:
    """Return how deep lists and objects are within each other, or a bound that is low enough."""
    if (opened := data.count(b"[") + data.count(b"{")) <= MOST_DEPTH:
        return opened
    brackets = _outside_texts(data).translate(None, _NOT_BRACKETS)
    # More than are opened are no JSON: the parser stops at the first one.
    return max(accumulate(map(_STEPS.__getitem__, brackets[: 2 * MOST_VALUES])), default=0)


def _outside_texts(data: bytes | bytearray) -> bytes:
    """Return what stands between texts, whose brackets do not count."""
    if b"\\" in data:
        data = data.replace(b"\\\\", b"").replace(b'\\"', b"")
    return b"".join(data.split(b'"')[::2])
