"""Each check finds what it is for, leaves alone what is near it, and counts as plain Python does."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.resolve.loading import START_US
from truecount.measure.diagnostics.registry import checks
from truecount.store.client import Store

from .cases import CASES, Case
from .reference import EXPECTED, Told, World
from .streams import DAY, Stream, found_by

UNTIL_US = 2 * DAY
NAMES = [f"{case.check}: {case.what}" for case in CASES]


@pytest.fixture(scope="module")
def streams(store: Store) -> Iterator[dict[str, Stream]]:
    """The streams of all cases, each in a dataset of its own."""
    made = {}
    for number, case in enumerate(CASES):
        stream = Stream(f"case{number}", **case.settings)
        case.stream(stream)
        stream.load(store)
        made[NAMES[number]] = stream
    yield made
    for table in ("copies", "tallies"):
        store.command(f"TRUNCATE TABLE {table}")


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_it_finds_what_it_is_for_and_nothing_near_it(store: Store, streams: dict[str, Stream], case: Case) -> None:
    stream = streams[f"{case.check}: {case.what}"]
    found = found_by(stream.diagnosis(store, UNTIL_US), case.check)
    assert set(found) == case.subjects


@pytest.mark.parametrize("name", NAMES)
def test_its_numbers_are_those_of_a_plain_count(store: Store, streams: dict[str, Stream], name: str) -> None:
    stream = streams[name]
    world = World([row for row in stream.rows() if counts(stream, row)], stream.refused, START_US + UNTIL_US)
    diagnosis = stream.diagnosis(store, UNTIL_US)
    for check, expected in EXPECTED.items():
        told = {about: Told(one.affected, one.looked_at, one.value) for about, one in found_by(diagnosis, check).items()}
        assert told == expected(world), check


def counts(stream: Stream, row: object) -> bool:
    return stream.dataset.settings.count_tests or not row.copy.marks & 1  # type: ignore[attr-defined]


def test_each_check_has_a_stream_that_trips_it_and_a_near_one_that_does_not() -> None:
    for check in checks():
        own = [bool(case.subjects) for case in CASES if case.check == check.name]
        assert set(own) == {True, False}, check.name
    assert set(EXPECTED) == {check.name for check in checks()}
