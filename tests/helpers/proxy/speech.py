"""A text that is spoken through the proxy, and how long the speech is."""

from tests.fakes.magpie import SECONDS_PER_CHARACTER
from tests.helpers.proxy.decoding import decoded

TEXT = "The kitchen light is on. The door is closed."
SECONDS = 43 * SECONDS_PER_CHARACTER


def seconds_in(audio: bytes) -> float:
    """Length of an encoded clip, counted from its samples."""
    return decoded(audio).seconds
