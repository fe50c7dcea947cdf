"""Hear: audio to Transcript, in the dialect that the server speaks."""

import logging

from ..errors import ServerFault
from ..models import SAMPLE_RATE, Audio, Transcript
from ..speech.arriving_audio import IncomingAudio
from ..speech.audio import wav_header
from .bodies import FilePart, form_body
from .parakeet_dialects import ParakeetServer, identify
from .probe import Known
from .transport import Transport

LOGGER = logging.getLogger(__name__)

BASE_DEADLINE = 15.0
DEADLINE_PER_SECOND = 0.25
"""A transcription may take 15 s and a quarter of the audio's length: slow and busy boxes pass, a hang fails."""


class Parakeet:
    """A Parakeet server. Found out about at the first call, and again after it was away."""

    def __init__(self, transport: Transport) -> None:
        """Nothing is sent yet."""
        self.transport = transport
        self._known = Known(self._identify)

    async def _identify(self) -> ParakeetServer:
        server = await identify(self.transport)
        LOGGER.info("Parakeet at %s speaks %s", self.transport.base_url, server)
        return server

    async def server(self) -> ParakeetServer:
        """What the server is, probed once and remembered until it was away. Raises SparkError."""
        return await self._known.server()

    def forget(self) -> None:
        """Probe again at the next call: another image may have been started."""
        self._known.forget()

    async def transcribe(
        self, audio: Audio | IncomingAudio, *, language: str | None = None, times: bool = False
    ) -> Transcript:
        """The transcript of 16 kHz s16le mono audio; `times` asks for segments and words where the server has them.

        Audio that is still coming is sent on as it comes: see that it does soon, since the deadline covers that, too.
        `language` is a BCP-47 tag or None for automatic. Raises SparkError, ValueError for any other sample rate.
        """
        if audio.sample_rate != SAMPLE_RATE:
            raise ValueError(f"Parakeet takes {SAMPLE_RATE} Hz, not {audio.sample_rate} Hz")
        server = await self.server()
        data, size = (audio, audio.size) if isinstance(audio, IncomingAudio) else (audio.pcm, len(audio.pcm))
        header = wav_header(audio.sample_rate, size)
        file = FilePart("file", "audio.wav", "audio/wav", data, header)
        body = form_body(server.fields(language, times=times), file)
        with self._known.asked():
            reply = await self.transport.post(
                server.dialect.path, body, deadline=BASE_DEADLINE + DEADLINE_PER_SECOND * audio.seconds
            )
        try:
            return server.dialect.read(reply.json())
        except (KeyError, TypeError, ValueError) as err:
            raise ServerFault(
                "The server's answer holds no transcript; is this a Parakeet?", status=reply.status
            ) from err
