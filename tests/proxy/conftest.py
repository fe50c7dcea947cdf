"""A proxy in front of fakes, on real sockets."""

import itertools
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Unpack

import pytest
from aiohttp import ClientSession
from embedded_spark import EmbeddedSpark
from spark_audio_proxy.app import create_app
from spark_audio_proxy.realtime.limits import Limits
from spark_engine.healing.budget import Budget
from spark_engine.healing.health import Policy
from spark_engine.servers.deadlines import Deadlines

from tests.fakes import magpie, parakeet
from tests.fakes.engines import FakeRecognizer, FakeSynthesizer
from tests.fakes.server import FakeServer, running
from tests.helpers.proxy.embedded_bench import Bench, HandClock
from tests.helpers.proxy.proxy_server import ProxyServer
from tests.helpers.proxy.running_proxy import Proxy, StartProxy
from tests.helpers.proxy.settings import ProxySettings, proxy_settings


@pytest.fixture
async def start_proxy(tmp_path: Path) -> AsyncGenerator[StartProxy]:
    """Start a proxy with these settings; URLs that are left out are those of the fakes."""
    # One proxy to a folder.
    numbers = itertools.count(1)
    async with AsyncExitStack() as stack:

        async def start(
            hearing: FakeServer | None = None,
            speaking: FakeServer | None = None,
            *,
            deadlines: Deadlines | None = None,
            policy: Policy | None = None,
            budget: Budget | None = None,
            limits: Limits | None = None,
            **settings: Unpack[ProxySettings],
        ) -> Proxy:
            hears = await stack.enter_async_context(running(hearing or parakeet.openai()))
            speaks = await stack.enter_async_context(running(speaking or magpie.nim()))
            # Not watched: a canary among the requests would hide what a test is about.
            usual: ProxySettings = {"parakeet_url": hears.url, "magpie_url": speaks.url, "watch": False}
            folder: ProxySettings = {"state_dir": str(tmp_path / f"state-{next(numbers)}")}
            app = create_app(
                proxy_settings(**usual | folder | settings),
                deadlines=deadlines,
                policy=policy,
                budget=budget,
                limits=limits,
            )
            server = ProxyServer(app, host="127.0.0.1", handler_cancellation=True)
            await server.start_server()
            stack.push_async_callback(server.close)
            client = await stack.enter_async_context(ClientSession())
            return Proxy(str(server.make_url("")).rstrip("/"), hears, speaks, client, app, server.close)

        yield start


@pytest.fixture
async def proxy(start_proxy: StartProxy) -> Proxy:
    """A proxy with default settings."""
    return await start_proxy()


@pytest.fixture
async def bench() -> AsyncGenerator[Bench]:
    """Both servers of an embedded Spark without models, in good health."""
    clock = HandClock()
    spark = EmbeddedSpark(load_recognizer=FakeRecognizer, load_synthesizer=FakeSynthesizer, clock=clock)
    async with spark, ClientSession() as client:
        yield Bench(spark, clock, client)
