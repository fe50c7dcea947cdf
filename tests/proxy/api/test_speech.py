"""Text to speech over HTTP: formats, streaming, and what is said about wrong input."""

import asyncio
import base64
import json as jsonlib
from collections.abc import AsyncGenerator
from math import ceil

import pytest
from aiohttp import ClientError, web
from spark_audio_proxy.app_state import JOURNAL
from spark_audio_proxy.journal import Event, InputTaken
from spark_engine.models import Audio, SpeechStyle
from spark_engine.spark import Admit, Spark
from spark_engine.speech.audio import WavReader
from spark_engine.speech.replacements import Replacements
from spark_engine.speech.text import UTTERANCE_AIM

from tests.fakes import magpie
from tests.fakes.magpie import LIST_VOICES, SYNTHESIZE_ONLINE, in_pieces, spoken
from tests.fakes.server import Handler, json
from tests.helpers.proxy.forms import error_in
from tests.helpers.proxy.running_proxy import Proxy, StartProxy
from tests.helpers.proxy.speech import SECONDS, TEXT, seconds_in


async def say(proxy: Proxy, **fields: object) -> tuple[int, str, bytes]:
    """Status, Content-Type and body of one request."""
    body = {"model": "tts-1", "input": TEXT, "voice": "alloy"} | fields
    async with proxy.client.post(f"{proxy.url}/v1/audio/speech", json=body) as response:
        return response.status, response.headers["Content-Type"], await response.read()


@pytest.mark.parametrize(
    ("name", "content_type"),
    [
        ("mp3", "audio/mpeg"),
        ("opus", "audio/ogg"),
        ("aac", "audio/aac"),
        ("flac", "audio/flac"),
        ("wav", "audio/wav"),
    ],
)
async def test_every_format_has_its_type_and_its_whole_length(proxy: Proxy, name: str, content_type: str) -> None:
    """No lost tail, no doubled header: within 60 ms of the PCM."""
    status, got_type, audio = await say(proxy, response_format=name)
    assert (status, got_type) == (200, content_type)
    assert seconds_in(audio) == pytest.approx(SECONDS, abs=0.06)


async def test_pcm_is_24_khz_without_a_header(proxy: Proxy) -> None:
    status, content_type, audio = await say(proxy, response_format="pcm")
    assert (status, content_type) == (200, "audio/pcm")
    assert len(audio) / 2 / 24_000 == pytest.approx(SECONDS, abs=0.01)


async def test_mp3_is_what_a_client_gets_that_asks_for_nothing(proxy: Proxy) -> None:
    """Open WebUI never sends a format."""
    assert (await say(proxy))[1] == "audio/mpeg"


async def test_a_wav_has_one_header_and_no_zero_size(proxy: Proxy) -> None:
    """The samples are exactly Magpie's."""
    _, _, audio = await say(proxy, response_format="wav")
    samples = WavReader().feed(audio)
    assert samples == spoken("The kitchen light is on.") + spoken("The door is closed.")
    assert audio.count(b"RIFF") == 1


@pytest.mark.parametrize("speed", [0.25, 0.5, 1.25, 2, 4.0])
async def test_speed_changes_the_length(proxy: Proxy, speed: float) -> None:
    """By time-stretching; the first and last window of the stretcher may cost a little."""
    _, _, audio = await say(proxy, response_format="wav", speed=speed)
    assert seconds_in(audio) == pytest.approx(SECONDS / speed, rel=0.02)


async def test_speed_counts_for_what_is_made_ahead(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine is told how fast its speech will be played."""
    speeds: list[float] = []
    speak = Spark.speak

    def watched(
        spark: Spark,
        text: str | AsyncGenerator[str],
        style: SpeechStyle,
        *,
        speed: float,
        replacements: Replacements | None,
        fills_pauses: bool,
        admit: Admit,
    ) -> AsyncGenerator[Audio]:
        speeds.append(speed)
        return speak(spark, text, style, speed=speed, replacements=replacements, fills_pauses=fills_pauses, admit=admit)

    monkeypatch.setattr(Spark, "speak", watched)
    await say(proxy)
    await say(proxy, speed=4)
    assert speeds == [1.0, 4.0]


async def test_the_first_sound_leaves_before_the_second_sentence_exists(start_proxy: StartProxy) -> None:
    """The client holds audio while the server still waits to be allowed to go on."""
    second = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        if str((await request.post())["text"]) == "The door is closed.":
            await second.wait()
        return await magpie.stream_pcm(request)

    speaking = magpie.nim()
    speaking.answers["POST", SYNTHESIZE_ONLINE] = answer
    proxy = await start_proxy(speaking=speaking)
    body = {"input": TEXT, "voice": "alloy", "response_format": "mp3"}
    async with proxy.client.post(f"{proxy.url}/v1/audio/speech", json=body) as response:
        assert await response.content.readany()
        second.set()
        assert await response.content.read()


async def test_aiohttp_still_holds_headers_back_for_the_first_sound() -> None:
    """Its switch is private: where it is gone, headers and sound leave in two packets, and this says so."""
    assert web.StreamResponse._send_headers_immediately is True  # noqa: SLF001


async def test_events_carry_the_same_audio(proxy: Proxy) -> None:
    """`stream_format: sse`."""
    status, content_type, body = await say(proxy, response_format="wav", stream_format="sse")
    events = [jsonlib.loads(line.removeprefix(b"data: ")) for line in body.split(b"\n\n") if line]
    audio = b"".join(base64.b64decode(event["audio"]) for event in events[:-1])
    assert (status, content_type) == (200, "text/event-stream")
    assert {event["type"] for event in events[:-1]} == {"speech.audio.delta"}
    assert events[-1]["type"] == "speech.audio.done"
    assert audio == (await say(proxy, response_format="wav"))[2]


@pytest.mark.parametrize(
    ("fields", "voice"),
    [
        ({"voice": "Magpie-Multilingual.DE-DE.Leo.Happy"}, "DE-DE.Leo.Happy"),
        ({"voice": "Mia"}, "EN-US.Mia"),
        ({"voice": {"id": "Mia.Calm"}, "language": "fr-FR"}, "FR-FR.Mia.Calm"),
        ({"voice": "echo"}, "EN-US.Jason"),
        ({"voice": None}, "EN-US.Aria"),
        ({"voice": None, "language": "it"}, "IT-IT.Aria"),
        ({"voice": "zorg"}, "EN-US.Aria"),
    ],
)
async def test_the_voice_that_is_meant_speaks(proxy: Proxy, fields: dict[str, object], voice: str) -> None:
    """Magpie's name, a speaker, OpenAI's name; an unknown one gives the default voice."""
    assert (await say(proxy, **fields))[0] == 200
    asked = proxy.magpie.posts(SYNTHESIZE_ONLINE)[0].fields
    assert asked["voice"] == f"Magpie-Multilingual.{voice}"
    assert asked["language"].upper() == voice.partition(".")[0]


async def test_an_unknown_voice_can_be_refused(start_proxy: StartProxy) -> None:
    """By setting; Open WebUI shows nothing but the reason phrase."""
    proxy = await start_proxy(unknown_voice="reject")
    async with proxy.client.post(
        f"{proxy.url}/v1/audio/speech", json={"input": TEXT, "voice": "zorg\r\nSet-Cookie: evil=1"}
    ) as response:
        assert response.status == 400
        assert "not found" in (response.reason or "")
        assert "Set-Cookie" not in response.headers
        assert error_in(await response.read())["param"] == "voice"
    assert (await say(proxy, voice="alloy"))[0] == 200


@pytest.mark.parametrize("text", ["😀", "---", "", "  \n", "```\ncode\n```"])
async def test_nothing_to_say_is_a_short_silence(proxy: Proxy, text: str) -> None:
    """An error would end Open WebUI's reading aloud."""
    status, _, audio = await say(proxy, input=text, response_format="wav")
    assert status == 200
    assert 0 < seconds_in(audio) < 0.5
    assert set(WavReader().feed(audio)) == {0}
    assert proxy.magpie.posts(SYNTHESIZE_ONLINE) == []


@pytest.mark.slow
async def test_a_long_text_becomes_many_requests(proxy: Proxy) -> None:
    """Nothing lost on the way; far beyond what one request may hold. How many is a question of time."""
    text = " ".join(f"This is sentence number {number}." for number in range(200))
    status, _, audio = await say(proxy, input=text, response_format="wav")
    asked = [asked.fields["text"] for asked in proxy.magpie.posts(SYNTHESIZE_ONLINE)]
    assert status == 200
    assert asked[0] == "This is sentence number 0."
    assert max(map(len, asked)) <= UTTERANCE_AIM
    assert " ".join(asked) == text
    assert seconds_in(audio) == pytest.approx(sum(map(len, asked)) * magpie.SECONDS_PER_CHARACTER, abs=0.1)


async def test_sentences_are_spoken_whole(proxy: Proxy) -> None:
    """All of the text is there: nothing would be heard sooner for a cut at the comma."""
    first = "I have turned on the lamp in the kitchen and the one in the hall, as you wished."
    assert (await say(proxy, input=f"{first} Good night."))[0] == 200
    assert [asked.fields["text"] for asked in proxy.magpie.posts(SYNTHESIZE_ONLINE)] == [first, "Good night."]


@pytest.mark.parametrize(
    ("fields", "param", "message"),
    [
        ({"input": None}, "input", "must be the text"),
        ({"input": 5}, "input", "must be the text"),
        ({"input": "x" * 32_769}, "input", "32769 characters; the limit is 32768"),
        ({"response_format": "ogg-vorbis"}, "response_format", "mp3, opus, aac, flac, wav, pcm"),
        ({"response_format": 3}, "response_format", "must be one of"),
        ({"speed": 9}, "speed", "from 0.25 to 4"),
        ({"speed": "fast"}, "speed", "from 0.25 to 4"),
        ({"speed": True}, "speed", "from 0.25 to 4"),
        ({"voice": 7}, "voice", "a name or"),
        ({"voice": {"name": 7, "id": 7}}, "voice", "a name or"),
        ({"language": "en;q=1"}, "language", "must be a language"),
        ({"stream_format": "xml"}, "stream_format", "audio or sse"),
    ],
)
async def test_wrong_input_names_the_field(proxy: Proxy, fields: dict[str, object], param: str, message: str) -> None:
    """Before anything is synthesised."""
    status, _, body = await say(proxy, **fields)
    assert status == 400
    assert error_in(body)["param"] == param
    assert message in error_in(body)["message"]
    assert proxy.magpie.posts(SYNTHESIZE_ONLINE) == []


@pytest.mark.parametrize("body", [b"{", b'"text"', b"[1]", b"\xff\xfe", b"", b'{"input": "\xff"}'])
async def test_a_body_that_is_no_json_object_is_refused(proxy: Proxy, body: bytes) -> None:
    """Invalid UTF-8 included."""
    async with proxy.client.post(f"{proxy.url}/v1/audio/speech", data=body) as response:
        assert response.status == 400
        assert "JSON" in error_in(await response.read())["message"]


async def test_what_magpie_cannot_do_is_accepted_and_ignored(proxy: Proxy) -> None:
    """Clients send all sorts of things; any model name will do."""
    assert (await say(proxy, model="gpt-7", instructions="Whisper.", seed=1))[0] == 200


async def test_a_stream_that_breaks_is_cut(start_proxy: StartProxy) -> None:
    """A clean end would be cached as the whole answer."""
    speaking = magpie.nim()
    speaking.answers["POST", SYNTHESIZE_ONLINE] = in_pieces(spoken(TEXT), then_reset=True)
    proxy = await start_proxy(speaking=speaking)
    with pytest.raises(ClientError):
        await say(proxy, response_format="wav")


@pytest.mark.parametrize(
    ("answer", "status", "retry_after", "should_retry"),
    [
        (json({"detail": "CUDA error: boom"}, status=500), 503, "60", "false"),
        (json({"detail": "slow down"}, status=429, headers={"Retry-After": "7"}), 429, "7", None),
        (json({"detail": "loading"}, status=503), 429, "5", None),
        (json({"detail": "bad key"}, status=401), 502, None, None),
        (json({"detail": "maximum input length"}, status=400), 400, None, None),
        (json({"detail": "gone"}, status=404), 502, None, None),
        (in_pieces(), 503, "60", "false"),
    ],
)
async def test_what_goes_wrong_upstream_is_told(
    start_proxy: StartProxy, answer: Handler, status: int, retry_after: str | None, should_retry: str | None
) -> None:
    """The design's table, from the first byte on an error object."""
    speaking = magpie.nim()
    speaking.answers["POST", SYNTHESIZE_ONLINE] = answer
    proxy = await start_proxy(speaking=speaking)
    async with proxy.client.post(f"{proxy.url}/v1/audio/speech", json={"input": TEXT}) as response:
        assert response.status == status
        assert response.headers.get("Retry-After") == retry_after
        assert response.headers.get("x-should-retry") == should_retry
        assert error_in(await response.read())["message"] == response.reason


async def test_without_a_magpie_nothing_is_spoken(start_proxy: StartProxy) -> None:
    proxy = await start_proxy(magpie_url=None)
    status, _, body = await say(proxy)
    assert (status, "no Magpie" in error_in(body)["message"]) == (404, True)


async def test_a_magpie_without_voices_is_still_loading(start_proxy: StartProxy) -> None:
    """A NIM for hearing has the same routes."""
    speaking = magpie.nim()
    speaking.answers["GET", LIST_VOICES] = json({})
    proxy = await start_proxy(speaking=speaking)
    status, _, body = await say(proxy)
    assert (status, "no voices" in error_in(body)["message"]) == (429, True)


async def test_a_client_that_goes_cancels_the_synthesis(start_proxy: StartProxy) -> None:
    """A GPU must not work for a caller that has gone."""
    started, cancelled = asyncio.Event(), asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        started.set()
        try:
            while True:
                await response.write(bytes(100))
                await asyncio.sleep(0)
        finally:
            cancelled.set()

    speaking = magpie.nim()
    speaking.answers["POST", SYNTHESIZE_ONLINE] = answer
    proxy = await start_proxy(speaking=speaking)
    task = asyncio.create_task(say(proxy, response_format="wav"))
    await started.wait()
    task.cancel()
    await cancelled.wait()
    assert task.cancelled()


async def test_a_full_queue_is_a_429(start_proxy: StartProxy) -> None:
    """One is served, one waits, the third is sent away with a time to come back."""
    go, arrived = asyncio.Event(), asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        arrived.set()
        await go.wait()
        return await magpie.stream_pcm(request)

    speaking = magpie.nim()
    speaking.answers["POST", SYNTHESIZE_ONLINE] = answer
    proxy = await start_proxy(speaking=speaking, concurrency=1, queue=1)
    tasks = [asyncio.create_task(say(proxy)) for _ in range(3)]
    await arrived.wait()
    (refused,), _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    assert refused.result()[0] == 429
    assert len(proxy.magpie.posts(SYNTHESIZE_ONLINE)) == 1
    go.set()
    assert [(await task)[0] for task in tasks if task is not refused] == [200, 200]


async def test_others_are_spoken_between_the_requests_of_a_long_text(start_proxy: StartProxy) -> None:
    """One that reads a book aloud makes no voice turn wait for its end."""
    go, arrived = asyncio.Event(), asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        arrived.set()
        await go.wait()
        return await magpie.stream_pcm(request)

    def listen(event: Event) -> None:
        # The other one waits for its turn right after this.
        if isinstance(event, InputTaken):
            go.set()

    speaking = magpie.nim()
    speaking.answers["POST", SYNTHESIZE_ONLINE] = answer
    proxy = await start_proxy(speaking=speaking, concurrency=1)
    book = asyncio.create_task(say(proxy, input="This is a sentence of a book that is read aloud. " * 100))
    await arrived.wait()
    proxy.app[JOURNAL].subscribe(listen)
    assert (await say(proxy, input="It is noon."))[0] == 200
    assert not book.done()
    assert (await book)[0] == 200
    order = ["noon" in post.fields["text"] for post in proxy.magpie.posts(SYNTHESIZE_ONLINE)]
    assert order.index(True) <= 2
    assert len(order) > 4


async def test_a_queue_that_does_not_move_is_a_429(start_proxy: StartProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind a service that hangs; the request being served is not disturbed."""
    monkeypatch.setattr("spark_audio_proxy.uploads.admission.PATIENCE", 0.05)
    go = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        await go.wait()
        return await magpie.stream_pcm(request)

    speaking = magpie.nim()
    speaking.answers["POST", SYNTHESIZE_ONLINE] = answer
    proxy = await start_proxy(speaking=speaking, concurrency=1, queue=1)
    tasks = [asyncio.create_task(say(proxy)) for _ in range(2)]
    (refused,), (served,) = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    assert refused.result()[0] == 429
    go.set()
    assert (await served)[0] == 200


async def test_the_request_id_goes_in_out_and_upstream(proxy: Proxy) -> None:
    """Three logs can be read together; an invalid id is replaced."""
    async with proxy.client.post(
        f"{proxy.url}/v1/audio/speech", json={"input": "Hello."}, headers={"X-Request-ID": "abc-1"}
    ) as response:
        assert response.headers["X-Request-ID"] == "abc-1"
        await response.read()
    assert proxy.magpie.posts(SYNTHESIZE_ONLINE)[0].headers["X-Request-ID"] == "abc-1"
    async with proxy.client.get(f"{proxy.url}/v1/models", headers={"X-Request-ID": "a b" * ceil(99)}) as response:
        assert len(response.headers["X-Request-ID"]) == 32
