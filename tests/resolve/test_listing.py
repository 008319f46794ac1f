"""The list of actions holds each action of the plain reference once, with its rules, page by page."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from truecount.measure.events import events
from truecount.measure.forms import time_of_ms
from truecount.measure.listing import DOORS, ListedAction, listing
from truecount.resolve.actions import left_out_marks
from truecount.store.client import Store
from truecount.vocabulary import BROWSER_SIDE

from . import reference
from .histories import drawn_of_each_kind, placed
from .loading import load
from .reference import Row
from .test_law import DATASET


@pytest.fixture(scope="module")
def histories() -> list[list[Row]]:
    return [placed(history, number) for number, history in enumerate(drawn_of_each_kind(4))]


@pytest.fixture(scope="module")
def loaded(store: Store, histories: list[list[Row]]) -> Iterator[Store]:
    store.command("TRUNCATE TABLE copies")
    load(store, [row for rows in histories for row in rows])
    yield store
    store.command("TRUNCATE TABLE copies")


@pytest.fixture(scope="module")
def right(histories: list[list[Row]]) -> dict[str, tuple[object, ...]]:
    """Each action of the reference by the offset of its first copy."""
    found = {}
    marks = left_out_marks(DATASET)
    for rows in histories:
        said, actions = reference.resolve(row for row in rows if not row.copy.marks & marks)
        for action in actions:
            kept, first = action[0], min(action, key=lambda row: row.order)
            sides = {row.copy.source in BROWSER_SIDE for row in action}
            found["{}:{}:{}".format(*first.offset)] = (
                kept.copy.event_name,
                "both" if len(sides) == 2 else "browser_only" if True in sides else "server_only",
                time_of_ms(kept.copy.event_time_ms),
                len(action),
                tuple(sorted({said[row.offset].rule for row in action})),
            )
    return found


def told(action: ListedAction) -> tuple[object, ...]:
    return (action.event_name, action.door, action.event_time, action.copies, tuple(action.rules))


def all_pages(store: Store, limit: int, **given: object) -> list[ListedAction]:
    found: list[ListedAction] = []
    after: str | None = ""
    while after is not None:
        page = listing(store, DATASET, after=after, limit=limit, **given)  # type: ignore[arg-type]
        assert len(page.rows) == limit or page.after is None
        found += page.rows
        after = page.after
    return found


def test_each_action_is_listed_once_as_the_reference_has_it(
    loaded: Store, right: dict[str, tuple[object, ...]]
) -> None:
    found = all_pages(loaded, 10_000)
    assert {action.offset: told(action) for action in found} == right
    assert len(found) == len(right)
    times = [action.event_time for action in found]
    assert times == sorted(times, reverse=True)


@pytest.mark.slow
def test_pages_put_together_are_the_whole_list_without_a_gap_or_a_row_twice(loaded: Store) -> None:
    name = max(events(loaded, DATASET), key=lambda row: row.actions).event_name
    whole = all_pages(loaded, 10_000, names=[name])
    assert len(whole) > 5
    for limit in (1, 3, len(whole) - 1, len(whole)):
        assert all_pages(loaded, limit, names=[name]) == whole


@pytest.mark.slow
def test_the_way_back_shows_the_same_pages(loaded: Store) -> None:
    name = max(events(loaded, DATASET), key=lambda row: row.actions).event_name
    pages = [listing(loaded, DATASET, names=[name], limit=2)]
    while pages[-1].after:
        pages.append(listing(loaded, DATASET, names=[name], limit=2, after=pages[-1].after))
    assert len(pages) > 2 and pages[0].before is None
    for page, earlier in zip(pages[:0:-1], pages[-2::-1], strict=True):
        assert page.before
        assert listing(loaded, DATASET, names=[name], limit=2, before=page.before) == earlier
    # Where fewer are newer than a page holds, the first page is shown whole.
    assert listing(loaded, DATASET, names=[name], limit=3, before=pages[1].before or "").before is None
    with pytest.raises(ValueError, match="not both"):
        listing(loaded, DATASET, after="1.1", before="1.1")
    with pytest.raises(ValueError, match="before"):
        listing(loaded, DATASET, before="x")


@pytest.mark.slow
def test_filters_leave_what_they_say_and_the_sums_are_of_all_that_is_left(
    loaded: Store, right: dict[str, tuple[object, ...]]
) -> None:
    counted = {row.event_name: row for row in events(loaded, DATASET)}
    for door in DOORS:
        page = listing(loaded, DATASET, door=door, limit=3)
        assert page.actions == sum(getattr(row, door) for row in counted.values())
        assert page.doors == {name: sum(getattr(row, name) for row in counted.values()) for name in DOORS}
        assert page.actions == sum(told[1] == door for told in right.values())
        assert {row.door for row in page.rows} <= {door}
    for rule in {rule for told in right.values() for rule in told[4]}:  # type: ignore[attr-defined]
        page = listing(loaded, DATASET, rule=rule, limit=2)
        assert page.actions == sum(rule in told[4] for told in right.values())  # type: ignore[operator]
        assert all(rule in row.rules for row in page.rows)
    name = max(counted, key=lambda one: counted[one].actions)
    page = listing(loaded, DATASET, names=[name], limit=1)
    assert (page.actions, page.value) == (counted[name].actions, counted[name].value)
    assert listing(loaded, DATASET, names=["Nothing"]).rows == []


@pytest.mark.parametrize("after", ["x", "1", "1.", "1.zz", "99999999999999999999.1", "1." + "f" * 33])
def test_a_place_to_go_on_from_that_no_page_gave_is_an_error(store: Store, after: str) -> None:
    with pytest.raises(ValueError, match="after"):
        listing(store, DATASET, after=after)
