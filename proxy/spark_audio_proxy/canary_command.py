"""`spark-audio-proxy canary SERVICE --url URL`: one real inference, for Kubernetes' exec probes and for people.

Status 0 where the server is healthy (or only too busy to tell), 1 where it is not, 2 for wrong use; one sentence either
way.
"""

import argparse
import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from aiohttp import ClientHandlerType, ClientRequest, ClientResponse, ClientSession
from spark_engine.healing.canary import MagpieCheck, ParakeetCheck
from spark_engine.healing.health import Observation, Outcome
from spark_engine.servers.deadlines import Deadlines
from spark_engine.servers.magpie import Magpie
from spark_engine.servers.parakeet import Parakeet
from spark_engine.servers.transport import Transport
from yarl import URL

from .config import PREFIX

_TOO_MANY_REQUESTS = 429


@dataclass(frozen=True, kw_only=True, slots=True)
class CanaryOptions:
    """What is asked of whom. `deadline` in seconds."""

    service: str
    url: str
    token: str | None = field(default=None, repr=False)
    deadline: float = Deadlines().canary
    any_words: bool = False
    """Whether a transcript with other words than the clip's will do: for servers that know no English."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the canary showed, as one sentence."""

    healthy: bool
    sentence: str


def run_canary(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Ask, print the sentence, and return the exit status. Raises SystemExit (2) for wrong use."""
    verdict = asyncio.run(ask(read_options(arguments, environment)))
    print(verdict.sentence)  # noqa: T201 - what Kubernetes shows as the event
    return 0 if verdict.healthy else 1


def read_options(arguments: Sequence[str], environment: Mapping[str, str]) -> CanaryOptions:
    """Return the options of one run; the token may come from the environment, where other users do not see it."""
    parser = argparse.ArgumentParser(
        prog="spark-audio-proxy canary",
        description="Send one real inference with a known answer. Status 0: healthy; 1: not.",
        epilog=f"The token may also be set as {PREFIX}PARAKEET_TOKEN or {PREFIX}MAGPIE_TOKEN.",
    )
    parser.add_argument("service", choices=("parakeet", "magpie"))
    parser.add_argument("--url", required=True, type=_url, help="where the server listens")
    parser.add_argument("--token", help="bearer token that it wants")
    parser.add_argument(
        "--deadline", type=_seconds, default=Deadlines().canary, help="seconds for the answer (default: %(default)g)"
    )
    parser.add_argument(
        "--any-words", action="store_true", help="any transcript will do: for a Parakeet that knows no English"
    )
    given = parser.parse_args(arguments)
    if given.any_words and given.service != "parakeet":
        parser.error("--any-words is for parakeet: magpie is judged by its sound")
    token = (given.token or environment.get(f"{PREFIX}{given.service.upper()}_TOKEN", "")).strip()
    if not (token.isascii() and token.isprintable()):
        parser.error("the token is not one line of printable ASCII")
    return CanaryOptions(
        service=given.service, url=given.url, token=token or None, deadline=given.deadline, any_words=given.any_words
    )


async def ask(options: CanaryOptions) -> Verdict:
    """Send the canary and judge its answer."""
    statuses: list[int] = []

    async def remember_status(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        response = await handler(request)
        statuses.append(response.status)
        return response

    started = time.monotonic()
    async with ClientSession(middlewares=(remember_status,)) as session:
        transport = Transport(session, options.url, options.token)
        server = Parakeet(transport) if options.service == "parakeet" else Magpie(transport)
        server_check = ParakeetCheck(server) if isinstance(server, Parakeet) else MagpieCheck(server)
        try:
            async with asyncio.timeout(options.deadline):
                if await server_check.is_asleep():
                    seen = Observation(Outcome.ASLEEP, canary=True, detail="It has unloaded its model.")
                else:
                    seen = await server_check.canary(None)
        except TimeoutError:
            seen = Observation(Outcome.TIMED_OUT, canary=True, detail=f"No answer within {options.deadline:g} s.")
    known, seconds = server.identification.known, f"{time.monotonic() - started:.2f} s"
    facts = f"{known.dialect.name}, {seconds}" if known else seconds
    return _judge(options, seen, busy=statuses[-1:] == [_TOO_MANY_REQUESTS], facts=facts)


def _judge(options: CanaryOptions, seen: Observation, *, busy: bool, facts: str) -> Verdict:
    """Busy is alive, and so is asleep: a server must not be restarted for having much to do, or nothing."""
    name = f"{options.service.capitalize()} at {options.url}"
    if seen.outcome is Outcome.SUCCESS:
        return Verdict(True, f"{name} is healthy ({facts}): {seen.detail}")
    if seen.outcome is Outcome.WRONG_ANSWER and options.any_words:
        return Verdict(True, f"{name} is healthy ({facts}): it heard words, if not the canary's.")
    if seen.outcome is Outcome.ASLEEP:
        return Verdict(True, f"{name} is asleep and was not woken: {seen.detail}")
    if busy and seen.outcome is Outcome.NO_EVIDENCE:
        return Verdict(True, f"{name} is too busy to tell: {seen.detail}")
    return Verdict(False, f"{name} is not healthy: {seen.detail}")


def _url(value: str) -> str:
    try:
        url = URL(value)
    except ValueError as err:
        raise argparse.ArgumentTypeError(f"not a URL: {value}") from err
    if url.scheme not in ("http", "https") or not url.host or "," in value:
        raise argparse.ArgumentTypeError("one URL, which starts with http:// or https:// and names a host")
    return value


def _seconds(value: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 1e6:
        raise argparse.ArgumentTypeError("a number of seconds above 0")
    return seconds
