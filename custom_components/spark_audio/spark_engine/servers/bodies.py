"""What is sent: JSON, or a form with a file that may still be coming."""

import asyncio
import json
import secrets
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from ..models import Json

JOINED = 1 << 20
"""Bytes of a request body up to which its parts are joined, so that a voice turn goes out in one send."""


class Incoming(Protocol):
    """Bytes that are still being received, of a length that is known: as `IncomingAudio`."""

    size: int

    def blocks(self) -> AsyncGenerator[bytes]:
        """All of them from the first one on, however often they are asked for."""


@dataclass(frozen=True, slots=True)
class Body:
    """A request body and its Content-Type, in parts that are sent one after the other."""

    content_type: str
    parts: tuple[bytes | Incoming, ...]

    @property
    def size(self) -> int:
        """Bytes of the whole body."""
        return sum(len(part) if isinstance(part, bytes) else part.size for part in self.parts)

    @property
    def data(self) -> bytes:
        """The whole body in one piece. Raises ValueError where some of it is still to come."""
        there = [part for part in self.parts if isinstance(part, bytes)]
        if len(there) < len(self.parts):
            raise ValueError("a part of this body is still to come")
        return b"".join(there)

    def payload(self) -> bytes | AsyncGenerator[bytes]:
        """The body in one piece where it is small and all there, else bit by bit."""
        is_there = all(isinstance(part, bytes) for part in self.parts)
        return self.data if is_there and self.size <= JOINED else self._in_turn()

    async def _in_turn(self) -> AsyncGenerator[bytes]:
        for part in self.parts:
            if isinstance(part, bytes):
                yield part
            else:
                async for block in part.blocks():
                    yield block
            # Connections that were closed meanwhile show it now, so that a repeat does not take another one of them.
            await asyncio.sleep(0)


@dataclass(frozen=True, slots=True)
class FilePart:
    """A file in a form: `header`, then `data`, which is not copied and may still be coming."""

    name: str
    file_name: str
    content_type: str
    data: bytes | Incoming = field(repr=False)
    header: bytes = field(default=b"", repr=False)


def json_body(document: Mapping[str, Json]) -> Body:
    """A JSON request."""
    return Body("application/json", (json.dumps(document).encode(),))


def form_body(fields: Mapping[str, str], file: FilePart | None = None) -> Body:
    """A multipart/form-data request, built by hand: a tenth of the time of a general form writer.

    Names and file names are ours, never a caller's; values may hold anything, the boundary is random.
    """
    boundary = secrets.token_hex(16)
    content_type = f"multipart/form-data; boundary={boundary}"
    start = "".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    )
    end = f"--{boundary}--\r\n"
    if file is None:
        return Body(content_type, ((start + end).encode(),))
    start += (
        f'--{boundary}\r\nContent-Disposition: form-data; name="{file.name}"; filename="{file.file_name}"\r\n'
        f"Content-Type: {file.content_type}\r\n\r\n"
    )
    return Body(content_type, (start.encode() + file.header, file.data, f"\r\n{end}".encode()))
