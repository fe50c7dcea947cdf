"""nginx with the configuration that docs/scaling.md offers, in front of two servers in place of two proxies."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from tests.helpers.repository import ROOT
from tools.bench.nginx import find_nginx
from tools.stack.folders import free_port
from tools.stack.processes import temporary_processes

pytestmark = pytest.mark.build

CONFIGURATION = ROOT / "proxy/deploy/load-balancer/nginx.conf"
ADDRESSES = ("192.168.1.11:8600", "192.168.1.12:8600")
RECORDING = bytes(3 * 1024 * 1024)
"""More than nginx keeps in memory."""

MAIN = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  {site}
}}
"""


@dataclass(slots=True)
class StandIn:
    """A proxy that answers with a status, and counts what it was sent."""

    status: int = HTTPStatus.OK
    sizes: list[int] = field(default_factory=list)

    async def transcribe(self, request: web.Request) -> web.Response:
        """Answer with its status, once the whole recording is here."""
        self.sizes.append(len(await request.read()))
        return web.Response(status=self.status, text=request.host)


def app(stand_in: StandIn) -> web.Application:
    """It takes recordings."""
    made = web.Application(client_max_size=2 * len(RECORDING))
    made.router.add_post("/v1/audio/transcriptions", stand_in.transcribe)
    return made


@asynccontextmanager
async def balanced(*addresses: str) -> AsyncGenerator[str]:
    """The URL of an nginx in front of these."""
    program, _ = await find_nginx()
    async with temporary_processes() as processes:
        folder, port = Path(processes.logs), free_port()
        site = CONFIGURATION.read_text().replace("listen 8600", f"listen 127.0.0.1:{port}")
        for documented, address in zip(ADDRESSES, addresses, strict=True):
            assert documented in site
            site = site.replace(documented, address)
        (folder / "nginx.conf").write_text(MAIN.format(folder=folder, site=site))
        child = await processes.start("nginx", program, "-p", folder, "-e", "stderr", "-c", folder / "nginx.conf")
        await child.reached(port)
        yield f"http://127.0.0.1:{port}"


@pytest.mark.parametrize("broken", ["gone", "unwell"])
async def test_a_proxy_that_cannot_answer_loses_no_recording(broken: str) -> None:
    """A refused connection and a 503 are repeated at the other one, with the recording in full."""
    bad, good = StandIn(HTTPStatus.SERVICE_UNAVAILABLE), StandIn()
    async with AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(TestServer(app(each))) for each in (bad, good)]
        first = f"127.0.0.1:{free_port() if broken == 'gone' else servers[0].port}"
        url = await stack.enter_async_context(balanced(first, f"127.0.0.1:{servers[1].port}"))
        session = await stack.enter_async_context(ClientSession())
        for _ in range(4):
            async with session.post(f"{url}/v1/audio/transcriptions", data=RECORDING) as response:
                assert (response.status, await response.text()) == (HTTPStatus.OK, url.removeprefix("http://"))
    assert good.sizes == [len(RECORDING)] * 4
    # One failure keeps requests away for a while.
    assert bad.sizes == ([len(RECORDING)] if broken == "unwell" else [])
