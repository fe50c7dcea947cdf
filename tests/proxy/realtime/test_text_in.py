"""Speech from text that is still being written: what comes back and in which order."""

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

import pytest
from aiohttp import WSCloseCode
from embedded_spark import EmbeddedSpark
from spark_audio_proxy.realtime.connection import LARGEST_PIECE
from spark_audio_proxy.realtime.limits import Limits
from spark_audio_proxy.transcode.encode import FORMATS
from spark_engine.healing.health import State
from spark_engine.models import Audio, Json
from spark_engine.speech import speaking
from spark_engine.speech.audio import WavReader
from spark_engine.speech.replacements import Replacements

from tests.fakes import magpie
from tests.fakes.engines import FakeRecognizer, FakeSynthesizer
from tests.fakes.magpie import SECONDS_PER_CHARACTER, SYNTHESIZE_ONLINE
from tests.helpers.proxy.embedded_bench import LOUD
from tests.helpers.proxy.healing import dog_of, until, watched
from tests.helpers.proxy.realtime import ended
from tests.helpers.proxy.running_proxy import Proxy, StartProxy
from tests.helpers.proxy.speech import TEXT, seconds_in
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


async def posted(proxy: Proxy, **fields: Json) -> bytes:
    """The speech of a whole text."""
    async with proxy.client.post(f"{proxy.url}/v1/audio/speech", json={"input": TEXT, **fields}) as response:
        assert response.status == 200
        return await response.read()


async def test_text_is_spoken_while_it_is_written(proxy: Proxy) -> None:
    """The first sentence sounds although the second one has only begun."""
    async with writing(proxy) as writer:
        await writer.write("The kitchen ", "light is on. T")
        start = await writer.next()
        first = await writer.next()
        assert isinstance(start, dict)
        assert start == {
            "type": "audio.start",
            "utterance_index": 0,
            "sentence_index": 0,
            "format": "pcm",
            "sample_rate": 24_000,
            "channels": 1,
        }
        assert isinstance(first, bytes)
        await writer.write("he door is closed.")
        await writer.send("input.done")
        heard = await writer.until()
    assert heard.order == DONE[1:]
    assert said(proxy) == SENTENCES
    size = len(first + heard.audio)
    assert heard.events == [
        {"type": "audio.done", "utterance_index": 0, "sentence_index": 0, "total_bytes": size, "error": False},
        {"type": "session.done", "utterance_index": 0, "total_sentences": 1},
    ]
    assert seconds(first + heard.audio) == pytest.approx(43 * SECONDS_PER_CHARACTER, abs=0.01)


@pytest.mark.parametrize("path", ["/audio/speech/stream", "/v1/v1//audio/speech/stream/?model=x"])
async def test_it_is_found_as_clients_join_urls(proxy: Proxy, path: str) -> None:
    async with proxy.client.ws_connect(proxy.url + path) as socket:
        writer = Writer(socket)
        await writer.send("session.config")
        assert (await writer.say(TEXT)).order == DONE


@pytest.mark.parametrize("name", FORMATS)
async def test_every_format_is_the_one_of_a_whole_text(proxy: Proxy, name: str) -> None:
    """Each utterance is a file of its own."""
    async with writing(proxy, response_format=name, voice="Mia") as writer:
        first, second = await writer.say(*WORDS), await writer.say(*WORDS)
    assert first.events[0]["format"] == name
    assert (first.events[0].get("sample_rate") is None) == (name not in ("pcm", "ulaw", "alaw"))
    assert [event["utterance_index"] for event in second.events] == [1, 1, 1]
    whole = await posted(proxy, response_format=name, voice="Mia")
    if name == "opus":
        # A stream in Ogg has a random number.
        assert seconds_in(first.audio) == seconds_in(second.audio) == seconds_in(whole)
    else:
        assert first.audio == second.audio == whole


async def test_no_message_is_too_large_for_a_client(start_proxy: StartProxy) -> None:
    """Although the server answers a whole sentence at once: a MiB is the most that many take, and few messages wait."""
    text = "The kitchen light is on while the front door is locked"
    proxy = await start_proxy(speaking=magpie.nim_offline(), limits=Limits(unsent=4))
    async with writing(proxy, speed=0.25) as writer:
        await writer.write(text)
        await writer.send("input.done")
        assert isinstance(await writer.next(), dict)
        sizes = []
        while isinstance(piece := await writer.next(), bytes):
            sizes.append(len(piece))
    assert max(sizes) == LARGEST_PIECE
    assert sum(sizes) / 2 / 24_000 == pytest.approx(4 * len(text) * SECONDS_PER_CHARACTER, rel=0.02)


async def test_the_fields_are_those_of_a_whole_text(proxy: Proxy) -> None:
    """Voice, language and speed; WAV where no format is named, as vLLM-Omni has it."""
    async with proxy.client.ws_connect(proxy.url + STREAM) as socket:
        writer = Writer(socket)
        await writer.send("session.config", model="any", voice={"id": "Mia.Calm"}, language="French", speed=2, seed=7)
        heard = await writer.say(TEXT)
    asked = proxy.magpie.posts(SYNTHESIZE_ONLINE)[0].fields
    assert asked["voice"] == "Magpie-Multilingual.FR-FR.Mia.Calm"
    assert len(WavReader().feed(heard.audio)) / 2 / 22_050 == pytest.approx(43 * SECONDS_PER_CHARACTER / 2, rel=0.02)


async def test_words_are_replaced_as_in_a_whole_text(start_proxy: StartProxy) -> None:
    """Also where a piece ends within one of them."""
    proxy = await start_proxy(replacements=Replacements.parse("kitchen -> scullery"))
    async with writing(proxy) as writer:
        await writer.say("The kit", "chen light is on.")
    assert said(proxy) == ["The scullery light is on."]


def letters(texts: Sequence[str]) -> str:
    """What is spoken of them, however sentences were sent together: those get full stops between them."""
    return "".join(filter(str.isalnum, "".join(texts)))


UNCOMMON = (
    "Jörg wrote “naïve” 𝐇ello to Σ. 😀 Is **bold** text `code`? The 3. Mai, e.g. at 7:30, costs 5 €!\n\n- item\n- Ende."
)


@pytest.mark.parametrize("step", [1, 2, 3, 7, 1000])
async def test_every_letter_is_spoken_however_the_text_is_cut(proxy: Proxy, step: int) -> None:
    """As JavaScript cuts, which counts halves of what lies beyond U+FFFF."""
    units = UNCOMMON.encode("utf-16-le")
    pieces = [units[at : at + 2 * step].decode("utf-16-le", "surrogatepass") for at in range(0, len(units), 2 * step)]
    await posted(proxy, input=UNCOMMON, response_format="wav")
    whole = letters(said(proxy))
    proxy.magpie.asked.clear()
    async with writing(proxy) as writer:
        await writer.say(*pieces)
    assert letters(said(proxy)) == whole


class TestUtterances:
    async def test_a_flush_speaks_what_is_there(self, proxy: Proxy) -> None:
        """It ends a sentence, not the file."""
        async with writing(proxy, response_format="wav") as writer:
            await writer.write("One moment")
            await writer.send("input.flush")
            assert isinstance(start := await writer.next(), dict)
            assert start["type"] == "audio.start"
            first = await writer.next()
            assert isinstance(first, bytes)
            assert said(proxy) == ["One moment"]
            await writer.send("input.flush")
            heard = await writer.say("please")
        assert heard.order == DONE[1:]
        assert said(proxy) == ["One moment", "please"]
        assert b"RIFF" not in heard.audio

    async def test_nothing_to_speak_makes_no_sound(self, proxy: Proxy) -> None:
        """Text without a word does, as with a whole text: an empty file is an error to players."""
        async with writing(proxy) as writer:
            assert (await writer.say()).events == [{"type": "session.done", "utterance_index": 0, "total_sentences": 0}]
            await writer.send("input.flush")
            assert (await writer.say("")).order == ["session.done"]
            heard = await writer.say("---")
        assert heard.order == DONE
        assert seconds(heard.audio) == pytest.approx(0.2, abs=0.01)
        assert said(proxy) == []

    async def test_a_pause_of_the_text_is_not_heard(self, proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where a writer calls a tool; the sentence before it is spoken at once all the same."""
        fills: list[bool] = []

        def watched(
            sentences: AsyncGenerator[str | None], synthesize: speaking.Synthesize, *, speed: float, fills_pauses: bool
        ) -> AsyncGenerator[Audio]:
            fills.append(fills_pauses)
            return speaking.speak(sentences, synthesize, speed=speed, fills_pauses=fills_pauses)

        monkeypatch.setattr("spark_engine.spark.speak", watched)
        async with writing(proxy) as writer:
            await writer.write("One moment.")
            assert isinstance(await writer.next(), dict)
            first = await writer.next()
            assert isinstance(first, bytes)
            heard = await writer.say(" The door is closed.")
        assert said(proxy) == ["One moment.", "The door is closed."]
        expected = (len("One moment.") + len("The door is closed.")) * SECONDS_PER_CHARACTER
        assert seconds(first + heard.audio) == pytest.approx(expected, abs=0.01)
        assert fills == [False]

    async def test_the_next_one_waits_for_its_turn(self, start_proxy: StartProxy) -> None:
        async with gated(start_proxy) as (proxy, nim), writing(proxy) as writer:
            for text in SENTENCES:
                await writer.write(text)
                await writer.send("input.done")
            assert await nim.asked.get() == SENTENCES[0]
            await writer.send("session.config", voice="Mia")
            await writer.write("Good night.")
            await writer.send("input.done")
            nim.opened.set()
            heard = [await writer.until() for _ in range(3)]
        assert [one.order for one in heard] == [DONE] * 3
        assert [one.events[0]["format"] for one in heard] == ["pcm", "pcm", "wav"]
        assert [(await nim.asked.get()), (await nim.asked.get())] == [SENTENCES[1], "Good night."]

    async def test_the_client_says_that_it_is_done(self, proxy: Proxy) -> None:
        """What it has written is spoken to its end."""
        async with writing(proxy) as writer:
            await writer.write(TEXT)
            await writer.send("session.close")
            await writer.write("And then?")
            heard = await writer.until("error")
            assert heard.error()["code"] == "session_closing"
            rest = await writer.until()
            assert await writer.closed() == WSCloseCode.OK
        assert (heard.order + rest.order)[-1] == "session.done"
        assert seconds(heard.audio + rest.audio) == pytest.approx(43 * SECONDS_PER_CHARACTER, abs=0.01)

    async def test_a_client_of_vllm_omni(self, proxy: Proxy) -> None:
        """Its fields, its messages, its order."""
        async with writing(proxy, model="openbmb/VoxCPM2", voice="default", stream_audio=True) as writer:
            for number in range(2):
                heard = await writer.say("Xin chào. ", "Chúc bạn một ngày tốt lành.")
                assert heard.order == DONE
                assert heard.events[-1]["utterance_index"] == number
            await writer.send("session.close")
            assert await writer.closed() == WSCloseCode.OK


class TestBargeIn:
    async def test_a_cancel_gives_up_what_is_under_way(self, start_proxy: StartProxy) -> None:
        """The request in flight, what waits behind it, and the text that is being written; then it goes on."""
        async with gated(start_proxy, concurrency=1, queue=0) as (proxy, nim):
            left = ended(proxy)
            async with writing(proxy) as writer:
                for text in SENTENCES:
                    await writer.write(text)
                    await writer.send("input.done")
                await writer.write("And the win")
                assert await nim.asked.get() == SENTENCES[0]
                await writer.send("input.cancel")
                assert await writer.next() == {"type": "input.cancelled", "utterance_index": 2}
                assert await nim.given_up.get() == SENTENCES[0]
                nim.opened.set()
                heard = await writer.say("Good night.")
                assert heard.order == DONE
                assert heard.events[0]["utterance_index"] == 3
                assert await nim.asked.get() == "Good night."
            assert (await left.get()).outcome == "ok"
            assert at_rest(proxy)

    async def test_no_audio_comes_behind_it(self, proxy: Proxy) -> None:
        async with writing(proxy) as writer:
            await writer.write("The kitchen light is on. T")
            assert isinstance(await writer.next(), dict)
            await writer.send("input.cancel")
            heard = await writer.until("input.cancelled")
            assert heard.events == [{"type": "input.cancelled", "utterance_index": 0}]
            await writer.send("input.cancel")
            assert await writer.next() == heard.events[0]
            assert (await writer.say()).order == ["session.done"]

    async def test_a_cancel_behind_the_close_ends_at_once(self, start_proxy: StartProxy) -> None:
        async with gated(start_proxy) as (proxy, nim), writing(proxy) as writer:
            await writer.write(TEXT)
            await writer.send("session.close")
            await nim.asked.get()
            await writer.send("input.cancel")
            assert (await writer.until("input.cancelled")).order == ["input.cancelled"]
            assert await writer.closed() == WSCloseCode.OK

    @pytest.mark.parametrize("says_goodbye", [True, False])
    async def test_a_client_that_goes(self, start_proxy: StartProxy, *, says_goodbye: bool) -> None:
        async with gated(start_proxy) as (proxy, nim):
            left = ended(proxy)
            async with writing(proxy) as writer:
                await writer.write(TEXT, " And the")
                assert await nim.asked.get() == SENTENCES[0]
                if says_goodbye:
                    await writer.socket.close()
                else:
                    writer.transport.abort()
                assert await nim.given_up.get() == SENTENCES[0]
            await left.get()
            assert at_rest(proxy)


async def test_the_proxy_stops(proxy: Proxy) -> None:
    async with writing(proxy) as writer:
        await writer.write("The kitchen")
        async with asyncio.TaskGroup() as group:
            closed = group.create_task(writer.closed())
            await proxy.stop()
        assert closed.result() == WSCloseCode.GOING_AWAY


async def test_a_session_is_one_request(
    start_proxy: StartProxy, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """With all that was written and spoken in it, and none of its words."""
    caplog.set_level("DEBUG")
    proxy = await watched(start_proxy, tmp_path, request_history=5, metrics=True)
    left = ended(proxy)
    async with writing(proxy, {"X-Request-ID": "mine"}) as writer:
        await writer.say(*WORDS)
        await writer.say("The safe is behind the painting.")
    await left.get()
    async with proxy.client.get(f"{proxy.url}/api/requests") as response:
        (request,) = (await response.json())["requests"]
    assert (request["endpoint"], request["status"], request["outcome"]) == (STREAM, 101, "ok")
    assert request["characters"] == len(TEXT) + len("The safe is behind the painting.")
    assert request["audio_seconds"] == pytest.approx((43 + 32) * SECONDS_PER_CHARACTER, abs=0.01)
    assert request["server"] == "magpie"
    assert "painting" not in caplog.text + json.dumps(request)
    async with proxy.client.get(f"{proxy.url}/metrics") as response:
        metrics = await response.text()
    assert f'spark_requests_total{{endpoint="{STREAM}",outcome="ok"}} 1.0' in metrics
    assert f'spark_request_duration_seconds_count{{endpoint="{STREAM}"}}' not in metrics
    *_, last = proxy.magpie.posts(SYNTHESIZE_ONLINE)
    assert last.headers["X-Request-ID"] == "mine"


async def test_the_embedded_spark(start_proxy: StartProxy, tmp_path: Path) -> None:
    """It speaks what is written; its wedge is told in the session, which lasts until it has been restarted."""
    async with EmbeddedSpark(
        load_recognizer=FakeRecognizer, load_synthesizer=lambda: FakeSynthesizer((LOUD * 3,)), start_delay=0.0
    ) as spark:
        restart = f"{spark.magpie_url}/embedded/restart"
        proxy = await watched(start_proxy, tmp_path, magpie_url=spark.magpie_url, magpie_restart_url=restart)
        async with writing(proxy) as writer:
            assert (await writer.say(*WORDS)).order == DONE
            async with proxy.client.post(f"{spark.magpie_url}/embedded/wedge", json={"mode": "cublas"}) as response:
                assert response.status == 200
            assert (await writer.say(*WORDS)).error()["code"] in ("upstream_fault", "service_held")
            await until(dog_of(proxy, "magpie"), State.HEALTHY)
            assert (await writer.say(*WORDS)).order == DONE
        await proxy.stop()
