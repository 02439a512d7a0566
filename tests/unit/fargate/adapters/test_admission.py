"""How many are inside at once."""

from __future__ import annotations

import asyncio

from fargate.adapters.admission import Admission


async def inside(admission: Admission, count: int, log: list[str], name: str, leave: asyncio.Event) -> None:
    """Go in, say so, and stay until told to leave."""
    async with admission.room(count):
        log.append(name)
        await leave.wait()


async def settled() -> None:
    """Let every task go as far as it can."""
    for _ in range(10):
        await asyncio.sleep(0)


def test_those_without_a_place_wait_in_the_order_they_came() -> None:
    """A small one does not overtake a large one, which would then wait for ever."""

    async def story() -> list[str]:
        admission, log = Admission(10), list[str]()
        exits = {name: asyncio.Event() for name in "abcd"}
        sizes = {"a": 6, "b": 8, "c": 1, "d": 1}
        tasks = []
        for name, size in sizes.items():
            tasks.append(asyncio.create_task(inside(admission, size, log, name, exits[name])))
            await settled()
        assert log == ["a"]
        exits["a"].set()
        await settled()
        assert log == ["a", "b", "c", "d"]
        for each in exits.values():
            each.set()
        await asyncio.gather(*tasks)
        return log

    assert asyncio.run(story()) == ["a", "b", "c", "d"]


def test_one_that_gives_up_leaves_its_place_to_the_next() -> None:
    """Waiting or inside, a cancelled task holds nothing back."""

    async def story() -> list[str]:
        admission, log, leave = Admission(4), list[str](), asyncio.Event()
        first = asyncio.create_task(inside(admission, 4, log, "first", leave))
        await settled()
        second = asyncio.create_task(inside(admission, 4, log, "second", leave))
        await settled()
        second.cancel()
        await settled()
        third = asyncio.create_task(inside(admission, 4, log, "third", leave))
        await settled()
        first.cancel()
        await settled()
        leave.set()
        await third
        return log

    assert asyncio.run(story()) == ["first", "third"]


def test_more_than_there_are_places_counts_as_all() -> None:
    """Otherwise it could never go in."""

    async def story() -> None:
        async with Admission(3).room(100):
            pass

    asyncio.run(story())


def test_tasks_of_several_event_loops_share_it() -> None:
    """One embedder serves a whole process, whatever loops its threads run."""
    admission = Admission(1)

    async def story() -> None:
        async with admission.room(1):
            await asyncio.sleep(0)

    async def in_threads() -> None:
        await asyncio.gather(*(asyncio.to_thread(asyncio.run, story()) for _ in range(20)))

    asyncio.run(in_threads())
