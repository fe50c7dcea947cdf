"""Adding Spark Audio by hand: the menu, the form, a field that is wrong, success."""

from playwright.async_api import Page, expect

from demo.processes import free_port

from .camera import SIZE, TALL, Camera
from .frontend import dialog, finish, plain, submit
from .stage import HOST, MAGPIE_PORT, Spark, named

ADD = "/config/integrations/dashboard/add?domain=spark_audio"

DEVICES = 3
"""The Spark, Parakeet and Magpie; they come one after the other."""


async def photograph(page: Page, spark: Spark, camera: Camera) -> None:
    """Every step; in the end Spark Audio is set up."""
    parakeet_url, magpie_url = named(spark.parakeet_url), named(spark.magpie_url)
    wrong_url = f"http://{HOST}:{free_port(MAGPIE_PORT + 80)}"
    await page.set_viewport_size(TALL)
    await choose(page, camera)
    await page.get_by_text("Directly, by their own URLs").click()
    await _fill_in(page, parakeet_url, magpie_url)
    await camera.take("config-direct", page, dialog(page), margin=24)
    await _fill_in(page, parakeet_url, wrong_url)
    await submit(page)
    await expect(page.get_by_text("Nothing answers at this address")).to_be_visible()
    await camera.take("config-error", page, dialog(page), margin=24)
    await _fill_in(page, parakeet_url, magpie_url)
    await submit(page)
    await expect(page.locator("step-flow-create-entry ha-area-picker")).to_have_count(DEVICES)
    await camera.take("config-success", page, dialog(page), margin=24)
    await finish(page)
    await page.set_viewport_size(SIZE)


async def choose(page: Page, camera: Camera) -> None:
    """Begin, as far as the menu."""
    await page.goto(ADD)
    await plain(page)
    await page.get_by_role("button", name="OK", exact=True).click()
    await page.locator("step-flow-menu").wait_for()
    await camera.take("config-menu", page, dialog(page), margin=24)


async def _fill_in(page: Page, parakeet_url: str, magpie_url: str) -> None:
    await page.locator("input[name=parakeet_url]").fill(parakeet_url)
    await page.locator("input[name=magpie_url]").fill(magpie_url)
