"""Each check finds what it is for, leaves alone what is near it, and counts as plain Python does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.resolve.loading import START_US
from truecount.measure.diagnostics.findings import Diagnosis
from truecount.measure.diagnostics.registry import checks
from truecount.store.client import Store
from truecount.vocabulary import Mark

from .cases import CASES, Case
from .reference import EXPECTED, Subject, Told, World
from .streams import DAY, Stream, found_by

UNTIL_US = 2 * DAY
NAMES = [f"{case.check}: {case.what}" for case in CASES]


def told_by(diagnosis: Diagnosis, check: str) -> dict[Subject, Told]:
    return {about: Told(one.affected, one.looked_at, one.value) for about, one in found_by(diagnosis, check).items()}


class Seen(NamedTuple):
    stream: Stream
    diagnosis: Diagnosis


@pytest.fixture(scope="module")
def streams(store: Store) -> Iterator[dict[str, Stream]]:
    """The streams of all cases, each in a dataset of its own."""
    streams = {}
    for number, case in enumerate(CASES):
        stream = Stream(f"case{number}", count_tests=case.count_tests, sensitive_words=case.sensitive_words)
        case.stream(stream)
        stream.load(store)
        streams[NAMES[number]] = stream
    yield streams
    for table in ("copies", "tallies"):
        store.command(f"TRUNCATE TABLE {table}")


@pytest.fixture(scope="module")
def seen(store: Store, streams: dict[str, Stream]) -> dict[str, Seen]:
    """What each case's own check finds of its stream."""
    return {
        name: Seen(stream, stream.diagnosis(store, UNTIL_US, names=[case.check]))
        for case, (name, stream) in zip(CASES, streams.items(), strict=True)
    }


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_it_finds_what_it_is_for_and_nothing_near_it(seen: dict[str, Seen], case: Case) -> None:
    assert set(found_by(seen[f"{case.check}: {case.what}"].diagnosis, case.check)) == case.subjects


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_its_numbers_are_those_of_a_plain_count(seen: dict[str, Seen], case: Case) -> None:
    stream, diagnosis = seen[f"{case.check}: {case.what}"]
    with_tests = stream.dataset.settings.count_tests
    rows = [row for row in stream.rows() if with_tests or not row.copy.marks & Mark.TEST]
    world = World(rows, stream.refused, START_US + UNTIL_US)
    assert told_by(diagnosis, case.check) == EXPECTED[case.check](world)


@pytest.mark.slow
@pytest.mark.parametrize(
    "case", [case for case in CASES if case.subjects], ids=lambda case: f"{case.check}: {case.what}"
)
def test_all_checks_count_a_stream_that_trips_one_as_plain_python_does(
    store: Store, streams: dict[str, Stream], case: Case
) -> None:
    stream = streams[f"{case.check}: {case.what}"]
    diagnosis = stream.diagnosis(store, UNTIL_US)
    with_tests = stream.dataset.settings.count_tests
    rows = [row for row in stream.rows() if with_tests or not row.copy.marks & Mark.TEST]
    world = World(rows, stream.refused, START_US + UNTIL_US)
    for check, expected in EXPECTED.items():
        assert told_by(diagnosis, check) == expected(world), check


def test_each_check_has_a_stream_that_trips_it_and_a_near_one_that_does_not() -> None:
    for check in checks():
        assert {bool(case.subjects) for case in CASES if case.check == check.name} == {True, False}, check.name
    assert set(EXPECTED) == {check.name for check in checks()}
