"""Settings as tests write them: the options of the command line, by name."""

from dataclasses import fields
from typing import Any

from spark_audio_proxy.config import RestartSettings, ServerSettings, Settings
from spark_engine.models import Service


def proxy_settings(**options: Any) -> Settings:
    """Return the settings for these options; those of a server are lists where there are several."""
    parakeet, magpie = (_servers(service, options) for service in Service)
    return Settings(parakeet=parakeet, magpie=magpie, **options)


def _servers(service: Service, options: dict[str, Any]) -> tuple[ServerSettings, ...]:
    urls: list[str | None] = _list(options.pop(f"{service}_url", None))
    tokens = _list(options.pop(f"{service}_token", None))
    restarts = {
        item.name: _list(options.pop(f"{service}_restart_{item.name}", None)) for item in fields(RestartSettings)
    }
    if not urls and options.get("embedded"):
        urls = [None]
    return tuple(
        ServerSettings(
            url=url,
            token=_item(tokens, number),
            restart=RestartSettings(**{kind: _item(items, number) for kind, items in restarts.items()}),
        )
        for number, url in enumerate(urls)
    )


def _list(value: str | None) -> list[str | None]:
    return [item.strip() or None for item in value.split(",")] if value else []


def _item(items: list[str | None], number: int) -> str | None:
    return items[number] if number < len(items) else None
