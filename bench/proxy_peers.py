"""What the proxy is measured beside: nginx, and a reconstruction of the design that it replaces.

Both are fetched on demand into `.tools`, which git ignores; what cannot be had gets no figure.
"""

import asyncio
import shutil
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from yarl import URL

from .environments import TOOLS, NotInstalled, Package, install_environment, unpack_debian
from .processes import Child, free_port, started, started_on

NGINX = "nginx"
ORIGINAL = "FastAPI + httpx"
OURS = "proxy"

ROOMY = ("--concurrency", "1000", "--queue", "1000")
"""So that no request waits for another: what is measured is the proxy and not its queue."""

ORIGINAL_PACKAGES = (
    Package("fastapi", "0.165.0"),
    Package("httpx", "0.28.1"),
    Package("uvicorn", "0.54.0"),
    Package("python-multipart", "0.0.34"),
)

_NGINX_CONFIG = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr;
events {{ worker_connections 8192; }}
http {{
  access_log off;
  client_max_body_size 0;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  upstream spark {{ server {upstream}; keepalive 1000; keepalive_requests 1000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=1024;
    keepalive_requests 1000000;
    location / {{
      proxy_pass http://spark;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
      proxy_request_buffering off;
      proxy_read_timeout 600s;
    }}
  }}
}}
"""
"""A plain reverse proxy: one worker, which is the process itself, and nothing buffered."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Something that can stand between callers and a Spark. `start` starts a fresh one in front of an upstream.

    `translates` where it takes OpenAI's requests for speech; else it takes the upstream's own.
    """

    name: str
    start: Callable[[Child], AbstractAsyncContextManager[Child]]
    translates: bool
    packages: tuple[Package, ...] = ()


def ours(*settings: str) -> Peer:
    """The proxy of this project, with these settings."""

    @asynccontextmanager
    async def start(upstream: Child) -> AsyncGenerator[Child]:
        async with proxy(upstream, *settings) as child:
            yield child

    return Peer(OURS, start, translates=True)


@asynccontextmanager
async def proxy(upstream: Child, *settings: str) -> AsyncGenerator[Child]:
    """A fresh proxy on a free port, with a state folder of its own."""
    urls = ("--parakeet-url", upstream.url, "--magpie-url", upstream.url)
    with TemporaryDirectory() as state:
        async with started("spark_audio_proxy", "--port", "0", "--state-dir", state, *urls, *settings) as child:
            yield child


async def nginx() -> Peer:
    """The one on this machine, else Debian's. Raises NotInstalled."""
    there = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    program = Path(there) if there else await unpack_debian("nginx", "usr/sbin/nginx")

    @asynccontextmanager
    async def start(upstream: Child) -> AsyncGenerator[Child]:
        with TemporaryDirectory() as folder:
            port = free_port()
            config = _write_config(Path(folder), port, upstream)
            async with started_on(port, program, "-p", folder, "-e", "stderr", "-c", str(config)) as child:
                yield child

    return Peer(NGINX, start, translates=False, packages=(Package(NGINX, await _version(program)),))


def _write_config(folder: Path, port: int, upstream: Child) -> Path:
    file = folder / "nginx.conf"
    file.write_text(_NGINX_CONFIG.format(folder=folder, port=port, upstream=URL(upstream.url).authority))
    return file


async def original() -> Peer:
    """The reconstruction in `bench/original`, in an environment of its own. Raises NotInstalled."""
    environment = TOOLS / "bench-original"
    await install_environment(environment, Path(sys.executable), ORIGINAL_PACKAGES)

    @asynccontextmanager
    async def start(upstream: Child) -> AsyncGenerator[Child]:
        python = environment / "bin/python"
        async with started("bench.original", "--upstream", upstream.url, python=python) as child:
            yield child

    return Peer(ORIGINAL, start, translates=True, packages=ORIGINAL_PACKAGES)


async def _version(program: Path) -> str:
    """What follows the slash in `nginx version: nginx/1.22.1`. Raises NotInstalled where it does not run."""
    try:
        process = await asyncio.create_subprocess_exec(program, "-v", stdin=DEVNULL, stdout=PIPE, stderr=STDOUT)
    except OSError as err:
        raise NotInstalled(f"nginx cannot be started: {err.strerror}") from err
    said, _ = await process.communicate()
    if process.returncode:
        raise NotInstalled(said.decode(errors="replace").strip() or f"nginx ended with status {process.returncode}")
    return said.decode(errors="replace").strip().rpartition("/")[2]
