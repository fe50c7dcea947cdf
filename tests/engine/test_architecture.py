"""The rules of the house about who may import whom, held by the imports themselves."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
import spark_engine

ENGINE = Path(spark_engine.__file__).parent
PROXY = ENGINE.parents[2] / "proxy"

LAYERS: tuple[set[str], ...] = (
    {"errors", "models", "health", "budget", "clock", "turn_end", "abbreviations"},
    {"incidents", "voices", "audio", "sentences", "incoming", "request_body"},
    {"transport", "text"},
    {"probe"},
    {"parakeet_readers", "magpie_readers"},
    {"parakeet_dialects", "magpie_dialects"},
    {"parakeet", "magpie", "speaking"},
    {"canary", "restart", "voice_activity"},
    {"watchdog", "listening"},
    {"services"},
    {"status"},
    {"spark", "remote"},
)
"""From the ground up; a module imports only from rows below its own."""


def imports(path: Path) -> set[tuple[int, str]]:
    """(level, module) of every import in a file; level 0 is absolute."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {(0, alias.name) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.level, node.module or ""))
    return found


def test_every_module_of_the_engine_has_a_layer() -> None:
    """A new room needs a place in the house."""
    assert {path.stem for path in ENGINE.glob("*.py")} - {"__init__"} == set.union(*LAYERS)


@pytest.mark.parametrize("name", sorted(set.union(*LAYERS)))
def test_arrows_point_down(name: str) -> None:
    """Inside the engine, imports are relative and go to lower layers only."""
    level = next(index for index, layer in enumerate(LAYERS) if name in layer)
    below = set.union(set(), *LAYERS[:level])
    own = {module for depth, module in imports(ENGINE / f"{name}.py") if depth}
    assert own <= below
    assert "spark_engine" not in {module for depth, module in imports(ENGINE / f"{name}.py") if not depth}


def test_the_engine_loads_neither_home_assistant_nor_a_web_server() -> None:
    """What is really in memory after importing all of it."""
    modules = ", ".join(f"spark_engine.{name}" for layer in LAYERS for name in layer)
    script = f"import sys, {modules}; print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    tops = {name.partition(".")[0] for name in loaded}
    assert tops.isdisjoint({"homeassistant", "spark_audio_proxy", "embedded_spark", "av", "numpy", "voluptuous"})


@pytest.mark.parametrize("path", sorted(PROXY.rglob("*.py")), ids=lambda path: path.name)
def test_the_proxy_knows_no_home_assistant(path: Path) -> None:
    """One Spark, two hosts, and they do not know each other."""
    tops = {module.partition(".")[0] for depth, module in imports(path) if not depth}
    assert tops.isdisjoint({"homeassistant", "custom_components"})
