"""Speech to text: audio to Transcript, in the dialect that the server speaks."""

from collections.abc import AsyncGenerator, AsyncIterable, Sequence
from contextlib import aclosing, suppress
from dataclasses import replace

from ..errors import Rejected, ServerFault, SparkError, Unauthorized
from ..models import SAMPLE_RATE, AudioSource, Service, Transcript
from ..speech.audio import wav_header
from .bodies import AudioFile, Fields, form_body
from .identification import Identification
from .live import hear_live
from .other_kinds import denies, wrong_server
from .parakeet_dialects import OPENAI, ParakeetServer, identify
from .transport import Reply, Transport

_REFUSED_FIELDS = (400, 422)
"""Where times are asked for, the server may have none: the recording, a plain WAV, is hardly ever at fault."""


class Parakeet:
    """A Parakeet server. Identified at the first call, and again after it was away."""

    def __init__(self, transport: Transport) -> None:
        """Send nothing yet."""
        self.transport = transport
        self.identification = Identification(
            f"Parakeet at {transport.base_url}", lambda: identify(transport), transport.deadlines.list_kept
        )

    async def server(self) -> ParakeetServer:
        """Return what the server is, probed once and remembered until it was away. Raises SparkError."""
        return await self.identification.server()

    async def is_asleep(self) -> bool:
        """Return whether the server says that it has unloaded its model. Does not wake it. Raises SparkError."""
        server = await self.server()
        sleep, model = server.dialect.sleep, server.model
        # Where there is no model, none sleeps.
        return sleep is not None and model is not None and await sleep.is_asleep(self.transport, model)

    async def transcribe(
        self,
        audio: AudioSource,
        *,
        language: str | None = None,
        times: bool = False,
        hints: Sequence[str] = (),
        load_seconds: float = 0.0,
    ) -> Transcript:
        """Return the transcript of 16 kHz s16le mono audio; `times` asks for segments and words where there are any.

        Audio that is still arriving is sent on as it comes: see that it does soon, since the deadline covers that, too.
        `language` is a BCP-47 tag or None for automatic. `hints` are words to expect, where a server takes them.
        `load_seconds` is allowed for the server to load its model.
        Raises SparkError, ValueError for any other sample rate.
        """
        if audio.sample_rate != SAMPLE_RATE:
            raise ValueError(f"Parakeet takes {SAMPLE_RATE} Hz, not {audio.sample_rate} Hz")
        server, doubt = await self._server_to_ask()
        with self.identification.forgetting():
            try:
                if server.only_live:
                    return await self._whole_live(server, audio, language, load_seconds)
                return await self._transcribe_with_hints(server, audio, hints, load_seconds, language, times=times)
            except SparkError as err:
                if server.live and not server.has_heard and _may_have_no_offline_model(err):
                    with suppress(SparkError):
                        return await self._whole_live(server, audio, language, load_seconds)
                # A refusal may be this recording's; an answer of another kind means another server, whatever was there.
                if not denies(err) or (server.is_certain and isinstance(err, Rejected)):
                    raise
                if known := await wrong_server(self.transport, Service.PARAKEET) or doubt:
                    raise known from err
                raise

    @property
    def hears_live(self) -> bool:
        """Return whether it is known that it may be asked to hear live."""
        known = self.identification.known
        return known is not None and known.live is not None

    async def transcribe_live(
        self,
        audio: AsyncIterable[bytes],
        *,
        language: str | None = None,
        longest_wait: float | None = None,
        load_seconds: float = 0.0,
    ) -> AsyncGenerator[Transcript]:
        """Yield all words so far while they are spoken, and the whole transcript last.

        `audio` is 16 kHz s16le mono PCM as it comes; once it has ended, the transcript has to come within
        `longest_wait` seconds, where that is sooner than any transcription. Raises SparkError: Rejected where the
        server does not hear live, which is remembered.
        """
        server = await self.server()
        if server.live is None:
            raise Rejected("The server does not hear live.")
        has_heard = False
        with self.identification.forgetting():
            try:
                pieces = hear_live(
                    server.live,
                    self.transport,
                    audio,
                    language,
                    longest_wait=longest_wait,
                    load_seconds=load_seconds,
                )
                async with aclosing(pieces):
                    async for so_far in pieces:
                        has_heard = True
                        yield so_far
            except Rejected:
                if not has_heard:
                    self.identification.learned(server, replace(server, live=None))
                raise

    async def _whole_live(
        self, server: ParakeetServer, audio: AudioSource, language: str | None, load_seconds: float
    ) -> Transcript:
        """Return the transcript of a whole recording from a server that hears live alone. Raises SparkError."""
        transcript = Transcript("")
        async with aclosing(
            self.transcribe_live(audio.blocks(), language=language, load_seconds=load_seconds)
        ) as pieces:
            async for so_far in pieces:
                transcript = so_far
        if not server.only_live:
            self.identification.learned(server, replace(server, has_heard=True, only_live=True))
        return transcript

    async def _server_to_ask(self) -> tuple[ParakeetServer, Unauthorized | None]:
        """Return what the server is; where its pages are kept from us, a guess and how they are.

        A gateway may refuse all pages and pass the one request that counts.
        """
        try:
            return await self.server(), None
        except Unauthorized as err:
            return ParakeetServer(OPENAI), err

    async def _transcribe_with_hints(
        self,
        server: ParakeetServer,
        audio: AudioSource,
        hints: Sequence[str],
        load_seconds: float,
        language: str | None,
        *,
        times: bool,
    ) -> Transcript:
        """Ask without hints where the server refuses them, and remember that."""
        plain = server.ways(language, times=times)
        if not hints or (hinted := server.ways(language, times=times, hints=hints)) == plain:
            return await self._transcribe(server, audio, plain, load_seconds)
        try:
            return await self._transcribe(server, audio, hinted, load_seconds)
        except Rejected as err:
            if err.status not in _REFUSED_FIELDS:
                raise
        without = replace(server, refuses_hints=True)
        self.identification.learned(server, without)
        return await self._transcribe(without, audio, plain, load_seconds)

    async def _transcribe(
        self, server: ParakeetServer, audio: AudioSource, ways: list[Fields], load_seconds: float
    ) -> Transcript:
        """Ask in each way until the server takes one."""
        *timed, plain = ways
        for refused, fields in enumerate(timed):
            try:
                reply = await self._post(server, audio, fields, load_seconds)
            except Rejected as err:
                if err.status not in _REFUSED_FIELDS:
                    raise
            else:
                return self._heard(server, reply, refused)
        return self._heard(server, await self._post(server, audio, plain, load_seconds), len(timed))

    def _heard(self, server: ParakeetServer, reply: Reply, refused: int) -> Transcript:
        """Return the transcript, and remember that the server can hear and how many ways it has refused just now."""
        transcript = _read(server, reply)
        if refused or not server.has_heard:
            self.identification.learned(server, replace(server, refused=server.refused + refused, has_heard=True))
        return transcript

    async def _post(self, server: ParakeetServer, audio: AudioSource, fields: Fields, load_seconds: float) -> Reply:
        file = AudioFile("file", "audio.wav", "audio/wav", wav_header(audio.sample_rate, audio.size), audio)
        deadlines = self.transport.deadlines
        deadline = deadlines.transcription + deadlines.transcription_per_second * audio.seconds
        return await self.transport.post(server.dialect.path, form_body(fields, file), deadline=deadline + load_seconds)


def _may_have_no_offline_model(err: SparkError) -> bool:
    """Return whether a streaming NIM answers like this: it has a route for whole recordings, and no model for them."""
    return isinstance(err, Rejected) or (isinstance(err, ServerFault) and "offline" in err.message.lower())


def _read(server: ParakeetServer, reply: Reply) -> Transcript:
    try:
        return server.dialect.read(reply.json())
    except (KeyError, TypeError, ValueError) as err:
        raise ServerFault("The server's answer holds no transcript; is this a Parakeet?", status=reply.status) from err
