"""Where the repository is, and what of it several tests read."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
NODE = ROOT / "tests/helpers/node"
"""OpenAI's Node client and axe-core, installed by scripts/setup."""
