"""Restart targets from the settings: the engine's two, and those that need more than HTTP."""

import asyncio
import contextlib
import os
import re
import shlex
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import override

from aiohttp import ClientSession
from spark_engine.healing.restart import (
    DOCKER_API,
    RESTART_DEADLINE,
    DockerTarget,
    HookTarget,
    RestartReply,
    RestartTarget,
)
from yarl import URL

from spark_audio_proxy.config import PREFIX

POLLING = 0.1
"""Seconds between two looks at whether a restart command has ended."""

_CONTAINER = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*")
_API_VERSION = re.compile(r"v1\.[0-9]{1,2}")


@dataclass(frozen=True, kw_only=True, slots=True)
class RestartSettings:
    """How one server is restarted, as written in the settings; at most one kind."""

    url: str | None = None
    token: str | None = None
    docker: str | None = None
    command: str | None = None
    ssh: str | None = None


class TargetError(ValueError):
    """A restart target that cannot be understood, or that could not work."""


def create_target(session: ClientSession, wanted: RestartSettings) -> RestartTarget | None:
    """The restart target, None where none is set. Raises TargetError."""
    kinds = [kind for kind in (wanted.url, wanted.docker, wanted.command, wanted.ssh) if kind]
    if len(kinds) > 1:
        raise TargetError("one server has more than one restart target")
    if wanted.token and not wanted.url:
        raise TargetError("a restart token needs a restart URL")
    if wanted.url:
        return _hook_target(session, wanted.url, wanted.token)
    if wanted.docker:
        return _docker_target(session, wanted.docker)
    if wanted.command:
        return _command_target(wanted.command)
    return _ssh_target(wanted.ssh) if wanted.ssh else None


def _hook_target(session: ClientSession, text: str, token: str | None) -> HookTarget:
    url = _parsed(text)
    if url.scheme not in ("http", "https") or not url.host:
        raise TargetError("a restart URL starts with http:// or https:// and names a host")
    if not token:
        return HookTarget(session, text)
    if not (token.isascii() and token.isprintable()):
        raise TargetError("a restart token is printable ASCII on one line")
    if url.user is not None or url.password is not None:
        raise TargetError("a restart URL holds a user or has a token, not both")
    return HookTarget(session, text, headers={"Authorization": f"Bearer {token}"})


def _docker_target(session: ClientSession, text: str) -> DockerTarget:
    """`unix:///var/run/docker.sock#container` or `http://host:2375#container`, `?version=v1.41` before the #."""
    url = _parsed(text)
    if url.password is not None:
        raise TargetError("a Docker address holds no password: it would not be sent")
    version = url.query.get("version", DOCKER_API)
    if not _CONTAINER.fullmatch(url.fragment):
        raise TargetError(f"{text!r} names no container after #")
    if not _API_VERSION.fullmatch(version) or set(url.query) - {"version"}:
        raise TargetError(f"{text!r}: after ? comes nothing but version=v1.NN")
    if url.scheme == "unix" and url.path.strip("/") and not url.host:
        return DockerTarget(None, url.path, url.fragment, version)
    if url.scheme in ("http", "https") and url.host and url.path == "/" and url.user is None:
        return DockerTarget(session, str(url.origin()), url.fragment, version)
    raise TargetError(f"{text!r} is neither unix:///path#container nor http://host:port#container")


def _command_target(text: str) -> CommandTarget:
    try:
        arguments = shlex.split(text)
    except ValueError as err:
        raise TargetError(f"the restart command cannot be read: {err}") from err
    if not any(arguments[:1]):
        raise TargetError("the restart command is empty")
    return CommandTarget(tuple(arguments))


def _ssh_target(text: str) -> RestartTarget:
    """`ssh://user@host:port/path/to/key?known_hosts=/path`; what is run is up to the host (a forced command)."""
    try:
        from .ssh import SshTarget  # noqa: PLC0415 - an optional extra
    except ImportError as err:
        raise TargetError("SSH needs the extra: pip install 'spark-audio-proxy[ssh]'") from err
    url = _parsed(text)
    if url.password is not None:
        raise TargetError("an SSH login takes a key, no password")
    known_hosts = url.query.get("known_hosts")
    if url.scheme != "ssh" or not (url.host and url.user and known_hosts) or url.path == "/":
        raise TargetError(f"{text!r} is not ssh://user@host/path/to/key?known_hosts=/path/to/known_hosts")
    target = SshTarget(host=url.host, port=url.port or 22, user=url.user, key=url.path, known_hosts=known_hosts)
    try:
        target.check()
    except OSError as err:
        raise TargetError(f"{err.filename}: {err.strerror}") from err
    except ValueError as err:
        raise TargetError(f"the key or its known_hosts cannot be used: {err}") from err
    return target


def _parsed(text: str) -> URL:
    try:
        return URL(text)
    except ValueError as err:
        raise TargetError(f"not a URL: {err}") from err


@dataclass(frozen=True, slots=True)
class CommandTarget(RestartTarget):
    """A program on this machine: an argument list, no shell. It gets none of the proxy's own settings."""

    arguments: tuple[str, ...]
    kind: str = "command"

    @override
    async def restart(self) -> RestartReply:
        try:
            # Not asyncio's: it kills its children when the loop closes, and a restart that was sent stays sent.
            process = await asyncio.to_thread(
                subprocess.Popen,
                self.arguments,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=_without_settings(os.environ),
                start_new_session=True,
            )
        except OSError as err:
            return RestartReply(False, f"The restart command cannot be run: {err.strerror}.")
        try:
            async with asyncio.timeout(RESTART_DEADLINE):
                while (status := process.poll()) is None:  # noqa: ASYNC110 - a process has no event to wait for
                    await asyncio.sleep(POLLING)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            return RestartReply(False, f"The restart command ran for more than {RESTART_DEADLINE:.0f} s.")
        return RestartReply(status == 0, f"The restart command ended with status {status}.")


def _without_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without the proxy's keys and tokens."""
    return {name: value for name, value in environment.items() if not name.startswith(PREFIX)}
