"""Group commit: who is answered what when the log takes a batch, when it does not, and when one copy is bad."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import pytest

from tests.collect.running import SHOP, Answer, RunningDoor, answers_of, read_all, running, wait_until
from truecount.collect import batcher
from truecount.collect.batcher import HIT_BYTES
from truecount.log.entries import Entry
from truecount.log.errors import LogBroken, LogFull

CLOSE = "Connection: close\r\n"


def hits(prefix: str, n: int) -> bytes:
    return "".join(
        f"GET /tr/?id={SHOP}&ev=PageView&eid={prefix}{at} HTTP/1.1\r\nHost: x\r\n{CLOSE if at == n - 1 else ''}\r\n"
        for at in range(n)
    ).encode()


class Failing:
    """Stands before a writer's append and raises for as long as it is told to."""

    def __init__(self, door: RunningDoor, error: Exception) -> None:
        self.writer = door.door.writer
        self.append = self.writer.append
        self.error: Exception | None = error
        self.calls = 0
        self.writer.append = self  # type: ignore[method-assign,assignment]

    def __call__(self, entries: Sequence[Entry], private: bytes | None = None, **times: int) -> int:
        self.calls += 1
        if self.error is not None:
            raise self.error
        return self.append(entries, private, **times)


@pytest.mark.parametrize("error", [LogFull("full"), LogBroken("broken"), OSError("odd")], ids=["full", "broken", "odd"])
def test_while_the_log_takes_nothing_hits_are_answered_503_and_counted_so(tmp_path: Any, error: Exception) -> None:
    with running(tmp_path) as door:
        failing = Failing(door, error)
        answers = answers_of(door.raw(hits("lost", 5)))
        assert [answer.status for answer in answers] == [503] * 5
        assert all("retry-after" in answer.headers for answer in answers)
        assert all(answer.headers["access-control-allow-origin"] == "*" for answer in answers)
        failing.error = None
        assert door.hit(eid="after").status == 200
    assert [copy.event_id for copy in door.copies()] == ["after"]
    counts = door.counts()
    assert counts["browser", "unavailable"] == 5
    assert counts["browser", "accepted", ""] == 1
    assert counts["browser", "received"] == 6


def test_what_needs_no_storing_is_answered_although_the_log_takes_nothing(tmp_path: Any) -> None:
    with running(tmp_path) as door:
        failing = Failing(door, LogFull("full"))
        assert door.ask("GET", "/tr/?id=1&ev=PageView").refused == "unknown_dataset"
        assert door.ask("OPTIONS", "/tr/").status == 204
        assert door.events({"data": []}, f"/v1.0/{SHOP}/events?access_token=nobody").status == 401
        assert failing.calls == 0


def test_tallies_of_hits_wait_until_the_log_takes_them(tmp_path: Any) -> None:
    with running(tmp_path) as door:
        failing = Failing(door, LogFull("full"))
        door.ask("GET", f"/tr/?id={SHOP}")
        for _ in range(3):
            door.call(door.door.batcher.write_tallies)
        door.call(lambda: None)
        assert failing.calls >= 1
        failing.error = None
    assert [(tally.reason, tally.n) for tally in door.tallies()] == [("no_event_name", 1)]


def test_a_copy_that_cannot_be_packed_costs_none_of_its_neighbours(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from truecount.collect import browser

    keep = browser.keep_hits

    def bent(hits: Any, receipt: Any) -> Any:
        kept = keep(hits, receipt)
        for at, event_id in enumerate(kept.columns["event_id"]):
            if event_id == "n2":
                kept.columns["marks"][at] = 1 << 70  # no number that MessagePack has
        return kept

    monkeypatch.setattr(browser, "keep_hits", bent)
    with running(tmp_path) as door:
        answers = answers_of(door.raw(hits("n", 5)))
        assert [answer.status for answer in answers] == [200] * 5
        refused: list[str | None] = [Answer(*answer).refused for answer in answers]
        assert refused == [None, None, "unreadable", None, None]
    assert [copy.event_id for copy in door.copies()] == ["n0", "n1", "n3", "n4"]
    assert [(tally.reason, tally.n) for tally in door.tallies()] == [("unreadable", 1)]
    assert door.counts()["browser", "accepted", ""] == 4
    assert door.counts()["browser", "refused", "unreadable"] == 1


def test_a_step_that_fails_costs_its_hit_alone(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from truecount.collect import browser

    keep = browser.keep_hits

    def bent(hits: Any, receipt: Any) -> Any:
        if any(hit.get("eid") == "n1" for hit in hits):
            raise ZeroDivisionError("raw@contact.example")
        return keep(hits, receipt)

    monkeypatch.setattr(browser, "keep_hits", bent)
    with running(tmp_path) as door:
        answers = answers_of(door.raw(hits("n", 3)))
    assert [answer.refused for answer in answers] == [None, "unreadable", None]
    assert [copy.event_id for copy in door.copies()] == ["n0", "n2"]


def test_a_large_commit_goes_to_a_thread_and_answers_keep_their_order(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batcher, "INLINE_BYTES", 0)
    names: set[str] = set()
    with running(tmp_path) as door:
        append = door.door.writer.append

        def told(*given: Any, **times: Any) -> int:
            names.add(threading.current_thread().name)
            return append(*given, **times)

        door.door.writer.append = told  # type: ignore[method-assign]
        for round in range(5):
            answers = answers_of(door.raw(hits(f"{round}-", 100)))
            assert [answer.status for answer in answers] == [200] * 100
    assert names == {"committer"}
    assert [copy.event_id for copy in door.copies()] == [f"{round}-{at}" for round in range(5) for at in range(100)]


def test_above_the_queue_s_bound_hits_are_503_at_once(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound is set to three hits; the log does not answer before all eight are asked."""
    with running(tmp_path) as door:
        door.door.batcher._queue_bytes = 3 * HIT_BYTES
        answers = answers_of(door.raw(hits("q", 8)))
    statuses = [answer.status for answer in answers]
    assert statuses[:3] == [200] * 3
    assert statuses[-1] == 503
    kept = statuses.count(200)
    assert len(door.copies()) == kept
    assert door.counts()["browser", "unavailable"] == 8 - kept


def test_hits_and_tallies_of_one_turn_are_one_transaction(tmp_path: Any) -> None:
    with running(tmp_path) as door:
        before = door.door.counters.slots[door.door.counters.plain["truecount_commits_total"]]
        assert len(answers_of(door.raw(hits("one", 200)))) == 200
        after = door.door.counters.slots[door.door.counters.plain["truecount_commits_total"]]
        assert after - before <= 2


class Stalled:
    """The log's next append waits, and then does what it is told to."""

    def __init__(self, door: RunningDoor, error: Exception | None = None) -> None:
        self.begun, self.go_on = threading.Event(), threading.Event()
        append = door.door.writer.append

        def stalled(*given: Any, **times: Any) -> int:
            if not self.begun.is_set():
                self.begun.set()
                self.go_on.wait(10)
                if error is not None:
                    raise error
            return append(*given, **times)

        door.door.writer.append = stalled  # type: ignore[method-assign]


def get(target: str, more: str = "") -> bytes:
    return f"GET {target} HTTP/1.1\r\nHost: x\r\n{more}\r\n".encode()


def test_what_is_answered_at_once_waits_for_what_came_before_it(tmp_path: Any) -> None:
    """A slow disk: commits go to the thread. What needs none may not be answered before the kept hit."""
    with running(tmp_path) as door, door.connect() as connection:
        door.call(lambda: setattr(door.door.batcher, "_mean_s", 1.0))
        stalled = Stalled(door)
        connection.sendall(get(f"/tr/?id={SHOP}&ev=PageView&eid=kept"))
        assert stalled.begun.wait(5)
        connection.sendall(get("/tr/?id=1&ev=PageView", "Connection: close\r\n"))
        wait_until(lambda: door.call(lambda: len(door.door.batcher.waiters)) == 1, "the second hit")
        stalled.go_on.set()
        answers = [Answer(*answer) for answer in answers_of(read_all(connection))]
    assert [answer.refused for answer in answers] == [None, "unknown_dataset"]


def test_answers_of_a_small_commit_wait_for_the_large_one_before_it(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batcher, "INLINE_BYTES", 2000)
    with running(tmp_path) as door, door.connect() as connection:
        stalled = Stalled(door, LogFull("full"))
        connection.sendall(get(f"/tr/?id={SHOP}&ev=PageView&eid=large&long={'x' * 5000}"))
        assert stalled.begun.wait(5)
        connection.sendall(get(f"/tr/?id={SHOP}&ev=PageView&eid=small", "Connection: close\r\n"))
        wait_until(lambda: door.call(lambda: len(door.door.batcher.waiters)) == 1, "the second hit")
        stalled.go_on.set()
        assert [answer[0] for answer in answers_of(read_all(connection))] == [503, 200]
    assert [copy.event_id for copy in door.copies()] == ["small"]


def test_a_fault_while_all_is_put_together_is_answered_503_and_counted(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode, times = batcher._encode, iter(range(1000))

    def bent(value: Any) -> bytes:
        if not next(times):
            raise MemoryError
        return encode(value)

    monkeypatch.setattr(batcher, "_encode", bent)
    with running(tmp_path) as door:
        assert door.hit(ev="PageView", eid="lost").status == 503
        assert door.hit(ev="PageView", eid="kept").status == 200
    assert [copy.event_id for copy in door.copies()] == ["kept"]
    assert door.counts()["browser", "unavailable"] == 1


def test_heads_of_what_waits_count_for_the_queue(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batcher, "INLINE_BYTES", 0)
    with running(tmp_path) as door, door.connect() as connection:
        stalled = Stalled(door)
        connection.sendall(get(f"/tr/?id={SHOP}&ev=PageView"))
        assert stalled.begun.wait(5)
        connection.sendall(
            get(f"/tr/?id={SHOP}&ev=PageView", f"Referer: https://s.example/{'r' * 60_000}\r\nCookie: sid=1\r\n") * 10
        )
        wait_until(lambda: door.call(lambda: len(door.door.batcher.waiters)) == 10, "the hits")
        assert door.call(lambda: door.door.batcher.queued_bytes) > 600_000
        heads = door.call(lambda: [set(request.head) for _, _, request in door.door.batcher.waiters])
        assert heads == [{b"referer"}] * 10  # no cookie is kept that nothing asks for
        stalled.go_on.set()


def test_addresses_and_agents_of_one_turn_stay_with_their_hits(tmp_path: Any) -> None:
    with running(tmp_path, trusted_proxy="127.0.0.1") as door:
        whole = b"".join(
            get(
                f"/tr/?id={SHOP}&ev=PageView&eid={at}" + ("&consent=denied" if at % 3 == 0 else ""),
                f"X-Forwarded-For: 203.0.113.{at}\r\nUser-Agent: Mozilla/5.0 ({at})\r\n{CLOSE if at == 19 else ''}",
            )
            for at in range(20)
        )
        assert len(answers_of(door.raw(whole))) == 20
    assert [copy.event_id for copy in door.copies()] == [str(at) for at in range(20)]
    assert door.private() == [None if at % 3 == 0 else [f"203.0.113.{at}", f"Mozilla/5.0 ({at})"] for at in range(20)]


def test_hits_that_are_much_to_look_at_are_put_together_a_few_at_a_time(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that the loop turns between them, and no entry of the log holds them all."""
    monkeypatch.setattr(batcher, "TURN_BYTES", 2 * HIT_BYTES)
    with running(tmp_path) as door:
        sizes: list[int] = []
        judge = door.door.batcher._judge
        monkeypatch.setattr(door.door.batcher, "_judge", lambda hits: sizes.append(len(hits)) or judge(hits))
        assert [answer.status for answer in answers_of(door.raw(hits("t", 20)))] == [200] * 20
        assert (sum(sizes), max(sizes)) == (20, 1)
        assert door.call(lambda: door.door.batcher.queued_bytes) == 0
    assert [copy.event_id for copy in door.copies()] == [f"t{at}" for at in range(20)]
