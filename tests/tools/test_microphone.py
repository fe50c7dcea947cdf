"""Home Assistant's own page as a satellite: a real browser whose microphone hears a command."""

from functools import partial
from pathlib import Path

import pytest

from tools.screenshots.browser import chromium, spoken_command, talking_into
from tools.screenshots.frontend import signed_in
from tools.screenshots.home_assistant import open_home, speak
from tools.stack.home import DOMAIN, Home
from tools.stack.http import items, new_session, pick, text
from tools.stack.processes import Processes
from tools.stack.services import start_spark

pytestmark = [pytest.mark.browser, pytest.mark.engines, pytest.mark.timeout(300)]

DEBUG = "assist_pipeline/pipeline_debug"


async def silence_measured(home: Home) -> float | None:
    """Return the seconds, None before the first sound of the answer."""
    told = await home.client.state("sensor.magpie_silence_before_answer")
    return None if told == "unknown" else float(told)


async def test_a_command_to_the_page(tmp_path: Path) -> None:
    """The words and the answer appear, the turn ends where Spark Audio says so, and its silence is measured."""
    logs, folder = tmp_path / "logs", tmp_path / "home"
    logs.mkdir()
    folder.mkdir()
    microphone = talking_into(spoken_command(tmp_path))
    async with new_session() as session, Processes(logs) as processes, chromium(*microphone) as browser:
        spark = await start_spark(processes)
        home = await open_home(session, processes, folder)
        await home.add(DOMAIN, {"parakeet_url": spark.parakeet_url, "magpie_url": spark.magpie_url})
        pipeline = await home.prefer_spark_audio()
        async with signed_in(browser, home) as page:
            await speak(page)
            silence = await home.process.until(partial(silence_measured, home))
        runs = items(await home.client.call(f"{DEBUG}/list", pipeline_id=pipeline), "pipeline_runs")
        [run] = [text(each, "pipeline_run_id") for each in runs]
        told = items(await home.client.call(f"{DEBUG}/get", pipeline_id=pipeline, pipeline_run_id=run), "events")
    events = {text(event, "type"): pick(event, "data") for event in told}
    assert list(events)[:5] == ["run-start", "stt-start", "stt-vad-start", "stt-vad-end", "stt-end"]
    assert pick(events["stt-start"], "audio_processing", "requires_external_vad") is False
    assert silence > 0
