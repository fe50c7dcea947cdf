"""Parts of a form that came coded, as mail has them: old clients write `Content-Transfer-Encoding` (RFC 7578, 4.7)."""

from base64 import b64decode
from binascii import a2b_qp

SPACE = b" \t\r\n\v\f"

URL_SAFE = bytes.maketrans(b"-_", b"+/")
"""RFC 4648, 5."""

PLAIN = ("", "7bit", "8bit", "binary")
"""Names that stand for no coding."""


class Base64:
    """Decodes base64 or base64url as it comes, wrapped or not, padded or not."""

    def __init__(self) -> None:
        """Nothing has come yet."""
        self._rest = b""

    def feed(self, piece: bytes | bytearray) -> bytes:
        """Return what became complete. Raises ValueError for what is no base64."""
        data = self._rest + piece.translate(URL_SAFE, SPACE)
        # What is behind the first padding is no whole group, and left to the end.
        padding = data.find(b"=")
        end = (len(data) if padding < 0 else padding) // 4 * 4
        self._rest = data[end:]
        if len(self._rest) > 4:
            raise ValueError("data behind the padding")
        return b64decode(data[:end], validate=True)

    def close(self) -> bytes:
        """Return the rest. Raises ValueError where that is no base64, or cut."""
        rest = self._rest.rstrip(b"=")
        return b64decode(rest + b"=" * (-len(rest) % 4), validate=True)


class QuotedPrintable:
    """Decodes quoted-printable (RFC 2045, 6.7), once all of it is there."""

    def __init__(self) -> None:
        """Nothing has come yet."""
        self._data = bytearray()

    def feed(self, piece: bytes | bytearray) -> bytes:
        """Return nothing yet."""
        self._data += piece
        return b""

    def close(self) -> bytes:
        """Return all of it."""
        return a2b_qp(bytes(self._data))


type Decoding = Base64 | QuotedPrintable


def decoding(name: str, *, is_file: bool) -> Decoding | None:
    """Return what decodes a part with that Content-Transfer-Encoding, None where it is as it comes.

    Raises ValueError, with a sentence for the user, where it is not known, or where a file has it and may not.
    """
    match name.partition(";")[0].strip().lower():
        case plain if plain in PLAIN:
            return None
        case "base64":
            return Base64()
        case "quoted-printable" if not is_file:
            return QuotedPrintable()
    kind = "files" if is_file else "fields"
    raise ValueError(f"The Content-Transfer-Encoding {name[:40]!r} is not taken of {kind}: send the bytes as they are.")
