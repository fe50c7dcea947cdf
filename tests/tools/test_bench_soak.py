"""The soak: its plan, what it finds missing in answers, what it expects of faults, and one short real run."""

import base64
import itertools
import json
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import ClientError, ClientSession
from embedded_spark.garbage import SECONDS_PER_CHARACTER
from embedded_spark.wedge import Mode
from spark_audio_proxy.transcode.encode import FORMATS, create_encoder
from spark_engine.models import Audio
from spark_engine.speech.audio import write_wav

from tests.fakes.server import FakeServer, data, running, text
from tests.fakes.server import json as json_answer
from tools.bench import __main__ as command
from tools.bench import soak, soak_calls
from tools.bench.machine import MIB, Vitals
from tools.bench.relay import Relay
from tools.bench.soak_answers import Incomplete, Told, check_speech, check_transcript, heard_events, spoken_events
from tools.bench.soak_calls import HALF_OPEN, HEALTH, KINDS, Ask, Call, Kind, Outcome, call
from tools.bench.soak_plan import WEDGES, Break, Passing, Phase, make_phase, make_phases
from tools.bench.soak_report import Fault, Soaked, findings, is_expected
from tools.stack.errors import ToolError
from tools.stack.wedge import MAGPIE, PARAKEET

SENTENCES = ("The kitchen light is on.", "It is warm outside.")
SECONDS = SECONDS_PER_CHARACTER * sum(map(len, SENTENCES))


def kind(name: str) -> Kind:
    """The kind of that name."""
    return next(each for each in KINDS if each.name == name)


SHORT, LONG, EVENTS = (kind(f"transcription, {name}") for name in ("short wav", "long wav", "events"))
SPEECH_WAV, SPEECH_MP3, SPEECH_EVENTS = (kind(f"speech, {name}") for name in ("wav", "mp3", "events"))
LEAVES_UPLOAD, LEAVES_SPEECH = kind("leaves within its upload"), kind("leaves within the speech")


def spoken(seconds: float, audio_format: str = "wav") -> bytes:
    """A sound of that length."""
    pcm = b"\x00\x10" * round(seconds * 22_050)
    if audio_format == "wav":
        return write_wav(Audio(pcm, 22_050))
    encoder = create_encoder(FORMATS[audio_format], 22_050)
    return encoder.encode(pcm) + encoder.finish()


@pytest.mark.parametrize("audio_format", ["wav", "mp3"])
def test_speech_is_as_long_as_its_sentences(audio_format: str) -> None:
    """With or without the spaces between them; one that is missing, or said twice, shows, and what is no sound."""
    check_speech(spoken(SECONDS, audio_format), audio_format, SENTENCES)
    check_speech(spoken(SECONDS + SECONDS_PER_CHARACTER, audio_format), audio_format, SENTENCES)
    for wrong in (SECONDS - SECONDS_PER_CHARACTER * len(SENTENCES[1]), SECONDS * 2):
        with pytest.raises(Incomplete, match="speech sounds"):
            check_speech(spoken(wrong, audio_format), audio_format, SENTENCES)
    for audio in (b"RIFF", b"no sound at all" * 100, b""):
        with pytest.raises(Incomplete, match="cannot be decoded"):
            check_speech(audio, audio_format, SENTENCES)


def test_a_transcript_counts_every_sample() -> None:
    """However it was cut into pieces; a codec may have added some."""
    check_transcript("160000 samples 32000 samples", 12.0)
    check_transcript("193000 samples", 12.0, codec_adds=0.2)
    for wrong in ("160000 samples", "160000 samples 32000 samples 32000 samples", ""):
        with pytest.raises(Incomplete, match="of 192000 samples"):
            check_transcript(wrong, 12.0)
    with pytest.raises(Incomplete, match="other words"):
        check_transcript("of of of", 12.0)


def events(*documents: object) -> bytes:
    """As server-sent events."""
    return b": a comment\n\n" + b"".join(b"data: " + json.dumps(each).encode() + b"\n\n" for each in documents)


def test_events_have_an_end() -> None:
    """Without it something may be missing; an error that is said is no loss."""
    piece = {"type": "speech.audio.delta", "audio": base64.b64encode(b"ab").decode()}
    assert spoken_events(events(piece, piece, {"type": "speech.audio.done"})) == b"abab"
    words = [{"type": "transcript.text.delta", "delta": delta} for delta in ("1 samples", " 2 samples")]
    done = {"type": "transcript.text.done", "text": "1 samples 2 samples"}
    assert heard_events(events(*words, done)) == "1 samples 2 samples"
    for read, body, complaint in (
        (spoken_events, events(piece), "no end"),
        (heard_events, events(*words), "no end"),
        (heard_events, events(words[0], done), "not its whole"),
        (heard_events, b"data: {\n\n", "not JSON"),
    ):
        with pytest.raises(Incomplete, match=complaint):
            read(body)
    for read in (spoken_events, heard_events):
        with pytest.raises(Told, match="wedged"):
            read(events(piece, {"error": {"message": "wedged"}}))


@pytest.mark.parametrize(
    ("status", "headers", "outcome"),
    [
        (200, {}, Outcome.WHOLE),
        (503, {"Retry-After": "60"}, Outcome.HELD),
        (503, {}, Outcome.OTHER),
        (429, {"Retry-After": "5"}, Outcome.BUSY),
        (500, {"Retry-After": "5"}, Outcome.OTHER),
    ],
)
async def test_a_refusal_says_when_to_come_again(status: int, headers: dict[str, str], outcome: Outcome) -> None:
    """Any other is a failure."""
    server = FakeServer({("GET", "/healthz"): json_answer({"status": "ok"}, status, headers)})
    async with running(server) as fake, ClientSession() as session:
        assert (await call(session, fake.url, Ask(0.0, HEALTH, 0.5))).outcome is outcome


@pytest.mark.parametrize(
    ("name", "path", "body"),
    [
        ("speech, wav", "/v1/audio/speech", spoken(0.2)),
        ("speech, events", "/v1/audio/speech", events({"type": "speech.audio.done"})),
        ("transcription, short wav", "/v1/audio/transcriptions", b'{"text": "5 samples"}'),
        ("transcription, mp3", "/v1/audio/transcriptions", b"{}"),
        ("transcription, events", "/v1/audio/transcriptions", b""),
        ("models", "/v1/models", b'{"data": [{"id": "parakeet"}]}'),
        ("voices", "/v1/audio/voices", b'{"voices": []}'),
        ("status page's events", "/api/events", b": nothing\n\n"),
        ("healthz", "/healthz", b"<html>"),
    ],
)
async def test_every_kind_finds_what_is_missing(name: str, path: str, body: bytes) -> None:
    """In an answer with status 200 and a clean end."""
    method, ask = "POST" if path.startswith("/v1/audio/") and "voices" not in path else "GET", Ask(0.0, kind(name), 0.5)
    server = FakeServer({(method, path): data(body, "application/json")})
    async with running(server) as fake, ClientSession() as session:
        assert (await call(session, fake.url, ask)).outcome is Outcome.LOST
        fake.answers[method, path] = text("no", status=500)
        assert (await call(session, fake.url, ask)).outcome is Outcome.OTHER
    async with ClientSession() as session:
        assert (await call(session, fake.url, ask)).outcome is Outcome.BROKEN_OFF


def test_a_phase_is_the_same_for_the_same_seed() -> None:
    """With every kind in it, and faults of both services that leave time to heal."""
    phase = make_phase(300.0, 1)
    assert phase == make_phase(300.0, 1) != make_phase(300.0, 2)
    assert {ask.kind.name for ask in phase.asks} == {each.name for each in KINDS}
    assert 600 < len(phase.asks) < 1200
    assert [ask.at for ask in phase.asks] == sorted(ask.at for ask in phase.asks)
    assert all(ask.at + ask.stays <= 300 for ask in phase.asks)
    wedges = [fault for fault in phase.breaks if isinstance(fault.what, Mode)]
    assert {fault.what for fault in wedges} == set(WEDGES)
    for name in (PARAKEET, MAGPIE):
        assert {fault.what for fault in phase.breaks if fault.service == name} >= set(Passing)
        times = [fault.at for fault in wedges if fault.service == name]
        assert all(after - before > 60 for before, after in itertools.pairwise(times))
    # The warm-up and the rest take turns: no service is wedged twice within the minute between restarts.
    warm_up, main = make_phases(60.0)
    last = [fault for fault in warm_up.breaks if isinstance(fault.what, Mode)][-1]
    assert next(fault for fault in main.breaks if isinstance(fault.what, Mode)).service != last.service


FAULTS = (Fault("wedge: cublas", PARAKEET, 100.0, 110.0),)


@pytest.mark.parametrize(
    ("of", "sent", "ended", "outcome", "expected"),
    [
        (SHORT, 99.0, 100.0, Outcome.HELD, True),
        (SHORT, 111.0, 112.0, Outcome.BUSY, True),
        (SHORT, 90.0, 99.9, Outcome.HELD, False),
        (SHORT, 111.1, 112.0, Outcome.BROKEN_OFF, False),
        (SPEECH_MP3, 101.0, 102.0, Outcome.HELD, False),
        (kind("models"), 101.0, 102.0, Outcome.HELD, True),
        (SHORT, 101.0, 102.0, Outcome.LOST, False),
        (SHORT, 101.0, 102.0, Outcome.OTHER, False),
        (SHORT, 1.0, 2.0, Outcome.WHOLE, True),
        (LEAVES_UPLOAD, 1.0, 2.0, Outcome.LEFT, True),
    ],
)
def test_a_failure_is_expected_of_a_service_that_fails(
    of: Kind, sent: float, ended: float, outcome: Outcome, *, expected: bool
) -> None:
    """At that time, and if it says so; never a loss."""
    assert is_expected(Call(of, sent, ended, outcome), FAULTS) is expected


def test_an_unloaded_model_excuses_nothing() -> None:
    """Requests wait for it."""
    unloaded = Fault(Passing.UNLOADED, PARAKEET, 100.0, 110.0, excuses=False)
    assert not is_expected(Call(SHORT, 101.0, 102.0, Outcome.HELD), (unloaded,))


SOAKED = Soaked(
    calls=(
        Call(SHORT, 1.0, 2.0, Outcome.WHOLE),
        Call(SHORT, 101.0, 102.0, Outcome.HELD),
        Call(HEALTH, 3.0, 3.002, Outcome.WHOLE),
    ),
    faults=FAULTS,
    idle=(Vitals(60 * MIB, 20, 3), Vitals(80 * MIB, 22, 5), Vitals(85 * MIB, 24, 5)),
    sampled=tuple(Vitals((60 + number) * MIB, 30 - number, 5) for number in range(25)),
)


def test_a_soak_is_told_in_tables() -> None:
    """Only kinds that were asked for; a run too short for a fault has no table of them."""
    found = findings(SOAKED)
    requests, faults, kept, latency = found.tables
    assert requests.rows == (
        ("transcription, short wav", 2, 1, 0, 1, 0, 0, 0, 0, 0),
        ("healthz", 1, 1, 0, 0, 0, 0, 0, 0, 0),
        ("all", 3, 2, 0, 1, 0, 0, 0, 0, 0),
    )
    assert faults.rows[0][:3] == ("wedge: cublas", PARAKEET, 1)
    assert kept.rows[-1] == ("highest under way", 84.0, 30, 5)
    assert latency.rows[0][0] == 1
    assert [aim.held for aim in found.aims] == [True] * 6
    short = findings(replace(SOAKED, faults=(), calls=SOAKED.calls[:1]))
    assert [len(table.rows) for table in short.tables] == [2, 4, 1]


def test_a_loss_is_no_fault_of_another_service() -> None:
    """It breaks two aims and is shown in full, and growth breaks its own."""
    lost = Call(SHORT, 101.0, 102.0, Outcome.LOST, "of 16000 samples 8000 were heard")
    grown = (*SOAKED.idle[:2], Vitals(97 * MIB, 31, 22))
    worse = findings(replace(SOAKED, calls=(*SOAKED.calls, lost), idle=grown))
    assert worse.tables[1].rows == (("transcription, short wav", Outcome.LOST, 0.0, lost.detail),)
    assert [(aim.measured, aim.held) for aim in worse.aims] == [
        (1, False),
        (1, False),
        (0, True),
        (17.0, False),
        (9, False),
        (17, False),
    ]


async def test_a_relay_cuts_one_answer_in_its_middle() -> None:
    """To a POST, and the next one is whole; where the server is gone, so is the connection."""
    document = b"a" * 1000
    server = FakeServer({("POST", "/"): data(document, "text/plain"), ("GET", "/"): data(document, "text/plain")})
    async with running(server) as fake, ClientSession() as session:
        relay = Relay(fake.url)
        async with relay.serving() as url:
            relay.arm()
            async with session.get(url) as response:
                assert await response.read() == document
            assert relay.cuts == []
            with pytest.raises(ClientError):
                async with session.post(url) as response:
                    await response.read()
            assert len(relay.cuts) == 1
            async with session.post(url) as response:
                assert await response.read() == document
    async with ClientSession() as session, Relay(fake.url).serving() as url:
        with pytest.raises(ClientError):
            await session.get(url)


async def test_what_is_never_healed_gives_no_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence, and not a group of errors."""
    monkeypatch.setattr(soak, "HEAL_SECONDS", 0.01)
    phase = Phase(0.1, (), (Break(0.0, MAGPIE, Mode.CUBLAS),))
    with pytest.raises(ToolError, match="magpie, cublas: not over"):
        await soak.soak(phase, phase)


def test_a_short_soak_loses_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Every kind, a cut and a wedge in the middle of them, with real processes."""
    kinds = [SHORT, SPEECH_WAV, LONG, EVENTS, LEAVES_SPEECH, LEAVES_UPLOAD]
    asks = tuple(Ask(0.2 * number, each, 0.4) for number, each in enumerate(kinds * 2))
    warm_up = Phase(2.5, (Ask(0.0, HALF_OPEN, 0.4, 1.0), *asks), (Break(0.3, MAGPIE, Passing.CUT),))
    main = Phase(2.5, asks, (Break(0.1, PARAKEET, Mode.CUBLAS),))
    monkeypatch.setattr(soak, "make_phases", lambda seconds: (warm_up, main) if seconds == 30 else None)
    monkeypatch.setattr(soak, "START_DELAY", 0.1)
    monkeypatch.setattr(soak_calls, "STATUS_SECONDS", 0.2)
    file = tmp_path / "figures.json"
    assert command.main(["soak", "--minutes", "0.5", "--json", str(file)]) == 0
    assert "| wedge: cublas                  | parakeet |     1 |" in capsys.readouterr().out
    document = json.loads(file.read_text())
    requests = {row["kind"]: row for row in document["tables"][0]["rows"]}
    assert requests["all"]["requests"] == 2 * len(asks) + 1 + len(KINDS) - 1
    assert requests["transcription, short wav"]["503 with Retry-After"] > 0
    assert requests["all"]["left on purpose"] > 0
    assert [(aim["claim"], aim["measured"]) for aim in document["aims"][:2] if not aim["held"]] == []
