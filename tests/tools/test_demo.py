"""The demo: what it keeps, and what it makes of a spoken command."""

import socket
from pathlib import Path

import pytest

from tools.demo import kept
from tools.demo.__main__ import parse
from tools.demo.check import Outcome, assess, stage_table
from tools.demo.verdict import pronounce
from tools.stack.configuration import lay_out
from tools.stack.errors import ToolError
from tools.stack.folders import HOME_ASSISTANTS, LOCK, free_port
from tools.stack.processes import Processes
from tools.stack.satellite import Event, Reply, Turn
from tools.stack.wedge import Answer

WORDS = "Turn on the kitchen light."
HEARD = Event(102.5, "stt-end", {"stt_output": {"text": WORDS}})


def turn(*events: Event, reply: Reply | None = None) -> Turn:
    """A turn that began at 100 s and whose speech ended at 101 s."""
    return Turn(events, reply, 100.0, 101.0)


def test_stages_are_measured_from_both_ends_of_the_speech() -> None:
    """Since the first sample, and since the last sound; what was not reached is empty."""
    whole = turn(Event(102.25, "stt-vad-end", None), HEARD, reply=Reply(((103.0, 10), (104.0, 20)), 0))
    rows = [[cell.strip() for cell in row.split("|")[1:4]] for row in stage_table(whole).splitlines()[2:]]
    assert rows == [
        ["speech sent", "1.00", "0.00"],
        ["end of command noticed", "2.25", "1.25"],
        ["transcript", "2.50", "1.50"],
        ["answer text", "", ""],
        ["first byte of the spoken reply", "3.00", "2.00"],
        ["spoken reply complete", "4.00", "3.00"],
    ]
    assert "noticed" not in stage_table(turn(HEARD))


@pytest.mark.parametrize(
    ("outcome", "failed"),
    [
        (Outcome(turn(HEARD), "off", "on", 0.9, Answer(None, WORDS)), []),
        (Outcome(turn(), "off", "on", 0.9, Answer(None, WORDS)), ["Home Assistant heard the command"]),
        (Outcome(turn(HEARD), "on", "on", 0.9, Answer(None, WORDS)), ["the kitchen light went on"]),
        (Outcome(turn(HEARD), "off", "off", 0.9, Answer(None, WORDS)), ["the kitchen light went on"]),
        (Outcome(turn(HEARD), "off", "on", 0.1, Answer(None, WORDS)), ["the answer was spoken"]),
        (Outcome(turn(HEARD), "off", "on", 0.9, Answer("503")), ["the proxy heard the command"]),
    ],
)
def test_what_did_not_hold_is_named(
    outcome: Outcome, failed: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exactly the check that failed, and whose log to read."""
    checks = assess(outcome)
    assert [check.claim for check in checks if not check.held] == failed
    assert all(check.faults for check in checks)
    assert pronounce(checks, Processes(tmp_path)) is not bool(failed)
    printed = capsys.readouterr().out.splitlines()
    assert [line[:4] for line in printed if line.startswith("  FAIL")] == ["  FA"] * len(failed)


def test_the_newest_home_assistant_is_started_unless_another_is_named() -> None:
    assert HOME_ASSISTANTS[parse([]).home_assistant].name == ".venv-ha-newest"
    assert HOME_ASSISTANTS[parse(["--check", "--home-assistant", "oldest"]).home_assistant].name == ".venv-ha-oldest"


def test_a_kept_demo_remembers_what_it_decided(tmp_path: Path) -> None:
    """The record comes back as it was, and only the user may read the password."""
    record = kept.new_record()
    kept.remember(tmp_path, record)
    assert kept.recall(tmp_path) == record
    assert (tmp_path / kept.RECORD).stat().st_mode & 0o077 == 0


def test_a_kept_demo_needs_its_ports(tmp_path: Path) -> None:
    """Home Assistant has them in its storage."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = server.getsockname()[1]
        kept.remember(tmp_path, kept.Record("secret", taken, free_port(), free_port(), free_port()))
        with pytest.raises(ToolError, match=f"Port {taken}, which the kept demo uses, is taken"):
            kept.recall(tmp_path)


@pytest.mark.parametrize(("written", "complaint"), [(None, "no demo to keep"), ("{", "damaged"), ("{}", "damaged")])
def test_nothing_to_keep_is_said(tmp_path: Path, written: str | None, complaint: str) -> None:
    """--keep without a demo, or with a damaged one, says what to do."""
    if written is not None:
        (tmp_path / kept.RECORD).write_text(written)
    with pytest.raises(ToolError, match=f"{complaint}.*start once without --keep"):
        kept.recall(tmp_path)


def test_clearing_spares_the_lock_and_what_links_point_to(tmp_path: Path) -> None:
    """The checkout's integration is only linked into the folder."""
    checkout, folder = tmp_path / "checkout", tmp_path / "demo"
    checkout.mkdir()
    folder.mkdir()
    (checkout / "precious").touch()
    (folder / LOCK).touch()
    lay_out(folder, 8123, integrations=(checkout,))
    assert (folder / "custom_components/checkout/precious").exists()
    kept.clear(folder)
    assert [entry.name for entry in folder.iterdir()] == [LOCK]
    assert (checkout / "precious").exists()
