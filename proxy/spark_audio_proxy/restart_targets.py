"""Restart targets from the settings: the engine's two, and those that need more than HTTP."""

import asyncio
import contextlib
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import override

from aiohttp import ClientSession
from spark_engine.restart import RESTART_DEADLINE, DockerTarget, HookTarget, RestartReply, RestartTarget
from yarl import URL


@dataclass(frozen=True, kw_only=True, slots=True)
class RestartSettings:
    """How one server is restarted, as written in the settings; at most one kind."""

    url: str | None = None
    token: str | None = None
    docker: str | None = None
    command: str | None = None
    ssh: str | None = None


class TargetError(ValueError):
    """A restart target that cannot be understood."""


def create_target(session: ClientSession, wanted: RestartSettings) -> RestartTarget | None:
    """The restart target, None where none is set. Raises TargetError."""
    kinds = [kind for kind in (wanted.url, wanted.docker, wanted.command, wanted.ssh) if kind]
    if len(kinds) > 1:
        raise TargetError("one server has more than one restart target")
    if wanted.url:
        headers: Mapping[str, str] = {"Authorization": f"Bearer {wanted.token}"} if wanted.token else {}
        return HookTarget(session, wanted.url, headers=headers)
    if wanted.docker:
        return _docker_target(session, wanted.docker)
    if wanted.command:
        arguments = shlex.split(wanted.command)
        if not arguments:
            raise TargetError("the restart command is empty")
        return CommandTarget(tuple(arguments))
    return _ssh_target(wanted.ssh) if wanted.ssh else None


def _docker_target(session: ClientSession, text: str) -> DockerTarget:
    """`unix:///var/run/docker.sock#container` or `http://host:2375#container`."""
    url = URL(text)
    if not url.fragment or "/" in url.fragment:
        raise TargetError(f"{text!r} names no container after #")
    if url.scheme == "unix" and url.path:
        return DockerTarget(None, url.path, url.fragment)
    if url.scheme in ("http", "https") and url.host:
        return DockerTarget(session, str(url.origin()), url.fragment)
    raise TargetError(f"{text!r} is neither unix:///path#container nor http://host:port#container")


def _ssh_target(text: str) -> RestartTarget:
    """`ssh://user@host:port/path/to/key?known_hosts=/path`; what is run is up to the host (a forced command)."""
    url = URL(text)
    known_hosts = url.query.get("known_hosts")
    if url.scheme != "ssh" or not url.host or not url.user or not known_hosts:
        raise TargetError(f"{text!r} is not ssh://user@host/path/to/key?known_hosts=/path/to/known_hosts")
    if not Path(known_hosts).is_file():
        raise TargetError(f"{known_hosts} does not exist: the host's key must be pinned")
    return SshTarget(url.host, url.port or 22, url.user, url.path, known_hosts)


@dataclass(frozen=True, slots=True)
class CommandTarget(RestartTarget):
    """A program on this machine: an argument list, no shell."""

    arguments: tuple[str, ...]
    kind: str = "command"

    @override
    async def restart(self) -> RestartReply:
        try:
            process = await asyncio.create_subprocess_exec(
                *self.arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as err:
            return RestartReply(False, f"The restart command cannot be run: {err.strerror}.")
        try:
            async with asyncio.timeout(RESTART_DEADLINE):
                status = await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            return RestartReply(False, f"The restart command ran for more than {RESTART_DEADLINE:.0f} s.")
        return RestartReply(status == 0, f"The restart command ended with status {status}.")


@dataclass(frozen=True, slots=True)
class SshTarget(RestartTarget):
    """SSH with a pinned host key, into a key that can do one thing: the host's forced command."""

    host: str
    port: int
    user: str
    key: str
    known_hosts: str
    kind: str = "ssh"

    @override
    async def restart(self) -> RestartReply:
        try:
            import asyncssh  # noqa: PLC0415 - an optional extra
        except ImportError:
            return RestartReply(False, "Restarting over SSH needs the extra: pip install 'spark-audio-proxy[ssh]'.")
        try:
            async with (
                asyncio.timeout(RESTART_DEADLINE),
                asyncssh.connect(
                    self.host,
                    self.port,
                    username=self.user,
                    client_keys=[self.key],
                    known_hosts=self.known_hosts,
                    config=None,
                    agent_path=None,
                ) as connection,
            ):
                # The host's authorized_keys decides what runs; the word is for its log.
                done = await connection.run("restart")
        except TimeoutError:
            return RestartReply(False, f"SSH did not finish within {RESTART_DEADLINE:.0f} s.")
        except (OSError, asyncssh.Error) as err:
            return RestartReply(False, f"SSH failed ({type(err).__name__}).")
        return RestartReply(done.exit_status == 0, f"The command over SSH ended with status {done.exit_status}.")
