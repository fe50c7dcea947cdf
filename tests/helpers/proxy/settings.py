"""Settings as tests write them: the options of the command line, by name."""

from collections.abc import Mapping
from dataclasses import fields
from typing import TypedDict, Unpack, cast

from spark_audio_proxy.config import RestartSettings, ServerSettings, Settings
from spark_engine.models import Service


class ProxyOptions(TypedDict, total=False):
    """Settings of the proxy as a whole; those that are left out have their defaults."""

    host: str
    port: int
    zeroconf: bool | None
    api_key: tuple[str, ...]
    admin_key: tuple[str, ...]
    embedded: bool
    allow_anonymous: bool
    protect_lists: bool
    cors_origins: tuple[str, ...]
    allowed_hosts: tuple[str, ...]
    unknown_voice: str
    max_characters: int
    max_upload: int
    bytes_in_flight: int
    max_audio: float
    window: float
    concurrency: int
    queue: int
    watch: bool
    auto_restart: bool
    keep_warm: bool
    canary_interval: float
    restart_limit: int
    restart_window: float
    start_grace: float
    state_dir: str | None
    llm_url: str | None
    llm_key: str | None
    metrics: bool
    request_history: int


class ProxySettings(ProxyOptions, total=False):
    """The same with the options of each server, separated by commas where there are several."""

    parakeet_url: str | None
    magpie_url: str | None
    parakeet_token: str | None
    magpie_token: str | None
    parakeet_restart_url: str | None
    parakeet_restart_token: str | None
    parakeet_restart_docker: str | None
    parakeet_restart_command: str | None
    parakeet_restart_ssh: str | None
    magpie_restart_url: str | None
    magpie_restart_token: str | None
    magpie_restart_docker: str | None
    magpie_restart_command: str | None
    magpie_restart_ssh: str | None


def proxy_settings(**options: Unpack[ProxySettings]) -> Settings:
    """Return the settings for these options."""
    own = cast("ProxyOptions", {name: value for name, value in options.items() if name in ProxyOptions.__annotations__})
    parakeet, magpie = (_servers(service, options, embedded=bool(options.get("embedded"))) for service in Service)
    return Settings(parakeet=parakeet, magpie=magpie, **own)


def _servers(service: Service, options: Mapping[str, object], *, embedded: bool) -> tuple[ServerSettings, ...]:
    urls = _list(options.get(f"{service}_url"))
    tokens = _list(options.get(f"{service}_token"))
    restarts = {item.name: _list(options.get(f"{service}_restart_{item.name}")) for item in fields(RestartSettings)}
    if not urls and embedded:
        urls = [None]
    return tuple(
        ServerSettings(
            url=url,
            token=_item(tokens, number),
            restart=RestartSettings(**{kind: _item(items, number) for kind, items in restarts.items()}),
        )
        for number, url in enumerate(urls)
    )


def _list(value: object) -> list[str | None]:
    return [item.strip() or None for item in value.split(",")] if isinstance(value, str) else []


def _item(items: list[str | None], number: int) -> str | None:
    return items[number] if number < len(items) else None
