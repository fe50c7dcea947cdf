"""Names of the entry's data and options, and their defaults."""

from enum import StrEnum
from typing import Final

from .spark_engine.models import Service

DOMAIN: Final = "spark_audio"

DOCUMENTATION: Final = "https://github.com/spark-audio/spark-audio/blob/main/docs/home-assistant.md"

# Entry data; the key and TLS verification go by Home Assistant's own names, `api_key` and `verify_ssl`.
CONF_CONNECTION: Final = "connection"
CONF_PARAKEET_URL: Final = "parakeet_url"
CONF_MAGPIE_URL: Final = "magpie_url"
CONF_PROXY_URL: Final = "proxy_url"

CONNECTION_DIRECT: Final = "direct"
CONNECTION_PROXY: Final = "proxy"

# Entry options; the restart options of each service are named by `restart_option`.
CONF_VOICES: Final = "voices"
CONF_EMOTION: Final = "emotion"
CONF_SPEED: Final = "speed"
CONF_SAMPLE_RATE: Final = "sample_rate"
CONF_AUDIO_PROCESSING: Final = "audio_processing"
CONF_AUTO_GAIN: Final = "auto_gain"
CONF_NOISE_REDUCTION: Final = "noise_reduction"
CONF_TURN_DEADLINE: Final = "turn_deadline"
CONF_EARLY_TRANSCRIPTION: Final = "early_transcription"
CONF_TURN_END: Final = "turn_end"
CONF_HOME_NAMES: Final = "home_names"
CONF_MORE_NAMES: Final = "more_names"
CONF_KEEP_CORRECTIONS: Final = "keep_corrections"
CONF_CANARY_INTERVAL: Final = "canary_interval"
CONF_AUTOMATIC_RESTART: Final = "automatic_restart"
CONF_KEEP_WARM: Final = "keep_warm"
CONF_RESTART_KIND: Final = "restart_kind"
CONF_FALLBACK_STT: Final = "fallback_stt"
CONF_FALLBACK_TTS: Final = "fallback_tts"
CONF_SPEECH_ONLY: Final = "speech_only"
CONF_SILENCE_BEFORE: Final = "silence_before"
CONF_SILENCE_BEHIND: Final = "silence_behind"
CONF_CHIME: Final = "chime"
CONF_EVEN_LOUDNESS: Final = "even_loudness"
CONF_REPLACEMENTS: Final = "replacements"

AS_IS: Final = "as_is"
"""No emotion but the voice's own."""

CHIME_NONE: Final = "none"
CHIME_BUILT_IN: Final = "built_in"

LONGEST_SILENCE: Final = 10.0
"""Seconds, before and behind speech."""

SLOWEST: Final = 0.5
FASTEST: Final = 2.0

DEFAULT_SAMPLE_RATE: Final = 44_100
"""Hz. Home Assistant's converter holds back the first 64 KiB: 0.19 s of this, 0.37 s at half the rate."""

DEFAULT_TURN_DEADLINE: Final = 10.0
DEFAULT_CANARY_INTERVAL: Final = 300.0
LEAST_CANARY_INTERVAL: Final = 30.0
"""Seconds: each check is real work of the GPU."""


class TurnEnd(StrEnum):
    """What detects that a command is finished, and how soon."""

    HOME_ASSISTANT = "home_assistant"
    BALANCED = "balanced"
    FAST = "fast"


DEFAULT_TURN_END: Final = TurnEnd.BALANCED
"""The fastest that cuts people off no more often than Home Assistant's own detector (docs/performance.md)."""


class RestartKind(StrEnum):
    """What restarts a service."""

    NONE = "none"
    HOOK = "hook"
    DOCKER = "docker"
    ACTION = "action"
    BUTTON = "button"


def restart_option(service: Service, what: str) -> str:
    """Return the option that holds a service's restart `url`, `token`, `docker`, `action` or `button`."""
    return f"{service}_restart_{what}"
