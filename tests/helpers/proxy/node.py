"""Programs in JavaScript that use OpenAI's client."""

import asyncio

from tests.helpers.repository import NODE


async def run_node(script: str, *arguments: str) -> str:
    """Return what a script of tests/helpers/node prints."""
    process = await asyncio.create_subprocess_exec(
        *("node", script, *arguments), cwd=NODE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode()
