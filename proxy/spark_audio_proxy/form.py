"""Read an upload: multipart in any part order, chunked or not, the file held in memory exactly once."""

import asyncio
import base64
import json
from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from io import BytesIO

from aiohttp import web
from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header
from spark_engine.transport import Json

from .keys import SETTINGS, UPLOADS
from .problems import Problem, bad_request

LARGEST_FIELD = 1 << 20
"""Bytes of any part that is not the file: prompts and keyword lists stay far below."""

MOST_PARTS = 64
UPLOAD_PAUSE = 30.0
"""Seconds without a byte after which an upload is given up: a slow phone manages, a stalled one must not hold on."""


@dataclass
class Form:
    """A form as it came. `fields` hold every value of a name, `name[]` counted as `name`."""

    fields: dict[str, list[str]] = field(default_factory=dict)
    file: BytesIO | None = None

    def first(self, name: str) -> str | None:
        """The first value of a field that is not empty."""
        return next((value for value in self.fields.get(name, ()) if value), None)


@asynccontextmanager
async def received_form(request: web.Request) -> AsyncGenerator[Form]:
    """The form in a request, multipart or JSON with `input_audio`; its bytes count as in flight until the end.

    Raises Problem: 400 for what is no form or is cut, 413 when too large, 408 when stalled, 429 when too many are held.
    """
    uploads, held = request.app[UPLOADS], 0

    async def chunks() -> AsyncGenerator[bytes]:
        nonlocal held
        async for chunk in body_chunks(request, request.app[SETTINGS].max_upload):
            uploads.hold(len(chunk))
            held += len(chunk)
            yield chunk

    try:
        if request.content_type == "application/json":
            yield _read_json(b"".join([chunk async for chunk in chunks()]))
        else:
            yield await read_form(request.headers.get("Content-Type", ""), chunks())
    finally:
        uploads.release(held)


async def read_form(content_type: str, chunks: AsyncIterable[bytes]) -> Form:
    """Read multipart/form-data as it comes. Raises Problem 400 for what is no form or is cut."""
    boundary = parse_options_header(content_type)[1].get("boundary")
    if not boundary:
        raise bad_request("The request must be multipart/form-data with the recording as `file`, or JSON.", "file")
    reader = _FormReader()
    try:
        with PushMultipartParser(
            boundary, max_segment_count=MOST_PARTS, header_charset="utf8", max_header_count=16
        ) as parser:
            async for chunk in chunks:
                for event in parser.parse(chunk):
                    reader.take(event)
    except MultipartError as err:
        raise bad_request(f"The upload is incomplete or not a form: {err}.") from err
    return reader.form


def _read_json(body: bytes) -> Form:
    """The JSON way of asking, as OpenRouter's clients and Open WebUI can: the audio in base64."""
    try:
        document: Json = json.loads(body)
    except ValueError as err:
        raise bad_request(f"The body is not valid JSON: {err}.") from err
    audio = document.get("input_audio") if isinstance(document, dict) else None
    data = audio.get("data") if isinstance(audio, dict) else None
    if not isinstance(document, dict) or not isinstance(data, str):
        raise bad_request('The body must hold {"input_audio": {"data": base64}}.', "input_audio")
    try:
        file = BytesIO(base64.b64decode(data, validate=True))
    except ValueError as err:
        raise bad_request("`input_audio.data` is not base64.", "input_audio") from err
    fields = {name.removesuffix("[]"): _texts(value) for name, value in document.items() if name != "input_audio"}
    return Form(fields, file)


def _texts(value: Json) -> list[str]:
    match value:
        case None:
            return []
        case bool():
            return [str(value).lower()]
        case list():
            return [text for item in value for text in _texts(item)]
    return [str(value)]


async def body_chunks(request: web.Request, limit: int) -> AsyncGenerator[bytes]:
    """The body as it comes. Raises Problem 413 as soon as it is known to exceed `limit` bytes, 408 when it stalls."""
    too_large = Problem(413, f"Maximum content size limit ({limit} bytes) exceeded.", "file", "content_too_large")
    if request.content_length is not None and request.content_length > limit:
        raise too_large
    size = 0
    while True:
        try:
            async with asyncio.timeout(UPLOAD_PAUSE):
                chunk = await request.content.readany()
        except TimeoutError as err:
            raise Problem(408, f"The upload stalled for {UPLOAD_PAUSE:.0f} s.", code="upload_timeout") from err
        if not chunk:
            return
        size += len(chunk)
        if size > limit:
            raise too_large
        yield chunk


class _FormReader:
    """Sorts the parser's events into a form."""

    def __init__(self) -> None:
        self.form = Form()
        self._name = ""
        self._value: BytesIO | None = None
        self._is_file = False

    def take(self, event: MultipartSegment | bytes | bytearray | None) -> None:
        if isinstance(event, MultipartSegment):
            self._name = event.name.removesuffix("[]")
            self._is_file = event.filename is not None
            self._value = BytesIO()
        elif event is None:
            self._end_part()
        elif self._value is not None:
            if not self._is_file and self._value.tell() + len(event) > LARGEST_FIELD:
                raise Problem(413, f"The field {self._name!r} exceeds {LARGEST_FIELD} bytes.", self._name)
            self._value.write(event)

    def _end_part(self) -> None:
        value, self._value = self._value, None
        if value is None:
            return
        if self._is_file:
            if self._name == "file" and self.form.file is None:
                value.seek(0)
                self.form.file = value
            return
        try:
            text = value.getvalue().decode()
        except UnicodeDecodeError as err:
            raise bad_request(f"The field {self._name!r} is not UTF-8.", self._name) from err
        self.form.fields.setdefault(self._name, []).append(text)
