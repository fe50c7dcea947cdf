"""What axe-core has against a page."""

import json

from playwright.async_api import Page

from tests.helpers.repository import NODE

AXE = NODE / "node_modules/axe-core/axe.min.js"


async def findings(page: Page) -> list[str]:
    """What axe-core has against the page as it is now."""
    await page.evaluate(AXE.read_text())
    result = await page.evaluate("axe.run()")
    return [f"{item['id']}: {json.dumps([n['html'] for n in item['nodes']])}" for item in result["violations"]]
