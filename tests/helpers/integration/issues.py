"""Repairs: which there are, what they say, and a Parakeet that has to be repaired."""

from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.spark_audio.spark_engine.healing.budget import Ledger
from custom_components.spark_audio.spark_engine.healing.clock import SystemClock
from custom_components.spark_audio.stored import StoredLedger
from tests.fakes.server import FakeServer
from tests.helpers.documents import at, string
from tests.helpers.integration.docker_api import docker
from tests.helpers.integration.watched import BROKEN, HEALTH, HEAR, PARAKEET, load, until, watched_entry

FIX = "/api/repairs/issues/fix"


def issues(hass: HomeAssistant) -> list[str]:
    """Return the kinds of the issues that there are."""
    return sorted(issue.translation_key or "" for issue in _issues(hass))


def said(hass: HomeAssistant, kind: str, service: str = "Parakeet") -> dict[str, str]:
    """Return what the text of the issue of this kind about the service is filled in with."""
    filled = [issue.translation_placeholders or {} for issue in _issues(hass) if issue.translation_key == kind]
    [found] = [each for each in filled if each["service"] == service]
    return found


def _issues(hass: HomeAssistant) -> list[ir.IssueEntry]:
    return [issue for (domain, _), issue in ir.async_get(hass).issues.items() if domain == "spark_audio"]


class Fix:
    """The fix of `gave_up`, as the frontend asks for it."""

    def __init__(self, hass_client: ClientSessionGenerator, entry: MockConfigEntry) -> None:
        """Nothing is asked yet."""
        self._clients = hass_client
        self._ask = {"handler": "spark_audio", "issue_id": f"gave_up_{entry.entry_id}_parakeet"}

    async def open(self) -> object:
        """Return the form."""
        client = await self._clients()
        return await (await client.post(FIX, json=self._ask)).json()

    async def submit(self, form: object) -> object:
        """Return what comes of it."""
        client = await self._clients()
        return await (await client.post(f"{FIX}/{string(at(form, 'flow_id'))}", json={})).json()


async def given_up(hass: HomeAssistant, parakeet: FakeServer, api: FakeServer) -> MockConfigEntry:
    """Return a Spark whose Parakeet was restarted three times, in vain."""
    entry = watched_entry(parakeet.url, **docker(api))
    store = StoredLedger(hass, entry.entry_id, PARAKEET, parakeet.url)
    await store.load()
    now = SystemClock().time()
    await store.save(Ledger((now - 300, now - 200, now - 100)))
    parakeet.answers[HEAR] = BROKEN
    await load(hass, entry)
    await until(hass, HEALTH, "gave_up")
    return entry
