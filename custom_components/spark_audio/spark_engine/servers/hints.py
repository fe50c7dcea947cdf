"""Words that a recogniser should expect, as each family of servers takes them: as form fields. Pure."""

import json
from collections.abc import Callable, Sequence

from .bodies import Fields

MOST_HINTS = 100
"""Words of one request: more of them make a recogniser hear them everywhere."""

CTC_BOOST, BOOST = 9.0, 2.5
"""What NeMo-Speech.cpp advises for models of either kind."""

type Hints = Callable[[Sequence[str], str | None], Fields]
"""(words, model) -> the form fields that tell a server to expect them; none where it takes none."""


def no_hints(_words: Sequence[str], _model: str | None) -> Fields:
    """Return no fields."""
    return {}


def as_keywords(words: Sequence[str], _model: str | None) -> Fields:
    """Return the field of our own proxy."""
    return {"keywords": _joined(words)}


def as_hotwords(words: Sequence[str], _model: str | None) -> Fields:
    """Return the field of CrispASR and parakeet-api."""
    return {"hotwords": _joined(words)}


def as_contexts(words: Sequence[str], model: str | None) -> Fields:
    """Return the field of NeMo-Speech.cpp, as in NVIDIA's Riva. Parakeet TDT ignores it."""
    boost = CTC_BOOST if "ctc" in (model or "").lower() else BOOST
    return {"speech_contexts": json.dumps([{"phrases": list(words[:MOST_HINTS]), "boost": boost}])}


def as_prompt(words: Sequence[str], model: str | None) -> Fields:
    """Return the prompt of OpenAI's contract, for models that are known to read it."""
    reads = any(kind in (model or "").lower() for kind in ("whisper", "transcribe"))
    return {"prompt": _joined(words)} if reads else {}


def _joined(words: Sequence[str]) -> str:
    return ", ".join(word.replace(",", " ") for word in words[:MOST_HINTS])
