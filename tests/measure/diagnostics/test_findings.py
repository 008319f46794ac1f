"""What is told of findings: state, order, examples, and what could not be checked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
import pytest

from tests.resolve.loading import START_US, load
from tests.resolve.reference import Row
from truecount.measure.diagnostics import findings as module
from truecount.measure.diagnostics.findings import Finding, State, findings
from truecount.measure.diagnostics.registry import checks
from truecount.measure.diagnostics.sentences import facts_of, sentence, some, span
from truecount.resolve.scratch import PREFIX
from truecount.store.client import Statement, Store
from truecount.store.errors import QueryFailed, QueryTooHeavy, StoreDown
from truecount.vocabulary import Mark

from .streams import DAY, HOUR, MINUTE, Stream, found_by

MONEY = "purchase-without-value"


@pytest.fixture
def clean(store: Store) -> Iterator[Store]:
    yield store
    for table in ("copies", "tallies"):
        store.command(f"TRUNCATE TABLE {table}")
    assert store.query_rows("SELECT name FROM system.tables WHERE startsWith(name, {p:String})", {"p": PREFIX}) == []


def only(stream: Stream, store: Store, check: str, until_us: int, **more: Any) -> Finding:
    (finding,) = found_by(stream.diagnosis(store, until_us, names=[check], **more), check).values()
    return finding


def faulty(good_at_us: int | None) -> Stream:
    stream = Stream()
    stream.hit(10 * HOUR, "Purchase", "bad")
    if good_at_us is not None:
        stream.sale(good_at_us, "good")
    return stream


@pytest.mark.parametrize(
    ("good_at_us", "at_us", "state"),
    [
        (20 * HOUR, 34 * HOUR, State.OPEN),
        (20 * HOUR, 34 * HOUR + 1, State.SOLVED),
        (None, 90 * HOUR, State.OPEN),
        (9 * HOUR, 90 * HOUR, State.OPEN),
        (66 * HOUR - 1, 90 * HOUR, State.OPEN),
        (66 * HOUR, 90 * HOUR, State.SOLVED),
    ],
    ids=["a day to the microsecond", "over a day", "nothing since", "good before alone", "good too long ago", "good"],
)
def test_a_finding_is_solved_when_nothing_was_wrong_for_a_while_and_something_was_right(
    clean: Store, good_at_us: int | None, at_us: int, state: State
) -> None:
    stream = faulty(good_at_us)
    stream.load(clean)
    assert only(stream, clean, MONEY, at_us).state == state


def test_the_state_is_that_of_the_ranges_end_where_that_is_before_now(clean: Store) -> None:
    stream = faulty(20 * HOUR)
    stream.load(clean)
    assert only(stream, clean, MONEY, 30 * HOUR, now_us=90 * HOUR).state == State.OPEN


def test_a_muted_finding_stays_so_until_then_and_a_solved_one_is_solved(clean: Store) -> None:
    stream = faulty(20 * HOUR)
    stream.load(clean)
    muted = {(MONEY, ("browser",)): START_US + 30 * HOUR}
    finding = only(stream, clean, MONEY, 30 * HOUR - 1, muted=muted)
    assert (finding.state, finding.muted_until) == (State.MUTED, "2026-09-22T20:13:20Z")
    assert only(stream, clean, MONEY, 30 * HOUR, muted=muted).state == State.OPEN
    assert only(stream, clean, MONEY, 29 * HOUR, muted={(MONEY, ("server",)): 2**62}).state == State.OPEN
    assert only(stream, clean, MONEY, 40 * HOUR, muted={(MONEY, ("browser",)): 2**62}).state == State.SOLVED


def test_most_value_at_stake_comes_first_and_currencies_are_not_added_up(clean: Store) -> None:
    stream = Stream()
    for number in range(10):
        stream.sale(number * HOUR, f"order-{number}", "1000.00", "INR")
        stream.sale_told(number * HOUR, f"order-{number}", "1000.00", "INR")
        stream.event(number * HOUR, "Subscribe", f"s{number}", custom_data={"value": 1, "currency": "EUR"})
    for number in range(3):
        stream.event(number * HOUR, "subscribe", f"t{number}", custom_data={"value": 1, "currency": "EUR"})
    stream.event(HOUR, "purchase", "p", custom_data={"value": 2000, "currency": "INR"})
    stream.hit(HOUR, "contacts")
    stream.load(clean)
    names = ["name-almost-standard"]
    told = [one.subject["event_name"] for one in stream.diagnosis(clean, DAY, names=names).findings]
    assert told == ["subscribe", "purchase", "contacts"]  # 3 of 13 EUR, 2,000 of 12,000 INR, nothing


def test_open_findings_come_before_muted_and_solved_ones(clean: Store) -> None:
    stream = faulty(40 * HOUR)
    stream.hit(39 * HOUR, "Search", dl="https://shop.example/?email=jane@mail.example")
    stream.hit(39 * HOUR, "Search", cd__note="call +49 151 23456789")
    stream.load(clean)
    muted = {("contact-data-sent", ("browser", "url", "email")): 2**62}
    told = stream.diagnosis(clean, 41 * HOUR, names=[MONEY, "contact-data-sent"], muted=muted)
    assert [(one.check, one.state) for one in told.findings] == [
        ("contact-data-sent", State.OPEN),
        ("contact-data-sent", State.MUTED),
        (MONEY, State.SOLVED),
    ]


def test_silence_is_told_from_its_last_copy_on_to_now(clean: Store) -> None:
    stream = Stream()
    for number in range(60):
        stream.sale(number * HOUR // 2, f"order-{number}", "10.01")
    stream.load(clean)
    (finding,) = stream.diagnosis(clean, 46 * HOUR, names=["silence"]).findings
    assert finding.title == "The door browser fell silent for 16 hours; its longest gap before was 30 minutes"
    assert (finding.first_time, finding.last_time) == ("2026-09-22T19:43:20Z", "2026-09-23T12:13:20Z")
    assert finding.value == {"INR": "334.04"}  # 600.60 in the 178 steps of ten minutes before, for 99 steps
    assert [one.event_id for one in finding.examples] == ["order-59"]


class Failing:
    """A store where statements that hold a text fail."""

    def __init__(self, store: Store, text: str, error: Exception) -> None:
        self.store, self.text, self.error = store, text, error
        self.asked: list[str] = []

    def query_rows(self, sql: str, params: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        self._ask(sql)
        return self.store.query_rows(sql, params)

    def script(self, commands: Sequence[Statement], select: Statement | None = None) -> list[Sequence[Any]]:
        if select:
            self._ask(select[0])
        return self.store.script(commands, select)

    def _ask(self, sql: str) -> None:
        self.asked.append(sql)
        if self.text in sql:
            raise self.error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (QueryTooHeavy("Code: 159. 'jane@mail.example'", 159), "more time or memory than a check may (code 159)"),
        (QueryFailed("Code: 62. 'jane@mail.example'", 62), "refused its question (code 62)"),
    ],
    ids=["heavy", "refused"],
)
def test_a_check_that_fails_stops_no_other_and_is_told(clean: Store, error: Exception, words: str) -> None:
    stream = faulty(None)
    stream.load(clean)
    store = Failing(clean, "damerauLevenshteinDistance", error)
    told = findings(store, stream.dataset, START_US, START_US + DAY, START_US + DAY, check_s=600, budget_s=600)
    assert [one.check for one in told.not_checked] == ["name-almost-standard"]
    assert words in told.not_checked[0].reason and "jane" not in told.not_checked[0].reason
    assert told.checked == len(checks()) - 1
    assert [one.check for one in told.findings] == [MONEY]
    assert all("max_execution_time" in sql for sql in store.asked if "units as" in sql)


def test_what_the_time_does_not_reach_for_is_told(clean: Store) -> None:
    told = Stream().diagnosis(clean, DAY, budget_s=0)
    assert (told.checked, told.findings) == (0, [])
    assert {one.check for one in told.not_checked} == {check.name for check in checks()}


def test_nobody_answering_is_no_finding(clean: Store) -> None:
    store = Failing(clean, "damerauLevenshteinDistance", StoreDown("the engine is not up"))
    with pytest.raises(StoreDown):
        Stream().diagnosis(store, DAY)


def test_an_empty_dataset_has_nothing_to_mend(clean: Store) -> None:
    told = Stream().diagnosis(clean, DAY)
    assert (told.checked, told.findings, told.not_checked, told.not_told) == (len(checks()), [], [], {})


def test_another_datasets_copies_and_the_canary_are_not_looked_at(clean: Store) -> None:
    stream = faulty(None)
    stream.load(clean)
    assert Stream("other").diagnosis(clean, 90 * HOUR).findings == []
    canary = Stream("canary")
    canary.hit(HOUR, "Purchase", "bad")
    canary.copies = [msgspec.structs.replace(copy, marks=int(Mark.CANARY)) for copy in canary.copies]
    canary.load(clean)
    assert canary.diagnosis(clean, 90 * HOUR).findings == []


def test_examples_are_the_newest_five_events_and_lead_to_their_copies(clean: Store) -> None:
    stream = Stream()
    for number in range(7):
        for again in range(2):
            stream.hit(number * HOUR + again, "Purchase", f"id-{number}")
    stream.hit(9 * HOUR, "Purchase")
    rows = stream.rows(batch=3)
    rows = [Row("d2" if row.seq % 2 else "d1", row.seq, row.pos, row.copy) for row in rows]
    load(clean, rows)
    examples = only(stream, clean, MONEY, DAY).examples
    assert [one.event_id for one in examples] == ["", "id-6", "id-5", "id-4", "id-3"]
    copies = {f"{row.door}/{row.seq}/{row.pos}": row.copy for row in rows}
    for one in examples:
        copy = copies[one.offset]
        assert (copy.event_name, copy.event_id, copy.source) == (one.event_name, one.event_id, one.source)
    assert examples[1].received_time == "2026-09-21T20:13:20.000001Z"


def test_a_sender_who_makes_up_names_makes_no_endless_list(clean: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 5)
    stream = Stream()
    for number in range(9):
        for _ in range(1 + number):
            stream.hit(number * HOUR, "Search", **{f"cd__note{number}": "call +49 151 23456789"})
    stream.load(clean)
    told = stream.diagnosis(clean, DAY, names=["contact-data-sent"])
    assert {one.subject["field"] for one in told.findings} == {f"custom_data.note{number}" for number in range(4, 9)}
    assert told.not_told == {"contact-data-sent": 4}


def test_what_a_sender_wrote_stands_in_sentences_as_it_is(clean: Store) -> None:
    stream = Stream()
    stream.hit(0, "Contact")
    stream.hit(0, "contact {affected} {0.__class__}")
    stream.hit(0, "{Contact}")
    stream.load(clean)
    (finding,) = stream.diagnosis(clean, DAY, names=["name-almost-standard"]).findings
    assert finding.title == "1 of 2 copies meant as Contact are named {Contact}"


def test_names_that_look_alike_look_different_in_sentences(clean: Store) -> None:
    stream = Stream()
    stream.hit(0, "Contact")
    stream.hit(0, "Contact ")
    stream.load(clean)
    (finding,) = stream.diagnosis(clean, DAY, names=["name-almost-standard"]).findings
    assert finding.title == "1 of 2 copies meant as Contact are named Contact␠"
    assert finding.subject["event_name"] == "Contact ", "what a script reads is exact"


def test_the_command_that_mends_names_the_dataset() -> None:
    (check,) = [one for one in checks() if one.name == "test-traffic"]
    facts = facts_of("1234567890", check, ["Purchase"], 1, 1, [])
    assert "`truecount dataset set 1234567890 count_tests=false`" in sentence(check.words.fix, facts)


def test_no_hash_of_a_match_key_and_no_contact_data_is_told(clean: Store) -> None:
    stream = Stream()
    stream.hit(0, "Lead", "jane@mail.example", dl="https://shop.example/?email=jane@mail.example")
    stream.event(MINUTE, "Lead", user_data={"em": ["jane@mail.example"], "external_id": ["customer-7"]})
    stream.load(clean)
    told = repr(stream.diagnosis(clean, DAY))
    kept = {digest.hex() for copy in stream.copies for digest in (copy.em[:32], copy.external_id[:32]) if digest}
    assert kept and "contact-data-sent" in told
    assert "jane" not in told and not any(digest in told for digest in kept)


def test_money_is_decimal_text_and_no_float() -> None:
    assert not any(re.search(r"toFloat|Float64|quantile|avg\(", check.units) for check in checks())


@pytest.mark.parametrize(
    ("affected", "looked_at", "words"),
    [
        (3, 7, "3 of 7"),
        (19, 19, "19 of 19"),
        (20, 20, "All 20"),
        (1, 1_000, "Under 1 % of"),
        (430, 1_000, "43 % of"),
        (999, 1_000, "99 % of"),
        (30, 25, "30 of 25"),
    ],
)
def test_a_share_never_rounds_to_none_or_all(affected: int, looked_at: int, words: str) -> None:
    assert some(affected, looked_at) == words


@pytest.mark.parametrize(
    ("minutes", "words"),
    [(1, "1 minute"), (90, "90 minutes"), (60, "1 hour"), (540, "9 hours"), (1440, "1 day"), (4320, "3 days")],
)
def test_a_span_is_told_in_its_largest_fitting_unit(minutes: int, words: str) -> None:
    assert span(minutes) == words
