"""What Parakeet servers there are, and how each wants to be asked: from documentation and source, November 2026."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import override

from ..errors import Rejected
from ..models import Json, Transcript
from ..speech.language import base_language, with_region
from .parakeet_readers import read_groxaxo, read_openai, read_shadowfita
from .probe import Answers, ids, probe, strings
from .transport import Transport


class LanguageUse(Enum):
    """What a server does with `language`."""

    IGNORED = auto()
    BASE = auto()
    REGION = auto()
    REGION_REQUIRED = auto()


@dataclass(frozen=True, kw_only=True, slots=True)
class ParakeetDialect:
    """How one family of servers is asked, and what it can tell."""

    name: str
    recognise: Callable[[Answers], bool]
    """Whether the answers to the probe are this family's."""
    language: LanguageUse = LanguageUse.IGNORED
    models: Callable[[Answers], tuple[str, ...]] = Answers.model_ids
    """The ids of models that hear."""
    sends_model: bool = False
    plain: Mapping[str, str] = field(default_factory=lambda: {"response_format": "json"})
    """Fields for text alone."""
    timed: Mapping[str, str] | None = None
    """Fields that bring times along; None where the server measures none."""
    gives_segments: bool = False
    """Whether segments may come with times asked for; where False, they certainly do not."""
    gives_words: bool = False
    """Whether words may come with times asked for; where False, they certainly do not."""
    read: Callable[[Json], Transcript] = read_openai
    """The transcript in an answer. Raises KeyError, TypeError or ValueError where there is none."""
    path: str = "/v1/audio/transcriptions"
    longest: float | None = None
    """Seconds of audio that one request may hold; None where there is no limit that a window could reach."""


@dataclass(frozen=True, slots=True)
class ParakeetServer:
    """What probing found out about one server."""

    dialect: ParakeetDialect
    models: tuple[str, ...] = ()
    version: str | None = None

    @override
    def __str__(self) -> str:
        return f"{self.dialect.name}, model {self.model or 'unnamed'}"

    @property
    def model(self) -> str | None:
        """Return the model to ask for: a Parakeet, else the first one listed."""
        parakeets = (model for model in self.models if "parakeet" in model.lower())
        return next(parakeets, self.models[0] if self.models else None)

    def fields(self, language: str | None, *, times: bool) -> dict[str, str]:
        """Return the form fields of a transcription, without the file."""
        dialect = self.dialect
        fields = dict(dialect.timed if times and dialect.timed is not None else dialect.plain)
        if dialect.sends_model and self.model:
            fields["model"] = self.model
        match dialect.language:
            case LanguageUse.BASE if language:
                fields["language"] = base_language(language)
            case LanguageUse.REGION | LanguageUse.REGION_REQUIRED if language:
                fields["language"] = with_region(language)
            case LanguageUse.REGION_REQUIRED:
                # NIM answers 400 without a language; "multi" lets its multilingual model detect it.
                fields["language"] = "multi"
        return fields


NIM = ParakeetDialect(
    name="nim",
    recognise=lambda answers: answers.exists("/v1/health/ready") and answers.lacks("/v1/models"),
    language=LanguageUse.REGION_REQUIRED,
)
"""NVIDIA Riva and Speech NIM: text only, no model list, language required."""

NEMO_SPEECH = ParakeetDialect(
    name="nemo-speech.cpp",
    recognise=lambda answers: any("capability" in model for model in answers.models()),
    language=LanguageUse.REGION,
    models=lambda answers: ids([model for model in answers.models() if model.get("capability") == "transcription"]),
    timed={"response_format": "verbose_json"},
    gives_words=True,
)
"""NVIDIA NeMo-Speech.cpp: WAV only, one model whatever is asked for, words but no segments."""

XR_AI = ParakeetDialect(
    name="xr-ai",
    recognise=Answers.is_xr_ai,
)
"""NVIDIA xr-ai stt-server: text only."""

ACHETRONIC = ParakeetDialect(
    name="achetronic",
    recognise=lambda answers: (
        {"id": "parakeet-tdt-0.6b", "object": "model", "created": 1_700_000_000, "owned_by": "nvidia"}
        in answers.models()
    ),
)
"""achetronic/parakeet: its only segment is the whole recording, counted from the bytes, so none is asked for."""

GROXAXO = ParakeetDialect(
    name="groxaxo",
    recognise=lambda answers: "default_model" in answers.document("/health"),
    models=lambda answers: strings([answers.document("/health").get("default_model")]),
    timed={"response_format": "verbose_json", "timestamp_granularities[]": "word"},
    gives_segments=True,
    gives_words=True,
    read=read_groxaxo,
)
"""groxaxo: no model list, and 400 for a model that it does not know. The older Flask server has segments only."""

SHADOWFITA = ParakeetDialect(
    name="shadowfita",
    recognise=lambda answers: answers.posts_to("/transcribe") and answers.document("/healthz") == {"status": "ok"},
    plain={"should_chunk": "false"},
    timed={"should_chunk": "false", "include_timestamps": "true"},
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
    sends_model=True,
)
"""RunParakeet: 404 for any model but its own; its only segment lasts from 0 to 0, so none is asked for."""

SPEACHES = ParakeetDialect(
    name="speaches",
    recognise=lambda answers: answers.document("/health") == {"message": "OK"},
    language=LanguageUse.BASE,
    models=lambda answers: ids(
        [model for model in answers.models() if model.get("task") == "automatic-speech-recognition"]
    ),
    sends_model=True,
)
"""speaches: many models, one of which must be named; a Parakeet answers anything but text with 500."""

OPENAI = ParakeetDialect(
    name="openai",
    recognise=lambda _: True,
    language=LanguageUse.BASE,
    sends_model=True,
    timed={"response_format": "verbose_json"},
    gives_segments=True,
    gives_words=True,
)
"""OpenAI's contract as written, for a server that nothing else fits."""

FAMILIES = (NIM, NEMO_SPEECH, XR_AI, ACHETRONIC, GROXAXO, SHADOWFITA, RUNPARAKEET, SPEACHES)
"""In the order in which they are tried."""

_TELLING = ("/v1/models", "/v1/health/ready", "/health", "/healthz", "/transcribe")
"""Pages that tell families apart."""


def recognise(answers: Answers) -> ParakeetServer:
    """Return the server that answers like this.

    Raises Rejected for one that only speaks WebSocket; and what the pages answered where that leaves it open which
    family it is, Busy while it is loading for one.
    """
    if _is_websocket_only(answers):
        # No fault: it is in good health, and no restart will change what it is.
        raise Rejected(
            "This server (pipecat's Nemotron container) hears over WebSocket only, which is not supported.", status=404
        )
    dialect = next((family for family in FAMILIES if family.recognise(answers)), None)
    if dialect is None:
        answers.settle(_TELLING)
        dialect = OPENAI
    return ParakeetServer(dialect, dialect.models(answers), answers.version())


def _is_websocket_only(answers: Answers) -> bool:
    """pipecat's container for hearing: a page for its health, and a WebSocket at the root that refuses a plain GET."""
    match answers.replies["/"]:
        case Rejected(status=400):
            return "model_loaded" in answers.document("/health")
    return False


async def identify(transport: Transport) -> ParakeetServer:
    """Find out which server this is. Raises SparkError where that cannot be told, see `recognise`."""
    return recognise(await probe(transport, (*_TELLING, "/")))
