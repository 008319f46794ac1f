"""Tables as CSV files: whatever a text of a stranger holds, its cell still names it, and turns and runs nothing."""

from __future__ import annotations

import csv
import io
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from truecount.manager.web import csv_answer
from truecount.unseen import written

BIDI = [chr(code) for code in (0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))]
_ESCAPE = re.compile(r"\\(?:x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8}|r)")


def read(*cells: object) -> list[str]:
    """The cells of a file of one row, as who opens it finds them."""
    text = bytes(csv_answer("x", ["a"] * len(cells), [cells]).content).decode()
    head, *rows = csv.reader(io.StringIO(text, newline=""))
    assert head == ["a"] * len(cells) and len(rows) == 1
    return rows[0]


@pytest.mark.parametrize("mark", BIDI, ids=ascii)
def test_a_mark_that_turns_text_is_written_as_its_code_point_wherever_it_stands(mark: str) -> None:
    point = f"\\u{ord(mark):04x}"
    assert read(f"{mark}gnp.exe", f"a{mark}", mark) == [f"{point}gnp.exe", f"a{point}", point]


@pytest.mark.parametrize("text", ["=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\n=1", "\uff1d1"])
def test_no_cell_begins_a_formula_and_none_comes_out_behind_a_mark(text: str) -> None:
    assert read(text) == ["'" + text]
    assert read("\u202e" + text) == ["\\u202e" + text]


def test_blanks_of_a_text_stand_in_a_file_as_they_are() -> None:
    assert read("a b", "Purchase ", " ORD-77", "two  words", "a\tb") == [
        "a b",
        "Purchase ",
        " ORD-77",
        "two  words",
        "a\tb",
    ]
    assert read("a\xa0b", "\U000e0041") == ["a\\xa0b", "\\U000e0041"]


def test_numbers_nothing_and_other_scripts_stay_as_they_are() -> None:
    assert read("-12.50", -5, None, True, "Büro 日本 😀 عربي שלום") == [
        "-12.50",
        "-5",
        "",
        "True",
        "Büro 日本 😀 عربي שלום",
    ]


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    st.text(
        st.sampled_from([*BIDI, *"=+-@\t\n\r\0,;\"'a\u2028\u200b\ufeffé"]) | st.characters(codec="utf-8"), max_size=12
    )
)
def test_whatever_a_text_holds_its_cell_is_harmless_and_still_names_it(text: str) -> None:
    [cell] = read(text)
    assert not set(BIDI) & set(cell) and cell[:1] not in set("=@\t\n\r")
    assert cell.removeprefix("'") == written(text).removeprefix("'")
    if "\\" not in text:
        plain = _ESCAPE.sub(lambda found: found[0].encode().decode("unicode_escape"), cell)
        assert plain in (text, "'" + text)
