"""Text to speech: text to a stream of PCM, in the dialect that the server speaks; and its voices."""

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing

from ..errors import ServerFault
from ..models import Audio, SpeechStyle, Voice
from ..speech.audio import CLICK, SampleFramer, WavReader, longest_plausible_speech, shortest_plausible_speech
from .magpie_dialects import MagpieServer, identify
from .probe import Identification
from .transport import Transport

LOGGER = logging.getLogger(__name__)


class Magpie:
    """A Magpie server. Identified at the first call, and again after it was away."""

    def __init__(self, transport: Transport) -> None:
        """Send nothing yet."""
        self.transport = transport
        self.identification = Identification(self._identify)

    async def _identify(self) -> MagpieServer:
        server = await identify(self.transport)
        LOGGER.info("Magpie at %s speaks %s", self.transport.base_url, server)
        return server

    async def server(self) -> MagpieServer:
        """Return what the server is and which voices it has, probed once and remembered until it was away.

        One without voices is not remembered: its model may still be loading. Raises SparkError.
        """
        server = await self.identification.server()
        if not server.voices:
            self.identification.forget()
        return server

    async def voices(self) -> tuple[Voice, ...]:
        """Return the voices of the server, as remembered. Raises SparkError."""
        return (await self.server()).voices

    async def is_asleep(self) -> bool:
        """Return whether the server says that it has unloaded its model. Raises SparkError."""
        return False

    async def synthesize(self, text: str, style: SpeechStyle, *, load_seconds: float = 0.0) -> AsyncGenerator[Audio]:
        """Yield one utterance as s16le mono PCM, in pieces of whole samples, as they are made.

        Raises SparkError: before the first piece where nothing came, after the last where speech was cut short.
        """
        server = await self.server()
        request = server.request(text, style)
        deadlines = self.transport.deadlines
        idle = deadlines.speech_idle if server.dialect.streams else deadlines.buffered_speech_idle
        wav, framer, seconds, held = WavReader(), SampleFramer(), 0.0, b""
        with self.identification.forgetting():
            async with aclosing(self.transport.stream(request.path, request.body, idle=idle + load_seconds)) as pieces:
                async for piece in pieces:
                    sample_rate = request.sample_rate
                    if sample_rate is None:
                        piece, sample_rate = _unwrap(wav, piece)
                    if not (pcm := framer.feed(piece)):
                        continue
                    held += pcm
                    seconds += Audio(pcm, sample_rate).seconds
                    if seconds > longest_plausible_speech(text):
                        raise ServerFault(f"Magpie does not stop speaking {len(text)} characters.")
                    # A click is held back: an answer that is cut there must be an error, not a sound.
                    if seconds >= CLICK:
                        yield Audio(held, sample_rate)
                        held = b""
        if seconds < shortest_plausible_speech(text):
            raise ServerFault(f"Magpie answered {len(text)} characters with {seconds:.2f} s of audio.")


def _unwrap(wav: WavReader, piece: bytes) -> tuple[bytes, int]:
    """Return samples and sample rate out of a piece of WAV; no samples yet within the header."""
    try:
        samples = wav.feed(piece)
    except ValueError as err:
        raise ServerFault(f"Magpie's answer is {err}; is this a Magpie?") from err
    if wav.format is not None and not wav.format.is_s16_mono:
        raise ServerFault(f"Magpie's answer is not 16-bit mono PCM: {wav.format}")
    return samples, wav.format.sample_rate if wav.format else 0
