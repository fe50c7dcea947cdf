"""Read an upload: multipart or JSON, chunked or not, and no further than there is room for it."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO

from aiohttp import web
from multipart import parse_options_header
from spark_engine.models import Json
from spark_engine.servers import documents
from spark_engine.speech.language import read_language

from spark_audio_proxy.app_state import SETTINGS, UPLOADS
from spark_audio_proxy.problems import Problem, bad_request
from spark_audio_proxy.transcode.passthrough import WavHead

from .admission import SMALL, Share
from .audio_in_json import decode_audio
from .multipart_reader import FormReader, field_name
from .windows import bytes_in

IN_JSON = 3
"""How many times audio in JSON is in memory: as the body, as text, and as what the text stands for."""

BEGINNING = 1 << 16
"""Bytes of a large upload that are read before it waits for room: they tell what it is."""

UPLOAD_PAUSE = 30.0
"""Seconds without a byte after which an upload is given up: a slow phone manages, a stalled one must not hold on."""

LONGEST_UPLOAD = 1800.0
"""Seconds spent waiting for an upload in all, so that a byte every now and then cannot go on for ever."""

SLOWEST_UPLOAD = 32 << 10
"""Bytes a second below which one of known length is given up sooner than that: room for all of it is kept meanwhile."""

type LetIn = Callable[[FormReader], Awaitable[int | None]]
"""Called after each chunk, may wait: the size of the file in bytes where the rest of it need not be held, else None."""


@dataclass(frozen=True, slots=True)
class Upload:
    """The file of a form: `data` is all of it where `rest` is None, until a decoder has it.

    Else it is WAV that passes as it is, `head` tells what is to come, and `rest` yields it.
    """

    data: BytesIO
    head: WavHead | None = None
    rest: AsyncGenerator[bytes] | None = None


@dataclass(frozen=True, slots=True)
class Form:
    """A form as it came. `fields` hold every value of a name, `name[]` counted as `name`."""

    fields: dict[str, list[str]] = field(default_factory=dict)
    upload: Upload | None = None

    def first(self, name: str) -> str | None:
        """Return the first value of a field that is not empty, without the line ends of a file it was read from."""
        return next(filter(None, map(str.strip, self.fields.get(name, ()))), None)


@asynccontextmanager
async def received_form(request: web.Request) -> AsyncGenerator[Form]:
    """The form in a request, multipart or JSON with `input_audio`; its bytes count as in flight until the end.

    Raises Problem: 400 for what is no form or is cut, 413 when too large, 408 when stalled, 429 when there is no room.
    """
    app, headers, length = request.app, request.headers, body_length(request)
    settings = app[SETTINGS]
    chunks = body_chunks(request, settings.max_upload)
    with app[UPLOADS].share() as share:
        content_type = headers.get("Content-Type", "")
        # aiohttp's own reading takes half a millisecond where each request has another boundary.
        if parse_options_header(content_type)[0] == "application/json":
            yield read_form_in_json(await read_whole(chunks, share, length))
            return
        let_in = partial(_let_in, share, length, bytes_in(settings.window))
        yield await read_form(content_type, chunks, let_in)


async def _let_in(share: Share, length: int | None, window: int, reader: FormReader) -> int | None:
    """Wait until there is room for what is to come of a body of `length` bytes. As `LetIn`.

    WAV at the end of its form goes on to Parakeet while it comes. Of several windows, room for two is enough.
    """
    if share.size >= (reader.size if length is None else length):
        return None
    if length is None:
        await share.grow(SMALL if reader.size <= SMALL else reader.size + SMALL)
        return None
    size = _flowing(reader, length)
    if size is None and reader.size <= BEGINNING:
        await share.grow(min(length, BEGINNING))
        return None
    in_windows = size is not None and size > 2 * window
    await share.grow(max(2 * window, reader.size) if in_windows else length)
    # Between one window and two, holding it takes no more room, and it is cut where it would be cut as a whole.
    return size if size is not None and (in_windows or size <= window) else None


def _flowing(reader: FormReader, length: int) -> int | None:
    """Return the size in bytes of a file that needs no decoding and that no field follows."""
    size = reader.head.file_size if reader.head else None
    return size if size and reader.ends_with_file(size, length) else None


async def _all(_: FormReader) -> int | None:
    return None


async def read_form(content_type: str, chunks: AsyncIterable[bytes], let_in: LetIn = _all) -> Form:
    """Read multipart/form-data as it comes. Raises Problem 400 for what is no form or is cut."""
    reader = FormReader(content_type)
    async for chunk in chunks:
        reader.feed(chunk)
        if (size := await let_in(reader)) and (data := reader.open_file):
            return Form(reader.fields, Upload(data, reader.head, reader.rest_of_file(size, chunks)))
    reader.close()
    return Form(reader.fields, Upload(reader.file, reader.head) if reader.file else None)


async def read_whole(chunks: AsyncIterable[bytes], share: Share, length: int | None) -> bytearray:
    """Return a JSON body of `length` bytes, where that is known, once there is room for it and what it stands for."""
    body = bytearray()
    async for chunk in chunks:
        body += chunk
        await share.grow(IN_JSON * max(len(body), length or 0))
    return body


def read_json(body: bytes | bytearray) -> Json:
    """Return the decoded body. Raises Problem 400 for what is no JSON, too deep or too much of it."""
    try:
        return documents.read_json(body)
    except ValueError as err:
        raise bad_request(f"The body cannot be read. {err}") from err


def wanted_language(value: Json) -> str | None:
    """Return the tag of the language that is asked for, None for any. Raises Problem 400 for what is no language."""
    try:
        match value:
            case None:
                return None
            case str():
                return read_language(value)
    except ValueError:
        pass
    raise bad_request("`language` must be a language, such as en, en-US or English.", "language")


_AUDIO = ("input_audio", "file")


def read_form_in_json(body: bytearray) -> Form:
    """Return the form in a JSON body: the audio in base64, as `input_audio` (OpenRouter, Open WebUI) or `file`."""
    document = read_json(body)
    # What the audio is decoded to takes its place.
    body.clear()
    audios = [document[name] for name in _AUDIO if document.get(name) is not None] if isinstance(document, dict) else []
    if len(audios) > 1:
        raise bad_request("The body holds two recordings, `input_audio` and `file`: send one.", "input_audio")
    audio = audios[0] if audios else None
    data = audio.get("data") if isinstance(audio, dict) else audio
    if not isinstance(document, dict) or not isinstance(data, str):
        raise bad_request('The body must hold {"input_audio": {"data": base64}}.', "input_audio")
    try:
        file = BytesIO(decode_audio(data))
    except ValueError as err:
        raise bad_request("`input_audio.data` is not base64.", "input_audio") from err
    fields: dict[str, list[str]] = {}
    for name, value in document.items():
        if name not in _AUDIO:
            fields.setdefault(field_name(name), []).extend(_texts(value))
    return Form(fields, Upload(file))


def _texts(value: Json) -> list[str]:
    match value:
        case None:
            return []
        case bool():
            return [str(value).lower()]
        case list():
            return [text for item in value for text in _texts(item)]
    return [str(value)]


def body_length(request: web.Request) -> int | None:
    """Return the bytes of the body once it is unpacked, None where that is not known."""
    return None if "Content-Encoding" in request.headers else request.content_length


async def body_chunks(request: web.Request, limit: int) -> AsyncGenerator[bytes]:
    """Yield the body as it comes, unpacked where it came packed (Content-Encoding). None of the chunks is empty.

    Raises Problem: 413 as soon as it is known to exceed `limit` bytes, 408 when it stalls, 400 when it is damaged.
    """
    too_large = Problem(413, f"Maximum content size limit ({limit} bytes) exceeded.", "file", "content_too_large")
    content, length = request.content, request.content_length
    if length is not None and length > limit:
        raise too_large
    size, clock = 0, asyncio.get_running_loop().time
    longest = LONGEST_UPLOAD if length is None else min(LONGEST_UPLOAD, UPLOAD_PAUSE + length / SLOWEST_UPLOAD)
    left = longest
    while not content.at_eof():
        try:
            if not (chunk := content.read_nowait()):
                before = clock()
                async with asyncio.timeout(min(UPLOAD_PAUSE, left)):
                    chunk = await content.readany()
                left -= clock() - before
        except TimeoutError as err:
            why = f"stalled for {UPLOAD_PAUSE:.0f} s" if left > UPLOAD_PAUSE else f"took longer than {longest:.0f} s"
            raise Problem(408, f"The upload {why}.", code="upload_timeout") from err
        except web.RequestPayloadError as err:
            raise bad_request("The body is damaged: it is not coded as its headers say.") from err
        size += len(chunk)
        if size > limit:
            raise too_large
        if chunk:
            yield chunk
