"""Requests that no HTTP library would send."""

import asyncio
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as it came over the wire."""

    status: int
    head: str
    body: str


async def ask(url: str, request: bytes) -> Answer:
    """Send these bytes and read until the connection is closed: `Connection: close` belongs into them."""
    host, _, port = url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request)
    answer = (await reader.read()).decode()
    writer.close()
    await writer.wait_closed()
    head, _, body = answer.partition("\r\n\r\n")
    return Answer(int(head.split(" ")[1]), head, body)


def request(method: str, path: str, *headers: str, body: bytes = b"") -> bytes:
    """A request line, Host and Connection, then these headers, letter by letter."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", "Connection: close", *headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body
