"""Words that a caller expects in a transcript: names that Parakeet does not know. Pure."""

import re

from spark_audio_proxy.problems import bad_request
from spark_audio_proxy.uploads.form import Form

MOST_KEYWORDS = 500

LONGEST_KEYWORD = 200
"""Characters of a keyword: comparing takes time in their number, and no name is as long."""

LONGEST_NAME = 5
"""Words of one name in a prompt that is a list of names."""

_SEPARATORS = re.compile(r"[,;\n]+")
_AROUND = " \t\r[]\"'"
"""What stands around a word of a list, also where that is JSON."""

_SENTENCE = re.compile(r"[.!?](?:\s|$)")


def read_keywords(form: Form) -> tuple[str, ...]:
    """Return the words of `keywords`, and those of a `prompt` that is a plain list.

    Raises Problem 400 for too many, or one that is too long.

    Any other prompt is text for a model to go on from, which Parakeet does not do.
    """
    words = [word for value in form.given("keywords") for word in _listed(value)]
    words += _names(form.first("prompt") or "")
    if len(words) > MOST_KEYWORDS:
        raise bad_request(f"`keywords` holds more than {MOST_KEYWORDS} words.", "keywords")
    if any(len(word) > LONGEST_KEYWORD for word in words):
        raise bad_request(f"`keywords` holds one of more than {LONGEST_KEYWORD} characters.", "keywords")
    return tuple(dict.fromkeys(words))


def _names(prompt: str) -> list[str]:
    names = _listed(prompt.removesuffix("."))
    is_list = len(names) > 1 and not _SENTENCE.search(prompt.removesuffix("."))
    return names if is_list and all(map(_is_name, names)) else []


def _is_name(text: str) -> bool:
    return len(text) <= LONGEST_KEYWORD and len(text.split()) <= LONGEST_NAME


def _listed(value: str) -> list[str]:
    return [word for part in _SEPARATORS.split(value) if (word := part.strip(_AROUND))]
