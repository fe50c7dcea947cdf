"""What a client may set of its session, in the spellings of both of OpenAI's protocols. Pure.

`session.update` with `type: transcription` is the current spelling (openai.types.realtime), and
`transcription_session.update` that of the beta (openai.types.beta.realtime), which clients still send.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, cast

from spark_engine.models import Json
from spark_engine.speech.language import read_language
from spark_engine.speech.turn_end import TurnRule

from spark_audio_proxy.problems import bad_request

type Document = dict[str, Json]

type Encoding = Literal["pcm", "pcmu", "pcma"]

PCM_RATES = (8000, 16_000, 24_000, 48_000)
"""Hz; OpenAI takes 24 kHz alone."""

G711_RATE = 8000

MOST_KEYWORDS = 100
LONGEST_PROMPT = 2000
"""Characters."""

COMMITTED_BY_CLIENT = ("gpt-live-transcribe", "gpt-realtime-whisper")
"""Beginnings of names of OpenAI's models that detect no turns: their clients commit, and say nothing of turns.

So does livekit-plugins-openai 1.8.9, whose sessions end with any error: a commit behind a turn that the server has
ended is one.
"""

MEDIUM = TurnRule(complete=0.65, brief=0.65, unfinished=1.25, known=0.25)
"""The proxy knows no home whose sentences end sooner, so all that read like whole ones do."""

EAGERNESS: Mapping[str, TurnRule] = {
    "low": TurnRule(complete=1.0, brief=1.0, unfinished=2.0, known=1.0),
    "medium": MEDIUM,
    "auto": MEDIUM,
    "high": TurnRule(complete=0.2, brief=0.2, unfinished=0.8, known=0.2),
}
"""Seconds of silence that end a turn with `semantic_vad`, well within OpenAI's longest of 8, 4 and 2 s."""


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """How the audio of `input_audio_buffer.append` is encoded: mono, `rate` in Hz."""

    encoding: Encoding = "pcm"
    rate: int = 24_000


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnDetection:
    """How the end of a turn is found; `eagerness` is of `semantic_vad` alone, the others are of `server_vad`."""

    kind: Literal["server_vad", "semantic_vad"] = "server_vad"
    threshold: float = 0.5
    prefix_padding_ms: int = 300
    silence_duration_ms: int = 500
    eagerness: str = "auto"

    def document(self) -> Document:
        """Return it as clients read it."""
        if self.kind == "semantic_vad":
            return {"type": self.kind, "eagerness": self.eagerness}
        return {
            "type": self.kind,
            "threshold": self.threshold,
            "prefix_padding_ms": self.prefix_padding_ms,
            "silence_duration_ms": self.silence_duration_ms,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSettings:
    """What a session does. Without `turn_detection` the client ends its turns. `language` is a BCP-47 tag or None."""

    format: AudioFormat = field(default_factory=AudioFormat)
    turn_detection: TurnDetection | None = field(default_factory=TurnDetection)
    language: str | None = None
    transcription: Mapping[str, Json] = field(default_factory=dict)
    """What the client said of the transcription, as it said it."""
    is_beta: bool = False
    """Whether the client speaks the protocol of the beta."""
    says_turns: bool = False
    """Whether the client has said how its turns end."""


def updated(before: SessionSettings, event: Document) -> SessionSettings:
    """Return the settings after `session.update` or `transcription_session.update`; what is left out stays.

    Raises Problem 400 naming the field.
    """
    is_beta = event["type"] == "transcription_session.update"
    session = _object(event.get("session"), "session")
    if is_beta:
        given = {
            "format": session.get("input_audio_format"),
            "transcription": session.get("input_audio_transcription"),
            **({"turn_detection": session["turn_detection"]} if "turn_detection" in session else {}),
        }
        return _applied(replace(before, is_beta=True), given, "session.", "input_audio_")
    if session.get("type") != "transcription":
        raise bad_request("`session.type` must be transcription: this proxy does not converse.", "session.type")
    audio = _object(session.get("audio") or {}, "session.audio")
    return _applied(
        replace(before, is_beta=False),
        _object(audio.get("input") or {}, "session.audio.input"),
        "session.audio.input.",
        "",
    )


def _applied(before: SessionSettings, given: Mapping[str, Json], path: str, prefix: str) -> SessionSettings:
    after = before
    if (audio_format := given.get("format")) is not None:
        after = replace(after, format=_format(audio_format, f"{path}{prefix}format"))
    if (transcription := given.get("transcription")) is not None:
        after = _with_transcription(after, _object(transcription, f"{path}{prefix}transcription"), path + prefix)
    if "turn_detection" in given:
        detection = given["turn_detection"]
        where = f"{path}turn_detection"
        turns = None if detection is None else _turn_detection(_object(detection, where), after.turn_detection, where)
        return replace(after, turn_detection=turns, says_turns=True)
    if not after.says_turns and str(after.transcription.get("model") or "").startswith(COMMITTED_BY_CLIENT):
        return replace(after, turn_detection=None)
    return after


def _format(given: Json, where: str) -> AudioFormat:
    match given:
        case "pcm16":
            return AudioFormat()
        case "g711_ulaw" | {"type": "audio/pcmu"}:
            return AudioFormat("pcmu", G711_RATE)
        case "g711_alaw" | {"type": "audio/pcma"}:
            return AudioFormat("pcma", G711_RATE)
        case {"type": "audio/pcm", **more}:
            rate = more.get("rate") or AudioFormat().rate
            if not isinstance(rate, int) or rate not in PCM_RATES:
                raise bad_request(f"`{where}.rate` must be one of {', '.join(map(str, PCM_RATES))}.", f"{where}.rate")
            return AudioFormat("pcm", rate)
    raise bad_request(
        f"`{where}` must be audio/pcm, audio/pcmu or audio/pcma (in the beta pcm16, g711_ulaw or g711_alaw).", where
    )


def _with_transcription(before: SessionSettings, given: Document, path: str) -> SessionSettings:
    where = f"{path}transcription"
    for name, kind in (("language", str), ("model", str), ("prompt", str), ("languages", list), ("keywords", list)):
        if given.get(name) is not None and not isinstance(given[name], kind):
            raise bad_request(f"`{where}.{name}` has the wrong type.", f"{where}.{name}")
    said = {**before.transcription, **{name: value for name, value in given.items() if name in _TRANSCRIPTION}}
    if len(cast("str", said.get("prompt") or "")) > LONGEST_PROMPT:
        raise bad_request(f"`{where}.prompt` has more than {LONGEST_PROMPT} characters.", f"{where}.prompt")
    if len(cast("list[Json]", said.get("keywords") or [])) > MOST_KEYWORDS:
        raise bad_request(f"`{where}.keywords` has more than {MOST_KEYWORDS} items.", f"{where}.keywords")
    languages = cast("list[Json]", said.get("languages") or [])
    language = said.get("language") or (languages[0] if len(languages) == 1 else None)
    try:
        tag = read_language(str(language)) if language else None
    except ValueError as err:
        raise bad_request(f"`{where}.language`: {err}", f"{where}.language") from err
    return replace(before, transcription=said, language=tag)


_TRANSCRIPTION = ("model", "language", "languages", "prompt", "keywords", "delay")


def _turn_detection(given: Document, before: TurnDetection | None, where: str) -> TurnDetection:
    base = before or TurnDetection()
    kind = given.get("type") or base.kind
    if kind == "semantic_vad":
        eagerness = given.get("eagerness") or "auto"
        if eagerness not in EAGERNESS:
            raise bad_request(f"`{where}.eagerness` must be one of {', '.join(EAGERNESS)}.", f"{where}.eagerness")
        return TurnDetection(kind="semantic_vad", eagerness=str(eagerness))
    if kind != "server_vad":
        raise bad_request(f"`{where}.type` must be server_vad or semantic_vad.", f"{where}.type")
    return TurnDetection(
        threshold=_number(given, "threshold", base.threshold, (0.0, 1.0), where),
        prefix_padding_ms=round(_number(given, "prefix_padding_ms", base.prefix_padding_ms, (0, 2000), where)),
        silence_duration_ms=round(_number(given, "silence_duration_ms", base.silence_duration_ms, (50, 10_000), where)),
    )


def _number(given: Document, name: str, usual: float, limits: tuple[float, float], where: str) -> float:
    value = given.get(name)
    if value is None:
        return usual
    low, high = limits
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise bad_request(f"`{where}.{name}` must be a number from {low:g} to {high:g}.", f"{where}.{name}")
    return value


def _object(value: Json, where: str) -> Document:
    if not isinstance(value, dict):
        raise bad_request(f"`{where}` must be an object.", where)
    return value


def document(settings: SessionSettings, session_id: str) -> Document:
    """Return the session as clients read it, in their spelling."""
    turns = settings.turn_detection.document() if settings.turn_detection else None
    head: Document = {"id": session_id, "object": "realtime.transcription_session"}
    transcription: Document = {"model": "parakeet", **settings.transcription}
    if settings.is_beta:
        names = {"pcm": "pcm16", "pcmu": "g711_ulaw", "pcma": "g711_alaw"}
        return head | {
            "input_audio_format": names[settings.format.encoding],
            "input_audio_transcription": transcription,
            "input_audio_noise_reduction": None,
            "turn_detection": turns,
            "include": None,
        }
    audio_format: Document = {"type": f"audio/{settings.format.encoding}"}
    if settings.format.encoding == "pcm":
        audio_format["rate"] = settings.format.rate
    audio_input: Document = {
        "format": audio_format,
        "transcription": transcription,
        "noise_reduction": None,
        "turn_detection": turns,
    }
    return head | {"type": "transcription", "audio": {"input": audio_input}, "include": None}
