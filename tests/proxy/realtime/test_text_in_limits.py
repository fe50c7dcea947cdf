"""Speech from text that is still being written: who may ask for it, what goes wrong, and what ends a session."""

import asyncio
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path

import pytest
from aiohttp import WSCloseCode, WSServerHandshakeError, web
from spark_audio_proxy.app_state import SPEAKING, UPLOADS
from spark_audio_proxy.realtime.limits import Limits
from spark_audio_proxy.speaking import FASTEST
from spark_audio_proxy.uploads.admission import Share
from spark_engine.healing.health import State

from tests.fakes import magpie
from tests.fakes.magpie import LIST_VOICES, SECONDS_PER_CHARACTER, SYNTHESIZE_ONLINE, in_pieces
from tests.fakes.server import json as answering
from tests.fakes.server import running
from tests.helpers.proxy.callers import talkative
from tests.helpers.proxy.healing import RESTART, dog_of, hook, until, watched
from tests.helpers.proxy.realtime import ended
from tests.helpers.proxy.running_proxy import Proxy, StartProxy
from tests.helpers.proxy.speech import TEXT
from tests.helpers.proxy.text_in import (
    DONE,
    SENTENCES,
    STREAM,
    WORDS,
    Writer,
    at_rest,
    gated,
    said,
    seconds,
    writing,
)


class TestFailures:
    async def test_no_magpie(self, start_proxy: StartProxy) -> None:
        proxy = await start_proxy(magpie_url=None)
        with pytest.raises(WSServerHandshakeError, match="404"):
            await proxy.client.ws_connect(proxy.url + STREAM)

    async def test_a_fault_before_the_first_sound(self, start_proxy: StartProxy, tmp_path: Path) -> None:
        """It is told once, the rest of the text is passed over, and the next utterance is another one."""
        proxy = await watched(start_proxy, tmp_path, request_history=5)
        good = proxy.magpie.answers["POST", SYNTHESIZE_ONLINE]
        proxy.magpie.answers["POST", SYNTHESIZE_ONLINE] = answering({"detail": "CUDA error"}, status=500)
        left = ended(proxy)
        async with writing(proxy) as writer:
            await writer.write("The kitchen light is on. The")
            error = await writer.error()
            assert (error["type"], error["code"]) == ("server_error", "upstream_fault")
            assert "Retry after" in str(error["message"])
            heard = await writer.say(" door is closed.", " Good night.")
            assert heard.events == [{"type": "session.done", "utterance_index": 0, "total_sentences": 0}]
            proxy.magpie.answers["POST", SYNTHESIZE_ONLINE] = good
            await until(dog_of(proxy, "magpie"), State.HEALTHY)
            assert (await writer.say(TEXT)).order == DONE
        served = await left.get()
        assert (served.status, served.outcome, served.code) == (101, "failed", "upstream_fault")

    async def test_a_fault_in_the_middle(self, start_proxy: StartProxy) -> None:
        """What was heard is not all of it."""
        first = iter([magpie.stream_pcm])

        async def once(request: web.Request) -> web.StreamResponse:
            return await next(first, in_pieces(b"", then_reset=True))(request)

        speaking = magpie.nim()
        speaking.answers["POST", SYNTHESIZE_ONLINE] = once
        proxy = await start_proxy(speaking=speaking)
        async with writing(proxy) as writer:
            heard = await writer.say(*WORDS)
        assert heard.order == ["audio.start", "audio", "error", "audio.done", "session.done"]
        assert heard.events[2]["error"] is True
        assert seconds(heard.audio) == pytest.approx(len(SENTENCES[0]) * SECONDS_PER_CHARACTER, abs=0.01)

    async def test_a_wedge_during_the_session(self, start_proxy: StartProxy, tmp_path: Path) -> None:
        """While the service is held nothing is sent to it, and the session lasts until it is back."""
        speaking = magpie.nim()
        good = speaking.answers["POST", SYNTHESIZE_ONLINE]
        async with running(hook((speaking, ("POST", SYNTHESIZE_ONLINE), good))) as restarter:
            proxy = await watched(start_proxy, tmp_path, speaking=speaking, magpie_restart_url=restarter.url + RESTART)
            dog = dog_of(proxy, "magpie")
            async with writing(proxy) as writer:
                assert (await writer.say(TEXT)).order == DONE
                speaking.answers["POST", SYNTHESIZE_ONLINE] = answering({"detail": "CUDA error"}, status=500)
                assert (await writer.say(TEXT)).error()["code"] in ("upstream_fault", "service_held")
                await until(dog, State.HEALTHY)
                assert [change.after for change in dog.history][-3:-1] == [State.WEDGED, State.RESTARTING]
                assert (await writer.say(TEXT)).order == DONE

    async def test_a_mistake_of_ours(
        self, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        """It does not leave the client waiting."""

        def broken(*_: object) -> None:
            raise KeyError("lost")

        monkeypatch.setattr("spark_audio_proxy.transcode.coder.create_encoder", broken)
        async with writing(proxy) as writer:
            heard = await writer.say(TEXT)
        assert heard.order == ["error", "session.done"]
        assert heard.error()["message"] == "Internal error; the proxy's log has the details."
        assert "KeyError" in caplog.text

    async def test_all_places_are_taken(self, start_proxy: StartProxy) -> None:
        async with gated(start_proxy, concurrency=1, queue=0) as (proxy, nim), AsyncExitStack() as stack:
            busy, refused = [await stack.enter_async_context(writing(proxy)) for _ in range(2)]
            await busy.write(TEXT)
            await busy.send("input.done")
            await nim.asked.get()
            error = (await refused.say(TEXT)).error()
            assert (error["type"], error["code"]) == ("rate_limit_error", "queue_full")
            nim.opened.set()
            assert (await busy.until()).order == DONE
            assert (await refused.say(TEXT)).order == DONE

    async def test_who_writes_slowly_keeps_no_turn(self, start_proxy: StartProxy) -> None:
        """Others are spoken between two of its sentences, and it is not refused for that."""
        proxy = await start_proxy(concurrency=1, queue=1)
        async with writing(proxy) as slow, writing(proxy) as quick:
            await slow.write("The kitchen light is on. T")
            assert isinstance(await slow.next(), dict)
            assert (await quick.say("Good night.")).order == DONE
            assert (await slow.say("he door is closed.")).order == DONE[1:]
        assert said(proxy) == [SENTENCES[0], "Good night.", SENTENCES[1]]

    async def test_an_unknown_voice(self, start_proxy: StartProxy) -> None:
        proxy = await start_proxy(unknown_voice="reject")
        async with writing(proxy, voice="zorg") as writer:
            error = await writer.error()
            assert (error["code"], error["param"]) == ("voice_not_found", "voice")
            proxy.magpie.answers["GET", LIST_VOICES] = answering({}, status=503)
            await writer.send("session.config", voice="Mia")
            assert (await writer.say(TEXT)).order == DONE

    async def test_voices_that_cannot_be_listed(self, start_proxy: StartProxy) -> None:
        """An error of the service, in the session as well."""
        proxy = await start_proxy(magpie_url="http://127.0.0.1:9", unknown_voice="reject")
        async with writing(proxy, voice="Mia") as writer:
            assert (await writer.error())["code"] == "upstream_unreachable"


class TestGarbage:
    @pytest.mark.parametrize(
        ("message", "param"),
        [
            ("no JSON", None),
            ("[" * 100_000, None),
            ("[]", None),
            ("{}", "type"),
            ('{"type": "response.create"}', "type"),
            ('{"type": ["input.text"]}', "type"),
            ('{"type": "input.text"}', "text"),
            ('{"type": "input.text", "text": 7}', "text"),
            ('{"type": "input.text", "text": ["a"]}', "text"),
            ('{"type": "session.config", "response_format": "midi"}', "response_format"),
            ('{"type": "session.config", "response_format": 7}', "response_format"),
            ('{"type": "session.config", "voice": 7}', "voice"),
            ('{"type": "session.config", "language": "Klingon language"}', "language"),
            ('{"type": "session.config", "speed": true}', "speed"),
            (f'{{"type": "session.config", "speed": {FASTEST + 1}}}', "speed"),
            ('{"type": "session.config", "speed": NaN}', "speed"),
        ],
    )
    async def test_what_makes_no_sense_is_an_error_and_no_end(
        self, proxy: Proxy, message: str, param: str | None
    ) -> None:
        """The settings stay as they were."""
        async with writing(proxy) as writer:
            await writer.socket.send_str(message)
            error = await writer.error()
            assert (error["type"], error["param"]) == ("invalid_request_error", param)
            assert (await writer.say(TEXT)).events[0]["format"] == "pcm"

    @pytest.mark.parametrize("kind", ["input.text", "input.done"])
    async def test_the_settings_come_first(self, proxy: Proxy, kind: str) -> None:
        async with proxy.client.ws_connect(proxy.url + STREAM) as socket:
            writer = Writer(socket)
            await writer.send(kind, text=TEXT, event_id="mine")
            error = await writer.error()
            assert (error["code"], error["event_id"]) == ("not_configured", "mine")
            if kind == "input.text":
                # Said once, not for each token.
                await writer.write(*WORDS * 20)
            await writer.send("session.config")
            assert (await writer.say(TEXT)).order == DONE

    async def test_settings_in_the_middle_of_a_text(self, proxy: Proxy) -> None:
        async with writing(proxy) as writer:
            await writer.write("The kitchen")
            await writer.send("session.config", voice="Mia")
            assert (await writer.error())["code"] == "utterance_open"
            assert (await writer.say(" light is on.")).order == DONE
        assert "Aria" in proxy.magpie.posts(SYNTHESIZE_ONLINE)[0].fields["voice"]

    async def test_binary_messages(self, proxy: Proxy) -> None:
        async with writing(proxy) as writer:
            await writer.socket.send_bytes(b'{"type": "input.done"}')
            assert (await writer.error())["code"] == "invalid_event"
            assert (await writer.say(TEXT)).order == DONE

    async def test_too_much_of_it_ends_the_session(self, start_proxy: StartProxy) -> None:
        proxy = await start_proxy(limits=Limits(errors=5))
        async with writing(proxy) as writer:
            for _ in range(10):
                await writer.socket.send_str("?")
            assert await writer.closed() == WSCloseCode.OK

    async def test_an_oversized_message(self, start_proxy: StartProxy) -> None:
        proxy = await start_proxy(limits=Limits(largest_message=10_000))
        async with writing(proxy) as writer:
            await writer.write("x" * 10_001)
            assert await writer.closed() == WSCloseCode.MESSAGE_TOO_BIG


class TestLimits:
    async def test_a_text_that_is_too_long(self, start_proxy: StartProxy) -> None:
        """What was spoken of it ends with the error; without one of its pieces the rest would be another text."""
        proxy = await start_proxy(max_characters=60)
        async with writing(proxy) as writer:
            await writer.write("The kitchen light is on. T")
            assert isinstance(await writer.next(), dict)
            heard = await writer.say("he door is closed." * 2, "And so on.")
            assert heard.error()["code"] == "string_too_long"
            assert heard.order[-3:] == ["error", "audio.done", "session.done"]
            assert (await writer.say(TEXT)).order == DONE
        assert said(proxy) == [SENTENCES[0], *SENTENCES]

    async def test_a_cancel_in_the_queue(self, start_proxy: StartProxy, monkeypatch: pytest.MonkeyPatch) -> None:
        """It gives the place back."""
        async with gated(start_proxy, concurrency=1, queue=1) as (proxy, nim), AsyncExitStack() as stack:
            asks, gate = asyncio.Queue[bool](), proxy.app[SPEAKING]
            take_turn = gate.turn

            def turn(*, first: bool) -> AbstractAsyncContextManager[None]:
                asks.put_nowait(first)
                return take_turn(first=first)

            monkeypatch.setattr(gate, "turn", turn)
            busy, waiting, later = [await stack.enter_async_context(writing(proxy)) for _ in range(3)]
            await busy.write(TEXT)
            await busy.send("input.done")
            await nim.asked.get()
            await waiting.write(TEXT)
            await waiting.send("input.done")
            await asks.get()
            await asks.get()
            assert (await later.say(TEXT)).error()["code"] == "queue_full"
            await waiting.send("input.cancel")
            await waiting.until("input.cancelled")
            await later.write("Good night.")
            await later.send("input.done")
            nim.opened.set()
            assert (await later.until()).order == DONE
            assert (await busy.until()).order == DONE

    async def test_no_memory_for_a_text(self, proxy: Proxy) -> None:
        others = Share(proxy.app[UPLOADS])
        others.hold(proxy.app[UPLOADS]._limit)  # noqa: SLF001
        async with writing(proxy) as writer:
            error = (await writer.say(TEXT)).error()
            assert (error["type"], error["code"]) == ("rate_limit_error", "uploads_full")
            others.hold(0)
            assert (await writer.say(TEXT)).order == DONE

    async def test_too_many_that_wait(self, start_proxy: StartProxy) -> None:
        """Of one that was refused nothing is spoken, whatever has room meanwhile."""
        async with gated(start_proxy, limits=Limits(turns=2)) as (proxy, nim), writing(proxy) as writer:
            await writer.write("Zero.")
            await writer.send("input.done")
            await nim.asked.get()
            for text in ("One.", "Two."):
                await writer.write(text)
                await writer.send("input.done")
            await writer.write("Turn off")
            assert (await writer.error())["code"] == "utterances_full"
            await writer.send("session.config", voice="Mia")
            assert (await writer.error())["code"] == "utterance_open"
            nim.opened.set()
            assert [(await writer.until()).order for _ in range(3)] == [DONE] * 3
            await writer.write(" the light.")
            await writer.send("input.done")
            heard = await writer.say("Good night.")
            assert heard.order == DONE
            assert heard.events[0]["utterance_index"] == 3
        assert [asked.fields["text"] for asked in nim.fake.posts(SYNTHESIZE_ONLINE)] == [
            *("Zero.", "One.", "Two.", "Good night.")
        ]

    async def test_too_many_sessions(self, start_proxy: StartProxy) -> None:
        """One address has half of all places, whatever its sessions are for."""
        proxy = await start_proxy(limits=Limits(sessions=4))
        async with writing(proxy), proxy.client.ws_connect(f"{proxy.url}/v1/realtime"):
            with pytest.raises(WSServerHandshakeError, match="429"):
                await proxy.client.ws_connect(proxy.url + STREAM)
        async with writing(proxy):
            pass

    async def test_a_session_that_says_nothing(self, start_proxy: StartProxy) -> None:
        """Also in the middle of a text."""
        proxy = await start_proxy(limits=Limits(idle=0.05))
        async with writing(proxy) as writer:
            await writer.write("The kitchen")
            assert (await writer.until("error")).error()["code"] == "session_idle"
            assert await writer.closed() == WSCloseCode.OK

    async def test_a_listener_may_say_nothing(self, start_proxy: StartProxy) -> None:
        """Until all of it was spoken."""
        async with gated(start_proxy, limits=Limits(idle=0.01)) as (proxy, nim), writing(proxy) as writer:
            await writer.write(TEXT)
            await writer.send("input.done")
            await nim.asked.get()
            looked = asyncio.Event()
            asyncio.get_running_loop().call_later(0.05, looked.set)
            await looked.wait()
            nim.opened.set()
            assert (await writer.until()).order == DONE
            assert (await writer.error())["code"] == "session_idle"

    async def test_a_listener_that_takes_nothing(
        self, start_proxy: StartProxy, caplog: pytest.LogCaptureFixture
    ) -> None:
        """It is cut off, and nothing is left behind."""
        caplog.set_level("INFO", "spark_audio_proxy.realtime")
        proxy = await start_proxy(speaking=talkative(), limits=Limits(untaken=0.05))
        left = ended(proxy)
        async with writing(proxy, response_format="wav") as writer:
            writer.transport.pause_reading()
            await writer.write(" ".join(f"This is sentence number {number} of many." for number in range(600)))
            await writer.send("input.done")
            served = await left.get()
            # It would wait for the goodbye of the other side.
            writer.transport.abort()
        assert (served.outcome, served.status) == ("gone", 101)
        assert caplog.messages == [f"{STREAM}: the client takes nothing"]
        assert at_rest(proxy)


class TestAccess:
    async def test_keys(self, start_proxy: StartProxy) -> None:
        proxy = await start_proxy(api_key=("secret",))
        async with writing(proxy, {"Authorization": "Bearer secret"}) as writer:
            assert (await writer.say(TEXT)).order == DONE
        offered = ("realtime", "openai-insecure-api-key.secret")
        async with proxy.client.ws_connect(proxy.url + STREAM, protocols=offered) as socket:
            assert socket.protocol == "realtime"
        for protocols in ((), ("realtime",), ("openai-insecure-api-key.wrong",)):
            with pytest.raises(WSServerHandshakeError, match="401"):
                await proxy.client.ws_connect(proxy.url + STREAM, protocols=protocols)

    async def test_foreign_pages_without_a_key(self, start_proxy: StartProxy) -> None:
        proxy = await start_proxy(cors_origins=("https://mine.example",))
        for headers in (
            {"Origin": "https://evil.example"},
            {"Sec-Fetch-Site": "cross-site"},
            {"Host": "rebound.example"},
        ):
            with pytest.raises(WSServerHandshakeError, match="403"):
                await proxy.client.ws_connect(proxy.url + STREAM, headers=headers)
        async with writing(proxy, {"Origin": "https://mine.example"}):
            pass

    async def test_a_request_that_is_no_websocket(self, proxy: Proxy) -> None:
        async with proxy.client.get(proxy.url + STREAM) as response:
            assert response.status == 426
            assert (await response.json())["error"]["code"] == "websocket_required"
        async with proxy.client.post(proxy.url + STREAM, json={}) as response:
            assert response.status == 405
