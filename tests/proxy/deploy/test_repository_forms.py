"""The forms for faults, wishes and changes: they parse as GitHub reads them, and ask for what a fault needs."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.helpers.repository import ROOT

FORMS = sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml"))
OURS = re.compile(r"https://github\.com/spark-audio/spark-audio/blob/main/(?P<path>[^\s)#]+)")


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.name)
def test_github_takes_the_form(path: Path) -> None:
    """Held against GitHub's schema, as the package check-jsonschema carries it."""
    schema = "vendor.github-issue-config" if path.name == "config.yml" else "vendor.github-issue-forms"
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(path)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout


def test_a_fault_comes_with_what_is_needed() -> None:
    """The version, the servers with their canaries, and the diagnostics are not optional."""
    form = yaml.safe_load((ROOT / ".github/ISSUE_TEMPLATE/fault.yml").read_text())
    required = {item["id"] for item in form["body"] if item.get("validations", {}).get("required")}
    assert required >= {"version", "servers", "diagnostics"}


@pytest.mark.parametrize("path", [*FORMS, ROOT / ".github/pull_request_template.md"], ids=lambda path: path.name)
def test_what_a_form_links_to_exists(path: Path) -> None:
    assert [match["path"] for match in OURS.finditer(path.read_text()) if not (ROOT / match["path"]).exists()] == []
