"""Restart targets against real servers: what is sent, once, and what is made of the answer."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from pathlib import Path

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from spark_engine.healing.restart import (
    Answer,
    DockerTarget,
    HookTarget,
    RestartReply,
    RestartTarget,
    Trial,
    TrialResult,
)

from tests.fakes import faults
from tests.fakes.faults import Fault, refused, serving
from tests.fakes.server import FakeServer, Handler, running, text
from tests.helpers.certificates import self_signed_context

RESTART = "/v1.44/containers/parakeet/restart"
HOOK = "/hooks/restart"


@dataclass
class DockerApi:
    """A Docker daemon that keeps the lines it was asked."""

    answer: Handler = field(default_factory=lambda: text("", status=204))
    asked: list[str] = field(default_factory=list)
    address: str = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Record the request as it stood on the wire."""
        self.asked.append(f"{request.method} {request.path_qs}")
        return await self.answer(request)


type Listening = Callable[[DockerApi, Path], AbstractAsyncContextManager[str]]


def _app(docker: DockerApi) -> web.Application:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", docker.handle)
    return app


@asynccontextmanager
async def unix(docker: DockerApi, folder: Path) -> AsyncGenerator[str]:
    """The daemon's own socket."""
    runner = web.AppRunner(_app(docker), handler_cancellation=True)
    await runner.setup()
    path = folder / "docker.sock"
    await web.UnixSite(runner, str(path)).start()
    try:
        yield str(path)
    finally:
        await runner.cleanup()


@asynccontextmanager
async def tcp(docker: DockerApi, _: Path) -> AsyncGenerator[str]:
    """A socket proxy in front of it."""
    server = TestServer(_app(docker), host="127.0.0.1")
    await server.start_server()
    try:
        yield str(server.make_url("")).rstrip("/")
    finally:
        await server.close()


def docker_target(session: ClientSession, address: str) -> DockerTarget:
    """The target for either kind of address."""
    return DockerTarget(None if address.startswith("/") else session, address, "parakeet")


ACCEPTED, UNCONFIRMED, REFUSED = Answer

BOTH = pytest.mark.parametrize("listening", [unix, tcp])


class TestDocker:
    """One request and no other, so that a socket proxy needs to allow only that."""

    @BOTH
    async def test_exactly_one_request_is_sent(
        self, session: ClientSession, tmp_path: Path, listening: Listening
    ) -> None:
        """No ping, no version, no inspect."""
        docker = DockerApi()
        async with listening(docker, tmp_path) as address:
            reply = await docker_target(session, address).restart()
        assert reply == RestartReply(Answer.ACCEPTED, "The restart target answered 204 No Content.")
        assert docker.asked == [f"POST {RESTART}?t=10"]

    @BOTH
    @pytest.mark.parametrize(("status", "answer"), [(400, REFUSED), (403, REFUSED), (404, REFUSED), (500, UNCONFIRMED)])
    async def test_a_refusal_is_not_repeated(
        self, session: ClientSession, tmp_path: Path, listening: Listening, status: int, answer: Answer
    ) -> None:
        """Too old an API, a socket proxy that does not allow it, no such container, Docker's own failure."""
        docker = DockerApi(text('{"message": "no"}', status=status))
        async with listening(docker, tmp_path) as address:
            reply = await docker_target(session, address).restart()
        assert reply == RestartReply(answer, f"The restart target answered {status} {HTTPStatus(status).phrase}.")
        assert len(docker.asked) == 1

    @BOTH
    async def test_a_daemon_that_hangs_is_left_after_the_deadline(
        self, session: ClientSession, tmp_path: Path, listening: Listening
    ) -> None:
        """As it does while a container does not die. The restart stays sent."""
        docker = DockerApi(_never)
        async with listening(docker, tmp_path) as address:
            reply = await replace(docker_target(session, address), deadline=0.2).restart()
        assert reply == RestartReply(Answer.UNCONFIRMED, "The restart target did not answer within 0 s.")
        assert len(docker.asked) == 1

    @BOTH
    async def test_a_cut_answer_is_unconfirmed(
        self, session: ClientSession, tmp_path: Path, listening: Listening
    ) -> None:
        """The daemon itself may be restarting."""
        docker = DockerApi(_hang_up)
        async with listening(docker, tmp_path) as address:
            reply = await docker_target(session, address).restart()
        assert reply == RestartReply(Answer.UNCONFIRMED, "The restart target's answer broke off or is not HTTP.")
        assert len(docker.asked) == 1

    @BOTH
    @pytest.mark.parametrize(
        ("status", "trial", "said"),
        [
            (200, Trial.WORKS, "knows the container parakeet."),
            (404, Trial.FAILS, "knows no container parakeet."),
            (403, Trial.UNTRIED, "answers 403 when asked for the container. Only a restart tells"),
            (500, Trial.UNTRIED, "answers 500"),
        ],
    )
    async def test_a_dry_run_asks_for_the_container(
        self, session: ClientSession, tmp_path: Path, listening: Listening, status: int, trial: Trial, said: str
    ) -> None:
        """A socket proxy that allows nothing but the restart tells nothing."""
        docker = DockerApi(text("{}", status=status))
        async with listening(docker, tmp_path) as address:
            result = await docker_target(session, address).try_out()
        assert (result.trial, said in result.detail) == (trial, True)
        assert docker.asked == ["GET /v1.44/containers/parakeet/json"]

    async def test_a_dry_run_finds_a_missing_socket(self, tmp_path: Path) -> None:
        result = await DockerTarget(None, str(tmp_path / "docker.sock"), "parakeet").try_out()
        assert result == TrialResult(Trial.FAILS, "The Docker API cannot be reached: No such file or directory.")

    async def test_a_socket_that_is_not_there_is_named(self, tmp_path: Path) -> None:
        """It is not mounted, say."""
        reply = await DockerTarget(None, str(tmp_path / "docker.sock"), "parakeet").restart()
        assert reply == RestartReply(Answer.REFUSED, "The restart target cannot be reached: No such file or directory.")

    async def test_another_api_version_is_a_setting(self, session: ClientSession, tmp_path: Path) -> None:
        """Old daemons refuse versions that they do not know."""
        docker = DockerApi()
        async with tcp(docker, tmp_path) as address:
            await DockerTarget(session, address, "parakeet", api_version="v1.41").restart()
        assert docker.asked == ["POST /v1.41/containers/parakeet/restart?t=10"]


async def _never(_: web.Request) -> web.Response:
    await asyncio.Event().wait()
    raise AssertionError


async def _hang_up(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.close()
    return web.Response()


class TestHook:
    """A URL that restarts the service."""

    @pytest.mark.parametrize(
        ("status", "answer"),
        [(200, ACCEPTED), (202, ACCEPTED), (204, ACCEPTED), (304, REFUSED), (401, REFUSED), (500, UNCONFIRMED)],
    )
    async def test_any_2xx_is_accepted_and_a_fault_of_the_target_leaves_it_open(
        self, session: ClientSession, status: int, answer: Answer
    ) -> None:
        async with running(FakeServer({("POST", HOOK): text("", status=status)})) as fake:
            reply = await HookTarget(session, fake.url + HOOK).restart()
        assert reply == RestartReply(answer, f"The restart target answered {status} {HTTPStatus(status).phrase}.")
        assert len(fake.asked) == 1

    @pytest.mark.parametrize(
        ("status", "answer"), [(302, ACCEPTED), (409, ACCEPTED), (200, UNCONFIRMED), (403, REFUSED)]
    )
    async def test_expected_statuses_take_the_place_of_2xx(
        self, session: ClientSession, status: int, answer: Answer
    ) -> None:
        """A control panel may answer a form with a redirect."""
        async with running(FakeServer({("POST", HOOK): text("", status=status)})) as fake:
            reply = await HookTarget(session, fake.url + HOOK, expected=(302, 409)).restart()
        assert reply.answer is answer

    async def test_a_redirect_is_not_followed(self, session: ClientSession) -> None:
        """A key must not travel on to wherever that points."""

        async def elsewhere(_: web.Request) -> web.Response:
            return web.Response(status=307, headers={"Location": "/login"})

        async with running(FakeServer({("POST", HOOK): elsewhere, ("POST", "/login"): text("")})) as fake:
            reply = await HookTarget(session, fake.url + HOOK).restart()
        assert reply == RestartReply(Answer.REFUSED, "The restart target answered 307 Temporary Redirect.")
        assert [asked.path for asked in fake.asked] == [HOOK]

    async def test_the_token_is_sent_and_never_shown(self, session: ClientSession) -> None:
        """Nor is a URL with a secret in its path."""
        headers = {"Authorization": "Bearer hunter2"}
        async with running(FakeServer({("POST", HOOK): text("")})) as fake:
            target = HookTarget(session, fake.url + HOOK, headers=headers)
            await target.restart()
        assert fake.asked[0].headers["Authorization"] == "Bearer hunter2"
        assert "hunter2" not in repr(target)
        assert HOOK not in repr(target)
        assert headers == {"Authorization": "Bearer hunter2"}

    async def test_a_dry_run_connects_and_sends_nothing(self, session: ClientSession) -> None:
        """Some hooks restart on any request."""
        async with running(FakeServer()) as fake:
            result = await HookTarget(session, fake.url + HOOK).try_out()
            assert (result.trial, fake.asked) == (Trial.UNTRIED, [])
        assert "Only a restart tells whether the hook works." in result.detail
        away = await HookTarget(session, refused()).try_out()
        assert (away.trial, "cannot be reached" in away.detail) == (Trial.FAILS, True)

    async def test_a_refused_connection(self, session: ClientSession) -> None:
        reply = await HookTarget(session, refused()).restart()
        assert (reply.answer, "Connect" in reply.detail) == (Answer.REFUSED, True)

    async def test_unknown_host(self, session: ClientSession) -> None:
        reply = await HookTarget(session, "http://no-such-host.invalid/").restart()
        assert reply.answer is Answer.REFUSED
        assert reply.detail.startswith("The restart target cannot be reached: ")

    async def test_a_failing_tls_handshake(self, session: ClientSession) -> None:
        async with running(FakeServer()) as fake:
            reply = await HookTarget(session, fake.url.replace("http://", "https://") + HOOK).restart()
        assert reply.answer is Answer.REFUSED
        assert reply.detail.startswith("The restart target cannot be reached: ")

    async def test_an_untrusted_certificate(self, session: ClientSession, self_signed: ssl.SSLContext) -> None:
        """Nothing is sent."""
        docker = DockerApi()
        server = TestServer(_app(docker), host="127.0.0.1", scheme="https")
        await server.start_server(ssl=self_signed)
        reply = await HookTarget(session, str(server.make_url(HOOK))).restart()
        await server.close()
        assert reply.answer is Answer.REFUSED
        assert "CERTIFICATE_VERIFY_FAILED" in reply.detail
        assert docker.asked == []

    @pytest.mark.parametrize(
        ("fault", "detail"),
        [
            (faults.silent, "did not answer within"),
            (faults.reset_before_answer, "broke off or is not HTTP"),
            (faults.close_without_answer, "broke off or is not HTTP"),
            (faults.not_http, "broke off or is not HTTP"),
        ],
    )
    async def test_faults_of_the_target_are_unconfirmed(
        self, session: ClientSession, fault: Fault, detail: str
    ) -> None:
        """Canaries decide then."""
        async with serving(fault) as url:
            reply = await HookTarget(session, url, deadline=0.5).restart()
        assert reply.answer is Answer.UNCONFIRMED
        assert detail in reply.detail

    @pytest.mark.parametrize("fault", [faults.headers_then_nothing, faults.reset_within_body])
    async def test_the_status_is_enough(self, session: ClientSession, fault: Fault) -> None:
        """What follows it is not waited for."""
        async with serving(fault) as url:
            reply = await HookTarget(session, url).restart()
        assert reply == RestartReply(Answer.ACCEPTED, "The restart target answered 200 OK.")


@pytest.mark.parametrize("method", ["POST", "GET", "PUT", "DELETE"])
@pytest.mark.parametrize("fault", [faults.close_without_answer, faults.reset_before_answer])
async def test_a_request_that_may_have_arrived_is_never_repeated(
    session: ClientSession, method: str, fault: Fault
) -> None:
    """aiohttp repeats what it holds for idempotent; a restart is not, whatever its method."""
    requests = 0

    async def count(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal requests
        requests += 1
        await fault(reader, writer)

    async with serving(count) as url:
        reply = await HookTarget(session, url, method=method).restart()
    assert reply.answer is Answer.UNCONFIRMED
    assert requests == 1


@pytest.mark.parametrize("kind", ["hook", "docker"])
async def test_the_next_restart_gets_a_new_connection(session: ClientSession, tmp_path: Path, kind: str) -> None:
    """One kept alive since the last restart may be stale, and what is lost on it is not sent again."""
    ports = set()

    async def answer(request: web.Request) -> web.Response:
        assert request.transport is not None
        ports.add(request.transport.get_extra_info("peername")[1])
        return web.Response(status=204)

    async with tcp(DockerApi(answer), tmp_path) as url:
        target: RestartTarget = HookTarget(session, url) if kind == "hook" else DockerTarget(session, url, "parakeet")
        replies = [await target.restart() for _ in range(3)]
    assert [reply.answer for reply in replies] == [Answer.ACCEPTED] * 3
    assert len(ports) == 3


@pytest.fixture
def self_signed(tmp_path: Path) -> ssl.SSLContext:
    """A server's side of TLS with a self-signed certificate."""
    return self_signed_context(tmp_path)
