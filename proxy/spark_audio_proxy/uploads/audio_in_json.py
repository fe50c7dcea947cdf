"""Audio in base64, in every way in which clients write it."""

import re
from base64 import b64decode
from urllib.parse import unquote_to_bytes

from .transfer_encoding import SPACE, URL_SAFE

_DATA_URL = re.compile(r"\s*data:[^\r\n]{0,200}?;\s*base64\s*,", re.IGNORECASE)
"""A browser's own has commas in its type: `data:video/webm;codecs=vp8,opus;base64,...`."""


def decode_audio(text: str) -> bytes:
    """Return what a text stands for: base64 or base64url, wrapped or not, padded or not, alone or in a data URL.

    Raises ValueError for anything else.
    """
    url = _DATA_URL.match(text)
    data = text[url.end() :].encode("ascii") if url else text.encode("ascii")
    if url and b"%" in data:
        data = unquote_to_bytes(data)
    data = data.translate(URL_SAFE, SPACE).rstrip(b"=")
    return b64decode(data + b"=" * (-len(data) % 4), validate=True)
