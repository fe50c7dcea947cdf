"""What the demo prints: lines, tables, the stages of a turn. Pure but for `line`."""

from collections.abc import Sequence
from dataclasses import dataclass

from .assist import Turn


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of a turn; `at` in seconds since the first sample went out, None if it was never reached."""

    name: str
    at: float | None
    after_speech: float | None


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must hold; `faults` names the processes whose logs tell why it does not."""

    claim: str
    held: bool
    seen: str
    faults: tuple[str, ...]


def line(text: str = "") -> None:
    """Print a line at once."""
    print(text, flush=True)  # noqa: T201 - what a command says to the person who started it


def stages(turn: Turn) -> list[Stage]:
    """The steps of a turn in their order."""

    def at(kind: str) -> float | None:
        event = turn.find(kind)
        return event.at if event else None

    moments = [
        ("speech sent", turn.speech_ended_at),
        # Only Home Assistant's own detector tells; where Spark Audio ends the turn, the transcript does.
        *([("end of command noticed", ended)] if (ended := at("stt-vad-end")) is not None else []),
        ("transcript", at("stt-end")),
        ("answer text", at("intent-end")),
        ("first byte of the spoken reply", turn.reply.first_byte_at if turn.reply else None),
        ("spoken reply complete", turn.reply.complete_at if turn.reply else None),
    ]
    return [
        Stage(
            name,
            None if moment is None else moment - turn.began_at,
            None if moment is None or turn.speech_ended_at is None else moment - turn.speech_ended_at,
        )
        for name, moment in moments
    ]


def seconds(value: float | None, *, signed: bool = False) -> str:
    """Seconds for a table cell."""
    if value is None:
        return "-"
    return f"{value:+.2f} s" if signed else f"{value:.2f} s"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of text; the first column is left-aligned, the others right."""
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]

    def laid_out(row: Sequence[str]) -> str:
        first = row[0].ljust(widths[0])
        rest = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        return "  " + "  ".join([first, *rest])

    rule = "  " + "  ".join("-" * width for width in widths)
    return "\n".join([laid_out(header), rule, *(laid_out(row) for row in rows)])


def stage_table(turn: Turn) -> str:
    """The stages of a turn as a table."""
    rows = [(stage.name, seconds(stage.at), seconds(stage.after_speech, signed=True)) for stage in stages(turn)]
    return table(("stage", "since the start", "since speech ended"), rows)


def verdict(checks: Sequence[Check]) -> str:
    """One line per check."""
    return "\n".join(f"  {'ok  ' if check.held else 'FAIL'}  {check.claim}: {check.seen}" for check in checks)
