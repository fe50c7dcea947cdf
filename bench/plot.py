"""Figures as a picture: horizontal bars in an SVG that reads well on light and on dark pages. Pure.

One `Chart` has groups of bars that share a scale. A bar is a figure with its label; a `Spread` also shows its range.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from textwrap import wrap

from .figures import Spread

WIDTH = 760
_MARGIN = 20
_LINE = 24
"""Pixels from one bar to the next."""
_BAR = 14
_BOLD = 1.07
"""How much wider bold letters are."""
_NOTE_LINE = 16
_NOTE_CHARACTERS = 116
_CHARACTER = 7.4
"""Pixels that a character takes at most on average, at 13 pixels; fonts differ from one reader to the next."""

# The card has a ground of its own: where an SVG is an image in a page, it learns the system's colours, not the page's.
_STYLE = """
  text { font: 13px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; fill: #24292f }
  .title { font-size: 16px; font-weight: 600 } .group { font-weight: 600 }
  .faint { fill: #57606a; font-size: 11.5px } .value { font-variant-numeric: tabular-nums }
  .card { fill: #fff; stroke: #d0d7de } .bar { fill: #afb8c1 } .ours { fill: #1a7f64 }
  .range { stroke: #24292f; stroke-width: 1.2 } .aim { stroke: #bc4c00; stroke-width: 1.5; stroke-dasharray: 3 2 }
  .axis { stroke: #d0d7de } .break { stroke: #fff; stroke-width: 2.5 } .told { fill: #bc4c00; font-size: 11.5px }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .faint { fill: #9198a1 } .card { fill: #0d1117; stroke: #3d444d } .bar { fill: #59636e }
    .ours { fill: #3fb68b } .range { stroke: #e6edf3 } .aim { stroke: #f0883e } .axis { stroke: #3d444d }
    .break { stroke: #0d1117 } .told { fill: #f0883e }
  }
"""


@dataclass(frozen=True, slots=True)
class Bar:
    """A figure and what it is of. `ours` stands out; `aim` is marked where there is one."""

    label: str
    figure: float | Spread
    ours: bool = False
    aim: float | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """Bars to be compared with each other."""

    title: str
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """A picture. `name` is the file's, without ending; `unit` is that of all figures; `note` is small, below.

    Where one figure would make all others short, `cut` is where the scale ends: a longer bar is drawn broken off.
    """

    name: str
    title: str
    unit: str
    groups: tuple[Group, ...]
    note: str = ""
    cut: float | None = None

    @property
    def bars(self) -> tuple[Bar, ...]:
        """Those of all groups."""
        return tuple(bar for group in self.groups for bar in group.bars)


def as_svg(chart: Chart) -> str:
    """The whole SVG document. Raises ValueError for a chart without bars, or with a figure below 0."""
    if not chart.bars or min(map(_low, chart.bars)) < 0:
        raise ValueError("a chart shows figures from 0 on")
    plot = _Plot(chart)
    body = "\n".join(plot.elements())
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {plot.height:g}" width="{WIDTH}" '
        f'height="{plot.height:g}" role="img" aria-labelledby="title desc">\n'
        f'<title id="title">{escape(chart.title)}</title>\n<desc id="desc">{escape(in_one_sentence(chart))}</desc>\n'
        f"<style>{_STYLE}</style>\n{body}\n</svg>\n"
    )


def in_one_sentence(chart: Chart) -> str:
    """All figures, for those who cannot see the picture."""
    return "; ".join(
        f"{group.title}: {', '.join(f'{bar.label} {_rounded(_value(bar))} {chart.unit}' for bar in group.bars)}"
        for group in chart.groups
    )


def ticks(top: float) -> Sequence[float]:
    """Round figures from 0 to the first that is not below `top`, in four to eight steps."""
    step = 10.0 ** len(str(int(top)))
    while True:
        for share in (1.0, 0.5, 0.2):
            count = -int(-top // (step * share))
            if count >= 4:
                return [number * step * share for number in range(count + 1)]
        step /= 10


class _Plot:
    """Where everything is, in pixels."""

    def __init__(self, chart: Chart) -> None:
        self._chart = chart
        self._left = _MARGIN + max(_CHARACTER * len(bar.label) * (_BOLD if bar.ours else 1) for bar in chart.bars) + 10
        values = _CHARACTER * max(len(_told(bar)) for bar in chart.bars)
        longest = max(max(_high(bar), bar.aim or 0.0) for bar in chart.bars)
        self._ticks = ticks(min(longest, chart.cut or longest))
        self._scale = (WIDTH - _MARGIN - values - 10 - self._left) / self._ticks[-1]
        self._top = _MARGIN + 22 + 18
        self._bottom = self._top + sum(_LINE * (len(group.bars) + 1) + 6 for group in chart.groups)
        self._note = wrap(chart.note, _NOTE_CHARACTERS)
        self.height = self._bottom + 34 + _NOTE_LINE * len(self._note) + (6 if self._note else 0)

    def elements(self) -> Iterator[str]:
        chart = self._chart
        yield f'<rect class="card" x="0.5" y="0.5" width="{WIDTH - 1}" height="{self.height - 1:g}" rx="6"/>'
        yield _text(_MARGIN, _MARGIN + 14, f"{chart.title}, {chart.unit}", "title")
        yield from self._axis()
        y = float(self._top)
        for group in chart.groups:
            yield _text(_MARGIN, y + 16, group.title, "group")
            y += _LINE
            for bar in group.bars:
                yield from self._bar(bar, y)
                y += _LINE
            y += 6
        for number, line in enumerate(self._note):
            yield _text(_MARGIN, self._bottom + 42 + _NOTE_LINE * number, line, "faint")

    def _x(self, figure: float) -> float:
        return self._left + min(figure, self._ticks[-1]) * self._scale

    def _axis(self) -> Iterator[str]:
        for tick in self._ticks:
            x = self._x(tick)
            yield _line("axis", x, self._top, x, self._bottom)
            yield _text(x, self._bottom + 16, f"{tick:g}", "faint", "middle")

    def _bar(self, bar: Bar, y: float) -> Iterator[str]:
        middle = y + _LINE / 2
        top, end = middle - _BAR / 2, self._x(_value(bar))
        yield _text(self._left - 8, middle + 4.5, bar.label, "group" if bar.ours else "label", "end")
        yield (
            f'<rect class="{"ours" if bar.ours else "bar"}" x="{self._left:.1f}" y="{top:g}" '
            f'width="{max(end - self._left, 1):.1f}" height="{_BAR}" rx="2"/>'
        )
        if _value(bar) > self._ticks[-1]:
            yield from (_line("break", end - 14 + shift, top + _BAR + 2, end - 8 + shift, top - 2) for shift in (0, 5))
        elif isinstance(bar.figure, Spread):
            yield _line("range", self._x(bar.figure.low), middle, self._x(bar.figure.high), middle)
        if bar.aim is not None:
            yield _line("aim", self._x(bar.aim), top - 3, self._x(bar.aim), top + _BAR + 3)
        right = max(self._x(_high(bar)), self._x(bar.aim or 0.0)) + 8
        yield (
            f'<text class="value" x="{right:.1f}" y="{middle + 4.5:g}">{_rounded(_value(bar))}'
            f"{f' <tspan class="told">aim {bar.aim:g}</tspan>' if bar.aim is not None else ''}</text>"
        )


def _value(bar: Bar) -> float:
    return bar.figure.median if isinstance(bar.figure, Spread) else bar.figure


def _low(bar: Bar) -> float:
    return bar.figure.low if isinstance(bar.figure, Spread) else bar.figure


def _high(bar: Bar) -> float:
    return bar.figure.high if isinstance(bar.figure, Spread) else bar.figure


def _rounded(figure: float) -> str:
    return f"{figure:.{2 if figure < 10 else 1 if figure < 100 else 0}f}"


def _told(bar: Bar) -> str:
    return _rounded(_value(bar)) + ("" if bar.aim is None else f" aim {bar.aim:g}")


def _text(x: float, y: float, text: str, kind: str, anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:g}" text-anchor="{anchor}">{escape(text)}</text>'


def _line(kind: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:g}" x2="{x2:.1f}" y2="{y2:g}"/>'
