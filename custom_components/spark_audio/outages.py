"""Which outages are long enough to tell a person about."""

import time

from .spark_engine.healing.health import State
from .spark_engine.healing.status import ServerStatus

LONG = 600.0
"""Seconds: updates and restarts of a box are over by then."""


def is_long_unreachable(server: ServerStatus) -> bool:
    """Return whether nothing has answered for long."""
    return server.state is State.UNREACHABLE and is_long(server)


def is_long(server: ServerStatus) -> bool:
    """Return whether the server has been in its state for long."""
    return server.since is not None and time.time() - server.since >= LONG
