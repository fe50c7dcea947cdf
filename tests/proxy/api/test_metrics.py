"""The numbers for Prometheus: what is counted, who may read it, and that rules and dashboard know their names."""

import asyncio
import io
import json
import logging
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiohttp import FormData
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample
from spark_audio_proxy.app import create_app
from spark_audio_proxy.config import SettingsError
from spark_audio_proxy.logs import JsonFormatter, TextFormatter
from spark_engine import __version__
from spark_engine.healing.canary import canary_clip
from spark_engine.healing.health import State, Transition
from spark_engine.servers.transport import REQUEST_ID
from spark_engine.speech.audio import write_wav

from tests.fakes import magpie, parakeet
from tests.fakes.parakeet import TRANSCRIPTIONS
from tests.fakes.server import json as answering
from tests.fakes.server import running
from tests.helpers.proxy.healing import RESTART, dog_of, hook, until, watched
from tests.helpers.proxy.running_proxy import Proxy, StartProxy
from tests.helpers.proxy.settings import ProxySettings, proxy_settings
from tests.helpers.repository import ROOT

DEPLOY = ROOT / "proxy/deploy"
HEAR = ("POST", TRANSCRIPTIONS)
SPEAK = {"input": "Good night.", "response_format": "wav"}

NAMES = {
    *("spark_requests_total", "spark_request_duration_seconds", "spark_upstream_duration_seconds"),
    *("spark_upstream_errors_total", "spark_requests_in_flight", "spark_service_state"),
    *("spark_canary_duration_seconds", "spark_canaries_total", "spark_last_success_timestamp_seconds"),
    *("spark_restarts_total", "spark_restart_budget_remaining", "spark_audio_seconds_total", "spark_build_info"),
    "spark_restart_answers_total",
}


@dataclass(frozen=True, slots=True)
class Numbers:
    """What `/metrics` said."""

    samples: list[Sample]

    def __call__(self, name: str, **labels: str) -> float | None:
        """The value of a sample, None where there is none."""
        return next((item.value for item in self.samples if (item.name, item.labels) == (name, labels)), None)


async def numbers(proxy: Proxy, **headers: str) -> Numbers:
    """All that is told."""
    async with proxy.client.get(f"{proxy.url}/metrics", headers=headers) as response:
        assert response.status == 200
        assert response.content_type == "text/plain"
        families = text_string_to_metric_families(await response.text())
        return Numbers([sample for family in families for sample in family.samples])


async def test_requests_speech_and_servers_are_counted(start_proxy: StartProxy, tmp_path: Path) -> None:
    """Under the name of the route, whatever the URL was."""
    proxy = await watched(start_proxy, tmp_path, metrics=True)
    async with proxy.client.post(f"{proxy.url}//audio/speech", json=SPEAK) as response:
        await response.read()
    async with proxy.client.post(f"{proxy.url}/v1/audio/speech", json={}) as response:
        assert response.status == 400
    async with proxy.client.get(f"{proxy.url}/v1/secret-path") as response:
        assert response.status == 404
    seen = await numbers(proxy)
    assert seen("spark_requests_total", endpoint="/v1/audio/speech", outcome="ok") == 1
    assert seen("spark_requests_total", endpoint="/v1/audio/speech", outcome="rejected") == 1
    assert seen("spark_requests_total", endpoint="unknown", outcome="rejected") == 1
    assert seen("spark_request_duration_seconds_count", endpoint="/v1/audio/speech") == 2
    assert seen("spark_upstream_duration_seconds_count", service="magpie") == 1
    seconds = len(magpie.spoken("Good night.")) / 2 / 22_050
    assert seen("spark_audio_seconds_total", direction="spoken") == pytest.approx(seconds)
    assert seen("spark_canary_duration_seconds_count", service="parakeet") == 1
    assert seen("spark_canaries_total", service="magpie", outcome="success") == 1
    for state in State:
        assert seen("spark_service_state", service="parakeet", state=state) == (state is State.HEALTHY)
    assert seen("spark_restart_budget_remaining", service="magpie") == 3
    assert seen("spark_requests_in_flight", service="magpie") == 0
    assert (seen("spark_last_success_timestamp_seconds", service="parakeet") or 0) > 1.7e9
    assert seen("spark_build_info", version=__version__) == 1
    assert not [sample for sample in seen.samples if "secret" in str(sample)]


async def test_a_wedge_is_counted_from_the_fault_to_the_recovery(
    start_proxy: StartProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One failed request, two failed canaries, one automatic restart that helped, one by hand."""
    hearing = parakeet.openai()
    good = hearing.answers[HEAR]
    async with running(hook((hearing, HEAR, good))) as restarts:
        proxy = await watched(start_proxy, tmp_path, hearing, metrics=True, parakeet_restart_url=restarts.url + RESTART)
        dog = dog_of(proxy)
        changes: asyncio.Queue[State] = asyncio.Queue()
        dog.subscribe(lambda _, event: changes.put_nowait(event.after) if isinstance(event, Transition) else None)
        hearing.answers[HEAR] = answering({"detail": "CUDA error"}, status=500)
        form = FormData()
        form.add_field("file", write_wav(canary_clip()), filename="clip.wav")
        async with proxy.client.post(f"{proxy.url}/v1/audio/transcriptions", data=form) as response:
            assert response.status == 503
        while await changes.get() is not State.HEALTHY:
            pass
        await dog.restart()
        await until(dog, State.HEALTHY)
        seen = await numbers(proxy)
    assert seen("spark_upstream_errors_total", service="parakeet", kind="server_fault") == 1
    assert seen("spark_requests_total", endpoint="/v1/audio/transcriptions", outcome="failed") == 1
    assert (seen("spark_canaries_total", service="parakeet", outcome="signed_fault") or 0) >= 1
    for trigger in ("automatic", "manual"):
        assert seen("spark_restarts_total", service="parakeet", trigger=trigger, outcome="recovered") == 1
    assert seen("spark_restart_budget_remaining", service="parakeet") == 1


async def test_off_unless_asked_for(proxy: Proxy) -> None:
    async with proxy.client.get(f"{proxy.url}/metrics") as response:
        assert response.status == 404


def test_without_the_extra_the_start_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    monkeypatch.delitem(sys.modules, "spark_audio_proxy.metrics", raising=False)
    with pytest.raises(SettingsError, match=r"spark-audio-proxy\[metrics\]"):
        create_app(proxy_settings(magpie_url="http://127.0.0.1:9", metrics=True))


@pytest.mark.parametrize(
    ("settings", "headers", "status"),
    [
        ({}, {"Host": "rebound.example"}, 403),
        ({"api_key": ("first",)}, {}, 401),
        ({"api_key": ("first",)}, {"Authorization": "Bearer first"}, 200),
    ],
)
async def test_metrics_need_the_same_rights_as_the_status(
    start_proxy: StartProxy, settings: ProxySettings, headers: dict[str, str], status: int
) -> None:
    proxy = await start_proxy(**settings | {"metrics": True})
    async with proxy.client.get(f"{proxy.url}/metrics", headers=headers) as response:
        assert response.status == status


async def test_two_proxies_in_one_process_count_apart(start_proxy: StartProxy) -> None:
    """Each has a registry of its own."""
    first, second = await start_proxy(metrics=True), await start_proxy(metrics=True)
    async with first.client.get(f"{first.url}/v1/models"):
        pass
    assert (await numbers(first))("spark_requests_total", endpoint="/v1/models", outcome="ok") == 1
    assert (await numbers(second))("spark_requests_total", endpoint="/v1/models", outcome="ok") is None


def names_in(text: str) -> set[str]:
    """The metrics that a text speaks of."""
    found = set(re.findall(r"\bspark_[a-z_]+", text))
    return {re.sub(r"_(bucket|count|sum)$", "", name) for name in found}


def test_dashboard_and_rules_and_docs_know_the_names() -> None:
    """And no others; the documentation has all of them."""
    rules, dashboard = (DEPLOY / "alerts.yaml").read_text(), (DEPLOY / "grafana-dashboard.json").read_text()
    json.loads(dashboard)
    assert names_in(rules) <= NAMES
    assert names_in(dashboard) <= NAMES
    assert names_in((DEPLOY.parents[1] / "docs/metrics.md").read_text()) == NAMES


@pytest.mark.parametrize(
    "arguments", [("check", "rules", "alerts.yaml"), ("test", "rules", "alerts.test.yaml")], ids=["check", "test"]
)
def test_the_rules_pass_promtool(arguments: tuple[str, ...]) -> None:
    """Their syntax, and that each fires when it should and not else."""
    promtool = shutil.which("promtool", path=f"{ROOT / '.tools/bin'}{os.pathsep}{os.environ['PATH']}")
    assert promtool, "promtool is missing: it is in Debian's package prometheus"
    done = subprocess.run([promtool, *arguments], cwd=DEPLOY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def logged(formatter: logging.Formatter, *, request_id: str | None) -> str:
    """One line of a request's log, an exception included."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    logger = logging.getLogger("spark_audio_proxy.test")
    logger.addHandler(handler)
    token = REQUEST_ID.set(request_id)
    try:
        int("broken")
    except ValueError:
        logger.exception("It %s", "failed")
    finally:
        REQUEST_ID.reset(token)
        logger.removeHandler(handler)
    return stream.getvalue()


def test_json_lines_are_one_object_each() -> None:
    """With the id of the request, and a traceback that stays within its line."""
    line = logged(JsonFormatter(), request_id="id-1")
    assert line.count("\n") == 1
    document = json.loads(line)
    assert (document["level"], document["logger"], document["message"]) == (
        "error",
        "spark_audio_proxy.test",
        "It failed",
    )
    assert document["request_id"] == "id-1"
    assert "ValueError: invalid literal" in document["exception"]
    assert document["time"].endswith("+00:00")
    assert "request_id" not in json.loads(logged(JsonFormatter(), request_id=None))


def test_text_lines_carry_the_id_too() -> None:
    """At the end of the message."""
    assert logged(TextFormatter(), request_id="id-1").splitlines()[0].endswith(": It failed id=id-1")
    assert logged(TextFormatter(), request_id=None).splitlines()[0].endswith(": It failed")


async def test_the_line_about_a_request_brings_its_id(proxy: Proxy, caplog: pytest.LogCaptureFixture) -> None:
    """In JSON as a field."""
    caplog.set_level(logging.INFO, "spark_audio_proxy.access")
    caplog.handler.setFormatter(JsonFormatter())
    async with proxy.client.get(f"{proxy.url}/v1/models", headers={"X-Request-ID": "id-7"}):
        pass
    (line,) = [line for line in caplog.text.splitlines() if "/v1/models" in line]
    assert json.loads(line)["request_id"] == "id-7"
