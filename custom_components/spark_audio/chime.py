"""The chime before speech: our own, or a file from a media folder of Home Assistant, and the silence around speech."""

import asyncio
import logging
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from homeassistant.components.ffmpeg import get_ffmpeg_manager
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import ServiceValidationError

from .const import (
    CHIME_BUILT_IN,
    CHIME_NONE,
    CONF_CHIME,
    CONF_SILENCE_BEFORE,
    CONF_SILENCE_BEHIND,
    DOMAIN,
    LONGEST_SILENCE,
)
from .spark_engine.models import SAMPLE_WIDTH, Audio
from .spark_engine.speech.surroundings import Chime, Surroundings, own_chime

LOGGER = logging.getLogger(__name__)

LONGEST_CHIME = 10
"""Seconds that are played of a file."""

DECODING_DEADLINE = 10.0

_MEDIA_SOURCE = "media-source://media_source/"


def read_surroundings(hass: HomeAssistant, options: Mapping[str, Any]) -> Surroundings:
    """Return what is heard around speech, by the options of an entry and of a call. Raises ServiceValidationError."""
    return Surroundings(
        silence_before=_seconds(options, CONF_SILENCE_BEFORE),
        silence_behind=_seconds(options, CONF_SILENCE_BEHIND),
        chime=_chime(hass, str(options.get(CONF_CHIME) or CHIME_NONE)),
    )


def _seconds(options: Mapping[str, Any], name: str) -> float:
    given = options.get(name, 0)
    try:
        seconds = float(given) if isinstance(given, int | float | str) and not isinstance(given, bool) else -1.0
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= LONGEST_SILENCE:
        raise ServiceValidationError(
            translation_domain=DOMAIN,
            translation_key="unusable_silence",
            translation_placeholders={"option": name, "given": str(given), "most": f"{LONGEST_SILENCE:g}"},
        )
    return seconds


def _chime(hass: HomeAssistant, name: str) -> Chime | None:
    if name == CHIME_NONE:
        return None
    return own_chime if name == CHIME_BUILT_IN else partial(_from_file, hass, name)


async def _from_file(hass: HomeAssistant, name: str, sample_rate: int) -> Audio:
    """Return the beginning of a media file; our own chime, with a line in the log, where it cannot be played."""
    path = await hass.async_add_executor_job(find_media, hass, name)
    pcm = await _decoded(get_ffmpeg_manager(hass).binary, path, sample_rate) if path else b""
    if not pcm:
        LOGGER.warning("The chime %s cannot be played%s", name, "" if path else ": there is no such media file")
        return await own_chime(sample_rate)
    return Audio(pcm, sample_rate)


def find_media(hass: HomeAssistant, name: str) -> Path | None:
    """Return the file of that name within a media folder, None where there is none. Reads the disk.

    `name` is a path within a media folder, a whole path, or the address that the media browser shows.
    """
    if name.startswith(_MEDIA_SOURCE):
        # The first part is the name of the folder.
        name = name.removeprefix(_MEDIA_SOURCE).partition("/")[2]
    for folder in map(Path, hass.config.media_dirs.values()):
        path = (folder / name).resolve()
        if path.is_relative_to(folder.resolve()) and path.is_file():
            return path
    return None


async def _decoded(ffmpeg: str, path: Path, sample_rate: int) -> bytes:
    """Return s16le mono samples; none where ffmpeg fails."""
    try:
        process = await asyncio.create_subprocess_exec(
            *(ffmpeg, "-hide_banner", "-loglevel", "error", "-protocol_whitelist", "file,pipe", "-i", f"file:{path}"),
            *("-t", str(LONGEST_CHIME), "-vn", "-ar", str(sample_rate), "-ac", "1", "-f", "s16le", "pipe:1"),
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=DEVNULL,
        )
    except OSError:
        return b""
    try:
        async with asyncio.timeout(DECODING_DEADLINE):
            pcm, _ = await process.communicate()
    except TimeoutError:
        return b""
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return pcm[: len(pcm) // SAMPLE_WIDTH * SAMPLE_WIDTH]
