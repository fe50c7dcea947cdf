"""Wyoming's protocol: an event is one line of JSON, then as many bytes of further JSON and of audio as it says."""

import json
from asyncio import StreamReader, StreamWriter
from collections.abc import Mapping

from .http import Json, number, pick, text


def write_event(writer: StreamWriter, kind: str, data: Mapping[str, Json], audio: bytes = b"") -> None:
    """Send an event."""
    header = {"type": kind, "data": data, "payload_length": len(audio)}
    writer.write(json.dumps(header).encode() + b"\n" + audio)


async def read_event(reader: StreamReader) -> tuple[str, Json]:
    """Return the kind of the next event and its data; its audio is left out. Raises IncompleteReadError at the end."""
    header: Json = json.loads(await reader.readuntil(b"\n"))
    data: Json = pick(header, "data")
    if pick(header, "data_length"):
        data = json.loads(await reader.readexactly(number(header, "data_length")))
    if pick(header, "payload_length"):
        await reader.readexactly(number(header, "payload_length"))
    return text(header, "type"), data
