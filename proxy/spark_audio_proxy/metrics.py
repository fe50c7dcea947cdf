"""`GET /metrics` for Prometheus: events of the journal, counted, and how the servers are at the moment of asking."""

from collections.abc import Iterator
from typing import override

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Histogram, Info
from prometheus_client.aiohttp import make_aiohttp_handler
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from spark_engine import __version__
from spark_engine.errors import SparkError
from spark_engine.healing.canary import CanaryResult
from spark_engine.healing.health import State, Transition
from spark_engine.healing.restart import Answer
from spark_engine.healing.traffic import RequestOutcome
from spark_engine.healing.watchdog import RestartAnswered
from spark_engine.models import ServerName
from spark_engine.spark import Spark

from .api.health import only_for_us
from .app_state import JOURNAL, SPARK
from .journal import AudioPassed, Event, RequestServed, ServerEvent

ENDLESS = ("/api/events", "/v1/realtime", "/v1/audio/speech/stream")
"""The endpoints whose duration tells how long a page was open, or a client kept its session."""

_SPEECH = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 20, 60)
"""Seconds. A healthy voice turn is within the first half."""


def add_metrics(app: web.Application) -> None:
    """Count from now on, and serve the numbers to those who may read the status."""
    registry = CollectorRegistry()
    app[JOURNAL].subscribe(_Counted(registry).count)
    registry.register(_ServersNow(app))
    expose = make_aiohttp_handler(registry)

    async def metrics(request: web.Request) -> web.StreamResponse:
        only_for_us(request)
        return await expose(request)

    app.router.add_get("/metrics{end:/*}", metrics)


class _Counted:
    """What adds up. `service` is a server's name: `parakeet`, `parakeet-2`, ...; `endpoint` a route, never a URL."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, help_text: str, *labels: str) -> Counter:
            return Counter(name, help_text, labels, registry=registry)

        def histogram(name: str, help_text: str, *labels: str) -> Histogram:
            return Histogram(name, help_text, labels, buckets=_SPEECH, registry=registry)

        self.requests = counter("spark_requests_total", "Requests answered.", "endpoint", "outcome")
        self.request_seconds = histogram("spark_request_duration_seconds", "From request to end of answer.", "endpoint")
        self.upstream_seconds = histogram("spark_upstream_duration_seconds", "Inference asked of a server.", "service")
        self.upstream_errors = counter("spark_upstream_errors_total", "Inferences that failed.", "service", "kind")
        self.canary_seconds = histogram("spark_canary_duration_seconds", "Canaries, failed ones included.", "service")
        self.canaries = counter("spark_canaries_total", "Canaries by what they showed.", "service", "outcome")
        self.restarts = counter("spark_restarts_total", "Restarts by how they ended.", "service", "trigger", "outcome")
        self.answers = counter(
            "spark_restart_answers_total", "Restarts by what the target answered.", "service", "answer"
        )
        self.audio = counter("spark_audio_seconds_total", "Seconds of speech taken in or given out.", "direction")
        Info("spark_build", "What runs here.", registry=registry).info({"version": __version__})
        self._restarting: dict[ServerName, str] = {}

    def count(self, event: Event) -> None:
        match event:
            case RequestServed(endpoint, outcome, seconds):
                self.requests.labels(endpoint, outcome).inc()
                if endpoint not in ENDLESS:
                    self.request_seconds.labels(endpoint).observe(seconds)
            case AudioPassed(direction, seconds):
                self.audio.labels(direction).inc(seconds)
            case ServerEvent(server, RequestOutcome(seconds, error)):
                self.upstream_seconds.labels(server).observe(seconds)
                if error is not None:
                    self.upstream_errors.labels(server, _kind(error)).inc()
            case ServerEvent(server, CanaryResult() as result):
                self.canary_seconds.labels(server).observe(result.latency)
                self.canaries.labels(server, result.observation.outcome.name.lower()).inc()
            case ServerEvent(server, RestartAnswered(reply)):
                self.answers.labels(server, reply.answer).inc()
                if reply.answer is Answer.REFUSED and (trigger := self._restarting.pop(server, None)):
                    self.restarts.labels(server, trigger, "refused").inc()
            case ServerEvent(server, Transition() as change):
                self._count_restart(server, change)

    def _count_restart(self, server: ServerName, change: Transition) -> None:
        """Count a restart once it is known how it ended."""
        if change.after is State.RESTARTING:
            self._restarting[server] = "manual" if change.by_hand else "automatic"
        elif trigger := self._restarting.pop(server, None):
            outcome = "recovered" if change.after is State.HEALTHY else "not_recovered"
            self.restarts.labels(server, trigger, outcome).inc()


def _kind(error: SparkError) -> str:
    """`ServerFault` is `server_fault`."""
    name = type(error).__name__
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")


class _ServersNow(Collector):
    """What is so now, read when it is asked for."""

    def __init__(self, app: web.Application) -> None:
        self._app = app

    @override
    def collect(self) -> Iterator[GaugeMetricFamily]:
        spark: Spark | None = self._app.get(SPARK)
        if spark is None:
            return
        states = GaugeMetricFamily(
            "spark_service_state", "1 for the state that a server is in.", labels=["service", "state"]
        )
        success = _per_service("spark_last_success_timestamp_seconds", "When a server last did what it was asked to.")
        left = _per_service("spark_restart_budget_remaining", "Automatic restarts that the window still allows.")
        in_flight = _per_service("spark_requests_in_flight", "Inferences under way.")
        for member in spark.members:
            watchdog = member.watchdog
            if watchdog is None:
                continue
            name = str(member.name)
            for state in State:
                states.add_metric([name, state], float(member.state is state))
            if watchdog.last_success is not None:
                success.add_metric([name], watchdog.last_success)
            left.add_metric([name], watchdog.restarter.restarts_left)
            in_flight.add_metric([name], watchdog.requests_under_way)
        yield from (states, success, left, in_flight)


def _per_service(name: str, help_text: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, help_text, labels=["service"])
