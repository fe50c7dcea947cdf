"""Turns of a session: where they end, and what becomes of them where Parakeet cannot answer."""

import asyncio
from pathlib import Path

import pytest
from aiohttp import web
from spark_audio_proxy.app_state import UPLOADS
from spark_audio_proxy.problems import Problem
from spark_audio_proxy.realtime.limits import Limits
from spark_engine.healing.health import State

from tests.fakes import parakeet
from tests.fakes.parakeet import CUDA, TEXT, TRANSCRIPTIONS
from tests.fakes.server import FakeServer, json, running
from tests.helpers.proxy.healing import RESTART, dog_of, hook, until, watched
from tests.helpers.proxy.realtime import TRANSCRIPTION, Document, ended, realtime
from tests.helpers.proxy.running_proxy import Proxy, StartProxy
from tests.helpers.proxy.spoken import silence, words

HEAR = ("POST", TRANSCRIPTIONS)
COMPLETED = f"{TRANSCRIPTION}.completed"
FAILED = f"{TRANSCRIPTION}.failed"


def kinds(events: list[Document]) -> list[str]:
    """The types of events, without what is in front of the last dot."""
    return [str(event["type"]).rpartition(".")[2] for event in events]


class Held:
    """A Parakeet that answers when the test lets it."""

    def __init__(self, hearing: FakeServer) -> None:
        """Nothing is answered yet."""
        self.asked = asyncio.Semaphore(0)
        self.go = asyncio.Event()
        self._answer = hearing.answers[HEAR]
        hearing.answers[HEAR] = self.answer

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Wait for the test."""
        self.asked.release()
        await self.go.wait()
        return await self._answer(request)


class TestTheEndOfATurn:
    async def test_silence_as_long_as_the_client_says(self, proxy: Proxy) -> None:
        ends = []
        for milliseconds in (300, 900):
            async with realtime(proxy) as client:
                await client.set_up({"type": "server_vad", "silence_duration_ms": milliseconds})
                await client.say(silence(0.5) + words() + silence(1.2))
                stopped = (await client.until("input_audio_buffer.speech_stopped"))[-1]
                ends.append(stopped["audio_end_ms"])
        assert isinstance(ends[0], int)
        assert ends == [ends[0], ends[0] + 600]

    async def test_a_whole_sentence_ends_sooner(self, start_proxy: StartProxy) -> None:
        """With semantic_vad; what was understood in the pause decides."""
        ends = {}
        for text in (TEXT, "Turn on the"):
            proxy = await start_proxy(parakeet.openai(text))
            async with realtime(proxy) as client:
                await client.set_up({"type": "semantic_vad"})
                await client.say(silence(0.5) + words() + silence(0.3))
                await client.until(f"{TRANSCRIPTION}.delta")
                await client.say(silence(1.5))
                ends[text] = (await client.until("input_audio_buffer.speech_stopped"))[-1]["audio_end_ms"]
        whole, part = ends.values()
        assert isinstance(whole, int)
        assert part == whole + 600

    async def test_speech_without_end(self, start_proxy: StartProxy) -> None:
        proxy = await start_proxy(limits=Limits(longest_turn=2.0))
        async with realtime(proxy) as client:
            await client.set_up({"type": "server_vad"})
            await client.say(silence(0.3) + words() * 4)
            await client.until("input_audio_buffer.speech_stopped")
            await client.until(COMPLETED)

    async def test_a_client_may_end_it_before_the_server(self, proxy: Proxy) -> None:
        async with realtime(proxy) as client:
            await client.set_up({"type": "server_vad"})
            await client.say(silence(0.3) + words())
            await client.send("input_audio_buffer.commit")
            events = await client.until(COMPLETED)
        assert "speech_stopped" not in kinds(events)

    async def test_silence_is_let_go(self, proxy: Proxy) -> None:
        """What is transcribed is the turn, not the minute before it."""
        async with realtime(proxy) as client:
            await client.set_up({"type": "server_vad"})
            await client.say(silence(60.0) + words() + silence(1.0))
            completed = (await client.until(COMPLETED))[-1]
        usage = completed["usage"]
        assert isinstance(usage, dict)
        assert usage["seconds"] == pytest.approx(0.3 + len(words()) / 32_000 + 0.5, abs=0.15)


class TestEarlyRequests:
    async def test_the_answer_to_one_is_the_transcript(self, proxy: Proxy) -> None:
        """Where it held all speech; nothing is asked twice."""
        async with realtime(proxy) as client:
            await client.set_up()
            await client.say(silence(0.3) + words() + silence(0.5))
            await client.until(f"{TRANSCRIPTION}.delta")
            await client.send("input_audio_buffer.commit")
            await client.until(COMPLETED)
        assert len(proxy.parakeet.posts(TRANSCRIPTIONS)) == 1

    async def test_they_wait_for_no_one_and_are_made_only_where_there_is_room(self, start_proxy: StartProxy) -> None:
        """Half of what Parakeet works on at once is for requests that are waited for."""
        hearing = parakeet.openai()
        proxy = await start_proxy(hearing, concurrency=1)
        held = Held(hearing)
        async with realtime(proxy) as one, realtime(proxy) as other:
            for client in (one, other):
                await client.set_up()
            await one.say(silence(0.3) + words() + silence(0.5))
            await held.asked.acquire()
            await other.say(silence(0.3) + words() + silence(0.5))
            await other.set_up()
            held.go.set()
            await one.until(f"{TRANSCRIPTION}.delta")
        assert len(proxy.parakeet.posts(TRANSCRIPTIONS)) == 1

    async def test_more_speech_calls_one_off(self, start_proxy: StartProxy) -> None:
        hearing = parakeet.openai()
        proxy = await start_proxy(hearing)
        held = Held(hearing)
        async with realtime(proxy) as client:
            await client.set_up()
            await client.say(silence(0.3) + words() + silence(0.5))
            await held.asked.acquire()
            await client.say(words())
            await client.send("input_audio_buffer.commit")
            await held.asked.acquire()
            held.go.set()
            await client.until(COMPLETED)
        first, second = (len(asked.file or b"") for asked in hearing.posts(TRANSCRIPTIONS))
        assert second > first


class TestFailures:
    @pytest.mark.slow
    async def test_a_busy_parakeet_is_asked_again_when_it_said(self, start_proxy: StartProxy) -> None:
        """The client is told at once, and gets its transcript all the same."""
        hearing = parakeet.openai()
        good = hearing.answers[HEAR]
        proxy = await start_proxy(hearing)
        hearing.answers[HEAR] = json({"detail": "loading"}, status=503, headers={"Retry-After": "1"})
        async with realtime(proxy) as client:
            await client.set_up()
            await client.say(words())
            await client.send("input_audio_buffer.commit")
            failed = (await client.until(FAILED))[-1]
            hearing.answers[HEAR] = good
            completed = (await client.until(COMPLETED))[-1]
        assert completed["item_id"] == failed["item_id"]
        error = failed["error"]
        assert isinstance(error, dict)
        assert error["code"] == "busy"
        assert str(error["message"]).endswith("Retry after 1 s.")

    async def test_a_wedged_parakeet_closes_nothing(self, start_proxy: StartProxy, tmp_path: Path) -> None:
        """The turn is transcribed once it was restarted, and the next one as ever."""
        hearing = parakeet.openai()
        good = hearing.answers[HEAR]
        restarts = hook((hearing, HEAR, good))
        async with running(restarts):
            proxy = await watched(start_proxy, tmp_path, hearing, parakeet_restart_url=restarts.url + RESTART)
            hearing.answers[HEAR] = json({"detail": CUDA}, status=500)
            async with realtime(proxy) as client:
                await client.set_up()
                await client.say(words())
                await client.send("input_audio_buffer.commit")
                failed = (await client.until(FAILED))[-1]["error"]
                assert isinstance(failed, dict)
                assert "Retry after 60 s." in str(failed["message"])
                await until(dog_of(proxy), State.HEALTHY)
                assert (await client.until(COMPLETED))[-1]["transcript"] == TEXT
                await client.say(words())
                await client.send("input_audio_buffer.commit")
                await client.until(COMPLETED)

    async def test_the_requests_own_fault_is_told_once(self, start_proxy: StartProxy) -> None:
        hearing = parakeet.openai()
        proxy = await start_proxy(hearing)
        hearing.answers[HEAR] = json({"detail": "no"}, status=400)
        async with realtime(proxy) as client:
            await client.set_up()
            for _ in range(2):
                await client.say(words())
                await client.send("input_audio_buffer.commit")
                await client.until(FAILED)

    async def test_too_many_turns_wait_for_their_transcript(self, start_proxy: StartProxy) -> None:
        hearing = parakeet.openai()
        proxy = await start_proxy(hearing, limits=Limits(turns=2))
        held = Held(hearing)
        async with realtime(proxy) as client:
            await client.set_up()
            for _ in range(3):
                await client.say(words())
                await client.send("input_audio_buffer.commit")
            failed = (await client.until(FAILED))[-1]["error"]
            assert isinstance(failed, dict)
            assert failed["code"] == "turns_full"
            held.go.set()
            for _ in range(2):
                await client.until(COMPLETED)

    async def test_a_client_that_leaves_calls_its_requests_off(self, start_proxy: StartProxy) -> None:
        hearing = parakeet.openai()
        proxy = await start_proxy(hearing)
        held, left = Held(hearing), ended(proxy)
        async with realtime(proxy) as client:
            await client.set_up()
            await client.say(words())
            await client.send("input_audio_buffer.commit")
            await held.asked.acquire()
        await left.get()
        assert len(hearing.posts(TRANSCRIPTIONS)) == 1
        held.go.set()


class TestMemory:
    """The audio of turns counts beside uploads."""

    LIMIT = 1 << 20

    async def test_a_turn_without_room_is_lost_and_the_next_one_is_heard(self, start_proxy: StartProxy) -> None:
        proxy = await start_proxy(bytes_in_flight=self.LIMIT)
        async with realtime(proxy) as client:
            await client.set_up()
            with proxy.app[UPLOADS].share() as others:
                others.hold(self.LIMIT - 64_000)
                await client.say(words() * 2, piece=2 * len(words()))
                error = await client.error()
                assert (error["type"], error["code"]) == ("rate_limit_error", "uploads_full")
                await client.send("input_audio_buffer.commit")
                assert (await client.error())["code"] == "input_audio_buffer_commit_empty"
                others.hold(self.LIMIT)
            await client.say(words())
            await client.send("input_audio_buffer.commit")
            events = await client.until(COMPLETED)
        assert "error" not in kinds(events)

    async def test_a_turn_that_outgrows_all_memory_is_lost(self, start_proxy: StartProxy) -> None:
        proxy = await start_proxy(bytes_in_flight=self.LIMIT)
        async with realtime(proxy) as client:
            await client.set_up()
            await client.say(silence(33.0))
            assert (await client.error())["code"] == "uploads_full"

    async def test_a_full_memory_never_ends_a_session(self, start_proxy: StartProxy) -> None:
        """The client is not at fault, however often it tries."""
        proxy = await start_proxy(bytes_in_flight=self.LIMIT, limits=Limits(errors=2))
        async with realtime(proxy) as client:
            await client.set_up()
            with proxy.app[UPLOADS].share() as others:
                others.hold(self.LIMIT)
                for _ in range(3):
                    await client.say(silence(0.1))
                    assert (await client.error())["code"] == "uploads_full"
            await client.say(words())
            await client.send("input_audio_buffer.commit")
            await client.until(COMPLETED)

    async def test_room_is_given_back_once_the_transcript_is_there(self, start_proxy: StartProxy) -> None:
        hearing = parakeet.openai()
        proxy = await start_proxy(hearing, bytes_in_flight=self.LIMIT)
        held = Held(hearing)
        async with realtime(proxy) as client:
            await client.set_up()
            await client.say(words())
            await client.send("input_audio_buffer.commit")
            await held.asked.acquire()
            with proxy.app[UPLOADS].share() as others:
                with pytest.raises(Problem):
                    others.hold(self.LIMIT)
                held.go.set()
                await client.until(COMPLETED)
                others.hold(self.LIMIT)

    async def test_silence_before_a_turn_takes_little_room(self, start_proxy: StartProxy) -> None:
        """Only what may belong to the next turn is kept."""
        proxy = await start_proxy(bytes_in_flight=self.LIMIT)
        async with realtime(proxy) as client:
            await client.set_up({"type": "server_vad"})
            await client.say(silence(60.0))
            await client.set_up({"type": "server_vad"})
            with proxy.app[UPLOADS].share() as others:
                # Large ones leave an eighth.
                others.hold(self.LIMIT - self.LIMIT // 8 - 3 * 32_000)

    async def test_a_client_that_leaves_gives_all_of_it_back(self, start_proxy: StartProxy) -> None:
        """What it was saying, what Parakeet was asked, and what waited for that."""
        hearing = parakeet.openai()
        proxy = await start_proxy(hearing, bytes_in_flight=self.LIMIT)
        held, left = Held(hearing), ended(proxy)
        async with realtime(proxy) as client:
            await client.set_up()
            for _ in range(2):
                await client.say(words())
                await client.send("input_audio_buffer.commit")
            await client.say(words())
            await held.asked.acquire()
        await left.get()
        with proxy.app[UPLOADS].share() as others:
            others.hold(self.LIMIT)
        held.go.set()
