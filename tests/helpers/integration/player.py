"""Plays what Home Assistant serves, as any player would: with a decoder that knows nothing of us."""

import asyncio
import json


async def decode(audio: bytes) -> bytes:
    """The s16le mono samples at 16 kHz that a player hears."""
    samples, status = await _decode(audio)
    assert status == 0
    return samples


async def decode_beginning(audio: bytes) -> bytes:
    """The same of audio of which more is to come: none while a player can make nothing of it."""
    return (await _decode(audio))[0]


async def _decode(audio: bytes) -> tuple[bytes, int | None]:
    process = await asyncio.create_subprocess_exec(
        *("ffmpeg", "-v", "error", "-i", "pipe:0", "-f", "s16le", "-ac", "1", "-ar", "16000", "pipe:1"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    samples, _ = await process.communicate(audio)
    return samples, process.returncode


async def inspect(audio: bytes) -> tuple[str, str]:
    """The codec and the sample rate that a player finds."""
    codec, rate = (await probe(audio, "codec_name,sample_rate")).split(",")
    return codec, rate


async def probe(audio: bytes, entries: str) -> str:
    """What a player finds out about the sound: ffprobe's entries of a stream, comma separated."""
    process = await asyncio.create_subprocess_exec(
        *("ffprobe", "-v", "error", "-show_entries", f"stream={entries}", "-of", "csv=p=0", "pipe:0"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    found, _ = await process.communicate(audio)
    return found.decode().strip()


async def frames(audio: bytes) -> tuple[dict[str, str], float, set[int]]:
    """What ffprobe finds of a file whose sound it decodes: its entries, its seconds, and the sizes of its packets."""
    process = await asyncio.create_subprocess_exec(
        *("ffprobe", "-v", "error", "-show_entries", "stream=codec_name,sample_rate,channels,sample_fmt"),
        *("-show_entries", "frame=nb_samples:packet=size", "-show_packets", "-show_frames", "-of", "json", "pipe:0"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    written, _ = await process.communicate(audio)
    found = json.loads(written)
    [entries] = found["streams"]
    decoded = found["packets_and_frames"]
    samples = sum(int(each["nb_samples"]) for each in decoded if each["type"] == "frame")
    sizes = {int(each["size"]) for each in decoded if each["type"] == "packet"}
    return entries, samples / int(entries["sample_rate"]), sizes
