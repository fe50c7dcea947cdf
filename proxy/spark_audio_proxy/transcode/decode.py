"""Any audio that people record, as 16 kHz mono PCM. Blocking: `decoder.py` runs it in a process of its own."""

import re
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from io import SEEK_CUR, SEEK_END, BytesIO, RawIOBase
from mmap import mmap
from typing import override

import av
from av.container import InputContainer
from av.error import EOFError as Finished
from av.error import FFmpegError
from spark_engine.models import SAMPLE_RATE, SAMPLE_WIDTH

from . import amr
from .joined import joined
from .losses import Losses
from .matroska import cover_damage
from .mixer import Channel, Mixer
from .sizes import correct_sizes
from .sniff import FORMATS, recognise
from .tags import hide_tags

SAMPLE_RATES = range(4_000, 768_001)
"""Hz that recorders use. At 1 Hz a few kilobytes would be a day."""

CODECS = (
    "aac,aac_latm,ac3,adpcm_ima_qt,adpcm_ima_wav,adpcm_ms,adpcm_swf,adpcm_yamaha,alac,amrnb,amrwb,dca,eac3,flac,g722,"
    "g723_1,g726,g726le,gsm,gsm_ms,libopus,libspeex,libvorbis,mp1,mp1float,mp2,mp2float,mp3,mp3float,nellymoser,opus,"
    "pcm_alaw,pcm_bluray,pcm_dvd,pcm_f32be,pcm_f32le,pcm_f64be,pcm_f64le,pcm_mulaw,pcm_s16be,pcm_s16le,pcm_s24be,"
    "pcm_s24le,pcm_s32be,pcm_s32le,pcm_s8,pcm_u8,speex,vorbis,wavpack,wmalossless,wmapro,wmav1,wmav2,wmavoice"
)
"""Decoders that may run, of libav's five hundred: no picture, film, subtitle or game sound is ever looked at."""

MOST_TRACKS = 128
"""Tracks that a file may have: a film has one of subtitles for each of thirty languages."""

_OPTIONS = {"codec_whitelist": CODECS, "max_streams": str(MOST_TRACKS)}
"""For the demuxer, which decodes the first frames of every track, a cover picture's too, to learn what they are."""

_NO_PACKETS = ("wav", "w64")
"""Containers that do not tell where a packet ends: codecs need packets of one size, or frames with a head."""

_IN_PACKETS = ("speex", "libspeex", "vorbis", "libvorbis")
"""Codecs that have neither; AAC has no head of frames where the file has one for all."""

_STUCK = 64
"""Errors in a row, without a packet between them, after which the rest of a file is given up."""


_BASE64 = re.compile(rb"(?:data:[^\r\n]{0,200}?;base64,)?[A-Za-z0-9+/_-]{40}[A-Za-z0-9+/_=\r\n-]*")
"""What a file in base64 starts with: lines are long, and have no spaces."""


@dataclass(frozen=True, slots=True)
class Block:
    """PCM, 16 kHz s16le mono, and the seconds in front of it that could not be decoded. It may be empty."""

    pcm: bytes | memoryview
    left_out: float = 0.0


def decode(file: bytearray | mmap, channel: Channel | None = None) -> Generator[Block]:
    """Yield what can be decoded of a recording; tags in `file` are overwritten.

    `channel` is one of two, None for all mixed. Raises ValueError, with a sentence for the user, where there is nothing
    to hear, where most of it is lost, or where a recording with one channel should have two.
    """
    if not len(file):
        raise ValueError("The audio file is empty.")
    data = memoryview(file)
    recognised = recognise(data)
    if recognised is None and _BASE64.fullmatch(bytes(data[:1024]).strip()):
        raise ValueError(
            "The file is text, not audio: base64 needs the header `Content-Transfer-Encoding: base64` in its part."
        )
    if recognised is None:
        raise ValueError(f"The file is not audio in a known format. Known are {FORMATS}.")
    heard = left_out = 0.0
    for part in joined(recognised, data):
        with closing(_part(part.container, part.data, channel)) as blocks:
            for block in blocks:
                heard += len(block.pcm) / SAMPLE_WIDTH / SAMPLE_RATE
                left_out += block.left_out
                yield block
    if not heard:
        raise ValueError("The audio file is damaged or cut, or holds no sound: nothing in it can be decoded.")
    if left_out > heard:
        raise ValueError(
            f"Most of the recording is damaged: {left_out:.1f} s of {left_out + heard:.1f} s cannot be decoded."
        )


def _part(container: str, data: memoryview, channel: Channel | None) -> Generator[Block]:
    """Yield one of the files in it: its first audio track that can be decoded."""
    hide_tags(container, data)
    correct_sizes(container, data)
    if container == "matroska":
        cover_damage(data)
    number, tracks, found, lost = 0, 1, False, 0.0
    while not found and number < tracks:
        lost = 0.0
        try:
            with av.open(View(data), "r", format=container, io_open=refuse, options=_OPTIONS) as media:
                candidates = _audio_tracks(container, media)
                tracks = len(candidates)
                track = candidates[number]
                # Where it cannot be opened, its name is gone: reading it then ends the process.
                codec = track.codec_context.name
                losses = Losses(container, codec, data)
                with closing(_track(media, track, codec, losses, channel)) as blocks:
                    for block in blocks:
                        lost += block.left_out
                        found = found or bool(block.pcm)
                        if found:
                            yield Block(block.pcm, lost)
                            lost = 0.0
        except (FFmpegError, OSError) as err:
            raise ValueError("The audio file is damaged or cut: it cannot be opened.") from err
        number += 1
    if lost:
        yield Block(b"", lost)


def _audio_tracks(container: str, media: InputContainer) -> list[av.AudioStream]:
    """Return the audio tracks that may be decoded. Raises ValueError where there is none."""
    if not media.streams.audio:
        raise ValueError("The file has no audio track.")
    reasons: list[str] = []
    tracks: list[av.AudioStream] = []
    for track in media.streams.audio:
        codec: av.AudioCodecContext | None = track.codec_context
        if codec is None or codec.name not in CODECS.split(","):
            reasons.append(f"The audio in the file is coded as {codec.name if codec else 'something unknown'}.")
        elif container in _NO_PACKETS and (codec.name in _IN_PACKETS or (codec.name == "aac" and codec.extradata)):
            reasons.append(
                f"Audio coded as {codec.name} cannot be heard in WAV, which does not tell where packets end."
            )
        elif codec.sample_rate and codec.sample_rate not in SAMPLE_RATES:
            # Zero: told by the first frame alone.
            reasons.append(f"The audio has {codec.sample_rate} samples a second: no recorder does that.")
        else:
            tracks.append(track)
    if not tracks:
        raise ValueError(reasons[0])
    return tracks


def _track(
    media: InputContainer, track: av.AudioStream, codec: str, losses: Losses, channel: Channel | None
) -> Generator[Block]:
    with closing(Mixer(channel)) as mixer:
        for packet in _packets(media, track):
            losses.reached(packet)
            for frame in _frames(track.codec_context, codec, packet, losses):
                losses.decoded(frame)
                for pcm in mixer.feed(frame):
                    yield Block(pcm, losses.take())
        for pcm in mixer.finish():
            yield Block(pcm, losses.take())
        losses.ended(media, track)
        yield Block(b"", losses.take())


def _frames(
    decoder: av.AudioCodecContext, codec: str, packet: av.Packet[av.AudioStream], losses: Losses
) -> Iterator[av.AudioFrame]:
    """Yield what can be decoded of a packet."""
    for piece in amr.frames_of(codec, packet):
        if amr.is_pause(codec, piece):
            yield amr.silence(codec)
            continue
        try:
            frames = decoder.decode(piece)
        except FFmpegError, ValueError:
            # A ValueError is PyAV's, where libav found no decoder for what the head says.
            losses.undecodable(packet, None if piece is packet else amr.SECONDS)
            continue
        yield from frames


def _packets(media: InputContainer, track: av.AudioStream) -> Iterator[av.Packet[av.AudioStream]]:
    """Yield all packets of the track: what the demuxer cannot read, it may pass over."""
    errors = 0
    while errors < _STUCK:
        try:
            for packet in media.demux(track):
                errors = 0
                yield packet
        except Finished:
            return
        except FFmpegError:
            errors += 1
        else:
            return


class View(RawIOBase):
    """A file for libav: bytes in memory, not copied."""

    def __init__(self, data: memoryview) -> None:
        """Start at the first byte."""
        self._data = data
        self._at = 0

    @override
    def readable(self) -> bool:
        return True

    @override
    def seekable(self) -> bool:
        return True

    @override
    def read(self, size: int = -1, /) -> bytes:
        end = len(self._data) if size < 0 else self._at + size
        piece = bytes(self._data[self._at : end])
        self._at += len(piece)
        return piece

    @override
    def seek(self, offset: int, whence: int = 0, /) -> int:
        base = {SEEK_CUR: self._at, SEEK_END: len(self._data)}.get(whence, 0)
        self._at = max(0, base + offset)
        return self._at

    @override
    def tell(self) -> int:
        return self._at


def refuse(url: str, flags: int, options: object) -> BytesIO:
    """Refuse: no upload may make the demuxer open anything else."""
    raise PermissionError(f"refused: {url!r} ({flags}, {options})")
