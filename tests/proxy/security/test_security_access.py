"""Who may ask for what: the table of docs/security.md, row by row, and no endpoint that it leaves out."""

import re
from collections.abc import Iterator
from typing import Unpack

import pytest
from aiohttp import web
from spark_audio_proxy import __main__, streamed_answer
from spark_audio_proxy.api import relay
from spark_audio_proxy.api.speech import LARGEST_REQUEST
from spark_audio_proxy.config import Settings
from spark_audio_proxy.realtime.limits import Limits
from spark_audio_proxy.transcode import decoder, decoders, libav_limits
from spark_audio_proxy.transcode.decode import SAMPLE_RATES
from spark_audio_proxy.uploads import admission as limits
from spark_audio_proxy.uploads import form, streamed_upload
from spark_audio_proxy.uploads import multipart_reader as form_reader
from spark_engine.models import HIGHEST_RATE, LOWEST_RATE
from spark_engine.servers import documents, probe, transport
from spark_engine.servers.magpie import LARGEST_SPEECH
from spark_engine.speech.speaking import MOST_UNHEARD

from tests.helpers.proxy.running_proxy import Proxy, StartProxy
from tests.helpers.proxy.settings import ProxySettings
from tests.helpers.repository import ROOT

KEY = {"Authorization": "Bearer first"}
ANSWERS = {"yes": lambda status: status not in (401, 403), **{str(n): n.__eq__ for n in (401, 403, 404)}}


def table() -> Iterator[tuple[str, str, list[str]]]:
    """Method, path and the four cells of each endpoint."""
    section = (ROOT / "docs/security.md").read_text().partition("## Access to endpoints")[2].partition("\n## ")[0]
    for line in section.splitlines():
        if line.startswith("| `"):
            endpoints, *cells = [cell.strip() for cell in line.strip("|").split(" | ")]
            for method, path in re.findall(r"`([A-Z]+) (\S+)`", endpoints):
                yield method, path, cells


TABLE = [pytest.param(*row, id=" ".join(row[:2])) for row in table()]


async def everything(start_proxy: StartProxy, **settings: Unpack[ProxySettings]) -> Proxy:
    """A proxy that serves all that it can."""
    usual: ProxySettings = {"metrics": True, "llm_url": "http://127.0.0.1:9"}
    return await start_proxy(**usual | settings)


@pytest.mark.parametrize(("method", "path", "cells"), TABLE)
async def test_the_table_is_true(
    start_proxy: StartProxy, monkeypatch: pytest.MonkeyPatch, method: str, path: str, cells: list[str]
) -> None:
    """With a key and without, from here and from elsewhere."""
    locked, opened = await everything(start_proxy, api_key=("first",)), await everything(start_proxy)

    async def status(proxy: Proxy, headers: dict[str, str]) -> int:
        async with proxy.client.request(method, proxy.url + path, headers=headers) as response:
            return response.status

    statuses = [await status(locked, {}), await status(locked, KEY), await status(opened, {})]
    monkeypatch.setattr(web.BaseRequest, "remote", "192.0.2.7")
    statuses.append(await status(opened, {}))
    for cell, got in zip(cells, statuses, strict=True):
        assert ANSWERS[cell](got), (cells, statuses)
    monkeypatch.undo()


async def test_no_endpoint_is_left_out(start_proxy: StartProxy) -> None:
    """A new endpoint needs a row of its own."""
    proxy = await everything(start_proxy)
    named = set()
    for method, path, _ in table():
        for resource in proxy.app.router.resources():
            if resource.get_info().get("path") == path or re.fullmatch(pattern(resource), path):
                named |= {(route.method, route.resource) for route in resource if route.method == method}
    served = {(route.method, route.resource) for route in proxy.app.router.routes() if route.method != "HEAD"}
    assert served == named


def pattern(resource: web.AbstractResource) -> str:
    """What its paths look like."""
    info = resource.get_info()
    return info["pattern"].pattern if "pattern" in info else re.escape(info["path"])


async def test_lists_can_be_closed_and_the_page_cannot(start_proxy: StartProxy) -> None:
    """As it says below the table."""
    proxy = await everything(start_proxy, api_key=("first",), protect_lists=True)
    for method, path, cells in table():
        if cells == ["yes"] * 4:
            async with proxy.client.request(method, proxy.url + path) as response:
                assert (response.status == 401) == path.startswith(("/v1/models", "/v1/audio"))


def test_the_bounds_are_those_of_the_code() -> None:
    """Each number of "Limits on input"."""
    section = (ROOT / "docs/security.md").read_text().partition("## Limits on input")[2].partition("\n## ")[0]
    said = dict(re.findall(r"^\| ([a-zJ].*?) \| (.*?) \|$", section, re.MULTILINE))
    usual, sessions = Settings(), Limits()
    rates = SAMPLE_RATES
    assert said == {
        "an upload": f"{usual.max_upload >> 20} MiB after decompression; {form.UPLOAD_PAUSE:.0f} s without a byte, "
        f"{form.LONGEST_UPLOAD / 60:.0f} minutes in total, {form.SLOWEST_UPLOAD >> 10} KiB/s if its length is known; "
        f"{streamed_upload.LATE_AFTER:.0f} s of a turn at Parakeet while it arrives",
        "all uploads, speech requests and texts and turns of sessions together, in memory": ""
        f"{usual.bytes_in_flight >> 20} MiB; {limits.MOST_WAITING} more wait unread; beside it, for some milliseconds, "
        "a copy of the one recording that a decoder is given",
        "a form": f"{form_reader.MOST_PARTS} parts, 16 headers each, {form_reader.LARGEST_FIELD >> 20} MiB for a field",
        "JSON": f"{LARGEST_REQUEST >> 20} MiB for a speech request; {documents.MOST_VALUES:,} values; "
        f"{documents.MOST_DEPTH} levels",
        "a session over a WebSocket": f"{sessions.largest_message >> 20} MiB for a message; "
        f"{sessions.sessions} at once, {sessions.sessions // 2} from one address; "
        f"{sessions.turns} turns or texts that wait",
        "a recording": f"{usual.max_audio / 3600:.0f} hours; {rates[0] // 1000} to {rates[-1] // 1000} kHz",
        "decoding one": f"a process of its own: {decoder.SPARE_SECONDS} s of processor time, and 1 s more for each "
        f"{decoder.SLOWEST} s of audio; {decoder.MEMORY >> 20} MiB of memory beside the recording, "
        f"{libav_limits.LARGEST_BLOCK >> 20} MiB for one block; {decoders.PATIENCE:.0f} s without audio",
        "a connection without a request": f"{__main__.IDLE:.0f} s",
        "a response of any kind": f"{streamed_answer.UNTAKEN:.0f} s without a byte "
        "read by the client, once all buffers are full",
        "a page that tells what a server is; any other response that is read whole": ""
        f"{transport.LARGEST_PAGE >> 20} MiB; "
        f"{transport.LARGEST_ANSWER >> 20} MiB; {documents.MOST_DEPTH} levels of JSON",
        "names from a server (voices, models, versions)": f"the first {probe.MOST_NAMES:,} of a list; "
        f"{transport.LONGEST_NAME} characters each",
        "speech": f"{LOWEST_RATE // 1000} to {HIGHEST_RATE // 1000} kHz; {LARGEST_SPEECH >> 20} MiB for an utterance; "
        f"{MOST_UNHEARD >> 20} MiB that a slow listener has not taken, then the server has to wait",
        "the language model server's list of models; its errors": f"{relay.LARGEST_LIST >> 20} MiB each",
        "requests": f"{usual.concurrency} at once for each service, {usual.queue} wait",
    }
    assert relay.LARGEST_ERROR == relay.LARGEST_LIST
