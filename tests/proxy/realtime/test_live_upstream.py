"""Words from a server that hears live, through the realtime door and as server-sent events."""

import json

import pytest
from aiohttp import FormData
from spark_engine.speech.audio import write_wav

from tests.fakes import live_parakeet
from tests.fakes.live_parakeet import BYTES_PER_WORD, Live
from tests.fakes.parakeet import TEXT, TRANSCRIPTIONS
from tests.helpers.proxy.realtime import TRANSCRIPTION, realtime
from tests.helpers.proxy.recordings import tone
from tests.helpers.proxy.running_proxy import Proxy, StartProxy
from tests.helpers.proxy.spoken import silence, words

DELTA, COMPLETED = f"{TRANSCRIPTION}.delta", f"{TRANSCRIPTION}.completed"


async def test_each_word_comes_while_the_turn_goes_on(start_proxy: StartProxy) -> None:
    """Nothing is asked in the plain way."""
    live = Live()
    proxy = await start_proxy(live_parakeet.nemo_speech(live))
    async with realtime(proxy) as client:
        await client.set_up()
        deltas = []
        for _ in range(4):
            await client.say(bytes(BYTES_PER_WORD))
            deltas.append((await client.until(DELTA))[-1]["delta"])
        await client.send("input_audio_buffer.commit")
        events = await client.until(COMPLETED)
    assert deltas == ["Turn", " on", " the", " kitchen"]
    assert "".join(str(event["delta"]) for event in events if event["type"] == DELTA) == " light."
    assert events[-1]["transcript"] == TEXT
    assert proxy.parakeet.posts(TRANSCRIPTIONS) == []


async def test_speech_before_it_was_certain_is_heard_too(start_proxy: StartProxy) -> None:
    """The server gets the turn from its first sound on, with what comes before that."""
    live = Live()
    proxy = await start_proxy(live_parakeet.streaming_nim(live))
    async with realtime(proxy) as client:
        await client.set_up({"type": "server_vad"})
        await client.say(silence(1.0) + words() + silence(1.0))
        completed = (await client.until(COMPLETED))[-1]
    usage = completed["usage"]
    assert isinstance(usage, dict)
    assert usage["seconds"] == pytest.approx(len(live.heard) / 32_000, abs=0.02)


async def test_a_whole_sentence_ends_a_turn_sooner(start_proxy: StartProxy) -> None:
    """With semantic_vad, by the words that were heard live."""
    proxy = await start_proxy(live_parakeet.nemo_speech(Live()))
    async with realtime(proxy) as client:
        await client.set_up({"type": "semantic_vad"})
        await client.say(silence(0.5) + words() + silence(0.4))
        for _ in range(5):
            await client.until(DELTA)
        await client.say(silence(1.5))
        end = (await client.until("input_audio_buffer.speech_stopped"))[-1]["audio_end_ms"]
    assert end == pytest.approx(500 + len(words()) / 32 + 650, abs=150)


@pytest.mark.parametrize("ends_after", [None, 2])
async def test_the_end_that_the_server_hears_ends_a_turn_sooner(
    start_proxy: StartProxy, ends_after: int | None
) -> None:
    """With semantic_vad, where the words have no full stop."""
    live = Live(ends_after=ends_after)
    live.readings = ["lights", "lights off"]
    proxy = await start_proxy(live_parakeet.nemo_speech(live))
    async with realtime(proxy) as client:
        await client.set_up({"type": "semantic_vad"})
        await client.say(silence(0.5) + words() + silence(0.4))
        for _ in range(2):
            await client.until(DELTA)
        # A turn in between: what the server said behind the last word has come, too.
        await client.set_up({"type": "semantic_vad"})
        await client.say(silence(1.5))
        end = (await client.until("input_audio_buffer.speech_stopped"))[-1]["audio_end_ms"]
    silent = 1250 if ends_after is None else 650
    assert end == pytest.approx(500 + len(words()) / 32 + silent, abs=150)


@pytest.mark.parametrize("breaks", [live_parakeet.close, live_parakeet.garbage])
async def test_a_turn_that_breaks_is_transcribed_in_the_plain_way(
    start_proxy: StartProxy, breaks: live_parakeet.Step
) -> None:
    """Words that were sent stay; the transcript is whole."""
    proxy = await start_proxy(live_parakeet.nemo_speech(Live(breaks=breaks)))
    async with realtime(proxy) as client:
        await client.set_up()
        await client.say(bytes(BYTES_PER_WORD))
        await client.until(DELTA)
        await client.say(bytes(BYTES_PER_WORD))
        await client.send("input_audio_buffer.commit")
        assert (await client.until(COMPLETED))[-1]["transcript"] == TEXT
    assert len(proxy.parakeet.posts(TRANSCRIPTIONS)) == 1


async def test_what_was_cleared_is_called_off(start_proxy: StartProxy) -> None:
    proxy = await start_proxy(live_parakeet.nemo_speech(Live()))
    async with realtime(proxy) as client:
        await client.set_up()
        await client.say(bytes(BYTES_PER_WORD))
        await client.until(DELTA)
        await client.send("input_audio_buffer.clear")
        await client.until("input_audio_buffer.cleared")


async def test_a_model_that_does_not_stream_is_asked_in_pauses(start_proxy: StartProxy) -> None:
    """From the second turn on, once it has refused."""
    proxy = await start_proxy(live_parakeet.nemo_speech(Live(refuses="model does not support streaming")))
    async with realtime(proxy) as client:
        await client.set_up()
        for _ in range(2):
            await client.say(silence(0.3) + words() + silence(0.5))
            await client.send("input_audio_buffer.commit")
            await client.until(COMPLETED)
    assert len(proxy.parakeet.posts(TRANSCRIPTIONS)) == 2


async def test_no_more_turns_are_live_than_a_service_works_on(start_proxy: StartProxy) -> None:
    """The next one is heard in its pauses."""
    live = Live()
    proxy = await start_proxy(live_parakeet.nemo_speech(live), concurrency=1)
    async with realtime(proxy) as one, realtime(proxy) as other:
        for client in (one, other):
            await client.set_up()
            await client.say(bytes(BYTES_PER_WORD))
        await one.until(DELTA)
        await other.send("input_audio_buffer.commit")
        await other.until(COMPLETED)
    assert len(live.sessions) == 1


class TestServerSentEvents:
    """`stream=true` on /v1/audio/transcriptions."""

    async def events(self, proxy: Proxy, seconds: float = 1.5) -> list[dict[str, object]]:
        form = FormData({"model": "parakeet", "stream": "true"})
        form.add_field("file", write_wav(tone(seconds)), filename="a.wav")
        async with proxy.client.post(f"{proxy.url}/v1/audio/transcriptions", data=form) as response:
            assert response.status == 200
            lines = (await response.text()).split("\n\n")
        return [json.loads(line.removeprefix("data: ")) for line in lines if line]

    async def test_words_come_as_the_server_hears_them(self, start_proxy: StartProxy) -> None:
        proxy = await start_proxy(live_parakeet.nemo_speech(Live()))
        *deltas, done = await self.events(proxy)
        assert [event["delta"] for event in deltas] == ["Turn", " on", " the", " kitchen", " light", "."]
        assert done["text"] == TEXT
        assert proxy.parakeet.posts(TRANSCRIPTIONS) == []

    async def test_each_window_is_heard_live(self, start_proxy: StartProxy) -> None:
        proxy = await start_proxy(live_parakeet.nemo_speech(Live()), window=10.0)
        *deltas, done = await self.events(proxy, 15.0)
        assert "".join(str(event["delta"]) for event in deltas) == done["text"] == f"{TEXT} {TEXT}"

    async def test_a_server_that_breaks_is_asked_in_the_plain_way(self, start_proxy: StartProxy) -> None:
        proxy = await start_proxy(live_parakeet.nemo_speech(Live(breaks=live_parakeet.close)))
        *deltas, done = await self.events(proxy)
        assert "".join(str(event["delta"]) for event in deltas) == done["text"] == TEXT

    async def test_a_recording_that_may_have_killed_it_is_not_sent_again(self, start_proxy: StartProxy) -> None:
        proxy = await start_proxy(live_parakeet.nemo_speech(Live(breaks=live_parakeet.cut)))
        *_, last = await self.events(proxy)
        assert "closed the connection" in str(last)
        assert proxy.parakeet.posts(TRANSCRIPTIONS) == []


async def test_a_turn_that_may_have_killed_the_server_is_not_sent_again(start_proxy: StartProxy) -> None:
    proxy = await start_proxy(live_parakeet.nemo_speech(Live(breaks=live_parakeet.cut)))
    async with realtime(proxy) as client:
        await client.set_up()
        await client.say(bytes(2 * BYTES_PER_WORD))
        await client.send("input_audio_buffer.commit")
        failed = (await client.until(f"{TRANSCRIPTION}.failed"))[-1]["error"]
    assert isinstance(failed, dict)
    assert failed["code"] == "upstream_fault"
    assert proxy.parakeet.posts(TRANSCRIPTIONS) == []
