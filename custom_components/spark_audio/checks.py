"""What the config flow tries out before anything is saved: every URL and key, with real requests."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiohttp import ClientConnectorCertificateError, ClientSession
from homeassistant.const import CONF_API_KEY

from .addresses import DEADLINES, address_for
from .const import CONF_MAGPIE_URL, CONF_PARAKEET_URL, CONF_PROXY_URL
from .errors import TRANSLATION_KEYS
from .spark_engine.errors import Rejected, ServerFault, SparkError, Unauthorized, WrongServer
from .spark_engine.healing.pool import MagpiePool, ParakeetPool
from .spark_engine.healing.proxy_client import ProxyClient
from .spark_engine.models import SAMPLE_RATE, Service
from .spark_engine.servers.probe import MODELS, probe
from .spark_engine.servers.transport import Transport
from .spark_engine.spark import Spark
from .spark_engine.speech.audio import silence

TEST_LANGUAGE = "en-US"
"""Language of the test recording: every Parakeet knows it, and some refuse a recording without any."""

_DIRECT = (CONF_PARAKEET_URL, CONF_MAGPIE_URL)

_WRONG_SERVER = TRANSLATION_KEYS[WrongServer]


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a server: the key of the translated error, and the engine's own sentence."""

    key: str
    reason: str


@dataclass(frozen=True, slots=True)
class Findings:
    """What came out: the translated error of each field that is wrong, what those texts name, and the proxy's id."""

    errors: Mapping[str, str]
    placeholders: Mapping[str, str] = field(default_factory=dict)
    unique_id: str | None = None


async def try_direct(session: ClientSession, data: Mapping[str, Any]) -> Findings:
    """Try both servers at once; each gets its own error."""
    spark = Spark(session, address_for(data), deadlines=DEADLINES)
    found = await asyncio.gather(
        _try_itself(spark.parakeet, _try_parakeet),
        _try_itself(spark.magpie, _try_magpie),
    )
    problems = {name: problem for name, problem in zip(_DIRECT, found, strict=True) if problem}
    # Both fields may have the same error, and only one text: each sentence says what was expected there.
    reasons = " ".join(problem.reason for problem in problems.values() if problem.key == _WRONG_SERVER)
    return Findings({name: problem.key for name, problem in problems.items()}, {"reason": reasons})


async def try_proxy(session: ClientSession, data: Mapping[str, Any]) -> Findings:
    """Try the proxy's own page with the key, then through it each service that it serves."""
    transport = Transport(session, data[CONF_PROXY_URL], data[CONF_API_KEY], DEADLINES)
    try:
        status = await ProxyClient(transport).status()
        served = {server.name.service for server in status.servers}
    except SparkError as err:
        return Findings(_proxy_error(err))
    if not served:
        return Findings({CONF_PROXY_URL: "no_services"})
    spark = Spark(session, address_for(data, served), deadlines=DEADLINES)
    parakeet, magpie = await asyncio.gather(_try_parakeet(spark.parakeet), _try_magpie(spark.magpie))
    for service, problem in ((Service.PARAKEET, parakeet), (Service.MAGPIE, magpie)):
        if problem:
            told = {"service": service.display_name, "reason": problem.reason}
            return Findings({CONF_PROXY_URL: "behind_proxy"}, told)
    return Findings({}, unique_id=status.proxy_id)


async def find_proxy(session: ClientSession, urls: Sequence[str]) -> tuple[str, bool]:
    """Return the first of these URLs that a proxy answers at, and whether it wants a key.

    Raises SparkError, that of the first URL, where no proxy answers at any.
    """
    answers = await asyncio.gather(*(_wants_key(session, url) for url in urls))
    for url, answer in zip(urls, answers, strict=True):
        if isinstance(answer, bool):
            return url, answer
    raise next(answer for answer in answers if isinstance(answer, SparkError))


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
    pool: PoolT | None, attempt: Callable[[PoolT | None], Awaitable[Problem | None]]
) -> Problem | None:
    """Return what is wrong with a server that is entered by its own URL: our proxy would be watched over twice."""
    for member in pool.members if pool else ():
        if (await probe(member.client.transport, (MODELS,))).is_spark_audio():
            return Problem("is_proxy", f"{member.url} is Spark Audio's proxy.")
    return await attempt(pool)


async def _try_parakeet(parakeet: ParakeetPool | None) -> Problem | None:
    """Return what is wrong, found out by transcribing a second of silence."""
    try:
        if parakeet:
            await parakeet.transcribe(silence(1, SAMPLE_RATE), language=TEST_LANGUAGE)
    except SparkError as err:
        return Problem("not_parakeet" if _is_another_service(err) else error_key(err), err.message)
    return None


async def _try_magpie(magpie: MagpiePool | None) -> Problem | None:
    """Return what is wrong, found out by listing the voices."""
    try:
        if magpie and not await magpie.voices():
            return Problem("no_voices", "It lists no voices.")
    except SparkError as err:
        return Problem("not_magpie" if _is_another_service(err) else error_key(err), err.message)
    return None


def _proxy_error(err: SparkError) -> dict[str, str]:
    match err:
        case Unauthorized(status=403):
            # Without a key of its own, a proxy shows its status to its own machine only.
            return {CONF_PROXY_URL: "proxy_without_key"}
        case Unauthorized():
            return {CONF_API_KEY: "unauthorized"}
    return {CONF_PROXY_URL: "not_proxy" if _is_another_service(err) else error_key(err)}


def error_key(err: SparkError) -> str:
    """Return the translated error; an untrusted certificate has its own, since there is a switch for it."""
    if isinstance(err.__cause__, ClientConnectorCertificateError):
        return "untrusted_certificate"
    return TRANSLATION_KEYS[type(err)]


def _is_another_service(err: SparkError) -> bool:
    """Return whether a server in good health does not know what it was asked for, or answers something else."""
    match err:
        case Rejected(status=404 | 405):
            return True
        case ServerFault(status=int(status)):
            return status < 400
    return False
