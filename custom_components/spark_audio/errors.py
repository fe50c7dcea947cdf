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
from .spark_engine.models import Service

TRANSLATION_KEYS: Mapping[type[SparkError], str] = {
    Unreachable: "cannot_connect",
    TimedOut: "timed_out",
    ServerFault: "server_fault",
    Busy: "busy",
    Unauthorized: "unauthorized",
    Held: "held",
    OutOfMemory: "out_of_memory",
    WrongServer: "wrong_server",
    Rejected: "rejected",
}


def translated[E: HomeAssistantError](kind: type[E], err: SparkError, service: Service) -> E:
    """Return the error as Home Assistant shows it: what is wrong with which service, in the words of the server."""
    key = f"held_{err.state}" if isinstance(err, Held) else TRANSLATION_KEYS[type(err)]
    return kind(
        translation_domain=DOMAIN,
        translation_key=key,
        translation_placeholders={"service": service.display_name, "reason": err.said or err.message},
    )
