"""The folder of what outlives the proxy: where it is, and that one proxy owns it."""

import logging
from pathlib import Path

import pytest
from spark_audio_proxy.config import SettingsError
from spark_audio_proxy.state_folder import default_state_dir, only_user, write_document


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"STATE_DIRECTORY": "/var/lib/spark-audio", "XDG_STATE_HOME": "/x"}, "/var/lib/spark-audio"),
        ({"STATE_DIRECTORY": "/var/lib/one:/var/lib/two"}, "/var/lib/one"),
        ({"XDG_STATE_HOME": "/home/me/.state"}, "/home/me/.state/spark-audio"),
        ({"XDG_STATE_HOME": ""}, "/home/me/.local/state/spark-audio"),
        ({"XDG_STATE_HOME": "relative"}, "/home/me/.local/state/spark-audio"),
        ({}, "/home/me/.local/state/spark-audio"),
    ],
)
def test_where_it_is_kept(environment: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """systemd's folder, else the user's as XDG has it: a relative path there counts as none."""
    for name in ("STATE_DIRECTORY", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in ({"HOME": "/home/me"} | environment).items():
        monkeypatch.setenv(name, value)
    assert default_state_dir() == Path(expected)


def test_two_proxies_on_one_folder_are_refused(tmp_path: Path) -> None:
    """One would erase what the other has written down. Afterwards it is free again."""
    folder = tmp_path / "state"
    refusal = pytest.raises(SettingsError, match="used by another proxy: give each its own")
    with only_user(folder), refusal, only_user(folder):
        pass
    with only_user(folder):
        pass


def test_proxies_on_folders_of_their_own_do_not_mind_each_other(tmp_path: Path) -> None:
    with only_user(tmp_path / "a"), only_user(tmp_path / "b"):
        pass


def test_a_folder_that_cannot_be_written_is_said_and_not_held(caplog: pytest.LogCaptureFixture) -> None:
    with only_user(Path("/proc/self/fdinfo/state")):
        assert "Nothing can be kept in /proc/self/fdinfo/state" in caplog.text


def test_what_a_killed_proxy_left_unfinished_is_removed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Documents stay."""
    caplog.set_level(logging.WARNING)
    (tmp_path / "parakeet.x7.new").write_text("{")
    write_document(tmp_path / "parakeet.json", {"restarts": []})
    with only_user(tmp_path):
        assert sorted(path.name for path in tmp_path.iterdir()) == ["lock", "parakeet.json"]
    assert caplog.text == ""
