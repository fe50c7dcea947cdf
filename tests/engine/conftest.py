"""Fixtures of the engine's tests."""

from collections.abc import AsyncGenerator

import pytest
from aiohttp import ClientSession


@pytest.fixture
async def session() -> AsyncGenerator[ClientSession]:
    """A client session, closed after the test."""
    async with ClientSession() as session:
        yield session
