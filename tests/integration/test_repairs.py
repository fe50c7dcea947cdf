"""What a person has to do something about."""

import pytest
from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.spark_audio.repairs import ISSUES, ISSUES_OF_OTHERS
from tests.fakes import server as fake
from tests.fakes.server import FakeServer
from tests.helpers.documents import at, string
from tests.helpers.integration.docker_api import docker, restarts
from tests.helpers.integration.issues import Fix, given_up, issues
from tests.helpers.integration.set_up import state_of
from tests.helpers.integration.translations import TRANSLATIONS
from tests.helpers.integration.watched import (
    BROKEN,
    CHECK,
    HEALTH,
    HEAR,
    PARAKEET,
    STATUS,
    fake_proxy,
    load,
    press,
    proxy_entry,
    service,
    status,
    until,
    watched_entry,
)

pytestmark = pytest.mark.usefixtures("assist", "watched", "disk", "repairs")


async def test_gave_up_restart_now(
    hass: HomeAssistant, hass_client: ClientSessionGenerator, parakeet: FakeServer, api: FakeServer
) -> None:
    """The fix is one more restart; with the recovery the issue is gone."""
    entry = await given_up(hass, parakeet, api)
    assert issues(hass) == ["gave_up"]
    fix = Fix(hass_client, entry)
    form = await fix.open()
    assert at(form, "step_id") == "confirm"
    assert at(form, "description_placeholders") == {
        "service": "Parakeet",
        "title": "127.0.0.1",
        "url": f"`{parakeet.url}`",
        "reason": "3 restarts in 30 min did not help.",
    }
    assert restarts(api) == []
    done = await fix.submit(form)
    assert at(done, "type") == "create_entry"
    assert issues(hass) == []
    await until(hass, HEALTH, "healthy")
    assert len(restarts(api)) == 1
    assert issues(hass) == []


async def test_gave_up_and_recovered(hass: HomeAssistant, parakeet: FakeServer, api: FakeServer) -> None:
    """The container was restarted outside Home Assistant: nothing is left to repair."""
    await given_up(hass, parakeet, api)
    parakeet.answers[HEAR] = fake.json({"text": "Turn on the kitchen light."})
    await until(hass, HEALTH, "healthy")
    assert issues(hass) == []
    assert restarts(api) == []


@pytest.mark.parametrize("reason", ["not_needed", "not_loaded", "failed"])
async def test_the_fix_comes_too_late(
    hass: HomeAssistant, hass_client: ClientSessionGenerator, parakeet: FakeServer, api: FakeServer, reason: str
) -> None:
    """While the form was open, something else happened: it says what, and restarts nothing."""
    entry = await given_up(hass, parakeet, api)
    fix = Fix(hass_client, entry)
    form = await fix.open()
    match reason:
        case "not_needed":
            parakeet.answers[HEAR] = fake.json({"text": "Turn on the kitchen light."})
            await until(hass, HEALTH, "healthy")
        case "not_loaded":
            assert await hass.config_entries.async_unload(entry.entry_id)
        case _:
            entry.runtime_data._watchdogs[PARAKEET].restarter.target = None  # noqa: SLF001
    told = await fix.submit(form)
    assert (at(told, "type"), at(told, "reason")) == ("abort", reason)
    assert restarts(api) == []


async def test_a_wedge_without_a_restart_target(hass: HomeAssistant, parakeet: FakeServer) -> None:
    """The advice stays after a manual recovery: the next wedge is as certain as the last."""
    await load(hass, watched_entry(parakeet.url))
    await until(hass, HEALTH, "healthy")
    assert issues(hass) == []
    well, parakeet.answers[HEAR] = parakeet.answers[HEAR], BROKEN
    await until(hass, HEALTH, "wedged")
    await hass.async_block_till_done()
    assert issues(hass) == ["no_restart_target"]
    parakeet.answers[HEAR] = well
    await until(hass, HEALTH, "healthy")
    assert issues(hass) == ["no_restart_target"]


async def test_no_issue_without_automatic_restarts(hass: HomeAssistant, parakeet: FakeServer) -> None:
    """They were switched off on purpose."""
    await load(hass, watched_entry(parakeet.url, automatic_restart=False))
    parakeet.answers[HEAR] = BROKEN
    await until(hass, HEALTH, "wedged")
    await hass.async_block_till_done()
    assert issues(hass) == []


@pytest.mark.usefixtures("socket_enabled")
async def test_the_proxy_has_no_target(hass: HomeAssistant) -> None:
    """The advice is another one: the target belongs into the proxy's settings."""
    async with fake_proxy() as proxy:
        proxy.answers[STATUS] = status(service("parakeet", "wedged", restart_target=None))
        entry = await load(hass, proxy_entry(proxy.url))
        assert issues(hass) == ["no_restart_target_proxy"]
        assert await hass.config_entries.async_unload(entry.entry_id)
        assert issues(hass) == []


@pytest.mark.usefixtures("socket_enabled")
async def test_the_proxy_gave_up(hass: HomeAssistant, hass_client: ClientSessionGenerator) -> None:
    """The fix asks the proxy; where that refuses, its reason is shown and the issue stays."""
    route = ("POST", "/api/services/parakeet/restart")
    async with fake_proxy() as proxy:
        proxy.answers[STATUS] = status(service("parakeet", "gave_up", restarts_left=0))
        proxy.answers[route] = fake.json({"error": {"message": "no disk"}}, status=500)
        entry = await load(hass, proxy_entry(proxy.url))
        fix = Fix(hass_client, entry)
        form = await fix.open()
        told = await fix.submit(form)
        assert (at(told, "type"), at(told, "reason")) == ("abort", "failed")
        assert "no disk" in string(at(told, "description_placeholders", "reason"))
        assert issues(hass) == ["gave_up"]

        proxy.answers[route] = fake.json({}, status=202)
        proxy.answers[STATUS] = status(service("parakeet", "restarting", restarts_left=0))
        form = await fix.open()
        told = await fix.submit(form)
        assert at(told, "type") == "create_entry"
        assert issues(hass) == []


class TestTwoOwners:
    """Exactly one party restarts a service."""

    @pytest.mark.parametrize(
        ("changes", "automatic", "found"),
        [
            ({}, True, ["two_owners"]),
            ({"restart_target": None}, True, []),
            ({}, False, []),
        ],
        ids=["both", "the proxy has no target", "the proxy leaves it to us"],
    )
    async def test_the_url_is_a_proxy(
        self,
        hass: HomeAssistant,
        api: FakeServer,
        changes: dict[str, object],
        automatic: bool,  # noqa: FBT001 - a parameter of the test
        found: list[str],
    ) -> None:
        """Its URL was entered as if it were Parakeet itself; such a proxy tells who restarts."""
        async with fake_proxy() as proxy:
            proxy.answers[STATUS] = status(service("parakeet") | changes, automatic=automatic)
            entry = await load(hass, watched_entry(proxy.url, **docker(api)))
            await press(hass, CHECK)
            assert state_of(hass, HEALTH) == "healthy"
            while STATUS not in [(asked.method, asked.path) for asked in proxy.asked]:
                await hass.async_block_till_done()
            await entry.runtime_data.async_refresh()
            await hass.async_block_till_done()
            assert issues(hass) == found

    async def test_a_proxy_url_without_a_restart_target(self, hass: HomeAssistant, socket_enabled: None) -> None:
        async with fake_proxy() as proxy:
            await load(hass, watched_entry(proxy.url))
            await press(hass, CHECK)
            assert issues(hass) == []
            assert STATUS not in [(asked.method, asked.path) for asked in proxy.asked]

    async def test_another_entry_is_the_proxy(self, hass: HomeAssistant, parakeet: FakeServer, api: FakeServer) -> None:
        """The same Parakeet, once directly and once through the proxy; it ends with one of them."""
        async with fake_proxy() as proxy:
            proxy.answers[STATUS] = status(service("parakeet") | {"url": f"{parakeet.url}/v1/"})
            through = await load(hass, proxy_entry(proxy.url))
            direct = await load(hass, watched_entry(parakeet.url, **docker(api)))
            assert issues(hass) == ["two_owners"]
            assert await hass.config_entries.async_unload(through.entry_id)
            await direct.runtime_data.async_refresh()
            assert issues(hass) == []


def test_every_issue_is_translated() -> None:
    assert set(TRANSLATIONS["issues"]) == {*ISSUES, *ISSUES_OF_OTHERS}
    assert set(TRANSLATIONS["issues"]["gave_up"]["fix_flow"]["abort"]) == {"failed", "not_loaded", "not_needed"}
