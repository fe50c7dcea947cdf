"""What the config flow tries out before anything is saved: every URL and key, with real requests."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiohttp import (
    ClientConnectorCertificateError,
    ClientConnectorDNSError,
    ClientError,
    ClientResponseError,
    ClientSession,
)
from homeassistant.const import CONF_API_KEY

from .addresses import DEADLINES, address_for
from .const import CONF_MAGPIE_URL, CONF_PARAKEET_URL, CONF_PROXY_URL
from .errors import TRANSLATION_KEYS
from .spark_engine.errors import (
    Kind,
    Rejected,
    ServerFault,
    SparkError,
    TimedOut,
    Unauthorized,
    Unreachable,
    WrongServer,
)
from .spark_engine.healing.pool import MagpiePool, ParakeetPool
from .spark_engine.healing.proxy_client import ProxyClient
from .spark_engine.models import SAMPLE_RATE, Service
from .spark_engine.servers.other_kinds import what_answers
from .spark_engine.servers.probe import MODELS, probe
from .spark_engine.servers.transport import Transport
from .spark_engine.spark import Spark
from .spark_engine.speech.audio import silence

TEST_LANGUAGE = "en-US"
"""Language of the test recording: every Parakeet knows it, and some refuse a recording without any."""

PASSING = frozenset(
    {"busy", "cannot_connect", "no_voices", "out_of_memory", "server_fault", "timed_out", "unknown_host"}
)
"""Errors of the right server at a bad time: one that is off, still loads its model, or has to be restarted."""

_DIRECT = (CONF_PARAKEET_URL, CONF_MAGPIE_URL)

_SWAPPED = ([f"is_{Kind.MAGPIE}", f"is_{Kind.PARAKEET}"], [f"is_{Kind.MAGPIE}", "no_voices"])
"""NVIDIA's containers are alike, but for the voices."""


_CAUSES: Mapping[type[ClientError], str] = {
    ClientConnectorCertificateError: "untrusted_certificate",
    ClientConnectorDNSError: "unknown_host",
    ClientResponseError: "not_http",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a server: the key of the translated error, and the words of the server that it quotes.

    `service` is which one it is about where it is behind a proxy.
    """

    key: str
    said: str = ""
    service: Service | None = None

    @property
    def placeholders(self) -> dict[str, str]:
        """Return what the translated error is filled in with. Two errors may be shown at once: each has its own."""
        return {f"{self.key}_said": self.said}


@dataclass(frozen=True, slots=True)
class Findings:
    """What came out: what is wrong with each field, "base" where it is no single one; and the proxy's id."""

    problems: Mapping[str, Problem] = field(default_factory=dict)
    unique_id: str | None = None

    @property
    def may_pass(self) -> bool:
        """Return whether the same would work at another time."""
        return bool(self.problems) and all(problem.key in PASSING for problem in self.problems.values())


async def try_direct(session: ClientSession, data: Mapping[str, Any]) -> Findings:
    """Try both servers at once; each gets its own error."""
    spark = Spark(session, address_for(data), deadlines=DEADLINES)
    found = await asyncio.gather(
        _try_itself(session, spark.parakeet, _try_parakeet),
        _try_itself(session, spark.magpie, _try_magpie),
    )
    problems = {name: problem for name, problem in zip(_DIRECT, found, strict=True) if problem}
    if [problem.key for problem in problems.values()] in _SWAPPED:
        return Findings({"base": Problem("swapped")})
    return Findings(problems)


async def try_proxy(session: ClientSession, data: Mapping[str, Any]) -> Findings:
    """Try the proxy's own page with the key, then through it each service that it serves."""
    transport = Transport(session, data[CONF_PROXY_URL], data[CONF_API_KEY], DEADLINES)
    try:
        status = await ProxyClient(transport).status()
        served = {server.name.service for server in status.servers}
    except SparkError as err:
        return Findings(await _proxy_problem(session, transport, err))
    if not served:
        return Findings({CONF_PROXY_URL: Problem("no_services")})
    spark = Spark(session, address_for(data, served), deadlines=DEADLINES)
    parakeet, magpie = await asyncio.gather(_try_parakeet(spark.parakeet), _try_magpie(spark.magpie))
    for service, found in ((Service.PARAKEET, parakeet), (Service.MAGPIE, magpie)):
        if found:
            problem = found if isinstance(found, Problem) else _problem(found)
            return Findings({CONF_PROXY_URL: Problem(problem.key, problem.said, service)}, status.proxy_id)
    return Findings(unique_id=status.proxy_id)


async def find_proxy(session: ClientSession, urls: Sequence[str]) -> tuple[str, bool] | Problem:
    """Return the first of these URLs that a proxy answers at, and whether it wants a key.

    What is wrong with the first URL where no proxy answers at any.
    """
    answers = await asyncio.gather(*(_wants_key(session, url) for url in urls))
    for url, answer in zip(urls, answers, strict=True):
        if isinstance(answer, bool):
            return url, answer
    return next(_problem(answer) for answer in answers if isinstance(answer, SparkError))


async def _wants_key(session: ClientSession, url: str) -> bool | SparkError:
    """Return whether the proxy there does not answer without a key; what is wrong where it is no proxy, or away."""
    try:
        await ProxyClient(Transport(session, url, deadlines=DEADLINES)).status()
    except Unauthorized:
        return True
    except SparkError as err:
        return err
    return False


async def _try_itself[PoolT: ParakeetPool | MagpiePool](
    session: ClientSession,
    pool: PoolT | None,
    attempt: Callable[[PoolT | None], Awaitable[Problem | SparkError | None]],
) -> Problem | None:
    """Return what is wrong with a server that is entered by its own URL: our proxy would be watched over twice."""
    url = ""
    for member in pool.members if pool else ():
        url = member.url
        if (await probe(member.client.transport, (MODELS, "/"))).is_spark_audio():
            return Problem(f"is_{Kind.PROXY}")
    found = await attempt(pool)
    return found if found is None or isinstance(found, Problem) else await _explained(session, url, found)


async def _try_parakeet(parakeet: ParakeetPool | None) -> Problem | SparkError | None:
    """Return what is wrong, found out by transcribing a second of silence."""
    try:
        if parakeet:
            await parakeet.transcribe(silence(1, SAMPLE_RATE), language=TEST_LANGUAGE)
    except SparkError as err:
        return Problem("not_parakeet") if _is_another_service(err) else err
    return None


async def _try_magpie(magpie: MagpiePool | None) -> Problem | SparkError | None:
    """Return what is wrong, found out by listing the voices."""
    try:
        if magpie and not await magpie.voices():
            return Problem("no_voices")
    except SparkError as err:
        return Problem("not_magpie") if _is_another_service(err) else err
    return None


async def _proxy_problem(session: ClientSession, transport: Transport, err: SparkError) -> dict[str, Problem]:
    match err:
        case Unauthorized(status=403):
            # Without a key of its own, a proxy shows its status to its own machine only.
            return {CONF_PROXY_URL: Problem("proxy_without_key")}
        case Unauthorized():
            return {CONF_API_KEY: _problem(err)}
    if not _is_another_service(err):
        return {CONF_PROXY_URL: await _explained(session, transport.base_url, err)}
    kind, name = await what_answers(transport) or (None, "")
    if kind is None or kind is Kind.PROXY:
        return {CONF_PROXY_URL: Problem("not_proxy")}
    return {CONF_PROXY_URL: Problem(f"is_{kind}", name or transport.base_url)}


async def _explained(session: ClientSession, url: str, err: SparkError) -> Problem:
    """Return what is wrong, after a look at whether the other one of http and https is spoken there."""
    match err:
        case Unreachable() | TimedOut() if url.startswith("https:"):
            if not isinstance(err.__cause__, ClientConnectorCertificateError | ClientConnectorDNSError):
                other, key = url.replace("https:", "http:", 1), "speaks_http"
                if await _is_spoken(session, other):
                    return Problem(key)
        case ServerFault(status=None) | Rejected() if url.startswith("http:"):
            if await _is_spoken(session, url.replace("http:", "https:", 1)):
                return Problem("speaks_https")
    problem = _problem(err)
    return problem if problem.said else Problem(problem.key, url)


async def _is_spoken(session: ClientSession, url: str) -> bool:
    """Return whether anything answers with an HTTP status there; or with a certificate of any issuer."""
    try:
        await Transport(session, url, deadlines=DEADLINES).get("/", deadline=DEADLINES.page)
    except SparkError as err:
        return err.status is not None or isinstance(err.__cause__, ClientConnectorCertificateError)
    return True


def _problem(err: SparkError) -> Problem:
    return Problem(_key(err), err.said if isinstance(err, WrongServer) else err.quoted)


def _key(err: SparkError) -> str:
    """Return the translated error."""
    match err:
        case WrongServer(kind=kind):
            return f"is_{kind}"
        case Unauthorized(status=403):
            # Not always the key: a licence that is missing or has expired, for example.
            return "forbidden"
        case Rejected(status=int(status)) if status < 400:
            return "redirected"
    causes = (key for cause, key in _CAUSES.items() if isinstance(err.__cause__, cause))
    return next(causes, TRANSLATION_KEYS[type(err)])


def _is_another_service(err: SparkError) -> bool:
    """Return whether a server in good health does not know what it was asked for, or answers something else."""
    match err:
        case Rejected(status=404 | 405):
            return True
        case ServerFault(status=int(status)):
            return status < 400
    return False
