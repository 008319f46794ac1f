"""Files of events, read row by row."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from truecount.commands.rows import COLUMNS_HELP, CUSTOM_COLUMNS, USER_COLUMNS, Row, WrongFile, csv_rows, json_rows
from truecount.vocabulary import DIGEST_KEYS, PLAIN_KEYS, RARE_DIGEST_KEYS


def csv_of(text: str, start: int = 0, line: int = 0) -> list[Row]:
    return list(csv_rows(io.BytesIO(text.encode()), start, line))


def event_of(row: Row) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(row.text)
    return found


HEAD = "event_name,event_time,email,value,currency,source\n"


def test_a_row_of_csv_becomes_an_event_with_its_parts_in_place() -> None:
    (row,) = csv_of(HEAD + "Purchase,1700000000,a@b.example,899.00,INR,browser\n")
    assert event_of(row) == {
        "event_name": "Purchase",
        "event_time": 1700000000,
        "source": "browser",
        "action_source": "website",
        "user_data": {"email": "a@b.example"},
        "custom_data": {"value": "899.00", "currency": "INR"},
    }
    assert (row.line, row.end) == (2, len(HEAD) + 51)


def test_empty_cells_say_nothing_and_empty_rows_are_passed_over() -> None:
    rows = csv_of(HEAD + "\n" + "Lead,1700000000,,,,\n")
    assert [row.text for row in rows[:1]] == [b""]
    assert event_of(rows[1]) == {"event_name": "Lead", "event_time": 1700000000, "user_data": {}}


def test_a_bar_parts_several_values_of_a_key_and_of_no_other_column() -> None:
    (row,) = csv_of("event_name,event_time,ph,content_ids,content_name\nLead,1,1|22,a|b,a|b\n")
    assert event_of(row)["user_data"] == {"ph": ["1", "22"]}
    assert event_of(row)["custom_data"] == {"content_ids": ["a", "b"], "content_name": "a|b"}


def test_contents_are_json_and_other_custom_data_is_named_with_its_part() -> None:
    (row,) = csv_of('event_name,event_time,contents,custom_data.note\nLead,1,"[{""id"":""x"",""quantity"":1}]",hi\n')
    assert event_of(row)["custom_data"] == {"contents": [{"id": "x", "quantity": 1}], "note": "hi"}


def test_a_quoted_cell_may_hold_lines_and_the_row_ends_behind_them() -> None:
    text = HEAD + 'Lead,1,"a\nb",,,\nLead,2,,,,\n'
    first, second = csv_of(text)
    assert (first.line, second.line) == (3, 4)
    assert text.encode()[first.end :] == b"Lead,2,,,,\n"


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("Lead,1", "2 cells"),
        ("Lead,1,,,,,,", "8 cells"),
        ("Lead,1,\udcff,,,", "UTF-8"),
    ],
    ids=["short", "long", "not-utf8"],
)
def test_a_wrong_row_is_told_and_the_next_one_read(row: str, words: str) -> None:
    raw = (HEAD + row + "\nLead,2,,,,\n").encode("utf-8", "surrogateescape")
    wrong, good = csv_rows(io.BytesIO(raw), 0, 0)
    assert wrong.text == b"" and words in wrong.wrong and wrong.line == 2
    assert event_of(good)["event_time"] == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "event_name"),
        ("event_name,email\n", "event_time"),
        ("event_name,event_time,emial\n", "'emial' is not known"),
        ("event_name,event_time,thing.x\n", "thing.x"),
        ("event_name,event_time,colour\n", "other fields are named custom_data.NAME or user_data.NAME"),
        ("event_name;event_time;value\n", "parted by semicolons: commas are wanted"),
        ("event_name\tevent_time\n", "parted by tabs"),
        ("event_name,event_time,em,em\n", "two of its columns are 'em'"),
        ("event_name,event_time,em,user_data.em\n", "two of its columns are 'user_data.em'"),
    ],
    ids=["empty", "no-time", "unknown", "unknown-part", "hint", "semicolons", "tabs", "twice", "twice-by-part"],
)
def test_a_first_row_that_will_not_do_is_refused_with_its_name(text: str, words: str) -> None:
    with pytest.raises(WrongFile, match=words):
        csv_of(text)


def test_every_match_key_is_a_column_and_stands_in_help() -> None:
    assert {*DIGEST_KEYS, *RARE_DIGEST_KEYS, *PLAIN_KEYS, "fbp", "fbc"} <= set(USER_COLUMNS)
    for column in (*USER_COLUMNS, *CUSTOM_COLUMNS):
        assert column in COLUMNS_HELP


def test_lines_of_json_come_with_their_numbers_and_ends_and_a_mark_of_order_is_no_text() -> None:
    raw = b'\xef\xbb\xbf{"a":1}\n\n  {"b":2}\r\n{"c":3}'
    rows = list(json_rows(io.BytesIO(raw), 0, 0))
    assert [(row.line, row.text) for row in rows] == [(1, b'{"a":1}'), (2, b""), (3, b'{"b":2}'), (4, b'{"c":3}')]
    assert rows[-1].end == len(raw)


def test_names_of_columns_may_have_spaces_around_them() -> None:
    (row,) = csv_of("event_name, event_time , email\nLead,1,a@b.example\n")
    assert event_of(row) == {"event_name": "Lead", "event_time": 1, "user_data": {"email": "a@b.example"}}


CSV_LINES = ["event_name,event_time,em", "Lead,1,a@b.example", 'Lead,2,"c@d.example"']


@pytest.mark.parametrize(
    ("read", "whole", "cut"),
    [
        (json_rows, '{"a":1}\n{"b":2}\n{"c":3}\n', 13),
        (csv_rows, "\n".join(CSV_LINES) + "\n", 2 + len("\n".join(CSV_LINES[:2]))),
        (csv_rows, "\n".join(CSV_LINES) + "\n", 10 + len("\n".join(CSV_LINES[:2]))),
    ],
    ids=["json", "csv-cells", "csv-quoted"],
)
def test_a_last_row_that_the_file_ends_inside_of_is_unfinished_and_read_when_it_is_whole(
    read: Any, whole: str, cut: int
) -> None:
    *before, unfinished = read(io.BytesIO(whole.encode()[:cut]), 0, 0)
    rows = list(read(io.BytesIO(whole.encode()), 0, 0))
    assert unfinished.unfinished and not unfinished.wrong and not any(row.unfinished for row in (*before, *rows))
    assert unfinished.line == rows[len(before)].line
    assert list(read(io.BytesIO(whole.encode()), before[-1].end, before[-1].line)) == rows[len(before) :]


@pytest.mark.parametrize(
    ("read", "text"),
    [(json_rows, '{"a":1}\n{"b":2}'), (csv_rows, "event_name,event_time\nLead,1")],
    ids=["json", "csv"],
)
def test_a_whole_last_row_without_a_newline_is_read_and_what_follows_later_has_its_own_number(
    read: Any, text: str
) -> None:
    *_, last = read(io.BytesIO(text.encode()), 0, 0)
    assert (last.line, last.end, bool(last.text)) == (2, len(text), True)
    more = '\n{"c":3}\n' if read is json_rows else "\nLead,3\n"
    (third,) = read(io.BytesIO((text + more).encode()), last.end, last.line)
    assert (third.line, third.wrong) == (3, "")
    (wrong,) = read(io.BytesIO((text + "5\n").encode()), last.end, last.line)
    assert (wrong.line, wrong.wrong) == (2, "the line goes on behind what was taken of it")


def test_a_line_of_a_million_bytes_is_the_longest() -> None:
    fits, over = json_rows(io.BytesIO(b"x" * 1_000_000 + b"\n" + b"x" * 1_000_001), 0, 0)
    assert len(fits.text) == 1_000_000 and not fits.wrong
    assert over.text == b"" and "longer" in over.wrong


_cells = st.lists(
    st.tuples(st.sampled_from(["Lead", "Purchase"]), st.integers(1, 9), st.text('a,"\n\r|é', max_size=6)), max_size=8
)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(_cells, st.data())
def test_reading_goes_on_from_any_row_as_if_it_had_not_stopped(
    cells: list[tuple[str, int, str]], data: st.DataObject
) -> None:
    import csv

    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerow(["event_name", "event_time", "content_name"])
    writer.writerows(cells)
    rows = csv_of(text.getvalue())
    assert [event_of(row).get("custom_data", {}).get("content_name", "") for row in rows] == [
        note.strip() for _, _, note in cells
    ]
    if rows:
        at = data.draw(st.integers(0, len(rows) - 1))
        assert csv_of(text.getvalue(), rows[at].end, rows[at].line) == rows[at + 1 :]
