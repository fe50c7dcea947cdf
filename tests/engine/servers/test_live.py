"""Recognition over a WebSocket, against both of NVIDIA's protocols."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import ClientSession, WSMsgType, web
from spark_engine.errors import Busy, Rejected, ServerFault, SparkError, TimedOut, Unauthorized, Unreachable
from spark_engine.models import Audio, Transcript
from spark_engine.servers.deadlines import Deadlines
from spark_engine.servers.live import LiveWords, is_whole
from spark_engine.servers.parakeet import Parakeet
from spark_engine.servers.transport import Transport

from tests.fakes import faults, live_parakeet
from tests.fakes.live_parakeet import BYTES_PER_WORD, SESSIONS, Live
from tests.fakes.parakeet import CUDA, TEXT, TRANSCRIPTIONS
from tests.fakes.server import FakeServer, json, running

BOTH = pytest.mark.parametrize("family", [live_parakeet.streaming_nim, live_parakeet.nemo_speech])
type Family = Callable[[Live], FakeServer]
WORDS = TEXT.split()


@asynccontextmanager
async def client_of(fake: FakeServer, **deadlines: float) -> AsyncGenerator[Parakeet]:
    async with running(fake), ClientSession() as session:
        yield Parakeet(Transport(session, fake.url, "token", Deadlines(**deadlines)))


class Microphone:
    """Audio as the test lets it come, a word at a time."""

    def __init__(self) -> None:
        self._pieces: asyncio.Queue[bytes | None] = asyncio.Queue()

    def word(self) -> None:
        """Say one."""
        self._pieces.put_nowait(bytes(BYTES_PER_WORD))

    def stop(self) -> None:
        """Switch it off."""
        self._pieces.put_nowait(None)

    async def stream(self) -> AsyncGenerator[bytes]:
        while (piece := await self._pieces.get()) is not None:
            yield piece


def spoken(words: int = len(WORDS)) -> AsyncGenerator[bytes]:
    """All of it, at once."""
    microphone = Microphone()
    for _ in range(words):
        microphone.word()
    microphone.stop()
    return microphone.stream()


@BOTH
async def test_words_come_while_they_are_spoken(family: Family) -> None:
    """The first of them with the audio that holds it, the transcript at the end."""
    microphone, live = Microphone(), Live()
    async with client_of(family(live)) as client:
        heard = client.transcribe_live(microphone.stream(), language="en")
        for number in range(len(WORDS)):
            microphone.word()
            assert (await anext(heard)).text == " ".join(WORDS[: number + 1])
        microphone.stop()
        assert await anext(heard) == Transcript(TEXT)
        assert [more async for more in heard] == []
    assert len(live.heard) == len(WORDS) * BYTES_PER_WORD


@BOTH
async def test_the_end_that_a_server_hears_is_told(family: Family) -> None:
    """With the same words, until more follow; a final in the middle of the session is that end."""
    microphone, live = Microphone(), Live(ends_after=2)
    async with client_of(family(live)) as client:
        heard = client.transcribe_live(microphone.stream(), language="en")
        told = []
        for _ in range(2):
            microphone.word()
            told.append(await anext(heard))
        told.append(await anext(heard))
        microphone.word()
        told.append(await anext(heard))
        await heard.aclose()
    assert [(so_far.text, so_far.has_ended) for so_far in told] == [
        ("Turn", False),
        ("Turn on", False),
        ("Turn on", True),
        ("Turn on the", False),
    ]


async def test_the_settings_of_a_nim() -> None:
    """Its own ones with ours in them, and the token of the session, which is for this server alone."""
    live = Live()
    async with client_of(live_parakeet.streaming_nim(live)) as client:
        assert [text async for text in client.transcribe_live(spoken(), language="de")][-1].text == TEXT
    (session,) = live.sessions
    assert session["input_audio_format"] == "pcm16"
    assert session["input_audio_transcription"] == {"language": "de-DE", "model": "parakeet-rnnt"}
    assert session["recognition_config"] == {"max_alternatives": 1, "enable_automatic_punctuation": True}
    assert "client_secret" not in session
    assert live.protocols == ["realtime,realtime-token.secret-of-one-session"]


async def test_an_older_nim_gives_no_token() -> None:
    live = Live()
    fake = live_parakeet.streaming_nim(live)
    fake.answers["POST", SESSIONS] = json({"id": "sess_1"})
    async with client_of(fake) as client:
        assert [text async for text in client.transcribe_live(spoken())][-1].text == TEXT
    assert live.protocols == [""]


async def test_the_settings_of_nemo_speech() -> None:
    live = Live()
    async with client_of(live_parakeet.nemo_speech(live)) as client:
        assert [text async for text in client.transcribe_live(spoken(), language="en")]
    assert live.sessions == [{"sample_rate": 16000, "automatic_punctuation": True, "language": "en-US"}]


async def test_a_reading_that_changes_replaces_the_one_before() -> None:
    live = Live()
    live.readings = ["Tern", "Turn on", "Turn on the kit", "Turn on the kitchen", "Turn on the kitten"]
    async with client_of(live_parakeet.nemo_speech(live)) as client:
        heard = [so_far.text async for so_far in client.transcribe_live(spoken())]
    assert heard == [*live.readings, TEXT, TEXT]


@pytest.mark.parametrize(
    ("before", "delta", "whole"),
    [
        ("", "Turn", True),
        ("Turn on", " the", False),
        ("Turn on the kit", "chen", False),
        ("Turn on the kitchen", ".", False),
        ("tern on", "turn on the", True),
        ("Turn on the kitchen light", "Turn on the kitten", True),
        ("Turn on the kitten", "Turn on the", True),
        ("Schalte das Licht", "Schalt das Licht ein", True),
    ],
)
def test_a_partial_has_no_mark_of_what_it_is(before: str, delta: str, *, whole: bool) -> None:
    assert is_whole(before, delta) is whole


def test_stretches_that_are_over() -> None:
    """Some servers end a stretch at each pause, some tell everything again."""
    words = LiveWords()
    words.partial("One")
    words.final("One.")
    words.partial("Tw")
    assert words.so_far.text == "One. Tw"
    words.final("Two.")
    words.final("")
    assert words.so_far.text == "One. Two."
    words.final("One. Two. Three.")
    assert words.so_far.text == "One. Two. Three."


class TestStreamingModelsAlone:
    async def test_a_whole_recording_goes_the_live_way(self) -> None:
        """Found by the refusal of the plain way, and remembered."""
        live = Live()
        fake = live_parakeet.streaming_nim(live)
        async with client_of(fake) as client:
            for _ in range(2):
                assert (await client.transcribe(Audio(bytes(32_000), 16_000), language="en")).text == TEXT
            assert (await client.server()).only_live
        assert len(fake.posts(TRANSCRIPTIONS)) == 1
        assert len(live.heard) == 64_000

    async def test_a_refusal_of_both_ways_is_that_of_the_plain_one(self) -> None:
        live = Live(refuses="no streaming model")
        async with client_of(live_parakeet.streaming_nim(live)) as client:
            with pytest.raises(Rejected, match="type=offline"):
                await client.transcribe(Audio(bytes(32_000), 16_000), language="en")


class TestFaults:
    @BOTH
    async def test_a_model_that_does_not_stream_is_asked_once(self, family: Family) -> None:
        """As Parakeet TDT in NeMo-Speech.cpp."""
        live = Live(refuses="model does not support streaming")
        async with client_of(family(live)) as client:
            await client.server()
            known = [client.hears_live]
            with pytest.raises(Rejected, match="does not support streaming"):
                await anext(client.transcribe_live(spoken()))
            assert [*known, client.hears_live] == [True, False]
            with pytest.raises(Rejected, match="does not hear live"):
                await anext(client.transcribe_live(spoken()))

    @BOTH
    async def test_a_cuda_error_is_a_fault_with_its_signature(self, family: Family) -> None:
        live = Live(refuses=CUDA)
        async with client_of(family(live)) as client:
            with pytest.raises(ServerFault) as caught:
                await anext(client.transcribe_live(spoken()))
            assert caught.value.signature
            assert client.hears_live

    @BOTH
    @pytest.mark.parametrize(
        ("breaks", "killed", "message"),
        [
            (live_parakeet.cut, True, "closed the connection without an answer"),
            (live_parakeet.close, False, "code 1011"),
            (live_parakeet.garbage, False, "no event"),
        ],
    )
    async def test_it_breaks_in_mid_turn(
        self, family: Family, breaks: live_parakeet.Step, message: str, *, killed: bool
    ) -> None:
        microphone = Microphone()
        async with client_of(family(Live(breaks=breaks))) as client:
            heard = client.transcribe_live(microphone.stream())
            microphone.word()
            assert (await anext(heard)).text == "Turn"
            microphone.word()
            with pytest.raises(ServerFault, match=message) as caught:
                await anext(heard)
            assert caught.value.killed is killed

    @BOTH
    async def test_it_never_ends(self, family: Family) -> None:
        live = Live(is_silent_at_the_end=True)
        async with client_of(family(live), transcription=0.05) as client:
            with pytest.raises(TimedOut, match="did not end"):
                _ = [so_far async for so_far in client.transcribe_live(spoken())]

    @pytest.mark.parametrize(
        ("status", "error"), [(401, Unauthorized), (503, Busy), (500, ServerFault), (404, Rejected)]
    )
    async def test_a_handshake_that_is_refused(self, status: int, error: type[SparkError]) -> None:
        fake = live_parakeet.nemo_speech(Live())
        fake.answers["GET", "/v1/realtime"] = json({}, status=status)
        async with client_of(fake) as client:
            with pytest.raises(error, match=str(status)):
                await anext(client.transcribe_live(spoken()))

    async def test_a_session_that_is_none(self) -> None:
        fake = live_parakeet.streaming_nim(Live())
        fake.answers["POST", SESSIONS] = json([])
        async with client_of(fake) as client:
            with pytest.raises(ServerFault, match="no JSON object"):
                await anext(client.transcribe_live(spoken()))

    async def test_a_server_that_is_off(self) -> None:
        async with ClientSession() as session:
            transport = Transport(session, faults.refused())
            with pytest.raises(Unreachable):
                async with transport.socket("/v1/realtime"):
                    pass

    @BOTH
    async def test_audio_that_fails_ends_it(self, family: Family) -> None:
        async def broken() -> AsyncGenerator[bytes]:
            yield bytes(BYTES_PER_WORD)
            raise ValueError("no microphone")

        async with client_of(family(Live())) as client:
            with pytest.raises(ValueError, match="no microphone"):
                _ = [so_far async for so_far in client.transcribe_live(broken())]

    @BOTH
    async def test_a_listener_may_leave(self, family: Family) -> None:
        """The session is closed, and no more audio is read."""
        microphone = Microphone()
        async with client_of(family(Live())) as client:
            heard = client.transcribe_live(microphone.stream())
            microphone.word()
            await anext(heard)
            await heard.aclose()


async def test_a_silent_session_is_kept_alive() -> None:
    """Servers close one after 30 s or 60 s without a message."""
    pinged = asyncio.Event()

    async def realtime(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(autoping=False)
        await socket.prepare(request)
        async for message in socket:
            if message.type is WSMsgType.PING:
                pinged.set()
        return socket

    fake = FakeServer({("GET", "/v1/realtime"): realtime})
    async with running(fake), ClientSession() as session:
        transport = Transport(session, fake.url, deadlines=Deadlines(socket_ping=0.01))
        async with transport.socket("/v1/realtime"):
            await pinged.wait()
