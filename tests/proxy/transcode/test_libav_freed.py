"""What libav holds is given back when it is done with, also in the middle, and not when the collector comes by."""

import asyncio
import gc
import os
from collections import Counter
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Barrier, Event
from typing import override

import pytest
from av.audio.resampler import AudioResampler
from av.codec.context import CodecContext
from av.container import InputContainer, OutputContainer
from av.filter import Graph
from av.stream import Stream
from spark_audio_proxy.app_state import ENCODERS
from spark_audio_proxy.transcode import coder as coder_module
from spark_audio_proxy.transcode.coder import Coder
from spark_audio_proxy.transcode.decode import decode
from spark_audio_proxy.transcode.encode import FORMATS, AudioFormat, Encoder, create_encoder
from spark_engine.models import Audio

from tests.helpers.proxy.callers import SPEECH, outcomes, talkative
from tests.helpers.proxy.recordings import recorded, tone
from tests.helpers.proxy.running_proxy import Proxy, StartProxy

pytestmark = pytest.mark.slow

KINDS = (Graph, AudioResampler, CodecContext, InputContainer, OutputContainer, Stream)

SECOND = tone(1.0, 22_050)

MP3 = recorded("mp3", "libmp3lame", 30.0)

TRANSCODING = os.process_cpu_count() or 1
"""Threads of the proxy's pool."""

type Alive = Callable[[], Counter[str]]


@pytest.fixture
def alive() -> Generator[Alive]:
    """What there is of libav, by kind; the collector takes nothing away meanwhile."""
    gc.collect()
    gc.disable()
    try:
        yield lambda: Counter(type(item).__name__ for item in gc.get_objects() if isinstance(item, KINDS))
    finally:
        gc.enable()


def threads() -> int:
    """Of this process, libav's included."""
    return sum(1 for _ in Path("/proc/self/task").iterdir())


def whole(coder: Coder) -> None:
    """To the end."""
    assert coder.encode(SECOND) + coder.encode(SECOND) + coder.finish()


def cut(coder: Coder) -> None:
    """In the middle."""
    coder.encode(SECOND)


def unused(_: Coder) -> None:
    """Before the first sound."""


@pytest.mark.parametrize("speed", [1.0, 0.25, 1.5])
@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("use", [whole, cut, unused])
def test_a_coder_leaves_nothing(alive: Alive, use: Callable[[Coder], None], name: str, speed: float) -> None:
    """However it ends, and whatever still refers to it. It starts no threads either."""
    before = threads()
    with closing(Coder(FORMATS[name], speed)) as coder:
        use(coder)
        assert threads() == before
    assert alive() == {}
    assert coder


@pytest.mark.parametrize("name", sorted(FORMATS.keys() - {"wav"}))
def test_a_coder_that_fails_leaves_nothing(alive: Alive, name: str) -> None:
    """At half a sample."""
    with closing(Coder(FORMATS[name], 1.0)) as coder:
        coder.encode(SECOND)
        assert alive() != {}
        with pytest.raises(ValueError, match="need 2 bytes"):
            coder.encode(Audio(b"odd", SECOND.sample_rate))
    assert alive() == {}


def test_closing_does_not_wait_for_a_working_thread(alive: Alive, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is freed under a thread: it frees its own objects."""
    arrived, go = Event(), Event()

    class Slow(Encoder):
        """Waits before it encodes."""

        def __init__(self, audio_format: AudioFormat, sample_rate: int) -> None:
            self._encoder = create_encoder(audio_format, sample_rate)

        @override
        def encode(self, pcm: bytes) -> bytes:
            arrived.set()
            go.wait()
            return self._encoder.encode(pcm)

        @override
        def finish(self) -> bytes:
            raise AssertionError

        @override
        def close(self) -> None:
            self._encoder.close()

    monkeypatch.setattr(coder_module, "create_encoder", Slow)
    with ThreadPoolExecutor(1) as pool:
        coder = Coder(FORMATS["flac"], 1.5)
        encoded = pool.submit(coder.encode, SECOND)
        arrived.wait()
        coder.close()
        held = alive()
        go.set()
        assert held["OutputContainer"] == 1
        assert isinstance(encoded.result(), bytes)
        assert alive() == {}


@pytest.mark.parametrize("taken", [0, 1, 1000])
@pytest.mark.parametrize("recording", ["whole", "cut", "damaged"])
def test_a_recording_leaves_nothing(alive: Alive, recording: str, taken: int) -> None:
    """However much of it was decoded."""
    file = {"whole": MP3, "cut": MP3[:50_000], "damaged": MP3[:10_000] + b"no frame" * 10_000 + MP3[10_000:]}[recording]
    before = threads()
    with closing(decode(bytearray(file))) as blocks:
        assert (sum(len(block.pcm) for _, block in zip(range(taken), blocks, strict=False)) > 0) == (taken > 0)
        assert threads() == before
    assert alive() == {}


async def at_rest(proxy: Proxy) -> None:
    """Until no transcoding thread is at work."""
    pool, loop = proxy.app[ENCODERS], asyncio.get_running_loop()
    all_threads = Barrier(TRANSCODING)
    await asyncio.gather(*(loop.run_in_executor(pool, all_threads.wait) for _ in range(TRANSCODING)))


@pytest.mark.parametrize("response_format", FORMATS)
async def test_disconnected_listeners_leave_nothing(
    start_proxy: StartProxy, alive: Alive, response_format: str
) -> None:
    """Ten of them, in the middle of sped-up speech; and one who stays."""
    proxy = await start_proxy(speaking=talkative())
    told = outcomes(proxy.app)
    text = " ".join(f"This is sentence number {number}." for number in range(20))
    body = {"input": text, "response_format": response_format, "speed": 1.5}
    before = 0
    for _ in range(10):
        async with proxy.client.post(proxy.url + SPEECH, json=body) as response:
            assert await response.content.readany()
            response.close()
        assert (await told.get()).outcome == "gone"
        before = before or threads()
    async with proxy.client.post(proxy.url + SPEECH, json=body) as response:
        assert await response.read()
    await at_rest(proxy)
    assert alive() == {}
    assert threads() <= before + TRANSCODING
