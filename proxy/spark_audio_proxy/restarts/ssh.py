"""Restarting over SSH: the host's key is pinned, and our key can do one thing, the host's forced command."""

import asyncio
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import override

import asyncssh
from spark_engine.healing.restart import (
    RESTART_DEADLINE,
    TRIAL_DEADLINE,
    Answer,
    RestartReply,
    RestartTarget,
    Trial,
    TrialResult,
)

from .targets import answer_of


@dataclass(frozen=True, kw_only=True, slots=True)
class SshTarget(RestartTarget):
    """One login on one host."""

    host: str
    port: int
    user: str
    key: str
    """Path of a private key without a passphrase."""
    known_hosts: str
    """Path of a file in OpenSSH's format that names the host's key."""
    deadline: float = RESTART_DEADLINE
    kind: str = "ssh"

    def check(self) -> None:
        """Find out now, and not in the middle of a wedge, that the files are good. Raises OSError, ValueError."""
        asyncssh.read_private_key(self.key)
        port = None if self.port == asyncssh.DEFAULT_PORT else self.port
        host_keys, authorities, *_ = asyncssh.read_known_hosts(self.known_hosts).match(self.host, "", port)
        if not (host_keys or authorities):
            raise ValueError(f"{self.known_hosts} pins no key of {self.host}")

    @override
    async def restart(self) -> RestartReply:
        is_connected = False
        try:
            async with asyncio.timeout(self.deadline), self._connect() as connection:
                is_connected = True
                # The host's authorized_keys decides what runs; the word is for its log.
                done = await connection.run(
                    "restart", stdin=asyncssh.DEVNULL, stdout=asyncssh.DEVNULL, stderr=asyncssh.DEVNULL
                )
        except TimeoutError:
            answer = Answer.UNCONFIRMED if is_connected else Answer.REFUSED
            return RestartReply(answer, f"SSH did not finish within {self.deadline:.0f} s.")
        except (OSError, ValueError, asyncssh.Error) as err:
            return RestartReply(Answer.UNCONFIRMED if is_connected else Answer.REFUSED, _sentence(err))
        if done.exit_status is None:
            return RestartReply(Answer.UNCONFIRMED, "The command over SSH ended without a status.")
        return RestartReply(answer_of(done.exit_status), f"The command over SSH ended with status {done.exit_status}.")

    @override
    async def try_out(self) -> TrialResult:
        try:
            async with asyncio.timeout(TRIAL_DEADLINE), self._connect():
                return TrialResult(Trial.WORKS, "SSH: the host accepts the key. Nothing was run.")
        except TimeoutError:
            return TrialResult(Trial.FAILS, f"SSH: no answer within {TRIAL_DEADLINE:.0f} s.")
        except (OSError, ValueError, asyncssh.Error) as err:
            return TrialResult(Trial.FAILS, _sentence(err))

    def _connect(self) -> AbstractAsyncContextManager[asyncssh.SSHClientConnection]:
        return asyncssh.connect(
            self.host,
            self.port,
            username=self.user,
            client_keys=[self.key],
            preferred_auth="publickey",
            known_hosts=self.known_hosts,
            config=None,
            agent_path=None,
        )


def _sentence(err: Exception) -> str:
    match err:
        case asyncssh.HostKeyNotVerifiable():
            return "SSH: the host's key is not the pinned one, so nothing was sent."
        case asyncssh.PermissionDenied():
            return "SSH: the host does not accept the key."
    return f"SSH failed ({type(err).__name__})."
