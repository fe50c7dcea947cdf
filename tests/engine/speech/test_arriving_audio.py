"""Audio that is still coming: every reader gets all of it, from the start."""

import asyncio

import pytest
from aiohttp import ClientSession
from spark_engine.healing.pool import ParakeetPool, PoolMember
from spark_engine.models import Audio
from spark_engine.servers.bodies import AudioFile, form_body
from spark_engine.servers.parakeet import Parakeet
from spark_engine.servers.transport import Transport
from spark_engine.speech.arriving_audio import ArrivingAudio
from spark_engine.speech.audio import wav_header

from tests.fakes import parakeet
from tests.fakes.parakeet import TRANSCRIPTIONS
from tests.fakes.server import json, running
from tests.helpers.engine.watchdog_scene import PARAKEET

PCM = bytes(range(250)) * 8


async def test_a_reader_waits_for_what_has_not_come() -> None:
    """And gets it as soon as it has."""
    audio = ArrivingAudio(len(PCM), 16_000)
    blocks = audio.blocks()
    audio.add(PCM[:3])
    assert await anext(blocks) == PCM[:3]
    waiting = asyncio.ensure_future(anext(blocks))
    await asyncio.sleep(0)
    assert not waiting.done()
    audio.add(PCM[3:])
    assert await waiting == PCM[3:]
    assert [block async for block in blocks] == []


async def test_every_reader_begins_at_the_start() -> None:
    """One that comes late, and one that comes when all is there."""
    audio = ArrivingAudio(len(PCM), 16_000)
    audio.add(PCM[:100])
    late = asyncio.ensure_future(read(audio))
    await asyncio.sleep(0)
    audio.add(PCM[100:])
    assert (await late, await read(audio)) == (PCM, PCM)


async def read(audio: ArrivingAudio) -> bytes:
    """All of it."""
    return b"".join([block async for block in audio.blocks()])


def test_it_is_as_long_as_was_announced() -> None:
    """Its length is known from the start; and more is refused."""
    audio = ArrivingAudio(len(PCM), 16_000)
    assert audio.seconds == Audio(PCM, 16_000).seconds
    audio.add(PCM[1:])
    with pytest.raises(ValueError, match="longer than the 2000 bytes"):
        audio.add(b"ab")


def test_a_body_that_is_still_coming_has_a_size_and_no_data() -> None:
    """Servers are told how long it is; a part of it is not taken for the whole."""
    body = form_body({}, AudioFile("file", "a.wav", "audio/wav", b"header", ArrivingAudio(1000, 16_000)))
    assert (
        body.size == form_body({}, AudioFile("file", "a.wav", "audio/wav", b"header", Audio(bytes(1000), 16_000))).size
    )
    assert body.held() is None


async def test_the_next_server_gets_all_of_it() -> None:
    """The first one fails on what it was sent meanwhile."""
    broken, well = parakeet.openai(), parakeet.openai()
    broken.answers["POST", TRANSCRIPTIONS] = json({"detail": "broken"}, status=500)
    async with ClientSession() as session, running(broken), running(well):
        members = [PoolMember(PARAKEET, fake.url, Parakeet(Transport(session, fake.url))) for fake in (broken, well)]
        audio = ArrivingAudio(len(PCM), 16_000)
        asking = asyncio.ensure_future(ParakeetPool(members).transcribe(audio))
        audio.add(PCM[:1000])
        await asyncio.sleep(0)
        audio.add(PCM[1000:])
        assert (await asking).text == parakeet.TEXT
    sent = [asked.file for fake in (broken, well) for asked in fake.posts(TRANSCRIPTIONS)]
    assert sent == [wav_header(16_000, len(PCM)) + PCM] * 2
