"""Restart targets of the proxy: how settings are read, and real processes."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from aiohttp import ClientSession
from spark_audio_proxy.config import RestartSettings
from spark_audio_proxy.restarts.targets import CommandTarget, create_target
from spark_engine.healing.restart import Answer, DockerTarget, HookTarget, RestartReply, TargetError, Trial

HOOK = "https://spark.local:9001/restart"


@pytest.fixture
async def session() -> AsyncGenerator[ClientSession]:
    """A client session, closed after the test."""
    async with ClientSession() as session:
        yield session


class TestSettings:
    async def test_nothing_set_is_no_target(self, session: ClientSession) -> None:
        assert create_target(session, RestartSettings()) is None

    @pytest.mark.parametrize(
        ("text", "address", "version", "has_session"),
        [
            ("unix:///var/run/docker.sock#parakeet", "/var/run/docker.sock", "v1.44", False),
            ("http://spark.local:2375#parakeet", "http://spark.local:2375", "v1.44", True),
            ("https://spark.local:2376/#parakeet", "https://spark.local:2376", "v1.44", True),
            ("unix:///run/docker.sock?version=v1.41#parakeet", "/run/docker.sock", "v1.41", False),
        ],
    )
    async def test_docker(
        self, session: ClientSession, text: str, address: str, version: str, *, has_session: bool
    ) -> None:
        """A socket or a socket proxy."""
        target = create_target(session, RestartSettings(docker=text))
        assert target == DockerTarget(session if has_session else None, address, "parakeet", version)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("unix:///var/run/docker.sock", "names no container"),
            ("unix:///var/run/docker.sock#", "names no container"),
            ("unix:///var/run/docker.sock#a/b", "names no container"),
            ("unix:///var/run/docker.sock#..%2Fimages", "names no container"),
            ("unix:///var/run/docker.sock#parakeet?signal=KILL", "names no container"),
            ("unix://var/run/docker.sock#parakeet", "is neither unix:///path"),
            ("unix://#parakeet", "is neither unix:///path"),
            ("tcp://spark.local:2375#parakeet", "nor http://host:port#container"),
            ("http://spark.local:2375/v1.44#parakeet", "nor http://host:port#container"),
            ("http://user@spark.local:2375#parakeet", "nor http://host:port#container"),
            ("/var/run/docker.sock#parakeet", "is neither"),
            ("http://spark.local:99999#parakeet", "not a URL: Port out of range"),
            ("unix:///var/run/docker.sock?version=1.41#parakeet", r"nothing but version=v1\.NN"),
            ("unix:///var/run/docker.sock?t=1#parakeet", r"nothing but version=v1\.NN"),
        ],
    )
    async def test_docker_misspelt(self, session: ClientSession, text: str, message: str) -> None:
        """A name cannot lead to another path of the API."""
        with pytest.raises(TargetError, match=message):
            create_target(session, RestartSettings(docker=text))

    async def test_hook(self, session: ClientSession) -> None:
        """With and without a token, which is sent but not shown."""
        assert create_target(session, RestartSettings(url=HOOK)) == HookTarget(session, HOOK)
        target = create_target(session, RestartSettings(url=HOOK, token="hunter2"))
        assert target == HookTarget(session, HOOK, headers={"Authorization": "Bearer hunter2"})
        assert "hunter2" not in repr(target)

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            (RestartSettings(token="hunter2"), "needs a restart URL"),
            (RestartSettings(docker="unix:///d.sock#p", token="hunter2"), "needs a restart URL"),
            (RestartSettings(url=HOOK, token="hunter2\n"), "printable ASCII"),
            (RestartSettings(url=HOOK, token="hünter2"), "printable ASCII"),
            (RestartSettings(url="https://user:hunter2@spark.local/", token="hunter2"), "a user or has a token"),
            (RestartSettings(url="spark.local/restart"), "starts with http"),
            (RestartSettings(url="http://[::1/restart"), "not a URL"),
            (RestartSettings(ssh="ssh://user:hunter2@spark.local/key?known_hosts=/k"), "a key, no password"),
        ],
    )
    async def test_a_wrong_hook_is_told_apart_without_its_secrets(
        self, session: ClientSession, settings: RestartSettings, message: str
    ) -> None:
        """Each would raise only once the service is wedged."""
        with pytest.raises(TargetError, match=message) as caught:
            create_target(session, settings)
        assert "hunter2" not in str(caught.value)

    async def test_a_command_is_split_as_a_shell_would_and_run_by_none(self, session: ClientSession) -> None:
        """Quotes hold words together; nothing else is special."""
        target = create_target(session, RestartSettings(command="systemctl restart 'my unit' $HOME *"))
        assert target == CommandTarget(("systemctl", "restart", "my unit", "$HOME", "*"))

    @pytest.mark.parametrize(
        ("command", "message"), [("restart 'parakeet", "No closing quotation"), ("  ", "is empty"), ("''  ", "empty")]
    )
    async def test_a_command_misspelt(self, session: ClientSession, command: str, message: str) -> None:
        with pytest.raises(TargetError, match=message):
            create_target(session, RestartSettings(command=command))

    async def test_one_kind_for_each_server(self, session: ClientSession) -> None:
        """Two would be ambiguous."""
        with pytest.raises(TargetError, match="more than one"):
            create_target(session, RestartSettings(url=HOOK, command="true"))

    @pytest.mark.parametrize(
        "text",
        [
            "spark@spark.local",
            "ssh://spark.local/key?known_hosts=/k",
            "ssh://spark@spark.local?known_hosts=/k",
            "ssh://spark@spark.local/?known_hosts=/k",
            "ssh://spark@spark.local/key",
            "http://spark@spark.local/key?known_hosts=/k",
        ],
    )
    async def test_ssh_misspelt(self, session: ClientSession, text: str) -> None:
        """A known_hosts file is no option."""
        with pytest.raises(TargetError, match="is not ssh://user@host/path/to/key"):
            create_target(session, RestartSettings(ssh=text))

    def test_ssh_without_its_extra(self) -> None:
        """It is said at the start, and by name."""
        script = (
            "import sys; sys.modules['asyncssh'] = None\n"
            "from spark_audio_proxy.config import RestartSettings\n"
            "from spark_audio_proxy.restarts.targets import create_target\n"
            "create_target(None, RestartSettings(ssh='ssh://a@b/c?known_hosts=/d'))"
        )
        run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
        assert run.stderr.splitlines()[-1].endswith(
            "TargetError: SSH needs the extra: pip install 'spark-audio-proxy[ssh]'"
        )


def python(script: str, *arguments: str) -> CommandTarget:
    """A command that runs this script."""
    return CommandTarget((sys.executable, "-c", f"import os, sys, time\n{script}", *arguments))


class TestCommand:
    @pytest.mark.parametrize(
        ("status", "answer"),
        [(0, Answer.ACCEPTED), (3, Answer.UNCONFIRMED), (126, Answer.REFUSED), (127, Answer.REFUSED)],
    )
    async def test_its_status_is_the_answer(self, status: int, answer: Answer) -> None:
        """126 and 127 are the shell's: it could not run the command."""
        reply = await python(f"sys.exit({status})").restart()
        assert reply == RestartReply(answer, f"The restart command ended with status {status}.")

    @pytest.mark.parametrize(
        ("name", "reason"), [("/no/such/program", "No such file or directory"), ("/etc", "Permission denied")]
    )
    async def test_a_program_that_cannot_be_run_is_said_to_be_so(self, name: str, reason: str) -> None:
        reply = await CommandTarget((name,)).restart()
        assert reply == RestartReply(Answer.REFUSED, f"The restart command cannot be run: {reason}.")

    async def test_a_dry_run_looks_for_the_program_and_runs_nothing(self, tmp_path: Path) -> None:
        out = tmp_path / "out"
        result = await python("open(sys.argv[1], 'w')", str(out)).try_out()
        assert (result.trial, out.exists()) == (Trial.UNTRIED, False)
        assert "Only a restart tells" in result.detail
        missing = await CommandTarget(("/no/such/program",)).try_out()
        assert (missing.trial, "/no/such/program cannot be found" in missing.detail) == (Trial.FAILS, True)

    async def test_arguments_arrive_as_they_are(self, tmp_path: Path) -> None:
        """With spaces, and with what a shell would expand."""
        out, arguments = tmp_path / "out", ("two words", "$HOME", "*", "; true", "`id`")
        await python("open(sys.argv[1], 'w').write(repr(sys.argv[2:]))", str(out), *arguments).restart()
        assert out.read_text() == repr(list(arguments))

    async def test_it_gets_an_ordinary_environment_without_our_keys(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It may log what it finds."""
        monkeypatch.setenv("SPARK_AUDIO_API_KEY", "hunter2")
        monkeypatch.setenv("RESTARTER_SETTING", "kept")
        out = tmp_path / "out"
        await python("open(sys.argv[1], 'w').write(repr(dict(os.environ)))", str(out)).restart()
        environment = out.read_text()
        assert "hunter2" not in environment
        assert "'RESTARTER_SETTING': 'kept'" in environment
        assert "'PATH'" in environment

    async def test_it_gets_nothing_else_of_ours(self, tmp_path: Path) -> None:
        """Neither sockets nor a terminal: nothing to read, nowhere to write, and a Ctrl-C that is not its own."""
        out, mine = tmp_path / "out", os.pipe()
        os.set_inheritable(mine[0], True)
        script = (
            "fds = {fd: os.readlink(f'/proc/self/fd/{fd}') for fd in map(int, os.listdir('/proc/self/fd'))\n"
            "       if os.path.exists(f'/proc/self/fd/{fd}')}\n"
            "open(sys.argv[1], 'w').write(repr((fds, os.getsid(0) == os.getpid())))"
        )
        await python(script, str(out)).restart()
        os.close(mine[0])
        os.close(mine[1])
        assert out.read_text() == repr(({0: "/dev/null", 1: "/dev/null", 2: "/dev/null"}, True))

    async def test_one_that_hangs_is_killed_with_all_that_it_started(self, tmp_path: Path) -> None:
        """The pipe ends when the last process that holds it is gone."""
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        held = asyncio.create_task(asyncio.to_thread(pipe.read_text))
        command = ("sh", "-c", f"exec 3>{pipe}; echo started >&3; sleep 1000 & wait")
        reply = await CommandTarget(command, deadline=0.5).restart()
        assert reply == RestartReply(Answer.UNCONFIRMED, "The restart command ran for more than 0 s and was ended.")
        assert await held == "started\n"

    async def test_one_that_was_sent_stays_sent(self, tmp_path: Path) -> None:
        """Although the proxy stops meanwhile: a service must not be left half restarted."""
        go, done = tmp_path / "go", tmp_path / "done"
        os.mkfifo(go)
        os.mkfifo(done)
        target = CommandTarget(("sh", "-c", f"echo begun >{done}; read line <{go}; echo finished >{done}"))

        async def stopped_meanwhile() -> None:
            task = asyncio.create_task(target.restart())
            assert await asyncio.to_thread(done.read_text) == "begun\n"
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        await asyncio.to_thread(lambda: asyncio.run(stopped_meanwhile()))
        await asyncio.to_thread(go.write_text, "\n")
        assert await asyncio.to_thread(done.read_text) == "finished\n"
