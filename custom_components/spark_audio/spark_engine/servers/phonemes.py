"""Pronunciations for a NIM, which takes SSML as text (docs.nvidia.com/nim/speech/latest/tts/customization.html).

Text that is no XML, or that has another root than `<speak>`, is read aloud as it is. Of the tags, only `<phoneme>` is
in every version.
"""

import re
from collections.abc import Sequence
from xml.sax.saxutils import escape, quoteattr

from ..speech.replacements import Sound

_NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML cannot hold (XML 1.0, 2.2)."""


def as_ssml(sounds: Sequence[Sound]) -> str:
    """Return plain text where no pronunciation is told, else a document of SSML."""
    if not any(sound.ipa for sound in sounds):
        return "".join(sound.text for sound in sounds)
    return f"<speak>{''.join(map(_element, sounds))}</speak>"


def _element(sound: Sound) -> str:
    text = escape(_NO_XML.sub("", sound.text))
    return f"<phoneme alphabet='ipa' ph={quoteattr(_NO_XML.sub('', sound.ipa))}>{text}</phoneme>" if sound.ipa else text
