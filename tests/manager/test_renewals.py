"""Renewals: an answer is made when something new is visible, once for all who follow it; and how streams are packed."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest

from truecount.manager import kept, renewals, streams
from truecount.manager.boxes import Box
from truecount.manager.kept import Kept
from truecount.manager.renewals import Follower, Renewals, TooManyFollowers
from truecount.store.errors import StoreDown

PATIENCE_S = 30.0


class Sea:
    """How far a store is, as a test says."""

    def __init__(self) -> None:
        self.level: int | None = 0
        self.looks = 0
        self.made = 0

    def visible(self) -> dict[str, int]:
        self.looks += 1
        if self.level is None:
            raise StoreDown("away")
        return {"door-1": self.level}

    async def make(self) -> str:
        self.made += 1
        return f"{self.level}"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WATCH_S", "SHORTEST_S", "AWAY_S"):
        monkeypatch.setattr(renewals, name, 0.005)


def play(scene: Callable[[Sea, Renewals], Coroutine[Any, Any, None]], most: int = 10) -> Sea:
    sea = Sea()

    async def run() -> None:
        made = Renewals(sea.visible, most)
        try:
            async with asyncio.timeout(PATIENCE_S):
                await scene(sea, made)
        finally:
            made.close()

    asyncio.run(run())
    return sea


async def until(what: Callable[[], bool]) -> None:
    while not what():  # noqa: ASYNC110 - the test's own patience ends it
        await asyncio.sleep(0.002)


async def wait_for(follower: Follower[str], wanted: str) -> None:
    while await follower.take(1.0) != wanted:
        pass


def test_who_comes_is_told_at_once_and_then_of_what_is_new() -> None:
    async def scene(sea: Sea, made: Renewals) -> None:
        async with made.follow("a", sea.make) as follower:
            await wait_for(follower, "0")
            sea.level = 1
            await wait_for(follower, "1")

    play(scene)


def test_nothing_is_made_while_nothing_is_new() -> None:
    async def scene(sea: Sea, made: Renewals) -> None:
        async with made.follow("a", sea.make) as follower:
            # The first look at the store is new too: what it shows may have come while the answer was being made.
            await until(lambda: sea.made == 2)
            looks = sea.looks
            await until(lambda: sea.looks > looks + 20)
            assert sea.made == 2
            assert await follower.take(1.0) == "0"

    play(scene)


def test_an_answer_is_made_anew_after_a_while_though_nothing_came(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renewals, "LONGEST_S", 0.01)

    async def scene(sea: Sea, made: Renewals) -> None:
        async with made.follow("a", sea.make):
            await until(lambda: sea.made > 10)

    play(scene)


def test_many_who_follow_one_answer_are_one_question() -> None:
    async def scene(sea: Sea, made: Renewals) -> None:
        async with (
            made.follow("a", sea.make) as one,
            made.follow("a", sea.make) as other,
            made.follow("a", sea.make) as third,
        ):
            for level in (1, 2, 3):
                sea.level = level
                for follower in (one, other, third):
                    await wait_for(follower, str(level))
            assert made.size == 3
        assert made.size == 0

    # One when it began, one for each level, and those that the first look at the store and a level's change brought.
    assert play(scene).made <= 8


def test_who_comes_later_is_told_the_last_answer_without_a_question() -> None:
    async def scene(sea: Sea, made: Renewals) -> None:
        async with made.follow("a", sea.make) as first:
            await wait_for(first, "0")
            async with made.follow("a", sea.make) as second:
                assert await second.take(1.0) == "0"

    play(scene)


def test_who_does_not_read_gets_the_newest_alone() -> None:
    async def scene(sea: Sea, made: Renewals) -> None:
        async with made.follow("a", sea.make) as slow, made.follow("a", sea.make) as quick:
            for level in range(1, 6):
                sea.level = level
                await wait_for(quick, str(level))
            # An answer that was being made while the level rose is made again: it may be told twice, but no older one.
            assert await slow.take(1.0) == "5"
            assert await slow.take(0.01) in (None, "5")

    play(scene)


def test_of_answers_that_were_not_read_the_newest_is_told_once() -> None:
    async def scene(_: Sea, __: Renewals) -> None:
        follower: Follower[str] = Follower()
        for level in range(6):
            follower.tell(f"{level}")
        assert await follower.take(1.0) == "5"
        assert await follower.take(0.01) is None

    play(scene)


def test_a_store_that_is_away_is_asked_on_and_the_answers_say_so() -> None:
    async def scene(sea: Sea, made: Renewals) -> None:
        async with made.follow("a", sea.make) as follower:
            await wait_for(follower, "0")
            sea.level = None
            await wait_for(follower, "None")
            sea.level = 7
            await wait_for(follower, "7")

    play(scene)


def test_a_fault_while_an_answer_is_made_ends_nothing() -> None:
    async def scene(sea: Sea, made: Renewals) -> None:
        async def make() -> str:
            if sea.level == 1:
                raise ValueError("a fault")
            return await sea.make()

        async with made.follow("a", make) as follower:
            await wait_for(follower, "0")
            sea.level = 1
            assert await follower.take(0.05) in (None, "0")
            sea.level = 2
            await wait_for(follower, "2")

    play(scene)


def test_no_more_may_follow_than_may() -> None:
    async def scene(sea: Sea, made: Renewals) -> None:
        async with made.follow("a", sea.make):
            async with made.follow("b", sea.make):
                with pytest.raises(TooManyFollowers):
                    async with made.follow("c", sea.make):
                        pass
            async with made.follow("c", sea.make):
                pass

    play(scene, most=2)


def test_the_store_is_not_asked_while_nobody_looks() -> None:
    async def scene(sea: Sea, made: Renewals) -> None:
        async with made.follow("a", sea.make) as follower:
            await wait_for(follower, "0")
        await asyncio.sleep(0.05)  # what is under way ends
        looks, asked = sea.looks, sea.made
        await asyncio.sleep(0.1)
        assert (sea.looks, sea.made) == (looks, asked)
        async with made.follow("a", sea.make) as follower:
            await wait_for(follower, "0")

    play(scene)


def test_all_are_told_when_the_server_ends() -> None:
    async def scene(sea: Sea, made: Renewals) -> None:
        async with made.follow("a", sea.make) as follower:
            made.close()
            await follower.take(PATIENCE_S)
            assert follower.is_over
            with pytest.raises(TooManyFollowers):
                async with made.follow("a", sea.make):
                    pass

    play(scene)


# Packing


def test_events_that_are_packed_apart_are_one_stream_that_reads_as_a_whole() -> None:
    pipe = streams.Pipe("br, gzip")
    sent = [streams.event("live", f"<p>{at}</p>\n" * 500) for at in range(5)]
    pieces = [pipe.put(one) for one in sent]
    assert gzip.decompress(b"".join(pieces) + pipe.end()) == b"".join(sent)
    assert sum(map(len, pieces)) < 0.1 * sum(map(len, sent))


def test_each_event_can_be_read_as_soon_as_it_came() -> None:
    pipe, reader = streams.Pipe("gzip"), zlib.decompressobj(31)
    for at in range(3):
        event = streams.event("live", f"number {at}")
        assert reader.decompress(pipe.put(event)) == event


def test_who_takes_no_gzip_gets_the_events_as_they_are() -> None:
    pipe = streams.Pipe("identity")
    assert pipe.put(b"data: a\n\n") == b"data: a\n\n" and pipe.end() == b""
    assert "Content-Encoding" not in streams.headers(packed=pipe.packs)


def test_a_packed_stream_without_an_event_is_empty() -> None:
    assert streams.Pipe("gzip").end() == b""


# The latest answer that is kept


def test_the_latest_answer_is_given_at_once_and_made_anew_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    answers = Kept(lambda: clock[0])
    made = 0

    async def make() -> int:
        nonlocal made
        made += 1
        return made

    def latest() -> Awaitable[int]:
        return answers.latest("a", make, 5.0)

    async def scene() -> None:
        assert await latest() == 1
        clock[0] = 4.9
        assert await latest() == 1 and made == 1
        clock[0] = 5.1
        assert await latest() == 1  # old, but here
        await until(lambda: made == 2)
        assert await latest() == 2
        clock[0] = 5.1 + kept.SHORTEST_S + kept.OLDEST_S + 1
        assert await latest() == 3  # too old to be shown

    asyncio.run(scene())


def test_kept_answers_are_bounded_by_their_rows_and_what_is_old_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "MOST_ROWS", 100)
    clock = [0.0]
    answers = Kept(lambda: clock[0])

    async def keep(key: int, rows: int) -> None:
        async def make() -> Box[list[int]]:
            return Box("there", [0] * rows)

        assert len((await answers.get(key, make)).data or ()) == rows

    async def scene() -> None:
        for key in range(40):
            await keep(key, 30)
        assert [*answers._found] == [37, 38, 39] and answers.rows == 90
        await keep(40, 1000)  # kept alone: many viewers of it are one question too
        assert [*answers._found] == [40]
        clock[0] += kept.SHORTEST_S + kept.OLDEST_S
        await keep(41, 5)
        await keep(41, 5)
        assert [*answers._found] == [41] and answers.rows == 5

    asyncio.run(scene())
