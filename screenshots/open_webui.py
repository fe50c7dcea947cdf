"""Open WebUI with the proxy: its audio settings, a dictated question with its answer, an error, and a call."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import Browser, Page, ViewportSize

from demo.errors import DemoError
from demo.folder import held
from demo.processes import Processes, free_port
from demo.scene import PROXY_PORT, start_proxy
from demo.speech import models

from .browser import chromium, talking_into
from .camera import Camera
from .frontend import PATIENCE
from .open_webui_server import ANSWER, OpenWebUI, install, language_model, start
from .stage import Spark, open_spark, talking_to
from .status_page import CLIP

KEY = "PUT-A-LONG-RANDOM-KEY-HERE"

FORM = ViewportSize(width=1000, height=1000)
CHAT = ViewportSize(width=900, height=420)
CALL = ViewportSize(width=390, height=640)


BACKGROUNDS_LOADED = """async () => {
    const logos = [...document.querySelectorAll("[style*=background-image]")];
    await Promise.all(logos.map((logo) => {
        const image = new Image();
        image.src = logo.style.backgroundImage.slice(5, -2);
        return image.decode();
    }));
    return logos.length > 0;
}"""
"""The logo of a call is no image that is waited for."""


async def take_pictures(folder: Path, camera: Camera) -> None:
    """Start what is photographed, with its files in `folder`, and stop it however this ends."""
    await install()
    logs = folder / "logs"
    for inside in (logs, folder / "data"):
        inside.mkdir()
    with held(folder) as lock:
        async with Processes(logs, lock) as processes:
            try:
                await _open_and_photograph(processes, folder, camera)
            except DemoError as error:
                raise DemoError(f"{error}\n{processes.last_lines(error.faults)}") from error


async def _open_and_photograph(processes: Processes, folder: Path, camera: Camera) -> None:
    async with talking_to() as session, chromium(*talking_into(CLIP)) as browser, language_model() as house:
        spark = await open_spark(session, processes)
        settings = ("--api-key", KEY)
        url, proxy = await start_proxy(
            processes, free_port(PROXY_PORT), spark.parakeet_url, spark.magpie_url, folder / "state", *settings
        )
        await proxy.until(lambda: models(session, url), within=60)
        ui = await start(processes, session, folder / "data", house, audio_settings(f"{url}/v1"))
        async with signed_in(browser, ui) as page:
            await photograph(page, spark, camera)


def audio_settings(base_url: str) -> dict[str, str]:
    """The variables of proxy/compose.yaml."""
    return {
        f"AUDIO_{part}_{name}": value
        for part, model in (("STT", "parakeet"), ("TTS", "magpie"))
        for name, value in {
            "ENGINE": "openai",
            "OPENAI_API_BASE_URL": base_url,
            "OPENAI_API_KEY": KEY,
            "MODEL": model,
        }.items()
    }


@asynccontextmanager
async def signed_in(browser: Browser, ui: OpenWebUI) -> AsyncGenerator[Page]:
    """A page of the administrator: English, light, with nothing that moves, and a microphone."""
    context = await browser.new_context(
        base_url=ui.url, color_scheme="light", reduced_motion="reduce", locale="en-US", permissions=["microphone"]
    )
    try:
        context.set_default_timeout(PATIENCE)
        await context.add_init_script(
            f"localStorage.token = {ui.token!r}; localStorage.locale = 'en-US'; localStorage.theme = 'light'"
        )
        yield await context.new_page()
    finally:
        await context.close()


async def photograph(page: Page, spark: Spark, camera: Camera) -> None:
    """In the order in which a user meets them."""
    await page.set_viewport_size(FORM)
    await page.goto("/admin/settings/audio")
    await page.get_by_text("Response Splitting").wait_for()
    # The fields are there before their contents.
    await page.wait_for_function("[...document.querySelectorAll('input')].some((field) => field.value === 'magpie')")
    await camera.take("open-webui-settings", page)
    await page.set_viewport_size(CHAT)
    await page.goto("/")
    await dictate(page)
    await page.get_by_text("kitchen light").first.wait_for()
    await page.keyboard.press("Enter")
    await page.get_by_text(ANSWER[-20:]).wait_for()
    async with page.expect_response("**/audio/speech"):
        await page.get_by_role("button", name="Read Aloud").click()
    await camera.take("open-webui-chat", page)
    await spark.wedge_parakeet()
    await page.goto("/")
    await dictate(page)
    await page.get_by_text("Error transcribing chunk").wait_for()
    await camera.take("open-webui-error", page)
    await page.set_viewport_size(CALL)
    await page.goto("/")
    await page.get_by_role("button", name="Voice mode").click()
    await page.get_by_text("Listening...").wait_for()
    await page.wait_for_function(BACKGROUNDS_LOADED)
    await camera.take("open-webui-call", page)


async def dictate(page: Page) -> None:
    """Press the microphone, speak, and press the tick."""
    async with page.expect_request("**/audio/transcriptions"):
        await page.get_by_role("button", name="Voice Input").click()
        # The clip of the microphone is as long as that.
        await page.wait_for_timeout(3_000)
        await page.get_by_role("button", name="Confirm recording").click()
