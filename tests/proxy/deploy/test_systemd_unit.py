"""The systemd unit, judged by systemd itself."""

import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
from spark_audio_proxy.__main__ import SHUTDOWN_GRACE
from spark_audio_proxy.config import PREFIX, Settings

from tests.helpers.repository import ROOT

pytestmark = pytest.mark.build

UNIT = ROOT / "proxy/deploy/systemd/spark-audio-proxy.service"


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    """systemd-analyze, which needs no running systemd for this."""
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, check=False)


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit, with a program that is there: the proxy is not installed on the machine that tests it."""
    path = tmp_path / UNIT.name
    text, found = re.subn(
        r"^ExecStart=/usr/local/bin/spark-audio-proxy$",
        f"ExecStart={sys.executable}",
        UNIT.read_text(),
        flags=re.MULTILINE,
    )
    assert found == 1
    path.write_text(text)
    return path


def settings_of(path: Path) -> dict[str, list[str]]:
    """Every setting's values, in order."""
    found: dict[str, list[str]] = {}
    for line in path.read_text().splitlines():
        if match := re.fullmatch(r"(\w+)=(.*)", line):
            found.setdefault(match[1], []).append(match[2])
    return found


def test_systemd_understands_it(unit: Path) -> None:
    done = analyze("verify", "--man=no", str(unit))
    assert (done.stdout + done.stderr, done.returncode) == ("", 0)


def test_a_misspelt_setting_would_be_found(unit: Path) -> None:
    unit.write_text(unit.read_text().replace("ProtectSystem=", "ProtectSystems="))
    assert "ProtectSystems" in analyze("verify", "--man=no", str(unit)).stderr


def test_the_sandbox_is_tight(unit: Path) -> None:
    """Exposure 1.5 of 10 at most; what is left is the network."""
    done = analyze("security", "--offline=yes", "--threshold=15", "--no-pager", str(unit))
    assert done.returncode == 0, done.stdout


def test_what_the_sandbox_must_leave() -> None:
    """Its state, its keys, and time to finish."""
    found = settings_of(UNIT)
    assert found["StateDirectory"] == ["spark-audio"]
    assert found["EnvironmentFile"] == ["/etc/spark-audio/proxy.env"]
    assert float(found["TimeoutStopSec"][0]) > SHUTDOWN_GRACE
    # Unix: a command may speak to D-Bus. Netlink: the addresses of this machine.
    assert set(found["RestrictAddressFamilies"][0].split()) == {"AF_INET", "AF_INET6", "AF_UNIX", "AF_NETLINK"}


def test_its_user_is_the_one_that_may_restart() -> None:
    """The polkit rule and the forced command of docs/self-healing.md know it by this name."""
    (user,) = settings_of(UNIT)["User"]
    page = (ROOT / "docs/self-healing.md").read_text()
    assert f'subject.user == "{user}"' in page
    assert f"the proxy runs as the user `{user}`" in page


def test_variables_that_it_names_are_settings() -> None:
    named = set(re.findall(rf"{PREFIX}(\w+)", UNIT.read_text()))
    assert named
    assert {name.lower() for name in named} <= {item.name for item in fields(Settings)}
