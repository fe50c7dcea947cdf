"""The rules of the house about who may import whom, held by the imports themselves."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
import spark_engine

from tests.helpers.repository import ROOT

ENGINE = Path(spark_engine.__file__).parent
MODULES = {".".join(path.relative_to(ENGINE).with_suffix("").parts) for path in ENGINE.rglob("*.py")} - {"__init__"}

HOUSE = (
    {"spark"},
    {"healing"},
    {"servers"},
    {"speech"},
    {"models", "errors"},
)
"""From the top down; a module imports from its own row and from those below it."""


def imports(path: Path) -> set[tuple[int, str]]:
    """(level, module) of every import in a file; level 0 is absolute."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {(0, alias.name) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.level, node.module or ""))
    return found


def room(module: str) -> str:
    """The room that a module of the engine is in; those at the top are rooms of their own."""
    return module.partition(".")[0]


@pytest.mark.parametrize("module", sorted(MODULES))
def test_arrows_point_down(module: str) -> None:
    """Inside the engine, imports are relative and go to the same room or to one below."""
    row = next(index for index, rooms in enumerate(HOUSE) if room(module) in rooms)
    allowed = {room(module)}.union(*HOUSE[row + 1 :])
    path = ENGINE / f"{module.replace('.', '/')}.py"
    depth_of_engine = len(path.relative_to(ENGINE).parts)
    for depth, imported in imports(path):
        assert depth or not imported.startswith("spark_engine")
        if depth == depth_of_engine and imported:
            assert room(imported) in allowed, imported


def test_the_engine_loads_neither_home_assistant_nor_a_web_server() -> None:
    """What is really in memory after importing all of it."""
    modules = ", ".join(f"spark_engine.{name}" for name in sorted(MODULES))
    script = f"import sys, {modules}; print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    tops = {name.partition(".")[0] for name in loaded}
    assert tops.isdisjoint({"homeassistant", "spark_audio_proxy", "embedded_spark", "av", "numpy", "voluptuous"})


@pytest.mark.parametrize("path", sorted((ROOT / "proxy").rglob("*.py")), ids=lambda path: path.name)
def test_the_proxy_knows_no_home_assistant(path: Path) -> None:
    tops = {module.partition(".")[0] for depth, module in imports(path) if not depth}
    assert tops.isdisjoint({"homeassistant", "custom_components"})


@pytest.mark.parametrize("path", sorted((ROOT / "tests").rglob("*.py")), ids=lambda path: path.name)
def test_no_test_imports_a_test(path: Path) -> None:
    """What several tests share is in tests/helpers."""
    own = [module for level, module in imports(path) if level or module.startswith("tests.")]
    assert not [module for module in own if module.rpartition(".")[2].startswith(("test_", "conftest"))]
