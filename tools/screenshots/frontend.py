"""Home Assistant's interface in the browser: signing in, and the dialogs that several pictures need."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from tempfile import NamedTemporaryFile
from urllib.parse import urlsplit

from playwright.async_api import Browser, Locator, Page, Route, expect
from playwright.async_api import Error as BrowserError

from tools.stack.errors import ToolError
from tools.stack.folders import LOOPBACK
from tools.stack.home import Home
from tools.stack.processes import HOME_ASSISTANT

from .pictures import SIZE

PATIENCE = 30_000
"""Milliseconds for anything to appear."""

INTEGRATION = "/config/integrations/integration/spark_audio"

# Logos of other people's integrations come from the internet; their place stays empty.
BRANDS = "/api/brands/"
NOTHING = '<svg xmlns="http://www.w3.org/2000/svg"/>'

AROUND_DIALOGS = ("--wa-color-overlay-modal", "--mdc-dialog-scrim-color")


@asynccontextmanager
async def signed_in(browser: Browser, home: Home) -> AsyncGenerator[Page]:
    """Yield the start page, as the owner sees it after the login form: English, light, with nothing that moves.

    Raises ToolError where something is waited for in vain.
    """
    context = await browser.new_context(
        viewport=SIZE, color_scheme="light", reduced_motion="reduce", locale="en-US", base_url=home.client.url
    )
    try:
        context.set_default_timeout(PATIENCE)
        expect.set_options(timeout=PATIENCE)
        await context.route("**/*", _without_internet)
        page = await context.new_page()
        await page.goto("/")
        await page.locator("input[name=username]").fill(home.account.user)
        await page.locator("input[name=password]").fill(home.account.password)
        await page.keyboard.press("Enter")
        await page.locator("home-assistant-main").wait_for()
        try:
            yield page
        except (BrowserError, AssertionError) as error:
            raise ToolError(
                f"{missed(error)}\n{await _keep_sight(page)} shows what was there.", HOME_ASSISTANT
            ) from error
    finally:
        await context.close()


async def _without_internet(route: Route) -> None:
    url = urlsplit(route.request.url)
    if url.hostname != LOOPBACK:
        await route.abort()
    elif url.path.startswith(BRANDS) and "/spark_audio/" not in url.path:
        await route.fulfill(body=NOTHING, content_type="image/svg+xml")
    else:
        await route.continue_()


def missed(error: Exception) -> str:
    """Return what Playwright waited for in vain, without the page as text, which it adds."""
    return f"Something did not appear. {str(error).partition('Call log:')[0].strip()}"


async def _keep_sight(page: Page) -> str:
    """Take what is there instead, and return the file."""
    with NamedTemporaryFile(prefix="spark-audio-", suffix=".png", delete=False) as file:
        file.write(await page.screenshot())
    return file.name


def dialog(page: Page) -> Locator:
    """Return the box of the dialog that is open."""
    return page.locator("dialog[open]").last


async def submit(page: Page) -> None:
    """Press the button of a flow's step."""
    await page.get_by_role("button", name="Submit", exact=True).click()


async def finish(page: Page) -> None:
    """Close the last step of a flow. The browser goes back for that: a page opened too early ends up here again."""
    await page.get_by_role("button", name="Finish").click()
    await page.wait_for_function("history.state?.dialog !== 'dialog-data-entry-flow'")
    await expect(page.locator("dialog[open]")).to_have_count(0)


async def plain(page: Page) -> None:
    """White instead of the dimmed page around dialogs, as long as the page is not loaded again."""
    await page.add_style_tag(content=f"html {{ {''.join(f'{name}: #fff !important;' for name in AROUND_DIALOGS)} }}")
