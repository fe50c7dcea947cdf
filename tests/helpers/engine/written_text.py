"""Text as a language model writes it: piece by piece, with the pauses between them."""

import asyncio
from collections.abc import AsyncGenerator


async def written(*pieces: str | float) -> AsyncGenerator[str]:
    """Yield the texts; a number is for how many seconds the text pauses there. To be read in virtual time."""
    for piece in pieces:
        if isinstance(piece, str):
            yield piece
        else:
            await asyncio.sleep(piece)
