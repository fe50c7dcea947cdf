"""The versions of Home Assistant: the oldest that is asked for and the newest there is are those that are tested."""

import json
import re
import tomllib

import pytest

from tests.helpers.repository import ROOT
from tests.run import plan

PLUGIN = "pytest-homeassistant-custom-component"
GROUPS = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
PACKAGES = tomllib.loads((ROOT / "uv.lock").read_text())["package"]


def home_assistant(group: str) -> str:
    """The version that is locked for a group's test plugin."""
    [pinned] = [line.removeprefix(f"{PLUGIN}==") for line in GROUPS[group] if str(line).startswith(f"{PLUGIN}==")]
    [plugin] = [package for package in PACKAGES if (package["name"], package.get("version")) == (PLUGIN, pinned)]
    [version] = [each["version"] for each in plugin["dependencies"] if each["name"] == "homeassistant"]
    assert isinstance(version, str)
    return version


NEWEST_LOCK = tomllib.loads((ROOT / "tests/environments/newest/uv.lock").read_text())["package"]
[NEWEST] = [str(package["version"]) for package in NEWEST_LOCK if package["name"] == "homeassistant"]
OLDEST, USUAL = home_assistant("ha-oldest"), home_assistant("ha")


def test_three_versions() -> None:
    """Final ones, and in that order."""
    versions = [[int(number) for number in version.split(".")] for version in (OLDEST, USUAL, NEWEST)]
    assert versions == sorted(versions)


def test_the_oldest_is_the_one_that_is_asked_for() -> None:
    """By HACS and by the blueprint."""
    assert json.loads((ROOT / "hacs.json").read_text())["homeassistant"] == OLDEST
    [blueprint] = (ROOT / "blueprints/automation/spark_audio").glob("*.yaml")
    assert re.findall(r"min_version: (\S+)", blueprint.read_text()) == [OLDEST]


def test_all_tests_of_the_integration_run_on_all() -> None:
    """Each environment is made by scripts/setup, and none is left out by scripts/test."""
    setup = (ROOT / "scripts/setup").read_text()
    for environment, group in ((".venv-ha", "ha"), (".venv-ha-oldest", "ha-oldest")):
        assert re.search(rf"UV_PROJECT_ENVIRONMENT={environment} .*--only-group {group}$", setup, re.MULTILINE)
    assert re.search(
        r"UV_PROJECT_ENVIRONMENT=\S+/.venv-ha-newest .*--project tests/environments/newest$", setup, re.MULTILINE
    )
    run = [each.environment.pytest[0].split("/")[0] for each in plan([]) if "tests/integration" in each.arguments]
    assert sorted(run) == [".venv-ha", ".venv-ha-newest", ".venv-ha-oldest"]


@pytest.mark.parametrize("page", ["README.md", "docs/home-assistant.md"])
def test_users_are_told_which_one_they_need(page: str) -> None:
    text = " ".join((ROOT / page).read_text().split())
    assert set(re.findall(r"Home Assistant (\d+\.\d+) or newer", text)) == {OLDEST.removesuffix(".0")}


@pytest.mark.parametrize("page", ["docs/home-assistant.md", "CONTRIBUTING.md"])
def test_which_ones_are_tested_is_told(page: str) -> None:
    text = (ROOT / page).read_text()
    assert OLDEST in text
    assert NEWEST in text
