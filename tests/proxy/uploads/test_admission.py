"""Who waits for whom, and who is sent away."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
from spark_audio_proxy.problems import Problem
from spark_audio_proxy.uploads import admission as limits
from spark_audio_proxy.uploads.admission import MOST_WAITING, SMALL, BytesInFlight, Gate, Share

ALL = 16 * SMALL
MOST = ALL - ALL // 8
"""What large uploads may have together."""


class Uploads:
    """Uploads that ask for room and keep it until they are told to go; `let_in` tells in which order they had it."""

    def __init__(self, limit: int = ALL) -> None:
        """As large as wanted."""
        self.bytes_in_flight = BytesInFlight(limit)
        self.let_in: list[str] = []
        self._go = asyncio.Event()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._gone: dict[str, asyncio.Event] = {}
        self._shares: dict[str, Share] = {}

    async def ask(self, name: str, size: int) -> asyncio.Task[None]:
        """Ask for so many bytes; as far as that goes without waiting."""
        gone = self._gone[name] = asyncio.Event()

        async def hold() -> None:
            with self.bytes_in_flight.share() as share:
                self._shares[name] = share
                await share.grow(size)
                self.let_in.append(name)
                await gone.wait()

        task = self._tasks[name] = asyncio.create_task(hold())
        await settled()
        return task

    async def grow(self, name: str, size: int) -> asyncio.Task[None]:
        """Ask for more, for one that is in."""

        async def grow() -> None:
            await self._shares[name].grow(size)
            self.let_in.append(f"{name}, more")

        task = self._tasks[f"{name}, more"] = asyncio.create_task(grow())
        await settled()
        return task

    async def end(self, name: str) -> None:
        """Let one go, and let those in that waited for it."""
        self._gone[name].set()
        await self._tasks[name]
        await settled()

    async def close(self) -> None:
        """Let all go."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)


async def settled() -> None:
    """Wait until every upload that can go on has gone on."""
    for _ in range(10):
        await asyncio.sleep(0)


@asynccontextmanager
async def uploads(limit: int = ALL) -> AsyncGenerator[Uploads]:
    """Uploads that are over at the end."""
    all_of_them = Uploads(limit)
    try:
        yield all_of_them
    finally:
        await all_of_them.close()


async def test_large_uploads_are_let_in_as_they_came() -> None:
    """One that would fit does not overtake one that does not yet: it would never get its turn."""
    async with uploads() as they:
        await they.ask("first", MOST // 2)
        await they.ask("second", MOST)
        await they.ask("third", MOST // 4)
        assert they.let_in == ["first"]
        await they.end("first")
        assert they.let_in == ["first", "second"]
        await they.end("second")
        assert they.let_in == ["first", "second", "third"]


async def test_a_small_upload_waits_for_no_large_one() -> None:
    """Neither for those in the line, nor for the last bytes: large ones leave an eighth."""
    async with uploads() as they:
        await they.ask("meeting", MOST)
        await they.ask("lecture", MOST)
        for number in range(2):
            await they.ask(f"voice {number}", SMALL)
        assert they.let_in == ["meeting", "voice 0", "voice 1"]
        await they.ask("voice 2", SMALL)
        assert len(they.let_in) == 3
        await they.end("voice 0")
        assert they.let_in[3:] == ["voice 2"]


async def test_alone_an_upload_may_have_everything() -> None:
    """And nothing more: that is said at once."""
    async with uploads() as they:
        await they.ask("all", ALL)
        with pytest.raises(Problem) as raised:
            await (await they.ask("more", ALL + 1))
        assert they.let_in == ["all"]
    assert (raised.value.status, raised.value.code) == (429, "uploads_full")
    assert str(ALL) in raised.value.message


async def test_an_upload_that_holds_more_goes_first() -> None:
    """A body of unknown length grows while it comes, and gives nothing back before it is whole."""
    async with uploads() as they:
        await they.ask("first", MOST // 2)
        await they.ask("growing", MOST // 4)
        await they.ask("waiting", MOST)
        await they.grow("growing", MOST // 2)
        assert they.let_in == ["first", "growing", "growing, more"]
        await they.grow("growing", MOST // 2 + SMALL)
        assert len(they.let_in) == 3
        await they.end("first")
        assert they.let_in[3:] == ["growing, more"]
        await they.end("growing")
        assert they.let_in[4:] == ["waiting"]


async def test_waiting_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """429, and the place in the line is free for the next one."""
    monkeypatch.setattr(limits, "PATIENCE", 0.02)
    async with uploads() as they:
        await they.ask("first", MOST)
        refused = await they.ask("refused", MOST)
        with pytest.raises(Problem) as raised:
            await refused
        assert (raised.value.status, raised.value.code, raised.value.retry_after) == (429, "uploads_full", 5)
        monkeypatch.setattr(limits, "PATIENCE", 60)
        await they.ask("next", MOST)
        await they.end("first")
        assert they.let_in == ["first", "next"]


async def test_only_so_many_may_wait() -> None:
    """Each holds its first bytes in memory meanwhile."""
    async with uploads() as they:
        await they.ask("first", MOST)
        for number in range(MOST_WAITING):
            await they.ask(f"waiting {number}", MOST)
        with pytest.raises(Problem, match="429"):
            await (await they.ask("one too many", MOST))
        await they.end("first")
        assert they.let_in == ["first", "waiting 0"]
        await they.ask("the next one", MOST)
        for number in range(MOST_WAITING):
            await they.end(f"waiting {number}")
        assert they.let_in[-1] == "the next one"


async def test_leaving_the_queue_blocks_no_other_upload() -> None:
    """A client that hangs up while it waits, first in the queue or later."""
    async with uploads() as they:
        await they.ask("first", MOST)
        leaving = [await they.ask(f"leaving {number}", MOST) for number in range(2)]
        await they.ask("last", MOST)
        for task in leaving:
            task.cancel()
        await settled()
        await they.end("first")
        assert they.let_in == ["first", "last"]


async def test_turns_are_taken_in_order_and_one_after_the_other() -> None:
    """A request that takes several turns lets others through in between."""
    gate, order = Gate("Parakeet", 1, 10), list[str]()

    async def take(name: str, turns: int) -> None:
        with gate.place():
            for number in range(turns):
                async with gate.turn(first=number == 0):
                    order.append(name)
                    await asyncio.sleep(0)

    await asyncio.gather(take("meeting", 3), take("voice", 1), take("lecture", 2))
    assert order == ["meeting", "voice", "lecture", "meeting", "lecture", "meeting"]


async def test_only_the_first_turn_may_be_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a transcript is of no use."""
    monkeypatch.setattr(limits, "PATIENCE", 0.0)
    gate, done = Gate("Parakeet", 1, 10), list[str]()

    async def take(name: str, *, first: bool) -> None:
        async with gate.turn(first=first):
            done.append(name)

    async with gate.turn():
        later = asyncio.create_task(take("later", first=False))
        with pytest.raises(Problem, match="429"):
            await take("first", first=True)
        assert not later.done()
    await later
    assert done == ["later"]
