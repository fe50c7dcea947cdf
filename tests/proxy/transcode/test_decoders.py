"""Recordings are decoded in processes that end with their reader, and that have limits."""

import asyncio
import os
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Generator
from contextlib import aclosing
from io import BytesIO
from pathlib import Path

import pytest
from spark_audio_proxy.app_state import DECODERS
from spark_audio_proxy.transcode.decode import Block
from spark_audio_proxy.transcode.decoder import HEAD, MIX, send_decoded
from spark_audio_proxy.transcode.decoders import COPIED, Decoders
from spark_audio_proxy.transcode.mixer import Channel

from tests.fakes import parakeet
from tests.helpers.proxy.callers import calling, dictation, outcomes
from tests.helpers.proxy.decoding import decoded
from tests.helpers.proxy.recordings import recorded, two_sides
from tests.helpers.proxy.running_proxy import StartProxy
from tests.helpers.repository import ROOT

MP3 = recorded("mp3", "libmp3lame")
LONG = recorded("flac", "flac", 60.0)
SIDES = two_sides(lambda at: at / 3, lambda at: -at / 3)


@pytest.fixture
def decoders() -> Generator[Decoders]:
    """Two at once."""
    decoders = Decoders(2)
    yield decoders
    decoders.close()


def children(process: int) -> list[int]:
    """Its processes."""
    return [int(number) for number in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


async def ended(process: int) -> None:
    """Wait until a process has ended; it may have by now."""
    end = asyncio.Event()
    try:
        watched = os.pidfd_open(process)
    except ProcessLookupError:
        return
    asyncio.get_running_loop().add_reader(watched, end.set)
    await end.wait()
    asyncio.get_running_loop().remove_reader(watched)
    os.close(watched)


def only_child(process: int) -> int:
    """Its one process."""
    (child,) = children(process)
    return child


async def heard(decoders: Decoders, file: bytes, channel: Channel | None = None) -> bytes:
    """All PCM."""
    return b"".join([bytes(block.pcm) async for block in decoders.decode(BytesIO(file), channel)])


@pytest.mark.parametrize("times", [1, COPIED // len(SIDES) + 2], ids=["copied at once", "copied in steps"])
async def test_a_recording_is_in_memory_once(decoders: Decoders, times: int) -> None:
    """The caller's file is empty once the decoder has it, or is kept for the other channel."""
    file = BytesIO(SIDES * times)
    async with aclosing(decoders.decode(file, Channel.LEFT, keep=True)) as blocks:
        await anext(blocks)
    assert file.getvalue() == SIDES * times
    async with aclosing(decoders.decode(file, Channel.RIGHT)) as blocks:
        await anext(blocks)
        assert not file.getvalue()


async def test_one_that_is_handed_over_in_steps_keeps_no_other_waiting(decoders: Decoders) -> None:
    """Others have the event loop after each step, and one that leaves meanwhile leaves nothing behind."""
    decoders.start()
    file, turns = BytesIO(bytes(20 * COPIED)), 0
    hearing = asyncio.ensure_future(anext(decoders.decode(file)))
    while file.getbuffer():
        await asyncio.sleep(0)
        turns += 1
    assert turns >= 20
    hearing.cancel()
    assert await heard(decoders, MP3)


@pytest.mark.parametrize("channel", [None, Channel.LEFT, Channel.RIGHT])
async def test_a_process_decodes_the_same(decoders: Decoders, channel: Channel | None) -> None:
    """As decoding here does."""
    assert await heard(decoders, SIDES, channel) == decoded(SIDES, channel).pcm


async def test_many_recordings_are_decoded_side_by_side(decoders: Decoders) -> None:
    """More of them than at once; a large one is handed over in steps."""
    large = MP3 * (COPIED // len(MP3) + 1)
    results = await asyncio.gather(*(heard(decoders, file) for file in [MP3] * 5 + [large]))
    assert len(set(results[:5])) == 1
    assert len(results[5]) > 40 * len(results[0])


@pytest.mark.parametrize(
    ("file", "sentence"), [(b"", "is empty"), (b"text", "not audio in a known format"), (MP3[:9] * 9, "audio")]
)
async def test_what_is_no_audio_is_told_in_a_sentence(decoders: Decoders, file: bytes, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        await heard(decoders, file)


async def test_who_leaves_kills_the_decoder(decoders: Decoders) -> None:
    """In the middle of a recording."""
    decoders.start()
    async with aclosing(decoders.decode(BytesIO(LONG))) as blocks:
        assert (await anext(blocks)).pcm
        process = only_child(decoders.process_id)
    await ended(process)


async def test_a_caller_that_hangs_up_kills_the_decoder(start_proxy: StartProxy) -> None:
    """Between two windows."""
    proxy = await start_proxy(parakeet.openai(), window=10.0)
    told = outcomes(proxy.app)
    async with calling(proxy.url, await dictation("true", LONG)) as caller:
        await caller.take_until(b"transcript.text.delta")
        process = only_child(proxy.app[DECODERS].process_id)
        caller.hang_up()
    assert (await told.get()).outcome == "gone"
    await ended(process)


async def test_a_process_that_was_killed_is_started_anew(decoders: Decoders, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever killed it; the log says so."""
    decoders.start()
    os.kill(decoders.process_id, signal.SIGKILL)
    await ended(decoders.process_id)
    assert await heard(decoders, MP3)
    assert "is started anew" in caplog.text


async def test_a_decoder_that_dies_is_an_error(decoders: Decoders, caplog: pytest.LogCaptureFixture) -> None:
    """Its limits end it like this."""
    decoders.start()
    with pytest.raises(ValueError, match="cannot be decoded: that takes too much time or memory"):
        async with aclosing(decoders.decode(BytesIO(LONG))) as blocks:
            await anext(blocks)
            os.kill(only_child(decoders.process_id), signal.SIGKILL)
            async for _ in blocks:
                pass
    assert "was stopped" in caplog.text


async def test_a_decoder_that_says_nothing_is_given_up() -> None:
    """After some patience."""
    decoders = Decoders(1, patience=0.01)
    decoders.start()
    os.kill(decoders.process_id, signal.SIGSTOP)
    with pytest.raises(ValueError, match="cannot be decoded"):
        await heard(decoders, MP3)
    decoders.close()


async def test_signals_to_all_processes_end_none_that_decodes(decoders: Decoders) -> None:
    """Ctrl-C, or a service manager's stop: requests in flight have some time yet."""
    decoders.start()
    async with aclosing(decoders.decode(BytesIO(LONG))) as blocks:
        first = await anext(blocks)
        for process in (decoders.process_id, only_child(decoders.process_id)):
            os.kill(process, signal.SIGTERM)
            os.kill(process, signal.SIGINT)
        rest = [block async for block in blocks]
    assert sum(len(block.pcm) for block in [first, *rest]) == 60 * 32_000


async def test_a_decoder_gets_no_keys(decoders: Decoders, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes of strangers are decoded there."""
    monkeypatch.setenv("SPARK_AUDIO_API_KEY", "secret")
    decoders.start()
    assert await heard(decoders, MP3)
    assert b"secret" not in Path(f"/proc/{decoders.process_id}/environ").read_bytes()


LIMITED = """
import sys
from spark_audio_proxy.transcode.decoder import MEMORY, limit
limit(1000, seconds=1)
if sys.argv[1] == "memory":
    try: bytearray(2 * MEMORY)
    except MemoryError: print("refused")
else:
    while True: pass
"""


@pytest.mark.slow
@pytest.mark.parametrize(("what", "status", "said"), [("memory", 0, "refused\n"), ("time", -signal.SIGXCPU, "")])
def test_a_decoder_has_limits(what: str, status: int, said: str) -> None:
    """Of memory and of processor time."""
    child = subprocess.run([sys.executable, "-c", LIMITED, what], capture_output=True, text=True, check=False, cwd=ROOT)
    assert (child.returncode, child.stdout) == (status, said)


def test_audio_earns_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A long recording may take longer than a short one."""
    limits: list[int] = []
    monkeypatch.setattr(resource, "setrlimit", lambda what, limit: limits.append(limit[0]))
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8 << 20)
        send_decoded(bytearray(LONG), MIX, theirs)
    assert limits == [6, 7]


@pytest.mark.parametrize(
    ("file", "kind", "said"), [(MP3, b"D", b""), (b"text", b"R", b"The file is not audio in a known format.")]
)
def test_the_last_message_tells_how_it_ended(file: bytes, kind: bytes, said: bytes) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        send_decoded(bytearray(file), MIX, theirs)
        theirs.close()
        answer = b""
        while piece := ours.recv(1 << 16):
            answer += piece
    messages: list[tuple[bytes, bytes]] = []
    while answer:
        name, size, _ = HEAD.unpack_from(answer)
        messages.append((name, answer[HEAD.size : HEAD.size + size]))
        answer = answer[HEAD.size + size :]
    assert messages[-1][0] == kind
    assert messages[-1][1].startswith(said)
    assert Block(b"").left_out == 0
