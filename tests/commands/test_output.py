"""What commands print of names and ids that anybody may have sent."""

from __future__ import annotations

import csv
import io
import json
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from truecount.commands.output import shown, write_csv, write_json, write_table

HOSTILE = {
    "colour": ("\x1b[31mred", "\\x1b[31mred"),
    "title": ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
    "c1": ("a\x9b2J", "a\\x9b2J"),
    "delete": ("a\x7fb", "a\\x7fb"),
    "nul": ("a\0b", "a\\x00b"),
    "newline": ("Lead\nPurchase 9", "Lead\\nPurchase 9"),
    "return": ("Lead\r=1+1", "Lead\\r=1+1"),
    "tab": ("\tLead", "\\tLead"),
    "line_separator": ("a\u2028b", "a\\u2028b"),
    "right_to_left": ("a\u202egpj.exe", "a\\u202egpj.exe"),
    "isolate": ("\u2067a\u2069", "\\u2067a\\u2069"),
    "surrogate": ("a\ud800", "a\\ud800"),
}
PLAIN = ["Purchase", "Ação é", "日本語", "שלום", "👩‍👩‍👧", "a\\b", "[bold]x[/bold]", ""]


@pytest.mark.parametrize(("text", "expected"), HOSTILE.values(), ids=HOSTILE.keys())
def test_a_text_that_steers_terminals_is_shown_as_escapes(
    text: str, expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shown(text) == expected
    write_table(["event_name"], [[text]], empty="")
    assert [line.rstrip(" ") for line in capsys.readouterr().out.split("\n")[1:]] == [expected, ""]
    write_csv(["event_name"], [[text]])
    assert capsys.readouterr().out == f"event_name\n{expected}\n"


@pytest.mark.parametrize("text", PLAIN)
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert shown(text) == text


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("=1+1", "'=1+1"),
        ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
        ("-1+1", "'-1+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("-", "'-"),
        ("\uff1d1", "'\uff1d1"),
        ("-12.50 INR+1", "'-12.50 INR+1"),
        ("-1\n=1", "'-1\\n=1"),
        ("-5", "-5"),
        ("+5", "+5"),
        ("-1e5", "-1e5"),
        ("-12.50 INR", "-12.50 INR"),
        ("-12.50 INR; -3 USD", "-12.50 INR; -3 USD"),
        (-5, "-5"),
        ("a=1", "a=1"),
        ("a@b.example", "a@b.example"),
    ],
)
def test_a_cell_of_csv_is_no_formula(cell: str | int, expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    write_csv(["x"], [[cell]])
    assert list(csv.reader(io.StringIO(capsys.readouterr().out))) == [["x"], [expected]]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.lists(st.text(max_size=8), min_size=2, max_size=2), max_size=5))
def test_csv_has_a_line_a_row_whatever_its_cells(rows: list[list[str]]) -> None:
    out = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", out)
        write_csv(["a", "b"], rows)
    assert len(out.getvalue().splitlines()) == len(rows) + 1
    assert all(len(row) == 2 for row in csv.reader(io.StringIO(out.getvalue())))


def test_json_means_the_same_and_steers_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    answer = {name: text for name, (text, _) in HOSTILE.items() if name != "surrogate"} | {"plain": PLAIN}
    write_json(json.dumps(answer, ensure_ascii=False).encode())
    out = capsys.readouterr().out
    assert json.loads(out) == answer
    assert shown(out[:-1]) == out[:-1]
    assert "日本語" in out
