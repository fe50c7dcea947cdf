"""Speech to text: audio to Transcript, in the dialect that the server speaks."""

import logging

from ..errors import ServerFault
from ..models import SAMPLE_RATE, AudioSource, Transcript
from ..speech.audio import wav_header
from .bodies import AudioFile, form_body
from .parakeet_dialects import ParakeetServer, identify
from .probe import Identification
from .transport import Transport

LOGGER = logging.getLogger(__name__)


class Parakeet:
    """A Parakeet server. Identified at the first call, and again after it was away."""

    def __init__(self, transport: Transport) -> None:
        """Send nothing yet."""
        self.transport = transport
        self.identification = Identification(self._identify)

    async def _identify(self) -> ParakeetServer:
        server = await identify(self.transport)
        LOGGER.info("Parakeet at %s speaks %s", self.transport.base_url, server)
        return server

    async def server(self) -> ParakeetServer:
        """Return what the server is, probed once and remembered until it was away. Raises SparkError."""
        return await self.identification.server()

    async def is_asleep(self) -> bool:
        """Return whether the server says that it has unloaded its model. Raises SparkError."""
        return False

    async def transcribe(
        self, audio: AudioSource, *, language: str | None = None, times: bool = False, load_seconds: float = 0.0
    ) -> Transcript:
        """Return the transcript of 16 kHz s16le mono audio; `times` asks for segments and words where there are any.

        Audio that is still arriving is sent on as it comes: see that it does soon, since the deadline covers that, too.
        `language` is a BCP-47 tag or None for automatic. Raises SparkError, ValueError for any other sample rate.
        """
        if audio.sample_rate != SAMPLE_RATE:
            raise ValueError(f"Parakeet takes {SAMPLE_RATE} Hz, not {audio.sample_rate} Hz")
        server = await self.server()
        file = AudioFile("file", "audio.wav", "audio/wav", wav_header(audio.sample_rate, audio.size), audio)
        body = form_body(server.fields(language, times=times), file)
        with self.identification.forgetting():
            reply = await self.transport.post(
                server.dialect.path, body, deadline=self._deadline(audio.seconds) + load_seconds
            )
        try:
            return server.dialect.read(reply.json())
        except (KeyError, TypeError, ValueError) as err:
            raise ServerFault(
                "The server's answer holds no transcript; is this a Parakeet?", status=reply.status
            ) from err

    def _deadline(self, seconds: float) -> float:
        deadlines = self.transport.deadlines
        return deadlines.transcription + deadlines.transcription_per_second * seconds
