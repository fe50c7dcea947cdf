"""Words that a caller expects in a transcript: names that Parakeet does not know. Pure."""

import re

from spark_audio_proxy.problems import bad_request
from spark_audio_proxy.uploads.form import Form

MOST_KEYWORDS = 500

LONGEST_NAME = 5
"""Words of one name in a prompt that is a list of names."""

_SEPARATORS = re.compile(r"[,;\n]+")
_SENTENCE = re.compile(r"[.!?](?:\s|$)")


def read_keywords(form: Form) -> tuple[str, ...]:
    """Return the words of `keywords`, and those of a `prompt` that is a plain list. Raises Problem 400 for too many.

    Any other prompt is text for a model to go on from, which Parakeet does not do.
    """
    words = [word for value in form.fields.get("keywords", ()) for word in _listed(value)]
    words += _names(form.first("prompt") or "")
    if len(words) > MOST_KEYWORDS:
        raise bad_request(f"`keywords` holds more than {MOST_KEYWORDS} words.", "keywords")
    return tuple(dict.fromkeys(words))


def _names(prompt: str) -> list[str]:
    names = _listed(prompt.strip().removesuffix("."))
    is_list = len(names) > 1 and not _SENTENCE.search(prompt.strip().removesuffix("."))
    return names if is_list and all(len(name.split()) <= LONGEST_NAME for name in names) else []


def _listed(value: str) -> list[str]:
    return [word for part in _SEPARATORS.split(value) if (word := part.strip())]
