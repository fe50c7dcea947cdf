"""Speaking: what goes to Magpie, and PCM that is whole or an error."""

import asyncio
from collections.abc import Callable

import pytest
from aiohttp import ClientSession, web
from spark_engine.errors import Busy, Rejected, ServerFault, SparkError, Unreachable
from spark_engine.models import Audio, SpeechStyle
from spark_engine.servers.magpie import Magpie
from spark_engine.servers.transport import Transport
from spark_engine.speech.audio import wav_header
from spark_engine.speech.replacements import Replacements, Rewrite

from tests.fakes import faults, magpie
from tests.fakes.magpie import LIST_VOICES, SYNTHESIZE, SYNTHESIZE_ONLINE, in_pieces, spoken
from tests.fakes.server import FakeServer, Handler, json, running, text

TEXT = "The kitchen light is on, and the door to the garden is closed."


async def say(session: ClientSession, fake: FakeServer, style: SpeechStyle = SpeechStyle()) -> list[Audio]:  # noqa: B008
    """All pieces of one utterance."""
    return [audio async for audio in Magpie(Transport(session, fake.url)).synthesize(TEXT, style)]


async def test_pcm_arrives_whole_although_chunks_are_odd(session: ClientSession) -> None:
    """Every piece holds whole samples, and together they are what was sent."""
    async with running(magpie.nim()) as fake:
        pieces = await say(session, fake)
    assert all(len(piece.pcm) % 2 == 0 and piece.sample_rate == 22_050 for piece in pieces)
    assert b"".join(piece.pcm for piece in pieces) == spoken(TEXT)


async def test_pcm_is_handed_on_before_the_server_sends_its_last(session: ClientSession) -> None:
    """The server goes on only once the first piece has been heard."""
    heard, pcm = asyncio.Event(), spoken(TEXT)
    events: list[str] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(pcm[:4001])
        await heard.wait()
        events.append("last is sent")
        await response.write(pcm[4001:])
        return response

    fake = magpie.nim()
    fake.answers["POST", SYNTHESIZE_ONLINE] = answer
    async with running(fake):
        pieces = Magpie(Transport(session, fake.url)).synthesize(TEXT, SpeechStyle())
        first = await anext(pieces)
        events.append("first is heard")
        heard.set()
        rest = [audio async for audio in pieces]
    assert events == ["first is heard", "last is sent"]
    assert first.pcm + b"".join(audio.pcm for audio in rest) == pcm


async def test_the_request_is_what_a_nim_wants(session: ClientSession) -> None:
    """Field names, language in the server's case, default voice of the language."""
    async with running(magpie.nim()) as fake:
        pieces = await say(session, fake, SpeechStyle(language="de", sample_rate=44_100))
    assert fake.posts(SYNTHESIZE_ONLINE)[0].fields == {
        "text": TEXT,
        "language": "de-DE",
        "voice": "Magpie-Multilingual.DE-DE.Aria",
        "encoding": "LINEAR_PCM",
        "sample_rate_hz": "44100",
    }
    assert pieces[0].sample_rate == 44_100


@pytest.mark.parametrize(
    ("style", "voice"),
    [
        (SpeechStyle(voice="Leo.Happy", language="fr-FR"), "FR-FR.Leo.Happy"),
        (SpeechStyle(voice="onyx"), "EN-US."),
        (SpeechStyle(voice="nobody", language="it-IT"), "IT-IT.Aria"),
        (SpeechStyle(language="sv-SE"), "EN-US.Aria"),
    ],
)
async def test_a_voice_is_chosen(session: ClientSession, style: SpeechStyle, voice: str) -> None:
    """By name, by OpenAI name, by language, and in the end any."""
    async with running(magpie.nim()) as fake:
        await say(session, fake, style)
    assert fake.posts(SYNTHESIZE_ONLINE)[0].fields["voice"].startswith(f"Magpie-Multilingual.{voice}")


async def test_an_unknown_voice_is_logged_once(session: ClientSession, caplog: pytest.LogCaptureFixture) -> None:
    """With what there is. One that is known is not worth a line."""
    async with running(magpie.nim()) as fake:
        speaker = Magpie(Transport(session, fake.url))
        for voice in ("Zorg", "Zorg", "Jason.Calm", "alloy"):
            assert [audio async for audio in speaker.synthesize(TEXT, SpeechStyle(voice=voice))]
    [warning] = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert warning.startswith("Magpie has no voice 'Zorg'; the default voice speaks. There are: ")
    assert "Jason.Calm" in warning


def pronouncing(rules: str) -> Rewrite:
    return Replacements.parse(rules).for_language("en-US")


@pytest.mark.parametrize(("family", "path"), [(magpie.nim, SYNTHESIZE_ONLINE), (magpie.nim_offline, SYNTHESIZE)])
async def test_a_nim_is_told_how_words_are_pronounced(
    session: ClientSession, family: Callable[[], FakeServer], path: str
) -> None:
    """In SSML, in which signs of the text are escaped; a text without such words stays plain."""
    rewrite, said = pronouncing("Jörg & Söhne -> /jœʁk ʊnt 'zøːnə/"), "By \x01Jörg & Söhne, 3 < 4."
    async with running(family()) as fake:
        speaker = Magpie(Transport(session, fake.url))
        heard = [audio async for audio in speaker.synthesize(said, SpeechStyle(), rewrite=rewrite)]
        assert [audio async for audio in speaker.synthesize(TEXT, SpeechStyle(), rewrite=rewrite)]
    assert [post.fields["text"] for post in fake.posts(path)] == [
        "<speak>By <phoneme alphabet='ipa' ph=\"jœʁk ʊnt 'zøːnə\">Jörg &amp; Söhne</phoneme>, 3 &lt; 4.</speak>",
        TEXT,
    ]
    assert b"".join(audio.pcm for audio in heard) == spoken("By Jörg & Söhne, 3 < 4.")


async def test_a_pronunciation_that_is_refused(session: ClientSession, caplog: pytest.LogCaptureFixture) -> None:
    """The words are spoken as they are written, and the log says so once."""
    async with running(magpie.nim()) as fake:
        speaker = Magpie(Transport(session, fake.url))
        for _ in range(2):
            pieces = speaker.synthesize(TEXT, SpeechStyle(), rewrite=pronouncing("the -> /{@AH0}/"))
            assert b"".join([audio.pcm async for audio in pieces]) == spoken(TEXT)
    [warning] = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert "refuses a pronunciation" in warning
    assert "Mapping failed" in warning


async def test_a_server_that_takes_no_pronunciations(session: ClientSession, caplog: pytest.LogCaptureFixture) -> None:
    """The text goes as it is, and the log says so once."""
    async with running(magpie.openai()) as fake:
        speaker = Magpie(Transport(session, fake.url))
        for _ in range(2):
            pieces = speaker.synthesize(TEXT, SpeechStyle(), rewrite=pronouncing("the -> /ðiː/"))
            assert b"".join([audio.pcm async for audio in pieces]) == spoken(TEXT)
    [warning] = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert warning.endswith("takes no pronunciations; words with IPA are spoken as written")


async def test_a_rate_that_the_server_refuses_is_not_asked_for(session: ClientSession) -> None:
    """24 kHz is rejected outright by a NIM."""
    async with running(magpie.nim()) as fake:
        await say(session, fake, SpeechStyle(sample_rate=24_000))
    assert fake.posts(SYNTHESIZE_ONLINE)[0].fields["sample_rate_hz"] == "22050"


async def test_a_nim_without_streaming_is_asked_for_a_wav(session: ClientSession) -> None:
    """The header goes, the samples stay, wherever the pieces are cut."""
    fake = magpie.nim()
    del fake.answers["POST", SYNTHESIZE_ONLINE]
    wav = wav_header(22_050, len(spoken(TEXT))) + spoken(TEXT)
    fake.answers["POST", SYNTHESIZE] = in_pieces(wav[:7], wav[7:45], wav[45:])
    async with running(fake):
        pieces = await say(session, fake)
    assert b"".join(piece.pcm for piece in pieces) == spoken(TEXT)


@pytest.mark.parametrize("pcm", [b"", bytes(200), bytes(22_050)], ids=["empty", "a click", "half a second"])
async def test_too_little_audio_is_the_servers_fault(session: ClientSession, pcm: bytes) -> None:
    """A Magpie in trouble answers 200 with next to nothing."""
    fake = magpie.nim()
    fake.answers["POST", SYNTHESIZE_ONLINE] = in_pieces(pcm)
    async with running(fake):
        with pytest.raises(ServerFault, match=r"62 characters with \d\.\d\d s"):
            await say(session, fake)


async def test_a_magpie_that_never_stops_is_stopped(session: ClientSession) -> None:
    """Memory and patience are bounded."""
    fake = magpie.nim()
    fake.answers["POST", SYNTHESIZE_ONLINE] = in_pieces(*[bytes(44_100)] * (len(TEXT) + 11))
    async with running(fake):
        with pytest.raises(ServerFault, match="does not stop"):
            await say(session, fake)


async def test_a_stream_that_breaks_off_is_an_error_after_the_audio(session: ClientSession) -> None:
    """What came is passed on, and must not pass for the whole."""
    fake = magpie.nim()
    fake.answers["POST", SYNTHESIZE_ONLINE] = in_pieces(spoken(TEXT), then_reset=True)
    heard = []
    async with running(fake):
        with pytest.raises(SparkError):
            async for audio in Magpie(Transport(session, fake.url)).synthesize(TEXT, SpeechStyle()):
                heard.append(audio)
    assert heard


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (text("<html>", content_type="text/html"), "does not start with RIFF"),
        (in_pieces(wav_header(22_050, 8)[:22] + b"\2" + wav_header(22_050, 8)[23:] + bytes(8)), "not 16-bit mono"),
    ],
)
async def test_what_is_no_wav_is_the_servers_fault(session: ClientSession, answer: Handler, message: str) -> None:
    """A web page must never be played."""
    fake = magpie.nim()
    del fake.answers["POST", SYNTHESIZE_ONLINE]
    fake.answers["POST", SYNTHESIZE] = answer
    async with running(fake):
        with pytest.raises(ServerFault, match=message):
            await say(session, fake)


async def test_the_voices_of_all_models_are_listed_once(session: ClientSession) -> None:
    """Keys are joined locales and mean nothing."""
    fake = magpie.nim()
    group = {"voices": ["Magpie.EN-US.Aria", "Magpie.EN-US.Aria", "Magpie.DE-DE.Leo", 7]}
    fake.answers["GET", LIST_VOICES] = json({"en-US": group, "de-DE": group, "version": "1"})
    async with running(fake):
        voices = await Magpie(Transport(session, fake.url)).voices()
    assert [voice.name for voice in voices] == ["Magpie.EN-US.Aria", "Magpie.DE-DE.Leo"]


@pytest.mark.parametrize(
    ("answers", "error", "message"),
    [
        ({("GET", "/"): text("hello")}, Rejected, "does not answer like any Magpie"),
        (magpie.nim().answers | {("GET", LIST_VOICES): json({})}, Busy, "lists no voices"),
    ],
)
async def test_a_server_that_cannot_speak_says_so(
    session: ClientSession, answers: dict[tuple[str, str], Handler], error: type[SparkError], message: str
) -> None:
    """No Magpie at all, or one without a model yet (a NIM for hearing has the same routes). No fault either way."""
    async with running(FakeServer(answers)) as fake:
        with pytest.raises(error, match=message):
            await say(session, fake)


async def test_a_refused_connection_is_unreachable(session: ClientSession) -> None:
    with pytest.raises(Unreachable):
        await Magpie(Transport(session, faults.refused())).voices()
