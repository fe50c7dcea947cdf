"""Restart targets from the settings: the engine's two, and a command on this machine."""

import asyncio
import contextlib
import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import override

from aiohttp import ClientSession
from spark_engine.healing.restart import (
    RESTART_DEADLINE,
    Answer,
    RestartReply,
    RestartTarget,
    TargetError,
    Trial,
    TrialResult,
    parse_docker,
    parse_hook,
)
from yarl import URL

from spark_audio_proxy.config import PREFIX, RestartSettings

NOT_RUN = (126, 127)
"""Exit statuses of a shell for a command that cannot be run, or that is not there."""

POLLING = 0.1
"""Seconds between two looks at whether a restart command has ended."""


def create_target(session: ClientSession, wanted: RestartSettings) -> RestartTarget | None:
    """Return the restart target, None where none is set. Raises TargetError."""
    kinds = [kind for kind in (wanted.url, wanted.docker, wanted.command, wanted.ssh) if kind]
    if len(kinds) > 1:
        raise TargetError("one server has more than one restart target")
    if wanted.token and not wanted.url:
        raise TargetError("a restart token needs a restart URL")
    if wanted.url:
        return parse_hook(session, wanted.url, wanted.token)
    if wanted.docker:
        return parse_docker(session, wanted.docker)
    if wanted.command:
        return _command_target(wanted.command)
    return _ssh_target(wanted.ssh) if wanted.ssh else None


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
    try:
        url = URL(text)
    except ValueError as err:
        raise TargetError(f"not a URL: {err}") from err
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


@dataclass(frozen=True, slots=True)
class CommandTarget(RestartTarget):
    """A program on this machine: an argument list, no shell. It gets none of the proxy's own settings."""

    arguments: tuple[str, ...]
    deadline: float = RESTART_DEADLINE
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
            return RestartReply(Answer.REFUSED, f"The restart command cannot be run: {err.strerror}.")
        try:
            async with asyncio.timeout(self.deadline):
                while (status := process.poll()) is None:  # noqa: ASYNC110 - a process has no event to wait for
                    await asyncio.sleep(POLLING)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            detail = f"The restart command ran for more than {self.deadline:.0f} s and was ended."
            return RestartReply(Answer.UNCONFIRMED, detail)
        return RestartReply(answer_of(status), f"The restart command ended with status {status}.")

    @override
    async def try_out(self) -> TrialResult:
        program = self.arguments[0]
        if await asyncio.to_thread(shutil.which, program) is None:
            return TrialResult(Trial.FAILS, f"The restart command's program {program} cannot be found or run.")
        return TrialResult(Trial.UNTRIED, "The restart command's program is there. Only a restart tells what it does.")


def answer_of(status: int) -> Answer:
    """Return what an exit status means: after most failures the server may have been stopped, or even restarted."""
    if status in NOT_RUN:
        return Answer.REFUSED
    return Answer.UNCONFIRMED if status else Answer.ACCEPTED


def _without_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without the proxy's keys and tokens."""
    return {name: value for name, value in environment.items() if not name.startswith(PREFIX)}
