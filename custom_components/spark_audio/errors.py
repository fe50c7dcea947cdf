"""The one place where the engine's errors become Home Assistant's, in the user's language."""

from collections.abc import Mapping

from homeassistant.exceptions import HomeAssistantError

from .const import DOMAIN
from .spark_engine.errors import (
    Busy,
    Held,
    OutOfMemory,
    Rejected,
    ServerFault,
    SparkError,
    TimedOut,
    Unauthorized,
    Unreachable,
    WrongServer,
)
from .spark_engine.healing.health import State
from .spark_engine.models import Service

TRANSLATION_KEYS: Mapping[type[SparkError], str] = {
    Unreachable: "cannot_connect",
    TimedOut: "timed_out",
    ServerFault: "server_fault",
    Busy: "busy",
    Unauthorized: "unauthorized",
    OutOfMemory: "out_of_memory",
    WrongServer: "wrong_server",
    Rejected: "rejected",
}


HELD: Mapping[str, str] = {
    State.STARTING: "held_starting",
    State.RESTARTING: "held_restarting",
    State.WEDGED: "held_wedged",
    State.GAVE_UP: "held_gave_up",
}
"""By the state of a service that is not asked."""


def translated[E: HomeAssistantError](kind: type[E], err: SparkError, service: Service) -> E:
    """Return the error as Home Assistant shows it: what is wrong with which service, in the words of the server."""
    key = HELD[err.state] if isinstance(err, Held) else TRANSLATION_KEYS[type(err)]
    return kind(
        translation_domain=DOMAIN,
        translation_key=key,
        translation_placeholders={"service": service.display_name, "reason": err.quoted},
    )
