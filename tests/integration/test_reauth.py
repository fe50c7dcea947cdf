"""A key that is refused: Home Assistant asks for another, in the form that has the old one."""

import pytest
from homeassistant.config_entries import SOURCE_REAUTH
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import WebSocketGenerator

from custom_components.spark_audio.const import DOMAIN
from tests.fakes import server as fake
from tests.fakes.magpie import SYNTHESIZE_ONLINE
from tests.fakes.parakeet import TRANSCRIPTIONS
from tests.fakes.proxy import proxy
from tests.fakes.server import FakeServer, running
from tests.helpers.integration.config_forms import KEY, direct, through_proxy
from tests.helpers.integration.hearing import SPEECH
from tests.helpers.integration.pipeline import create_pipeline, run_pipeline
from tests.helpers.integration.set_up import set_up
from tests.helpers.integration.speaking import TEXT, entity_of

pytestmark = pytest.mark.usefixtures("assist", "socket_enabled")


async def test_new_key_for_the_proxy(hass: HomeAssistant) -> None:
    """The key alone is asked for; a wrong one is refused again, the right one is kept and used at once."""
    async with running(proxy(key=KEY, proxy_id="1234")) as server:
        entry = MockConfigEntry(
            domain=DOMAIN, title="127.0.0.1", data=through_proxy(server.url, "old"), unique_id="1234"
        )
        entry.add_to_hass(hass)
        form = await entry.start_reauth_flow(hass)
        assert (form["type"], form["step_id"], form["errors"]) == (FlowResultType.FORM, "reauth_confirm", {})
        schema, told = form["data_schema"], form["description_placeholders"]
        assert schema is not None
        assert told is not None
        assert [(str(field), field.description) for field in schema.schema] == [("api_key", None)]
        assert told["name"] == "127.0.0.1"
        configure = hass.config_entries.flow.async_configure
        form = await configure(form["flow_id"], {"api_key": "wrong"})
        assert form["errors"] == {"api_key": "unauthorized"}
        result = await configure(form["flow_id"], {"api_key": KEY})
        assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "reauth_successful")
        await hass.async_block_till_done()
        assert entry.data == through_proxy(server.url, KEY)
        assert {state.domain for state in hass.states.async_all(["stt", "tts"])} == {"stt", "tts"}


async def test_another_proxy_does_not_take_the_entry_over(hass: HomeAssistant) -> None:
    """One that answers at the same address, and is another one by its id."""
    async with running(proxy(key=KEY, proxy_id="5678")) as server:
        entry = MockConfigEntry(domain=DOMAIN, data=through_proxy(server.url, "old"), unique_id="1234")
        entry.add_to_hass(hass)
        form = await entry.start_reauth_flow(hass)
        result = await hass.config_entries.flow.async_configure(form["flow_id"], {"api_key": KEY})
        assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "unique_id_mismatch")
        assert entry.data == through_proxy(server.url, "old")


async def test_new_key_for_the_servers(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """Directly connected, the key goes to both."""
    form = await entry.start_reauth_flow(hass)
    assert form["step_id"] == "reauth_confirm"
    urls = {name: entry.data[name] for name in ("parakeet_url", "magpie_url")}
    result = await hass.config_entries.flow.async_configure(form["flow_id"], {"api_key": KEY})
    assert result["reason"] == "reauth_successful"
    await hass.async_block_till_done()
    assert entry.data == direct(*urls.values(), api_key=KEY)


async def test_key_goes_to_both_servers(hass: HomeAssistant, parakeet: FakeServer, magpie: FakeServer) -> None:
    """As a bearer token, as OpenAI's clients send it."""
    entry = MockConfigEntry(domain=DOMAIN, data=direct(parakeet.url, magpie.url, api_key=KEY))
    assert await set_up(hass, entry)
    await entity_of(hass).async_get_tts_audio(TEXT, "en-US", {})
    for server in (parakeet, magpie):
        await entry.runtime_data.spark.parakeet.server()
        assert {asked.headers["Authorization"] for asked in server.asked} == {f"Bearer {KEY}"}


async def test_refused_while_hearing(
    hass: HomeAssistant, hass_ws_client: WebSocketGenerator, entry: MockConfigEntry, parakeet: FakeServer
) -> None:
    """A Parakeet that refuses the key starts one reauthentication."""
    parakeet.answers["POST", TRANSCRIPTIONS] = fake.json({"detail": "no"}, status=401)
    ws = await hass_ws_client()
    pipeline = await create_pipeline(ws)
    for _ in range(2):
        run = await run_pipeline(ws, pipeline, SPEECH)
        assert run.error == "stt-stream-failed"
        await hass.async_block_till_done()
    [flow] = hass.config_entries.flow.async_progress()
    assert (flow["context"]["source"], flow["context"]["entry_id"]) == (SOURCE_REAUTH, entry.entry_id)


async def test_refused_while_speaking(hass: HomeAssistant, entry: MockConfigEntry, magpie: FakeServer) -> None:
    magpie.answers["POST", SYNTHESIZE_ONLINE] = fake.json({"detail": "no"}, status=403)
    with pytest.raises(Exception, match="Magpie refuses the API key"):
        await entity_of(hass).async_get_tts_audio(TEXT, "en-US", {})
    await hass.async_block_till_done()
    [flow] = hass.config_entries.flow.async_progress()
    assert flow["context"]["source"] == SOURCE_REAUTH
