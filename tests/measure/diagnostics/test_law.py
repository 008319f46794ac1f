"""Laws of all checks, on random histories: they count as plain Python does, and how copies came does not matter."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

import msgspec
import pytest

from tests.resolve.loading import START_US, load
from tests.resolve.reference import Row
from truecount.copies import Copy
from truecount.measure.diagnostics.findings import Diagnosis
from truecount.measure.diagnostics.registry import checks
from truecount.store.client import Store

from .reference import EXPECTED, World
from .streams import DAY, FBP, HOUR, MINUTE, Stream
from .test_checks import told_by

SEEDS = (1, pytest.param(2, marks=pytest.mark.slow), pytest.param(3, marks=pytest.mark.slow))
UNTIL_US = 3 * DAY
ALIKE = "{}", "order-{}", "Order-{}", " {}", "00{}", ""


def history(seed: int) -> Stream:
    """A shop of few ids and many faults."""
    random = Random(seed)
    stream = Stream(f"law{seed}", count_tests=seed % 2 == 1)
    end_us = random.choice([2, 3]) * DAY
    for _ in range(220):
        at_us = random.randrange(end_us)
        name = random.choice(["Purchase"] * 4 + ["purchase", "Lead", "AddToCart", "add_to_cart", "PageView", "Contact"])
        id = random.choice(ALIKE).format(random.randrange(700, 740))
        fields = {
            "value": random.choice(["10.00", "20.00", "20.00", "", "much"]),
            "order_id": random.choice(["", "", id]),
        }
        fields["currency"] = random.choice(["INR"] * 6 + ["USD", "", "Rs"])
        fields["note"] = random.choice([""] * 5 + ["call +49 151 23456789"])
        fields = {key: value for key, value in fields.items() if value}
        fbp = random.choice(["", FBP.format(random.randrange(9))])
        test = random.choice([""] * 9 + ["TEST1"])
        skew_s = random.choice([0] * 8 + [-300, -900, 7_300])
        if random.random() < 0.5:
            pairs = {f"cd__{key}": value for key, value in fields.items()}
            pairs |= {"fbp": fbp} if fbp else {}
            pairs |= {"test_event_code": test} if test else {}
            stream.hit(at_us, name, id, ts=str((START_US + at_us) // 1000 - skew_s * 1000), **pairs)
        elif name != "Contact":
            user = random.choice([{"em": ["a" * 64]}, {"em": ["jane@mail.example"]}])
            user |= {"fbp": fbp} if fbp else {}
            stream.event(at_us, name, id, age_s=skew_s, test=test, custom_data=fields, user_data=user)
    for number in range(80):
        stream.hit(number * 20 * MINUTE, "ViewContent", cd__value="3", cd__currency="INR")
    return stream


@pytest.fixture(scope="module", params=SEEDS)
def shop(request: pytest.FixtureRequest, store: Store) -> Iterator[Stream]:
    yield history(request.param)
    _empty(store)


def _empty(store: Store) -> None:
    for table in ("copies", "tallies"):
        store.command(f"TRUNCATE TABLE {table}")


def comparable(diagnosis: Diagnosis) -> list[dict[str, Any]]:
    """All that is told, but for the offsets of examples: those are places in a log whose batches differ."""
    found = msgspec.to_builtins(diagnosis)
    for finding in found["findings"]:
        for example in finding["examples"]:
            del example["offset"]
    return found  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def whole(store: Store, shop: Stream) -> Diagnosis:
    """What is found of all of it, loaded as it came."""
    _empty(store)
    shop.load(store)
    return shop.diagnosis(store, UNTIL_US)


def test_findings_are_those_of_a_plain_count(shop: Stream, whole: Diagnosis) -> None:
    rows = [row for row in shop.rows() if shop.dataset.settings.count_tests or not row.copy.marks & 1]
    world = World(rows, shop.refused, START_US + UNTIL_US)
    for check, expected in EXPECTED.items():
        assert told_by(whole, check) == expected(world), check
    assert len({finding.check for finding in whole.findings}) >= 9


def test_order_of_loading_and_borders_of_batches_change_nothing(store: Store, shop: Stream, whole: Diagnosis) -> None:
    first = comparable(whole)
    _empty(store)
    rows = shop.rows(batch=7)
    Random(0).shuffle(rows)
    third = len(rows) // 3
    for part in (rows[third:], rows[:third], []):
        shop.load(store, part) if not part else load(store, part)
    assert comparable(shop.diagnosis(store, UNTIL_US)) == first


def test_what_is_delivered_again_changes_no_finding_and_no_value(store: Store, shop: Stream) -> None:
    """Of checks that one case is enough for; the others want several copies before they say anything."""
    _empty(store)
    shop.load(store)
    alone = [check.name for check in checks() if check.words.least == 1 and check.name != "silence"]
    before = shop.diagnosis(store, UNTIL_US, names=alone)
    again = Random(1).sample([copy for copy in shop.copies if copy.event_id], 60)
    load(store, [Row("d2", number, 0, later(copy)) for number, copy in enumerate(again, 1)])
    after = shop.diagnosis(store, UNTIL_US, names=alone)
    assert {key(one): one.value for one in before.findings} == {key(one): one.value for one in after.findings}


def later(copy: Copy) -> Copy:
    """The same copy, received again a second later."""
    return msgspec.structs.replace(copy, received_us=copy.received_us + 1_000_000)


def key(finding: Any) -> tuple[Any, ...]:
    return (finding.check, finding.state, *finding.subject.items())


def test_a_range_in_two_halves_finds_what_lies_in_each(store: Store, shop: Stream) -> None:
    _empty(store)
    shop.load(store)
    half_us = 30 * HOUR
    rows = [row for row in shop.rows() if shop.dataset.settings.count_tests or not row.copy.marks & 1]
    rows = [row for row in rows if row.copy.received_us < START_US + half_us]
    refused = [one for one in shop.refused if one[0] < START_US + half_us]
    diagnosis = shop.diagnosis(store, half_us)
    for check, expected in EXPECTED.items():
        assert told_by(diagnosis, check) == expected(World(rows, refused, START_US + half_us)), check
