"""The voice detector of a session, beside the one that it spares."""

import sys

import pytest
from pymicro_vad import MicroVad
from spark_audio_proxy.realtime.detector import REST, SURE, WINDOW, SparingDetector, new_detector
from spark_engine.speech.voice_activity import FRAME, SPEECH

from tests.helpers.proxy.realtime import TRANSCRIPTION, realtime
from tests.helpers.proxy.recordings import tone
from tests.helpers.proxy.running_proxy import Proxy
from tests.helpers.proxy.spoken import silence, words


class Counting:
    """microVAD, and how often it looked at a full window."""

    def __init__(self) -> None:
        self._vad = MicroVad()
        self.looks = 0

    def process_10ms(self, audio: bytes) -> float:
        """Count what costs."""
        probability = self._vad.process_10ms(audio)
        self.looks += probability >= 0
        return probability

    def reset(self) -> None:
        """Empty the window."""
        self._vad.reset()


def frames(pcm: bytes) -> list[bytes]:
    return [pcm[at : at + FRAME] for at in range(0, len(pcm) - FRAME + 1, FRAME)]


def test_the_window_is_microvads() -> None:
    """Also after it was emptied."""
    vad = MicroVad()
    for _ in range(2):
        told = [vad.process_10ms(bytes(FRAME)) for _ in range(WINDOW)]
        assert [probability < 0 for probability in told] == [True] * (WINDOW - 1) + [False]
        vad.reset()


def test_speech_costs_a_look_now_and_then() -> None:
    counting = Counting()
    spared = SparingDetector(counting)
    for frame in frames(silence(1.0)):
        spared(frame)
    before = counting.looks
    spoken = [spared(frame) for frame in frames(words() * 4)]
    assert sum(probability > SURE for probability in spoken) > len(spoken) * 0.8
    assert counting.looks - before < len(spoken) / 4


def test_it_tells_the_same_speech() -> None:
    """Of the same frames, but for a rest around the end of each."""
    sound = frames(silence(1.0) + words() + silence(1.5) + words() + silence(1.0))
    every, spared = MicroVad().process_10ms, SparingDetector(MicroVad())
    different = sum((every(frame) > SPEECH) != (spared(frame) > SPEECH) for frame in sound)
    assert different < 2 * REST


def test_silence_is_looked_at_frame_by_frame() -> None:
    """Speech may begin in any."""
    counting = Counting()
    spared = SparingDetector(counting)
    quiet = frames(silence(2.0))
    assert all(spared(frame) < SURE for frame in quiet)
    assert counting.looks == len(quiet) - WINDOW + 1


def test_every_sound_is_speech_where_there_is_no_detector(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pymicro_vad", None)
    assert new_detector()(bytes(FRAME)) > SPEECH


async def test_no_detector_is_asked_where_the_client_ends_its_turns(proxy: Proxy) -> None:
    """A tone is no speech, and has a pause all the same; with `server_vad` it begins no turn."""
    beep = tone(1.0).pcm
    async with realtime(proxy) as client:
        await client.set_up()
        await client.say(beep + silence(0.5))
        await client.until(f"{TRANSCRIPTION}.delta")
        await client.send("input_audio_buffer.clear")
        await client.until("input_audio_buffer.cleared")
        await client.set_up({"type": "server_vad"})
        await client.say(silence(1.0) + beep + silence(1.0) + words() + silence(1.0))
        started = (await client.until("input_audio_buffer.speech_started"))[-1]["audio_start_ms"]
    assert isinstance(started, int)
    assert started > 4000
