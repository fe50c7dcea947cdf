"""How the page is served: strict headers, no way out of its folder, everything in the package; and the live status."""

import asyncio
import json
import re
from pathlib import Path

import pytest
from aiohttp import ClientResponse

from tests.fakes import parakeet
from tests.fakes import server as fakes
from tests.helpers.documents import at, items
from tests.helpers.proxy.healing import dog_of, watched
from tests.helpers.proxy.running_proxy import Proxy, StartProxy
from tests.helpers.proxy.settings import ProxySettings
from tests.helpers.repository import ROOT

WEB = ROOT / "proxy/spark_audio_proxy/web"
PARTS = sorted(path.name for path in WEB.iterdir())


@pytest.mark.parametrize("path", ["/", *(f"/web/{name}" for name in PARTS)])
async def test_every_part_has_the_strict_headers(start_proxy: StartProxy, path: str) -> None:
    """And needs no key: the page is what asks for it."""
    proxy = await start_proxy(api_key=("first",), protect_lists=True)
    async with proxy.client.get(proxy.url + path) as response:
        assert response.status == 200
        policy = dict(item.split(" ", 1) for item in response.headers["Content-Security-Policy"].split("; "))
        assert policy["default-src"] == policy["frame-ancestors"] == "'none'"
        assert policy["base-uri"] == policy["form-action"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Referrer-Policy"] == "no-referrer"
        assert "microphone=(self)" in response.headers["Permissions-Policy"]
        etag = response.headers["ETag"]
    async with proxy.client.get(proxy.url + path, headers={"If-None-Match": etag}) as response:
        assert (response.status, await response.read()) == (304, b"")


@pytest.mark.parametrize("name", PARTS)
def test_no_part_refers_to_another_host(name: str) -> None:
    """Nor to anything outside of its folder, nor to code written into the page."""
    text = (WEB / name).read_text()
    addresses = set(re.findall(r"https?://[^\"'\s)>]+", text)) - {"http://www.w3.org/2000/svg"}
    assert not addresses
    assert not re.search(r"innerHTML|eval\(| style=|onclick=", text)


@pytest.mark.parametrize(
    "path", ["/web/../app.py", "/web/..%2fapp.py", "/web/%2e%2e%2fapp.py", "/web/app.py", "/web/", "/web", "/web/x.js"]
)
async def test_nothing_else_is_served(proxy: Proxy, path: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(proxy.url.rpartition(":")[2]))
    writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
    answer = (await reader.read()).decode()
    writer.close()
    await writer.wait_closed()
    assert answer.startswith("HTTP/1.1 404 ")
    assert '"unknown_url"' in answer


async def next_status(response: ClientResponse) -> dict[str, object]:
    """The next event's document."""
    while not (line := await response.content.readline()).startswith(b"data: "):
        assert line
    document: dict[str, object] = json.loads(line[6:])
    return document


async def test_events_tell_the_status_at_once_and_on_every_change(start_proxy: StartProxy, tmp_path: Path) -> None:
    """The same document as `/api/status`, with the canaries."""
    proxy = await watched(start_proxy, tmp_path)
    async with proxy.client.get(f"{proxy.url}/api/events") as response:
        assert response.content_type == "text/event-stream"
        first = await next_status(response)
        async with proxy.client.get(f"{proxy.url}/api/status") as now:
            assert await now.json() == first
        proxy.parakeet.answers["POST", parakeet.TRANSCRIPTIONS] = fakes.json({"detail": "CUDA error"}, status=500)
        await dog_of(proxy).check()
        service = at(await next_status(response), "services", 0)
    assert at(service, "state") == "suspect"
    assert [at(canary, "outcome") for canary in items(service, "canaries")] == ["success", "signed_fault"]


@pytest.mark.parametrize(
    ("settings", "headers", "status"),
    [
        ({"api_key": ("first",)}, {}, 401),
        ({"api_key": ("first",)}, {"Authorization": "Bearer second"}, 401),
        ({}, {"Origin": "https://evil.example"}, 403),
        ({}, {"Host": "rebound.example"}, 403),
    ],
)
async def test_events_need_the_same_rights_as_the_status(
    start_proxy: StartProxy, settings: ProxySettings, headers: dict[str, str], status: int
) -> None:
    proxy = await start_proxy(**settings)
    async with proxy.client.get(f"{proxy.url}/api/events", headers=headers) as response:
        assert response.status == status


async def test_a_stop_does_not_wait_for_event_streams(start_proxy: StartProxy, tmp_path: Path) -> None:
    """The stream ends cleanly when the proxy shuts down."""
    proxy = await watched(start_proxy, tmp_path)
    async with proxy.client.get(f"{proxy.url}/api/events") as response:
        await next_status(response)
        await proxy.app.shutdown()
        assert b"data: " not in await response.content.read()
