"""What Magpie servers there are, and how each wants to be asked: from documentation and source, November 2026."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, override

from ..errors import Busy
from ..models import Json, SpeechStyle, Voice
from ..speech.language import MAGPIE_LANGUAGES, base_language, normalize_language
from ..speech.replacements import AS_WRITTEN, Rewrite, Sound
from ..speech.voices import default_voice, find_voice, languages
from .bodies import Body, form_body, json_body
from .identification import Keep
from .magpie_readers import (
    CONFIG,
    DEFAULT_VOICE,
    LIST_VOICES,
    SHORT_VOICES,
    VOICES,
    Repertoire,
    read_localai,
    read_nemo_speech,
    read_nim,
    read_openai,
    read_pipecat,
    read_shim,
    read_voices_and_languages,
    read_vox,
    speaking_model,
    voice_items,
)
from .phonemes import as_ssml
from .probe import LOCALAI, LOCALAI_MODELS, LOCALAI_SLEEP, MODELS, OPENAPI, VOX_SLEEP, Answers, SleepPage

DEFAULT_LANGUAGE = "en-US"

SPEECH = "/v1/audio/speech"


@dataclass(frozen=True, slots=True)
class Utterance:
    """One piece of text, and what has been chosen for it. `sample_rate` in Hz."""

    sounds: Sequence[Sound]
    voice: Voice
    language: str
    sample_rate: int
    model: str

    @property
    def text(self) -> str:
        """Return the text without its pronunciations."""
        return "".join(sound.text for sound in self.sounds)


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
    recognise: Callable[[Answers], bool]
    """Whether the answers to the probe are this family's."""
    read: Callable[[Answers], Repertoire]
    """What the server can say."""
    body: Callable[[Utterance], Body]
    path: str = SPEECH
    raw_pcm: bool = False
    """Whether the answer is bare PCM at the rate asked for; else it is a WAV file."""
    reads_ipa: bool = False
    """Whether it can be told how a word is pronounced."""
    streams: bool = False
    """Whether speech comes as it is made; else all at once, after all of it was made."""
    sleep: SleepPage | None = None
    """Where the server tells that it has unloaded its model; None where it cannot tell, or never does."""


@dataclass(frozen=True, slots=True)
class MagpieServer:
    """What probing found out about one server."""

    dialect: MagpieDialect
    repertoire: Repertoire
    version: str | None = None

    @override
    def __str__(self) -> str:
        return f"{self.dialect.name}, {len(self.voices)} voices"

    @property
    def keep(self) -> Keep:
        """Return how long this is remembered: without voices, its model may still be loading."""
        return Keep.ALWAYS if self.voices else Keep.NOT

    @property
    def voices(self) -> tuple[Voice, ...]:
        """Return the voices of the server, none while its model is not loaded."""
        return self.repertoire.voices

    @property
    def languages(self) -> tuple[str, ...]:
        """Return the languages it speaks: those of its voices, and its own where it has voices for every language."""
        spoken = set(languages(self.voices))
        if any(voice.language is None for voice in self.voices):
            spoken.update(map(normalize_language, self.repertoire.languages or MAGPIE_LANGUAGES))
        return tuple(sorted(spoken))

    @property
    def model(self) -> str:
        """Return the model's name: as listed, else from the voices, which may carry it."""
        return self.repertoire.model or next((voice.model for voice in self.voices if voice.model), "magpie")

    def voice(self, wanted: str | None, language: str | None) -> Voice:
        """Return the voice that is meant, the default one for the language where it is unknown or left open."""
        found = find_voice(self.voices, wanted, language) if wanted else None
        found = found or default_voice(self.voices, language) or default_voice(self.voices)
        if found is None:
            raise Busy("Magpie lists no voices; has its model been loaded?", status=503)
        return found

    def language(self, wanted: str) -> str:
        """Return the server's spelling of a language: the same region, else any region, else its first language."""
        listed = self.repertoire.languages or (wanted,)
        for same in (normalize_language, base_language):
            for tag in listed:
                if same(tag) == same(wanted):
                    return tag
        return listed[0]

    def spoken_language(self, style: SpeechStyle) -> str:
        """Return the language that is spoken: the voice's, where it has one. Raises Busy where there is none yet."""
        return self._language_of(self.voice(style.voice, style.language), style)

    def _language_of(self, voice: Voice, style: SpeechStyle) -> str:
        return voice.language or self.language(style.language or DEFAULT_LANGUAGE)

    def request(self, text: str, style: SpeechStyle, rewrite: Rewrite = AS_WRITTEN) -> SynthesisRequest:
        """Return the request that speaks one utterance. Raises Busy where the server has no voice yet.

        `rewrite` tells how words are pronounced.
        """
        dialect, rates = self.dialect, self.repertoire.sample_rates
        voice = self.voice(style.voice, style.language)
        rate = style.sample_rate if style.sample_rate in rates else rates[0]
        language = self._language_of(voice, style)
        body = dialect.body(Utterance(rewrite.sounds(text), voice, language, rate, self.model))
        return SynthesisRequest(dialect.path, body, rate if dialect.raw_pcm else None)


def _nim_body(utterance: Utterance) -> Body:
    return form_body(
        {
            "text": as_ssml(utterance.sounds),
            "language": utterance.language,
            "voice": utterance.voice.name,
            "encoding": "LINEAR_PCM",
            "sample_rate_hz": str(utterance.sample_rate),
        }
    )


def _json_body(*chosen: Literal["model", "voice", "language"], **fixed: Json) -> Callable[[Utterance], Body]:
    """Return what makes a JSON request with these choices; a voice only where the server has any to choose from."""

    def body(utterance: Utterance) -> Body:
        choices: dict[str, Json] = {"model": utterance.model, "language": utterance.language}
        if utterance.voice != DEFAULT_VOICE:
            choices["voice"] = utterance.voice.name
        return json_body({"input": utterance.text, **{key: choices[key] for key in chosen if key in choices}, **fixed})

    return body


NIM = MagpieDialect(
    name="nim",
    recognise=lambda answers: (
        answers.exists(LIST_VOICES)
        and (answers.posts_to("/v1/audio/synthesize_online") or not answers.posts_to("/v1/audio/synthesize"))
    ),
    read=read_nim,
    body=_nim_body,
    path="/v1/audio/synthesize_online",
    raw_pcm=True,
    reads_ipa=True,
    streams=True,
)
"""NVIDIA Riva and Speech NIM, streaming: the route that survives builds in which the other one crashes."""

NIM_OFFLINE = MagpieDialect(
    name="nim offline",
    recognise=lambda answers: answers.exists(LIST_VOICES),
    read=read_nim,
    body=_nim_body,
    path="/v1/audio/synthesize",
    reads_ipa=True,
)
"""A NIM whose model cannot stream."""

NEMO_SPEECH = MagpieDialect(
    name="nemo-speech.cpp",
    recognise=lambda answers: bool(speaking_model(answers)),
    read=read_nemo_speech,
    body=_json_body("voice", "language", response_format="wav"),
)
"""NVIDIA NeMo-Speech.cpp: one model whatever is asked for, at no other speed."""

XR_AI = MagpieDialect(
    name="xr-ai",
    recognise=lambda answers: answers.is_xr_ai(speaks=True),
    read=read_openai,
    body=_json_body(response_format="wav"),
)
"""NVIDIA xr-ai magpie-tts: it takes a voice and ignores it, so none is offered."""

XR_AI_SHIM = MagpieDialect(
    name="xr-ai shim",
    recognise=lambda answers: (
        answers.document("/health").get("service") == "magpie-nim-tts"
        or (answers.document("/health").get("service") == "nim-model-adapter" and answers.posts_to(SPEECH))
    ),
    read=read_shim,
    body=_json_body(response_format="pcm", stream=True),
    raw_pcm=True,
    streams=True,
)
"""NVIDIA xr-ai magpie-nim-tts, in front of a NIM: voice, language and rate are in its configuration."""

PIPECAT = MagpieDialect(
    name="pipecat",
    recognise=lambda answers: "voices" in answers.document(CONFIG),
    read=read_pipecat,
    body=_json_body("voice", "language", response_format="pcm"),
    raw_pcm=True,
)
"""pipecat's Nemotron container: bare PCM even where a WAV is asked for."""

SPARK_AUDIO = MagpieDialect(
    name="spark audio",
    recognise=lambda answers: any(isinstance(item, dict) and "speaker" in item for item in voice_items(answers)),
    read=read_openai,
    body=_json_body("model", "voice", "language", response_format="wav"),
    streams=True,
)
"""Our own proxy: a language may be told besides."""

MVDB = MagpieDialect(
    name="dgx-spark-tts",
    recognise=lambda answers: "languages" in answers.document(SHORT_VOICES),
    read=read_voices_and_languages,
    body=_json_body("voice", "language", response_format="wav"),
)
"""MvdB's server: it speaks German unless told a language, which it spells without a region."""

LOCALAI_SERVER = MagpieDialect(
    name="localai",
    recognise=Answers.is_localai,
    read=read_localai,
    body=_json_body("model", "voice", "language", response_format="wav"),
    sleep=LOCALAI_SLEEP,
)
"""LocalAI with its backend for Magpie: many models, one of which must be named."""

VOX = MagpieDialect(
    name="vox",
    recognise=Answers.is_vox,
    read=read_vox,
    body=_json_body("model", "voice", "language", response_format="wav"),
    sleep=VOX_SLEEP,
)
"""vox-runtime with vox-magpie."""

OPENAI = MagpieDialect(
    name="openai",
    recognise=lambda answers: answers.posts_to(SPEECH) or bool(voice_items(answers)),
    read=read_openai,
    body=_json_body("model", "voice", response_format="wav"),
)
"""OpenAI's contract, for a server that nothing else fits."""

FAMILIES = (NIM, NIM_OFFLINE, NEMO_SPEECH, XR_AI, XR_AI_SHIM, PIPECAT, SPARK_AUDIO, MVDB, LOCALAI_SERVER, VOX)
"""In the order in which they are tried."""

_TELLING = (LIST_VOICES, NIM.path, NIM_OFFLINE.path, MODELS, CONFIG, VOICES, SPEECH, "/health")
"""Pages that tell families apart: while one of them cannot be read, the server may be of any family."""

PROBED = (*_TELLING, SHORT_VOICES, OPENAPI, LOCALAI, LOCALAI_MODELS)


def recognise(answers: Answers) -> MagpieServer | None:
    """Return the server that answers like this, None where nothing tells that it speaks.

    Raises what the pages answered where that leaves it open which family it is, Busy while it is loading for one.
    """
    dialect = next((family for family in FAMILIES if family.recognise(answers)), None)
    if dialect is None:
        answers.settle(_TELLING)
        if not OPENAI.recognise(answers):
            return None
        dialect = OPENAI
    return MagpieServer(dialect, dialect.read(answers), answers.version())
