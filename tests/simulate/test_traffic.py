"""Traffic: chains keep their order, books hold what was answered, and what went wrong is told."""

from __future__ import annotations

import threading
from itertools import islice

import pytest

from truecount import cli
from truecount.simulate import sdk, traffic
from truecount.simulate.books import Books, Expected, money
from truecount.simulate.brewbeans import How, Report, Shop
from truecount.simulate.hits import NotSent, TryAgain
from truecount.simulate.table import differences
from truecount.simulate.traffic import Traffic

OPENED_MS = 1_760_000_000_000


class Recorder:
    """A sender that remembers, and fails as told."""

    def __init__(self) -> None:
        self.sent: list[Report] = []
        self.fails: dict[str, Exception] = {}
        self._lock = threading.Lock()

    def send(self, report: Report) -> None:
        with self._lock:
            error = self.fails.pop(report.deed.event_id, None)
            if error:
                raise error
            self.sent.append(report)


def play(number: int, recorder: Recorder) -> Traffic:
    shop = Traffic(islice(Shop(1, OPENED_MS).visits(), number), recorder, recorder)
    shop.run(lambda: False, hurry=True)
    return shop


def test_all_that_visits_hold_is_sent_and_booked() -> None:
    recorder = Recorder()
    shop = play(400, recorder)
    books = Books()
    for visit in islice(Shop(1, OPENED_MS).visits(), 400):
        for deed in visit.deeds:
            books.add(deed)
    assert shop.books.counts == books.counts
    assert (shop.books.orders, shop.visitors, shop.under_way(), shop.troubles) == (books.orders, 400, 0, [])
    assert len(recorder.sent) == sum(row.copies + row.refused for row in books.counts.values())


def test_reports_of_one_chain_leave_in_their_order() -> None:
    recorder = Recorder()
    play(400, recorder)
    order = {
        (id(report.deed), report.how is How.SERVER, report.after_ms): at for at, report in enumerate(recorder.sent)
    }
    assert len(order) > 400
    forgetful = {report.deed.order for report in recorder.sent if not report.names_id}
    for name in forgetful:
        sides = [report.how is How.SERVER for report in recorder.sent if report.deed.order == name]
        assert sides == [False, True]


def test_a_503_is_tried_again_and_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traffic, "AGAIN_S", 0.001)
    recorder = Recorder()
    recorder.fails["order-1001"] = TryAgain()
    shop = play(60, recorder)
    assert shop.troubles == []
    assert not recorder.fails


def test_a_deed_whose_report_was_not_taken_stays_out_of_the_books_and_is_told() -> None:
    recorder = Recorder()
    recorder.fails["order-1001"] = NotSent("the door answered 400")
    shop = play(60, recorder)
    whole = play(60, Recorder())
    assert shop.troubles == ["the door answered 400"]
    assert shop.books.orders == whole.books.orders - 1


def books_and_rows() -> tuple[Books, list[dict[str, object]]]:
    books = Books()
    for visit in islice(Shop(1, OPENED_MS).visits(), 200):
        for deed in visit.deeds:
            books.add(deed)
    rows = [
        {
            "event_name": name,
            **{key: getattr(row, key) for key in Expected.__struct_fields__ if key != "value"},
            "value": {"INR": money(row.value)} if row.value else {},
        }
        for name, row in books.counts.items()
    ]
    return books, rows


def test_a_right_count_shows_no_difference() -> None:
    books, rows = books_and_rows()
    assert differences(rows, books) == []


@pytest.mark.parametrize("column", ["copies", "actions", "browser_only", "server_only", "both", "left_out", "refused"])
def test_one_too_many_is_told_by_name(column: str) -> None:
    books, rows = books_and_rows()
    row = next(row for row in rows if row["event_name"] == "Purchase")
    row[column] = int(str(row[column])) + 1
    assert differences(rows, books) == [
        f"Purchase: {column} is {row[column]}, the books say {int(str(row[column])) - 1}"
    ]


def test_a_wrong_value_a_missing_row_and_a_row_too_many_are_told() -> None:
    books, rows = books_and_rows()
    next(row for row in rows if row["event_name"] == "Purchase")["value"] = {"INR": "1.00"}
    rows = [row for row in rows if row["event_name"] != "PageView"] + [{"event_name": "Ghost", "copies": 1}]
    told = " ".join(differences(rows, books))
    assert "Purchase: value" in told
    assert "PageView: copies is 0" in told
    assert "Ghost: copies is 1, the books say 0" in told


def test_the_demo_says_what_is_missing_where_the_sdk_is_not_installed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sdk, "is_installed", lambda: False)
    assert cli.main(["demo", "--for", "1"]) == 1
    assert "[demo] extra" in capsys.readouterr().err


@pytest.mark.parametrize("flags", [["--for", "0"], ["--pace", "0"], ["--pace", "1000"]], ids=" ".join)
def test_the_demo_refuses_a_flag_that_cannot_be_used(flags: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["demo", *flags]) == 2
    assert flags[0] in capsys.readouterr().err
