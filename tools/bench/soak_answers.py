"""Whether an answer with status 200 is whole: decoded, and as long as it must be. Pure."""

import base64
import json
from collections.abc import Iterator

from embedded_spark.garbage import SECONDS_PER_CHARACTER
from spark_engine.models import SAMPLE_RATE
from spark_engine.speech.audio import read_wav

from tools.stack.errors import ToolError
from tools.stack.spoken import decoded_seconds

SLACK = 0.1
"""Seconds that a codec's frames may take away; they add up to as much, and silence at both ends."""


class Incomplete(Exception):
    """An answer that says it is one, and is not whole; the message says what is wrong."""


class Told(Exception):
    """An error that was said within a stream: the caller knows."""


def check_speech(audio: bytes, audio_format: str, sentences: tuple[str, ...]) -> None:
    """Check speech of these sentences, of a voice that takes the same time for each character. Raises Incomplete."""
    sounding = seconds_of(audio, audio_format)
    # Sentences are spoken together or each for itself: the spaces between them are spoken or not.
    characters = sum(map(len, sentences))
    least = characters * SECONDS_PER_CHARACTER - SLACK
    most = (characters + 2 * len(sentences)) * SECONDS_PER_CHARACTER + 2 * SLACK
    if not least <= sounding <= most:
        raise Incomplete(f"speech sounds {sounding:.2f} s, not {least:.2f} to {most:.2f}")


def seconds_of(audio: bytes, audio_format: str) -> float:
    """Return how long it sounds, decoded. Raises Incomplete for what cannot be decoded."""
    try:
        return read_wav(audio).seconds if audio_format == "wav" else decoded_seconds(audio, audio_format)
    except (ValueError, ToolError) as err:
        raise Incomplete(f"{audio_format} of {len(audio)} bytes cannot be decoded") from err


def check_transcript(text: str, seconds: float, *, codec_adds: float = 0.0) -> None:
    """Check words of a recogniser that tells how many samples it heard: together they are the recording.

    `codec_adds` in seconds. Raises Incomplete.
    """
    try:
        heard = sum(map(int, text.replace("samples", "").split()))
    except ValueError as err:
        raise Incomplete("the transcript has other words than the recogniser's") from err
    least = round(seconds * SAMPLE_RATE)
    if not least <= heard <= least + round(codec_adds * SAMPLE_RATE):
        raise Incomplete(f"of {least} samples {heard} were heard")


def document_of(body: bytes) -> object:
    """Return the JSON document. Raises Incomplete for what is none."""
    try:
        return json.loads(body)
    except ValueError as err:
        raise Incomplete("the answer is not JSON") from err


def text_of(body: bytes) -> str:
    """Return the text of a transcript. Raises Incomplete."""
    match document_of(body):
        case {"text": str(text)}:
            return text
    raise Incomplete("the transcript has no text")


def read_events(body: bytes) -> Iterator[object]:
    """Yield the documents of server-sent events. Raises Incomplete for what is none, Told where one is an error."""
    for event in body.decode(errors="replace").split("\n\n"):
        if data := "".join(line.removeprefix("data: ") for line in event.splitlines() if line.startswith("data: ")):
            match document_of(data.encode()):
                case {"error": error}:
                    raise Told(str(error))
                case document:
                    yield document


def spoken_events(body: bytes) -> bytes:
    """Return the audio in the events of speech. Raises Incomplete where the end is missing, Told."""
    audio, is_done = b"", False
    for document in read_events(body):
        match document:
            case {"type": "speech.audio.delta", "audio": str(piece)}:
                audio += base64.b64decode(piece)
            case {"type": "speech.audio.done"}:
                is_done = True
    if not is_done:
        raise Incomplete("the events of speech have no end")
    return audio


def heard_events(body: bytes) -> str:
    """Return the text in the events of a transcript. Raises Incomplete, Told."""
    deltas, whole = "", None
    for document in read_events(body):
        match document:
            case {"type": "transcript.text.delta", "delta": str(delta)}:
                deltas += delta
            case {"type": "transcript.text.done", "text": str(text)}:
                whole = text
    if whole is None:
        raise Incomplete("the events of a transcript have no end")
    if deltas != whole:
        raise Incomplete("the pieces of a transcript are not its whole")
    return whole
