"""What a release is made of: the integration's zip, the versions that have to agree, and the notes."""

import hashlib
import json
import re
import shutil
import subprocess
from pathlib import Path
from zipfile import ZipFile

import pytest
import spark_engine
import yaml

from release.integration_zip import LICENSE, files, pack
from release.versions import MENTIONS, PACKAGE, PLACES, ReleaseError, notes, version
from tests.helpers.repository import ROOT

INTEGRATION = ROOT / "custom_components/spark_audio"
HACS = json.loads((ROOT / "hacs.json").read_text())
WORKFLOW = yaml.safe_load((ROOT / ".github/workflows/release.yml").read_text())
CHANGELOG = "# Changelog\n\n## 1.2.0 (2026-12-01)\n\n- Hears.\n- Speaks.\n\n## 1.1.0 (2026-11-01)\n\n- Began.\n"


def test_the_zip_is_the_folder(tmp_path: Path) -> None:
    """Each file at the place where HACS unpacks it, the licence beside them, and nothing that Python left there."""
    pack(ROOT, tmp_path / "spark_audio.zip")
    ZipFile(tmp_path / "spark_audio.zip").extractall(tmp_path / "unpacked")
    tracked = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "."],
        cwd=INTEGRATION,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\0")
    wanted = {Path(name): INTEGRATION / name for name in tracked if name and (INTEGRATION / name).exists()}
    wanted[LICENSE] = ROOT / "LICENSE"
    assert {path.relative_to(tmp_path / "unpacked") for path in _files_of(tmp_path / "unpacked")} == set(wanted)
    for name, original in wanted.items():
        assert (tmp_path / "unpacked" / name).read_bytes() == original.read_bytes()


def test_the_zip_is_the_same_wherever_it_is_made(tmp_path: Path) -> None:
    """Another folder, other dates, other rights, another order on the disk, and caches: the same bytes."""
    copy = tmp_path / "copy"
    for original in reversed(files(ROOT).values()):
        path = copy / original.relative_to(ROOT)
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(original, path)
        path.chmod(0o600)
    cache = copy / INTEGRATION.relative_to(ROOT) / "__pycache__"
    cache.mkdir()
    (cache / "const.cpython-314.pyc").write_bytes(b"cached")
    pack(ROOT, tmp_path / "one.zip")
    pack(copy, tmp_path / "two.zip")
    one, two = (hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() for name in ("one.zip", "two.zip"))
    assert one == two


def test_hacs_takes_the_zip_of_a_release() -> None:
    """By the name that is attached, and not from the branch, where there is none."""
    assert HACS["zip_release"] is True
    assert HACS["hide_default_branch"] is True
    publishing = WORKFLOW["jobs"]["publish"]["steps"][-1]["run"]
    assert f"dist/{HACS['filename']}" in publishing


def test_one_version() -> None:
    """Of the package, which the wheel reads as well, of the manifest, the app, and of all that people copy."""
    assert version(ROOT) == spark_engine.__version__


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of every file that the version stands in."""
    paths = [*PLACES, *(str(path.relative_to(ROOT)) for pattern in MENTIONS for path in ROOT.glob(pattern))]
    for path in paths:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / path, tmp_path / path)
    return tmp_path


@pytest.mark.parametrize(
    "place", [*PLACES, "proxy/compose.yaml", "docs/deploy.md", "proxy/deploy/kubernetes/proxy.yaml"]
)
def test_versions_that_differ_are_not_released(checkout: Path, place: str) -> None:
    """Wherever one of them stands, the message names the file and what it says."""
    assert version(checkout) == spark_engine.__version__
    text = (checkout / place).read_text()
    (checkout / place).write_text(text.replace(spark_engine.__version__, "9.9.9", 1))
    told = "The package is 9.9.9" if place == PACKAGE else f"{place} says 9.9.9"
    with pytest.raises(ReleaseError, match=re.escape(told)):
        version(checkout)


@pytest.mark.parametrize("place", PLACES)
def test_a_place_without_a_version_is_not_released(checkout: Path, place: str) -> None:
    """It would be the one that is forgotten."""
    (checkout / place).write_text("")
    with pytest.raises(ReleaseError, match=re.escape(f"{place} names no version")):
        version(checkout)


def test_notes_are_the_changelogs() -> None:
    assert notes(CHANGELOG, "v1.2.0", "1.2.0") == "- Hears.\n- Speaks.\n"
    assert notes(CHANGELOG, "v1.1.0", "1.1.0") == "- Began.\n"


@pytest.mark.parametrize(
    ("changelog", "tag", "complaint"),
    [
        (CHANGELOG, "v1.2.1", "The tag v1.2.1 is not v1.2.0"),
        (CHANGELOG, "1.2.0", "The tag 1.2.0 is not v1.2.0"),
        (CHANGELOG.replace("## 1.2.0", "## 1.20"), "v1.2.0", "has no section 1.2.0"),
        (CHANGELOG.replace("2026-12-01", "Unreleased"), "v1.2.0", "as unreleased"),
        ("## 1.2.0 (2026-12-01)\n\n## 1.1.0\n\n- Began.\n", "v1.2.0", "says nothing about 1.2.0"),
    ],
)
def test_what_is_not_ready_is_not_released(changelog: str, tag: str, complaint: str) -> None:
    with pytest.raises(ReleaseError, match=re.escape(complaint)):
        notes(changelog, tag, "1.2.0")


def test_every_word_that_publishing_makes_wrong_is_listed() -> None:
    """CONTRIBUTING.md names the files that say that nothing is released, and no others."""
    unreleased = re.compile(r"first\s+release\b|(released|published|release) yet|\(unreleased\)", re.IGNORECASE)
    tracked = subprocess.run(
        ["git", "ls-files", "-z", "*.md", "*.yaml", "*.yml", "*Dockerfile"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\0")
    told = {name for name in tracked if name and unreleased.search((ROOT / name).read_text())} - {"CONTRIBUTING.md"}
    section = (ROOT / "CONTRIBUTING.md").read_text().partition("## On the day of publishing\n")[2]
    table = section.partition("| not decided")[0]
    listed = {name for name in re.findall(r"`([^`\s]+)`", table) if (ROOT / name).is_file()}
    assert listed == told


def _files_of(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]
