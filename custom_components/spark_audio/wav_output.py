"""Speech in the form in which a player asks for it.

From 2026.11 on Home Assistant converts only to what an engine does not claim to know: everything is claimed, and made
here, so that players get exactly what they ask for however they ask.

Before, Home Assistant converts wherever a rate, channels, a width or a bitrate is asked for, whatever an engine claims.
It gets a WAV file for that. It lets ffmpeg read the file, and ffmpeg holds back the first 64 KiB: 0.74 s of 44.1 kHz
speech in 16-bit samples, 0.19 s of the same speech in 64-bit ones. Mono either way: an MP3 has the channels of what it
was made from. AAC it cannot make: it names the format to ffmpeg by its file extension, and ffmpeg knows files of AAC
as `adts` alone.
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Self

from homeassistant.components import tts
from homeassistant.components.tts import (
    ATTR_PREFERRED_BITRATE,
    ATTR_PREFERRED_FORMAT,
    ATTR_PREFERRED_SAMPLE_BYTES,
    ATTR_PREFERRED_SAMPLE_CHANNELS,
    ATTR_PREFERRED_SAMPLE_RATE,
    TTSAudioResponse,
)

from .ffmpeg_pipe import speech_through_ffmpeg, through_ffmpeg
from .spark_engine.models import SAMPLE_WIDTH, Audio
from .spark_engine.speech.audio import WIDE, wav_header, widened

_DETAILS = (
    ATTR_PREFERRED_SAMPLE_RATE,
    ATTR_PREFERRED_SAMPLE_CHANNELS,
    ATTR_PREFERRED_SAMPLE_BYTES,
    ATTR_PREFERRED_BITRATE,
)
PREFERRED = (ATTR_PREFERRED_FORMAT, *_DETAILS)
"""The options by which players say what they want. Home Assistant keeps from an engine those that it does not know."""

IS_OURS = hasattr(tts, "PcmFormat")
"""Whether Home Assistant leaves it to the engine to make what a player asks for: 2026.11 and newer."""

WAV, AAC, ADTS = "wav", "aac", "adts"

_OF_FIXED_WIDTH = (WAV, "flac")
"""The formats whose samples have a width. For any other, ffmpeg may refuse the one that is asked for."""

_RATES = {
    "mp3": (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000),
    "opus": (8_000, 12_000, 16_000, 24_000, 48_000),
}
"""Hz, for formats that have only some; ffmpeg refuses the others, and chooses one itself where it is told none."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a player asks for; None where it leaves that open. Bitrate in kbit/s."""

    audio_format: str
    sample_rate: int | None = None
    channels: int | None = None
    sample_bytes: int | None = None
    bitrate: int | None = None

    @classmethod
    def read(cls, options: Mapping[str, Any]) -> Self:
        """Return what the options of a player ask for. Raises ValueError for what is no number."""
        details = (options.get(name) for name in _DETAILS)
        wanted = (None if detail is None else int(detail) for detail in details)
        return cls(options.get(ATTR_PREFERRED_FORMAT, "mp3"), *wanted)

    @property
    def has_details(self) -> bool:
        """Whether more than a format is asked for."""
        return self != Wish(self.audio_format)

    def is_granted_by(self, sample_rate: int) -> bool:
        """Return whether a mono WAV of this many Hz is what is wished for."""
        return self.audio_format == WAV and self.sample_rate in (None, sample_rate) and self.channels in (None, 1)

    def output(self) -> tuple[str, ...]:
        """Return how ffmpeg is told to fulfil it, with what Home Assistant's converter adds."""
        arguments = ["-f", ADTS if self.audio_format == AAC else self.audio_format, "-fflags", "+bitexact"]
        if self.sample_rate in _RATES.get(self.audio_format, (self.sample_rate,)) and self.sample_rate is not None:
            arguments += ["-ar", str(self.sample_rate)]
        if self.channels is not None:
            arguments += ["-ac", str(self.channels)]
        if self.sample_bytes == SAMPLE_WIDTH and self.audio_format in _OF_FIXED_WIDTH:
            arguments += ["-sample_fmt", "s16"]
        if self.audio_format == "mp3":
            # Some decoders in hardware take only a constant bitrate.
            arguments += ["-q:a", "0"] if self.bitrate is None else ["-b:a", f"{self.bitrate}k"]
        return tuple(arguments)


def as_wished(
    ffmpeg: str, speech: AsyncGenerator[Audio], expected: int, options: Mapping[str, Any]
) -> TTSAudioResponse:
    """Return speech as Home Assistant is to be given it for a player. Raises ValueError for options of no sense.

    `expected` is the sample rate in Hz that the speech is likely to have.
    """
    wish = Wish.read(options)
    if IS_OURS or wish == Wish(AAC):
        return TTSAudioResponse(wish.audio_format, _encoded(ffmpeg, speech, expected, wish))
    return TTSAudioResponse(WAV, wav_stream(speech, wide=_may_be_wide(wish)))


def converted(ffmpeg: str, given: TTSAudioResponse, options: Mapping[str, Any]) -> TTSAudioResponse:
    """Return another engine's speech as Home Assistant is to be given it: converted where it would not do that well."""
    wish = Wish.read(options)
    if (IS_OURS and wish.has_details) or (wish == Wish(AAC) and given.extension != AAC):
        known = ("-f", ADTS if given.extension == AAC else given.extension)
        sound = through_ffmpeg(ffmpeg, known, given.data_gen, *wish.output(), translation_key="encoding_failed")
        return TTSAudioResponse(wish.audio_format, sound)
    return given


def _may_be_wide(wish: Wish) -> bool:
    """Return whether only Home Assistant's converter sees how wide the samples are.

    It passes a WAV on as it is where no more than a WAV is wanted. A FLAC it makes as deep as what it was made from,
    which small players cannot play, unless it was told how deep.
    """
    match wish.audio_format:
        case "mp3":
            return True
        case "wav":
            return wish.has_details
    return wish.sample_bytes == SAMPLE_WIDTH


def makeable(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a player in the words in which the converter of an older Home Assistant can fulfil them.

    A speaker that asks for 16-bit MP3 in stereo gets MP3 in stereo, and AAC at 16 kHz is made where it is called ADTS.
    """
    wanted = dict(options)
    if IS_OURS:
        return wanted
    audio_format = wanted.get(ATTR_PREFERRED_FORMAT, "mp3")
    if audio_format not in _OF_FIXED_WIDTH:
        wanted.pop(ATTR_PREFERRED_SAMPLE_BYTES, None)
    rate = wanted.get(ATTR_PREFERRED_SAMPLE_RATE)
    if audio_format in _RATES and rate is not None and int(rate) not in _RATES[audio_format]:
        wanted.pop(ATTR_PREFERRED_SAMPLE_RATE)
    if audio_format == AAC and any(wanted.get(name) is not None for name in _DETAILS):
        wanted[ATTR_PREFERRED_FORMAT] = ADTS
    return wanted


async def _encoded(ffmpeg: str, speech: AsyncGenerator[Audio], expected: int, wish: Wish) -> AsyncGenerator[bytes]:
    """Yield a file as it is wished for. Raises HomeAssistantError if ffmpeg fails, and what `speech` raises."""
    async with aclosing(speech):
        if wish.is_granted_by(expected):
            if (first := await anext(speech, None)) is None:
                return
            expected, speech = first.sample_rate, resumed(first, speech)
        if wish.is_granted_by(expected):
            stream = wav_stream(speech, wide=False)
        else:
            stream = speech_through_ffmpeg(ffmpeg, speech, expected, *wish.output(), translation_key="encoding_failed")
        async with aclosing(stream):
            async for data in stream:
                yield data


async def resumed[T](first: T, rest: AsyncGenerator[T]) -> AsyncGenerator[T]:
    """Yield what was read already, and the rest."""
    async with aclosing(rest):
        yield first
        async for item in rest:
            yield item


async def wav_stream(pieces: AsyncGenerator[Audio], *, wide: bool) -> AsyncGenerator[bytes]:
    """Yield a header together with the first samples: a header alone would make a dead Magpie look like a silent one.

    Samples are 64-bit where `wide`, else 16-bit; one channel.
    """
    started = False
    async with aclosing(pieces):
        async for audio in pieces:
            samples = widened(audio.pcm) if wide else audio.pcm
            yield (
                samples
                if started
                else wav_header(audio.sample_rate, sample_width=WIDE if wide else SAMPLE_WIDTH) + samples
            )
            started = True
