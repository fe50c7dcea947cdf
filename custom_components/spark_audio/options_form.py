"""The options as a form: its sections and fields, and the way between them and what is stored."""

from collections.abc import Container, Mapping, Sequence
from typing import Any

import voluptuous as vol
from homeassistant.const import CONF_LANGUAGE, Platform
from homeassistant.data_entry_flow import section
from homeassistant.helpers.selector import (
    BooleanSelector,
    EntitySelector,
    EntitySelectorConfig,
    LanguageSelector,
    LanguageSelectorConfig,
    NumberSelector,
    NumberSelectorConfig,
    NumberSelectorMode,
    SelectOptionDict,
    Selector,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
    TextSelector,
    TextSelectorConfig,
    TextSelectorType,
)

from .const import (
    AS_IS,
    CHIME_BUILT_IN,
    CHIME_NONE,
    CONF_AUDIO_PROCESSING,
    CONF_AUTO_GAIN,
    CONF_AUTOMATIC_RESTART,
    CONF_CANARY_INTERVAL,
    CONF_CHIME,
    CONF_EARLY_TRANSCRIPTION,
    CONF_EMOTION,
    CONF_EVEN_LOUDNESS,
    CONF_HOME_NAMES,
    CONF_KEEP_CORRECTIONS,
    CONF_KEEP_WARM,
    CONF_MORE_NAMES,
    CONF_NOISE_REDUCTION,
    CONF_REPLACEMENTS,
    CONF_RESTART_KIND,
    CONF_SAMPLE_RATE,
    CONF_SILENCE_BEFORE,
    CONF_SILENCE_BEHIND,
    CONF_SPEECH_ONLY,
    CONF_SPEED,
    CONF_TURN_DEADLINE,
    CONF_TURN_END,
    CONF_VOICES,
    DEFAULT_CANARY_INTERVAL,
    DEFAULT_SAMPLE_RATE,
    DEFAULT_TURN_DEADLINE,
    DEFAULT_TURN_END,
    FASTEST,
    LEAST_CANARY_INTERVAL,
    LONGEST_SILENCE,
    SLOWEST,
    RestartKind,
    TurnEnd,
    restart_option,
)
from .other_entities import FALLBACK_OPTIONS
from .spark_engine.models import Service
from .spark_engine.servers.magpie_dialects import MagpieServer
from .spark_engine.speech.voices import emotion_label
from .voices import emotions, offered

VOICE = "voice"
LISTENING = "listening"
HEALING = "healing"
FALLBACK = "fallback"

SAMPLE_RATES = ("22050", "44100")

RESTART_FIELDS: Mapping[RestartKind, Sequence[str]] = {
    RestartKind.HOOK: ("url", "token"),
    RestartKind.DOCKER: ("docker",),
    RestartKind.ACTION: ("action",),
    RestartKind.BUTTON: ("button",),
}
"""What each kind has to be told, for each service."""

FALLBACK_PLATFORMS: Mapping[Service, Platform] = {Service.PARAKEET: Platform.STT, Service.MAGPIE: Platform.TTS}

type Options = dict[str, Any]


def form(services: Sequence[Service], magpie: MagpieServer | None, own: Sequence[str], *, healing: bool) -> vol.Schema:
    """Return the form for a Spark with these services; `own` are entities that cannot stand in for it."""
    fields: dict[vol.Marker, section] = {}
    if Service.MAGPIE in services:
        # With a field for each language it would hide that there are other sections.
        fields[vol.Required(VOICE)] = section(vol.Schema({**_voice_fields(magpie), **_SOUND}), {"collapsed": True})
    if Service.PARAKEET in services:
        fields[vol.Required(LISTENING)] = section(vol.Schema(_LISTENING), {"collapsed": True})
    if healing:
        fields[vol.Required(HEALING)] = section(vol.Schema(_HEALING))
    fields[vol.Required(FALLBACK)] = section(
        vol.Schema(
            {vol.Optional(FALLBACK_OPTIONS[service]): _entity(FALLBACK_PLATFORMS[service], own) for service in services}
        ),
        {"collapsed": True},
    )
    return vol.Schema(fields)


def target_form(
    kind: RestartKind, services: Sequence[Service], actions: Sequence[str], own: Sequence[str]
) -> vol.Schema:
    """Return the fields that tell how each of these services is restarted."""
    selectors = {
        "url": TextSelector(TextSelectorConfig(type=TextSelectorType.URL)),
        "token": TextSelector(TextSelectorConfig(type=TextSelectorType.PASSWORD, autocomplete="off")),
        "docker": TextSelector(),
        "action": SelectSelector(
            SelectSelectorConfig(options=list(actions), custom_value=True, mode=SelectSelectorMode.DROPDOWN)
        ),
        "button": EntitySelector(EntitySelectorConfig(domain=["button", "input_button"], exclude_entities=list(own))),
    }
    return vol.Schema(
        {
            vol.Optional(restart_option(service, what)): selectors[what]
            for service in services
            for what in RESTART_FIELDS[kind]
        }
    )


def shown(options: Mapping[str, Any], magpie: MagpieServer | None) -> dict[str, Options]:
    """Stored options as the form shows them. What the server has no more is not offered again."""
    chosen = {_field(tag): voice for tag, voice in options.get(CONF_VOICES, {}).items()}
    choices = _choices(magpie)
    known = {_field(tag): {name for name, _ in voices} for tag, voices in choices.items()}
    voices = {field: voice for field, voice in chosen.items() if voice in known.get(field, ())}
    there: Mapping[str, Container[str]] = {
        CONF_LANGUAGE: choices,
        CONF_EMOTION: emotions(magpie.voices) if magpie else {},
    }
    sound = {name: value for name, value in options.items() if name not in there or value in there[name]}
    if CONF_SAMPLE_RATE in sound:
        sound[CONF_SAMPLE_RATE] = str(sound[CONF_SAMPLE_RATE])
    return {
        VOICE: sound | voices,
        LISTENING: {**options, **options.get(CONF_AUDIO_PROCESSING, {})},
        HEALING: {**options},
        FALLBACK: {**options},
    }


def stored(
    user_input: Mapping[str, Mapping[str, Any]], magpie: MagpieServer | None, before: Mapping[str, Any]
) -> Options:
    """Return what the form was filled in with, as it is stored. What depends on voices stays while none are listed."""
    options: Options = {name: value for fields in user_input.values() for name, value in fields.items()}
    if VOICE in user_input:
        options[CONF_SAMPLE_RATE] = int(options[CONF_SAMPLE_RATE])
        if magpie is None:
            options |= {name: before[name] for name in (CONF_LANGUAGE, CONF_VOICES, CONF_EMOTION) if name in before}
        else:
            chosen = {tag: options.pop(_field(tag), None) for tag in magpie.languages}
            options[CONF_VOICES] = {tag: voice for tag, voice in chosen.items() if voice}
    if LISTENING in user_input:
        processing = (CONF_AUTO_GAIN, CONF_NOISE_REDUCTION)
        options[CONF_AUDIO_PROCESSING] = {name: options.pop(name) for name in processing}
    return options


def _field(tag: str) -> str:
    """Return the name of a language's field: translations have lower-case keys."""
    return tag.lower()


def _choices(magpie: MagpieServer | None) -> dict[str, list[tuple[str, str]]]:
    return {tag: offered(magpie.voices, tag) for tag in magpie.languages} if magpie else {}


def _voice_fields(magpie: MagpieServer | None) -> dict[vol.Marker, Selector[Any]]:
    """Return the fields that depend on the server's voices: none while those are not known."""
    if magpie is None:
        return {}
    languages = LanguageSelectorConfig(languages=list(magpie.languages))
    return {vol.Optional(CONF_LANGUAGE): LanguageSelector(languages), **_voices(magpie), **_emotion(magpie)}


def _emotion(magpie: MagpieServer) -> dict[vol.Marker, SelectSelector]:
    """Labels are for emotions that the translations do not know."""
    named = {AS_IS: AS_IS, **{key: emotion_label(name) for key, name in emotions(magpie.voices).items()}}
    selector = SelectSelector(
        SelectSelectorConfig(
            options=[SelectOptionDict(value=key, label=label) for key, label in named.items()],
            translation_key=CONF_EMOTION,
            mode=SelectSelectorMode.DROPDOWN,
        )
    )
    return {vol.Required(CONF_EMOTION, default=AS_IS): selector}


def _voices(magpie: MagpieServer) -> dict[vol.Marker, SelectSelector]:
    return {
        vol.Optional(_field(tag)): SelectSelector(
            SelectSelectorConfig(
                options=[SelectOptionDict(value=name, label=label) for name, label in voices],
                mode=SelectSelectorMode.DROPDOWN,
            )
        )
        for tag, voices in _choices(magpie).items()
    }


def _entity(platform: Platform, own: Sequence[str]) -> EntitySelector:
    return EntitySelector(EntitySelectorConfig(domain=platform, exclude_entities=list(own)))


def _seconds(least: float, most: float) -> NumberSelector:
    return NumberSelector(
        NumberSelectorConfig(min=least, max=most, step="any", unit_of_measurement="s", mode=NumberSelectorMode.BOX)
    )


_SOUND = {
    vol.Required(CONF_SPEED, default=1.0): NumberSelector(
        NumberSelectorConfig(min=SLOWEST, max=FASTEST, step=0.05, mode=NumberSelectorMode.SLIDER)
    ),
    vol.Required(CONF_SAMPLE_RATE, default=str(DEFAULT_SAMPLE_RATE)): SelectSelector(
        SelectSelectorConfig(
            options=list(SAMPLE_RATES), translation_key=CONF_SAMPLE_RATE, mode=SelectSelectorMode.DROPDOWN
        )
    ),
    vol.Required(CONF_EVEN_LOUDNESS, default=False): BooleanSelector(),
    vol.Required(CONF_SILENCE_BEFORE, default=0): _seconds(0, LONGEST_SILENCE),
    vol.Required(CONF_CHIME, default=CHIME_NONE): SelectSelector(
        SelectSelectorConfig(
            options=[CHIME_NONE, CHIME_BUILT_IN],
            custom_value=True,
            translation_key=CONF_CHIME,
            mode=SelectSelectorMode.DROPDOWN,
        )
    ),
    vol.Required(CONF_SILENCE_BEHIND, default=0): _seconds(0, LONGEST_SILENCE),
    vol.Optional(CONF_REPLACEMENTS): TextSelector(TextSelectorConfig(multiline=True)),
}
_LISTENING = {
    vol.Required(CONF_TURN_END, default=DEFAULT_TURN_END): SelectSelector(
        SelectSelectorConfig(options=list(TurnEnd), translation_key=CONF_TURN_END, mode=SelectSelectorMode.DROPDOWN)
    ),
    vol.Required(CONF_EARLY_TRANSCRIPTION, default=True): BooleanSelector(),
    vol.Required(CONF_HOME_NAMES, default=True): BooleanSelector(),
    vol.Optional(CONF_MORE_NAMES): TextSelector(TextSelectorConfig(multiple=True)),
    vol.Required(CONF_KEEP_CORRECTIONS, default=False): BooleanSelector(),
    vol.Required(CONF_SPEECH_ONLY, default=True): BooleanSelector(),
    vol.Required(CONF_TURN_DEADLINE, default=DEFAULT_TURN_DEADLINE): _seconds(1, 60),
    vol.Required(CONF_NOISE_REDUCTION, default=True): BooleanSelector(),
    vol.Required(CONF_AUTO_GAIN, default=True): BooleanSelector(),
}
_HEALING = {
    vol.Required(CONF_CANARY_INTERVAL, default=DEFAULT_CANARY_INTERVAL): _seconds(LEAST_CANARY_INTERVAL, 86_400),
    vol.Required(CONF_AUTOMATIC_RESTART, default=True): BooleanSelector(),
    vol.Required(CONF_KEEP_WARM, default=False): BooleanSelector(),
    vol.Required(CONF_RESTART_KIND, default=RestartKind.NONE): SelectSelector(
        SelectSelectorConfig(
            options=list(RestartKind), translation_key=CONF_RESTART_KIND, mode=SelectSelectorMode.DROPDOWN
        )
    ),
}
