"""Read the form in a request's body into memory: nothing of a voice touches the disk."""

from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import BodyPartReader, web

from .refusals import Refusal


@dataclass(frozen=True, slots=True)
class Form:
    """What the fields held: text by name, in order, and the uploaded files."""

    texts: Mapping[str, tuple[str, ...]]
    files: Mapping[str, bytearray]

    def text(self, name: str) -> str | None:
        """Return the last text of that name, None where there is none or it is empty."""
        return (self.texts.get(name) or (None,))[-1] or None


async def read_form(request: web.Request, limit: int) -> Form:
    """Read a multipart or URL-encoded form of at most `limit` bytes; a body of another type is an empty form.

    Raises Refusal: 400 where the form is damaged, 413 where it is larger.
    """
    if (request.content_length or 0) > limit:
        raise _too_large(limit)
    try:
        if request.content_type == "multipart/form-data":
            return await _read_multipart(request, limit)
        if request.content_type == "application/x-www-form-urlencoded":
            fields = await request.post()
            return Form({name: tuple(map(str, fields.getall(name))) for name in fields}, {})
    except ValueError as err:
        raise Refusal(400, "The form in the request's body is damaged.") from err
    return Form({}, {})


async def _read_multipart(request: web.Request, limit: int) -> Form:
    texts: dict[str, tuple[str, ...]] = {}
    files: dict[str, bytearray] = {}
    left = limit
    async for part in await request.multipart():
        if not isinstance(part, BodyPartReader) or part.name is None:
            raise Refusal(400, "The form has a part that is no field.")
        content = bytearray()
        while chunk := await part.read_chunk():
            left -= len(chunk)
            if left < 0:
                raise _too_large(limit)
            content += chunk
        if part.filename is None:
            texts[part.name] = (*texts.get(part.name, ()), content.decode())
        else:
            files[part.name] = content
    return Form(texts, files)


def _too_large(limit: int) -> Refusal:
    return Refusal(413, f"The request's body is larger than {limit} bytes.")
