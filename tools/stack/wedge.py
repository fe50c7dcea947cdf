"""A failure of one service under requests at a steady pace: what callers get, and what the proxy does when.

All moments are wall clock seconds, those in the proxy's status included: both run on one machine.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from aiohttp import ClientError, ClientResponse, ClientSession, FormData
from embedded_spark.wedge import Mode
from spark_engine.healing.canary import canary_clip
from spark_engine.speech.audio import read_wav, write_wav

from .errors import ToolError
from .http import Json, ask, items, number, pick, text
from .processes import PROXY, SPARK
from .spoken import COMMAND, names_the_light

PARAKEET, MAGPIE = "parakeet", "magpie"

PACE = 0.5
"""Seconds from one request to the next, however long they take: a busy house."""

READY_SECONDS = 60.0
LOOK_SECONDS = 0.1

WRONG = "200, wrong"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request got. `fault` is None where it was good, else what came instead, such as "503".

    `said` is the transcript, or the sentence that a refused caller reads.
    """

    fault: str | None
    said: str = ""
    retry_after: str | None = None


type Ask = Callable[[ClientSession, str], Awaitable[Answer]]
"""Makes one request to the proxy at a URL."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request and its answer."""

    sent: float
    answered: float
    answer: Answer

    @property
    def is_good(self) -> bool:
        """Whether it was served."""
        return self.answer.fault is None


class Callers:
    """Callers that make requests all the time. `calls` are in the order of the answers."""

    def __init__(self, session: ClientSession, proxy_url: str, make: Ask, pace: float = PACE) -> None:
        """Nothing is asked yet."""
        self.calls: list[Call] = []
        self._session = session
        self._proxy_url = proxy_url
        self._make = make
        self._pace = pace
        self._answered = asyncio.Event()
        self._begins = asyncio.Event()

    def begin(self) -> None:
        """Make requests from now on."""
        self._begins.set()

    @asynccontextmanager
    async def calling(self, *, quiet: bool = False) -> AsyncGenerator[None]:
        """Make requests while inside; then wait for the last answers, unless something went wrong.

        With `quiet` they come from `begin` on.
        """
        over = asyncio.Event()
        if not quiet:
            self.begin()
        caller = asyncio.create_task(self._keep_calling(over))
        try:
            yield
            over.set()
            await caller
        finally:
            caller.cancel()
            await asyncio.gather(caller, return_exceptions=True)

    async def until[T](self, told: Callable[[Sequence[Call]], T | None]) -> T:
        """Wait until the calls tell something, and return that."""
        while (value := told(self.calls)) is None:
            self._answered.clear()
            await self._answered.wait()
        return value

    async def _keep_calling(self, over: asyncio.Event) -> None:
        await self._begins.wait()
        async with asyncio.TaskGroup() as tasks:
            while not over.is_set():
                tasks.create_task(self._call())
                await asyncio.sleep(self._pace)

    async def _call(self) -> None:
        sent = time.time()
        try:
            answer = await self._make(self._session, self._proxy_url)
        except TimeoutError:
            answer = Answer("nothing", "no answer in time")
        except ClientError as error:
            answer = Answer("cut off", str(error) or type(error).__name__)
        self.calls.append(Call(sent, time.time(), answer))
        self._answered.set()


async def hear(session: ClientSession, proxy_url: str) -> Answer:
    """Have the canary's clip transcribed, which is about the kitchen light."""
    form = FormData({"model": "whisper-1"})
    form.add_field("file", write_wav(canary_clip()), filename="clip.wav", content_type="audio/wav")
    async with session.post(f"{proxy_url}/v1/audio/transcriptions", data=form) as response:
        if response.status != 200:
            return await _refusal(response)
        words = pick(await response.json(), "text")
    said = words if isinstance(words, str) else ""
    return Answer(None if names_the_light(said) else WRONG, said)


async def speak(session: ClientSession, proxy_url: str) -> Answer:
    """Have the command spoken, which must not be silence."""
    wish = {"model": "tts-1", "input": COMMAND, "voice": "alloy", "response_format": "wav"}
    async with session.post(f"{proxy_url}/v1/audio/speech", json=wish) as response:
        if response.status != 200:
            return await _refusal(response)
        return Answer(None if any(read_wav(await response.read()).pcm) else WRONG)


SERVICES: Mapping[str, Ask] = {PARAKEET: hear, MAGPIE: speak}
"""What is asked of each."""


async def _refusal(response: ClientResponse) -> Answer:
    said = pick(await response.json(content_type=None), "error", "message")
    return Answer(str(response.status), str(said), response.headers.get("Retry-After"))


@dataclass(frozen=True, slots=True)
class ServerState:
    """What an embedded server says of itself: whether nothing is wrong with it, its restarts so far, and its model."""

    is_well: bool
    restarts: int
    is_loaded: bool


@dataclass(frozen=True, slots=True)
class Control:
    """Where an embedded server is wedged; `url` is the server's."""

    session: ClientSession
    url: str

    async def wedge(self, mode: Mode = Mode.CUBLAS) -> None:
        """From now on it answers and does not work, until it is restarted. Raises ToolError."""
        await ask(self.session, "POST", f"{self.url}/embedded/wedge", SPARK, {"mode": mode})

    async def free(self) -> None:
        """End a lack of memory. Raises ToolError."""
        await ask(self.session, "POST", f"{self.url}/embedded/free", SPARK)

    async def unload(self) -> None:
        """Unload its model until the next request. Raises ToolError."""
        await ask(self.session, "POST", f"{self.url}/embedded/unload", SPARK)

    async def restart(self) -> None:
        """Restart it, as a person does. Raises ToolError."""
        await ask(self.session, "POST", f"{self.url}/embedded/restart", SPARK)

    async def state(self) -> ServerState:
        """Return its state. Raises ToolError."""
        answer = await ask(self.session, "GET", f"{self.url}/embedded", SPARK)
        is_well = pick(answer, "mode") is None and pick(answer, "starting") is False
        return ServerState(is_well, number(answer, "restarts"), pick(answer, "loaded") is True)


@dataclass(frozen=True, slots=True)
class Change:
    """A change of a service's state; `refused` where the restart target said no."""

    at: float
    state: str
    evidence: str
    refused: bool = False


@dataclass(frozen=True, slots=True)
class History:
    """What the proxy tells of a service: its changes of state, the restarts it asked for, and how many it may."""

    changes: tuple[Change, ...] = ()
    restarts: tuple[float, ...] = ()
    limit: int = 0


def read_status(status: Json, name: str) -> History:
    """Return a service's part of the proxy's `/api/status`. Raises ToolError where it has none."""
    for service in items(status, "services"):
        if pick(service, "name") == name:
            changes = (
                Change(_moment(each, "at"), text(each, "to"), text(each, "evidence"), pick(each, "refused") is True)
                for each in items(service, "history")
            )
            restarts = tuple(_moment(at) for at in items(service, "restarts"))
            return History(tuple(changes), restarts, number(status, "restart_limit"))
    raise ToolError(f"The proxy's status does not tell of {name}.", PROXY)


def _moment(answer: Json, *path: str) -> float:
    return datetime.fromisoformat(text(answer, *path)).timestamp()


async def history(session: ClientSession, proxy_url: str, name: str) -> History:
    """Return what the proxy tells of a service now. Raises ToolError."""
    return read_status(await ask(session, "GET", f"{proxy_url}/api/status", PROXY), name)


async def healthy(session: ClientSession, proxy_url: str) -> set[str]:
    """Return the services that the proxy says are healthy; none while it does not answer."""
    try:
        async with session.get(f"{proxy_url}/readyz") as response:
            states = pick(await response.json(), "services")
    except TimeoutError, ClientError:
        return set()
    return {name for name in (PARAKEET, MAGPIE) if pick(states, name) == "healthy"}


async def until_healthy(session: ClientSession, proxy_url: str) -> None:
    """Wait until the canaries of both services have passed. Raises ToolError."""
    try:
        async with asyncio.timeout(READY_SECONDS):
            while len(await healthy(session, proxy_url)) < 2:  # noqa: ASYNC110 - it is seen over HTTP alone
                await asyncio.sleep(LOOK_SECONDS)
    except TimeoutError:
        raise ToolError(f"The services were not healthy within {READY_SECONDS:.0f} s.", PROXY, SPARK) from None


@dataclass(frozen=True, slots=True)
class Outage:
    """A wedge since `since`: the calls to the service in the order of their answers, and what the proxy tells of it."""

    since: float
    calls: Sequence[Call]
    history: History = History()

    @property
    def lost(self) -> Sequence[Call]:
        """The requests sent since the wedge that failed."""
        return [call for call in self.calls if call.sent >= self.since and not call.is_good]

    @property
    def first_failing(self) -> float | None:
        """When the first of them was sent."""
        return min((call.sent for call in self.lost), default=None)

    @property
    def recovered(self) -> Call | None:
        """The first good answer to a request sent later than that."""
        first = self.first_failing
        good = [call for call in self.calls if first is not None and call.is_good and call.sent > first]
        return min(good, key=lambda call: call.answered, default=None)

    def reached(self, state: str) -> Change | None:
        """Return the first time since the wedge that the service came into this state."""
        changes = self.history.changes
        return next((change for change in changes if change.state == state and change.at >= self.since), None)
