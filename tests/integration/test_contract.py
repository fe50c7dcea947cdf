"""What Home Assistant's hassfest and HACS would refuse, checked here: neither runs offline."""

import ast
import json
import re
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yarl
from homeassistant.const import Platform
from homeassistant.loader import Manifest

from custom_components.spark_audio.const import DOMAIN
from custom_components.spark_audio.errors import HELD, TRANSLATION_KEYS
from custom_components.spark_audio.spark_engine import __version__, errors
from custom_components.spark_audio.spark_engine.healing.health import Health, Policy, State
from custom_components.spark_audio.spark_engine.healing.state_machine import holds
from tests.helpers.integration.set_up import INTEGRATION
from tests.helpers.integration.translations import LANGUAGES, TRANSLATIONS, load, texts

ROOT = INTEGRATION.parent.parent
SOURCES = {path: ast.parse(path.read_text()) for path in sorted(INTEGRATION.rglob("*.py"))}
MANIFEST: Manifest = json.loads((INTEGRATION / "manifest.json").read_text())


def constants(argument: str) -> set[str]:
    """The strings that stand in the source as keyword argument of this name."""
    return {
        keyword.value.value
        for tree in SOURCES.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg == argument and isinstance(keyword.value, ast.Constant) and isinstance(keyword.value.value, str)
    }


def test_manifest() -> None:
    """The keys that custom integrations need, in hassfest's order, and no others."""
    keys = list(MANIFEST)
    assert keys == ["domain", "name", *sorted(keys[2:])]
    assert MANIFEST["domain"] == INTEGRATION.name == DOMAIN
    assert set(keys) == {
        *("domain", "name", "codeowners", "config_flow", "documentation", "integration_type", "iot_class"),
        *("issue_tracker", "requirements", "version", "zeroconf", "after_dependencies", "dependencies"),
    }
    # They bring the voice detector, and the agent that knows the names of the home.
    assert MANIFEST["after_dependencies"] == ["assist_pipeline", "conversation"]
    assert MANIFEST["integration_type"] == "service"
    assert MANIFEST["iot_class"] == "local_polling"
    assert MANIFEST["config_flow"] is True
    assert all(owner.startswith("@") for owner in MANIFEST["codeowners"])
    for url in (MANIFEST["documentation"], MANIFEST["issue_tracker"]):
        assert yarl.URL(url).scheme == "https"


def test_one_version() -> None:
    """Integration and engine are released together."""
    assert MANIFEST["version"] == __version__


def test_little_is_installed() -> None:
    """The engine imports Python's own modules, what Home Assistant itself needs, and what compares names."""
    [compares_names] = MANIFEST["requirements"]
    assert compares_names.startswith("rapidfuzz==")
    third_party = {
        name.partition(".")[0]
        for path, tree in SOURCES.items()
        for name in _imports(tree)
        if "spark_engine" in path.parts
    } - sys.stdlib_module_names
    assert third_party == {"aiohttp", "rapidfuzz", "yarl"}


def test_dependencies() -> None:
    """Other integrations may be imported only where the manifest names them; entity platforms need no naming."""
    imported = {
        match[1]
        for tree in SOURCES.values()
        for name in _imports(tree)
        if (match := re.match(r"homeassistant\.components\.(\w+)", name))
    }
    named = {*MANIFEST["dependencies"], *MANIFEST["after_dependencies"]}
    assert imported <= {*map(str, Platform), *named, "diagnostics", "homeassistant", "repairs", "system_health"}
    assert set(MANIFEST["dependencies"]) <= imported


def _imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def test_hacs() -> None:
    """One integration in the repository, and HACS told of the oldest Home Assistant that it runs on."""
    hacs = json.loads((ROOT / "hacs.json").read_text())
    assert hacs["name"] == MANIFEST["name"]
    assert re.fullmatch(r"20\d\d\.\d+\.\d+", hacs["homeassistant"])
    folders = [path for path in INTEGRATION.parent.iterdir() if path.is_dir() and path.name != "__pycache__"]
    assert folders == [INTEGRATION]


def test_complete_on_its_own() -> None:
    """HACS copies the folder: nothing in it is a link to elsewhere, or imports its way out of it."""
    assert not [path for path in INTEGRATION.rglob("*") if path.is_symlink()]
    for path, tree in SOURCES.items():
        depth = len(path.relative_to(INTEGRATION).parts)
        levels = [node.level for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        assert max(levels, default=0) <= depth, path
        assert not [name for name in _imports(tree) if name.startswith(("custom_components", "spark_engine"))], path


@pytest.mark.parametrize(("name", "width", "height"), [("icon", 256, 256), ("icon@2x", 512, 512), ("logo", None, 128)])
def test_brand(name: str, width: int | None, height: int) -> None:
    """Pictures in the sizes that the frontend expects; a logo is at least 128 pixels high."""
    data = (INTEGRATION / f"brand/{name}.png").read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    actual = struct.unpack(">II", data[16:24])
    assert actual[0] == (width or actual[0])
    assert actual[1] == height or (width is None and height <= actual[1] <= 256)


@pytest.mark.parametrize("language", LANGUAGES)
def test_translations_are_plain_text(language: str) -> None:
    """No HTML, no URL, no reference to a file that custom integrations do not have, nothing that looks unfinished."""
    for path, text in texts(load(language)):
        assert text == text.strip() != "", path
        assert not re.search(r"<\w+|</|https?://|\[%key:", text), path
        assert not re.search(r"'\{\w*\}'", text), path
        assert all(name.isidentifier() for name in re.findall(r"\{([^}]*)\}", text)), path
    for path, _ in texts(load(language)):
        for key in path.split("."):
            assert re.fullmatch(r"[a-z0-9](?:[a-z0-9_-]*[a-z0-9])?", key), path


FIELDS = {"title", "description", "data", "data_description"}
MENU = {"title", "description", "menu_options", "menu_option_descriptions"}
SECTIONS = {"title", "description", "sections"}
TOLD = {"title", "description"}
CHOICE = {*TOLD, "menu_options"}


@pytest.mark.parametrize("flow", ["config", "options"])
def test_each_field_is_explained(flow: str) -> None:
    """Every step has a title and describes each of its fields, in sections as well, and each line of a menu."""
    for step in TRANSLATIONS[flow]["step"].values():
        assert set(step) in (FIELDS, MENU, SECTIONS, TOLD, CHOICE)
        assert (
            step.get("menu_option_descriptions", step.get("menu_options", {})).keys()
            == step.get("menu_options", {}).keys()
        )
        for part in (step, *step.get("sections", {}).values()):
            assert set(part.get("data", ())) == set(part.get("data_description", ()))


def test_every_error_is_translated() -> None:
    """Each branch of the engine's error tree has a key, for exceptions and on the form's fields."""
    # Nothing is held back while a Spark is set up: there is no watchdog yet.
    assert {*TRANSLATION_KEYS, errors.Held} == set(errors.SparkError.__subclasses__())
    # A wrong server is named by its kind there.
    kinds = {f"is_{kind}" for kind in errors.Kind}
    assert (set(TRANSLATION_KEYS.values()) - {"wrong_server"}) | kinds <= set(TRANSLATIONS["config"]["error"])
    without_words = {"timed_out", *HELD.values()}
    for key in (*TRANSLATION_KEYS.values(), *HELD.values()):
        message = TRANSLATIONS["exceptions"][key]["message"]
        wanted = {"service"} if key in without_words else {"service", "reason"}
        assert set(re.findall(r"\{(\w+)\}", message)) == wanted


def test_every_state_that_holds_requests_has_a_sentence() -> None:
    """Those with errors of their own aside."""
    policy = Policy()
    holding = {state for state in State if holds(Health(state=state, since=0.0), 0.0, policy)}
    assert holding - {State.WRONG_SERVER, State.OUT_OF_MEMORY} == set(HELD)


def test_every_key_in_the_code_is_translated() -> None:
    """And every translated exception and error is used."""
    others = set(TRANSLATIONS["device"]) | set(TRANSLATIONS["issues"])
    raised = constants("translation_key")
    assert raised
    translated = {*TRANSLATION_KEYS.values(), *HELD.values()}
    assert set(TRANSLATIONS["exceptions"]) | others == raised | others | translated
    assert set(TRANSLATIONS["exceptions"]) & others <= raised | translated
    sources = "".join(path.read_text() for path in SOURCES)
    assert not [key for key in others if f'"{key}"' not in sources]
    kinds = {f"is_{kind}" for kind in errors.Kind}
    own = set(TRANSLATIONS["config"]["error"]) - set(TRANSLATION_KEYS.values()) - kinds
    flow = source("config_flow.py") + source("checks.py")
    assert own == {key for key in own if f'"{key}"' in flow}
    assert all(f'"{key}"' in source("config_flow.py") for key in set(TRANSLATIONS["config"]["abort"]) - FROM_OUTSIDE)
    options = set(TRANSLATIONS["options"]["error"])
    assert options == {key for key in options if f'"{key}"' in source("options_flow.py")}
    entities = {key: name for names in TRANSLATIONS["entity"].values() for key, name in names.items()}
    for key in entities:
        assert any(f'"{key}"' in path.read_text() for path in SOURCES), key


def source(name: str) -> str:
    """The text of a module."""
    return (INTEGRATION / name).read_text()


FROM_OUTSIDE = {
    *("already_configured", "already_in_progress"),
    *("reauth_successful", "reconfigure_successful", "unique_id_mismatch"),
}
"""Aborts that Home Assistant itself decides on."""


@pytest.mark.parametrize(
    ("flow", "untold"),
    [("config", {"zeroconf", "reauth", "save_anyway"}), ("options", set())],
    ids=["config", "options"],
)
def test_steps_are_translated(flow: str, untold: set[str]) -> None:
    """Each step of the flow has its texts, and there are none for steps that do not exist or show nothing."""
    steps = {
        node.name.removeprefix("async_step_")
        for node in ast.walk(SOURCES[INTEGRATION / f"{flow}_flow.py"])
        if isinstance(node, ast.AsyncFunctionDef) and node.name.startswith("async_step_")
    }
    assert steps - untold == set(TRANSLATIONS[flow]["step"])


def test_discovery() -> None:
    """What a proxy announces itself as."""
    assert MANIFEST["zeroconf"] == ["_spark-audio._tcp.local."]


def test_nothing_foreign_is_shipped() -> None:
    """What lies in the folder is what users get."""
    kinds = {path.suffix for path in INTEGRATION.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    assert kinds <= {".py", ".json", ".png", ".typed", ".yaml", ".wav"}
    assert (Path(INTEGRATION) / "spark_engine/py.typed").exists()
