"""Settings, from the command line or the environment: each has the same name in both."""

import argparse
import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Literal, cast

import voluptuous as vol
from spark_engine.spark import split_list
from yarl import URL

PREFIX = "SPARK_AUDIO_"


class SettingsError(Exception):
    """A setting is missing or wrong; the message names it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """Everything that can be set. Sizes in bytes, times in seconds."""

    parakeet_url: str | None = None
    magpie_url: str | None = None
    host: str = "127.0.0.1"
    port: int = 8600
    zeroconf: bool | None = None
    api_key: tuple[str, ...] = field(default=(), repr=False)
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
    parakeet_token: str | None = field(default=None, repr=False)
    magpie_token: str | None = field(default=None, repr=False)
    parakeet_restart_url: str | None = field(default=None, repr=False)
    parakeet_restart_token: str | None = field(default=None, repr=False)
    parakeet_restart_docker: str | None = field(default=None, repr=False)
    parakeet_restart_command: str | None = field(default=None, repr=False)
    parakeet_restart_ssh: str | None = field(default=None, repr=False)
    magpie_restart_url: str | None = field(default=None, repr=False)
    magpie_restart_token: str | None = field(default=None, repr=False)
    magpie_restart_docker: str | None = field(default=None, repr=False)
    magpie_restart_command: str | None = field(default=None, repr=False)
    magpie_restart_ssh: str | None = field(default=None, repr=False)
    watch: bool = True
    auto_restart: bool = True
    canary_interval: float = 300.0
    restart_limit: int = 3
    restart_window: float = 1800.0
    start_grace: float = 180.0
    state_dir: str | None = None
    llm_url: str | None = None
    llm_key: str | None = field(default=None, repr=False)
    metrics: bool = False
    log_format: Literal["text", "json"] = "text"

    @property
    def announced(self) -> bool:
        """Whether the network is told of this proxy: if nothing is said, where Home Assistant could use it."""
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


def _urls(value: str) -> str:
    for item in split_list(value):
        _url(item)
    return value


def _list(value: str) -> tuple[str, ...]:
    return tuple(split_list(value))


def _hosts(value: str) -> tuple[str, ...]:
    names = tuple(name.rstrip(".").lower() for name in split_list(value))
    if any(set(":/@[]") & set(name) for name in names):
        raise vol.Invalid("a name stands alone, without http:// and without a port")
    return names


def _whole_number(low: int, high: int) -> vol.All:
    return vol.All(vol.Coerce(int), vol.Range(min=low, max=high))


def _seconds(low: float) -> vol.All:
    return vol.All(vol.Coerce(float), vol.Range(min=low, max=1e9))


def _size(value: str) -> int:
    """Bytes, written as a number of bytes or with KiB, MiB or GiB."""
    number, unit = value.rstrip("KMGiB "), value.lstrip("0123456789. ")
    scale = {"": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}.get(unit)
    if scale is None or not number.isdecimal() or int(number) == 0:
        raise vol.Invalid("a size is a number of bytes, or of KiB, MiB or GiB, such as 100MiB")
    return int(number) * scale


@dataclass(frozen=True, slots=True)
class _Option:
    """How one setting is read and explained."""

    help: str
    validate: object
    metavar: str | None = None


_OPTIONS: Mapping[str, _Option] = {
    "parakeet_url": _Option(
        "where Parakeet listens, for example http://spark.local:8000; several: comma separated", _urls, "URL"
    ),
    "magpie_url": _Option(
        "where Magpie listens, for example http://spark.local:9000; several: comma separated", _urls, "URL"
    ),
    "host": _Option("address to listen on; others than loopback need a key", vol.All(str, vol.Length(min=1))),
    "port": _Option("port to listen on", _whole_number(0, 65535)),
    "zeroconf": _Option(
        "announce the proxy on the network: on (default with a key and a host beyond loopback) or off",
        vol.Boolean(),
        "on|off",
    ),
    "api_key": _Option("key that clients must send; several are comma separated", _list, "KEY"),
    "embedded": _Option("start the embedded Spark for every service without a URL", vol.Boolean()),
    "allow_anonymous": _Option("listen on any address without a key", vol.Boolean()),
    "protect_lists": _Option("ask for the key for lists of models and voices too", vol.Boolean()),
    "cors_origins": _Option("origins whose pages may call, comma separated, or *", _list, "ORIGINS"),
    "allowed_hosts": _Option(
        "public names by which a proxy without a key may be asked, comma separated, or *", _hosts, "NAMES"
    ),
    "unknown_voice": _Option("what an unknown voice gets: default or reject", vol.In(("default", "reject"))),
    "max_characters": _Option("longest text to speak, in characters", _whole_number(1, 10_000_000)),
    "max_upload": _Option("largest upload", _size, "SIZE"),
    "bytes_in_flight": _Option("largest sum of uploads in memory; others wait for room", _size, "SIZE"),
    "max_audio": _Option("longest recording, in seconds", _seconds(1), "SECONDS"),
    "window": _Option("longest piece that Parakeet gets, in seconds", _seconds(10), "SECONDS"),
    "concurrency": _Option("requests that one service works on at once", _whole_number(1, 1000)),
    "queue": _Option("requests that may wait for a service", _whole_number(0, 10_000)),
    **{
        name: option
        for service in ("parakeet", "magpie")
        for name, option in (
            (f"{service}_token", _Option(f"bearer token that {service} wants", str, "TOKEN")),
            (f"{service}_restart_url", _Option(f"URL that restarts {service} when it is POSTed to", _urls, "URL")),
            (f"{service}_restart_token", _Option("bearer token for that URL", str, "TOKEN")),
            (f"{service}_restart_docker", _Option("unix:///var/run/docker.sock#name or http://host:2375#name", str)),
            (f"{service}_restart_command", _Option("command that restarts it, run without a shell", str)),
            (f"{service}_restart_ssh", _Option("ssh://user@host/path/to/key?known_hosts=/path", str)),
        )
    },
    "watch": _Option(
        "watch over the services: on (default), or off where something else does", vol.Boolean(), "on|off"
    ),
    "auto_restart": _Option("restart a wedged service by itself: on (default) or off", vol.Boolean(), "on|off"),
    "canary_interval": _Option("seconds between canaries of a healthy service", _seconds(1)),
    "restart_limit": _Option("automatic restarts that a window allows", _whole_number(0, 100)),
    "restart_window": _Option("length of that window, in seconds", _seconds(60)),
    "start_grace": _Option("seconds that a service may take to start", _seconds(0)),
    "state_dir": _Option("folder for the record of restarts", vol.All(str, vol.Length(min=1)), "FOLDER"),
    "llm_url": _Option("a language model server to relay chat and embeddings to", _url, "URL"),
    "llm_key": _Option("key for that server", str, "KEY"),
    "metrics": _Option("serve /metrics for Prometheus; needs the extra metrics", vol.Boolean()),
    "log_format": _Option("text (default) or json, one object a line", vol.In(("text", "json"))),
}


def read_settings(arguments: Sequence[str], environment: Mapping[str, str]) -> Settings:
    """Settings of this run; the command line wins over the environment. Raises SettingsError."""
    given = {key: value for key, value in vars(_parser().parse_args(arguments)).items() if value is not None}
    for name in _OPTIONS:
        value = environment.get(PREFIX + name.upper())
        if value:
            given.setdefault(name, value)
    schema = vol.Schema({vol.Optional(name): option.validate for name, option in _OPTIONS.items()})
    try:
        values = cast(dict[str, object], schema(given))
    except vol.MultipleInvalid as err:
        first = err.errors[0]
        raise SettingsError(f"{_names(str(first.path[0]))}: {first.msg}") from err
    settings = Settings(**values)  # type: ignore[arg-type]
    _check(settings)
    return settings


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="spark-audio-proxy",
        description="OpenAI audio endpoints for Parakeet and Magpie.",
        epilog=f"Every option can also be set in the environment: --parakeet-url is {PREFIX}PARAKEET_URL.",
    )
    defaults = {item.name: item.default for item in fields(Settings)}
    for name, option in _OPTIONS.items():
        flag = f"--{name.replace('_', '-')}"
        if defaults[name] is False:
            parser.add_argument(flag, action="store_true", default=None, help=option.help)
        else:
            parser.add_argument(flag, metavar=option.metavar or name.upper(), help=option.help)
    return parser


def _names(name: str) -> str:
    return f"--{name.replace('_', '-')} ({PREFIX}{name.upper()})"


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach that address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _check(settings: Settings) -> None:
    if not (settings.parakeet_url or settings.magpie_url or settings.embedded):
        raise SettingsError(
            f"nothing to serve: give {_names('parakeet_url')}, {_names('magpie_url')} or {_names('embedded')}"
        )
    if not (settings.api_key or settings.allow_anonymous or is_loopback(settings.host)):
        raise SettingsError(
            f"{_names('host')}: {settings.host} is open to the network; set {_names('api_key')}, "
            f"stay on 127.0.0.1, or say {_names('allow_anonymous')}"
        )
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
