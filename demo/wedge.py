"""`--wedge`: break Parakeet under two requests a second, and tell how it heals."""

import asyncio
import shutil
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import ClientError, ClientSession, ClientTimeout, FormData

from .answers import Json, pick, text
from .check import COMMAND, names_the_light
from .errors import DemoError
from .processes import PROXY, SPARK, Processes, free_port
from .report import line, verdict
from .scene import start_proxy, start_spark
from .sound import write_wav
from .speech import synthesize
from .story import Call, Kind, Moment, Story, Watched, assess, moments, read_status, summary

FOLDER = "wedge"
MODE = "cublas"
PACE_SECONDS = 0.5
"""From one transcription to the next: a busy house."""

BEFORE_SECONDS = 2.0
AFTER_SECONDS = 2.0
"""Of good requests, before the wedge and after it."""

PATIENCE_SECONDS = 40.0
"""For the healing: it takes 5 to 10."""

CALL_SECONDS = 30.0
"""After which a caller gives up: nobody here waits that long unless something is wrong."""

LOOK_SECONDS = 0.1
LOADING = "loading"
"""What the health page says while the model is loaded."""

SPOKEN = "The kitchen is warm now. The front door is locked, and all the lights upstairs are off."


async def run(folder: Path, processes: Processes) -> bool:
    """The whole story; True only if all of it held."""
    state = folder / "state"
    async with ClientSession(timeout=ClientTimeout(total=CALL_SECONDS, sock_connect=5)) as session:
        parakeet_url, magpie_url = await start_spark(processes, free_port(0), free_port(0))
        proxy_url, proxy = await start_proxy(processes, free_port(0), parakeet_url, magpie_url, state)
        await proxy.until(lambda: _both_healthy(session, proxy_url), within=60)
        line(f"The proxy answers at {proxy_url}, and watches over both services.\n")
        clip = await synthesize(session, magpie_url, COMMAND)
        callers = Callers(session, proxy_url, write_wav(clip))
        story = callers.story
        async with callers.calling():
            line(f'Somebody says "{COMMAND}" twice a second, and Magpie speaks.')
            await asyncio.sleep(BEFORE_SECONDS)
            await _tell(session, callers, parakeet_url)
            await asyncio.sleep(AFTER_SECONDS)
        story.watched = await _watched(session, proxy_url)
        story.restarted = await _restarts(session, parakeet_url)
    checks = assess(story)
    line(f"\n{summary(story)}\n\n{verdict(checks)}")
    if faults := {fault for check in checks if not check.held for fault in check.faults}:
        line(processes.last_lines(faults))
    return all(check.held for check in checks)


def lay_out(folder: Path) -> Path:
    """An empty folder for the logs and the proxy's state, beside whatever demo is kept."""
    own = folder / FOLDER
    shutil.rmtree(own, ignore_errors=True)
    (own / "logs").mkdir(parents=True)
    return own


class Callers:
    """Those who make requests to the proxy all the time; what they get goes into the story."""

    def __init__(self, session: ClientSession, proxy_url: str, wav: bytes) -> None:
        """`wav` is what is transcribed."""
        self.story = Story()
        self.proxy_url = proxy_url
        self._session = session
        self._wav = wav

    @asynccontextmanager
    async def calling(self) -> AsyncGenerator[None]:
        """Make requests while inside; then wait for the last answers, unless something went wrong."""
        over = asyncio.Event()
        calls = asyncio.create_task(self._keep_calling(over))
        try:
            yield
            over.set()
            await calls
        finally:
            calls.cancel()
            await asyncio.gather(calls, return_exceptions=True)

    async def _keep_calling(self, over: asyncio.Event) -> None:
        """Transcriptions at their pace, however long they take, and one speech after the other."""

        async def speak() -> None:
            while not over.is_set():
                await self._call(Kind.SPEECH, self._speak)
                await _within(over, PACE_SECONDS)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(speak())
            while not over.is_set():
                tasks.create_task(self._call(Kind.TRANSCRIPTION, self._transcribe))
                await _within(over, PACE_SECONDS)

    async def _call(self, kind: Kind, ask: Callable[[float], Awaitable[Call]]) -> None:
        sent = time.time()
        try:
            call = await ask(sent)
        except TimeoutError:
            call = Call(kind, sent, time.time(), None, good=False, said=f"nothing for {CALL_SECONDS:.0f} s")
        except (ClientError, ValueError) as error:
            call = Call(kind, sent, time.time(), None, good=False, said=str(error) or type(error).__name__)
        self.story.calls.append(call)

    async def _transcribe(self, sent: float) -> Call:
        form = FormData({"model": "whisper-1"})
        form.add_field("file", self._wav, filename="command.wav", content_type="audio/wav")
        async with self._session.post(f"{self.proxy_url}/v1/audio/transcriptions", data=form) as response:
            answer: Json = await response.json(content_type=None)
        said = pick(answer, "text") if response.ok else pick(answer, "error", "message")
        words = said if isinstance(said, str) else ""
        wait = response.headers.get("Retry-After")
        good = response.ok and names_the_light(words)
        return Call(Kind.TRANSCRIPTION, sent, time.time(), response.status, good, words, wait)

    async def _speak(self, sent: float) -> Call:
        wish = {"model": "tts-1", "input": SPOKEN, "voice": "alloy", "response_format": "mp3"}
        async with self._session.post(f"{self.proxy_url}/v1/audio/speech", json=wish) as response:
            body = await response.read()
        wait = response.headers.get("Retry-After")
        said = f"{len(body)} bytes" if response.ok else str(response.reason)
        return Call(Kind.SPEECH, sent, time.time(), response.status, response.ok and bool(body), said, wait)


async def _tell(session: ClientSession, callers: Callers, parakeet_url: str) -> None:
    """Wedge Parakeet, and tell what happens as it happens, until it is over or patience is."""
    story = callers.story
    story.wedged_at = wedged_at = time.time()
    line("\nsince the wedge")
    await _ask(session, "POST", f"{parakeet_url}/embedded/wedge", SPARK, {"mode": MODE})
    says = await _own_health(session, parakeet_url)
    line(_told(Moment(wedged_at, f'Parakeet is wedged ({MODE}), and its own health page says "{says}"'), wedged_at))
    told: set[Moment] = set()
    while time.time() < wedged_at + PATIENCE_SECONDS:
        looked_at = time.time()
        story.watched = await _watched(session, callers.proxy_url)
        if story.starting_at is None and await _own_health(session, parakeet_url) == LOADING:
            story.starting_at = looked_at
        # What is newer than this look may have an older cause that it did not show yet.
        for moment in moments(story):
            if moment not in told and moment.at <= looked_at:
                told.add(moment)
                line(_told(moment, wedged_at))
        if story.recovered and story.recovered.answered <= looked_at:
            return
        await asyncio.sleep(LOOK_SECONDS)
    line(f"  Parakeet has not recovered within {PATIENCE_SECONDS:.0f} s.")


def _told(moment: Moment, start: float) -> str:
    return f"  {moment.at - start:6.2f} s  {moment.sentence}"


async def _within(event: asyncio.Event, seconds: float) -> None:
    """Wait for an event, for so long at most."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return


async def _both_healthy(session: ClientSession, proxy_url: str) -> bool | None:
    """True once the canaries of both services have passed, None before."""
    try:
        async with session.get(f"{proxy_url}/readyz") as response:
            states = pick(await response.json(), "services")
    except TimeoutError, ClientError:
        return None
    return states == {"parakeet": "healthy", "magpie": "healthy"} or None


async def _watched(session: ClientSession, proxy_url: str) -> Watched:
    """What the proxy tells about Parakeet."""
    return read_status(await _ask(session, "GET", f"{proxy_url}/api/status", PROXY))


async def _own_health(session: ClientSession, parakeet_url: str) -> str:
    """What Parakeet's own health page says, with whatever status."""
    try:
        async with session.get(f"{parakeet_url}/health") as response:
            return text(await response.json(), "status")
    except (TimeoutError, ClientError) as error:
        raise DemoError(f"Parakeet's health page does not answer: {error}", SPARK) from error


async def _restarts(session: ClientSession, parakeet_url: str) -> int:
    count = pick(await _ask(session, "GET", f"{parakeet_url}/embedded", SPARK), "restarts")
    return count if isinstance(count, int) else 0


async def _ask(session: ClientSession, method: str, url: str, fault: str, body: Json = None) -> Json:
    """One request that has to succeed; DemoError where it does not."""
    try:
        async with session.request(method, url, json=body) as response:
            if not response.ok:
                raise DemoError(f"{fault} answered {response.status}: {await response.text():.300}", fault)
            answer: Json = await response.json()
            return answer
    except TimeoutError:
        raise DemoError(f"{fault} did not answer in time.", fault) from None
    except ClientError as error:
        raise DemoError(f"{fault} cannot be reached: {error}", fault) from error
