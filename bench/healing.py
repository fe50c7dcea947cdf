"""One wedge of one service under requests at a steady pace: what the callers get, and when the proxy does what.

All moments are wall clock seconds, those in the proxy's status included: both run on one machine.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from aiohttp import ClientError, ClientSession, FormData
from spark_engine.healing.canary import canary_clip
from spark_engine.models import Json
from spark_engine.speech.audio import read_wav, write_wav

from .errors import BenchError
from .spark import SENTENCE

PACE = 0.5
"""Seconds from one request to the next, however long they take."""

PATIENCE = 60.0
"""Seconds for a wedge to heal: longer than any rule but that of time-outs."""

WRONG = "200, wrong"

type Ask = Callable[[ClientSession, str], Awaitable[str | None]]
"""Makes one request to the proxy at a URL; None where the answer is good, else what came instead."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request. `fault` is None where the answer was good."""

    sent: float
    answered: float
    fault: str | None


@dataclass(frozen=True, slots=True)
class Watched:
    """What the proxy's status tells of one service since the wedge."""

    detected: float | None
    restarts: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Healing:
    """How it went, in seconds since the first failing request was sent.

    `waited` is the longest wait of a caller who got nothing good; `faults` are in the order of their first answer.
    """

    detected: float
    requested: float
    served: float
    lost: int
    waited: float
    restarts: int
    faults: tuple[str, ...]


async def heal(
    session: ClientSession, proxy_url: str, name: str, control_url: str, mode: str, *, ask: Ask, check: bool
) -> Healing:
    """Wedge a service and look on until it serves again. Raises BenchError.

    `control_url` is the embedded server's; `check` has the proxy send a canary as soon as an answer is wrong.
    """
    callers = Callers(session, proxy_url, ask)
    async with callers.calling(), _patience(name, mode):
        await callers.until(lambda calls: calls or None)
        since = time.time()
        await _request(session, "POST", f"{control_url}/wedge", {"mode": mode})
        first = await callers.until(lambda calls: first_failing(calls, since))
        if check:
            await _request(session, "POST", f"{proxy_url}/api/services/{name}/check")
        await callers.until(lambda calls: served(calls, first))
    watched = read_status(await _request(session, "GET", f"{proxy_url}/api/status"), name, since)
    match await _request(session, "GET", control_url):
        case {"restarts": int(restarts)}:
            return judge(callers.calls, since, watched, restarts)
    raise BenchError(f"{control_url} tells of no restarts.")


@asynccontextmanager
async def _patience(name: str, mode: str) -> AsyncGenerator[None]:
    seconds = 4 * PATIENCE if mode == "hang" else PATIENCE
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise BenchError(f"{name}, {mode}: not healed within {seconds:.0f} s.") from None


class Callers:
    """Those who make requests all the time. `calls` are their outcomes, in the order of the answers."""

    def __init__(self, session: ClientSession, proxy_url: str, ask: Ask) -> None:
        """Nothing is asked yet."""
        self.calls: list[Call] = []
        self._session = session
        self._proxy_url = proxy_url
        self._ask = ask
        self._answered = asyncio.Event()

    @asynccontextmanager
    async def calling(self) -> AsyncGenerator[None]:
        """Requests at their pace while inside; then the last answers are waited for, unless something went wrong."""
        over = asyncio.Event()
        caller = asyncio.create_task(self._keep_calling(over))
        try:
            yield
            over.set()
            await caller
        finally:
            caller.cancel()
            await asyncio.gather(caller, return_exceptions=True)

    async def until[T](self, told: Callable[[Sequence[Call]], T | None]) -> T:
        """Wait until the calls tell something."""
        while (value := told(self.calls)) is None:
            self._answered.clear()
            await self._answered.wait()
        return value

    async def _keep_calling(self, over: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as tasks:
            while not over.is_set():
                tasks.create_task(self._call())
                await asyncio.sleep(PACE)

    async def _call(self) -> None:
        sent = time.time()
        try:
            fault = await self._ask(self._session, self._proxy_url)
        except TimeoutError:
            fault = "nothing"
        except ClientError:
            fault = "cut off"
        self.calls.append(Call(sent, time.time(), fault))
        self._answered.set()


async def hear(session: ClientSession, proxy_url: str) -> str | None:
    """Have the canary's clip transcribed."""
    form = FormData({"model": "whisper-1"})
    form.add_field("file", write_wav(canary_clip()), filename="clip.wav", content_type="audio/wav")
    async with session.post(f"{proxy_url}/v1/audio/transcriptions", data=form) as response:
        body = await response.text()
    if response.status != 200:
        return str(response.status)
    return None if SENTENCE in body else WRONG


async def speak(session: ClientSession, proxy_url: str) -> str | None:
    """Have the sentence spoken."""
    wish = {"model": "tts-1", "input": SENTENCE, "voice": "alloy", "response_format": "wav"}
    async with session.post(f"{proxy_url}/v1/audio/speech", json=wish) as response:
        body = await response.read()
    if response.status != 200:
        return str(response.status)
    return None if any(read_wav(body).pcm) else WRONG


def first_failing(calls: Sequence[Call], since: float) -> float | None:
    """When the first failing request was sent, of those sent since then."""
    return min((call.sent for call in calls if call.fault and call.sent >= since), default=None)


def served(calls: Sequence[Call], after: float) -> float | None:
    """When the first good answer came to a request sent later than that."""
    return min((call.answered for call in calls if not call.fault and call.sent > after), default=None)


def judge(calls: Sequence[Call], since: float, watched: Watched, restarts: int) -> Healing:
    """The figures. Raises BenchError where the story has a hole."""
    first = first_failing(calls, since)
    good = None if first is None else served(calls, first)
    if first is None or good is None or watched.detected is None or not watched.restarts:
        raise BenchError("The service came back without having been wedged and restarted.")
    lost = [call for call in calls if call.fault and call.sent >= since]
    return Healing(
        detected=watched.detected - first,
        requested=watched.restarts[0] - first,
        served=good - first,
        lost=len(lost),
        waited=max(call.answered - call.sent for call in lost),
        restarts=restarts,
        faults=tuple(dict.fromkeys(call.fault for call in lost if call.fault)),
    )


def read_status(document: Json, name: str, since: float) -> Watched:
    """A service's part of the proxy's status. Raises BenchError where it has none."""
    services = document.get("services") if isinstance(document, dict) else None
    for service in services if isinstance(services, list) else ():
        match service:
            case {"name": str(found), "history": list(history), "restarts": list(restarts)} if found == name:
                wedges = (
                    _moment(change["at"]) for change in history if isinstance(change, dict) and change["to"] == "wedged"
                )
                detected = next((at for at in wedges if at >= since), None)
                return Watched(detected, tuple(map(_moment, restarts)))
    raise BenchError(f"The proxy's status does not tell of {name}.")


def _moment(value: Json) -> float:
    return datetime.fromisoformat(str(value)).timestamp()


async def _request(session: ClientSession, method: str, url: str, document: Json = None) -> Json:
    """One request that has to succeed. Raises BenchError."""
    try:
        async with session.request(method, url, json=document) as response:
            answer: Json = await response.json()
    except (TimeoutError, ClientError, ValueError) as err:
        raise BenchError(f"{url} does not answer: {err or type(err).__name__}") from err
    if response.status >= 300:
        raise BenchError(f"{url} answered {response.status}: {answer}")
    return answer
