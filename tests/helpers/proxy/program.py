"""The proxy as a program: in a process of its own, or whole in this one."""

import asyncio
import os
import signal
import subprocess
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Unpack

import pytest
from spark_audio_proxy import __main__

from tests.helpers.proxy.settings import ProxySettings, proxy_settings


@contextmanager
def started(program: list[str], **environment: str) -> Generator[str]:
    """The URL of a proxy that was started like this; stopped with SIGTERM, which must end it with status 0."""
    with subprocess.Popen(
        program,
        env=os.environ | {"SPARK_AUDIO_MAGPIE_URL": "http://127.0.0.1:9", "SPARK_AUDIO_PORT": "0"} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        try:
            assert line.startswith("Spark Audio proxy listening on "), process.stderr.read() if process.stderr else ""
            yield line.split()[-1]
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait() == 0


@asynccontextmanager
async def serving(
    monkeypatch: pytest.MonkeyPatch, folder: Path, **settings: Unpack[ProxySettings]
) -> AsyncGenerator[str]:
    """The URL of a whole proxy in this process, which takes loopback for a network; stopped as `kill` does it."""
    started = asyncio.Queue[str]()
    monkeypatch.setattr(__main__, "print", lambda line, **_: started.put_nowait(line), raising=False)
    monkeypatch.setattr(__main__, "reachable", lambda bound, _: tuple(bound))
    usual: ProxySettings = {"magpie_url": "http://127.0.0.1:9", "port": 0, "watch": False, "api_key": ("key",)}
    own: ProxySettings = {"zeroconf": True, "state_dir": str(folder)}
    running = asyncio.create_task(__main__.serve(proxy_settings(**usual | own | settings)))
    try:
        yield (await started.get()).split()[-1]
    finally:
        os.kill(os.getpid(), signal.SIGTERM)
        await running
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().remove_signal_handler(number)
