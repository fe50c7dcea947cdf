"""Whether the tests that were just run covered every module: the last thing that `scripts/test` looks at."""

import sys
from fnmatch import fnmatch
from pathlib import Path

from coverage import Coverage

ROOT = Path(__file__).parent.parent
ABOVE = 95
"""In percent of its statements."""
WHOLLY = "custom_components/spark_audio/*_flow.py"


def main() -> None:
    """Raises SystemExit with what is missing, module by module."""
    coverage = Coverage(config_file=str(ROOT / "pyproject.toml"))
    coverage.combine([str(ROOT)])
    folders = coverage.get_option("run:source")
    assert isinstance(folders, list)
    modules = sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    short = [line for path in modules if (line := shortfall(coverage, path))]
    if short:
        raise SystemExit("Not covered by tests:\n" + "\n".join(short))
    sys.stdout.write(f"{len(modules)} modules are covered by tests.\n")


def shortfall(coverage: Coverage, path: Path) -> str | None:
    """What is missing in a module, if it is too much."""
    name = path.relative_to(ROOT).as_posix()
    _, statements, _, missing, lines = coverage.analysis2(str(path))
    percent = 100 * (1 - len(missing) / len(statements)) if statements else 100
    if percent == 100 or (percent > ABOVE and not fnmatch(name, WHOLLY)):
        return None
    return f"  {name}: {percent:.1f} %, without lines {lines}"
