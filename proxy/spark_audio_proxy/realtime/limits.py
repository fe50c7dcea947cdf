"""How many sessions there may be, and how much each may hold."""

from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass

from spark_audio_proxy.problems import BUSY_RETRY, Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Times in seconds, sizes in bytes."""

    sessions: int = 200
    """At once; one address may have half of them."""

    largest_message: int = 4 << 20
    """A minute of 24 kHz PCM as base64; 200 of them would not fill a GiB."""

    idle: float = 600.0
    """Without a message of a client that waits for nothing. OpenAI ends every session after an hour."""

    heartbeat: float = 30.0
    """Between pings of sessions that transcribe: who answers none is gone."""

    untaken: float = 60.0
    """Without a byte taken while there is something to send."""

    unsent: int = 1000
    """Events that wait to be sent."""

    unsent_bytes: int = 8 << 20
    """Of all of them: settings and ids that a client sends come back to it."""

    errors: int = 100
    """Events of the client's that make no sense."""

    longest_turn: float = 120.0
    """After which a turn ends by itself, where the server finds its end."""

    longest_buffer: float = 300.0
    """Of audio that the client does not commit."""

    turns: int = 8
    """Whose transcript is still to come, or whose speech is still to begin; one more fails at once."""

    patience: float = 60.0
    """For which the audio of a turn is kept where Parakeet cannot answer at the moment."""


class Sessions:
    """All sessions that are open."""

    def __init__(self, limits: Limits) -> None:
        """None yet."""
        self.limits = limits
        self._closers: dict[Callable[[], None], str] = {}
        self._by_address = Counter[str]()

    @property
    def open(self) -> int:
        """Return how many there are."""
        return len(self._closers)

    @contextmanager
    def place(self, address: str, close: Callable[[], None]) -> Generator[None]:
        """A place for a session of that address, "" where it is not known. Raises Problem 429 where there is none.

        `close` is called when the proxy stops.
        """
        most = self.limits.sessions
        if self.open >= most or (address and self._by_address[address] >= most // 2):
            message = f"This proxy has {self.open} realtime sessions already."
            raise Problem(429, message, code="sessions_full", retry_after=BUSY_RETRY)
        self._closers[close] = address
        self._by_address[address] += 1
        try:
            yield
        finally:
            del self._closers[close]
            self._by_address[address] -= 1
            if not self._by_address[address]:
                del self._by_address[address]

    def close(self) -> None:
        """Close every session: the proxy stops."""
        for close in tuple(self._closers):
            close()
