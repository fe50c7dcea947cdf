"""Runs pytest where the test plugin is older than Home Assistant: `python tests/environments/newest/run_pytest.py ...`.

Home Assistant has to be imported before any plugin of pytest imports httpx, which it replaces (2026.11), and the plugin
imports a function that is not there any more and that no test here needs.
"""

import homeassistant  # noqa: F401, I001 - first, see above
import sys

import pytest
from homeassistant.components import logger

if not hasattr(logger, "_clear_logger_overwrites"):
    setattr(logger, "_clear_logger_overwrites", lambda _hass: None)  # noqa: B010 - the plugin's own name

if __name__ == "__main__":
    sys.exit(pytest.main(sys.argv[1:]))
