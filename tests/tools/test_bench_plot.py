"""A chart is a well-formed SVG whose bars are as long as their figures."""

import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from bench import __main__ as command
from bench.figures import Spread
from bench.machine import this_machine
from bench.plot import WIDTH, Bar, Chart, Group, as_svg, in_one_sentence, ticks
from bench.report import Report

SVG = "{http://www.w3.org/2000/svg}"

CHART = Chart(
    "waits",
    "Wait <& see>",
    "ms",
    (
        Group("short", (Bar("ours", 100.0, ours=True, aim=150.0), Bar("theirs", Spread(200.0, 180.0, 400.0)))),
        Group("long", (Bar("ours", Spread(50.0, 40.0, 60.0), ours=True), Bar("a longer name", 25.0))),
    ),
    "One machine, " * 20,
)


def drawn(chart: Chart) -> ET.Element:
    """The document's root."""
    return ET.fromstring(as_svg(chart))


def bars(chart: Chart) -> list[tuple[str, float]]:
    """Class and length of each bar, from top to bottom."""
    found = [(rect.get("class", ""), float(rect.get("width", "0"))) for rect in drawn(chart).iter(f"{SVG}rect")]
    return [bar for bar in found if bar[0] != "card"]


def test_bars_are_as_long_as_their_figures() -> None:
    """On one scale for all groups; the median where there is a spread, and ours stand out."""
    assert [kind for kind, _ in bars(CHART)] == ["ours", "bar", "ours", "bar"]
    hundred, *others = [length for _, length in bars(CHART)]
    assert others == [pytest.approx(hundred * share, abs=0.2) for share in (2.0, 0.5, 0.25)]


def test_a_range_and_an_aim_are_lines() -> None:
    """From the lowest to the highest round, and where the aim is."""
    lines = [(line.get("class"), float(line.get("x1", "0")), float(line.get("x2", "0"))) for line in _lines()]
    zero = min(x for kind, x, _ in lines if kind == "axis")
    scale = bars(CHART)[0][1] / 100
    ranges = [(x1 - zero, x2 - zero) for kind, x1, x2 in lines if kind == "range"]
    assert ranges == [
        (pytest.approx(180 * scale, abs=0.2), pytest.approx(400 * scale, abs=0.2)),
        (pytest.approx(40 * scale, abs=0.2), pytest.approx(60 * scale, abs=0.2)),
    ]
    assert [x1 - zero for kind, x1, _ in lines if kind == "aim"] == [pytest.approx(150 * scale, abs=0.2)]


def _lines() -> list[ET.Element]:
    return list(drawn(CHART).iter(f"{SVG}line"))


def test_a_bar_beyond_the_cut_is_broken_off() -> None:
    """As long as the scale, with its whole figure beside it; the others get the room."""
    figures = (100.0, Spread(5000.0, 4000.0, 6000.0))
    chart = replace(CHART, groups=(Group("", tuple(Bar("one", figure) for figure in figures)),), cut=200.0)
    (_, short), (_, cut) = bars(chart)
    assert cut == pytest.approx(2 * short, abs=0.2)
    lines = [line.get("class") for line in drawn(chart).iter(f"{SVG}line")]
    assert (lines.count("break"), lines.count("range")) == (2, 0)
    assert "5000" in [text.text for text in drawn(chart).iter(f"{SVG}text")]


def test_nothing_leaves_the_card() -> None:
    """Neither bars with their words, nor the lines of a long note."""
    root = drawn(CHART)
    height = float(root.get("height", "0"))
    for text in root.iter(f"{SVG}text"):
        assert 0 < float(text.get("x", "0")) < WIDTH
        assert 0 < float(text.get("y", "0")) < height
    for rect in root.iter(f"{SVG}rect"):
        assert float(rect.get("x", "0")) + float(rect.get("width", "0")) <= WIDTH
    assert sum("One machine," in (text.text or "") for text in root.iter(f"{SVG}text")) > 1


def test_it_says_what_it_shows_without_being_seen() -> None:
    """A title, and all figures in words."""
    root = drawn(CHART)
    assert root.findtext(f"{SVG}title") == CHART.title
    assert root.findtext(f"{SVG}desc") == in_one_sentence(CHART)
    assert in_one_sentence(CHART) == "short: ours 100 ms, theirs 200 ms; long: ours 50.0 ms, a longer name 25.0 ms"


def test_every_class_has_a_style_and_dark_colours() -> None:
    """A word black on black would be none."""
    svg = as_svg(CHART)
    style, _, dark = svg.partition("@media (prefers-color-scheme: dark)")
    for kind in {
        kind for kind in re.findall(r'class="(\w+)"', svg) if kind in {"card", "bar", "ours", "range", "aim", "break"}
    }:
        assert f".{kind} {{" in style
        assert f".{kind} {{" in dark.partition("</style>")[0]


@pytest.mark.parametrize("top", [0.004, 0.4, 3.0, 99.0, 1000.0, 4100.0, 123456.0])
def test_an_axis_has_round_ticks(top: float) -> None:
    """From 0 to where all bars end, and not many more."""
    found = ticks(top)
    assert found[0] == 0
    assert found[-2] < top <= found[-1]
    assert 4 <= len(found) - 1 <= 8


@pytest.mark.parametrize("figures", [(), (-1.0,), (Spread(1.0, -1.0, 2.0),)])
def test_what_has_no_bar_is_no_chart(figures: tuple[float | Spread, ...]) -> None:
    """Nor has a figure below 0."""
    with pytest.raises(ValueError, match="from 0 on"):
        as_svg(Chart("none", "None", "ms", (Group("", tuple(Bar("one", figure) for figure in figures)),)))


async def test_a_run_draws_where_it_is_told_to(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Only for a question that has charts, into a folder that is there."""

    async def answer(*, quick: bool) -> Report:
        return Report("How long?", this_machine(), 1.0, (), (), (CHART,))

    questions = {"waits": command.Question("How long?", answer, draws=True), "why": command.Question("Why?", answer)}
    monkeypatch.setattr(command, "QUESTIONS", questions)
    assert await command.run(command.parse(["waits"])) == 0
    assert not list(tmp_path.iterdir())
    assert await command.run(command.parse(["waits", "--plot", str(tmp_path)])) == 0
    assert (tmp_path / "waits.svg").read_text() == as_svg(CHART)
    for arguments, complaint in (
        (["waits", "--plot", str(tmp_path / "missing")], "there is no folder"),
        (["why", "--plot", str(tmp_path)], "unrecognized arguments"),
    ):
        with pytest.raises(SystemExit):
            command.parse(arguments)
        assert complaint in capsys.readouterr().err
