"""The shop: the same seed, the same visits; and books that need no rule of dedup."""

from __future__ import annotations

from collections import Counter
from functools import cache
from itertools import chain, islice

import pytest

from truecount.simulate.books import Books, Expected, money
from truecount.simulate.brewbeans import Deed, How, Kind, Report, Shop, Visit

OPENED_MS = 1_760_000_000_000


@cache
def visits(seed: int, number: int = 1500) -> list[Visit]:
    return list(islice(Shop(seed, OPENED_MS).visits(), number))


def reports(seed: int) -> list[Report]:
    return [report for visit in visits(seed) for report in chain.from_iterable(visit.chains)]


def test_the_same_seed_gives_the_same_visits_and_another_seed_others() -> None:
    assert list(islice(Shop(1, OPENED_MS).visits(), 300)) == visits(1, 300)
    assert visits(1, 300) != visits(2, 300)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_each_deed_is_reported_as_often_as_it_says(seed: int) -> None:
    for visit in visits(seed):
        sent = Counter((id(report.deed), report.how is How.SERVER) for report in chain.from_iterable(visit.chains))
        for deed in visit.deeds:
            assert (sent[id(deed), False], sent[id(deed), True]) == (deed.browser, deed.server)
            assert deed.browser + deed.server > 0


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_event_ids_are_never_used_for_two_deeds_of_one_name(seed: int) -> None:
    ids = Counter((deed.name, deed.event_id) for visit in visits(seed) for deed in visit.deeds if deed.event_id)
    assert max(ids.values()) == 1


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_who_forgets_an_id_reports_browser_first_and_buys_no_second_time(seed: int) -> None:
    buys = Counter(deed.person.fbp for visit in visits(seed) for deed in visit.deeds if deed.name == "Purchase")
    forgetful = 0
    for visit in visits(seed):
        for reports in visit.chains:
            if all(report.names_id or not report.deed.event_id for report in reports):
                continue
            forgetful += 1
            assert [report.how is How.SERVER for report in reports] == [False, True]
            assert buys[reports[0].deed.person.fbp] == 1
            assert reports[0].deed.person.consent != "denied"
    assert forgetful > 5


def test_everything_that_goes_wrong_in_shops_goes_wrong_here() -> None:
    deeds = [deed for visit in visits(1, 4000) for deed in visit.deeds]
    purchases = [deed for deed in deeds if deed.name == "Purchase"]
    assert {Kind.PERSON, Kind.BOT, Kind.TOOL, Kind.TOO_OLD} == {deed.kind for deed in deeds}
    assert {(0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (2, 1)} <= {(deed.browser, deed.server) for deed in purchases}
    assert {"granted", "denied", ""} == {deed.person.consent for deed in purchases}
    assert {How.IMAGE, How.FORM, How.BEACON, How.SERVER} == {report.how for report in reports(1)}
    customers = Counter(deed.person.customer for deed in purchases)
    assert max(customers.values()) > 1


def test_visits_come_in_order_and_at_about_the_asked_pace() -> None:
    times = [visit.at_ms for visit in visits(4, 2000)]
    assert times == sorted(times)
    assert 180 < times[-1] / 1000 < 320  # 2,000 visits at 8 a second take about 250 s


def deed(name: str = "Purchase", **given: object) -> Deed:
    person = visits(1, 20)[5].deeds[0].person
    return Deed(at_ms=0, name=name, person=person, url="https://brewbeans.example/", **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "row"),
    [
        ({"browser": 1, "server": 1}, Expected(copies=2, actions=1, both=1)),
        ({"browser": 2, "server": 2}, Expected(copies=4, actions=1, both=1)),
        ({"browser": 1}, Expected(copies=1, actions=1, browser_only=1)),
        ({"server": 2}, Expected(copies=2, actions=1, server_only=1)),
        ({"browser": 1, "kind": Kind.TOOL}, Expected(copies=1, actions=1, browser_only=1)),
        ({"browser": 1, "kind": Kind.BOT}, Expected(copies=1, left_out=1)),
        ({"server": 1, "kind": Kind.TOO_OLD}, Expected(refused=1)),
        ({"browser": 1, "server": 1, "value": 89900}, Expected(copies=2, actions=1, both=1, value=89900)),
    ],
    ids=lambda given: str(given)[:60],
)
def test_the_books_place_a_deed_by_how_often_each_side_reports_it(given: dict[str, object], row: Expected) -> None:
    books = Books()
    books.add(deed(**given))
    assert books.counts == {"Purchase": row}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_books_add_up(seed: int) -> None:
    books = Books()
    for visit in visits(seed):
        for deed in visit.deeds:
            books.add(deed)
    for row in books.counts.values():
        assert row.actions == row.browser_only + row.server_only + row.both
    assert books.orders == books.counts["Purchase"].actions
    assert books.order_value == books.counts["Purchase"].value == books.orders * 89900


def test_money_is_written_with_two_digits() -> None:
    assert [money(paise) for paise in (89900, 5, 100, 12345678)] == ["899.00", "0.05", "1.00", "123456.78"]
