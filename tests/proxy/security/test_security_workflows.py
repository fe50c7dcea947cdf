"""What watches over the dependencies knows which ones there are."""

import re
import tomllib

import yaml

from tests.helpers.repository import ROOT

GROUPS: dict[str, list[str | dict[str, str]]] = tomllib.loads((ROOT / "pyproject.toml").read_text())[
    "dependency-groups"
]
HOME_ASSISTANTS = ("assist", "ha", "ha-oldest")


def names(*groups: str) -> set[str]:
    """The packages that these groups pin themselves."""
    return {re.split(r"[=<>\[]", item)[0] for group in groups for item in GROUPS[group] if isinstance(item, str)}


def test_what_home_assistant_pins_is_not_moved_by_a_robot() -> None:
    """These versions belong to one of Home Assistant; all others are kept new."""
    document = yaml.safe_load((ROOT / ".github/dependabot.yml").read_text())
    (python,) = [update for update in document["updates"] if update["package-ecosystem"] == "uv"]
    assert {rule["dependency-name"] for rule in python["ignore"]} == names(*HOME_ASSISTANTS) - names("dev")


def test_all_but_home_assistants_own_is_audited() -> None:
    """By the version of uv that scripts/setup installs."""
    workflow = yaml.safe_load((ROOT / ".github/workflows/security.yml").read_text())
    command = workflow["jobs"]["dependencies"]["steps"][-1]["run"]
    assert set(re.findall(r"--no-group (\S+)", command)) == set(HOME_ASSISTANTS) == set(GROUPS) - {"dev"}
    assert re.search(r"^uv_version=[0-9.]+$", (ROOT / "scripts/setup").read_text(), re.MULTILINE)
    assert "s/^uv_version=//p" in command


def test_dependabot_looks_where_something_is() -> None:
    """A folder that has moved would be passed over in silence."""
    document = yaml.safe_load((ROOT / ".github/dependabot.yml").read_text())
    files = {"uv": "uv.lock", "npm": "package-lock.json", "docker": "*Dockerfile", "docker-compose": "compose.yaml"}
    for update in document["updates"]:
        for folder in update.get("directories", [update.get("directory")]):
            pattern = files.get(update["package-ecosystem"], ".github/workflows/*.yml")
            assert list((ROOT / folder.strip("/")).glob(pattern)), (update["package-ecosystem"], folder)
