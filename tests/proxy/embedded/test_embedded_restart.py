"""A wedged embedded Spark is cured by a restart alone, and the proxy restarts it by itself."""

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from aiohttp import ClientError, ClientPayloadError, ClientSession
from embedded_spark import EmbeddedSpark
from embedded_spark.engines import Line
from embedded_spark.wedge import START_DELAY, Mode, Wedge, restarted, wedged
from spark_audio_proxy.__main__ import _with_embedded_spark
from spark_engine.healing.health import State, Transition
from spark_engine.healing.watchdog import WatchdogEvent
from spark_engine.models import Audio
from spark_engine.servers.bodies import AudioFile, form_body

from tests.fakes.engines import FakeRecognizer, FakeSynthesizer, Gate
from tests.helpers.proxy.embedded_bench import (
    INFERENCE,
    LOUD,
    ONLINE,
    SECOND,
    TEXT,
    TRANSCRIPTIONS,
    Bench,
    HandClock,
    form_for,
)
from tests.helpers.proxy.healing import dog_of, watched
from tests.helpers.proxy.running_proxy import StartProxy
from tests.helpers.proxy.settings import ProxySettings, proxy_settings

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("path", INFERENCE)
async def test_a_hang_ends_with_the_restart(bench: Bench, path: str) -> None:
    await bench.wedge(path, "hang")
    body, taken_on = (
        form_body({"text": TEXT}, AudioFile("file", "a.wav", "audio/wav", b"", Audio(SECOND, 16_000))),
        asyncio.Event(),
    )

    async def sent() -> AsyncGenerator[bytes]:
        # With Expect, nothing is sent before the handler is there.
        taken_on.set()
        yield body.held() or b""

    headers = {"Content-Type": body.content_type}
    hung = asyncio.ensure_future(bench.client.post(bench.url(path), data=sent(), headers=headers, expect100=True))
    await taken_on.wait()
    await bench.restart(path)
    with pytest.raises(ClientError):
        await hung


@pytest.mark.parametrize("path", INFERENCE)
async def test_a_restart_cures_after_its_delay(bench: Bench, path: str) -> None:
    """While it starts, everything that needs the model answers 503, health included."""
    well = await bench.infer(path), await bench.pages()
    await bench.wedge(path, "cublas")
    await bench.restart(path)
    assert await bench.state(path) == {"mode": None, "starting": True, "loaded": True, "restarts": 1}
    bench.clock.now += START_DELAY - 0.001
    async with bench.client.post(bench.url(path), data=form_for(path)) as response:
        assert (response.status, response.headers["Retry-After"]) == (503, "1")
    health = [status for status, _ in await bench.pages()]
    assert health == ([503, 200, 200, 200, 200] if path == TRANSCRIPTIONS else [200, 200, 200, 503, 503])
    bench.clock.now += 0.001
    assert (await bench.infer(path), await bench.pages()) == well
    assert await bench.state(path) == {"mode": None, "starting": False, "loaded": True, "restarts": 1}


async def test_nothing_but_a_restart_cures(bench: Bench) -> None:
    """Neither time, nor requests of any kind, nor another wedge, nor a wedge that is refused."""
    await bench.wedge(TRANSCRIPTIONS, "opaque500")
    bench.clock.now += 1_000_000
    await bench.pages()
    for _ in range(20):
        assert (await bench.infer(TRANSCRIPTIONS))[0] == 500
    await bench.infer(ONLINE)
    async with bench.client.post(bench.control(TRANSCRIPTIONS, "/wedge"), json={"mode": None}) as response:
        assert response.status == 400
    async with bench.client.get(bench.control(TRANSCRIPTIONS, "/restart")) as response:
        assert response.status == 405
    assert await bench.state(TRANSCRIPTIONS) == {"mode": "opaque500", "starting": False, "loaded": True, "restarts": 0}
    await bench.wedge(TRANSCRIPTIONS, "cuda422")
    assert (await bench.infer(TRANSCRIPTIONS))[0] == 422


def test_a_restart_during_a_start_begins_it_again() -> None:
    """And one that is wedged meanwhile comes up wedged: the restart that did not help."""
    first = restarted(Wedge(Mode.HANG), now=10.0, delay=3.0)
    assert first == Wedge(None, restarts=1, up_at=13.0)
    broken = wedged(first, Mode.CUBLAS)
    assert broken == Wedge(Mode.CUBLAS, restarts=1, up_at=13.0)
    assert restarted(broken, now=12.0, delay=3.0) == Wedge(None, restarts=2, up_at=15.0)


async def test_a_restart_cuts_what_is_under_way() -> None:
    """Half a transcript and half of the speech must not pass for the whole."""
    hearing, speaking = Gate(), Gate()
    spark = EmbeddedSpark(
        load_recognizer=lambda: FakeRecognizer((hearing, (Line("Hello.", 0.0, 1.0),))),
        load_synthesizer=lambda: FakeSynthesizer((LOUD, speaking, LOUD)),
    )
    async with spark, ClientSession() as client:
        bench = Bench(spark, HandClock(), client)
        heard = asyncio.create_task(bench.infer(TRANSCRIPTIONS))
        assert await asyncio.to_thread(hearing.reached.wait, 30)
        async with client.post(bench.url(ONLINE), data=form_for(ONLINE)) as response:
            assert await response.content.readexactly(len(LOUD)) == LOUD
            await bench.restart(TRANSCRIPTIONS)
            await bench.restart(ONLINE)
            hearing.opened.set()
            speaking.opened.set()
            with pytest.raises(ClientPayloadError):
                await response.content.read()
        with pytest.raises(ClientError):
            await heard


WEDGES = [mode for mode in Mode if mode is not Mode.MEMORY]
"""A service without memory is not restarted."""

STORY = [State.SUSPECT, State.WEDGED, State.RESTARTING, State.HEALTHY]


@pytest.mark.parametrize("service", ["parakeet", "magpie"])
@pytest.mark.parametrize("mode", WEDGES)
async def test_the_proxy_heals_its_embedded_spark_by_itself(
    monkeypatch: pytest.MonkeyPatch, start_proxy: StartProxy, tmp_path: Path, mode: Mode, service: str
) -> None:
    """`--embedded` and nothing else set: wedged over HTTP, restarted once, well again."""
    monkeypatch.setattr("embedded_spark.EmbeddedSpark", speaking_and_hearing)
    async with AsyncExitStack() as stack:
        settings = await _with_embedded_spark(stack, proxy_settings(embedded=True))
        servers = {"parakeet": settings.parakeet[0], "magpie": settings.magpie[0]}
        urls: ProxySettings = {
            "parakeet_url": servers["parakeet"].url,
            "parakeet_restart_url": servers["parakeet"].restart.url,
            "magpie_url": servers["magpie"].url,
            "magpie_restart_url": servers["magpie"].restart.url,
            "canary_interval": 0.05,
        }
        proxy = await watched(start_proxy, tmp_path, **urls)
        dog, healed = dog_of(proxy, service), asyncio.Event()
        dog.subscribe(lambda _, event: healed.set() if _is_healed(event) else None)
        control = f"{servers[service].url}/embedded"
        async with proxy.client.post(control + "/wedge", json={"mode": mode}) as response:
            assert response.status == 200
        await healed.wait()
        async with proxy.client.get(control) as response:
            assert await response.json() == {"mode": None, "starting": False, "loaded": True, "restarts": 1}
    assert [change.after for change in dog.history][1:] == STORY


def _is_healed(event: WatchdogEvent) -> bool:
    return isinstance(event, Transition) and event.after is State.HEALTHY


def speaking_and_hearing() -> EmbeddedSpark:
    """Fakes that pass the canaries, and restart at once."""
    return EmbeddedSpark(
        load_recognizer=lambda: FakeRecognizer(((Line(TEXT, 0.0, 1.0),),)),
        load_synthesizer=lambda: FakeSynthesizer((LOUD,)),
        start_delay=0.0,
    )


async def test_what_is_set_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service of the user's own is not restarted by the stand-in's hook, nor a stand-in by two."""
    monkeypatch.setattr("embedded_spark.EmbeddedSpark", speaking_and_hearing)
    async with AsyncExitStack() as stack:
        own = proxy_settings(embedded=True, parakeet_url="http://spark.local:8000", magpie_restart_command="true")
        settings = await _with_embedded_spark(stack, own)
    [parakeet], [magpie] = settings.parakeet, settings.magpie
    assert (parakeet.url, parakeet.restart.url) == ("http://spark.local:8000", None)
    assert (magpie.restart.url, magpie.restart.command) == (None, "true")
    assert magpie.url is not None
    assert magpie.url.startswith("http://127.0.0.1:")


@pytest.mark.parametrize("delay", ["-1", "nan", "inf", "soon"])
async def test_a_wrong_start_delay_is_said(delay: str) -> None:
    """By argparse, with exit status 2."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "embedded_spark", f"--start-delay={delay}"), stderr=asyncio.subprocess.PIPE
    )
    _, errors = await process.communicate()
    assert process.returncode == 2
    assert b"argument --start-delay" in errors
