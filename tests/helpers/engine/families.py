"""What is expected of each family of servers, and what the tests of them share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pytest
from aiohttp import ClientSession
from spark_engine.models import Audio, Segment, SpeechStyle, Transcript, Word
from spark_engine.servers.magpie import Magpie
from spark_engine.servers.other_kinds import OLLAMA
from spark_engine.servers.transport import Transport

from tests.fakes import magpie, openai_parakeet, parakeet
from tests.fakes.magpie import SPEECH, SYNTHESIZE, SYNTHESIZE_ONLINE
from tests.fakes.parakeet import TEXT, WORDS
from tests.fakes.server import FakeServer, Handler, json

RECORDING = Audio(bytes(range(256)) * 125, 16_000)

SENTENCE = "The kitchen light is on, and the door to the garden is closed."

TEXT_ALONE = Transcript(TEXT)
SEGMENTS = (Segment(TEXT, 0.08, 1.6),)
TIMED_WORDS = tuple(Word(*word) for word in WORDS)

JSON = {"response_format": "json"}
VERBOSE = {"response_format": "verbose_json"}

ALL_TIMES = {"timestamp_granularities[]": "word,segment"}


@dataclass(frozen=True, kw_only=True)
class Hearing:
    """What is expected of a family that hears, asked in British English."""

    fake: Callable[[], FakeServer]
    dialect: str
    model: str | None = "parakeet-tdt-0.6b"
    plain: Mapping[str, str]
    timed: Mapping[str, str]
    transcript: Transcript = TEXT_ALONE
    """With times asked for."""
    refuses_times: bool = False
    """Whether the server refuses to be asked for times, and is asked once more without."""


HEARING = {
    "nim": Hearing(
        fake=parakeet.nim,
        dialect="nim",
        model=None,
        plain=JSON | {"language": "en-GB"},
        timed=JSON | {"language": "en-GB"},
    ),
    "nemo-speech.cpp": Hearing(
        fake=parakeet.nemo_speech,
        dialect="nemo-speech.cpp",
        model="fastconformer",
        plain=JSON | {"language": "en-GB"},
        timed=VERBOSE | {"language": "en-GB"},
        transcript=Transcript(TEXT, "en-GB", words=TIMED_WORDS),
    ),
    "xr-ai": Hearing(fake=parakeet.xr_ai, dialect="xr-ai", model="nvidia/parakeet-tdt-0.6b-v3", plain=JSON, timed=JSON),
    "achetronic": Hearing(fake=parakeet.achetronic, dialect="achetronic", plain=JSON, timed=JSON),
    "groxaxo": Hearing(
        fake=parakeet.groxaxo,
        dialect="groxaxo",
        model="istupakov/parakeet-tdt-0.6b-v3-onnx",
        plain=JSON,
        timed=VERBOSE | {"timestamp_granularities[]": "word"},
        transcript=Transcript(
            TEXT, segments=(Segment(TEXT, 0.08, 2.0),), words=(*TIMED_WORDS[:-1], Word("light.", 1.12, 2.0))
        ),
    ),
    "groxaxo flask": Hearing(
        fake=parakeet.groxaxo_flask,
        dialect="groxaxo",
        model="parakeet-tdt-0.6b-v3",
        plain=JSON,
        timed=VERBOSE | {"timestamp_granularities[]": "word"},
        transcript=Transcript(TEXT, segments=SEGMENTS),
    ),
    "shadowfita": Hearing(
        fake=parakeet.shadowfita,
        dialect="shadowfita",
        model=None,
        plain={"should_chunk": "false"},
        timed={"should_chunk": "false", "include_timestamps": "true"},
        transcript=Transcript(TEXT, segments=SEGMENTS, words=TIMED_WORDS),
    ),
    "runparakeet": Hearing(
        fake=parakeet.runparakeet,
        dialect="runparakeet",
        model="nvidia/parakeet-tdt-0.6b-v3",
        plain=JSON | {"model": "nvidia/parakeet-tdt-0.6b-v3"},
        timed=JSON | {"model": "nvidia/parakeet-tdt-0.6b-v3"},
    ),
    "speaches": Hearing(
        fake=parakeet.speaches,
        dialect="speaches",
        model="istupakov/parakeet-tdt-0.6b-v3-onnx",
        plain=JSON | {"model": "istupakov/parakeet-tdt-0.6b-v3-onnx", "language": "en"},
        timed=JSON | {"model": "istupakov/parakeet-tdt-0.6b-v3-onnx", "language": "en"},
    ),
    "spark audio": Hearing(
        fake=openai_parakeet.spark_audio,
        dialect="spark audio",
        plain=JSON | {"model": "parakeet-tdt-0.6b", "language": "en-GB"},
        timed=VERBOSE | ALL_TIMES | {"model": "parakeet-tdt-0.6b", "language": "en-GB"},
        transcript=Transcript(TEXT, "english", segments=SEGMENTS, words=TIMED_WORDS),
    ),
    "dgx-spark-parakeet-asr": Hearing(
        fake=openai_parakeet.martin,
        dialect="dgx-spark-parakeet-asr",
        plain=JSON,
        timed=JSON,
        model="parakeet-tdt-0.6b-v3",
    ),
    "parakeet-api": Hearing(
        fake=openai_parakeet.parakeet_api, dialect="parakeet-api", plain=JSON, timed=JSON, model=None
    ),
    "crispasr": Hearing(
        fake=openai_parakeet.crispasr,
        dialect="crispasr",
        model="parakeet-tdt-0.6b-v3-q4_k.gguf",
        plain=JSON | {"language": "en"},
        timed=VERBOSE | ALL_TIMES | {"language": "en"},
        transcript=Transcript(TEXT, "english", segments=SEGMENTS, words=TIMED_WORDS),
    ),
    "localai": Hearing(
        fake=openai_parakeet.localai,
        dialect="localai",
        model="parakeet-cpp",
        plain=JSON | {"model": "parakeet-cpp", "language": "en"},
        timed=VERBOSE | ALL_TIMES | {"model": "parakeet-cpp", "language": "en"},
        transcript=Transcript(TEXT, segments=SEGMENTS, words=TIMED_WORDS),
    ),
    "vox": Hearing(
        fake=openai_parakeet.vox,
        dialect="vox",
        model="parakeet:tdt-0.6b-v3",
        plain=JSON | {"model": "parakeet:tdt-0.6b-v3", "language": "en"},
        timed=VERBOSE | ALL_TIMES | {"model": "parakeet:tdt-0.6b-v3", "language": "en"},
        transcript=Transcript(TEXT, "en", segments=SEGMENTS, words=TIMED_WORDS),
    ),
    "vllm": Hearing(
        fake=openai_parakeet.vllm,
        dialect="vllm",
        model="nvidia/parakeet-tdt-0.6b-v3",
        plain=JSON | {"model": "nvidia/parakeet-tdt-0.6b-v3", "language": "en"},
        timed=VERBOSE | {"model": "nvidia/parakeet-tdt-0.6b-v3", "language": "en"},
        refuses_times=True,
    ),
    "parakeet.cpp": Hearing(
        fake=openai_parakeet.parakeet_cpp,
        dialect="openai",
        model=None,
        plain=JSON | {"language": "en"},
        timed=VERBOSE | ALL_TIMES | {"language": "en"},
        transcript=Transcript(TEXT, "en", segments=SEGMENTS, words=TIMED_WORDS),
    ),
    "openai": Hearing(
        fake=parakeet.openai,
        dialect="openai",
        plain=JSON | {"model": "parakeet-tdt-0.6b", "language": "en"},
        timed=VERBOSE | ALL_TIMES | {"model": "parakeet-tdt-0.6b", "language": "en"},
        transcript=Transcript(TEXT, "english", segments=SEGMENTS, words=TIMED_WORDS),
    ),
}

EACH_HEARING = pytest.mark.parametrize("family", HEARING.values(), ids=HEARING.keys())


@dataclass(frozen=True, kw_only=True)
class Speaking:
    """What is expected of a family that speaks, asked for Sofia in Austrian German."""

    fake: Callable[[], FakeServer]
    model: str
    voices: int
    path: str = SPEECH
    fields: Mapping[str, str]
    sample_rate: int = 22_050


NIM_FIELDS = {
    "text": SENTENCE,
    "language": "de-DE",
    "voice": "Magpie-Multilingual.DE-DE.Sofia",
    "encoding": "LINEAR_PCM",
    "sample_rate_hz": "22050",
}

WAV = {"input": SENTENCE, "response_format": "wav"}
PCM = {"input": SENTENCE, "response_format": "pcm"}

SPEAKING = {
    "nim": Speaking(
        fake=magpie.nim, model="Magpie-Multilingual", voices=100, path=SYNTHESIZE_ONLINE, fields=NIM_FIELDS
    ),
    "nim offline": Speaking(
        fake=magpie.nim_offline, model="Magpie-Multilingual", voices=100, path=SYNTHESIZE, fields=NIM_FIELDS
    ),
    "nemo-speech.cpp": Speaking(
        fake=magpie.nemo_speech, model="magpietts", voices=5, fields=WAV | {"voice": "Sofia", "language": "de-DE"}
    ),
    "xr-ai": Speaking(fake=magpie.xr_ai, model="nvidia/magpie_tts_multilingual_357m", voices=1, fields=WAV),
    "xr-ai shim": Speaking(
        fake=magpie.xr_ai_shim,
        model="Magpie-Multilingual",
        voices=1,
        fields=PCM | {"stream": "True"},
        sample_rate=44_100,
    ),
    "pipecat": Speaking(
        fake=magpie.pipecat,
        model="magpie",
        voices=5,
        fields=PCM | {"voice": "sofia", "language": "de"},
        sample_rate=22_000,
    ),
    "spark audio": Speaking(
        fake=magpie.spark_audio,
        model="Magpie-Multilingual",
        voices=100,
        fields=WAV | {"model": "Magpie-Multilingual", "voice": "Magpie-Multilingual.DE-DE.Sofia", "language": "de-DE"},
    ),
    "dgx-spark-tts": Speaking(
        fake=magpie.mvdb, model="magpie", voices=5, fields=WAV | {"voice": "sofia", "language": "de"}
    ),
    "localai": Speaking(
        fake=magpie.localai,
        model="magpie-tts-cpp",
        voices=5,
        fields=WAV | {"model": "magpie-tts-cpp", "voice": "Sofia", "language": "de"},
    ),
    "vox": Speaking(
        fake=magpie.vox,
        model="magpie:357m",
        voices=5,
        fields=WAV | {"model": "magpie:357m", "voice": "Sofia", "language": "de"},
    ),
    "openai": Speaking(fake=magpie.openai, model="tts-1", voices=1, fields=WAV | {"model": "tts-1"}),
}

EACH_SPEAKING = pytest.mark.parametrize(("dialect", "family"), SPEAKING.items(), ids=SPEAKING.keys())


async def say(session: ClientSession, fake: FakeServer, style: SpeechStyle) -> list[Audio]:
    """All pieces of one sentence."""
    return [audio async for audio in Magpie(Transport(session, fake.url)).synthesize(SENTENCE, style)]


def probes(fake: FakeServer) -> int:
    """How many times the server was probed, without those after it refused, which ask for Ollama's page, too."""
    asked = [asked.path for asked in fake.asked if asked.method == "GET"]
    return asked.count("/health") - asked.count(OLLAMA)


def error(message: str, status: int) -> Handler:
    """OpenAI's error object."""
    return json({"error": {"message": message, "type": "server_error", "param": None, "code": None}}, status=status)


def detail(message: object, status: int) -> Handler:
    """FastAPI's error."""
    return json({"detail": message}, status=status)
