"""The card for a dashboard that the documentation gives to copy: to the letter what Home Assistant is given here."""

import re
from textwrap import indent

from tools.stack.errors import ToolError
from tools.stack.folders import REPOSITORY

PAGE = REPOSITORY / "docs/home-assistant.md"

DASHBOARD = "speech-card"
FILE = f"{DASHBOARD}.yaml"
CONFIGURATION = f"""
lovelace:
  dashboards:
    {DASHBOARD}:
      mode: yaml
      filename: {FILE}
      title: Speech
      show_in_sidebar: false
"""


def card(markdown: str) -> str:
    """Return the first card among the YAML examples of a page. Raises ToolError where there is none."""
    for block in re.findall(r"^```yaml\n(.*?)^```$", markdown, re.DOTALL | re.MULTILINE):
        if block.startswith("type: "):
            return str(block)
    raise ToolError("The documentation has no card for a dashboard.")


def dashboard(yaml: str) -> str:
    """Return a dashboard in YAML that has this card and nothing else."""
    return f"views:\n  - cards:\n      - {indent(yaml, ' ' * 8).lstrip()}"
