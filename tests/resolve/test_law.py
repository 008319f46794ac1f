"""The SQL says of each copy what the plain reference says, and its sums are those of the reference."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from truecount.datasets import Dataset, DatasetSettings
from truecount.measure.events import EventCounts, events
from truecount.measure.forms import money
from truecount.measure.outcomes import outcomes
from truecount.resolve.actions import Actions, left_out_marks
from truecount.resolve.definitions import complete
from truecount.store.client import Store

from . import reference
from .histories import drawn_of_each_kind, placed
from .loading import load
from .reference import Row

DATASET = Dataset(id="d", name="law", created_us=0, settings=DatasetSettings(count_tools=False))
N = 120


@pytest.fixture(scope="module")
def histories() -> list[list[Row]]:
    return [placed(history, number) for number, history in enumerate(drawn_of_each_kind(N))]


@pytest.fixture(scope="module")
def loaded(store: Store, histories: list[list[Row]]) -> Iterator[Store]:
    store.command("TRUNCATE TABLE copies")
    load(store, [row for rows in histories for row in rows])
    yield store
    store.command("TRUNCATE TABLE copies")


def verdicts(store: Store, dataset: Dataset = DATASET) -> dict[tuple[str, int, int], reference.Said]:
    """What the SQL says of every copy, all of them resolved in the pool."""
    place_of = "SELECT place, toString(door), seq, pos FROM accepted"
    with Actions(store, dataset) as actions:
        actions.want_key_b()
        actions.need("targets")
        actions.do("INSERT INTO {targets:Identifier} " + complete("select place from accepted"))
        actions.want_places("targets")
        actions.fill(1)
        actions.resolve()
        offsets = {row[0]: tuple(row[1:]) for row in actions.ask(complete(place_of))}
        return {
            offsets[place]: reference.Said(offsets[action], "kept" if kept else "duplicate", rule)
            for place, action, kept, rule in actions.ask(complete("select place, action, kept, rule from verdicts"))
        }


def shown(rows: Sequence[Row]) -> str:
    """A history, one copy a line, without what is default."""
    lines = []
    for row in rows:
        copy = row.copy
        fields = {name: getattr(copy, name) for name in copy.__struct_fields__}
        told = {name: value for name, value in fields.items() if value not in ("", b"", None, 0)}
        lines.append(f"{row.offset} {told}")
    return "\n".join(lines)


def counted(rows: Sequence[Row]) -> dict[str, tuple[object, ...]]:
    names = reference.count(rows, left_out_marks(DATASET))
    return {
        name: (
            one.copies,
            one.actions,
            one.browser_only,
            one.server_only,
            one.both,
            one.limited,
            one.left_out,
            {currency: money(value) for currency, value in sorted(one.value_e4.items())},
        )
        for name, one in names.items()
    }


def told(one: EventCounts) -> tuple[object, ...]:
    return (
        one.copies,
        one.actions,
        one.browser_only,
        one.server_only,
        one.both,
        one.limited,
        one.left_out,
        one.value,
    )


def test_each_copy_gets_the_action_verdict_and_rule_that_the_reference_gives(loaded, histories) -> None:
    said = verdicts(loaded)
    wrong = []
    for rows in histories:
        counting = [row for row in rows if not row.copy.marks & left_out_marks(DATASET)]
        expected, _ = reference.resolve(counting)
        found = {row.offset: said[row.offset] for row in rows if row.offset in said}
        if found != expected:
            wrong.append((rows, expected, found))
    if wrong:
        rows, expected, found = min(wrong, key=lambda item: len(item[0]))
        lines = [f"{offset}: {expected.get(offset)} but {found.get(offset)}" for offset in {**expected, **found}]
        pytest.fail(
            f"{len(wrong)} of {len(histories)} histories differ; the smallest:\n{shown(rows)}\n" + "\n".join(lines)
        )


def test_events_adds_up_to_the_reference_whatever_goes_through_the_pool(loaded, histories) -> None:
    found = {one.event_name: one for one in events(loaded, DATASET)}
    wrong = []
    for rows in histories:
        expected = counted(rows)
        differing = {
            name: (expected.get(name), told(found[name]) if name in found else None)
            for name in expected
            if name not in found or told(found[name]) != expected[name]
        }
        if differing:
            wrong.append((rows, differing))
    if wrong:
        rows, differing = min(wrong, key=lambda item: len(item[0]))
        pytest.fail(f"{len(wrong)} of {len(histories)} histories differ; the smallest:\n{shown(rows)}\n{differing}")


def test_amendments_are_accepted_where_their_original_is_there_and_set_aside_elsewhere(loaded, histories) -> None:
    amendments = [(rows, row) for rows in histories for row in rows if row.copy.event_name == "AppendValue"]
    missing = sum(not reference.originals(rows, row) for rows, row in amendments)
    assert 0 < missing < len(amendments)
    ended = outcomes(loaded, DATASET)
    assert ended.set_aside == missing
    assert ended.accepted == sum(map(len, histories)) - missing
    assert ended.received == ended.accepted + ended.refused + ended.withheld + ended.set_aside
    copies = next(one.copies for one in events(loaded, DATASET) if one.event_name == "AppendValue")
    assert copies == len(amendments) - missing
