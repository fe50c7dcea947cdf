"""Each reader of bytes that others write: what it may answer, and what to begin with."""

import base64
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from math import isfinite

from aiohttp import ClientSession
from spark_audio_proxy.api import speech, transcriptions
from spark_audio_proxy.config import Settings
from spark_audio_proxy.origins import is_loopback_host, is_own_host
from spark_audio_proxy.problems import Problem, response_for
from spark_audio_proxy.speaking import FASTEST, SLOWEST
from spark_audio_proxy.transcode.passthrough import read_head, samples_of
from spark_audio_proxy.uploads.audio_in_json import decode_audio
from spark_audio_proxy.uploads.form import Form, Upload, read_form_in_json, read_json
from spark_audio_proxy.uploads.multipart_reader import FormReader
from spark_engine.errors import ServerFault, SparkError
from spark_engine.healing.restart import TargetError, parse_docker, parse_hook
from spark_engine.healing.status import from_json, to_json
from spark_engine.models import Segment, Transcript, Word
from spark_engine.servers import magpie_dialects, parakeet_dialects, parakeet_readers
from spark_engine.servers.probe import MOST_NAMES, Answers
from spark_engine.servers.refusals import error_for, hiding
from spark_engine.servers.transport import LONGEST_NAME, Reply
from spark_engine.speech.audio import WavReader, wav_header
from spark_engine.speech.language import read_language
from spark_engine.speech.voices import find_voice

from tests.fuzz import recordings

SECRET = "hunter2"


@dataclass(frozen=True, slots=True)
class Target:
    """A reader. `read` raises where it answers in a way that it must not."""

    read: Callable[[bytes], None]
    seeds: tuple[bytes, ...]
    cases: int = 1_500
    """So many of them take a second or two."""


def _pieces(data: bytes) -> list[bytes]:
    """As the network may cut it: the first bytes tell where."""
    size = 1 + sum(data[:2]) % 200
    return [data[at : at + size] for at in range(0, len(data), size)]


def _is_sentence(err: Exception) -> None:
    """A refusal says why."""
    assert str(err)


def _told(problem: Problem) -> None:
    """A refusal is the request's fault, in a sentence that any answer can hold."""
    assert problem.status in (400, 413), problem
    response_for(problem)


def wav_heads(data: bytes) -> None:
    """A WAV file, whole and in pieces."""
    reader = WavReader()
    try:
        for piece in _pieces(data):
            assert len(reader.feed(piece)) <= len(data)
        if head := read_head(memoryview(data)):
            assert 0 < head.start <= len(data)
            samples_of(memoryview(data), head)
    except ValueError as err:
        _is_sentence(err)


def forms(data: bytes) -> None:
    """A form with a recording."""
    try:
        reader = FormReader("multipart/form-data; boundary=x1")
        for piece in _pieces(data):
            reader.feed(piece)
        reader.close()
        transcriptions.read_request(Form(reader.fields, Upload(reader.file, reader.head) if reader.file else None))
    except Problem as problem:
        _told(problem)


def uploads_in_json(data: bytes) -> None:
    """A recording in JSON."""
    try:
        form = read_form_in_json(bytearray(data))
        assert form.upload is not None
        assert isinstance(form.upload.data, BytesIO)
        transcriptions.read_request(form)
    except Problem as problem:
        _told(problem)


def speech_requests(data: bytes) -> None:
    """A text to speak."""
    try:
        wanted = speech.read_request(read_json(data), Settings())
        assert SLOWEST <= wanted.wish.speed <= FASTEST
    except Problem as problem:
        _told(problem)


def base64_audio(data: bytes) -> None:
    """Audio in base64."""
    with suppress(ValueError):
        decode_audio(data.decode("utf-8", "surrogateescape"))


def languages(data: bytes) -> None:
    """A language as callers name it."""
    with suppress(ValueError):
        tag = read_language(data.decode("utf-8", "surrogateescape"))
        assert tag is None or (len(tag) <= 64 and tag.isascii())


def hosts(data: bytes) -> None:
    """A Host header."""
    text = data.decode("latin-1")
    assert not is_loopback_host(text) or is_own_host(text, ())


def lists_of_voices(data: bytes) -> None:
    """The pages that tell what a server is and which voices it has; the same on each path."""
    reply = Reply(200, "application/json", data)
    for dialects in (magpie_dialects, parakeet_dialects):
        answers = Answers(dict.fromkeys((*dialects.PROBED, "/"), reply))
        for family in dialects.FAMILIES:
            family.recognise(answers)
    answers = Answers(dict.fromkeys(magpie_dialects.PROBED, reply))
    for family in (*magpie_dialects.FAMILIES, magpie_dialects.OPENAI):
        server = magpie_dialects.MagpieServer(family, family.read(answers), answers.version())
        assert len(server.voices) <= MOST_NAMES
        assert all(len(voice.name) <= LONGEST_NAME for voice in server.voices)
        find_voice(server.voices, "alloy", "en-US")
        json.dumps([str(server), server.model, list(server.languages)]).encode()


def transcripts(data: bytes) -> None:
    """A transcript with times, as each family writes it."""
    readers = (
        parakeet_readers.read_openai,
        parakeet_readers.read_text_alone,
        parakeet_readers.read_groxaxo,
        parakeet_readers.read_shadowfita,
    )
    for read in readers:
        try:
            heard = read(Reply(200, "application/json", data).json())
        except KeyError, TypeError, ValueError, ServerFault:
            continue
        _check(heard)


def _check(heard: Transcript) -> None:
    """It can be sent on."""
    heard.text.encode()
    timed: tuple[Segment | Word, ...] = (*(heard.segments or ()), *(heard.words or ()))
    for item in timed:
        item.text.encode()
        assert isfinite(item.start)
        assert isfinite(item.end)
        assert 0 <= item.start <= item.end


def status_documents(data: bytes) -> None:
    """A proxy's status."""
    try:
        status = from_json(Reply(200, "application/json", data).json())
    except KeyError, TypeError, ValueError, OverflowError, ServerFault:
        return
    json.dumps(to_json(status), allow_nan=False).encode()


def errors(data: bytes) -> None:
    """An error of a server, which may repeat our token."""
    for status in (302, 400, 401, 429, 500, 599):
        error: SparkError = error_for(status, data[:9].decode("latin-1"), data, hiding(SECRET))
        assert SECRET not in error.message.lower()
        assert len(error.message) < 400
        error.message.encode()


def restart_targets(data: bytes) -> None:
    """A restart target as people enter it; nothing is sent."""
    text, session = data.decode("utf-8", "replace"), ClientSession.__new__(ClientSession)
    for parse in (parse_hook, parse_docker):
        try:
            parse(session, text)
        except TargetError as err:
            _is_sentence(err)


def _document(value: object) -> bytes:
    return json.dumps(value).encode()


_WAV = wav_header(16_000, 64) + bytes(64)
_FORM = b"".join(
    (
        b'--x1\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\nContent-Type: audio/wav\r\n\r\n',
        _WAV,
        b'\r\n--x1\r\nContent-Disposition: form-data; name="timestamp_granularities[]"\r\n\r\nword',
        b'\r\n--x1\r\nContent-Disposition: form-data; name="response_format"\r\n\r\nverbose_json',
        b'\r\n--x1\r\nContent-Disposition: form-data; name="language"\r\n\r\nen-US\r\n--x1--\r\n',
    )
)
_AUDIO = base64.b64encode(_WAV).decode()
_CODED_FORM = (
    _FORM.replace(b"audio/wav\r\n", b"audio/wav\r\nContent-Transfer-Encoding: base64\r\n")
    .replace(_WAV, _AUDIO.encode())
    .replace(b"\r\n\r\nword", b"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nw=6Frd=\r\n")
    .replace(b"\r\n\r\nen-US", b"\r\nContent-Type: text/plain; charset=utf-16\r\n\r\n\xff\xfee\0n\0")
)
_MOMENT = "2026-11-01T12:00:00.000+00:00"
_CANARY = {"at": _MOMENT, "latency": 0.1, "outcome": "success", "detail": ""}
_CHANGE = {"at": _MOMENT, "from": "healthy", "to": "wedged", "evidence": "CUDA error", "by_hand": True}
_SERVER = {
    "name": "parakeet",
    "url": "http://spark",
    "server": "openai",
    "dialect": "openai",
    "model": "m",
    "voices": 5,
    "state": "wedged",
    "since": _MOMENT,
    "evidence": "",
    "last_canary": _CANARY,
    "last_success": _MOMENT,
    "restart_target": "hook",
    "restart_problem": None,
    "restarts": [_MOMENT],
    "restarts_left": 2,
    "history": [_CHANGE],
    "canaries": [_CANARY],
}
_STATUS = {
    "id": "1",
    "automatic_restarts": True,
    "restart_limit": 3,
    "restart_window": 1800.0,
    "services": [_SERVER, {"name": "magpie", "url": "x"}],
}
_TIMES = [{"word": "Turn", "text": "Turn", "segment": "Turn on.", "start": 0.0, "end": 0.4}]
_VOICES = ["Magpie-Multilingual.EN-US.Aria", "Magpie-Multilingual.DE-DE.Leo.Calm", "Mia"]

TARGETS: Mapping[str, Target] = {
    "wav-heads": Target(
        wav_heads, (_WAV, wav_header(22_050) + b"\0\0" * 9, b"RIFF\0\0\0\0WAVELIST\4\0\0\0abcd" + _WAV[12:])
    ),
    "recordings": Target(recordings.decode_anything, recordings.SEEDS, cases=150),
    "forms": Target(forms, (_FORM, _FORM.replace(b'; filename="a.wav"', b""), b"--x1--", _CODED_FORM)),
    "uploads-in-json": Target(
        uploads_in_json,
        (
            _document({"input_audio": {"data": _AUDIO, "format": "wav"}, "language": "en", "stream": True}),
            _document({"file": f"data:audio/wav;base64,{_AUDIO}", "timestamp_granularities": ["word", "segment"]}),
        ),
    ),
    "speech-requests": Target(
        speech_requests,
        (
            _document({"input": "Hello.", "voice": {"id": "Aria"}, "speed": 1.5, "language": "de-DE", "model": "x"}),
            _document({"input": "Hello.", "voice": "alloy", "response_format": "ulaw", "stream_format": "sse"}),
        ),
    ),
    "base64": Target(base64_audio, (_AUDIO.encode(), f"data:audio/wav;base64,{_AUDIO}".encode())),
    "languages": Target(languages, (b"en-US", "français".encode(), b"English (UK)", b"de_DE.UTF-8", b"auto")),
    "hosts": Target(hosts, (b"127.0.0.1:8600", b"[::1]:8600", b"spark.local", b"localhost")),
    "voices": Target(
        lists_of_voices,
        (
            _document({"en-US,de-DE": {"voices": _VOICES}}),
            _document({"voices": [*_VOICES, {"id": "Aria", "alias_of": "x"}, {"id": "Leo"}], "languages": ["en"]}),
            _document({"data": [{"id": "m", "capability": "speech", "voices": _VOICES, "languages": ["en-US"]}]}),
            _document({"voices": _VOICES, "sample_rate": 22_050, "status": "ok", "version": "1", "models": []}),
            _document({"paths": {"/v1/audio/speech": {"post": {}}}, "configuration": {"voice": "a"}}),
        ),
    ),
    "transcripts": Target(
        transcripts,
        (
            _document({"text": "Turn on.", "language": "en", "segments": _TIMES, "words": _TIMES}),
            _document({"text": "Turn", "timestamps": {"segment": _TIMES, "word": _TIMES}}),
        ),
    ),
    "status": Target(status_documents, (_document(_STATUS),)),
    "errors": Target(
        errors,
        (
            _document({"error": {"message": f"bad token {SECRET}"}}),
            _document({"detail": [{"loc": ["body"], "msg": SECRET}]}),
            b"<html>CUDA error</html>",
            b"12",
        ),
    ),
    "restart-targets": Target(
        restart_targets, (b"http://spark:9/restart?x=1", b"unix:///run/docker.sock#parakeet", b"http://s:1#a")
    ),
}
