"""Who may open a session, how many there may be, and what a client may do wrong in one."""

import asyncio
from contextlib import AsyncExitStack

import pytest
from aiohttp import WSCloseCode, WSServerHandshakeError
from spark_audio_proxy.app_state import SESSIONS
from spark_audio_proxy.realtime.limits import Limits

from tests.helpers.proxy.realtime import Document, ended, realtime
from tests.helpers.proxy.running_proxy import Proxy, StartProxy
from tests.helpers.proxy.spoken import words

TALKATIVE: Document = {"type": "transcription", "audio": {"input": {"transcription": {"prompt": "x" * 2000}}}}
"""Settings that come back as a long event."""


@pytest.mark.parametrize("path", ["/realtime", "/v1/realtime", "/v1/v1//realtime?intent=transcription&model=x"])
async def test_it_is_found_as_clients_join_urls(proxy: Proxy, path: str) -> None:
    async with realtime(proxy, path):
        pass


async def test_a_request_that_is_no_websocket(proxy: Proxy) -> None:
    async with proxy.client.get(f"{proxy.url}/v1/realtime") as response:
        assert response.status == 426
        assert (await response.json())["error"]["code"] == "websocket_required"


async def test_without_a_parakeet_there_is_nothing_to_open(start_proxy: StartProxy) -> None:
    proxy = await start_proxy(parakeet_url=None)
    with pytest.raises(WSServerHandshakeError, match="404"):
        async with realtime(proxy):
            pass


class TestAccess:
    async def test_the_key_of_a_browser(self, start_proxy: StartProxy) -> None:
        """It can send no header of its own, and wants one of the protocols that it offered."""
        proxy = await start_proxy(api_key=("secret",))
        async with proxy.client.ws_connect(
            f"{proxy.url}/v1/realtime", protocols=("realtime", "openai-insecure-api-key.secret")
        ) as socket:
            assert socket.protocol == "realtime"
        for offered in ("openai-insecure-api-key.wrong", "realtime"):
            with pytest.raises(WSServerHandshakeError, match="401"):
                await proxy.client.ws_connect(f"{proxy.url}/v1/realtime", protocols=(offered,))

    async def test_foreign_pages_without_a_key(self, start_proxy: StartProxy) -> None:
        """Browsers let every page open a WebSocket anywhere, and read what comes."""
        proxy = await start_proxy(cors_origins=("https://mine.example",))
        foreign = [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Host": "rebound.example"}]
        for headers in foreign:
            with pytest.raises(WSServerHandshakeError, match="403"):
                await proxy.client.ws_connect(f"{proxy.url}/v1/realtime", headers=headers)
        for headers in ({"Origin": "https://mine.example"}, {"Origin": proxy.url}):
            async with realtime(proxy, **headers):
                pass


class TestGarbage:
    @pytest.mark.parametrize(
        ("message", "param"),
        [
            ("no JSON", None),
            ("[" * 100_000, None),
            ("[]", None),
            ("{}", "type"),
            ('{"type": "response.create"}', "type"),
            ('{"type": ["session.update"]}', "type"),
            ('{"type": "input_audio_buffer.append"}', "audio"),
            ('{"type": "input_audio_buffer.append", "audio": "###"}', "audio"),
            ('{"type": "input_audio_buffer.append", "audio": "ä"}', "audio"),
            ('{"type": "session.update"}', "session"),
            ('{"type": "session.update", "session": {"type": "realtime"}}', "session.type"),
            ('{"type": "input_audio_buffer.commit"}', None),
        ],
    )
    async def test_what_makes_no_sense_is_an_error_and_no_end(
        self, proxy: Proxy, message: str, param: str | None
    ) -> None:
        async with realtime(proxy) as client:
            await client.socket.send_str(message)
            error = await client.error()
            assert (error["type"], error["param"]) == ("invalid_request_error", param)
            await client.set_up()

    @pytest.mark.parametrize(("event_id", "repeated"), [("x" * 512, True), ("x" * 513, False), (7, False)])
    async def test_an_error_names_its_event(self, proxy: Proxy, event_id: str | int, *, repeated: bool) -> None:
        """It does not send megabytes back."""
        async with realtime(proxy) as client:
            await client.send("nonsense", event_id=event_id)
            assert (await client.error())["event_id"] == (event_id if repeated else None)

    async def test_binary_messages(self, proxy: Proxy) -> None:
        async with realtime(proxy) as client:
            await client.socket.send_bytes(b"\x00\x01")
            assert (await client.error())["code"] == "invalid_event"

    async def test_too_much_of_it_ends_the_session(self, start_proxy: StartProxy) -> None:
        proxy = await start_proxy(limits=Limits(errors=5))
        async with realtime(proxy) as client:
            for _ in range(10):
                await client.socket.send_str("?")
            assert len(await client.until("error")) == 1
            assert await client.closed() == WSCloseCode.OK

    async def test_an_oversized_message(self, start_proxy: StartProxy) -> None:
        proxy = await start_proxy(limits=Limits(largest_message=10_000))
        async with realtime(proxy) as client:
            await client.socket.send_str("x" * 10_001)
            assert await client.closed() == WSCloseCode.MESSAGE_TOO_BIG


class TestLimits:
    async def test_more_audio_than_a_buffer_holds(self, start_proxy: StartProxy) -> None:
        """What fitted stays, and can be committed."""
        proxy = await start_proxy(limits=Limits(longest_buffer=1.5))
        async with realtime(proxy) as client:
            await client.set_up()
            await client.say(words()[:32_000])
            await client.say(words()[:32_000])
            assert (await client.error())["code"] == "buffer_full"
            await client.send("input_audio_buffer.commit")
            await client.until("conversation.item.input_audio_transcription.completed")

    @pytest.mark.slow
    async def test_a_thousand_sessions_opened_and_left(self, start_proxy: StartProxy) -> None:
        """Without a goodbye; each place is free again."""
        proxy = await start_proxy(limits=Limits(sessions=20))
        sessions, left = proxy.app[SESSIONS], ended(proxy)
        for _ in range(100):
            clients = [await proxy.client.ws_connect(f"{proxy.url}/v1/realtime") for _ in range(10)]
            assert sessions.open == 10
            for client in clients:
                connection = client._response.connection  # noqa: SLF001 - a cut cable says no goodbye
                assert connection is not None
                assert connection.transport is not None
                connection.transport.abort()
            for _ in clients:
                await left.get()
            assert sessions.open == 0

    async def test_too_many_at_once(self, start_proxy: StartProxy) -> None:
        """One address has half of all places; another proxy in front says nothing of the callers behind it."""
        proxy = await start_proxy(limits=Limits(sessions=4), allowed_hosts=("*",))
        async with AsyncExitStack() as stack:
            for _ in range(2):
                await stack.enter_async_context(realtime(proxy))
            with pytest.raises(WSServerHandshakeError, match="429") as refused:
                await stack.enter_async_context(realtime(proxy))
            assert refused.value.headers is not None
            assert refused.value.headers["Retry-After"] == "5"
            for _ in range(2):
                await stack.enter_async_context(realtime(proxy, **{"X-Forwarded-For": "10.0.0.1"}))
            with pytest.raises(WSServerHandshakeError, match="429"):
                await stack.enter_async_context(realtime(proxy, **{"X-Forwarded-For": "10.0.0.1"}))
        async with realtime(proxy):
            pass

    async def test_a_session_that_says_nothing(self, start_proxy: StartProxy) -> None:
        proxy = await start_proxy(limits=Limits(idle=0.01))
        async with realtime(proxy) as client:
            assert (await client.error())["code"] == "session_idle"
            assert await client.closed() == WSCloseCode.OK

    async def test_answers_to_pings_say_nothing(self, start_proxy: StartProxy) -> None:
        """A client library sends them by itself, whatever has become of the client."""
        proxy = await start_proxy(limits=Limits(idle=0.2, heartbeat=0.02))
        async with realtime(proxy) as client:
            assert (await client.error())["code"] == "session_idle"

    async def test_a_client_that_does_not_read(self, start_proxy: StartProxy) -> None:
        """It asks for more than it takes, and is cut off."""
        proxy = await start_proxy(limits=Limits(unsent=5))
        left = ended(proxy)
        async with realtime(proxy) as client:
            assert client.socket._response.connection is not None  # noqa: SLF001
            transport = client.socket._response.connection.transport  # noqa: SLF001
            assert isinstance(transport, asyncio.Transport)
            transport.pause_reading()
            with pytest.raises(ConnectionError):
                while True:
                    await client.send("session.update", session=TALKATIVE)
            await left.get()

    async def test_a_client_that_does_not_read_what_is_long(self, start_proxy: StartProxy) -> None:
        """What it sends comes back to it: few events can be many bytes."""
        proxy = await start_proxy()
        left = ended(proxy)
        audio: Document = {"input": {"transcription": {"model": "x" * 1_000_000}}}
        async with realtime(proxy) as client:
            assert client.socket._response.connection is not None  # noqa: SLF001
            transport = client.socket._response.connection.transport  # noqa: SLF001
            assert isinstance(transport, asyncio.Transport)
            transport.pause_reading()
            with pytest.raises(ConnectionError):
                for _ in range(40):
                    await client.send("session.update", session={"type": "transcription", "audio": audio})
            assert (await left.get()).outcome == "gone"

    async def test_a_client_that_takes_nothing_at_all(self, start_proxy: StartProxy) -> None:
        """Not even what is in no buffer any more."""
        proxy = await start_proxy(limits=Limits(untaken=0.05, unsent=1_000_000))
        left = ended(proxy)
        async with realtime(proxy) as client:
            assert client.socket._response.connection is not None  # noqa: SLF001
            transport = client.socket._response.connection.transport  # noqa: SLF001
            assert isinstance(transport, asyncio.Transport)
            transport.pause_reading()
            with pytest.raises(ConnectionError):
                while True:
                    await client.send("session.update", session=TALKATIVE)
            await left.get()


async def test_the_proxy_stops(proxy: Proxy) -> None:
    """It does not wait for sessions; they are told to come back."""
    async with realtime(proxy) as client:
        async with asyncio.TaskGroup() as group:
            closed = group.create_task(client.closed())
            await proxy.stop()
        assert closed.result() == WSCloseCode.GOING_AWAY


async def test_a_session_is_one_line_in_the_log(proxy: Proxy, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "spark_audio_proxy.access")
    left = ended(proxy)
    async with realtime(proxy, **{"X-Request-ID": "mine"}):
        pass
    await left.get()
    (line,) = caplog.messages
    assert line.startswith("GET /v1/realtime ")
    assert line.endswith("id=mine")
