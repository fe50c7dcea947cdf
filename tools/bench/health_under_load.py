"""Whether a proxy still says that it lives while it holds many slow requests."""

import asyncio
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector

from tools.stack.errors import ToolError
from tools.stack.http import ask, items, new_session, number
from tools.stack.processes import Server

from .load import Block, Request, run_block
from .upstream import COUNTS, Counts

PACE = 0.05
"""Seconds from one probe to the next, however long they take."""

DEADLINE = 1.0
"""Seconds for the answer to a probe, as Kubernetes has it where nothing is set."""

FILES = 8192
"""Open files that a process may need: a connection on each side for each request."""


async def probe_under_load(server: Server, request: Request, callers: int, probes: int) -> tuple[float, ...]:
    """Probe `/healthz` at its pace while so many callers hold a slow request each. Raises ToolError.

    Returns the seconds until the answer of the probes that were answered.
    """
    begun = asyncio.Event()
    load = asyncio.create_task(run_block(server.url, request, callers, each=1000, begin=begun.set))
    try:
        await asyncio.wait((load, beginning := asyncio.create_task(begun.wait())), return_when=asyncio.FIRST_COMPLETED)
        beginning.cancel()
        return await _probe(f"{server.url}/healthz", probes, load)
    finally:
        load.cancel()
        await asyncio.gather(load, return_exceptions=True)


async def _probe(url: str, probes: int, load: asyncio.Task[Block]) -> tuple[float, ...]:
    # A connection for each, as a probe of Kubernetes or Docker has it.
    connector = TCPConnector(force_close=True, limit=0)
    timeout = ClientTimeout(total=DEADLINE)
    async with ClientSession(connector=connector, timeout=timeout) as session, asyncio.TaskGroup() as tasks:
        sent: list[asyncio.Task[float | None]] = []
        while len(sent) < probes and not load.done():
            sent.append(tasks.create_task(_ask(session, url)))
            await asyncio.sleep(PACE)
    if load.done():
        raise load.exception() or ToolError(f"{url}: the load ended before the probes did.")
    return tuple(latency for task in sent if (latency := task.result()) is not None)


async def _ask(session: ClientSession, url: str) -> float | None:
    begun = time.perf_counter()
    try:
        async with session.get(url) as response:
            await response.read()
    except TimeoutError, ClientError:
        return None
    return time.perf_counter() - begun if response.status == 200 else None


async def read_counts(upstream: Server) -> Counts:
    """Return what was asked of the upstream so far. Raises ToolError."""
    async with new_session() as session:
        told = await ask(session, "GET", upstream.url + COUNTS, "The upstream")
    requests, at_once, most_at_once, spoken = (
        number(told, name) for name in ("requests", "at_once", "most_at_once", "spoken")
    )
    return Counts(requests, at_once, most_at_once, spoken, [float(str(at)) for at in items(told, "transcriptions")])


@contextmanager
def many_files() -> Iterator[None]:
    """Allow FILES open files here and, if they are started meanwhile, in children."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
