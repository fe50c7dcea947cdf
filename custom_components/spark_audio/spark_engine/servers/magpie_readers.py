"""Voices, languages and sample rates out of what each family of Magpie servers tells."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from ..models import HIGHEST_RATE, LOWEST_RATE, NATIVE_RATE, Json, Voice
from ..speech.voices import parse_voice
from .probe import MOST_NAMES, Answers, as_name, ids, names

LIST_VOICES = "/v1/audio/list_voices"
VOICES = "/v1/audio/voices"
SHORT_VOICES = "/v1/voices"
CONFIG = "/v1/audio/config"

OPEN_SPEAKERS = ("Aria", "Jason", "John", "Leo", "Sofia")
"""The voices of the open Magpie model, which every server of it has."""

VOX_LANGUAGES = ("en", "es", "de", "fr", "it", "vi", "hi", "ar", "ko", "pt")
LOCALAI_LANGUAGES = ("en", "es", "de", "fr", "it", "pt-BR", "hi", "vi", "ko", "ar-SA")
"""The languages of the open model as vox-magpie and LocalAI spell them; another region is refused."""

DEFAULT_VOICE = Voice(name="default", speaker="Default")
"""The voice of a server that lists none: it is asked without any, and chooses itself."""

PIPECAT_RATE = 22_000
SHIM_RATE = 44_100


@dataclass(frozen=True, slots=True)
class Repertoire:
    """What a server can say, and how."""

    voices: tuple[Voice, ...] = (DEFAULT_VOICE,)
    languages: tuple[str, ...] = ()
    """Language tags as the server spells them, where its voices do not name any."""
    sample_rates: tuple[int, ...] = (NATIVE_RATE,)
    """Rates in Hz that may be asked for, the native one first."""
    model: str | None = None


def read_nim(answers: Answers) -> Repertoire:
    """Return the voices of all models. The keys are comma-joined locales and mean nothing: names carry the language."""
    groups = answers.document(LIST_VOICES).values()
    voices = [name for group in groups if isinstance(group, dict) for name in names(group.get("voices"))]
    # 24,000 Hz is refused by the server.
    return Repertoire(_parsed(voices), sample_rates=(NATIVE_RATE, 44_100))


def read_nemo_speech(answers: Answers) -> Repertoire:
    """Return voices and languages inside the model list."""
    model = speaking_model(answers)
    return Repertoire(
        voices=_parsed(names(model.get("voices"))) or (DEFAULT_VOICE,),
        languages=names(model.get("languages")),
        model=next(iter(ids([model])), None),
    )


def speaking_model(answers: Answers) -> Mapping[str, Json]:
    """NeMo-Speech.cpp's model for speaking, empty where it has none."""
    return next((model for model in answers.models() if model.get("capability") == "speech"), {})


def read_pipecat(answers: Answers) -> Repertoire:
    """Return what the server's own page for it tells."""
    config = answers.document(CONFIG)
    return Repertoire(
        voices=_parsed(names(config.get("voices"))) or (DEFAULT_VOICE,),
        languages=names(config.get("languages")),
        sample_rates=(_rate(config.get("sample_rate"), PIPECAT_RATE),),
    )


def read_shim(answers: Answers) -> Repertoire:
    """Return the one voice that the shim was configured with, on its health page."""
    configuration = answers.document("/health").get("configuration")
    if not isinstance(configuration, dict):
        configuration = {}
    return Repertoire(
        voices=_parsed(names([configuration.get("voice")])) or (DEFAULT_VOICE,),
        sample_rates=(_rate(configuration.get("sample_rate"), SHIM_RATE),),
    )


def read_openai(answers: Answers) -> Repertoire:
    """Return the voices of OpenAI-style lists, of names or of objects with an id; aliases are left out."""
    voices = [name for name in map(_voice_name, voice_items(answers)) if name]
    models = answers.model_ids()
    model = next((name for word in ("magpie", "tts") for name in models if word in name.lower()), None)
    return Repertoire(_parsed(voices) or (DEFAULT_VOICE,), model=model or next(iter(models), None))


def read_voices_and_languages(answers: Answers) -> Repertoire:
    """Return what MvdB's servers list beside each other: names, and languages without a region."""
    listed = answers.document(SHORT_VOICES)
    return Repertoire(
        voices=_parsed(names(listed.get("voices"))) or (DEFAULT_VOICE,), languages=names(listed.get("languages"))
    )


def read_localai(answers: Answers) -> Repertoire:
    """Return LocalAI's model for speaking. It lists no voices, but its Magpie has those of the open model."""
    return _open_model(answers.localai_models("tts"), LOCALAI_LANGUAGES)


def read_vox(answers: Answers) -> Repertoire:
    """Return vox-runtime's model for speaking. Its voice list is empty while the model is unloaded: it is not read."""
    return _open_model(answers.vox_models("tts"), VOX_LANGUAGES)


def _open_model(models: Sequence[str], languages: tuple[str, ...]) -> Repertoire:
    """Return the Magpie among some models with its voices; else the first one with a voice of its choice."""
    if magpie := next((name for name in models if "magpie" in name.lower()), None):
        return Repertoire(_parsed(OPEN_SPEAKERS), languages, model=magpie)
    return Repertoire((DEFAULT_VOICE,), model=models[0]) if models else Repertoire(())


def voice_items(answers: Answers) -> Sequence[Json]:
    """Return the items of OpenAI-style servers' voice list, at the one address or the other."""
    for path in (VOICES, SHORT_VOICES):
        listed = answers.document(path).get("voices")
        if isinstance(listed, list) and listed:
            return listed
    return []


def _voice_name(item: Json) -> str | None:
    match item:
        case str():
            return as_name(item)
        case {"alias_of": str()}:
            return None
        case {"full_name": name} | {"id": name}:
            # Our own proxy's ids are short, and would lose the language.
            return as_name(name)
    return None


def _parsed(voices: Sequence[str]) -> tuple[Voice, ...]:
    return tuple(map(parse_voice, islice(dict.fromkeys(voices), MOST_NAMES)))


def _rate(value: Json, default: int) -> int:
    return value if isinstance(value, int) and LOWEST_RATE <= value <= HIGHEST_RATE else default
