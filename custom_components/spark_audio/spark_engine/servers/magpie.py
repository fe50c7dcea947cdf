"""Text to speech: text to a stream of PCM, in the dialect that the server speaks; and its voices."""

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing

from ..errors import Rejected, ServerFault, SparkError, Unauthorized
from ..models import HIGHEST_RATE, LOWEST_RATE, Audio, Service, SpeechStyle, Voice
from ..speech.audio import CLICK, SampleFramer, WavReader, longest_plausible_speech, shortest_plausible_speech
from ..speech.replacements import AS_WRITTEN, Rewrite
from ..speech.voices import find_voice, short_ids
from .bodies import json_body
from .identification import Identification
from .magpie_dialects import OPENAI, PROBED, SPEECH, MagpieServer, SynthesisRequest, recognise
from .other_kinds import denies, wrong_server
from .probe import Answers, probe
from .transport import Transport

LOGGER = logging.getLogger(__name__)

LARGEST_SPEECH = 16 << 20
"""Bytes of one utterance: three minutes at 44.1 kHz, several times what the longest one takes to speak."""

_UNDERSTOOD = (400, 422)
"""What an empty request for speech is answered with where the route is there."""

LISTED_VOICES = 30
"""Voices that the log names where one is asked for that is not there."""

REMEMBERED_MISSES = 50
"""Unknown voices that are logged: their names are the callers'."""


class Magpie:
    """A Magpie server. Identified at the first call, and again after it was away."""

    def __init__(self, transport: Transport) -> None:
        """Send nothing yet."""
        self.transport = transport
        self._missed: set[str] = set()
        self._has_told_of_ipa = False
        self.identification = Identification(
            f"Magpie at {transport.base_url}", self._identify, transport.deadlines.list_kept
        )

    async def _identify(self) -> MagpieServer:
        answers = await probe(self.transport, PROBED)
        try:
            server = recognise(answers)
        except Unauthorized as err:
            if not answers.are_all_refused():
                raise
            # A gateway may refuse all pages and pass the one request that counts.
            return await self._ask_by_post(answers, doubt=err)
        return server or await self._ask_by_post(answers)

    async def _ask_by_post(self, answers: Answers, doubt: Unauthorized | None = None) -> MagpieServer:
        """Return what the server is by what it says to a request without a text, which needs no inference.

        Some answer 404 to the GET of a route for POST. Raises SparkError.
        """
        try:
            reply = await self.transport.post(SPEECH, json_body({}), deadline=self.transport.deadlines.page)
        except SparkError as err:
            if denies(err):
                raise await self._no_magpie(answers, doubt) from err
            if err.status not in _UNDERSTOOD:
                raise
        else:
            if not reply.content_type.startswith("audio/"):
                raise await self._no_magpie(answers, doubt)
        return MagpieServer(OPENAI, OPENAI.read(answers), answers.version())

    async def _no_magpie(self, answers: Answers, doubt: Unauthorized | None) -> SparkError:
        """Return what is wrong. No fault: the server is in good health, and no restart will change what it is."""
        known = doubt or answers.redirect() or await wrong_server(self.transport, Service.MAGPIE)
        return known or Rejected("The server does not answer like any Magpie that is known.", status=404)

    async def server(self) -> MagpieServer:
        """Return what the server is and which voices it has, probed once and remembered until it was away.

        One without voices is not remembered: its model may still be loading. Raises SparkError.
        """
        return await self.identification.server()

    async def voices(self) -> tuple[Voice, ...]:
        """Return the voices of the server, as remembered. Raises SparkError."""
        return (await self.server()).voices

    async def is_asleep(self) -> bool:
        """Return whether the server says that it has unloaded its model. Does not wake it. Raises SparkError."""
        server = await self.server()
        sleep = server.dialect.sleep
        return sleep is not None and await sleep.is_asleep(self.transport, server.model)

    async def synthesize(
        self, text: str, style: SpeechStyle, *, rewrite: Rewrite = AS_WRITTEN, load_seconds: float = 0.0
    ) -> AsyncGenerator[Audio]:
        """Yield one utterance as s16le mono PCM, in pieces of whole samples, as they are made.

        `rewrite` tells how words are pronounced, where the server reads that: where it refuses, they are spoken as they
        are written. Raises SparkError: before the first piece where nothing came, after the last where speech was cut
        short.
        """
        server = await self.server()
        self._miss(style, server)
        if self._is_pronounced(text, rewrite, server):
            try:
                request = server.request(text, style, rewrite)
                async with aclosing(self._speech(text, server, request, load_seconds)) as pieces:
                    async for audio in pieces:
                        yield audio
            except Rejected as err:
                self._tell_of_ipa(f"refuses a pronunciation ({err})")
            else:
                return
        request = server.request(text, style)
        async with aclosing(self._speech(text, server, request, load_seconds)) as pieces:
            async for audio in pieces:
                yield audio

    async def _speech(
        self, text: str, server: MagpieServer, request: SynthesisRequest, load_seconds: float
    ) -> AsyncGenerator[Audio]:
        deadlines = self.transport.deadlines
        idle = deadlines.speech_idle if server.dialect.streams else deadlines.buffered_speech_idle
        wav, framer, seconds, size, held = WavReader(), SampleFramer(), 0.0, 0, b""
        with self.identification.forgetting():
            async with aclosing(self.transport.stream(request.path, request.body, idle=idle + load_seconds)) as pieces:
                async for piece in pieces:
                    sample_rate = request.sample_rate
                    if sample_rate is None:
                        piece, sample_rate = _unwrap(wav, piece)
                    if not (pcm := framer.feed(piece)):
                        continue
                    held += pcm
                    size += len(pcm)
                    seconds += Audio(pcm, sample_rate).seconds
                    if seconds > longest_plausible_speech(text) or size > LARGEST_SPEECH:
                        raise ServerFault(f"Magpie does not stop speaking {len(text)} characters.")
                    # A click is held back: an answer that is cut there must be an error, not a sound.
                    if seconds >= CLICK:
                        yield Audio(held, sample_rate)
                        held = b""
        if seconds < shortest_plausible_speech(text):
            raise ServerFault(f"Magpie answered {len(text)} characters with {seconds:.2f} s of audio.")

    def _is_pronounced(self, text: str, rewrite: Rewrite, server: MagpieServer) -> bool:
        """Return whether the server is told how words of the text are pronounced."""
        has_ipa = any(sound.ipa for sound in rewrite.sounds(text))
        if has_ipa and not server.dialect.reads_ipa:
            self._tell_of_ipa("takes no pronunciations")
        return has_ipa and server.dialect.reads_ipa

    def _tell_of_ipa(self, what: str) -> None:
        if not self._has_told_of_ipa:
            self._has_told_of_ipa = True
            LOGGER.warning("Magpie at %s %s; words with IPA are spoken as written", self.transport.base_url, what)

    def _miss(self, style: SpeechStyle, server: MagpieServer) -> None:
        """Log a voice that the server does not have, once: the default one speaks instead."""
        wanted = style.voice
        if not wanted or wanted in self._missed or find_voice(server.voices, wanted, style.language):
            return
        if len(self._missed) < REMEMBERED_MISSES:
            self._missed.add(wanted)
            there_are = ", ".join(list(short_ids(server.voices))[:LISTED_VOICES])
            LOGGER.warning("Magpie has no voice %r; the default voice speaks. There are: %s", wanted[:100], there_are)


def _unwrap(wav: WavReader, piece: bytes) -> tuple[bytes, int]:
    """Return samples and sample rate out of a piece of WAV; no samples yet within the header."""
    try:
        samples = wav.feed(piece)
    except ValueError as err:
        raise ServerFault(f"Magpie's answer is {err}; is this a Magpie?") from err
    if wav.format is not None:
        if not wav.format.is_s16_mono:
            raise ServerFault(f"Magpie's answer is not 16-bit mono PCM: {wav.format}")
        if not LOWEST_RATE <= wav.format.sample_rate <= HIGHEST_RATE:
            raise ServerFault(f"Magpie's answer claims {wav.format.sample_rate} samples a second.")
    return samples, wav.format.sample_rate if wav.format else 0
