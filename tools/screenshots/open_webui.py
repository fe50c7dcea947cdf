"""Open WebUI with the proxy: its audio settings, a dictated question with its answer, an error, and a call."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import ClientSession
from playwright.async_api import Browser, Page, ViewportSize

from tools.stack.folders import free_port
from tools.stack.processes import Processes
from tools.stack.services import Spark, start_proxy
from tools.stack.wedge import Control

from .frontend import PATIENCE
from .open_webui_server import ANSWER, OpenWebUI, language_model, start
from .pictures import Pictures
from .status_page import PROXY_PORT

KEY = "PUT-A-LONG-RANDOM-KEY-HERE"

FORM = ViewportSize(width=1000, height=1000)
CHAT = ViewportSize(width=900, height=420)
CALL = ViewportSize(width=390, height=640)

CLIP_MILLISECONDS = 4_000
"""The clip of the microphone is as long as that."""

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


async def take(
    browser: Browser, session: ClientSession, spark: Spark, processes: Processes, folder: Path, pictures: Pictures
) -> None:
    """Take its pages, with its files in `folder`, which is empty. Raises ToolError."""
    async with language_model() as model_url:
        settings = (*spark.proxy_settings, "--api-key", KEY)
        url, _ = await start_proxy(processes, folder / "state", *settings, port=free_port(PROXY_PORT))
        ui = await start(processes, session, folder, model_url, audio_settings(f"{url}/v1"))
        async with _signed_in(browser, ui) as page:
            await _take_pages(page, Control(session, spark.parakeet_url), pictures)


def audio_settings(base_url: str) -> dict[str, str]:
    """Return the variables of proxy/compose.yaml."""
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
async def _signed_in(browser: Browser, ui: OpenWebUI) -> AsyncGenerator[Page]:
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


async def _take_pages(page: Page, control: Control, pictures: Pictures) -> None:
    """In the order in which a user meets them."""
    await page.set_viewport_size(FORM)
    await page.goto("/admin/settings/audio")
    await page.get_by_text("Response Splitting").wait_for()
    # The fields are there before their contents.
    await page.wait_for_function("[...document.querySelectorAll('input')].some((field) => field.value === 'magpie')")
    await pictures.take("open-webui-settings", page)
    await page.set_viewport_size(CHAT)
    await page.goto("/")
    await _dictate(page)
    await page.get_by_text("kitchen light").first.wait_for()
    await page.keyboard.press("Enter")
    await page.get_by_text(ANSWER[-20:]).wait_for()
    async with page.expect_response("**/audio/speech"):
        await page.get_by_role("button", name="Read Aloud").click()
    await pictures.take("open-webui-chat", page)
    await control.wedge()
    await page.goto("/")
    await _dictate(page)
    await page.get_by_text("Error transcribing chunk").wait_for()
    await pictures.take("open-webui-error", page)
    await page.set_viewport_size(CALL)
    await page.goto("/")
    await page.get_by_role("button", name="Voice mode").click()
    await page.get_by_text("Listening...").wait_for()
    await page.wait_for_function(BACKGROUNDS_LOADED)
    await pictures.take("open-webui-call", page)


async def _dictate(page: Page) -> None:
    """Press the microphone, speak, and press the tick."""
    async with page.expect_request("**/audio/transcriptions"):
        await page.get_by_role("button", name="Voice Input").click()
        await page.wait_for_timeout(CLIP_MILLISECONDS)
        await page.get_by_role("button", name="Confirm recording").click()
