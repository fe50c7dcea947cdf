"""Speech in the form in which Home Assistant makes the most of it: a WAV file, or AAC, which it cannot make itself.

From 2026.11 on Home Assistant takes the samples out of a streamed WAV itself, so that 16-bit ones are heard soonest.
Before, it lets ffmpeg make of it what the player wants, and ffmpeg holds back the first 64 KiB. So many bytes are
0.74 s of 44.1 kHz speech in 16-bit samples, and 0.19 s of the same speech in 64-bit ones. Mono either way: an MP3 has
the channels of what it was made from.

Home Assistant names the format to ffmpeg by its file extension, and ffmpeg knows files of AAC as `adts` alone.
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

from homeassistant.components import tts
from homeassistant.components.tts import (
    ATTR_PREFERRED_BITRATE,
    ATTR_PREFERRED_FORMAT,
    ATTR_PREFERRED_SAMPLE_BYTES,
    ATTR_PREFERRED_SAMPLE_CHANNELS,
    ATTR_PREFERRED_SAMPLE_RATE,
)

from .ffmpeg_pipe import through_ffmpeg
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

UNWRAPS_WAV = hasattr(tts, "PcmFormat")
"""Whether this is 2026.11 or newer."""

CLAIMED = (ATTR_PREFERRED_FORMAT,) if UNWRAPS_WAV else PREFERRED
"""The options of players that the engine claims to know. From 2026.11 on Home Assistant does not convert to a rate,
channels or a width that an engine claims: the engine would have to deliver exactly that."""

AAC, ADTS = "aac", "adts"

_OF_FIXED_WIDTH = ("wav", "flac")
"""The formats whose samples have a width. For any other, ffmpeg may refuse the one that is asked for."""


def may_be_wide(options: Mapping[str, object]) -> bool:
    """Return whether only Home Assistant's converter sees how wide the samples are.

    It passes a WAV on as it is where no more than a WAV is wanted. A FLAC it makes as deep as what it was made from,
    which small players cannot play, unless it was told how deep.
    """
    if UNWRAPS_WAV:
        return False
    match options.get(ATTR_PREFERRED_FORMAT, "mp3"):
        case "mp3":
            return True
        case "wav":
            return any(options.get(name) is not None for name in _DETAILS)
    return str(options.get(ATTR_PREFERRED_SAMPLE_BYTES)) == str(SAMPLE_WIDTH)


def makeable(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a player in the words in which Home Assistant's converter can fulfil them.

    A speaker that asks for 16-bit MP3 in stereo gets MP3 in stereo, and AAC at 16 kHz is made where it is called ADTS.
    """
    wanted = dict(options)
    if wanted.get(ATTR_PREFERRED_FORMAT, "mp3") not in _OF_FIXED_WIDTH:
        wanted.pop(ATTR_PREFERRED_SAMPLE_BYTES, None)
    if wanted.get(ATTR_PREFERRED_FORMAT) == AAC and any(wanted.get(name) is not None for name in _DETAILS):
        wanted[ATTR_PREFERRED_FORMAT] = ADTS
    return wanted


async def aac_stream(ffmpeg: str, pieces: AsyncGenerator[Audio]) -> AsyncGenerator[bytes]:
    """Yield a file of AAC (ADTS), in the rate of the speech; one channel. Raises HomeAssistantError if ffmpeg fails."""
    async with aclosing(pieces):
        if (first := await anext(pieces, None)) is None:
            return
        async with aclosing(
            through_ffmpeg(ffmpeg, first, pieces, "-f", ADTS, translation_key="encoding_failed")
        ) as stream:
            async for data in stream:
                yield data


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
