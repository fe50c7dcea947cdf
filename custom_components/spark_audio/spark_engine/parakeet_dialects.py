"""What Parakeet servers there are, and how each wants to be asked (facts/upstreams.md, 2)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import override

from .models import Segment, Transcript, Word
from .probe import Answers, probe
from .transport import Json, Transport
from .voices import base_language, normalize_language


class LanguageUse(Enum):
    """What a server does with `language`."""

    IGNORED = auto()
    BASE = auto()
    REGION_REQUIRED = auto()


@dataclass(frozen=True, kw_only=True, slots=True)
class ParakeetDialect:
    """How one family of servers is asked, and what it can tell."""

    name: str
    language: LanguageUse
    sends_model: bool = True
    plain: Mapping[str, str] = field(default_factory=dict)
    """Fields for text alone."""
    timed: Mapping[str, str] | None = None
    """Fields that bring times along; None where the server has none."""
    read: Callable[[Json], Transcript]
    """The transcript in an answer. Raises KeyError, TypeError or ValueError where there is none."""
    recognise: Callable[[Answers], bool]
    """Whether the answers to the probe are this family's."""
    path: str = "/v1/audio/transcriptions"


@dataclass(frozen=True, slots=True)
class ParakeetServer:
    """What probing found out about one server."""

    dialect: ParakeetDialect
    models: tuple[str, ...] = ()

    @override
    def __str__(self) -> str:
        return f"{self.dialect.name}, model {self.model or 'unnamed'}"

    @property
    def model(self) -> str | None:
        """The model to ask for: a Parakeet, else the first one listed."""
        parakeets = (model for model in self.models if "parakeet" in model.lower())
        return next(parakeets, self.models[0] if self.models else None)

    def fields(self, language: str | None, *, times: bool) -> dict[str, str]:
        """The form fields of a transcription, without the file."""
        dialect = self.dialect
        fields = dict(dialect.timed if times and dialect.timed is not None else dialect.plain)
        if dialect.sends_model and self.model:
            fields["model"] = self.model
        if dialect.language is LanguageUse.BASE and language:
            fields["language"] = base_language(language)
        elif dialect.language is LanguageUse.REGION_REQUIRED:
            # NIM answers 400 without a language; "multi" lets its multilingual model detect it.
            fields["language"] = normalize_language(language) if language else "multi"
        return fields


def read_openai(document: Json) -> Transcript:
    """OpenAI's json and verbose_json."""
    if not isinstance(document, dict) or not isinstance(document["text"], str):
        raise TypeError("no text")
    language = document.get("language")
    return Transcript(
        text=document["text"].strip(),
        language=language if isinstance(language, str) else None,
        segments=_read_times(document.get("segments"), "text", Segment),
        words=_read_times(document.get("words"), "word", Word),
    )


def _read_times[T: (Segment, Word)](items: Json, key: str, kind: type[T]) -> tuple[T, ...] | None:
    if not isinstance(items, list):
        return None
    return tuple(_read_time(item, key, kind) for item in items)


def _read_time[T: (Segment, Word)](item: Json, key: str, kind: type[T]) -> T:
    if isinstance(item, dict):
        text, start, end = item[key], item["start"], item["end"]
        if isinstance(text, str) and isinstance(start, int | float) and isinstance(end, int | float):
            return kind(text.strip(), float(start), float(end))
    raise TypeError(f"{kind.__name__} without text or times")


OPENAI = ParakeetDialect(
    name="openai",
    language=LanguageUse.BASE,
    plain={"response_format": "json"},
    timed={"response_format": "verbose_json"},
    read=read_openai,
    recognise=lambda _: True,
)
"""OpenAI's contract as written, and the fallback for a server that nothing else fits."""

NIM = ParakeetDialect(
    name="nim",
    language=LanguageUse.REGION_REQUIRED,
    sends_model=False,
    plain={"response_format": "json"},
    read=read_openai,
    recognise=lambda answers: answers.exists("/v1/health/ready") and not answers.exists("/v1/models"),
)
"""NVIDIA Riva and Speech NIM: text only, no model list, language required."""

DIALECTS = (NIM, OPENAI)
"""In the order in which they are tried."""

_PROBED = ("/v1/models", "/v1/health/ready", "/health")


async def identify(transport: Transport) -> ParakeetServer:
    """Find out which server this is. Raises Unreachable, TimedOut or Unauthorized where it cannot be asked."""
    answers = await probe(transport, _PROBED)
    dialect = next(dialect for dialect in DIALECTS if dialect.recognise(answers))
    return ParakeetServer(dialect, answers.model_ids())
