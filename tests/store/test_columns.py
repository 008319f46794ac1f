"""Packed parts -> Arrow, against the plain reading of single copies."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from truecount.copies import DEFAULTS, FIELDS, Copy, pack, pack_copies, unpack
from truecount.log.entries import Entry, Kind, Stored, Tally, join_parts, tallies_entry
from truecount.store.columns import Part, slice_part, stream_of, table_of
from truecount.store.sift import halves, rows_of, sift
from truecount.vocabulary import DIGEST_KEYS, Mark

from .helpers import START_US, a_copy, digest, entry_of

TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
DIGESTS = st.lists(st.sampled_from([digest(str(n)) for n in range(4)]), max_size=3).map(b"".join)
COPIES = st.builds(
    Copy,
    dataset=st.sampled_from(["1", "2"]),
    event_name=TEXT,
    event_id=TEXT,
    received_us=st.integers(-(2**63), 2**63 - 1),
    value_e4=st.none() | st.integers(-(2**63), 2**63 - 1),
    em=DIGESTS,
    external_id=DIGESTS,
    other_keys=st.none() | st.dictionaries(TEXT, TEXT, max_size=2),
    marks=st.integers(0, 2**32 - 1),
    weak=st.integers(-(2**63), 2**63 - 1),
    removed=st.none() | st.lists(TEXT, max_size=2).map(tuple),
)


def stored(entry: Entry, door: str = "d", seq: int = 1) -> Stored:
    return Stored(door, seq, entry.kind, entry.n, START_US, START_US, 1, 1, entry.body, START_US + seq)


def plain(copy: Copy, door: str, seq: int, pos: int) -> dict[str, Any]:
    """A copy as a row, made without columns."""
    row: dict[str, Any] = {}
    for name in FIELDS:
        value = getattr(copy, name)
        if name in DIGEST_KEYS:
            value = [value[at : at + 32] for at in range(0, len(value), 32)]
        elif name == "other_keys":
            value = list((value or {}).items())
        elif name in {"removed", "notes"}:
            value = list(value or ())
        row[name] = value
    imported_us = START_US + seq if copy.marks & Mark.IMPORTED else 0
    return {**row, "door": door, "seq": seq, "pos": pos, "imported_us": imported_us}


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.lists(st.lists(COPIES, min_size=1, max_size=4), min_size=1, max_size=3), min_size=1, max_size=3))
def test_the_table_of_any_entries_is_that_of_their_single_copies(entries: list[list[list[Copy]]]) -> None:
    log = [
        stored(Entry(Kind.COPIES, sum(map(len, parts)), join_parts([pack_copies(part) for part in parts])), "d", seq)
        for seq, parts in enumerate(entries, 1)
    ]
    rows = rows_of(log)
    table = table_of(rows.parts)
    defaults = plain(Copy(), "", 0, 0)
    found = [{**defaults, **row} for row in table.to_pylist()]
    wanted = [
        plain(copy, "d", seq, pos)
        for seq, parts in enumerate(entries, 1)
        for pos, copy in enumerate(copy for part in parts for copy in part)
    ]
    assert found == wanted
    assert not rows.aside


def test_a_field_that_nobody_sent_has_no_column() -> None:
    table = table_of(rows_of([stored(entry_of([a_copy(1), a_copy(2)]))]).parts)
    assert "em" not in table.column_names and "custom_data" not in table.column_names


def test_a_stream_is_one_block_whatever_the_number_of_parts() -> None:
    import pyarrow as pa

    rows = rows_of([stored(entry_of([a_copy(n) for n in range(9)], parts=4), seq=seq) for seq in (1, 2)])
    with pa.ipc.open_stream(stream_of(table_of(rows.parts))) as reader:
        assert [batch.num_rows for batch in reader] == [18]


POISON: dict[str, dict[str, Any]] = {
    "a digest of 31 bytes": {"em": b"x" * 31},
    "a number where text belongs": {"event_id": 5},
    "text where a number belongs": {"received_us": "soon"},
    "a number beyond 64 bits": {"weak": 2**63},
    "a negative mark": {"marks": -1},
    "nil where text belongs": {"url": None},
    "a list where a map belongs": {"other_keys": ["a"]},
    "a map with a number in it": {"other_keys": {"lead_id": 5}},
    "text where a list belongs": {"removed": 7},
    "text where a digest belongs": {"ph": "0123"},
    "a value with a fraction": {"value_e4": 1.5},
}


@pytest.mark.parametrize("wrong", POISON.values(), ids=POISON.keys())
@pytest.mark.parametrize("at", [0, 7, 19])
def test_a_copy_that_cannot_be_read_is_set_aside_alone(wrong: dict[str, Any], at: int) -> None:
    copies = [a_copy(n) for n in range(20)]
    columns = {name: [getattr(copy, name) for copy in copies] for name in FIELDS}
    for name, value in wrong.items():
        columns[name][at] = value
    body = join_parts([pack(20, columns)])
    rows = rows_of([stored(Entry(Kind.COPIES, 20, body))])
    assert [(row.seq, row.pos, row.n, row.event_name) for row in rows.aside] == [(1, at, 1, copies[at].event_name)]
    assert table_of(rows.parts)["pos"].to_pylist() == [pos for pos in range(20) if pos != at]


def test_the_detail_of_a_copy_set_aside_names_the_field_and_not_the_value() -> None:
    columns = {name: [default] for name, default in zip(FIELDS, DEFAULTS, strict=True)}
    columns["received_us"] = ["ada@example.com"]
    rows = rows_of([stored(Entry(Kind.COPIES, 1, join_parts([pack(1, columns)])))])
    assert "received_us" in rows.aside[0].detail
    assert "ada" not in rows.aside[0].detail


def test_an_entry_that_is_no_message_is_set_aside_whole_and_the_next_is_kept() -> None:
    rows = rows_of([stored(Entry(Kind.COPIES, 3, b"\xc1\xff"), seq=1), stored(entry_of([a_copy()]), seq=2)])
    assert [(row.seq, row.n) for row in rows.aside] == [(1, 3)]
    assert [part.seq for part in rows.parts] == [2]


def test_a_part_that_cannot_be_read_costs_its_own_copies_alone() -> None:
    first, last = pack_copies([a_copy(1), a_copy(2)]), pack_copies([a_copy(3)])
    rows = rows_of([stored(Entry(Kind.COPIES, 5, join_parts([first, b"\x07", last])))])
    assert [(row.pos, row.n) for row in rows.aside] == [(2, 2)]
    assert table_of(rows.parts)["pos"].to_pylist() == [0, 1, 4]


@pytest.mark.parametrize("said", [0, 1, 3, 9])
def test_an_entry_whose_number_is_not_that_of_its_copies_is_set_aside(said: int) -> None:
    rows = rows_of([stored(Entry(Kind.COPIES, said, entry_of([a_copy(1), a_copy(2)]).body))])
    assert not rows.parts
    assert [row.n for row in rows.aside] == [said]


def test_tallies_of_an_entry_that_cannot_be_used_are_set_aside_together() -> None:
    good = Tally("1", "browser", "refused", "no_event_name", 2, START_US)
    bad = Tally("1", "browser", "refused", "no_event_name", -2, START_US)
    entry = tallies_entry([good, bad])
    rows = rows_of([stored(Entry(entry.kind, 2, entry.body)), stored(tallies_entry([good]), seq=2)])
    assert [row["seq"] for row in rows.tallies] == [2]
    assert [row.seq for row in rows.aside] == [1]


def test_a_kind_of_a_later_version_is_set_aside_and_an_erasure_is_passed_over() -> None:
    rows = rows_of([stored(Entry(9, 1, b"")), stored(Entry(Kind.ERASURE, 1, b""), seq=2)])
    assert [row.seq for row in rows.aside] == [1]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=6), st.sets(st.integers(0, 29)))
def test_sifting_keeps_all_but_the_bad_ones_in_order(sizes: list[int], bad: set[int]) -> None:
    parts, at = [], 0
    for size in sizes:
        parts.append(Part("d", 1, at, size, {"weak": list(range(at, at + size))}))
        at += size

    def use(tried: list[Part]) -> None:
        if any(number in bad for part in tried for number in part.columns["weak"]):
            raise ValueError("bad")

    aside: list[Any] = []
    kept = sift(parts, use, aside)
    assert [number for part in kept for number in part.columns["weak"]] == [n for n in range(at) if n not in bad]
    assert [row.pos for row in aside] == [n for n in range(at) if n in bad]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=6).filter(lambda sizes: sum(sizes) >= 2))
def test_halves_are_both_smaller_and_lose_nothing(sizes: list[int]) -> None:
    starts = [sum(sizes[:at]) for at in range(len(sizes))]
    places = [range(start, start + n) for start, n in zip(starts, sizes, strict=True)]
    parts = [Part("d", 1, place.start, len(place), {"weak": list(place)}) for place in places]
    first, second = halves(parts)
    flat = [number for part in first + second for number in part.columns["weak"]]
    assert flat == list(range(sum(sizes)))
    assert 0 < sum(part.n for part in first) < sum(sizes)


def test_a_slice_of_a_part_keeps_constant_columns_constant() -> None:
    n, columns = unpack(pack_copies([a_copy(1), a_copy(2), a_copy(3)]))
    part = slice_part(Part("d", 1, 10, n, columns), 1, 3)
    assert (part.pos, part.n) == (11, 2)
    assert part.columns["dataset"] == ["1001"] or tuple(part.columns["dataset"]) == ("1001",)
