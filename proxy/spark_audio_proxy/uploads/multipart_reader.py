"""Reads multipart/form-data as it arrives, parts in any order."""

import codecs
import re
from collections.abc import AsyncGenerator, AsyncIterable, Callable
from contextlib import suppress
from io import SEEK_END, BytesIO

from multipart import (
    MultipartError,
    MultipartSegment,
    ParserLimitReached,
    PushMultipartParser,
    parse_options_header,
)

from spark_audio_proxy.problems import Problem, bad_request
from spark_audio_proxy.transcode.passthrough import WavHead, read_head

from .transfer_encoding import Decoding, decoding

LARGEST_FIELD = 1 << 20
"""Bytes of any part that is not the file: prompts and keyword lists stay far below."""

LONGEST_CODE = 4
"""Bytes that stand for one, at most and with line ends: quoted-printable is only decoded once all of it is there."""

LONGEST_HEAD = 1 << 18
"""Bytes of a file within which its head is looked for."""

MOST_PARTS = 64
MOST_HEADERS = 16

_INDEX = re.compile(r"\[[0-9]*\]$")
"""How clients mark a field that has several values: `name[]`, `name[0]`."""

_FILE_NAME = re.compile(r";\s*filename\*?(\*[0-9]+\*?)?\s*=", re.IGNORECASE)
"""A file name in any of the forms of RFC 2231, all of which the parser does not read."""


def field_name(name: str) -> str:
    """Return the name of a field without the brackets of one that has several values."""
    return _INDEX.sub("", name)


class FormReader:
    """Sorts what comes into fields and the file.

    `fields` hold every value of a name, `name[]` counted as `name`; `file` is the part called so that is not empty,
    with or without a file name, `open_file` the same while it still arrives, `head` its head where it is a WAV file;
    `size` counts the bytes read. Which characters stand in file names and in fields that nothing reads makes no
    difference.
    """

    def __init__(self, content_type: str) -> None:
        """Raises Problem 400 for what is no multipart/form-data."""
        kind, options = parse_options_header(content_type)
        boundary = options.get("boundary")
        if not boundary and kind == "multipart/form-data":
            raise bad_request("The Content-Type has no boundary: let your HTTP client write it.", "file")
        if not boundary:
            raise bad_request("The request must be multipart/form-data with the recording as `file`, or JSON.", "file")
        self.fields: dict[str, list[str]] = {}
        self.file: BytesIO | None = None
        self.head: WavHead | None = None
        self.size = 0
        self._next_look = 0
        self._longest_end = len(f"\r\n--{boundary}--\r\n")
        self._name = ""
        self._value: BytesIO | None = None
        self._is_file = False
        self._decoding: Decoding | None = None
        self._coded = 0
        self._charset = "utf-8"
        try:
            # Every byte is a character of Latin-1, so that none is refused; the names that count are ASCII.
            self._parser = PushMultipartParser(
                boundary, max_segment_count=MOST_PARTS, header_charset="latin-1", max_header_count=MOST_HEADERS
            )
        except MultipartError as err:
            raise _broken(err) from err
        except UnicodeEncodeError as err:
            raise bad_request("The boundary in Content-Type is not UTF-8.") from err

    @property
    def open_file(self) -> BytesIO | None:
        """Return the file as far as it has arrived, while it does, not to be changed; None of one that came coded."""
        is_open = self._is_file and self._name == "file" and self.file is None and self._decoding is None
        return self._value if is_open else None

    def feed(self, chunk: bytes) -> None:
        """Take what came. Raises Problem: 400 where it is no form, 413 where a field is too large."""
        self.size += len(chunk)
        try:
            for event in self._parser.parse(chunk):
                self._take(event)
        except MultipartError as err:
            raise _broken(err) from err
        if self.head is None and (file := self.open_file):
            self._look_for_head(file)

    def _look_for_head(self, file: BytesIO) -> None:
        """Look each time that the file is twice as long as at the last look, so that looking costs no more than it.

        The first look may come late: a fast caller's file is there before its form is read.
        """
        if file.tell() < self._next_look or self._next_look > LONGEST_HEAD:
            return
        self._next_look = 2 * file.tell()
        # What is wrong with it is told once it is decoded.
        with suppress(ValueError):
            self.head = read_head(memoryview(file.getvalue()))

    def close(self) -> None:
        """Nothing more comes. Raises Problem 400 where something is missing."""
        try:
            self._parser.close()
        except MultipartError as err:
            raise _broken(err) from err

    def ends_with_file(self, file_size: int, length: int) -> bool:
        """Return whether nothing can follow the open file, which has `file_size` bytes, in a form of `length` bytes.

        The sizes tell: what is left is too short for another part, even with what the parser may have kept of it.
        """
        to_come = file_size - (self._value.tell() if self._value else 0)
        return to_come >= 0 and 0 <= length - self.size - to_come <= self._longest_end

    async def rest_of_file(self, file_size: int, chunks: AsyncIterable[bytes]) -> AsyncGenerator[bytes]:
        """Yield the rest of the open file: as much as is missing of `file_size` bytes, after `ends_with_file`.

        A header that is wrong by a few bytes is forgiven as in a file that is held: what is behind its samples is no
        sound, and those that are missing are silence. Raises Problem 400 where the form does not end there.
        """
        left = file_size - (self._value.tell() if self._value else 0)
        async for chunk in chunks:
            for piece in self._pieces(chunk):
                if left:
                    yield piece[:left]
                    left -= min(left, len(piece))
        self.close()
        if left > self._longest_end:
            message = f"The recording has {file_size - left} bytes, not {file_size} as its header says."
            raise bad_request(message, "file", "invalid_audio")
        if left:
            yield bytes(left)

    def _pieces(self, chunk: bytes) -> list[bytes]:
        """Return what a chunk holds of the open file, and nothing but that."""
        try:
            events = list(self._parser.parse(chunk))
        except MultipartError as err:
            raise _broken(err) from err
        if any(isinstance(event, MultipartSegment) for event in events):
            raise bad_request("The recording is shorter than its header says.", "file", "invalid_audio")
        return [bytes(event) for event in events if isinstance(event, bytes | bytearray)]

    def _take(self, event: MultipartSegment | bytes | bytearray | None) -> None:
        if isinstance(event, MultipartSegment):
            self._name = field_name(event.name)
            self._is_file = self._name == "file" or bool(_FILE_NAME.search(event.header("Content-Disposition", "")))
            self._value = BytesIO()
            self._charset = _charset(event.header("Content-Type", ""))
            self._decoding, self._coded = self._decoding_of(event.header("Content-Transfer-Encoding", "")), 0
        elif event is None:
            self._end_part()
        elif self._value is not None:
            self._add(self._value, event if self._decoding is None else self._decoded(self._decoding.feed, event))
            self._coded += len(event)
            if self._decoding is not None and not self._is_file and self._coded > LONGEST_CODE * LARGEST_FIELD:
                raise self._too_large()

    def _decoding_of(self, name: str) -> Decoding | None:
        try:
            return decoding(name, is_file=self._is_file)
        except ValueError as err:
            raise bad_request(str(err), self._name) from err

    def _decoded(self, decode: Callable[..., bytes], *piece: bytes | bytearray) -> bytes:
        try:
            return decode(*piece)
        except ValueError as err:
            raise bad_request(
                f"{self._name!r} is not coded as its Content-Transfer-Encoding says.", self._name
            ) from err

    def _add(self, value: BytesIO, piece: bytes | bytearray) -> None:
        size = value.tell()
        if not self._is_file and size + len(piece) > LARGEST_FIELD:
            raise self._too_large()
        if size:
            value.write(piece)
        else:
            # Made from bytes it shares them; most values come in one piece.
            self._value = BytesIO(piece)
            self._value.seek(0, SEEK_END)

    def _too_large(self) -> Problem:
        return Problem(413, f"The field {self._name!r} exceeds {LARGEST_FIELD} bytes.", self._name)

    def _end_part(self) -> None:
        if self._decoding is not None and self._value is not None:
            self._add(self._value, self._decoded(self._decoding.close))
        value, self._value = self._value, None
        if value is None:
            return
        if self._is_file:
            if self._name == "file" and (value.tell() or self.file is None):
                if self.file is not None and len(self.file.getbuffer()):
                    raise bad_request("The form holds two recordings: send one as `file`.", "file")
                value.seek(0)
                self.file = value
            return
        # A field that is read refuses what it does not know; in all others a character of Latin-1 does no harm.
        self.fields.setdefault(self._name, []).append(value.getvalue().decode(self._charset, "replace"))


_CHARSETS = re.compile(
    r"utf-?8|utf-?16(?:-?[bl]e)?|(?:us-)?ascii|iso-?8859-\d{1,2}|latin-?\d|(?:windows-|cp)125\d", re.IGNORECASE
)
"""Those that clients write in. Of the other names that Python knows, some take time in the square of the bytes."""


def _charset(content_type: str) -> str:
    """Return the charset that a field is written in: UTF-8 where none is told, or one that is not known."""
    name = parse_options_header(content_type)[1].get("charset", "") if ";" in content_type else ""
    if _CHARSETS.fullmatch(name):
        with suppress(LookupError):
            return codecs.lookup(name).name
    return "utf-8"


def _broken(err: MultipartError) -> Problem:
    if isinstance(err, ParserLimitReached):
        return bad_request(f"The upload is not a form of at most {MOST_PARTS} parts, each with a few short headers.")
    return bad_request("The upload is incomplete or not a form.")
