"""What a restart target answers: accepted, unconfirmed and refused are three things, wherever they are told."""

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path

import pytest
from aiohttp import web
from homeassistant.const import STATE_UNAVAILABLE
from homeassistant.core import HomeAssistant, ServiceCall
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.spark_audio.spark_engine.healing.restart import TrialResult
from tests.fakes import faults
from tests.fakes import server as fake
from tests.fakes.server import FakeServer
from tests.helpers.documents import at
from tests.helpers.integration.docker_api import DOCKER_INSPECT, DOCKER_RESTART, HOOK, docker, restarts
from tests.helpers.integration.issues import Fix, given_up, issues, said
from tests.helpers.integration.set_up import state_of
from tests.helpers.integration.watched import (
    BROKEN,
    CHECK,
    HEALTH,
    HEAR,
    INCIDENT,
    MOMENT,
    PARAKEET,
    RESTART,
    STATUS,
    fake_proxy,
    incidents,
    load,
    press,
    proxy_entry,
    real_proxy,
    service,
    status,
    until,
    until_problem,
    until_told,
    watched_entry,
)

pytestmark = pytest.mark.usefixtures("assist", "watched", "disk", "repairs")

NO_CONTAINER = fake.json({"message": "No such container: parakeet"}, status=404)

REFUSALS: dict[str, tuple[dict[str, str], str]] = {
    "hook 403": (
        {"restart_kind": "hook", "parakeet_restart_url": "{url}/closed"},
        "The restart target answered 403 Forbidden.",
    ),
    "hook 404": (
        {"restart_kind": "hook", "parakeet_restart_url": "{url}/nowhere"},
        "The restart target answered 404 Not Found.",
    ),
    "hook moved": (
        {"restart_kind": "hook", "parakeet_restart_url": "{url}/moved"},
        "The restart target answered 302 Found.",
    ),
    "hook is off": (
        {"restart_kind": "hook", "parakeet_restart_url": "{off}/restart"},
        "The restart target cannot be reached: ",
    ),
    "no such container": (
        {"restart_kind": "docker", "parakeet_restart_docker": "{url}#gone"},
        "The restart target answered 404 Not Found.",
    ),
    "no such action": (
        {"restart_kind": "action", "parakeet_restart_action": "script.gone"},
        "script.gone is not there, or does not take the call.",
    ),
    "action that needs data": (
        {"restart_kind": "action", "parakeet_restart_action": "script.picky"},
        "script.picky is not there, or does not take the call.",
    ),
    "button is away": (
        {"restart_kind": "button", "parakeet_restart_button": "button.away"},
        "The button button.away is not available.",
    ),
}


async def picky(_: ServiceCall) -> None:
    """Refuse every call."""
    raise ServiceValidationError("required key not provided")


def filled(options: Mapping[str, str], api: FakeServer) -> dict[str, str]:
    """Return the options with the addresses of this test."""
    return {name: text.format(url=api.url, off=faults.refused()) for name, text in options.items()}


@pytest.mark.parametrize(("options", "reason"), REFUSALS.values(), ids=REFUSALS.keys())
async def test_refused_by_hand(
    hass: HomeAssistant, parakeet: FakeServer, api: FakeServer, options: dict[str, str], reason: str
) -> None:
    """Nothing was restarted: the button says so, no attempt is spent, and all is as it was."""
    api.answers["POST", "/closed"] = fake.text("no", status=403)
    api.answers["POST", "/moved"] = fake.text("elsewhere", status=302)
    hass.services.async_register("script", "picky", picky)
    hass.states.async_set("button.away", STATE_UNAVAILABLE)
    entry = await load(hass, watched_entry(parakeet.url, **filled(options, api)))
    await until(hass, HEALTH, "healthy")
    told = incidents(hass)
    with pytest.raises(HomeAssistantError) as refused:
        await press(hass, RESTART)
    assert refused.value.translation_key == "restart_refused"
    assert str(refused.value).startswith(f"Parakeet was not restarted: {reason}")
    await hass.async_block_till_done()
    assert told == ["restart_requested", "restart_refused"]
    state = hass.states.get(HEALTH)
    assert state is not None
    assert state.state == "healthy"
    assert state.attributes["restart_problem"].startswith(reason)
    assert state_of(hass, "sensor.parakeet_recent_restarts") == "0"
    assert state_of(hass, "sensor.parakeet_restarts_left") == "3"
    last = entry.runtime_data.data[PARAKEET].history[-1]
    assert (last.before, last.after, last.refused) == ("restarting", "healthy", True)
    assert last.evidence.startswith(reason)
    if options["restart_kind"] == "action" and reason.startswith("script.gone"):
        # Which action is missing is said by an issue of its own.
        assert issues(hass) == ["restart_target_gone"]
        return
    assert issues(hass) == ["restart_problem"]
    assert said(hass, "restart_problem")["reason"].startswith(reason)


async def test_refused_automatically(hass: HomeAssistant, parakeet: FakeServer, api: FakeServer) -> None:
    """It stays wedged, the target is asked once, and what it answered is told; until it is mended."""
    entry = await load(hass, watched_entry(parakeet.url, **docker(api)))
    await until(hass, HEALTH, "healthy")
    assert issues(hass) == []
    told, heal = incidents(hass), api.answers[DOCKER_RESTART]
    api.answers[DOCKER_RESTART] = NO_CONTAINER
    parakeet.answers[HEAR] = BROKEN
    await until_told(hass, "restart_refused")
    await hass.async_block_till_done()
    assert told == ["wedged", "restart_requested", "restart_refused"]
    assert state_of(hass, HEALTH) == "wedged"
    assert said(hass, "restart_problem")["reason"] == "The restart target answered 404 Not Found."
    await press(hass, CHECK)
    assert (state_of(hass, HEALTH), len(restarts(api))) == ("wedged", 1)
    assert entry.runtime_data.data[PARAKEET].restarts_left == 3

    api.answers[DOCKER_RESTART] = heal
    await press(hass, RESTART)
    await until(hass, HEALTH, "healthy")
    await hass.async_block_till_done()
    assert issues(hass) == []
    assert told[3:] == ["restart_requested", "recovered"]
    assert entry.runtime_data.data[PARAKEET].restarts_left == 2


async def test_the_fix_of_a_repair_is_refused(
    hass: HomeAssistant, hass_client: ClientSessionGenerator, parakeet: FakeServer, api: FakeServer
) -> None:
    """It fails with what the target answered, and both repairs stay."""
    entry = await given_up(hass, parakeet, api)
    api.answers[DOCKER_RESTART] = NO_CONTAINER
    fix = Fix(hass_client, entry)
    told = await fix.submit(await fix.open())
    assert (at(told, "type"), at(told, "reason")) == ("abort", "failed")
    reason = "Parakeet was not restarted: The restart target answered 404 Not Found."
    assert at(told, "description_placeholders", "reason") == reason
    assert state_of(hass, HEALTH) == "gave_up"
    assert issues(hass) == ["gave_up", "restart_problem"]
    assert len(entry.runtime_data.data[PARAKEET].restarts) == 3


async def broken(_: ServiceCall) -> None:
    """Fail in the middle."""
    raise HomeAssistantError("exit status 1")


async def bug(_: ServiceCall) -> None:
    """Raise what no one expects."""
    raise RuntimeError("boom")


@pytest.mark.parametrize(
    ("options", "answer"),
    [
        ({"restart_kind": "action", "parakeet_restart_action": "script.bug"}, "script.bug failed (RuntimeError)."),
        ({"restart_kind": "hook", "parakeet_restart_url": "{url}/restart"}, "The restart target answered 500"),
        ({"restart_kind": "action", "parakeet_restart_action": "script.broken"}, "script.broken failed: exit status 1"),
    ],
    ids=["action has a bug", "hook 500", "action fails"],
)
async def test_unconfirmed(
    hass: HomeAssistant,
    parakeet: FakeServer,
    api: FakeServer,
    caplog: pytest.LogCaptureFixture,
    options: dict[str, str],
    answer: str,
) -> None:
    """It may have been restarted: it counts, canaries decide, and nothing is called a refusal."""
    api.answers[HOOK] = fake.text("oops", status=500)
    hass.services.async_register("script", "broken", broken)
    hass.services.async_register("script", "bug", bug)
    entry = await load(hass, watched_entry(parakeet.url, **filled(options, api)))
    await until(hass, HEALTH, "healthy")
    told = incidents(hass)
    await press(hass, RESTART)
    await until_told(hass, "recovered")
    assert told == ["restart_requested", "recovered"]
    assert f"Parakeet: restart unconfirmed. {answer}" in caplog.text
    assert entry.runtime_data.data[PARAKEET].restarts_left == 2
    assert issues(hass) == []


async def test_accepted(
    hass: HomeAssistant, parakeet: FakeServer, api: FakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    entry = await load(hass, watched_entry(parakeet.url, **docker(api)))
    await until(hass, HEALTH, "healthy")
    await press(hass, RESTART)
    await until_told(hass, "recovered")
    assert "Parakeet: restart accepted. The restart target answered 204 No Content." in caplog.text
    assert entry.runtime_data.data[PARAKEET].restarts_left == 2
    assert issues(hass) == []


async def test_a_target_that_cannot_work_is_told_before_it_is_needed(
    hass: HomeAssistant, parakeet: FakeServer, api: FakeServer
) -> None:
    """It is tried when Home Assistant starts; a restart that is accepted shows that it works after all."""
    api.answers[DOCKER_INSPECT] = NO_CONTAINER
    entry = await load(hass, watched_entry(parakeet.url, **docker(api)))
    await until(hass, HEALTH, "healthy")
    await until_problem(hass)
    assert issues(hass) == ["restart_problem"]
    assert said(hass, "restart_problem") == {
        "service": "Parakeet",
        "title": "127.0.0.1",
        "url": f"`{parakeet.url}`",
        "reason": "The Docker API knows no container parakeet.",
    }
    assert restarts(api) == []
    await press(hass, RESTART)
    assert issues(hass) == []
    assert entry.runtime_data.data[PARAKEET].restart_problem is None


async def test_a_trial_that_takes_long(hass: HomeAssistant, parakeet: FakeServer, api: FakeServer) -> None:
    """What it shows is shown at once, without any change of state."""
    is_healthy = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        await is_healthy.wait()
        return await NO_CONTAINER(request)

    api.answers[DOCKER_INSPECT] = answer
    entry = await load(hass, watched_entry(parakeet.url, canary_interval=1000, **docker(api)))
    await until(hass, HEALTH, "healthy")
    assert issues(hass) == []
    tried = asyncio.Event()
    [member] = entry.runtime_data.spark.members
    # Called after the coordinator, which listens since it was set up.
    member.watchdog.subscribe(lambda _, event: tried.set() if isinstance(event, TrialResult) else None)
    is_healthy.set()
    await tried.wait()
    assert issues(hass) == ["restart_problem"]


async def test_no_repair_where_restarts_are_left_to_people(
    hass: HomeAssistant, parakeet: FakeServer, api: FakeServer
) -> None:
    """They are told when they press the button."""
    api.answers[DOCKER_INSPECT] = api.answers[DOCKER_RESTART] = NO_CONTAINER
    await load(hass, watched_entry(parakeet.url, automatic_restart=False, **docker(api)))
    await until(hass, HEALTH, "healthy")
    with pytest.raises(HomeAssistantError, match="The restart target answered 404"):
        await press(hass, RESTART)
    assert issues(hass) == []


class TestThroughTheProxy:
    """The proxy restarts, and passes on what its target answered."""

    async def test_refused_by_hand(self, hass: HomeAssistant, socket_enabled: None) -> None:
        """The state is asked for again at once."""
        answer = "The restart target answered 403 Forbidden."
        async with fake_proxy() as proxy:
            await load(hass, proxy_entry(proxy.url))
            proxy.answers["POST", "/api/services/parakeet/restart"] = fake.json(
                {"error": {"message": answer}}, status=424
            )
            refused = {"at": MOMENT, "from": "restarting", "to": "healthy", "evidence": answer, "refused": True}
            proxy.answers[STATUS] = status(
                service("parakeet", restart_problem=answer, history=[refused]), service("magpie")
            )
            with pytest.raises(HomeAssistantError) as error:
                await press(hass, RESTART)
            assert error.value.translation_key == "restart_refused"
            assert str(error.value) == f"Parakeet was not restarted: {answer}"
            state = hass.states.get(INCIDENT)
            assert state is not None
            assert (state.attributes["event_type"], state.attributes["evidence"]) == ("restart_refused", answer)
            assert said(hass, "restart_problem")["reason"] == answer

    @pytest.mark.parametrize(("automatic", "found"), [(True, ["restart_problem"]), (False, [])])
    async def test_a_problem_of_the_proxy(
        self,
        hass: HomeAssistant,
        socket_enabled: None,
        automatic: bool,  # noqa: FBT001 - a parameter of the test
        found: list[str],
    ) -> None:
        """A folder that cannot be written, for example; gone with the problem."""
        problem = "No restarts: the ledger of restarts cannot be written (No space left on device)."
        async with fake_proxy() as proxy:
            proxy.answers[STATUS] = status(service("parakeet", restart_problem=problem), automatic=automatic)
            entry = await load(hass, proxy_entry(proxy.url))
            assert issues(hass) == found
            proxy.answers[STATUS] = status(service("parakeet"), automatic=automatic)
            await entry.runtime_data.async_refresh()
            assert issues(hass) == []

    @pytest.mark.slow
    async def test_the_real_proxy(
        self, hass: HomeAssistant, parakeet: FakeServer, api: FakeServer, tmp_path: Path
    ) -> None:
        """In a process of its own: what its Docker API answers reaches the person who pressed the button."""
        api.answers[DOCKER_RESTART] = NO_CONTAINER
        async with real_proxy(
            tmp_path, parakeet_url=parakeet.url, parakeet_restart_docker=f"{api.url}#parakeet"
        ) as url:
            entry = await load(hass, proxy_entry(url))
            await press(hass, CHECK)
            assert state_of(hass, HEALTH) == "healthy"
            told = incidents(hass)
            with pytest.raises(HomeAssistantError) as error:
                await press(hass, RESTART)
            answer = "The restart target answered 404 Not Found."
            assert str(error.value) == f"Parakeet was not restarted: {answer}"
            assert told == ["restart_requested", "restart_refused"]
            assert said(hass, "restart_problem")["reason"] == answer
            assert (state_of(hass, HEALTH), state_of(hass, "sensor.parakeet_restarts_left")) == ("healthy", "3")
            assert len(restarts(api)) == 1
            assert await hass.config_entries.async_unload(entry.entry_id)
