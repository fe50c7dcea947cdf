"""Restarting over SSH: the host's key is pinned, and our key can do one thing, the host's forced command."""

import asyncio
from dataclasses import dataclass
from typing import override

import asyncssh
from spark_engine.healing.restart import RESTART_DEADLINE, RestartReply, RestartTarget


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
        try:
            async with (
                asyncio.timeout(self.deadline),
                asyncssh.connect(
                    self.host,
                    self.port,
                    username=self.user,
                    client_keys=[self.key],
                    preferred_auth="publickey",
                    known_hosts=self.known_hosts,
                    config=None,
                    agent_path=None,
                ) as connection,
            ):
                # The host's authorized_keys decides what runs; the word is for its log.
                done = await connection.run(
                    "restart", stdin=asyncssh.DEVNULL, stdout=asyncssh.DEVNULL, stderr=asyncssh.DEVNULL
                )
        except TimeoutError:
            return RestartReply(False, f"SSH did not finish within {self.deadline:.0f} s.")
        except asyncssh.HostKeyNotVerifiable:
            return RestartReply(False, "SSH: the host's key is not the pinned one, so nothing was sent.")
        except asyncssh.PermissionDenied:
            return RestartReply(False, "SSH: the host does not accept the key.")
        except (OSError, ValueError, asyncssh.Error) as err:
            return RestartReply(False, f"SSH failed ({type(err).__name__}).")
        if done.exit_status is None:
            return RestartReply(False, "The command over SSH ended without a status.")
        return RestartReply(done.exit_status == 0, f"The command over SSH ended with status {done.exit_status}.")
