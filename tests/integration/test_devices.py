"""What the devices of a Spark tell about its servers."""

import asyncio
from collections.abc import Callable, Mapping

import pytest
from aiohttp import web
from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.helpers import device_registry as dr
from pytest_homeassistant_custom_component.common import MockConfigEntry

from tests.fakes import magpie, parakeet
from tests.fakes.server import FakeServer, running
from tests.helpers.integration.watched import (
    HEALTH,
    STATUS,
    fake_proxy,
    load,
    proxy_entry,
    service,
    status,
    until,
    watched_entry,
)

pytestmark = pytest.mark.usefixtures("assist", "socket_enabled")

type Told = tuple[str | None, str | None, str | None]


def told(hass: HomeAssistant, entry: MockConfigEntry) -> Mapping[str | None, Told]:
    """Model, its id and the version on each device, by the name of the device."""
    devices = dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id)
    return {device.name: (device.model, device.model_id, device.sw_version) for device in devices}


async def until_told(hass: HomeAssistant, entry: MockConfigEntry, name: str, wanted: Told) -> None:
    """Wait for what a device tells, by its change."""
    reached = asyncio.Event()

    @callback
    def look(_: Event[dr.EventDeviceRegistryUpdatedData]) -> None:
        if told(hass, entry).get(name) == wanted:
            reached.set()

    stop = hass.bus.async_listen(dr.EVENT_DEVICE_REGISTRY_UPDATED, look)
    try:
        if told(hass, entry).get(name) != wanted:
            await reached.wait()
    finally:
        stop()


def nothing_was_asked_twice(server: FakeServer) -> bool:
    """Whether the pages that tell families apart were read by one probe, that of the first canary."""
    pages = [request.path for request in server.asked if request.method == "GET"]
    return len(pages) == len(set(pages))


async def hang_up(request: web.Request) -> web.Response:
    """As a server that is being replaced."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


HEARS: dict[str, tuple[Callable[[], FakeServer], Told]] = {
    "nim": (parakeet.nim, ("Parakeet, nim", None, None)),
    "nemo-speech.cpp": (parakeet.nemo_speech, ("Parakeet, nemo-speech.cpp", "fastconformer", "0.1.0")),
    "openai": (parakeet.openai, ("Parakeet", "parakeet-tdt-0.6b", None)),
}
SPEAKS: dict[str, tuple[Callable[[], FakeServer], Told]] = {
    "nim": (magpie.nim, ("Magpie, nim", "Magpie-Multilingual", None)),
    "nemo-speech.cpp": (magpie.nemo_speech, ("Magpie, nemo-speech.cpp", "magpietts", "0.1.0")),
    "pipecat": (magpie.pipecat, ("Magpie, pipecat", None, None)),
    "xr-ai shim": (magpie.xr_ai_shim, ("Magpie, xr-ai shim", "Magpie-Multilingual", None)),
}


@pytest.mark.usefixtures("watched")
@pytest.mark.parametrize(("fake", "expected"), HEARS.values(), ids=HEARS.keys())
async def test_parakeet(hass: HomeAssistant, fake: Callable[[], FakeServer], expected: Told) -> None:
    """Its server, its model and its version, as far as it tells them; nothing is asked for that."""
    async with running(fake()) as server:
        entry = await load(hass, watched_entry(parakeet_url=server.url))
        assert told(hass, entry)["Parakeet"] == (None, None, None)
        await until_told(hass, entry, "Parakeet", expected)
        assert nothing_was_asked_twice(server)
        assert await hass.config_entries.async_unload(entry.entry_id)


@pytest.mark.usefixtures("watched")
@pytest.mark.parametrize(("fake", "expected"), SPEAKS.values(), ids=SPEAKS.keys())
async def test_magpie(hass: HomeAssistant, fake: Callable[[], FakeServer], expected: Told) -> None:
    """The same; a model that it does not name is not made up."""
    async with running(fake()) as server:
        entry = await load(hass, watched_entry(magpie_url=server.url))
        await until_told(hass, entry, "Magpie", expected)
        assert await hass.config_entries.async_unload(entry.entry_id)


async def test_through_the_proxy(hass: HomeAssistant) -> None:
    """What the proxy knows of its servers; what it told stays while it cannot tell, and over a reload."""
    told_by_proxy = {"dialect": "nemo-speech.cpp", "model": "fastconformer", "version": "0.1.0"}
    async with fake_proxy() as proxy:
        proxy.answers[STATUS] = status(service("parakeet", **told_by_proxy), service("magpie"))
        entry = await load(hass, proxy_entry(proxy.url))
        known = {"Parakeet": ("Parakeet, nemo-speech.cpp", "fastconformer", "0.1.0"), "Magpie": (None, None, None)}
        assert {name: told(hass, entry)[name] for name in known} == known
        proxy.answers[STATUS] = status(service("parakeet"), service("magpie"))
        assert await hass.config_entries.async_reload(entry.entry_id)
        assert {name: told(hass, entry)[name] for name in known} == known


@pytest.mark.usefixtures("watched")
async def test_another_server_at_the_same_address(hass: HomeAssistant) -> None:
    """It is looked at again when it comes back, and the device tells the new one."""
    async with running(parakeet.openai()) as server:
        entry = await load(hass, watched_entry(parakeet_url=server.url))
        await until_told(hass, entry, "Parakeet", ("Parakeet", "parakeet-tdt-0.6b", None))
        server.answers = dict.fromkeys(server.answers, hang_up)
        await until(hass, HEALTH, "suspect")
        assert told(hass, entry)["Parakeet"] == ("Parakeet", "parakeet-tdt-0.6b", None)
        server.answers = parakeet.nemo_speech().answers
        await until_told(hass, entry, "Parakeet", ("Parakeet, nemo-speech.cpp", "fastconformer", "0.1.0"))
        assert await hass.config_entries.async_unload(entry.entry_id)
