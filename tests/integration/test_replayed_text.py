"""Text that is told more than once, and whether all of it is there."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from custom_components.spark_audio.replayed_text import LONGEST_PAUSE, ReplayedText
from tests.helpers.engine.virtual_time import run
from tests.helpers.engine.written_text import written


async def letters(*pieces: str) -> AsyncGenerator[str]:
    """Text that is all there."""
    for piece in pieces or "abc":
        yield piece


async def heard(text: ReplayedText) -> list[str]:
    """All of it, once more."""
    return [piece async for piece in text.replay()]


async def test_retold() -> None:
    """As often as wanted, whatever was read before."""
    text = ReplayedText(letters())
    assert await anext(text.replay()) == "a"
    assert await heard(text) == ["a", "b", "c"]
    assert await heard(text) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("pieces", "whole"),
    [(["All of it."], "All of it."), ([""], ""), (["One. ", "Two."], None)],
)
async def test_whole(pieces: list[str], whole: str | None) -> None:
    """What comes in one piece; it can be told again all the same."""
    text = ReplayedText(letters(*pieces))
    assert await text.whole() == whole
    assert await heard(text) == pieces
    assert await text.whole() == whole


async def test_no_text_is_whole() -> None:
    """There is nothing to wait for."""

    async def nothing() -> AsyncGenerator[str]:
        pieces: tuple[str, ...] = ()
        for piece in pieces:
            yield piece

    assert await ReplayedText(nothing()).whole() == ""


async def test_text_that_is_being_written_is_not_waited_for() -> None:
    """Its first piece may be all of it: only the writer knows."""
    over = asyncio.Event()

    async def writing() -> AsyncGenerator[str]:
        yield "The first piece."
        await over.wait()

    text = ReplayedText(writing())
    assert await text.whole() is None
    listener = text.replay()
    assert await anext(listener) == "The first piece."
    over.set()
    assert [piece async for piece in listener] == []
    assert await text.whole() == "The first piece."


async def test_a_listener_who_leaves_does_not_end_the_writing() -> None:
    """The next one, another engine perhaps, hears what this one waited for."""
    waited, go_on = asyncio.Event(), asyncio.Event()

    async def writing() -> AsyncGenerator[str]:
        yield "a"
        waited.set()
        await go_on.wait()
        yield "b"

    text = ReplayedText(writing())
    listener = asyncio.create_task(heard(text))
    await waited.wait()
    listener.cancel()
    with pytest.raises(asyncio.CancelledError):
        await listener
    go_on.set()
    assert await heard(text) == ["a", "b"]


async def test_text_without_listeners_is_closed() -> None:
    """The turn was cancelled: its writer may never come to an end."""
    waited, let_go = asyncio.Event(), asyncio.Event()

    async def writing() -> AsyncGenerator[str]:
        yield "a"
        try:
            waited.set()
            await asyncio.Event().wait()
        finally:
            let_go.set()

    text = ReplayedText(writing())
    listener = asyncio.create_task(heard(text))
    await waited.wait()
    listener.cancel()
    with pytest.raises(asyncio.CancelledError):
        await listener
    assert not let_go.is_set()
    text.close()
    await let_go.wait()


@pytest.mark.parametrize("looked_ahead", [False, True])
async def test_an_error_reaches_every_listener(*, looked_ahead: bool) -> None:
    """After what was written before it; text that broke off never passes for the whole."""

    async def breaking() -> AsyncGenerator[str]:
        yield "a"
        raise RuntimeError("model gone")

    text = ReplayedText(breaking())
    if looked_ahead:
        assert await text.whole() is None
    for _listener in range(2):
        listener = text.replay()
        assert await anext(listener) == "a"
        with pytest.raises(RuntimeError, match="model gone"):
            await anext(listener)


def test_text_that_never_goes_on_is_over() -> None:
    """Its pipeline run was cancelled, which nothing tells: no task is left to wait for it, and it is closed."""

    async def read() -> None:
        writing = written("One moment.", 0.9 * LONGEST_PAUSE, " And", 1.1 * LONGEST_PAUSE, " never.")
        text = ReplayedText(writing)
        assert await heard(text) == await heard(text) == ["One moment.", " And"]
        assert asyncio.get_running_loop().time() == pytest.approx(1.9 * LONGEST_PAUSE)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert await anext(writing, "closed") == "closed"

    run(read())


def test_a_writer_that_gives_up_is_no_end_of_the_text() -> None:
    """Its own time-out is an error of the text, as any other."""

    async def giving_up() -> AsyncGenerator[str]:
        yield "a"
        async with asyncio.timeout(1):
            await asyncio.Event().wait()

    async def read() -> None:
        with pytest.raises(TimeoutError):
            await heard(ReplayedText(giving_up()))

    run(read())
