"""What clients send, as 16 kHz PCM."""

from array import array

import av
import pytest
from spark_audio_proxy.realtime.audio import ALAW, ULAW, Decoder
from spark_audio_proxy.realtime.settings import AudioFormat

from tests.helpers.proxy.recordings import tone


@pytest.mark.parametrize(("name", "table"), [("pcm_mulaw", ULAW), ("pcm_alaw", ALAW)])
def test_each_code_of_g711_is_what_libav_reads(name: str, table: tuple[int, ...]) -> None:
    codec = av.CodecContext.create(name, "r")
    assert isinstance(codec, av.AudioCodecContext)
    codec.layout, codec.sample_rate = "mono", 8000
    (frame,) = codec.decode(av.Packet(bytes(range(256))))
    assert tuple(array("h", bytes(frame.planes[0])[:512])) == table


@pytest.mark.parametrize("rate", [8000, 24_000, 48_000])
def test_a_tone_stays_a_tone_at_any_rate(rate: int) -> None:
    """Its level and its length, in pieces that cut samples in two."""
    decoder = Decoder(AudioFormat("pcm", rate))
    pcm = tone(1.0, rate).pcm
    heard = b"".join(decoder.decode(pcm[at : at + 333]) for at in range(0, len(pcm), 333))
    decoder.close()
    samples = array("h", heard)
    assert len(samples) == pytest.approx(16_000, abs=100)
    assert max(samples[1000:]) == pytest.approx(6000, rel=0.05)


def test_16_khz_passes_as_it_is() -> None:
    decoder = Decoder(AudioFormat("pcm", 16_000))
    assert decoder.decode(b"\x01\x02\x03") + decoder.decode(b"\x04") == b"\x01\x02\x03\x04"
    decoder.close()
