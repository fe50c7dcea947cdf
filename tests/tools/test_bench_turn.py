"""The bench of a voice turn: whom it sets up, who cannot be, and one real turn of each kind."""

from pathlib import Path

import pytest

from bench import environments, turn, turn_peers
from bench.environments import NotInstalled, Package
from bench.errors import BenchError
from bench.report import as_text
from bench.turn_home import Engines, House, fill_in
from bench.turn_report import (
    HEARD_EARLY,
    OURS,
    WAV,
)
from demo.answers import Json

TINY = turn.Plan(1, (turn.EARLY,), (("40 characters", WAV, turn.PACE),))
FORM: list[Json] = [
    {"name": "listening", "schema": [{"name": "turn_end"}, {"name": "deadline"}]},
    {"name": "healing", "schema": [{"name": "canary_interval"}]},
]


def test_a_form_is_filled_in_where_its_fields_are() -> None:
    """What it has no field for is not swallowed: another thing would be measured."""
    assert fill_in(FORM, {"turn_end": "fast", "canary_interval": 9.0}) == {
        "listening": {"turn_end": "fast"},
        "healing": {"canary_interval": 9.0},
    }
    with pytest.raises(BenchError, match="no option turn_start"):
        fill_in(FORM, {"turn_start": "fast"})


async def test_a_peer_that_cannot_be_installed_has_no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    """The report says so, and goes on with the others."""

    async def refuse() -> tuple[Package, ...]:
        raise NotInstalled("no network")

    async def install() -> tuple[Package, ...]:
        return (Package("wyoming-openai", "1.2.3"),)

    class Home(House):
        """Has everything that is asked for."""

        def __init__(self) -> None:
            """Nothing is started."""

        async def add_spark_audio(self, face: str, options: object, *, magpie: bool) -> Engines:
            return Engines(f"stt.{face}", f"tts.{face}" if magpie else None)

        async def add_wyoming(self) -> Engines:
            return Engines("stt.wyoming", "tts.wyoming")

        async def add_pipeline(self, name: str, stt: str, tts: str) -> str:
            return f"{stt} {tts}"

    monkeypatch.setattr(turn, "_openai", refuse)
    monkeypatch.setattr(turn, "_wyoming", install)
    monkeypatch.setattr(turn, "home_assistant_version", lambda: "2026.10.4")
    ways = await turn.set_up(Home(), turn.QUICK)
    assert list(ways.hearing) == [*(f"{OURS}, {name}" for name in turn.VARIANTS), "Wyoming with wyoming-openai"]
    assert list(ways.hearing.values())[1] == "stt.spark1 tts.spark0"
    assert ways.speaking == {OURS: "stt.spark0 tts.spark0", "Wyoming with wyoming-openai": "stt.wyoming tts.wyoming"}
    assert [(each.name, each.version) for each in ways.packages[2:]] == [
        ("core's OpenAI integration", "not measured, it cannot be installed here: no network"),
        ("Wyoming with wyoming-openai: wyoming-openai", "1.2.3"),
    ]


async def test_what_uv_cannot_do_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In its own words, or because it is not there."""
    monkeypatch.setattr(environments, "TOOLS", tmp_path)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(NotInstalled, match="cannot be started"):
        await turn_peers.install_wyoming_openai()
    uv = tmp_path / "bin/uv"
    uv.parent.mkdir()
    uv.write_text("#!/bin/sh\necho Downloading\necho no such package >&2\nexit 2\n")
    uv.chmod(0o755)
    monkeypatch.setattr(turn_peers, "WYOMING_OPENAI", tmp_path / "none")
    with pytest.raises(NotInstalled, match=r"^no such package$"):
        await turn_peers.install_wyoming_openai()
    with pytest.raises(NotInstalled, match="no integration tea_kettle"):
        await turn_peers.install_integration("tea_kettle")


async def test_one_turn_of_each_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a real Home Assistant, without peers: those are fetched from the network."""

    async def refuse() -> tuple[Package, ...]:
        raise NotInstalled("no network")

    monkeypatch.setattr(turn, "_openai", refuse)
    monkeypatch.setattr(turn, "_wyoming", refuse)
    report = await turn.measure(TINY)
    packages, hearing, speaking = report.tables
    assert [row[0] for row in packages.rows[:2]] == ["Home Assistant", OURS]
    ((way, asked, noticed, transcript, sound, requests),) = hearing.rows
    assert way == HEARD_EARLY
    assert asked.median < noticed.median < transcript.median < sound.median
    assert int(requests[-1]) >= 1
    ((*_, first, stall),) = speaking.rows
    assert first.median > 0
    assert stall.median >= 0
    assert "not measured" in as_text(report)
