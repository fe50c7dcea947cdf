"""Where a config entry's services are, and over which session they are asked."""

from collections.abc import Collection, Mapping
from typing import Any

from aiohttp import ClientSession
from homeassistant.const import CONF_API_KEY, CONF_VERIFY_SSL
from homeassistant.core import HomeAssistant
from homeassistant.helpers.aiohttp_client import async_get_clientsession

from .const import (
    CONF_CONNECTION,
    CONF_MAGPIE_URL,
    CONF_PARAKEET_URL,
    CONF_PROXY_URL,
    CONNECTION_DIRECT,
    CONNECTION_PROXY,
    Service,
)
from .spark_engine.spark import SparkAddress


def is_through_proxy(data: Mapping[str, Any]) -> bool:
    """Whether this entry's services are behind the proxy. Entries of the first version say nothing and are direct."""
    return bool(data.get(CONF_CONNECTION, CONNECTION_DIRECT) == CONNECTION_PROXY)


def session_for(hass: HomeAssistant, data: Mapping[str, Any]) -> ClientSession:
    """Home Assistant's own session; the one that takes any certificate where the entry says so."""
    return async_get_clientsession(hass, verify_ssl=data.get(CONF_VERIFY_SSL, True))


def address_for(data: Mapping[str, Any], behind_proxy: Collection[str] = tuple(Service)) -> SparkAddress:
    """The address of the services. Through the proxy they share its URL: those that it serves, `behind_proxy`."""
    key: str | None = data.get(CONF_API_KEY)
    if is_through_proxy(data):
        proxy_url: str = data[CONF_PROXY_URL]
        parakeet_url = proxy_url if Service.PARAKEET in behind_proxy else None
        magpie_url = proxy_url if Service.MAGPIE in behind_proxy else None
    else:
        parakeet_url, magpie_url = data.get(CONF_PARAKEET_URL), data.get(CONF_MAGPIE_URL)
    return SparkAddress(parakeet_url=parakeet_url, magpie_url=magpie_url, parakeet_token=key, magpie_token=key)
