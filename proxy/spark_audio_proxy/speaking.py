"""Speech as callers ask for it: what they may wish, and Magpie's audio in the format that they want."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import ExitStack, aclosing, asynccontextmanager, closing
from dataclasses import dataclass

from aiohttp import web
from spark_engine.healing.pool import MagpiePool
from spark_engine.models import Json, SpeechStyle
from spark_engine.spark import Admit
from spark_engine.speech.voices import find_voice

from .app_state import ENCODERS, JOURNAL, SETTINGS, SPARK
from .config import Settings
from .journal import AudioPassed
from .problems import Problem, bad_request
from .transcode.coder import Coder
from .transcode.encode import FORMATS, AudioFormat, find_format
from .uploads.admission import Gate
from .uploads.form import wanted_language

SLOWEST, FASTEST = 0.25, 4.0


@dataclass(frozen=True, slots=True)
class SpeechWish:
    """How text is to be spoken. What Magpie cannot do (`instructions`) has been dropped."""

    voice: str | None
    language: str | None
    audio_format: AudioFormat
    speed: float


def magpie_of(request: web.Request) -> MagpiePool:
    """Return the Magpies of this proxy. Raises Problem 404 where it has none."""
    magpie = request.app[SPARK].magpie
    if magpie is None:
        raise Problem(404, "This proxy has no Magpie: no text can be spoken.", "model", "model_not_found")
    return magpie


def read_wish(document: Mapping[str, Json], usual_format: str) -> SpeechWish:
    """Return what these fields wish for. Raises Problem 400 naming the field."""
    name = document.get("response_format") or usual_format
    audio_format = find_format(name) if isinstance(name, str) else None
    if audio_format is None:
        raise bad_request(f"`response_format` must be one of {', '.join(FORMATS)}.", "response_format")
    return SpeechWish(
        voice=_voice(document.get("voice")),
        language=wanted_language(document.get("language")),
        audio_format=audio_format,
        speed=_speed(document.get("speed")),
    )


def _voice(value: Json) -> str | None:
    name = value.get("id") if isinstance(value, dict) else value
    if name is not None and not isinstance(name, str):
        raise bad_request('`voice` must be a name or {"id": name}.', "voice")
    return name or None


def _speed(value: Json) -> float:
    if value is None:
        return 1.0
    if isinstance(value, bool) or not isinstance(value, int | float) or not SLOWEST <= value <= FASTEST:
        raise bad_request(f"`speed` must be a number from {SLOWEST} to {FASTEST:.0f}.", "speed")
    return float(value)


def too_long(field: str, characters: int, settings: Settings) -> Problem:
    """Return what is wrong with a text of so many characters."""
    message = f"`{field}` has {characters} characters; the limit is {settings.max_characters}."
    return bad_request(message, field, "string_too_long")


async def check_voice(magpie: MagpiePool, wish: SpeechWish, settings: Settings) -> None:
    """Raise Problem 400 for an unknown voice, where the settings want that. Raises SparkError."""
    if wish.voice and settings.unknown_voice == "reject":
        known = await magpie.voices()
        if find_voice(known, wish.voice, wish.language) is None:
            raise bad_request(
                f"Voice {wish.voice[:100]!r} not found; GET /v1/audio/voices lists all.", "voice", "voice_not_found"
            )


def admission(gate: Gate, places: ExitStack) -> Admit:
    """Return what lets one request to Magpie after the other through: in between, others are spoken.

    The first one takes a place, which the text keeps in `places`. Raises Problem 429 where it cannot.
    """
    is_first = True

    @asynccontextmanager
    async def admit() -> AsyncGenerator[None]:
        nonlocal is_first
        if is_first:
            places.enter_context(gate.place())
        async with gate.turn(first=is_first):
            is_first = False
            yield

    return admit


async def spoken(
    request: web.Request, wish: SpeechWish, text: str | AsyncGenerator[str], *, admit: Admit
) -> AsyncGenerator[bytes]:
    """Yield bytes of the wanted format, none of them empty. What takes time runs off the event loop.

    How a text was cut and when its pieces came makes no difference to what is heard: pauses of it are none of the
    speech. `admit` lets each request to Magpie through. Raises SparkError, and what `admit` raises.
    """
    style = SpeechStyle(wish.voice, wish.language)

    async def run[*Ts](work: Callable[[*Ts], bytes], *arguments: *Ts) -> bytes:
        if _is_trivial(wish, settings):
            return work(*arguments)
        return await asyncio.get_running_loop().run_in_executor(request.app[ENCODERS], work, *arguments)

    settings = request.app[SETTINGS]
    speech = request.app[SPARK].speak(
        text, style, speed=wish.speed, replacements=settings.replacements, fills_pauses=False, admit=admit
    )
    with closing(Coder(wish.audio_format, wish.speed, is_even=settings.even_loudness)) as coder:
        async with aclosing(speech) as audios:
            async for audio in audios:
                request.app[JOURNAL].tell(AudioPassed("spoken", audio.seconds))
                if piece := await run(coder.encode, audio):
                    yield piece
        if rest := await run(coder.finish):
            yield rest


def _is_trivial(wish: SpeechWish, settings: Settings) -> bool:
    """Return whether encoding is only a header in front of the samples: less work than handing it to a thread."""
    return wish.audio_format.name == "wav" and wish.speed == 1.0 and not settings.even_loudness
