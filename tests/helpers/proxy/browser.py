"""The status page in headless Chromium: what its tests share."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from tempfile import TemporaryDirectory
from typing import Unpack

from playwright.async_api import Browser, ConsoleMessage, Page
from spark_audio_proxy.app import create_app
from spark_engine.healing.health import Policy

from tests.helpers.proxy.proxy_server import ProxyServer
from tests.helpers.proxy.settings import ProxySettings, proxy_settings

_WATCH = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => window.violations.push(event.violatedDirective));
"""


@dataclass
class Visit:
    """An open page, and what went wrong in it."""

    page: Page
    errors: list[str] = field(default_factory=list)

    def console(self, message: ConsoleMessage) -> None:
        """Keep errors; that an answer is a 401 or a 503, or a WebSocket refused, is what some tests are about."""
        is_answer = message.text.startswith(("Failed to load resource", "WebSocket connection to"))
        if message.type in ("error", "warning") and not is_answer:
            self.errors.append(message.text)


@asynccontextmanager
async def visiting(
    browser: Browser, url: str, width: int = 1180, scheme: str = "light", locale: str = "en-US"
) -> AsyncGenerator[Visit]:
    """The page at `url`; fails where it wrote an error into the console or broke its own policy."""
    context = await browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if scheme == "dark" else "light",
        locale=locale,
    )
    try:
        page = await context.new_page()
        page.set_default_timeout(30_000)
        visit = Visit(page)
        page.on("console", visit.console)
        page.on("pageerror", lambda error: visit.errors.append(str(error)))
        await page.add_init_script(_WATCH)
        await page.goto(url)
        yield visit
        assert await page.evaluate("window.violations") == []
        assert visit.errors == []
    finally:
        await context.close()


@asynccontextmanager
async def serving(policy: Policy | None = None, **settings: Unpack[ProxySettings]) -> AsyncGenerator[str]:
    """The URL of a proxy with these settings, on a free port and in a folder of its own where they name none."""
    with TemporaryDirectory() as folder:
        app = create_app(proxy_settings(**ProxySettings(state_dir=folder) | settings), policy=policy)
        server = ProxyServer(app, host="127.0.0.1", port=settings.get("port", 0), handler_cancellation=True)
        await server.start_server()
        try:
            yield str(server.make_url("/"))
        finally:
            await server.close()


def state(page: Page, name: str = "parakeet") -> str:
    """Where the page tells the state of a server."""
    return f"article[data-name={name}]"
