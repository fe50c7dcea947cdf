"""What passes without a restart: GPU memory that another program has taken, and a model that is unloaded."""

from collections.abc import AsyncGenerator

import pytest
from aiohttp import ClientSession
from embedded_spark import EmbeddedSpark
from embedded_spark.wedge import OUT_OF_MEMORY, Mode, Wedge, asked, freed, restarted, unloaded

from tests.fakes.engines import FakeRecognizer, FakeSynthesizer
from tests.helpers.proxy.embedded_bench import INFERENCE, SYNTHESIZE, TRANSCRIPTIONS, Bench, HandClock, form_for

HEALTHZ = "/healthz"


@pytest.fixture
async def sleeper() -> AsyncGenerator[Bench]:
    """An embedded Spark that loads at once, and whose Parakeet tells whether its model is loaded."""
    clock = HandClock()
    spark = EmbeddedSpark(
        load_recognizer=FakeRecognizer,
        load_synthesizer=FakeSynthesizer,
        start_delay=0.0,
        tells_sleep=True,
        clock=clock,
    )
    async with spark, ClientSession() as client:
        yield Bench(spark, clock, client)


async def tell(bench: Bench, path: str, what: str) -> None:
    """POST to a control route that answers nothing."""
    async with bench.client.post(bench.control(path, what)) as response:
        assert (response.status, await response.read()) == (204, b"")


@pytest.mark.parametrize("path", INFERENCE)
async def test_memory_passes_without_a_restart(bench: Bench, path: str) -> None:
    """500 with PyTorch's text until then."""
    well = await bench.infer(path)
    await bench.wedge(path, "memory")
    async with bench.client.post(bench.url(path), data=form_for(path)) as response:
        assert (response.status, OUT_OF_MEMORY in await response.text()) == (500, True)
    await tell(bench, path, "/free")
    assert await bench.infer(path) == well
    assert await bench.state(path) == {"mode": None, "starting": False, "loaded": True, "restarts": 0}


async def test_free_memory_cures_no_wedge(bench: Bench) -> None:
    await bench.wedge(TRANSCRIPTIONS, "cublas")
    await tell(bench, TRANSCRIPTIONS, "/free")
    assert (await bench.infer(TRANSCRIPTIONS))[0] == 500


@pytest.mark.parametrize("path", [TRANSCRIPTIONS, SYNTHESIZE])
async def test_a_request_loads_the_model_again(sleeper: Bench, path: str) -> None:
    """Pages do not."""
    await tell(sleeper, path, "/unload")
    await sleeper.pages()
    assert await sleeper.state(path) == {"mode": None, "starting": False, "loaded": False, "restarts": 0}
    assert (await sleeper.infer(path))[0] == 200
    assert await sleeper.state(path) == {"mode": None, "starting": False, "loaded": True, "restarts": 0}


async def test_parakeet_tells_whether_it_is_loaded(sleeper: Bench) -> None:
    """As RunParakeet does."""
    url = sleeper.spark.parakeet_url + HEALTHZ
    loaded: dict[str, object] = {"status": "ok", "loaded": True, "idle_unload_seconds": 300}
    assert await sleeper.get(url) == (200, loaded)
    await tell(sleeper, TRANSCRIPTIONS, "/unload")
    assert await sleeper.get(url) == (200, loaded | {"loaded": False})


async def test_usually_it_has_no_such_page(bench: Bench) -> None:
    """It would be taken for a RunParakeet, which has no times."""
    async with bench.client.get(bench.spark.parakeet_url + HEALTHZ) as response:
        assert response.status == 404


@pytest.mark.parametrize("what", ["/free", "/unload"])
async def test_web_pages_may_change_nothing(bench: Bench, what: str) -> None:
    async with bench.client.post(
        bench.control(TRANSCRIPTIONS, what), headers={"Origin": "http://evil.example"}
    ) as response:
        assert response.status == 403
    assert await bench.state(TRANSCRIPTIONS) == {"mode": None, "starting": False, "loaded": True, "restarts": 0}


def test_a_load_takes_its_time_once() -> None:
    """From the first request on, whatever comes after it; and a restart loads, too."""
    asleep = unloaded(Wedge(restarts=2))
    loading = asked(asleep, now=10.0, delay=3.0)
    assert loading == Wedge(restarts=2, loaded_at=13.0)
    assert asked(loading, now=12.0, delay=3.0) == loading
    assert restarted(asleep, now=10.0, delay=3.0) == Wedge(restarts=3, up_at=13.0)
    assert freed(Wedge(Mode.MEMORY, loaded_at=13.0)) == Wedge(loaded_at=13.0)
