"""What a caller can make the proxy do grows with the caller's own bytes, and no faster.

Counted in operations, for inputs that repeat something: twice as much of it may cost twice as much, with some room for
what is done now and then. Bytes that C functions copy again and again are counted where they are handed over.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spark_audio_proxy.problems import Problem
from spark_audio_proxy.uploads.form import read_form_in_json, read_json
from spark_audio_proxy.uploads.multipart_reader import FormReader
from spark_engine.servers.refusals import error_for, hiding
from spark_engine.speech.text import utterances

from tests.fuzz.mutation import TOKENS
from tests.fuzz.targets import TARGETS
from tests.helpers.proxy.operations import operations

ROOM = 1.3
"""Of twice the work: what is done for every thousandth byte comes once more or once less."""

SMALL = 1 << 9
"""Bytes of the smaller input."""


def is_linear(work: Callable[[int], Callable[[], object]]) -> bool:
    """Return whether four times as much takes no more than four times the operations."""
    first, second = (operations(work(size)) for size in (SMALL, 4 * SMALL))
    return second <= 4 * ROOM * first + 2_000


def repeated(unit: bytes, size: int) -> bytes:
    """As much of it as fits."""
    return unit * max(1, size // max(1, len(unit)))


UNITS = st.lists(st.sampled_from(TOKENS) | st.binary(min_size=1, max_size=3), min_size=1, max_size=4).map(b"".join)


@pytest.mark.parametrize("name", sorted(set(TARGETS) - {"voices"}))
@given(unit=UNITS)
@settings(max_examples=15, deadline=None)
def test_reading_costs_as_much_as_there_is_to_read(name: str, unit: bytes) -> None:
    """Whatever is repeated: alone, and within what the reader expects."""
    read, seed = TARGETS[name].read, TARGETS[name].seeds[0]
    half = len(seed) // 2
    for before, behind in ((b"", b""), (seed[:half], seed[half:])):

        def work(size: int, before: bytes = before, behind: bytes = behind) -> Callable[[], object]:
            case = before + repeated(unit, size) + behind
            return lambda: read(case)

        assert is_linear(work)


@pytest.mark.parametrize("read", [read_json, read_form_in_json])
@pytest.mark.parametrize("unit", [b"[", b"{", b'{"a":', b"[],", b'"]",', b"0,", b'"a":1,', b"\\", b"1", b"\xff", b"]"])
def test_json_costs_as_much_as_there_is(read: Callable[[bytearray], object], unit: bytes) -> None:
    """Nested, wide, or none at all."""

    def work(size: int) -> Callable[[], object]:
        def reading() -> None:
            with suppress(Problem):
                read(bytearray(b"[" + repeated(unit, size)))

        return reading

    assert is_linear(work)


@pytest.mark.parametrize("unit", [b"\r\n--x1\r\n", b"\r\n--x", b"\r", b"\n", b"a: b\r\n", b" \r\n", b"--x1--", b"\x00"])
def test_a_form_in_single_bytes_costs_no_more(unit: bytes) -> None:
    """A parser that looks at all that it keeps with each byte would be quadratic."""
    head = b'--x1\r\nContent-Disposition: form-data; name="file"\r\n'

    def work(size: int) -> Callable[[], object]:
        case = head + b"\r\n" + repeated(unit, size)

        def read() -> None:
            reader = FormReader("multipart/form-data; boundary=x1")
            with suppress(Problem):
                for at in range(len(case)):
                    reader.feed(case[at : at + 1])

        return read

    assert is_linear(work)


@pytest.mark.parametrize(
    "unit",
    ["- ", '"', '"- - - ', "“Milch”, ", "a, ", "(", "))", "1. ", "...", "- [ ] Brot\n", "„a“ ", "z. B. ", "&amp;"],
)
def test_text_costs_as_much_as_there_is(unit: str) -> None:
    """Also a shopping list in quotes."""

    def work(size: int) -> Callable[[], object]:
        text = '"' + unit * (size // len(unit))
        return lambda: asyncio.run(spoken(text))

    assert is_linear(work)


async def spoken(text: str) -> list[str | None]:
    """All utterances."""
    return [utterance async for utterance in utterances(text)]


@pytest.mark.parametrize("unit", ["hunter", "h", "%68", "\\u0068", "\\\\", "hunter2"])
def test_hiding_a_token_costs_as_much_as_there_is(unit: str) -> None:
    hide = hiding("hunter2/of+the=house")

    def work(size: int) -> Callable[[], object]:
        data = (unit * (size // len(unit))).encode()
        return lambda: error_for(500, "", data, hide)

    assert is_linear(work)


def test_work_that_grows_faster_is_noticed() -> None:
    assert not is_linear(lambda size: lambda: [sum(1 for _ in range(size // 8)) for _ in range(size // 8)])
