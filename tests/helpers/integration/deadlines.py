"""Shorter deadlines for every client of the integration."""

import pytest

from custom_components.spark_audio import checks, direct_coordinator, proxy_coordinator
from custom_components.spark_audio.spark_engine.servers.deadlines import Deadlines


def shorten(monkeypatch: pytest.MonkeyPatch, deadlines: Deadlines) -> None:
    """Have these deadlines for clients that are made from now on."""
    for module in (checks, direct_coordinator, proxy_coordinator):
        monkeypatch.setattr(module, "DEADLINES", deadlines)
