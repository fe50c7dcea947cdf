"""Some seconds of what `scripts/bench fuzz` does for as long as one likes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.recordings import SEEDS, decode_anything


@pytest.mark.slow
@settings(deadline=None)
@given(data=st.data())
def test_changed_recordings_are_audio_or_a_sentence(data: st.DataObject) -> None:
    """Bytes overwritten, cut out, doubled or joined."""
    file = bytearray(data.draw(st.sampled_from(SEEDS)))
    for _ in range(data.draw(st.integers(0, 4))):
        at = data.draw(st.integers(0, len(file)))
        piece = data.draw(st.binary(max_size=12) | st.sampled_from(SEEDS))
        file[at : at + data.draw(st.integers(0, 40))] = piece
    decode_anything(bytes(file))


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_bytes_are_audio_or_a_sentence(data: bytes) -> None:
    decode_anything(data)
