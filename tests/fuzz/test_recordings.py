"""Some seconds of what `scripts/bench fuzz` does for as long as one likes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.recordings import decode_anything
from tests.helpers.proxy.recordings import recorded

SEEDS = [
    recorded(container, codec, 0.3)
    for container, codec in (
        *(("mp3", "libmp3lame"), ("mp4", "aac"), ("ogg", "libopus"), ("webm", "libopus"), ("flac", "flac")),
        *(("wav", "adpcm_ima_wav"), ("mpegts", "aac"), ("avi", "libmp3lame"), ("flv", "libmp3lame"), ("wv", "wavpack")),
        *(("caf", "alac"), ("aiff", "pcm_s16be"), ("asf", "libmp3lame"), ("au", "pcm_s16be"), ("w64", "pcm_s16le")),
    )
]


@pytest.mark.slow
@given(data=st.data())
def test_changed_recordings_are_audio_or_a_sentence(data: st.DataObject) -> None:
    """Bytes overwritten, cut out, doubled or joined."""
    file = bytearray(data.draw(st.sampled_from(SEEDS)))
    for _ in range(data.draw(st.integers(0, 4))):
        at = data.draw(st.integers(0, len(file)))
        piece = data.draw(st.binary(max_size=12) | st.sampled_from(SEEDS))
        file[at : at + data.draw(st.integers(0, 40))] = piece
    decode_anything(bytes(file))


@given(st.binary(max_size=300))
def test_bytes_are_audio_or_a_sentence(data: bytes) -> None:
    decode_anything(data)
