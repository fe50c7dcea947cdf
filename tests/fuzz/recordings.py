"""Bytes of strangers, decoded: whatever they are, the answer is audio or one sentence."""

from spark_audio_proxy.transcode.decode import decode

from tests.helpers.proxy.recordings import amr, amr_in_3gp, recorded

SEEDS = (
    amr("amr", (7, 7, 8, 15, 15, 7)),
    amr_in_3gp("amr-wb", (8, 8, 9, 15, 8), 3),
    *(
        recorded(container, codec, 0.3)
        for container, codec in (
            *(("mp3", "libmp3lame"), ("mp4", "aac"), ("ogg", "libopus"), ("webm", "libopus"), ("flac", "flac")),
            *(
                ("wav", "adpcm_ima_wav"),
                ("mpegts", "aac"),
                ("avi", "libmp3lame"),
                ("flv", "libmp3lame"),
                ("wv", "wavpack"),
            ),
            *(("caf", "alac"), ("aiff", "pcm_s16be"), ("asf", "libmp3lame"), ("au", "pcm_s16be"), ("w64", "pcm_s16le")),
            *(
                ("adts", "aac"),
                ("latm", "aac"),
                ("ac3", "ac3"),
                ("mpeg", "mp2"),
                ("matroska", "flac"),
                ("wav", "pcm_s16le"),
                ("wav", "flac"),
            ),
        )
    ),
)
"""A short recording of each format."""

LONGEST = 60.0
"""Seconds of audio after which a target has seen enough of a recording."""


def decode_anything(data: bytes) -> None:
    """Decode it. Raises where that fails in any other way than with a sentence for the user."""
    heard = 0.0
    try:
        for block in decode(bytearray(data)):
            if len(block.pcm) % 2 or block.left_out < 0:
                raise AssertionError(f"{len(block.pcm)} bytes, {block.left_out} s left out")
            heard += len(block.pcm) / 32_000
            if heard > LONGEST:
                return
    except ValueError as err:
        if not str(err).endswith("."):
            raise AssertionError(f"not a sentence: {err}") from err
