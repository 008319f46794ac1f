"""Rolled-up counts of a running manager: who gets them, when they are made, and what happens when that goes wrong."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from tests.resolve.loading import empty_store, load, rows_of
from truecount.copies import Copy
from truecount.datasets import Dataset
from truecount.manager import rolling as module
from truecount.manager.boxes import box_of
from truecount.manager.ranges import Period, period_of
from truecount.manager.rolling import Building, Rolling, TooMixed
from truecount.manager.views.overview import Counts, counts, covered
from truecount.rolled import keeping
from truecount.rolled.basis import generation_of
from truecount.store.client import Store
from truecount.store.errors import QueryFailed, QueryTooHeavy, StoreDown

NOW_US = time.time_ns() // 1000
SHOP = Dataset(id="shop", name="Shop", created_us=0)


class Link:
    """The way to a store that is always the same, or away."""

    def __init__(self, store: Store) -> None:
        self._store: Store | None = store

    def store(self) -> Store:
        if self._store is None:
            raise StoreDown("the engine is not up yet")
        return self._store

    def cut(self) -> None:
        self._store = None


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with empty_store(tmp_path_factory.mktemp("rolling")) as made:
        yield made


@pytest.fixture
def store(engine: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setattr(module, "PAUSES", 0.0)
    for table in ("copies", "rolled", "settings"):
        engine.command(f"TRUNCATE TABLE {table}")
    load(engine, rows_of([*sale(1), *sale(2), sold("browser", "3")]))
    return engine


def sold(source: str, id: str, **fields: object) -> Copy:
    at_us = NOW_US - 3_600_000_000
    return Copy(
        dataset="shop", event_name="Purchase", source=source, event_id=id, received_us=at_us,
        event_time_ms=at_us // 1000, value_e4=10_000, currency="INR", **fields,
    )  # fmt: skip


def sale(n: int) -> list[Copy]:
    return [sold("browser", str(n)), sold("server", str(n))]


def rolling_of(store: Store, *datasets: Dataset, from_copies: int = 1) -> Rolling:
    return Rolling(Link(store), lambda: list(datasets or [SHOP]), from_copies)  # type: ignore[arg-type]


def week() -> Period:
    return period_of("7d", None, "UTC")


def told(found: Counts) -> Counts:
    """Without the moment, which is another each time."""
    return Counts("", found.now, found.before, found.has_before, found.event_name, found.buckets)


def sales_in(store: Store, rolling: Rolling, dataset: Dataset = SHOP) -> int:
    [one] = counts(store, dataset, week(), None, rolling).now
    return one.actions


def test_a_page_says_the_same_from_rolled_up_counts_as_from_all_copies(store: Store) -> None:
    rolling, none = rolling_of(store), rolling_of(store, from_copies=10**9)
    rolling.look()
    period = week()
    assert rolling.of(SHOP, store) is not None
    assert told(counts(store, SHOP, period, None, rolling)) == told(counts(store, SHOP, period, None, none_of(none)))
    assert covered(store, SHOP, period, rolling) == covered(store, SHOP, period, none_of(none))


def none_of(rolling: Rolling) -> Rolling:
    """One that has nothing for anybody."""
    rolling.of = lambda dataset, asking: None  # type: ignore[method-assign]
    return rolling


def test_small_datasets_are_counted_in_full(store: Store) -> None:
    rolling = rolling_of(store, from_copies=6)
    rolling.look()
    assert rolling.of(SHOP, store) is None and generation_of(store, SHOP) is None
    assert sales_in(store, rolling) == 3


def test_a_page_brings_the_counts_to_the_moment_of_its_question(store: Store) -> None:
    rolling = rolling_of(store)
    rolling.look()
    began_us = time.time_ns() // 1000
    load(store, rows_of([*sale(3), *sale(4)], door="d2"))
    assert sales_in(store, rolling) == 4
    found = rolling.of(SHOP, store)
    assert found and found[1] >= began_us


def test_counts_that_come_forward_slowly_are_shown_as_they_are_with_their_time(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    rolling = rolling_of(store)
    rolling.look()
    load(store, rows_of(sale(4), door="d2"))
    monkeypatch.setattr(module, "IN_NO_TIME_S", -1.0)
    as_of_us = time.time_ns() // 1000
    assert sales_in(store, rolling) == 3
    found = rolling.of(SHOP, store)
    assert found and found[1] < as_of_us
    rolling.look()
    assert sales_in(store, rolling) == 4


def test_counts_that_cannot_come_forward_are_shown_with_their_age_and_no_page_tries_again(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rolling = rolling_of(store)
    rolling.look()
    load(store, rows_of(sale(4), door="d2"))
    tries: list[None] = []

    def failing(*_: object, **__: object) -> None:
        tries.append(None)
        raise QueryTooHeavy("Code: 241 'jane@mail.example'", 241)

    monkeypatch.setattr(module, "forward", failing)
    as_of_us = time.time_ns() // 1000
    for _ in range(3):
        assert sales_in(store, rolling) == 3
        found = rolling.of(SHOP, store)
        assert found and found[1] < as_of_us
    assert len(tries) == 1
    assert capsys.readouterr().err == "manager: rolled-up counts wait: QueryTooHeavy\n"
    monkeypatch.undo()
    rolling.look()
    assert sales_in(store, rolling) == 4


def test_too_many_copies_of_key_b_are_not_even_tried(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    rolling = rolling_of(store)
    rolling.look()
    load(store, rows_of([sold("browser", "", fbp="fb.1.2.3")], door="d2"))
    monkeypatch.setattr(module, "MOST_OF_KEY_B", 3)
    monkeypatch.setitem(keeping.forward.__kwdefaults__, "most_of_key_b", 3)
    assert sales_in(store, rolling) == 3  # as they were, for this once
    rolling.look()
    with pytest.raises(TooMixed) as caught:
        rolling.of(SHOP, store)
    box = box_of(caught.value)
    assert box.state == "heavy" and box.problem and "event id" in box.problem


def test_other_settings_are_other_counts_and_the_old_ones_go(store: Store) -> None:
    rolling = rolling_of(store)
    rolling.look()
    other = replace(SHOP, settings=replace(SHOP.settings, count_bots=not SHOP.settings.count_bots))
    assert rolling.of(other, store) is None
    rolling_of(store, other).look()
    assert rolling.of(other, store) is not None and rolling.of(SHOP, store) is None


def test_what_is_too_much_to_go_forward_is_built_anew(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    rolling = rolling_of(store)
    rolling.look()
    before = generation_of(store, SHOP)
    load(store, rows_of([*sale(3), *sale(4)], door="d2"))
    monkeypatch.setitem(keeping.forward.__kwdefaults__, "most_touched", 3)
    assert sales_in(store, rolling) == 3  # as it was, until the new ones are there
    rolling.look()
    after = generation_of(store, SHOP)
    assert sales_in(store, rolling) == 4
    assert before and after and after.number > before.number


def test_sums_that_were_written_twice_are_thrown_away_and_added_up_anew(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    put_down = keeping.News.put_down

    def twice(self: keeping.News) -> None:
        put_down(self)
        self.do("INSERT INTO rolled SELECT * FROM {news:Identifier}")
        self.flush()

    rolling = rolling_of(store)
    rolling.look()
    load(store, rows_of([*sale(3), *sale(4)], door="d2"))
    with monkeypatch.context() as again:
        again.setattr(keeping.News, "put_down", twice)
        assert sales_in(store, rolling) == 4, "counted in full: the sums are known to be wrong"
    assert rolling.of(SHOP, store) is None and generation_of(store, SHOP) is None
    said = "manager: rolled-up counts of dataset shop were ahead of its log: they are added up anew\n"
    assert capsys.readouterr().err == said
    rolling.look()
    load(store, rows_of(sale(5), door="d3"))
    assert rolling.of(SHOP, store) is not None and sales_in(store, rolling) == 5
    assert capsys.readouterr().err == ""


def test_sums_that_were_found_written_twice_later_go_too(
    store: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rolling = rolling_of(store)
    rolling.look()
    store.command("INSERT INTO rolled SELECT * FROM rolled")
    assert sales_in(store, rolling) == 3 and rolling.of(SHOP, store) is None
    rolling.look()
    store.command("INSERT INTO rolled SELECT * FROM rolled")
    monkeypatch.setattr(module, "ROUND_S", 0.0)
    rolling_of(store).look()  # the thread finds it, and builds at once
    assert rolling.of(SHOP, store) is not None and sales_in(store, rolling) == 3
    assert capsys.readouterr().err.count("were ahead of its log") == 2


def test_a_dataset_that_was_made_again_waits_until_what_was_there_before_is_gone(store: Store) -> None:
    again = replace(SHOP, created_us=NOW_US)
    rolling = rolling_of(store, again)
    rolling.look()
    assert generation_of(store, again) is None
    store.command(
        "INSERT INTO settings (dataset, name, created_us, changed_us, deleted, settings, door, seq, pos) "
        "SELECT 'shop', 'Shop', {us:Int64}, {us:Int64}, false, '{}', 'manager', 7, 0",
        {"us": NOW_US},
    )
    rolling.look()
    assert generation_of(store, again) is None  # the loader has not said that it is done with that entry
    load(store, rows_of([sold("browser", "9")] * 7, door="manager"))
    rolling.look()
    assert generation_of(store, again) is not None


def test_nothing_is_counted_before_the_loader_knows_what_is_there(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    loader: dict[str, object] = {"doors": {}, "recovered": False}
    monkeypatch.setattr(Store, "state", lambda self: {"loader": loader})
    rolling = rolling_of(store)
    rolling.look()
    assert generation_of(store, SHOP) is None  # copies are there, but maybe in part
    loader |= {"doors": {"d1": 2}, "recovered": True}
    rolling.look()
    found = generation_of(store, SHOP)
    assert found and found.moment == {"d1": 2}


def test_the_counts_of_a_dataset_that_is_gone_go_too(store: Store) -> None:
    rolling_of(store).look()
    assert int(store.query_rows("SELECT count() FROM rolled")[0][0])
    rolling_of(store, Dataset(id="other", name="", created_us=0)).look()
    assert store.query_rows("SELECT count() FROM rolled") == [(0,)]


def test_a_build_that_was_cut_short_counts_for_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping.News, "take_basis", lambda self: 1 / 0)
    rolling = rolling_of(store)
    with pytest.raises(ZeroDivisionError):
        rolling.look()
    assert int(store.query_rows("SELECT count() FROM rolled")[0][0])
    assert rolling.of(SHOP, store) is None and sales_in(store, rolling) == 3
    monkeypatch.undo()
    rolling.look()
    assert sales_in(store, rolling) == 3
    assert store.query_rows("SELECT uniqExact(generation) FROM rolled") == [(1,)]


def test_while_large_counts_are_added_up_the_page_says_how_far_it_is(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    rolling = rolling_of(store)
    monkeypatch.setattr(module, "TOO_MANY", 3)
    shares: list[float] = []

    def building(*given: object, said: object) -> None:
        said(0.4)  # type: ignore[operator]
        try:
            rolling.of(SHOP, store)
        except Building as error:
            shares.append(error.share)
            box = box_of(error)
            assert box.state == "late" and box.problem and "40%" in box.problem

    monkeypatch.setattr(module, "build", building)
    rolling.look()
    assert shares == [0.4]


def test_a_store_that_is_away_is_waited_for_and_a_fault_is_said_once(
    store: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ROUND_S", 0.01)
    link = Link(store)
    rolling = Rolling(link, lambda: [SHOP], 1)  # type: ignore[arg-type]
    link.cut()
    with pytest.raises(StoreDown):
        rolling.of(SHOP, store)
    rounds: list[None] = []

    def faulty() -> None:
        rounds.append(None)
        raise StoreDown("away") if len(rounds) < 3 else QueryFailed("Code: 1. jane@mail.example", 1)

    monkeypatch.setattr(rolling, "look", faulty)
    rolling.start()
    until = time.monotonic() + 30
    while len(rounds) < 6 and time.monotonic() < until:
        time.sleep(0.01)
    rolling.stop()
    assert len(rounds) >= 6
    assert capsys.readouterr().err == "manager: rolled-up counts wait: QueryFailed\n"


def test_the_thread_keeps_them_and_ends_when_it_is_told(store: Store) -> None:
    rolling = rolling_of(store)
    rolling.start()
    until = time.monotonic() + 30
    while generation_of(store, SHOP) is None and time.monotonic() < until:
        time.sleep(0.05)
    rolling.stop()
    assert rolling._thread is not None
    rolling._thread.join(10)
    assert not rolling._thread.is_alive() and generation_of(store, SHOP) is not None
