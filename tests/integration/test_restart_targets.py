"""Restart targets that Home Assistant itself performs, and how options become targets."""

import asyncio

import pytest
from homeassistant.core import HomeAssistant, ServiceCall
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.aiohttp_client import async_get_clientsession

from custom_components.spark_audio import restart_targets
from custom_components.spark_audio.restart_targets import create_target
from custom_components.spark_audio.spark_engine.healing.restart import Answer, RestartReply
from custom_components.spark_audio.spark_engine.models import Service


class TestTargets:
    """What Home Assistant's own targets make of what they find."""

    async def test_a_button_that_is_not_there(self, hass: HomeAssistant) -> None:
        """Home Assistant itself would be silent about it."""
        target = restart_targets.ButtonTarget(hass, "button.nowhere")
        reply = await target.restart()
        assert reply == RestartReply(Answer.REFUSED, "The button button.nowhere is not available.")

    async def test_an_action_that_is_not_there(self, hass: HomeAssistant) -> None:
        """A script that was deleted."""
        reply = await restart_targets.ActionTarget(hass, "script.nothing").restart()
        assert reply == RestartReply(Answer.REFUSED, "script.nothing is not there, or does not take the call.")

    async def test_an_action_that_fails(self, hass: HomeAssistant) -> None:
        async def fail(_: ServiceCall) -> None:
            raise HomeAssistantError("no")

        hass.services.async_register("script", "fail", fail)
        reply = await restart_targets.ActionTarget(hass, "script.fail").restart()
        assert reply == RestartReply(Answer.UNCONFIRMED, "script.fail failed: no")

    async def test_an_action_that_fails_with_a_secret_address(self, hass: HomeAssistant) -> None:
        """Other integrations name the URL that they called; it is shown to people, and stands in reports."""

        async def fail(_: ServiceCall) -> None:
            raise HomeAssistantError('Timeout when calling resource "https://me:key@10.0.0.2/hooks/SECRET?x=1"')

        hass.services.async_register("rest_command", "restart", fail)
        reply = await restart_targets.ActionTarget(hass, "rest_command.restart").restart()
        assert reply.detail == 'rest_command.restart failed: Timeout when calling resource "..."'

    async def test_an_action_that_takes_long_goes_on(
        self, hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A script that stops half-way would be worse than one that is not waited for."""
        monkeypatch.setattr(restart_targets, "RESTART_DEADLINE", 0.01)
        go_on, done = asyncio.Event(), asyncio.Event()

        async def restart(_: ServiceCall) -> None:
            await go_on.wait()
            done.set()

        hass.services.async_register("script", "slow", restart)
        reply = await restart_targets.ActionTarget(hass, "script.slow").restart()
        assert reply == RestartReply(Answer.UNCONFIRMED, "script.slow takes longer than 0 s.")
        go_on.set()
        await done.wait()

    @pytest.mark.parametrize(
        "options",
        [
            {},
            {"restart_kind": "none", "parakeet_restart_url": "http://127.0.0.1/"},
            {"restart_kind": "hook"},
            {"restart_kind": "docker", "magpie_restart_docker": "http://127.0.0.1:2375#magpie"},
            {"restart_kind": "action", "parakeet_restart_action": ""},
            {"restart_kind": "button", "parakeet_restart_button": None},
        ],
        ids=str,
    )
    async def test_no_target_is_no_target(self, hass: HomeAssistant, options: dict[str, str]) -> None:
        """What is left open for this service."""
        assert create_target(hass, async_get_clientsession(hass), options, Service.PARAKEET) is None
