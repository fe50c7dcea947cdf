"""Home Assistant with Spark Audio in it, and the servers it talks to."""

import asyncio
import json
from collections.abc import AsyncGenerator, Generator
from datetime import UTC, datetime, timedelta
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from ssl import PROTOCOL_TLS_SERVER, SSLContext, SSLError
from typing import Any
from unittest.mock import patch

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hassil.intents import Intents
from homeassistant.components.ffmpeg import FFmpegManager
from homeassistant.core import HomeAssistant
from homeassistant.helpers.storage import Store
from homeassistant.loader import DATA_CUSTOM_COMPONENTS
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.syrupy import HomeAssistantSnapshotExtension
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator
from syrupy.assertion import SnapshotAssertion
from syrupy.filters import props

# Before Home Assistant looks for custom integrations: it finds them through this package's path.
from custom_components.spark_audio import direct_coordinator
from custom_components.spark_audio.spark_engine.healing.health import Policy
from custom_components.spark_audio.spark_engine.spark import Spark
from tests.fakes import magpie as fake_magpie
from tests.fakes import parakeet as fake_parakeet
from tests.fakes.server import FakeServer, running
from tests.helpers.integration.config_forms import direct
from tests.helpers.integration.docker_api import healing
from tests.helpers.integration.other_engines import EARS, MOUTH
from tests.helpers.integration.set_up import entry_for, set_up

# Before the test plugin puts a dictionary in place of the disk.
_ON_DISK = {name: getattr(Store, name) for name in ("_async_load", "_async_write_data", "async_remove")}


@pytest.fixture(autouse=True)
def enable_event_loop_debug() -> None:
    """Leave the event loop's debug mode off: it makes tests take more than twice as long, and miss their deadlines."""


@pytest.fixture(autouse=True, scope="session")
def sentences_parsed_once() -> Generator[None]:
    """Share what hassil makes of a language's sentences, which takes a third of a second for each Home Assistant."""
    parse, parsed = Intents.from_dict, dict[str, Intents]()

    def from_dict(document: dict[str, Any]) -> Intents:
        text = json.dumps(document, sort_keys=True)
        if text not in parsed:
            parsed[text] = parse(document)
        return parsed[text]

    with patch.object(Intents, "from_dict", from_dict):
        yield


@pytest.fixture(autouse=True, scope="session")
def ffmpeg_asked_once() -> Generator[None]:
    """Ask ffmpeg for its version once: a process for each Home Assistant takes a tenth of a second."""
    ask, versions = FFmpegManager.async_get_version, dict[str, tuple[str | None, int | None]]()

    async def async_get_version(manager: FFmpegManager) -> tuple[str | None, int | None]:
        if manager.binary not in versions:
            versions[manager.binary] = await ask(manager)
        return versions[manager.binary]

    with patch.object(FFmpegManager, "async_get_version", async_get_version):
        yield


@pytest.fixture
def hass(hass: HomeAssistant) -> HomeAssistant:
    """Home Assistant, which finds custom integrations; a test of a pure decision starts none."""
    hass.data.pop(DATA_CUSTOM_COMPONENTS)
    return hass


@pytest.fixture
def aiohttp_client(hass: HomeAssistant, aiohttp_client: ClientSessionGenerator) -> ClientSessionGenerator:
    """Clients of Home Assistant's views, which are closed before it stops."""
    return aiohttp_client


@pytest.fixture(autouse=True)
def unwatched(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """No canaries, but for tests that are about them: among the requests they would hide what a test is about."""

    async def look_away(_: Spark) -> None:
        pass

    if "watched" not in request.fixturenames:
        monkeypatch.setattr(Spark, "watch", look_away)


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Canaries at a hundredth of the usual waits; their real lengths are tested on a fake clock."""
    quick = partial(Policy, suspect_interval=0.05, down_interval=0.05, gave_up_interval=0.05)
    monkeypatch.setattr(direct_coordinator, "Policy", quick)


@pytest.fixture
def disk(hass: HomeAssistant) -> Generator[None]:
    """Home Assistant's real storage, in the test's own folder: records of restarts are read back from there."""
    with patch.multiple(Store, **_ON_DISK):
        yield


@pytest.fixture
def snapshot(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    """Home Assistant's own way to write entities and documents down, without what only some versions have."""
    return snapshot.use_extension(HomeAssistantSnapshotExtension).with_defaults(exclude=props("compat_name"))


@pytest.fixture
def hass_config_dir(hass_tmp_config_dir: str) -> str:
    """A folder of its own for each test: speech cached by one must not be found by the next."""
    return hass_tmp_config_dir


@pytest.fixture
async def parakeet(socket_enabled: None) -> AsyncGenerator[FakeServer]:
    """A Parakeet in good health."""
    async with running(fake_parakeet.openai()) as server:
        yield server


@pytest.fixture
async def api(parakeet: FakeServer) -> AsyncGenerator[FakeServer]:
    """A Docker API that heals Parakeet."""
    async with running(healing(parakeet)) as server:
        yield server


@pytest.fixture
async def magpie(socket_enabled: None) -> AsyncGenerator[FakeServer]:
    """A Magpie in good health."""
    async with running(fake_magpie.nim()) as server:
        yield server


@pytest.fixture
async def repairs(hass: HomeAssistant) -> None:
    """Where a person is shown issues."""
    assert await async_setup_component(hass, "repairs", {})


@pytest.fixture
async def assist(hass: HomeAssistant) -> None:
    """Everything a pipeline needs but the engines."""
    for component in ("homeassistant", "http", "media_source", "stt", "tts", "conversation", "assist_pipeline"):
        assert await async_setup_component(hass, component, {})


@pytest.fixture
async def entry(hass: HomeAssistant, assist: None, parakeet: FakeServer, magpie: FakeServer) -> MockConfigEntry:
    """A Spark with both services, loaded."""
    entry = entry_for(parakeet.url, magpie.url)
    assert await set_up(hass, entry)
    return entry


@pytest.fixture
async def both(hass: HomeAssistant, parakeet: FakeServer, magpie: FakeServer) -> MockConfigEntry:
    """A Spark with both services, and a fallback for each."""
    options = {"fallback_stt": EARS, "fallback_tts": MOUTH}
    entry = MockConfigEntry(domain="spark_audio", data=direct(parakeet.url, magpie.url), options=options)
    assert await set_up(hass, entry)
    return entry


@pytest.fixture
def self_signed(tmp_path: Path) -> SSLContext:
    """TLS with a self-signed certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path / "server.pem"
    plain = serialization.NoEncryption()
    pem.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = SSLContext(PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


@pytest.fixture
async def refusals_expected() -> AsyncGenerator[None]:
    """The server's side of a refused handshake is no failure of the test."""
    loop = asyncio.get_running_loop()
    before = loop.get_exception_handler()

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if not isinstance(context.get("exception"), ConnectionResetError | SSLError) and before:
            before(loop, context)

    loop.set_exception_handler(handle)
    yield
    loop.set_exception_handler(before)
