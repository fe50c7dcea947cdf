"""Everything that can go wrong between us and a Spark.

SparkError
├── Unreachable    no connection: refused, DNS, TLS
├── TimedOut       connected, but no answer within the deadline
├── ServerFault    5xx, CUDA text on any status, truncated or empty audio, an answer that is not what was asked for
├── OutOfMemory    the GPU's memory is full, which passes
├── WrongServer    it answers, and is certainly something else than what it was taken for
├── Busy           429, 503, still loading: come back later
├── Unauthorized   401, 403: the key is missing or wrong
├── Held           not sent at all: the watchdog knows that the service cannot answer now
└── Rejected       any other 4xx: the request itself is at fault

They are siblings because callers decide differently on each. Only TimedOut and ServerFault are evidence of a wedge.
"""

from typing import override


class SparkError(Exception):
    """Base of the tree. `message` is one sentence that a user may read; it never holds a key, speech or text."""

    def __init__(self, message: str, *, status: int | None = None) -> None:
        """Keep the sentence and the HTTP status, if there was one."""
        super().__init__(message)
        self.message = message
        self.status = status

    @override
    def __str__(self) -> str:
        return self.message


class Unreachable(SparkError):
    """No connection could be made: refused, unknown host, failed TLS handshake."""


class TimedOut(SparkError):
    """The server took the connection and did not answer within the deadline."""


class ServerFault(SparkError):
    """The server broke: 5xx, CUDA text, or an answer that is cut, empty or of the wrong kind.

    `signature` is the text that gives a broken CUDA context away, None where there is none; `ambiguous` that a lack of
    memory has the same text. `killed`: the connection was cut after the request was sent, which may have ended the
    process; it must not be sent to another server.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        signature: str | None = None,
        ambiguous: bool = False,
        killed: bool = False,
    ) -> None:
        """Keep the details for the watchdog and the pool."""
        super().__init__(message, status=status)
        self.signature = signature
        self.ambiguous = ambiguous
        self.killed = killed


class OutOfMemory(SparkError):
    """The GPU's memory is full: another process has taken it. `retry_after` is in seconds."""

    def __init__(self, message: str, *, status: int | None = None, retry_after: float = 30.0) -> None:
        """Keep when to come back."""
        super().__init__(message, status=status)
        self.retry_after = retry_after


class WrongServer(SparkError):
    """The server answers, and is certainly something else; the message names what."""


class Busy(SparkError):
    """The server cannot serve now. `retry_after` is in seconds, None where it did not say."""

    def __init__(self, message: str, *, status: int | None = None, retry_after: float | None = None) -> None:
        """Keep the server's own Retry-After."""
        super().__init__(message, status=status)
        self.retry_after = retry_after


class Unauthorized(SparkError):
    """The server refuses our key."""


class Rejected(SparkError):
    """The server answered 4xx: the request is at fault, not the service."""


class Held(SparkError):
    """Not sent: the service is starting, wedged, being restarted or given up. `retry_after` is in seconds."""

    def __init__(self, message: str, *, retry_after: float) -> None:
        """Keep when to come back."""
        super().__init__(message)
        self.retry_after = retry_after
