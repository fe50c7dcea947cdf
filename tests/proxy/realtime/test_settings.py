"""What a client may set, and which field is named where it is wrong."""

import pytest
from spark_audio_proxy.problems import Problem
from spark_audio_proxy.realtime.settings import AudioFormat, Document, SessionSettings, TurnDetection, document, updated
from spark_engine.models import Json


def ga(**audio_input: Json) -> Document:
    """A `session.update` of the current protocol."""
    session: Document = {"type": "transcription", "audio": {"input": audio_input}}
    return {"type": "session.update", "session": session}


def beta(**session: Json) -> Document:
    """A `transcription_session.update`."""
    return {"type": "transcription_session.update", "session": session}


INPUT = "session.audio.input"


@pytest.mark.parametrize(
    ("event", "param"),
    [
        (ga(format="mp3"), f"{INPUT}.format"),
        (ga(format={"type": "audio/pcm", "rate": 12_345}), f"{INPUT}.format.rate"),
        (ga(transcription=[]), f"{INPUT}.transcription"),
        (ga(transcription={"language": 7}), f"{INPUT}.transcription.language"),
        (ga(transcription={"language": "no such language"}), f"{INPUT}.transcription.language"),
        (ga(transcription={"keywords": "x"}), f"{INPUT}.transcription.keywords"),
        (ga(transcription={"keywords": ["x"] * 101}), f"{INPUT}.transcription.keywords"),
        (ga(transcription={"prompt": "x" * 2001}), f"{INPUT}.transcription.prompt"),
        (ga(turn_detection=7), f"{INPUT}.turn_detection"),
        (ga(turn_detection={"type": "magic"}), f"{INPUT}.turn_detection.type"),
        (ga(turn_detection={"type": "semantic_vad", "eagerness": "x"}), f"{INPUT}.turn_detection.eagerness"),
        (ga(turn_detection={"threshold": True}), f"{INPUT}.turn_detection.threshold"),
        (ga(turn_detection={"silence_duration_ms": 1}), f"{INPUT}.turn_detection.silence_duration_ms"),
        (ga(turn_detection={"prefix_padding_ms": 1e6}), f"{INPUT}.turn_detection.prefix_padding_ms"),
        ({"type": "session.update", "session": {"type": "transcription", "audio": 7}}, "session.audio"),
        (beta(input_audio_format="mp3"), "session.input_audio_format"),
        (beta(input_audio_transcription={"model": 7}), "session.input_audio_transcription.model"),
        (beta(turn_detection={"threshold": 2}), "session.turn_detection.threshold"),
    ],
)
def test_a_wrong_field_is_named(event: Document, param: str) -> None:
    with pytest.raises(Problem) as caught:
        updated(SessionSettings(), event)
    assert (caught.value.status, caught.value.param) == (400, param)


def test_what_is_left_out_stays() -> None:
    settings = updated(SessionSettings(), ga(format={"type": "audio/pcma"}, transcription={"language": "German"}))
    settings = updated(settings, ga(turn_detection={"type": "server_vad", "threshold": 0.8}))
    settings = updated(settings, ga(turn_detection={"silence_duration_ms": 700}, transcription=None))
    assert settings.format == AudioFormat("pcma", 8000)
    assert settings.language == "de"
    assert settings.turn_detection == TurnDetection(threshold=0.8, silence_duration_ms=700)
    assert updated(settings, ga(turn_detection=None)).turn_detection is None


@pytest.mark.parametrize("model", ["gpt-live-transcribe", "gpt-realtime-whisper-2027-01-01"])
def test_clients_of_models_without_turns_commit(model: str) -> None:
    """Unless they say how turns end, before or after the model; no other model's name says anything."""
    named = ga(transcription={"model": model})
    assert updated(SessionSettings(), named).turn_detection is None
    assert updated(SessionSettings(), beta(input_audio_transcription={"model": model})).turn_detection is None
    said = ga(turn_detection={"type": "server_vad"})
    assert updated(updated(SessionSettings(), named), said).turn_detection == TurnDetection()
    assert updated(updated(SessionSettings(), said), named).turn_detection == TurnDetection()
    for other in ("gpt-4o-transcribe", "whisper-1", "gpt-transcribe", None):
        assert updated(SessionSettings(), ga(transcription={"model": other})).turn_detection == TurnDetection()


def test_one_of_several_languages_is_the_language() -> None:
    """Several leave it to the server."""
    assert updated(SessionSettings(), ga(transcription={"languages": ["de"]})).language == "de"
    assert updated(SessionSettings(), ga(transcription={"languages": ["de", "en"]})).language is None


@pytest.mark.parametrize(
    ("name", "audio_format"),
    [("pcm16", AudioFormat()), ("g711_ulaw", AudioFormat("pcmu", 8000)), ("g711_alaw", AudioFormat("pcma", 8000))],
)
def test_the_formats_of_the_beta(name: str, audio_format: AudioFormat) -> None:
    settings = updated(SessionSettings(), beta(input_audio_format=name))
    assert settings.format == audio_format
    assert document(settings, "sess_1")["input_audio_format"] == name
