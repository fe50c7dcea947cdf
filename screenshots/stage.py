"""What is photographed: the embedded Spark, and a new Home Assistant that knows nothing of it yet."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from aiohttp import ClientError, ClientSession, ClientTimeout

from demo import folder as demo_folder
from demo.errors import DemoError
from demo.folder import LOOPBACK
from demo.home_assistant import Account, HomeAssistant
from demo.processes import SPARK, Child, Processes, free_port
from demo.scene import HOME_ASSISTANT_PORT, USER, start_home_assistant, start_spark
from demo.spark_setup import furnish

from .card import CONFIGURATION, FILE, PAGE, card, dashboard

# Home Assistant's resolver takes every name below localhost for this machine, and a name reads better than 127.0.0.1.
HOST = "spark.localhost"
PARAKEET_PORT = 9001
MAGPIE_PORT = 9000

CHECK_SECONDS = 60.0
"""For a state to come: a wedge is healed, or given up, within 15."""

WEDGE = {"mode": "cublas"}


@dataclass(frozen=True, slots=True)
class Spark:
    """The embedded Spark."""

    session: ClientSession
    parakeet_url: str
    magpie_url: str

    async def wedge_parakeet(self) -> None:
        """From now on Parakeet answers and does not work, until it is restarted."""
        try:
            async with self.session.post(f"{self.parakeet_url}/embedded/wedge", json=WEDGE) as response:
                if not response.ok:
                    raise DemoError(f"Parakeet cannot be wedged: it answered {response.status}.", SPARK)
        except (TimeoutError, ClientError) as error:
            raise DemoError(f"Parakeet cannot be wedged: {error}", SPARK) from error


@dataclass(frozen=True, slots=True)
class Home:
    """A Home Assistant that runs, with its owner signed up."""

    home_assistant: HomeAssistant
    process: Child
    account: Account

    async def until(self, entity_id: str, state: str) -> None:
        """Wait until an entity has that state. DemoError where it does not come."""

        async def reached() -> bool | None:
            return await self.home_assistant.state(entity_id) == state or None

        await self.process.until(reached, within=CHECK_SECONDS)


@asynccontextmanager
async def talking_to() -> AsyncGenerator[ClientSession]:
    """A session for everything that is up."""
    async with ClientSession(timeout=ClientTimeout(total=30, sock_connect=5)) as session:
        yield session


async def open_spark(session: ClientSession, processes: Processes) -> Spark:
    """Start the embedded Spark, on the ports that are usual for its services if they can be had."""
    parakeet_url, magpie_url = await start_spark(processes, free_port(PARAKEET_PORT), free_port(MAGPIE_PORT))
    return Spark(session, parakeet_url, magpie_url)


def named(url: str) -> str:
    """A URL of the embedded Spark as it is told to Home Assistant."""
    return url.replace(LOOPBACK, HOST)


async def open_home(session: ClientSession, processes: Processes, folder: Path) -> Home:
    """Start Home Assistant in `folder`, which is empty."""
    port = free_port(HOME_ASSISTANT_PORT)
    lay_out(folder, port)
    account = Account(USER, demo_folder.new_password())
    home_assistant = HomeAssistant(session, f"http://{LOOPBACK}:{port}")
    process = await start_home_assistant(processes, folder, home_assistant)
    await home_assistant.sign_up(account)
    await process.until(home_assistant.is_running, within=120)
    await furnish(home_assistant)
    return Home(home_assistant, process, account)


def lay_out(folder: Path, port: int) -> None:
    """What the demo's Home Assistant has, and the logbook, and a dashboard with the documentation's card."""
    demo_folder.lay_out(folder, port)
    with (folder / "configuration.yaml").open("a") as configuration:
        configuration.write(f"\nlogbook:\n{CONFIGURATION}")
    (folder / FILE).write_text(dashboard(card(PAGE.read_text())))
