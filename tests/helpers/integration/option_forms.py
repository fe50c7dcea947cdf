"""What the tests of the options share: the forms, shown and filled in."""

from typing import Any

from homeassistant.config_entries import ConfigFlowResult
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType, section
from pytest_homeassistant_custom_component.common import MockConfigEntry

SOUND = {"even_loudness": False, "silence_before": 0, "chime": "none", "silence_behind": 0}
VOICE = {"emotion": "as_is", "speed": 1, "sample_rate": "44100", **SOUND}

LISTENING = {
    "turn_end": "balanced",
    "early_transcription": True,
    "home_names": True,
    "keep_corrections": False,
    "speech_only": True,
    "turn_deadline": 10,
    "noise_reduction": True,
    "auto_gain": True,
}

HEALING = {"canary_interval": 300, "automatic_restart": False, "keep_warm": False, "restart_kind": "none"}
DEFAULTS = {
    "emotion": "as_is",
    "speed": 1,
    "sample_rate": 44_100,
    **SOUND,
    "voices": {},
    "turn_end": "balanced",
    "early_transcription": True,
    "home_names": True,
    "keep_corrections": False,
    "speech_only": True,
    "turn_deadline": 10,
    "audio_processing": {"noise_reduction": True, "auto_gain": True},
    "canary_interval": 300,
    "automatic_restart": False,
    "keep_warm": False,
    "restart_kind": "none",
}


def filled_in(**sections: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The whole form as a browser sends it."""
    form = {"voice": VOICE, "listening": LISTENING, "healing": HEALING, "fallback": {}}
    return {name: {**fields, **sections.get(name, {})} for name, fields in form.items()}


async def start(hass: HomeAssistant, entry: MockConfigEntry) -> ConfigFlowResult:
    """The first form."""
    form = await hass.config_entries.options.async_init(entry.entry_id)
    assert (form["type"], form["step_id"]) == (FlowResultType.FORM, "init")
    return form


async def submit(hass: HomeAssistant, entry: MockConfigEntry, **sections: dict[str, Any]) -> ConfigFlowResult:
    """What comes of the first form."""
    form = await start(hass, entry)
    result = await hass.config_entries.options.async_configure(form["flow_id"], filled_in(**sections))
    await hass.async_block_till_done()
    return result


def fields(form: ConfigFlowResult, name: str | None = None) -> dict[str, Any]:
    """Selectors by field, of the form or of one of its sections."""
    schema = form["data_schema"]
    assert schema is not None
    inner = schema.schema
    if name:
        [inside] = [value for key, value in inner.items() if str(key) == name]
        assert isinstance(inside, section)
        inner = inside.schema.schema
    return {str(key): value for key, value in inner.items()}


def suggested(form: ConfigFlowResult, name: str | None = None) -> dict[str, Any]:
    """What the form is filled in with at the start, where it is not the default."""
    schema = form["data_schema"]
    assert schema is not None
    inner = schema.schema if name is None else next(v for k, v in schema.schema.items() if str(k) == name).schema.schema
    return {str(key): key.description["suggested_value"] for key in inner if key.description}
