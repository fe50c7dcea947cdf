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

from enum import StrEnum
from typing import override


class SparkError(Exception):
    """Base of the tree. `message` is one sentence that a user may read; it never holds a key, speech or text.

    `said` is what the server or the operating system said itself, for callers with sentences of their own; empty where
    neither said anything.
    """

    def __init__(self, message: str, *, status: int | None = None, said: str = "") -> None:
        """Keep the sentence, the HTTP status, if there was one, and the words that the sentence quotes."""
        super().__init__(message)
        self.message = message
        self.status = status
        self.said = said

    @property
    def quoted(self) -> str:
        """Return what was said, or else the message, as it stands within another sentence: without a full stop."""
        return (self.said or self.message).rstrip(".")

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
    process; it must not be sent to another server. `retry_after` is in seconds, set by a pool that watches the server.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        said: str = "",
        signature: str | None = None,
        ambiguous: bool = False,
        killed: bool = False,
    ) -> None:
        """Keep the details for the watchdog and the pool."""
        super().__init__(message, status=status, said=said)
        self.signature = signature
        self.ambiguous = ambiguous
        self.killed = killed
        self.retry_after: float | None = None


class OutOfMemory(SparkError):
    """The GPU's memory is full: another process has taken it. `retry_after` is in seconds."""

    def __init__(self, message: str, *, status: int | None = None, said: str = "", retry_after: float = 30.0) -> None:
        """Keep when to come back."""
        super().__init__(message, status=status, said=said)
        self.retry_after = retry_after


class Kind(StrEnum):
    """What a server that answers may be."""

    PROXY = "proxy"
    PARAKEET = "parakeet"
    MAGPIE = "magpie"
    LANGUAGE_MODEL = "language_model"
    WEB_PAGE = "web_page"
    OTHER = "other"


class WrongServer(SparkError):
    """The server answers, and is certainly something else; the message names what.

    `kind` is what it is; `said` the name of the product, the title of the web page, or empty.
    """

    def __init__(self, message: str, *, status: int | None = None, said: str = "", kind: Kind = Kind.OTHER) -> None:
        """Keep what it is."""
        super().__init__(message, status=status, said=said)
        self.kind = kind


class Busy(SparkError):
    """The server cannot serve now. `retry_after` is in seconds, None where it did not say."""

    def __init__(
        self, message: str, *, status: int | None = None, said: str = "", retry_after: float | None = None
    ) -> None:
        """Keep the server's own Retry-After."""
        super().__init__(message, status=status, said=said)
        self.retry_after = retry_after


class Unauthorized(SparkError):
    """The server refuses our key."""


class Rejected(SparkError):
    """The server answered 4xx: the request is at fault, not the service."""


class Held(SparkError):
    """Not sent: the service is starting, wedged, being restarted or given up: `state`. `retry_after` is in seconds."""

    def __init__(self, message: str, *, retry_after: float, state: str) -> None:
        """Keep why, and when to come back."""
        super().__init__(message)
        self.state = state
        self.retry_after = retry_after
