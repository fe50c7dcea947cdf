"""A text that is spoken through the proxy, and how long the speech is."""

from io import BytesIO

from spark_audio_proxy.transcode.decode import decode

from tests.fakes.magpie import SECONDS_PER_CHARACTER

TEXT = "The kitchen light is on. The door is closed."
SECONDS = 43 * SECONDS_PER_CHARACTER


def seconds_in(audio: bytes) -> float:
    """Length of an encoded clip, counted from its samples."""
    return sum(map(len, decode(BytesIO(audio)))) / 2 / 16_000
