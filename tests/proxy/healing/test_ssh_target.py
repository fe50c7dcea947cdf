"""Restarting over SSH, against a real server on loopback."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import asyncssh
import pytest
from aiohttp import ClientSession
from spark_audio_proxy.config import RestartSettings
from spark_audio_proxy.restarts.ssh import SshTarget
from spark_audio_proxy.restarts.targets import create_target
from spark_engine.healing.restart import Answer, RestartReply, TargetError, Trial, TrialResult

from tests.fakes import faults
from tests.fakes.faults import serving


@pytest.fixture
async def session() -> AsyncGenerator[ClientSession]:
    """A client session, closed after the test."""
    async with ClientSession() as session:
        yield session


type Run = Callable[[asyncssh.SSHServerProcess[str]], None]


@dataclass
class SshHost:
    """An SSH server whose only login runs a forced command."""

    folder: Path
    run: Run = lambda process: process.exit(0)
    commands: list[str | None] = field(default_factory=list)
    port: int = 0
    host_key: asyncssh.SSHKey = field(default_factory=lambda: asyncssh.generate_private_key("ssh-ed25519"))

    @property
    def setting(self) -> str:
        """How the proxy is told about it."""
        return f"ssh://spark@127.0.0.1:{self.port}{self.folder}/key?known_hosts={self.folder}/known_hosts"

    def pin(self, key: asyncssh.SSHKey, host: str | None = None) -> None:
        """Write the known_hosts file."""
        host = host or f"[127.0.0.1]:{self.port}"
        (self.folder / "known_hosts").write_text(f"{host} {key.export_public_key().decode()}")

    def target(self, session: ClientSession) -> SshTarget:
        """As the proxy makes it."""
        target = create_target(session, RestartSettings(ssh=self.setting))
        assert isinstance(target, SshTarget)
        return target


@asynccontextmanager
async def listening(host: SshHost) -> AsyncGenerator[SshHost]:
    """The server, on a free port of loopback; it ends with the test."""
    key = asyncssh.generate_private_key("ssh-ed25519")
    key.write_private_key(str(host.folder / "key"))
    login = f'restrict,command="restart-parakeet" {key.export_public_key().decode()}'

    def begin(process: asyncssh.SSHServerProcess[str]) -> None:
        host.commands.append(process.command)
        host.run(process)

    server = await asyncssh.listen(
        "127.0.0.1",
        0,
        server_host_keys=[host.host_key],
        authorized_client_keys=asyncssh.import_authorized_keys(login),
        process_factory=begin,
    )
    host.port = server.get_port()
    host.pin(host.host_key)
    try:
        yield host
    finally:
        server.close()
        await server.wait_closed()


async def test_a_pinned_host_runs_its_forced_command(session: ClientSession, tmp_path: Path) -> None:
    """Whatever we ask for."""
    async with listening(SshHost(tmp_path)) as host:
        reply = await host.target(session).restart()
    assert reply == RestartReply(Answer.ACCEPTED, "The command over SSH ended with status 0.")
    assert host.commands == ["restart-parakeet"]


async def test_a_host_pinned_without_its_port_is_accepted(session: ClientSession, tmp_path: Path) -> None:
    """As OpenSSH does."""
    async with listening(SshHost(tmp_path)) as host:
        host.pin(host.host_key, "127.0.0.1")
        assert (await host.target(session).restart()).answer is Answer.ACCEPTED


async def test_another_host_key_is_refused_before_anything_is_sent(session: ClientSession, tmp_path: Path) -> None:
    """A man in the middle, or a new installation: a person has to look."""
    async with listening(SshHost(tmp_path)) as host:
        host.pin(asyncssh.generate_private_key("ssh-ed25519"))
        reply = await host.target(session).restart()
    assert reply == RestartReply(Answer.REFUSED, "SSH: the host's key is not the pinned one, so nothing was sent.")
    assert host.commands == []


async def test_a_key_that_the_host_does_not_know_is_refused(
    session: ClientSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No other key is tried: the user's SSH agent is not asked."""
    asked = []

    def refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append("for keys")
        writer.close()

    agent = await asyncio.start_unix_server(refuse, str(tmp_path / "agent"))
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
    async with listening(SshHost(tmp_path)) as host, agent:
        asyncssh.generate_private_key("ssh-ed25519").write_private_key(str(tmp_path / "key"))
        reply = await host.target(session).restart()
    assert reply == RestartReply(Answer.REFUSED, "SSH: the host does not accept the key.")
    assert (host.commands, asked) == ([], [])


@pytest.mark.parametrize("status", [126, 127])
async def test_a_command_that_is_not_there_is_a_refusal(session: ClientSession, tmp_path: Path, status: int) -> None:
    """The shell's own statuses: nothing was restarted."""
    async with listening(SshHost(tmp_path, lambda process: process.exit(status))) as host:
        reply = await host.target(session).restart()
    assert reply == RestartReply(Answer.REFUSED, f"The command over SSH ended with status {status}.")


async def test_a_dry_run_logs_in_and_runs_nothing(session: ClientSession, tmp_path: Path) -> None:
    async with listening(SshHost(tmp_path)) as host:
        target = host.target(session)
        assert (await target.try_out()).trial is Trial.WORKS
        asyncssh.generate_private_key("ssh-ed25519").write_private_key(str(tmp_path / "key"))
        assert await target.try_out() == TrialResult(Trial.FAILS, "SSH: the host does not accept the key.")
        assert host.commands == []
    assert await target.try_out() == TrialResult(Trial.FAILS, "SSH failed (ConnectionRefusedError).")


@pytest.mark.parametrize(
    ("run", "detail"),
    [
        (lambda process: process.exit(5), "The command over SSH ended with status 5."),
        (lambda process: process.exit_with_signal("KILL"), "The command over SSH ended with status -1."),
        (lambda process: process.channel.get_connection().abort(), "The command over SSH ended without a status."),
    ],
)
async def test_a_command_that_fails_is_unconfirmed(
    session: ClientSession, tmp_path: Path, run: Run, detail: str
) -> None:
    """The status is the command's own."""
    async with listening(SshHost(tmp_path, run)) as host:
        reply = await host.target(session).restart()
    assert reply == RestartReply(Answer.UNCONFIRMED, detail)
    assert len(host.commands) == 1


async def test_a_command_may_read_and_talk(session: ClientSession, tmp_path: Path) -> None:
    """It finds nothing to read, and is not held up by what it says."""

    def talk(process: asyncssh.SSHServerProcess[str]) -> None:
        async def answer() -> None:
            assert await process.stdin.read() == ""
            for _ in range(100):
                process.stdout.write("x" * 100_000)
                await process.stdout.drain()
            process.exit(0)

        tasks.append(asyncio.create_task(answer()))

    tasks: list[asyncio.Task[None]] = []
    async with listening(SshHost(tmp_path, talk)) as host:
        assert (await host.target(session).restart()).answer is Answer.ACCEPTED
        await asyncio.gather(*tasks)


async def test_a_command_that_hangs_is_left_after_the_deadline(session: ClientSession, tmp_path: Path) -> None:
    """It stays sent."""
    async with listening(SshHost(tmp_path, lambda _: None)) as host:
        reply = await replace(host.target(session), deadline=0.5).restart()
    assert reply == RestartReply(Answer.UNCONFIRMED, "SSH did not finish within 0 s.")
    assert len(host.commands) == 1


async def test_a_host_that_says_nothing_is_left_after_the_deadline(session: ClientSession, tmp_path: Path) -> None:
    """The port is open, and no server answers."""
    async with listening(SshHost(tmp_path)) as host, serving(faults.silent) as url:
        target = replace(host.target(session), port=int(url.rpartition(":")[2]), deadline=0.2)
        reply = await target.restart()
    assert reply == RestartReply(Answer.REFUSED, "SSH did not finish within 0 s.")


async def test_a_host_that_is_off(session: ClientSession, tmp_path: Path) -> None:
    async with listening(SshHost(tmp_path)) as host:
        target = host.target(session)
    assert await target.restart() == RestartReply(Answer.REFUSED, "SSH failed (ConnectionRefusedError).")


async def test_files_that_vanish_later_are_no_crash(session: ClientSession, tmp_path: Path) -> None:
    """A restart never raises."""
    async with listening(SshHost(tmp_path)) as host:
        target = host.target(session)
        (tmp_path / "key").write_text("no key")
        assert await target.restart() == RestartReply(Answer.REFUSED, "SSH failed (KeyImportError).")
        (tmp_path / "key").unlink()
        assert await target.restart() == RestartReply(Answer.REFUSED, "SSH failed (FileNotFoundError).")
    assert host.commands == []


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("key", None, "key: No such file or directory"),
        ("known_hosts", None, "known_hosts: No such file or directory"),
        ("key", "no key", "cannot be used: "),
        ("known_hosts", "nonsense", "cannot be used: Invalid known hosts entry"),
        ("known_hosts", "", r"cannot be used: .*known_hosts pins no key of 127\.0\.0\.1"),
    ],
)
async def test_files_that_cannot_be_used_are_found_at_the_start(
    session: ClientSession, tmp_path: Path, name: str, content: str | None, message: str
) -> None:
    """And not in the middle of a wedge."""
    async with listening(SshHost(tmp_path)) as host:
        if content is None:
            (tmp_path / name).unlink()
        else:
            (tmp_path / name).write_text(content)
        with pytest.raises(TargetError, match=message):
            host.target(session)


async def test_a_key_with_a_passphrase_is_refused_at_the_start(session: ClientSession, tmp_path: Path) -> None:
    """A passphrase cannot be typed."""
    async with listening(SshHost(tmp_path)) as host:
        key = asyncssh.generate_private_key("ecdsa-sha2-nistp256")
        key.write_private_key(str(tmp_path / "key"), "pkcs8-pem", passphrase="hunter2")
        with pytest.raises(TargetError, match="cannot be used: "):
            host.target(session)
