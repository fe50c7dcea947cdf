"""Recordings uploaded in forms, and the answers to them."""

import json
from typing import cast

from aiohttp import FormData

from tests.helpers.proxy.running_proxy import Proxy

type Reply = tuple[int, str, bytes]


async def send(proxy: Proxy, form: FormData, path: str = "/v1/audio/transcriptions") -> Reply:
    """Status, Content-Type and body."""
    async with proxy.client.post(proxy.url + path, data=form) as response:
        return response.status, response.headers["Content-Type"].partition(";")[0], await response.read()


def upload(audio: bytes, name: str = "audio.wav", **fields: str) -> FormData:
    """A form with the file first and fields after it."""
    form = FormData()
    form.add_field("file", audio, filename=name)
    for key, value in ({"model": "whisper-1"} | fields).items():
        form.add_field(key, value)
    return form


def part(name: str, value: bytes, file_name: str | None = None, *headers: str) -> bytes:
    """One part, as browsers write it, with more headers if there are any."""
    disposition = f'form-data; name="{name}"' + (f'; filename="{file_name}"' if file_name else "")
    head = "\r\n".join(("--x1", f"Content-Disposition: {disposition}", *headers, "", ""))
    return head.encode() + value + b"\r\n"


def error_in(body: bytes) -> dict[str, str]:
    """OpenAI's error object."""
    error = cast(dict[str, str], json.loads(body)["error"])
    assert set(error) == {"message", "type", "param", "code"}
    return error
