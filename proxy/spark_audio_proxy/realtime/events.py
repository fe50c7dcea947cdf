"""The server's events, as both of OpenAI's protocols have them. Pure."""

import secrets
from typing import cast

from spark_engine.models import Json

from spark_audio_proxy.problems import Problem, error_object

from .settings import Document, SessionSettings, document

TRANSCRIPTION = "conversation.item.input_audio_transcription"

LONGEST_ID = 512
"""Characters of an id of the client's, as OpenAI has it: an error repeats it."""


def new_id(kind: str) -> str:
    """Return an id such as `item_3f0c...`."""
    return f"{kind}_{secrets.token_hex(10)}"


def event(kind: str, **fields: Json) -> Document:
    """Return an event of that type."""
    return {"type": kind, "event_id": new_id("event"), **fields}


def session(settings: SessionSettings, session_id: str, verb: str) -> Document:
    """Return the event that tells the settings; `verb` is created or updated."""
    name = "transcription_session" if settings.is_beta else "session"
    return event(f"{name}.{verb}", session=document(settings, session_id))


def item_events(settings: SessionSettings, item_id: str, previous: str | None) -> list[Document]:
    """Return the events that tell of the message that a turn became; its transcript follows."""
    item: Document = {
        "id": item_id,
        "object": "realtime.item",
        "type": "message",
        "status": "completed",
        "role": "user",
        "content": [{"type": "input_audio", "transcript": None}],
    }
    kinds = ("created",) if settings.is_beta else ("added", "done")
    return [event(f"conversation.item.{kind}", previous_item_id=previous, item=item) for kind in kinds]


def delta(item_id: str, text: str) -> Document:
    """Return some more words of a turn."""
    return event(f"{TRANSCRIPTION}.delta", item_id=item_id, content_index=0, delta=text)


def completed(item_id: str, text: str, seconds: float) -> Document:
    """Return the transcript of a turn that lasted so many seconds."""
    usage: Document = {"type": "duration", "seconds": round(seconds, 3)}
    return event(f"{TRANSCRIPTION}.completed", item_id=item_id, content_index=0, transcript=text, usage=usage)


def failed(item_id: str, problem: Problem) -> Document:
    """Return why a turn has no transcript."""
    return event(f"{TRANSCRIPTION}.failed", item_id=item_id, content_index=0, error=_error(problem))


def error(problem: Problem, caused_by: Json) -> Document:
    """Return what is wrong with an event of the client's that has this id, if any."""
    is_id = isinstance(caused_by, str) and len(caused_by) <= LONGEST_ID
    return event("error", error={**_error(problem), "event_id": caused_by if is_id else None})


def _error(problem: Problem) -> Document:
    """Return OpenAI's error object; there is no header for Retry-After, so that the message says it."""
    fields = cast("Document", error_object(problem)["error"])
    wait = "" if problem.retry_after is None else f" Retry after {problem.retry_after:.0f} s."
    return {**fields, "message": problem.message + wait}
