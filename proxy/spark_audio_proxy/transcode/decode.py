"""Any audio a browser or phone records, as 16 kHz mono PCM. Blocking: run it off the event loop."""

import logging
from collections.abc import Generator, Iterator
from contextlib import closing
from io import BytesIO

import av
from av.container import InputContainer
from av.error import FFmpegError, InvalidDataError
from spark_engine.models import SAMPLE_RATE

from .filters import THREADS, free_filters
from .sniff import SNIFFED, sniff

LOGGER = logging.getLogger(__name__)

_FORMATS = "wav, mp3, m4a, mp4, webm, ogg, opus, flac, aac"
SAMPLE_RATES = range(4_000, 768_001)
"""Hz that recorders use. At 1 Hz a few kilobytes would be a day."""

CODECS = (
    "aac,ac3,adpcm_ima_qt,adpcm_ima_wav,adpcm_ms,alac,amrnb,amrwb,eac3,flac,gsm,gsm_ms,libopus,libspeex,libvorbis,mp1,"
    "mp1float,mp2,mp2float,mp3,mp3float,opus,pcm_alaw,pcm_f32be,pcm_f32le,pcm_f64be,pcm_f64le,pcm_mulaw,pcm_s16be,"
    "pcm_s16le,pcm_s24be,pcm_s24le,pcm_s32be,pcm_s32le,pcm_s8,pcm_u8,speex,vorbis,wmalossless,wmapro,wmav1,wmav2,"
    "wmavoice"
)
"""Decoders that may run, of libav's five hundred: no picture, film, subtitle or game sound is ever looked at."""

_OPTIONS = {"codec_whitelist": CODECS, "max_streams": "16"}
"""For the demuxer, which decodes the first frames of every track, a cover picture's too, to learn what they are."""


def decode(file: BytesIO) -> Generator[bytes]:
    """Yield PCM in blocks, 16 kHz s16le mono. Raises ValueError with a sentence for the user where there is none."""
    head = file.getvalue()[:SNIFFED]
    if not head:
        raise ValueError("The audio file is empty.")
    container = sniff(head)
    if container is None:
        raise ValueError(f"The file is not audio in a known format. Known are {_FORMATS}.")
    return _decoded(file, container)


def _decoded(file: BytesIO, container: str) -> Generator[bytes]:
    found = False
    try:
        with (
            av.open(file, "r", format=container, io_open=refuse, options=_OPTIONS) as media,
            closing(_resampled(_frames(media, _audio_track(media)))) as blocks,
        ):
            for pcm in blocks:
                found = found or bool(pcm)
                yield pcm
    except (FFmpegError, OSError, EOFError) as err:
        # A recording that stops in the middle is kept as far as it goes; one that never starts is an error.
        if not found:
            raise ValueError("The audio file is damaged or cut: nothing in it can be decoded.") from err
    if not found:
        raise ValueError("The audio file holds no sound.")


def _audio_track(media: InputContainer) -> av.AudioStream:
    """Return the first audio track. Raises ValueError where there is none that may be decoded."""
    if not media.streams.audio:
        raise ValueError("The file has no audio track.")
    track = media.streams.audio[0]
    codec: av.AudioCodecContext | None = track.codec_context
    if codec is None or codec.name not in CODECS.split(","):
        raise ValueError(f"The audio in the file is coded as {codec.name if codec else 'something unknown'}.")
    # Zero: told by the first frame alone.
    if codec.sample_rate and codec.sample_rate not in SAMPLE_RATES:
        raise ValueError(f"The audio has {codec.sample_rate} samples a second: no recorder does that.")
    return track


def _frames(media: InputContainer, track: av.AudioStream) -> Generator[av.AudioFrame]:
    """Yield all frames that can be decoded: what is damaged in the middle is left out, and the log says so."""
    damaged = 0
    for packet in media.demux(track):
        try:
            frames = packet.decode()
        except InvalidDataError:
            damaged += 1
            continue
        for frame in frames:
            if isinstance(frame, av.AudioFrame):
                yield frame
    if damaged:
        LOGGER.warning("%d packets of a recording could not be decoded and were left out", damaged)


def refuse(url: str, flags: int, options: object) -> BytesIO:
    """Refuse: no upload may make the demuxer open anything else."""
    raise PermissionError(f"refused: {url!r} ({flags}, {options})")


def _resampled(frames: Iterator[av.AudioFrame]) -> Generator[bytes]:
    resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE, threads=THREADS)
    try:
        for frame in frames:
            yield from map(_samples, resampler.resample(frame))
        yield from map(_samples, resampler.resample(None))
    finally:
        free_filters(resampler)


def _samples(frame: av.AudioFrame) -> bytes:
    return bytes(frame.planes[0])[: frame.samples * 2]
