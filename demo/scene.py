"""The whole cast, on stage: embedded Spark, proxy and a Home Assistant that has Spark Audio set up."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from aiohttp import ClientSession, ClientTimeout

from . import folder as demo_folder
from .errors import DemoError
from .folder import LOOPBACK, REPOSITORY, Record
from .home_assistant import Account, HomeAssistant
from .processes import HOME_ASSISTANT, PROXY, SPARK, Child, Processes, free_port
from .report import line
from .spark_setup import DOMAIN, add_spark_audio, find_engines, furnish, prefer_pipeline
from .speech import models

USER = "demo"
HOME_ASSISTANT_PORT = 8123
PROXY_PORT = 8600
PROJECT_PYTHON = REPOSITORY / ".venv/bin/python"
HASS = REPOSITORY / ".venv-ha/bin/hass"


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything that is up, and how to reach it."""

    session: ClientSession
    processes: Processes
    account: Account
    home_assistant: HomeAssistant
    pipeline: str
    parakeet_url: str
    magpie_url: str
    proxy_url: str


@asynccontextmanager
async def staged(folder: Path, processes: Processes, *, keep: bool) -> AsyncIterator[Scene]:
    """Bring everything up; the caller's `processes` takes it down again.

    Raises DemoError with one sentence when a part does not come up.
    """
    if keep:
        record = demo_folder.recall(folder)
        require_ports(record)
    else:
        record = new_record()
        demo_folder.clear(folder)
        demo_folder.lay_out(folder, record.home_assistant_port)
    account = Account(USER, record.password)
    async with ClientSession(timeout=ClientTimeout(total=30, sock_connect=5)) as session:
        parakeet_url, magpie_url = await start_spark(processes, record.parakeet_port, record.magpie_port)
        proxy_url, proxy = await start_proxy(processes, record.proxy_port, parakeet_url, magpie_url, folder / "state")
        home_assistant = HomeAssistant(session, f"http://{LOOPBACK}:{record.home_assistant_port}")
        hass = await start_home_assistant(processes, folder, home_assistant)
        await proxy.until(lambda: models(session, proxy_url), within=60)
        line(f"The proxy answers at {proxy_url}.")
        pipeline = await _set_up(
            home_assistant, hass, account, {"parakeet_url": parakeet_url, "magpie_url": magpie_url}, new=not keep
        )
        demo_folder.remember(folder, record)
        yield Scene(session, processes, account, home_assistant, pipeline, parakeet_url, magpie_url, proxy_url)


def new_record() -> Record:
    """A new password and ports that are free: the usual ones of Home Assistant and of the proxy if they can be had."""

    def port(whose: str, usual: int) -> int:
        chosen = free_port(usual)
        if chosen != usual:
            line(f"Port {usual} is taken: {whose} uses {chosen} instead.")
        return chosen

    return Record(
        password=demo_folder.new_password(),
        home_assistant_port=port(HOME_ASSISTANT, HOME_ASSISTANT_PORT),
        proxy_port=port("the proxy", PROXY_PORT),
        parakeet_port=free_port(0),
        magpie_port=free_port(0),
    )


def require_ports(record: Record) -> None:
    """DemoError unless the ports of a kept demo are free; Home Assistant has them in its configuration."""
    for port in (record.home_assistant_port, record.proxy_port, record.parakeet_port, record.magpie_port):
        if free_port(port) != port:
            raise DemoError(f"Port {port}, which the kept demo uses, is taken: free it, or start without --keep.")


async def start_spark(processes: Processes, parakeet_port: int, magpie_port: int) -> tuple[str, str]:
    """Start the embedded Spark; gives the URLs of Parakeet and of Magpie once their models are loaded."""
    line("Starting the embedded Spark, its speech engines on this machine's CPU.")
    spark = await processes.start(
        SPARK,
        *(PROJECT_PYTHON, "-m", "embedded_spark", "--host", LOOPBACK),
        *("--parakeet-port", str(parakeet_port), "--magpie-port", str(magpie_port)),
        cwd=REPOSITORY,
    )
    return await spark.listening("Parakeet", within=60), await spark.listening("Magpie", within=60)


async def start_proxy(
    processes: Processes, port: int, parakeet_url: str, magpie_url: str, state: Path, *settings: str
) -> tuple[str, Child]:
    """Start the proxy, which may restart both services and keeps the record of that in `state`; gives its URL too.

    `settings` are more arguments of its command line.
    """
    proxy = await processes.start(
        PROXY,
        *(PROJECT_PYTHON, "-m", "spark_audio_proxy", "--host", LOOPBACK, "--port", str(port)),
        *("--parakeet-url", parakeet_url, "--parakeet-restart-url", f"{parakeet_url}/embedded/restart"),
        *("--magpie-url", magpie_url, "--magpie-restart-url", f"{magpie_url}/embedded/restart"),
        *("--state-dir", state),
        *settings,
        cwd=REPOSITORY,
    )
    return f"http://{LOOPBACK}:{port}", proxy


async def start_home_assistant(processes: Processes, folder: Path, home_assistant: HomeAssistant) -> Child:
    """Start the Home Assistant whose configuration is in `folder`; it serves its interface when this returns."""
    line("Starting Home Assistant.")
    hass = await processes.start(HOME_ASSISTANT, HASS, "--skip-pip", "--log-no-color", "-c", folder, cwd=folder)
    await hass.until(home_assistant.is_up, within=120)
    return hass


async def _set_up(
    home_assistant: HomeAssistant, hass: Child, account: Account, urls: dict[str, str], *, new: bool
) -> str:
    """Sign up and add Spark Audio, or find both in a kept folder; gives the id of the Assist pipeline."""
    if new:
        await home_assistant.sign_up(account)
    else:
        await home_assistant.log_in(account)
    await hass.until(home_assistant.is_running, within=120)
    if new:
        await furnish(home_assistant)
    if not await home_assistant.entries(DOMAIN):
        await add_spark_audio(home_assistant, urls)
    pipeline = await prefer_pipeline(home_assistant, await find_engines(home_assistant, hass))
    line(f"Home Assistant has Spark Audio set up at {home_assistant.url}.")
    return pipeline
