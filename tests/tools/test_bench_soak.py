"""The soak: its plan, what it finds missing in answers, what it expects of faults, and one short real run."""

import asyncio
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

from bench import __main__ as command
from bench import soak
from bench.errors import BenchError
from bench.machine import MIB, Vitals, this_machine
from bench.plot import as_svg
from bench.report import Report, as_text
from bench.soak_answers import (
    Incomplete,
    Told,
    check_speech,
    check_transcript,
    heard_events,
    seconds_of,
    spoken_events,
)
from bench.soak_calls import Answer, Call, Outcome, call, judge, make_sentences
from bench.soak_plan import MAGPIE, PARAKEET, Ask, Break, Kind, Phase, make_phase, one_of_each
from bench.soak_report import Fault, Soaked, aims, charts, is_expected, tables
from bench.soak_spark import Relay, soaked_spark
from tests.fakes.server import FakeServer, data, running, text

SENTENCES = ("The kitchen light is on.", "It is warm outside.")
SECONDS = SECONDS_PER_CHARACTER * sum(map(len, SENTENCES))


def spoken(seconds: float, audio_format: str = "wav") -> bytes:
    """A sound of that length."""
    pcm = b"\x00\x10" * round(seconds * 22_050)
    if audio_format == "wav":
        return write_wav(Audio(pcm, 22_050))
    encoder = create_encoder(FORMATS[audio_format], 22_050)
    return encoder.encode(pcm) + encoder.finish()


@pytest.mark.parametrize("audio_format", ["wav", "mp3"])
def test_speech_is_as_long_as_its_sentences(audio_format: str) -> None:
    """With or without the spaces between them; one that is missing, or said twice, shows."""
    check_speech(spoken(SECONDS, audio_format), audio_format, SENTENCES)
    check_speech(spoken(SECONDS + SECONDS_PER_CHARACTER, audio_format), audio_format, SENTENCES)
    for wrong in (SECONDS - SECONDS_PER_CHARACTER * len(SENTENCES[1]), SECONDS * 2):
        with pytest.raises(Incomplete, match="speech sounds"):
            check_speech(spoken(wrong, audio_format), audio_format, SENTENCES)


def test_what_cannot_be_decoded_is_incomplete() -> None:
    """A header alone, another format, nothing."""
    for audio, audio_format in ((b"RIFF", "wav"), (b"no mp3 at all" * 100, "mp3"), (b"", "mp3")):
        with pytest.raises(Incomplete, match="cannot be decoded"):
            seconds_of(audio, audio_format)


def test_a_transcript_counts_every_sample() -> None:
    """However it was cut into pieces; a codec may have added some."""
    check_transcript("160000 samples 32000 samples", 12.0)
    check_transcript("193000 samples", 12.0, at_most=12.2)
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
    with pytest.raises(Incomplete, match="no end"):
        spoken_events(events(piece))
    with pytest.raises(Incomplete, match="no end"):
        heard_events(events(*words))
    with pytest.raises(Incomplete, match="not its whole"):
        heard_events(events(words[0], done))
    with pytest.raises(Incomplete, match="not JSON"):
        heard_events(b"data: {\n\n")
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
        (504, {}, Outcome.OTHER),
    ],
)
def test_a_refusal_says_when_to_come_again(status: int, headers: dict[str, str], outcome: Outcome) -> None:
    """Any other is a failure."""
    assert judge(Answer(status, headers, b"said"), lambda _: None)[0] is outcome


def test_a_200_is_looked_into() -> None:
    """It may be none."""

    def check(body: bytes) -> None:
        raise Incomplete(body.decode())

    with pytest.raises(Incomplete, match="half"):
        judge(Answer(200, {}, b"half"), check)
    assert judge(Answer(503, {"Retry-After": "1"}, b"half"), check) == (Outcome.HELD, "half")


def test_a_phase_is_the_same_for_the_same_seed() -> None:
    """With every kind in it, and faults of both services that leave time to heal."""
    phase = make_phase(300.0, 1)
    assert phase == make_phase(300.0, 1)
    assert phase != make_phase(300.0, 2)
    assert {ask.kind for ask in phase.asks} == set(Kind)
    assert 600 < len(phase.asks) < 1200
    assert [ask.at for ask in phase.asks] == sorted(ask.at for ask in phase.asks)
    assert all(ask.at + ask.stays <= 300 for ask in phase.asks)
    wedges = [fault for fault in phase.breaks if fault.wedge]
    assert {fault.service for fault in wedges} == {fault.service for fault in phase.breaks if not fault.wedge}
    assert {fault.wedge for fault in wedges} == {Mode.CUBLAS, Mode.CUDA422, Mode.OPAQUE500}
    for name in (PARAKEET, MAGPIE):
        times = [fault.at for fault in wedges if fault.service == name]
        assert all(after - before > 60 for before, after in itertools.pairwise(times))


@pytest.mark.parametrize("seconds", [60.0, 240.0, 600.0])
def test_the_warm_up_and_the_rest_take_turns(seconds: float) -> None:
    """The same service is not wedged twice within the minute that the proxy leaves between restarts."""
    warm_up, main = soak.make_phases(seconds)
    assert warm_up.seconds + main.seconds == pytest.approx(seconds)
    last = [fault for fault in warm_up.breaks if fault.wedge][-1]
    first = next(fault for fault in main.breaks if fault.wedge)
    assert first.service != last.service


def test_sentences_are_the_same_for_the_same_size() -> None:
    """One to six, none of them twice."""
    assert [len(make_sentences(size)) for size in (0.0, 0.5, 1.0)] == [1, 3, 6]
    assert make_sentences(0.7) == make_sentences(0.7)
    assert len(set(make_sentences(1.0))) == 6


FAULTS = [Fault("wedge: cublas", PARAKEET, 100.0, 110.0)]


@pytest.mark.parametrize(
    ("kind", "sent", "ended", "outcome", "expected"),
    [
        (Kind.SHORT, 99.0, 100.0, Outcome.HELD, True),
        (Kind.SHORT, 111.0, 112.0, Outcome.BUSY, True),
        (Kind.SHORT, 90.0, 99.9, Outcome.HELD, False),
        (Kind.SHORT, 111.1, 112.0, Outcome.BROKEN_OFF, False),
        (Kind.SPEECH_MP3, 101.0, 102.0, Outcome.HELD, False),
        (Kind.MODELS, 101.0, 102.0, Outcome.HELD, True),
        (Kind.SHORT, 101.0, 102.0, Outcome.LOST, False),
        (Kind.SHORT, 101.0, 102.0, Outcome.OTHER, False),
        (Kind.SHORT, 1.0, 2.0, Outcome.WHOLE, True),
        (Kind.LEAVES_UPLOAD, 1.0, 2.0, Outcome.LEFT, True),
    ],
)
def test_a_failure_is_expected_of_a_service_that_fails(
    kind: Kind, sent: float, ended: float, outcome: Outcome, *, expected: bool
) -> None:
    """At that time, and if it says so; never a loss."""
    assert is_expected(Call(kind, sent, ended, outcome), FAULTS) is expected


SOAKED = Soaked(
    calls=(
        Call(Kind.SHORT, 1.0, 2.0, Outcome.WHOLE),
        Call(Kind.SHORT, 101.0, 102.0, Outcome.HELD),
        Call(Kind.HEALTH, 3.0, 3.002, Outcome.WHOLE),
    ),
    faults=tuple(FAULTS),
    idle=(Vitals(60 * MIB, 20, 3), Vitals(80 * MIB, 22, 5), Vitals(85 * MIB, 24, 5)),
    sampled=tuple(Vitals((60 + number) * MIB, 30 - number, 5) for number in range(25)),
)


def test_a_soak_is_told_in_tables() -> None:
    """Only kinds that were asked for; what is unexpected is shown in full."""
    requests, faults, kept, latency = tables(SOAKED)
    assert requests.rows == (
        ("transcription, short wav", 2, 1, 0, 1, 0, 0, 0, 0, 0),
        ("healthz", 1, 1, 0, 0, 0, 0, 0, 0, 0),
        ("all", 3, 2, 0, 1, 0, 0, 0, 0, 0),
    )
    assert faults.rows[0][:3] == ("wedge: cublas", PARAKEET, 1)
    assert kept.rows[-1] == ("highest under way", 84.0, 30, 5)
    assert latency.rows[0][0] == 1
    assert [aim.held for aim in aims(SOAKED)] == [True] * 5
    (chart,) = charts(SOAKED, 600.0, this_machine())
    assert as_svg(chart)
    assert [bar.figure for bar in chart.bars][::9] == [60.0, 84.0]


def test_a_soak_too_short_for_a_fault_has_no_table_of_them() -> None:
    """What was asked is still told."""
    whole = replace(SOAKED, faults=(), calls=SOAKED.calls[:1])
    assert [len(table.rows) for table in tables(whole)] == [2, 4, 1]
    assert as_text(Report("Lost?", this_machine(), 1.0, tables(whole), aims(whole)))


def test_a_loss_is_no_fault_of_anybody_else() -> None:
    """It breaks two aims, and growth breaks its own."""
    lost = Call(Kind.SHORT, 101.0, 102.0, Outcome.LOST, "of 16000 samples 8000 were heard")
    grown = (*SOAKED.idle[:2], Vitals(97 * MIB, 31, 22))
    worse = replace(SOAKED, calls=(*SOAKED.calls, lost), idle=grown)
    assert tables(worse)[1].rows == (("transcription, short wav", Outcome.LOST, 0.0, lost.detail),)
    assert [(aim.measured, aim.held) for aim in aims(worse)] == [
        (1, False),
        (1, False),
        (17.0, False),
        (9, False),
        (17, False),
    ]


@pytest.mark.parametrize(
    ("kind", "path", "method", "body"),
    [
        (Kind.SPEECH_WAV, "/v1/audio/speech", "POST", spoken(0.2)),
        (Kind.SPEECH_EVENTS, "/v1/audio/speech", "POST", events({"type": "speech.audio.done"})),
        (Kind.SHORT, "/v1/audio/transcriptions", "POST", b'{"text": "5 samples"}'),
        (Kind.EVENTS, "/v1/audio/transcriptions", "POST", b""),
        (Kind.MODELS, "/v1/models", "GET", b'{"data": [{"id": "parakeet"}]}'),
        (Kind.VOICES, "/v1/audio/voices", "GET", b'{"voices": []}'),
        (Kind.STATUS, "/api/events", "GET", b": nothing\n\n"),
        (Kind.HEALTH, "/healthz", "GET", b"<html>"),
    ],
)
async def test_every_kind_finds_what_is_missing(kind: Kind, path: str, method: str, body: bytes) -> None:
    """In an answer with status 200 and a clean end."""
    server = FakeServer({(method, path): data(body, "application/json")})
    async with running(server) as fake, ClientSession() as session:
        assert (await call(session, fake.url, Ask(0.0, kind, 0.5))).outcome is Outcome.LOST
        fake.answers[method, path] = text("no", status=500)
        assert (await call(session, fake.url, Ask(0.0, kind, 0.5))).outcome is Outcome.OTHER
    async with ClientSession() as session:
        assert (await call(session, fake.url, Ask(0.0, kind, 0.5))).outcome is Outcome.BROKEN_OFF


async def test_a_relay_cuts_one_answer_in_its_middle() -> None:
    """To a POST, and the next one is whole."""
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


async def test_the_soaked_spark_tells_what_it_was_given() -> None:
    """Every kind that it serves by itself is whole there, but for what is the proxy's own."""
    async with soaked_spark(0.1) as spark, ClientSession() as session:
        heard = await call(session, spark.parakeet_url, Ask(0.0, Kind.LONG, 1.0))
    assert (heard.outcome, heard.detail) == (Outcome.WHOLE, "")


async def test_what_is_never_healed_gives_no_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence, and not a group of errors."""
    monkeypatch.setattr(soak, "HEAL_DEADLINE", 0.01)
    phase = Phase(0.1, (), (Break(0.0, MAGPIE, Mode.CUBLAS),))
    with pytest.raises(BenchError, match="magpie, cublas: not healed"):
        await soak.measure(phase, phase)


async def test_a_short_soak_loses_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Every kind, a cut and a wedge in the middle of them, with real processes."""
    kinds = [Kind.SHORT, Kind.SPEECH_WAV, Kind.LONG, Kind.EVENTS, Kind.LEAVES_DOWNLOAD, Kind.LEAVES_UPLOAD]
    asks = tuple(Ask(0.2 * number, kind, 0.4) for number, kind in enumerate(kinds * 2))
    silent = (Ask(0.0, Kind.HALF_OPEN, 0.4, 1.0),)
    warm_up = Phase(2.5, (*silent, *asks), (Break(0.3, MAGPIE, None),))
    main = Phase(2.5, asks, (Break(0.1, PARAKEET, Mode.CUBLAS),))
    monkeypatch.setattr(soak, "make_phases", lambda seconds: (warm_up, main) if seconds == 30 else None)
    monkeypatch.setattr(soak, "START_DELAY", 0.5)
    file = tmp_path / "figures.json"
    arguments = ["soak", "--minutes", "0.5", "--json", str(file), "--plot", str(tmp_path)]
    assert await command.run(command.parse(arguments)) == 0
    assert "| wedge: cublas                  | parakeet |     1 |" in capsys.readouterr().out
    document = json.loads(file.read_text())
    requests = {row["kind"]: row for row in document["tables"][0]["rows"]}
    assert requests["all"]["requests"] == 2 * len(asks) + 1 + len(one_of_each())
    assert requests["transcription, short wav"]["503 with Retry-After"] > 0
    assert requests["all"]["left on purpose"] > 0
    assert [(aim["claim"], aim["measured"]) for aim in document["aims"][:2] if not aim["held"]] == []
    assert (tmp_path / "bench-soak.svg").exists()


@pytest.mark.parametrize("minutes", ["0", "-1", "nan", "inf", "ten"])
def test_minutes_are_a_number_above_zero(minutes: str, capsys: pytest.CaptureFixture[str]) -> None:
    """And only for a question that can take as long as one likes."""
    with pytest.raises(SystemExit):
        command.parse(["soak", "--minutes", minutes])
    assert "--minutes" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        command.parse(["heal", "--minutes", "1"])


async def test_without_minutes_it_takes_ten_or_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the others: `--quick` is a fraction."""
    asked: list[float] = []

    async def answer_for(minutes: float) -> None:
        asked.append(minutes)
        await asyncio.sleep(0)

    monkeypatch.setattr(soak, "answer_for", answer_for)
    await soak.answer()
    await soak.answer(quick=True)
    assert asked == [10.0, 1.0]
