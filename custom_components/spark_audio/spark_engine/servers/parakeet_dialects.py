"""What Parakeet servers there are, and how each wants to be asked: from documentation and source, November 2026.

docs/servers.md says which of them were run, and what each can do.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import override

from ..errors import Busy, Rejected, WrongServer
from ..models import Json, Transcript
from ..speech.language import base_language, with_region
from .bodies import Fields
from .hints import Hints, as_contexts, as_hotwords, as_keywords, as_prompt, no_hints
from .identification import Keep
from .magpie_readers import LIST_VOICES
from .parakeet_readers import read_groxaxo, read_openai, read_shadowfita, read_text_alone
from .probe import (
    LOCALAI,
    LOCALAI_MODELS,
    LOCALAI_SLEEP,
    MODELS,
    OPENAPI,
    VOX_SLEEP,
    Answers,
    SleepPage,
    ids,
    names,
    probe,
)
from .transport import Transport

TRANSCRIPTIONS = "/v1/audio/transcriptions"

_JSON: Fields = {"response_format": "json"}
_VERBOSE: Fields = {"response_format": "verbose_json"}
_WORDS: Fields = {**_VERBOSE, "timestamp_granularities[]": "word"}
_ALL_TIMES: Fields = {**_VERBOSE, "timestamp_granularities[]": ("word", "segment")}


class LanguageUse(Enum):
    """What a server does with `language`."""

    IGNORED = auto()
    BASE = auto()
    REGION = auto()
    REGION_REQUIRED = auto()


class ModelUse(Enum):
    """What a server does with `model`."""

    IGNORED = auto()
    SENT = auto()
    """Sent where one is listed."""
    REQUIRED = auto()
    """A server of many models, whose list grows while people install some; nothing is heard without one of them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ParakeetDialect:
    """How one family of servers is asked, and what it can tell."""

    name: str
    recognise: Callable[[Answers], bool]
    """Whether the answers to the probe are this family's."""
    is_certain: bool = True
    """Whether that proves that the server hears; where False, a refusal may mean that it is something else."""
    language: LanguageUse = LanguageUse.IGNORED
    model: ModelUse = ModelUse.IGNORED
    models: Callable[[Answers], tuple[str, ...]] = Answers.model_ids
    """The ids of models that hear."""
    plain: Fields = field(default_factory=lambda: _JSON)
    """Fields for text alone."""
    timed: tuple[Fields, ...] = ()
    """Fields that bring times along, the best first: one that the server refuses is not sent again."""
    gives_segments: bool = False
    """Whether segments may come with times asked for; where False, they certainly do not."""
    gives_words: bool = False
    """Whether words may come with times asked for; where False, they certainly do not."""
    read: Callable[[Json], Transcript] = read_openai
    """The transcript in an answer. Raises KeyError, TypeError or ValueError where there is none."""
    hints: Hints = no_hints
    """The fields that tell the server which words to expect."""
    path: str = TRANSCRIPTIONS
    longest: float | None = None
    """Seconds of audio that one request may hold; None where there is no limit that a window could reach."""
    sleep: SleepPage | None = None
    """Where the server tells that it has unloaded its model; None where it cannot tell, or never does."""


@dataclass(frozen=True, slots=True)
class ParakeetServer:
    """What is known about one server."""

    dialect: ParakeetDialect
    models: tuple[str, ...] = ()
    version: str | None = None
    refused: int = 0
    """How many of the dialect's ways to ask for times this server has refused."""
    refuses_hints: bool = False
    """Whether it has refused a request with words to expect."""
    has_heard: bool = False
    """Whether it has transcribed anything."""
    keep: Keep = Keep.ALWAYS
    """How long this is remembered: a list of models that has no Parakeet may get one."""

    @override
    def __str__(self) -> str:
        return f"{self.dialect.name}, model {self.model or 'unnamed'}"

    @property
    def model(self) -> str | None:
        """Return the model to ask for: a Parakeet, else the first one listed."""
        return next(_parakeets(self.models), self.models[0] if self.models else None)

    @property
    def is_certain(self) -> bool:
        """Return whether it is known that the server hears."""
        return self.dialect.is_certain or self.has_heard

    def ways(self, language: str | None, *, times: bool, hints: Sequence[str] = ()) -> list[Fields]:
        """Return the form fields of a transcription, without the file, in the ways to try one after the other.

        `hints` are words to expect, for a server that takes them.
        Raises Busy where the server has no model yet.
        """
        dialect = self.dialect
        said: dict[str, str] = {}
        if dialect.model is ModelUse.REQUIRED and self.model is None:
            raise Busy("The server lists no model that hears; has one been downloaded?", status=503)
        if dialect.model is not ModelUse.IGNORED and self.model:
            said["model"] = self.model
        match dialect.language:
            case LanguageUse.BASE if language:
                said["language"] = base_language(language)
            case LanguageUse.REGION | LanguageUse.REGION_REQUIRED if language:
                said["language"] = with_region(language)
            case LanguageUse.REGION_REQUIRED:
                # NIM answers 400 without a language; "multi" lets its multilingual model detect it.
                said["language"] = "multi"
        timed = dialect.timed[self.refused :] if times else ()
        expected = dialect.hints(hints, self.model) if hints and not self.refuses_hints else {}
        return [{**fields, **said, **expected} for fields in (*timed, dialect.plain)]


SPARK_AUDIO = ParakeetDialect(
    name="spark audio",
    recognise=Answers.is_spark_audio,
    language=LanguageUse.REGION,
    model=ModelUse.SENT,
    timed=(_ALL_TIMES, _VERBOSE),
    gives_segments=True,
    gives_words=True,
    hints=as_keywords,
)
"""Our own proxy: what comes with a transcript depends on the server behind it."""

NIM = ParakeetDialect(
    name="nim",
    recognise=lambda answers: (
        answers.exists("/v1/health/ready") and (answers.exists(LIST_VOICES) or answers.lacks(MODELS))
    ),
    is_certain=False,
    language=LanguageUse.REGION_REQUIRED,
    longest=800.0,
)
"""NVIDIA Riva and Speech NIM: text only, no model list, language required, at most 25 MB.

Those that speak have the same routes.
"""

NEMO_SPEECH = ParakeetDialect(
    name="nemo-speech.cpp",
    recognise=lambda answers: any(model.get("capability") == "transcription" for model in answers.models()),
    language=LanguageUse.REGION,
    models=lambda answers: ids([model for model in answers.models() if model.get("capability") == "transcription"]),
    timed=(_VERBOSE,),
    gives_words=True,
    hints=as_contexts,
)
"""NVIDIA NeMo-Speech.cpp: WAV only, one model whatever is asked for, words but no segments."""

XR_AI = ParakeetDialect(
    name="xr-ai",
    recognise=lambda answers: answers.is_xr_ai(speaks=False),
)
"""NVIDIA xr-ai stt-server: text only."""

ACHETRONIC = ParakeetDialect(
    name="achetronic",
    recognise=lambda answers: (
        {"id": "parakeet-tdt-0.6b", "object": "model", "created": 1_700_000_000, "owned_by": "nvidia"}
        in answers.models()
    ),
    longest=390.0,
)
"""achetronic/parakeet: its only segment is the whole recording, counted from the bytes, so none is asked for.

More than 400 s are an error, unless it was started for long recordings.
"""

GROXAXO = ParakeetDialect(
    name="groxaxo",
    recognise=lambda answers: "default_model" in answers.document("/health"),
    models=lambda answers: names([answers.document("/health").get("default_model")]),
    timed=(_WORDS,),
    gives_segments=True,
    gives_words=True,
    read=read_groxaxo,
)
"""groxaxo: no model list, and 400 for a model that it does not know. The older Flask server has segments only."""

SHADOWFITA = ParakeetDialect(
    name="shadowfita",
    recognise=lambda answers: answers.posts_to("/transcribe") and answers.document("/healthz") == {"status": "ok"},
    plain={"should_chunk": "false"},
    timed=({"should_chunk": "false", "include_timestamps": "true"},),
    gives_segments=True,
    gives_words=True,
    read=read_shadowfita,
    longest=60.0,
)
"""Shadowfita: no response formats, no models, and times under NeMo's names.

Since January 2026 it fails at everything that it is to cut into chunks itself, so each request is one chunk.
"""

RUNPARAKEET = ParakeetDialect(
    name="runparakeet",
    recognise=lambda answers: "idle_unload_seconds" in answers.document("/healthz"),
    model=ModelUse.SENT,
    sleep=SleepPage("/healthz", lambda page, _: page.get("loaded") is False),
)
"""RunParakeet: 404 for any model but its own; its only segment lasts from 0 to 0, so none is asked for.

It loads its model for the first request, and unloads it after 300 s of rest.
"""

SPEACHES = ParakeetDialect(
    name="speaches",
    recognise=lambda answers: answers.document("/health") == {"message": "OK"},
    language=LanguageUse.BASE,
    model=ModelUse.REQUIRED,
    models=lambda answers: ids(
        [model for model in answers.models() if model.get("task") == "automatic-speech-recognition"]
    ),
    sleep=SleepPage("/api/ps", lambda page, model: "models" in page and model not in names(page["models"])),
)
"""speaches: many models, one of which must be named; a Parakeet answers anything but text with 500.

It unloads a model after 300 s of rest.
"""

MARTIN = ParakeetDialect(
    name="dgx-spark-parakeet-asr",
    recognise=lambda answers: answers.document("/").get("service") == "parakeet-asr",
)
"""mARTin-B78's image: its segments are an empty list, or an error, with any NeMo of this year."""

PARAKEET_API = ParakeetDialect(
    name="parakeet-api",
    recognise=lambda answers: answers.document("/").get("message") == "Parakeet API is running",
    read=read_text_alone,
    hints=as_hotwords,
)
"""parakeet-api: its words are the text, evenly spread over the recording, so none are asked for."""

CRISPASR = ParakeetDialect(
    name="crispasr",
    recognise=lambda answers: answers.is_owned_by("crispasr"),
    is_certain=False,
    language=LanguageUse.BASE,
    timed=(_ALL_TIMES, _VERBOSE),
    gives_segments=True,
    gives_words=True,
    hints=as_hotwords,
)
"""CrispASR: one model of any of many kinds, and 404 for the GET of a route for POST."""

LOCALAI_SERVER = ParakeetDialect(
    name="localai",
    recognise=Answers.is_localai,
    language=LanguageUse.BASE,
    model=ModelUse.REQUIRED,
    models=lambda answers: answers.localai_models("transcript"),
    timed=(_ALL_TIMES,),
    gives_segments=True,
    gives_words=True,
    sleep=LOCALAI_SLEEP,
)
"""LocalAI: many models, one of which must be named; words have the key `text`."""

VOX = ParakeetDialect(
    name="vox",
    recognise=Answers.is_vox,
    language=LanguageUse.BASE,
    model=ModelUse.REQUIRED,
    models=lambda answers: answers.vox_models("stt"),
    timed=(_ALL_TIMES,),
    gives_segments=True,
    gives_words=True,
    sleep=VOX_SLEEP,
)
"""vox-runtime: a model list of its own shape, and words on demand."""

VLLM = ParakeetDialect(
    name="vllm",
    recognise=lambda answers: answers.is_owned_by("vllm"),
    is_certain=False,
    language=LanguageUse.BASE,
    model=ModelUse.SENT,
    timed=(_VERBOSE,),
    gives_segments=True,
    longest=800.0,
)
"""vLLM: one model of any kind; 400 for segments where its model measures none, and for more than 25 MB."""

OPENAI = ParakeetDialect(
    name="openai",
    recognise=lambda _: True,
    is_certain=False,
    language=LanguageUse.BASE,
    model=ModelUse.SENT,
    timed=(_ALL_TIMES, _VERBOSE),
    gives_segments=True,
    gives_words=True,
    hints=as_prompt,
)
"""OpenAI's contract as written, for a server that nothing else fits, such as that of parakeet.cpp."""

FAMILIES = (
    *(SPARK_AUDIO, NIM, NEMO_SPEECH, XR_AI, ACHETRONIC, GROXAXO, SHADOWFITA, RUNPARAKEET, SPEACHES),
    *(MARTIN, PARAKEET_API, CRISPASR, LOCALAI_SERVER, VOX, VLLM),
)
"""In the order in which they are tried."""

_TELLING = (MODELS, "/v1/health/ready", "/health", "/healthz", "/transcribe")
"""Pages that tell families apart: while one of them cannot be read, the server may be of any family."""

PROBED = (*_TELLING, "/", LIST_VOICES, OPENAPI, LOCALAI, LOCALAI_MODELS)


def recognise(answers: Answers) -> ParakeetServer:
    """Return the server that answers like this.

    Raises WrongServer for one that only speaks WebSocket; and what the pages answered where that leaves it open which
    family it is or which models it has, Busy while it is loading for one.
    """
    if _is_websocket_only(answers):
        raise WrongServer(
            "This is the Nemotron container of pipecat, which hears over WebSocket only, and that is not supported.",
            status=404,
            said="pipecat Nemotron (WebSocket)",
        )
    dialect = next((family for family in FAMILIES if family.recognise(answers)), None)
    if dialect is None:
        answers.settle(_TELLING)
        dialect = OPENAI
    models = dialect.models(answers)
    if not models and dialect.model is not ModelUse.IGNORED:
        answers.settle((MODELS,))
    return ParakeetServer(dialect, models, answers.version(), keep=_keep(dialect.model, models, answers))


def _keep(use: ModelUse, models: Sequence[str], answers: Answers) -> Keep:
    match use:
        case ModelUse.REQUIRED if not any(_parakeets(models)):
            return Keep.A_WHILE if models else Keep.NOT
        case ModelUse.SENT if not models and answers.exists(MODELS):
            return Keep.A_WHILE
    return Keep.ALWAYS


def _parakeets(models: Sequence[str]) -> Iterator[str]:
    return (model for model in models if "parakeet" in model.lower())


def _is_websocket_only(answers: Answers) -> bool:
    """pipecat's container for hearing: a page for its health, and a WebSocket at the root that refuses a plain GET."""
    match answers.replies["/"]:
        case Rejected(status=400):
            return "model_loaded" in answers.document("/health")
    return False


async def identify(transport: Transport) -> ParakeetServer:
    """Find out which server this is. Raises SparkError where that cannot be told, see `recognise`."""
    return recognise(await probe(transport, PROBED))
