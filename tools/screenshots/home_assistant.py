"""Home Assistant: adding Spark Audio, its options, a spoken command, its pages after a wedge, and a repair."""

from pathlib import Path

from aiohttp import ClientSession
from playwright.async_api import Browser, Locator, Page, ViewportSize, expect

from tools.stack.configuration import lay_out
from tools.stack.folders import LOOPBACK, free_port
from tools.stack.home import PIPELINE, Home, new_account, start_home
from tools.stack.processes import Processes
from tools.stack.services import Spark
from tools.stack.spoken import COMMAND
from tools.stack.wedge import Control

from .card import CONFIGURATION, DASHBOARD, FILE, PAGE, card, dashboard
from .frontend import INTEGRATION, dialog, finish, plain, signed_in, submit
from .pictures import SIZE, TALL, Pictures

PORT = 8123

# Home Assistant's resolver takes every name below localhost for this machine, and a name reads better than 127.0.0.1.
HOST = "spark.localhost"

ADD = "/config/integrations/dashboard/add?domain=spark_audio"

DEVICES = 3
"""The Spark, Parakeet and Magpie; they come one after the other."""

SECTIONS = ("voice", "listening", "healing", "fallback")

VOICE = "Aria · Calm"

CHECK_SECONDS = 60.0
"""For a state to come: a wedge is healed, or given up, within 15."""


async def open_home(session: ClientSession, processes: Processes, folder: Path, preferred_port: int = 0) -> Home:
    """Start a Home Assistant in `folder` (empty): a furnished one, with the documentation's card. Raises ToolError."""
    port = free_port(preferred_port)
    lay_out(folder, port, more=f"\nhistory:\nlogbook:\n{CONFIGURATION}")
    (folder / FILE).write_text(dashboard(card(PAGE.read_text())))
    home = await start_home(processes, session, folder, port, new_account("demo"))
    await home.furnish()
    return home


async def take(
    browser: Browser, session: ClientSession, spark: Spark, processes: Processes, folder: Path, pictures: Pictures
) -> None:
    """Take Home Assistant, from the first time that it hears of Spark Audio. Raises ToolError."""
    home = await open_home(session, processes, folder, PORT)
    control = Control(session, spark.parakeet_url)
    async with signed_in(browser, home) as page:
        await take_set_up(page, spark, pictures)
        await take_options(page, spark, pictures)
        await home.prefer_spark_audio()
        await take_assistant(page, pictures)
        await take_command(page, pictures)
        await take_pages(page, home, control, pictures)
        await take_repair(page, home, control, pictures)


async def take_set_up(page: Page, spark: Spark, pictures: Pictures) -> None:
    """Every step of adding Spark Audio by hand; in the end it is set up."""
    parakeet_url, magpie_url = _named(spark.parakeet_url), _named(spark.magpie_url)
    wrong_url = f"http://{HOST}:{free_port(9080)}"
    await page.set_viewport_size(TALL)
    await take_menu(page, pictures)
    await page.get_by_text("Directly, by their own URLs").click()
    await _fill_in(page, parakeet_url, magpie_url)
    await pictures.take("config-direct", page, dialog(page), margin=24)
    await _fill_in(page, parakeet_url, wrong_url)
    await submit(page)
    await page.get_by_text("Save anyway", exact=True).wait_for()
    await pictures.take("config-not-ready", page, dialog(page), margin=24)
    await page.get_by_text("Go back and try again").click()
    await expect(page.get_by_text("No connection could be made")).to_be_visible()
    await pictures.take("config-error", page, dialog(page), margin=24)
    # As many people type them.
    await _fill_in(page, parakeet_url.removeprefix("http://"), magpie_url.removeprefix("http://"))
    await submit(page)
    await expect(page.locator("step-flow-create-entry ha-area-picker")).to_have_count(DEVICES)
    await pictures.take("config-success", page, dialog(page), margin=24)
    await finish(page)
    await page.set_viewport_size(SIZE)


async def take_menu(page: Page, pictures: Pictures) -> None:
    """Begin to add Spark Audio, as far as the menu."""
    await page.goto(ADD)
    await plain(page)
    await page.get_by_role("button", name="OK", exact=True).click()
    await page.locator("step-flow-menu").wait_for()
    await pictures.take("config-menu", page, dialog(page), margin=24)


def _named(url: str) -> str:
    """A URL of the embedded Spark as it is told to Home Assistant."""
    return url.replace(LOOPBACK, HOST)


async def _fill_in(page: Page, parakeet_url: str, magpie_url: str) -> None:
    await page.locator("input[name=parakeet_url]").fill(parakeet_url)
    await page.locator("input[name=magpie_url]").fill(magpie_url)


async def take_options(page: Page, spark: Spark, pictures: Pictures) -> None:
    """The form with its sections opened, and the one about restarting; in the end both are stored."""
    await page.set_viewport_size(TALL)
    await page.goto(INTEGRATION)
    await plain(page)
    await page.get_by_role("button", name="Configure").click()
    sections = page.locator("step-flow-form ha-form-expandable")
    # A section that is added needs a picture.
    await expect(sections).to_have_count(len(SECTIONS))
    for section in await sections.all():
        await _open(section)
    lists = sections.locator("ha-select")
    await _choose(lists.filter(has_text="Voice: English"), VOICE)
    await _choose(lists.filter(has_text="Restart by"), "HTTP request")
    for name, section in zip(SECTIONS, await sections.all(), strict=True):
        await pictures.take(f"options-{name}", page, section, margin=12)
    await submit(page)
    await _take_restart(page, spark, pictures)
    await finish(page)
    await page.set_viewport_size(SIZE)


async def _take_restart(page: Page, spark: Spark, pictures: Pictures) -> None:
    """Take the form with the restart targets, and save addresses that pass the trial of them."""
    await _fill_in_restart(page, _named(spark.parakeet_url), _named(spark.magpie_url))
    await pictures.take("options-restart", page, dialog(page), margin=24)
    # The trial asks the system's resolver, which may not know HOST.
    await _fill_in_restart(page, spark.parakeet_url, spark.magpie_url)
    await submit(page)
    await page.get_by_text("Could not be tested").wait_for()
    await submit(page)


async def _fill_in_restart(page: Page, parakeet_url: str, magpie_url: str) -> None:
    await page.locator("input[name=parakeet_restart_url]").fill(f"{parakeet_url}/embedded/restart")
    await page.locator("input[name=magpie_restart_url]").fill(f"{magpie_url}/embedded/restart")


async def _open(section: Locator) -> None:
    panel = section.locator("ha-expansion-panel").first
    if await panel.get_attribute("expanded") is None:
        await panel.locator("#summary").click()
    await expect(panel).to_have_attribute("expanded", "")


async def _choose(field: Locator, choice: str) -> None:
    await field.click()
    await field.locator("ha-dropdown-item").filter(has_text=choice).first.click()
    await expect(field.locator("ha-dropdown-item").first).to_be_hidden()


async def take_assistant(page: Page, pictures: Pictures) -> None:
    """The settings of the voice assistant, with the Spark's engines chosen."""
    await page.set_viewport_size(TALL)
    await page.goto("/config/voice-assistants/assistants")
    await plain(page)
    await page.get_by_text(PIPELINE, exact=True).click()
    await expect(page.get_by_label("Text-to-speech")).to_be_visible()
    await pictures.take("voice-assistant", page, dialog(page), margin=24)
    await page.set_viewport_size(SIZE)


async def take_command(page: Page, pictures: Pictures) -> None:
    """A command that the browser's microphone hears, and the light that it turns on."""
    await speak(page)
    await expect(page.get_by_text("On · Kitchen")).to_be_visible()
    await pictures.take("demo-assist", page)


async def speak(page: Page) -> None:
    """Press the microphone in the dialog of Assist, until the command and its answer are there."""
    await page.goto("/")
    await page.get_by_role("button", name="Assist (A)").click()
    await page.get_by_role("button", name="Start listening").click()
    await page.get_by_text(COMMAND).wait_for()
    await page.get_by_text("Turned on the light").wait_for()


async def take_pages(page: Page, home: Home, control: Control, pictures: Pictures) -> None:
    """What there is to see after Parakeet was wedged and healed."""
    # A canary that is under way would not notice.
    await home.until("sensor.parakeet_health", "healthy", CHECK_SECONDS)
    await control.wedge()
    await home.client.act("button.press", "button.parakeet_check_now")
    await home.until("sensor.parakeet_recent_restarts", "1", CHECK_SECONDS)
    await home.until("sensor.parakeet_health", "healthy", CHECK_SECONDS)
    await page.goto(INTEGRATION)
    await page.get_by_text("Parakeet", exact=True).wait_for()
    await pictures.take("integration", page)
    for name in ("Parakeet", "Magpie"):
        await _take_device(page, name, pictures)
    await page.goto(f"/{DASHBOARD}")
    stack = page.locator("hui-vertical-stack-card")
    await stack.get_by_text("Healthy").first.wait_for()
    await page.set_viewport_size(TALL)
    await stack.locator("hui-history-graph-card canvas").first.wait_for()
    await pictures.take("dashboard-card", page, stack, margin=8)
    await page.set_viewport_size(SIZE)


async def _take_device(page: Page, name: str, pictures: Pictures) -> None:
    """The whole page of a device, however long it is, without the menu beside it."""
    await page.goto(INTEGRATION)
    await page.get_by_text(name, exact=True).click()
    await page.get_by_text("Recent restarts").wait_for()
    await page.locator("ha-logbook-renderer").get_by_text("Healthy").first.wait_for()
    device = page.locator("ha-config-device-page")
    bottom = await device.locator(".container").first.evaluate("cards => cards.getBoundingClientRect().bottom")
    await page.set_viewport_size(ViewportSize(width=SIZE["width"], height=int(bottom)))
    await pictures.take(f"device-{name.lower()}", page, device)
    await page.set_viewport_size(SIZE)


async def take_repair(page: Page, home: Home, control: Control, pictures: Pictures) -> None:
    """A service that restarts do not cure any more: use up those that are left, then wedge it once more."""
    left = int(await home.client.state("sensor.parakeet_restarts_left"))
    for _ in range(left):
        await home.client.act("button.press", "button.parakeet_restart")
        await home.until("sensor.parakeet_health", "healthy", CHECK_SECONDS)
    await control.wedge()
    await home.client.act("button.press", "button.parakeet_check_now")
    await home.until("sensor.parakeet_health", "gave_up", CHECK_SECONDS)
    await page.goto("/config/repairs")
    await plain(page)
    await page.get_by_text("Parakeet does not recover").click()
    await page.get_by_role("button", name="Submit").wait_for()
    await pictures.take("repair-gave-up", page, dialog(page), margin=24)
