"""What Magpie servers there are, and how each wants to be asked (facts/upstreams.md, 1)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import override

from .errors import ServerFault
from .models import NATIVE_RATE, SpeechStyle, Voice
from .probe import Answers, probe
from .transport import Body, Json, Transport, form_body
from .voices import default_voice, find_voice, parse_voice

DEFAULT_LANGUAGE = "en-US"


@dataclass(frozen=True, slots=True)
class SynthesisRequest:
    """What to send. `sample_rate` in Hz where raw PCM comes back, None where a WAV header will tell."""

    path: str
    body: Body
    sample_rate: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class MagpieDialect:
    """How one family of servers is asked."""

    name: str
    path: str
    raw_pcm: bool
    """Whether the answer is bare PCM at the rate asked for; else it is a WAV file."""
    sample_rates: tuple[int, ...]
    """Rates in Hz that may be asked for, the native one first."""
    body: Callable[[str, Voice, str, int], Body]
    """The request for (text, voice, language, sample rate)."""
    voices: Callable[[Answers], tuple[Voice, ...]]
    recognise: Callable[[Answers], bool]


@dataclass(frozen=True, slots=True)
class MagpieServer:
    """What probing found out about one server."""

    dialect: MagpieDialect
    voices: tuple[Voice, ...]

    @override
    def __str__(self) -> str:
        return f"{self.dialect.name}, {len(self.voices)} voices"

    def voice(self, wanted: str | None, language: str | None) -> Voice:
        """The voice that is meant, the default one for the language where it is unknown or left open."""
        found = find_voice(self.voices, wanted, language) if wanted else None
        found = found or default_voice(self.voices, language) or default_voice(self.voices)
        if found is None:
            raise ServerFault("Magpie lists no voices; has its model been loaded?")
        return found

    def request(self, text: str, style: SpeechStyle) -> SynthesisRequest:
        """The request that speaks one utterance. Raises ServerFault where the server has no voice at all."""
        dialect = self.dialect
        voice = self.voice(style.voice, style.language)
        rate = style.sample_rate if style.sample_rate in dialect.sample_rates else dialect.sample_rates[0]
        language = voice.language or style.language or DEFAULT_LANGUAGE
        body = dialect.body(text, voice, language, rate)
        return SynthesisRequest(dialect.path, body, rate if dialect.raw_pcm else None)


def _nim_body(text: str, voice: Voice, language: str, sample_rate: int) -> Body:
    fields: Mapping[str, str] = {
        "text": text,
        "language": language,
        "voice": voice.name,
        "encoding": "LINEAR_PCM",
        "sample_rate_hz": str(sample_rate),
    }
    return form_body(fields)


def _nim_voices(answers: Answers) -> tuple[Voice, ...]:
    """The voices of all models. The keys are comma-joined locales and mean nothing: names carry the language."""
    listed = answers.json("/v1/audio/list_voices")
    groups: list[Json] = list(listed.values()) if isinstance(listed, dict) else []
    names = [name for group in groups if isinstance(group, dict) for name in _strings(group.get("voices"))]
    return tuple(parse_voice(name) for name in dict.fromkeys(names))


def _strings(items: Json) -> list[str]:
    return [item for item in items if isinstance(item, str)] if isinstance(items, list) else []


def _nim(name: str, path: str, *, raw_pcm: bool) -> MagpieDialect:
    return MagpieDialect(
        name=name,
        path=path,
        raw_pcm=raw_pcm,
        # 24,000 Hz is refused by the server.
        sample_rates=(NATIVE_RATE, 44_100),
        body=_nim_body,
        voices=_nim_voices,
        recognise=lambda answers: answers.exists("/v1/audio/list_voices") and answers.posts_to(path),
    )


NIM = _nim("nim", "/v1/audio/synthesize_online", raw_pcm=True)
"""NVIDIA Riva and Speech NIM, streaming: the route that survives builds in which the other one crashes."""

NIM_OFFLINE = _nim("nim offline", "/v1/audio/synthesize", raw_pcm=False)
"""A NIM whose model cannot stream."""

DIALECTS = (NIM, NIM_OFFLINE)
"""In the order in which they are tried."""

_PROBED = ("/v1/audio/list_voices", NIM.path, NIM_OFFLINE.path)


async def identify(transport: Transport) -> MagpieServer:
    """Find out which server this is and what voices it has.

    Raises Unreachable, TimedOut, Unauthorized or Busy where it cannot be asked, ServerFault where it is no Magpie.
    """
    answers = await probe(transport, _PROBED)
    dialect = next((dialect for dialect in DIALECTS if dialect.recognise(answers)), None)
    if dialect is None:
        raise ServerFault("The server does not answer like any Magpie that is known.")
    return MagpieServer(dialect, dialect.voices(answers))
