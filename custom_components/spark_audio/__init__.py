"""Speech for Assist from NVIDIA Parakeet and Magpie on the user's own GPU box."""

from homeassistant.const import Platform
from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import ConfigEntryNotReady
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.aiohttp_client import async_get_clientsession

from .const import CONF_MAGPIE_URL, CONF_PARAKEET_URL, DOMAIN, Service
from .data import SparkConfigEntry, SparkData
from .entity import device_identifier
from .errors import translated
from .spark_engine.errors import SparkError
from .spark_engine.magpie_dialects import MagpieServer
from .spark_engine.spark import Spark, SparkAddress


async def async_setup_entry(hass: HomeAssistant, entry: SparkConfigEntry) -> bool:
    """Set up the services of one Spark.

    Only the voices are asked for: without them there is no text-to-speech. A Parakeet that is away for a while keeps
    its entity, because a pipeline without its engine fails in a way that nobody understands.
    """
    spark = Spark(
        async_get_clientsession(hass),
        SparkAddress(parakeet_url=entry.data[CONF_PARAKEET_URL], magpie_url=entry.data[CONF_MAGPIE_URL]),
    )
    entry.runtime_data = SparkData(spark=spark, magpie=await _find_magpie(spark))
    _remove_devices_left_out(hass, entry)
    await hass.config_entries.async_forward_entry_setups(entry, _platforms(spark))
    return True


async def async_unload_entry(hass: HomeAssistant, entry: SparkConfigEntry) -> bool:
    """Take the entities away. Connections belong to Home Assistant's own session."""
    return await hass.config_entries.async_unload_platforms(entry, _platforms(entry.runtime_data.spark))


def _platforms(spark: Spark) -> list[Platform]:
    return [
        *([Platform.STT] if spark.parakeet else []),
        *([Platform.TTS] if spark.magpie else []),
    ]


async def _find_magpie(spark: Spark) -> MagpieServer | None:
    if spark.magpie is None:
        return None
    try:
        magpie = await spark.magpie.server()
    except SparkError as err:
        raise translated(ConfigEntryNotReady, err, Service.MAGPIE) from err
    if not magpie.voices:
        raise ConfigEntryNotReady(translation_domain=DOMAIN, translation_key="no_voices")
    return magpie


@callback
def _remove_devices_left_out(hass: HomeAssistant, entry: SparkConfigEntry) -> None:
    """Forget the device, and with it the entities, of a service whose URL was taken out."""
    registry, spark = dr.async_get(hass), entry.runtime_data.spark
    for service, client in ((Service.PARAKEET, spark.parakeet), (Service.MAGPIE, spark.magpie)):
        identifier = device_identifier(entry.entry_id, service)
        if client is None and (device := registry.async_get_device_by_identifier(identifier, entry.entry_id)):
            registry.async_remove_device(device.id)
