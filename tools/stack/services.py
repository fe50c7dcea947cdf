"""The embedded Spark and the proxy, as processes on loopback."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from .folders import LOOPBACK, PYTHON
from .processes import PROXY, SPARK, Child, Processes, Server, started

PROXY_MODULE = "spark_audio_proxy"


@dataclass(frozen=True, slots=True)
class Spark:
    """Where an embedded Spark listens."""

    parakeet_url: str
    magpie_url: str

    @property
    def proxy_settings(self) -> tuple[str, ...]:
        """The arguments of a proxy that serves it, and may restart both services."""
        return (
            *("--parakeet-url", self.parakeet_url, "--parakeet-restart-url", f"{self.parakeet_url}/embedded/restart"),
            *("--magpie-url", self.magpie_url, "--magpie-restart-url", f"{self.magpie_url}/embedded/restart"),
        )


async def start_spark(processes: Processes, parakeet_port: int = 0, magpie_port: int = 0) -> Spark:
    """Start the embedded Spark and return it once its models are loaded. Raises ToolError."""
    child = await processes.start(
        SPARK,
        *(PYTHON, "-m", "embedded_spark", "--host", LOOPBACK),
        *("--parakeet-port", str(parakeet_port), "--magpie-port", str(magpie_port)),
    )
    return Spark(await child.listening("Parakeet"), await child.listening("Magpie"))


async def start_proxy(processes: Processes, state: Path, *settings: str, port: int = 0) -> tuple[str, Child]:
    """Start the proxy, which keeps its record of restarts in `state`, and return its URL. Raises ToolError."""
    address = ("--host", LOOPBACK, "--port", str(port))
    child = await processes.start(PROXY, PYTHON, "-m", PROXY_MODULE, *address, "--state-dir", state, *settings)
    return await child.listening(), child


@asynccontextmanager
async def proxy(*settings: str) -> AsyncGenerator[Server]:
    """Run a proxy on a free port, with a new state folder. Raises ToolError."""
    with TemporaryDirectory() as state:
        async with started(PROXY_MODULE, "--port", "0", "--state-dir", state, *settings) as server:
            yield server
