"""Settings, from the command line or the environment: each has the same name in both."""

import argparse
import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal

import voluptuous as vol
from spark_engine import __version__
from spark_engine.models import Service
from yarl import URL

PREFIX = "SPARK_AUDIO_"

SHORTEST_KEY = 16
"""Characters of a key that clients send: failed attempts are not counted."""


class SettingsError(Exception):
    """A setting is missing or wrong; the message names it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RestartSettings:
    """How one server is restarted, as written in the settings; at most one kind."""

    url: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    docker: str | None = field(default=None, repr=False)
    command: str | None = field(default=None, repr=False)
    ssh: str | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerSettings:
    """One server of a service. Without a URL it is the embedded Spark."""

    url: str | None = None
    token: str | None = field(default=None, repr=False)
    restart: RestartSettings = field(default_factory=RestartSettings)


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """Everything that can be set. Sizes in bytes, times in seconds."""

    parakeet: tuple[ServerSettings, ...] = ()
    magpie: tuple[ServerSettings, ...] = ()
    host: str = "127.0.0.1"
    port: int = 8600
    zeroconf: bool | None = None
    api_key: tuple[str, ...] = field(default=(), repr=False)
    admin_key: tuple[str, ...] = field(default=(), repr=False)
    embedded: bool = False
    allow_anonymous: bool = False
    protect_lists: bool = False
    cors_origins: tuple[str, ...] = ()
    allowed_hosts: tuple[str, ...] = ()
    unknown_voice: str = "default"
    max_characters: int = 32_768
    max_upload: int = 100 << 20
    bytes_in_flight: int = 128 << 20
    max_audio: float = 4 * 3600.0
    window: float = 300.0
    concurrency: int = 4
    queue: int = 32
    watch: bool = True
    auto_restart: bool = True
    keep_warm: bool = False
    canary_interval: float = 300.0
    restart_limit: int = 3
    restart_window: float = 1800.0
    start_grace: float = 180.0
    state_dir: str | None = None
    llm_url: str | None = None
    llm_key: str | None = field(default=None, repr=False)
    metrics: bool = False
    request_history: int = 0
    log_format: Literal["text", "json"] = "text"

    @property
    def announced(self) -> bool:
        """Return whether the network is told of this proxy: if nothing is set, where Home Assistant could use it."""
        return self.zeroconf if self.zeroconf is not None else bool(self.api_key) and not is_loopback(self.host)


def _url(value: str) -> str:
    try:
        url = URL(value)
    except ValueError as err:
        raise vol.Invalid("not a URL") from err
    if url.scheme not in ("http", "https") or not url.host:
        raise vol.Invalid("a URL starts with http:// or https:// and names a host")
    if url.user or url.password:
        raise vol.Invalid("a key has no place in a URL, which is logged and shown; there is a setting for it")
    return value


def _urls(value: str) -> tuple[str, ...]:
    return tuple(map(_url, _list(value)))


def _list(value: str) -> tuple[str, ...]:
    """Return the items of a comma separated list."""
    return tuple(item for item in (part.strip() for part in value.split(",")) if item)


def _keys(value: str) -> tuple[str, ...]:
    """Return the keys in a comma separated list. One that is empty would be no key, and a short one is soon guessed."""
    keys = tuple(key.strip() for key in value.split(","))
    if not all(keys):
        raise vol.Invalid("a key is empty; several keys have one comma between two of them")
    if any(len(key) < SHORTEST_KEY for key in keys):
        raise vol.Invalid(f"a key has fewer than {SHORTEST_KEY} characters; openssl rand -hex 24 makes a good one")
    if not all(key.isascii() and key.isprintable() and " " not in key for key in keys):
        raise vol.Invalid("a key is printable ASCII without spaces")
    return keys


def _places(value: str) -> tuple[str | None, ...]:
    """Return the items of a comma separated list whose places count: an empty one is None."""
    return tuple(part.strip() or None for part in value.split(","))


def _url_places(value: str) -> tuple[str | None, ...]:
    return tuple(item and _url(item) for item in _places(value))


def _hosts(value: str) -> tuple[str, ...]:
    names = tuple(name.rstrip(".").lower() for name in _list(value))
    if any(set(":/@[]") & set(name) for name in names):
        raise vol.Invalid("a name stands alone, without http:// and without a port")
    return names


def _whole_number(low: int, high: int) -> vol.All:
    return vol.All(vol.Coerce(int), vol.Range(min=low, max=high))


def _seconds(low: float) -> vol.All:
    return vol.All(vol.Coerce(float), vol.Range(min=low, max=1e9))


def _size(value: str) -> int:
    """Return bytes, written as a number of bytes or with KiB, MiB or GiB."""
    number, unit = value.rstrip("KMGiB "), value.lstrip("0123456789. ")
    scale = {"": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}.get(unit)
    if scale is None or not number.isdecimal() or int(number) == 0:
        raise vol.Invalid("a size is a number of bytes, or of KiB, MiB or GiB, such as 100MiB")
    return int(number) * scale


@dataclass(frozen=True, slots=True)
class Option:
    """How one setting is read and explained."""

    help: str
    validate: object
    metavar: str | None = None


_OF_A_SERVER = ("token", *(f"restart_{item.name}" for item in fields(RestartSettings)))
"""What can be set for each server: comma separated, in the order of the URLs."""

OPTIONS: Mapping[str, Option] = {
    "parakeet_url": Option(
        "where Parakeet listens, for example http://spark.local:8000; several: comma separated", _urls, "URL"
    ),
    "magpie_url": Option(
        "where Magpie listens, for example http://spark.local:9000; several: comma separated", _urls, "URL"
    ),
    "host": Option("address to listen on; others than loopback need a key", vol.All(str, vol.Length(min=1))),
    "port": Option("port to listen on", _whole_number(0, 65535)),
    "zeroconf": Option(
        "announce the proxy on the network: on (default with a key and a host beyond loopback) or off",
        vol.Boolean(),
        "on|off",
    ),
    "api_key": Option("key that clients must send, 16 characters or more; several are comma separated", _keys, "KEY"),
    "admin_key": Option("key that restarts services as well; without one every key does", _keys, "KEY"),
    "embedded": Option("start the embedded Spark for every service without a URL", vol.Boolean()),
    "allow_anonymous": Option("listen on any address without a key", vol.Boolean()),
    "protect_lists": Option("ask for the key for lists of models and voices too", vol.Boolean()),
    "cors_origins": Option("origins whose pages may call, comma separated, or *", _list, "ORIGINS"),
    "allowed_hosts": Option(
        "public names by which a proxy without a key may be asked, comma separated, or *", _hosts, "NAMES"
    ),
    "unknown_voice": Option("what an unknown voice gets: default or reject", vol.In(("default", "reject"))),
    "max_characters": Option("longest text to speak, in characters", _whole_number(1, 10_000_000)),
    "max_upload": Option("largest upload", _size, "SIZE"),
    "bytes_in_flight": Option("largest sum of uploads in memory; others wait for room", _size, "SIZE"),
    "max_audio": Option("longest recording, in seconds", _seconds(1), "SECONDS"),
    "window": Option("longest piece that Parakeet gets, in seconds", _seconds(10), "SECONDS"),
    "concurrency": Option("requests that one service works on at once", _whole_number(1, 1000)),
    "queue": Option("requests that may wait for a service", _whole_number(0, 10_000)),
    **{
        name: option
        for service in Service
        for name, option in (
            (f"{service}_token", Option(f"bearer token that {service} expects", _places, "TOKEN")),
            (
                f"{service}_restart_url",
                Option(f"URL that restarts {service} when it is POSTed to", _url_places, "URL"),
            ),
            (f"{service}_restart_token", Option("bearer token for that URL", _places, "TOKEN")),
            (
                f"{service}_restart_docker",
                Option("unix:///var/run/docker.sock#name or http://host:2375#name", _places),
            ),
            (f"{service}_restart_command", Option("command that restarts it, run without a shell", _places)),
            (f"{service}_restart_ssh", Option("ssh://user@host/path/to/key?known_hosts=/path", _places)),
        )
    },
    "watch": Option("watch the services: on (default), or off where something else does", vol.Boolean(), "on|off"),
    "auto_restart": Option("restart a wedged service automatically: on (default) or off", vol.Boolean(), "on|off"),
    "keep_warm": Option(
        "send canaries to servers that have unloaded their model, too: on or off (default)", vol.Boolean(), "on|off"
    ),
    "canary_interval": Option("seconds between canaries of a healthy service", _seconds(1)),
    "restart_limit": Option("automatic restarts that a window allows", _whole_number(0, 100)),
    "restart_window": Option("length of that window, in seconds", _seconds(60)),
    "start_grace": Option("seconds that a service may take to start", _seconds(0)),
    "state_dir": Option("folder for the record of restarts", vol.All(str, vol.Length(min=1)), "FOLDER"),
    "llm_url": Option("a language model server to relay chat and embeddings to", _url, "URL"),
    "llm_key": Option("key for that server", str, "KEY"),
    "metrics": Option("serve /metrics for Prometheus; needs the extra metrics", vol.Boolean()),
    "request_history": Option(
        "requests of which the page shows how they went, without their content; 0 (default) keeps none",
        _whole_number(0, 1000),
        "COUNT",
    ),
    "log_format": Option("text (default) or json, one object a line", vol.In(("text", "json"))),
}


def read_settings(arguments: Sequence[str], environment: Mapping[str, str]) -> Settings:
    """Return the settings of this run; the command line wins over the environment. Raises SettingsError."""
    given = {key: value for key, value in vars(_parser().parse_args(arguments)).items() if value is not None}
    for name in OPTIONS:
        value = environment.get(PREFIX + name.upper())
        if value:
            given.setdefault(name, value)
    schema = vol.Schema({vol.Optional(name): option.validate for name, option in OPTIONS.items()})
    try:
        values: dict[str, Any] = schema(given)
    except vol.MultipleInvalid as err:
        first = err.errors[0]
        raise SettingsError(f"{_names(str(first.path[0]))}: {first.msg}") from err
    parakeet, magpie = (_servers(service, values) for service in Service)
    settings = Settings(parakeet=parakeet, magpie=magpie, **values)
    _check(settings)
    return settings


def _servers(service: Service, values: dict[str, Any]) -> tuple[ServerSettings, ...]:
    """Take what is set for the servers of a service out of all values.

    Raises SettingsError where there are more items than servers: a comma within a command separates items, too.
    """
    urls: tuple[str | None, ...] = values.pop(f"{service}_url", ())
    if not urls and values.get("embedded"):
        urls = (None,)
    of_each: dict[str, tuple[str | None, ...]] = {what: values.pop(f"{service}_{what}", ()) for what in _OF_A_SERVER}
    for what, items in of_each.items():
        if len(items) > len(urls) > 0:
            raise SettingsError(f"{_names(f'{service}_{what}')}: {len(items)} items for {len(urls)} servers")

    def server(number: int, url: str | None) -> ServerSettings:
        own = {what: items[number] for what, items in of_each.items() if number < len(items)}
        token = own.pop("token", None)
        restart = {what.removeprefix("restart_"): item for what, item in own.items()}
        return ServerSettings(url=url, token=token, restart=RestartSettings(**restart))

    return tuple(server(number, url) for number, url in enumerate(urls))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="spark-audio-proxy",
        description="OpenAI audio endpoints for Parakeet and Magpie.",
        epilog=f"Every option can also be set in the environment: --parakeet-url is {PREFIX}PARAKEET_URL.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    switches = {item.name for item in fields(Settings) if item.default is False}
    for name, option in OPTIONS.items():
        flag = f"--{name.replace('_', '-')}"
        if name in switches:
            parser.add_argument(flag, action="store_true", default=None, help=option.help)
        else:
            parser.add_argument(flag, metavar=option.metavar or name.upper(), help=option.help)
    return parser


def _names(name: str) -> str:
    return f"--{name.replace('_', '-')} ({PREFIX}{name.upper()})"


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach that address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _check(settings: Settings) -> None:
    if not (settings.parakeet or settings.magpie):
        raise SettingsError(
            f"nothing to serve: give {_names('parakeet_url')}, {_names('magpie_url')} or {_names('embedded')}"
        )
    if not (settings.api_key or settings.allow_anonymous or is_loopback(settings.host)):
        raise SettingsError(
            f"{_names('host')}: {settings.host} is open to the network; set {_names('api_key')}, "
            f"stay on 127.0.0.1, or say {_names('allow_anonymous')}"
        )
    if settings.admin_key and not settings.api_key:
        raise SettingsError(f"{_names('admin_key')}: it is of use only beside {_names('api_key')}")
    if set(settings.admin_key) & set(settings.api_key):
        raise SettingsError(f"{_names('admin_key')}: a key is also in {_names('api_key')}")
    if settings.zeroconf and is_loopback(settings.host):
        raise SettingsError(
            f"{_names('zeroconf')}: {settings.host} is for this machine only, there is nothing to announce; "
            f"set {_names('host')}"
        )
    if settings.zeroconf and not settings.api_key:
        raise SettingsError(
            f"{_names('zeroconf')}: without a key the proxy shows its status to this machine only, and Home Assistant "
            f"could not use it; set {_names('api_key')}"
        )
