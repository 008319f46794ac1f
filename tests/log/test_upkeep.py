from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from truecount.log import upkeep
from truecount.log.entries import Kind
from truecount.log.errors import LogDamaged
from truecount.log.reader import LogReader
from truecount.log.segment import Sealed, Segment, write_segment
from truecount.log.upkeep import UpkeepSettings

from .helpers import DAY_S, Clock, bodies_of, entries_of, forms_of, put, writer_of

DAY_US = DAY_S * 1_000_000


def three_files(folder: Path, clock: Clock | None = None) -> list[bytes]:
    """Two closed files of two entries each, and an open one."""
    bodies = [bytes([number]) * 400 for number in range(5)]
    with writer_of(folder, clock=clock) as writer:
        put(writer, *bodies[:2], private=b"address")
        writer.roll()
        put(writer, *bodies[2:4], private=b"address")
        writer.roll()
        put(writer, bodies[4], private=b"address")
    return bodies


@pytest.mark.parametrize(
    ("loaded", "forms"),
    [
        (0, ["000000000001.sqlite", "000000000003.sqlite", "000000000005.sqlite"]),
        (1, ["000000000001.sqlite", "000000000003.sqlite", "000000000005.sqlite"]),
        (2, ["000000000001.seg", "000000000003.sqlite", "000000000005.sqlite"]),
        (4, ["000000000001.seg", "000000000003.seg", "000000000005.sqlite"]),
        (5, ["000000000001.seg", "000000000003.seg", "000000000005.sqlite"]),
    ],
)
def test_closed_files_are_sealed_once_all_of_them_is_loaded(tmp_path: Path, loaded: int, forms: list[str]) -> None:
    bodies = three_files(tmp_path)
    before = entries_of(tmp_path)
    report = upkeep.run(tmp_path, {"door-1": loaded}, Clock().now_us)
    assert forms_of(tmp_path) == forms
    assert report.sealed == sum(form.endswith(".seg") for form in forms)
    assert report.problems == []
    assert bodies_of(tmp_path) == bodies
    assert entries_of(tmp_path) == before
    assert upkeep.verify(tmp_path) == []


def test_a_sealed_file_is_smaller_and_holds_no_address(tmp_path: Path) -> None:
    with writer_of(tmp_path) as writer, LogReader(tmp_path) as reader:
        for number in range(200):
            put(writer, b"the same page seen again by visitor %04d " % number * 20, private=b"198.51.100.7")
        writer.roll()
        assert reader.private("door-1", 7) == b"198.51.100.7"
        report = upkeep.run(tmp_path, {"door-1": 200}, writer.now_us())
        assert reader.private("door-1", 7) is None
    assert report.bytes_sealed * 3 < report.bytes_open
    assert all(b"198.51.100.7" not in path.read_bytes() for path in (tmp_path / "log/door-1").iterdir())


def test_a_door_goes_on_behind_its_sealed_files(tmp_path: Path) -> None:
    bodies = three_files(tmp_path)
    clock = Clock()
    clock.now_s += DAY_S
    upkeep.run(tmp_path, {"door-1": 5}, clock.now_us)
    assert forms_of(tmp_path)[-1] == "000000000006.sqlite"
    (tmp_path / "log/door-1/000000000006.sqlite").unlink()  # a restored folder may have sealed files alone
    with LogReader(tmp_path) as reader:
        assert reader.last_seq("door-1") == 5
        assert reader.high_water_us() == Clock().now_us
    with writer_of(tmp_path, clock=clock) as writer:
        assert put(writer, b"next") == 6
    assert bodies_of(tmp_path) == [*bodies, b"next"]


@pytest.mark.parametrize(("step_s", "closed"), [(DAY_S // 2 - 1, False), (DAY_S // 2, True)], ids=["today", "tomorrow"])
def test_the_last_file_of_a_door_without_a_writer_is_sealed_when_its_day_is_over(
    tmp_path: Path, step_s: int, closed: bool
) -> None:
    clock = Clock()
    with writer_of(tmp_path, clock=clock) as writer:
        put(writer, b"x")
    clock.now_s += step_s
    upkeep.run(tmp_path, {"door-1": 1}, clock.now_us)
    expected = ["000000000001.seg", "000000000002.sqlite"] if closed else ["000000000001.sqlite"]
    assert forms_of(tmp_path) == expected
    upkeep.run(tmp_path, {"door-1": 1}, clock.now_us + DAY_US)
    upkeep.run(tmp_path, {"door-1": 1}, clock.now_us + 9 * DAY_US)
    assert len(forms_of(tmp_path)) == 2
    with writer_of(tmp_path, clock=clock) as writer:
        assert put(writer, b"y") == 2
    assert bodies_of(tmp_path) == [b"x", b"y"]


def test_the_file_of_a_living_door_is_left_to_the_door(tmp_path: Path) -> None:
    with writer_of(tmp_path) as writer:
        put(writer, b"x")
        upkeep.run(tmp_path, {"door-1": 1}, Clock().now_us + 3 * DAY_US)
        assert forms_of(tmp_path) == ["000000000001.sqlite"]


def test_a_reader_that_holds_an_open_file_reads_on_when_it_is_sealed(tmp_path: Path) -> None:
    bodies = three_files(tmp_path)
    with LogReader(tmp_path) as reader:
        first = reader.read("door-1", 0, 1)
        upkeep.run(tmp_path, {"door-1": 4}, Clock().now_us)
        rest = reader.read("door-1", 1)
    assert [stored.body for stored in first + rest] == bodies


def test_entries_of_one_kind_are_found_in_both_forms(tmp_path: Path) -> None:
    with writer_of(tmp_path) as writer:
        put(writer, b"c1")
        put(writer, b"s1", kind=Kind.SETTINGS)
        writer.roll()
        put(writer, b"c2")
        writer.roll()
        put(writer, b"s2", kind=Kind.SETTINGS)
        upkeep.run(tmp_path, {"door-1": 3}, writer.now_us())
    with LogReader(tmp_path) as reader:
        found = list(reader.all("door-1", kinds=(Kind.SETTINGS,)))
    assert [(stored.seq, stored.body) for stored in found] == [(2, b"s1"), (4, b"s2")]


class Crash(BaseException):
    """The process ends here; nothing that would follow is done."""


def crash_at(monkeypatch: pytest.MonkeyPatch, step: int) -> Callable[[], bool]:
    """Let the step-th change of the file system, and every later one, not happen. Returns whether it came so far."""
    counted = 0

    def guard(name: str) -> None:
        real = getattr(os, name)

        def guarded(*arguments: Any, **options: Any) -> Any:
            nonlocal counted
            counted += 1
            if counted > step:
                raise Crash(name)
            return real(*arguments, **options)

        monkeypatch.setattr(os, name, guarded)

    for name in ("fsync", "rename", "unlink"):
        guard(name)
    return lambda: counted > step


@pytest.mark.parametrize("step", range(7))
def test_a_crash_at_any_step_of_sealing_leaves_one_readable_truth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    bodies = three_files(tmp_path)
    with monkeypatch.context() as patch:
        crashed = crash_at(patch, step)
        with pytest.raises(Crash):
            upkeep.run(tmp_path, {"door-1": 4}, Clock().now_us)
        assert crashed()
    assert bodies_of(tmp_path) == bodies
    assert upkeep.verify(tmp_path) == []
    with writer_of(tmp_path) as writer:
        assert put(writer, b"next") == 6
    report = upkeep.run(tmp_path, {"door-1": 4}, Clock().now_us)
    assert report.problems == []
    assert forms_of(tmp_path) == ["000000000001.seg", "000000000003.seg", "000000000005.sqlite"]
    left = {path.name for path in (tmp_path / "log/door-1").iterdir() if not path.name.startswith("000000000005")}
    assert left == {"lock", "000000000001.seg", "000000000003.seg"}
    assert bodies_of(tmp_path) == [*bodies, b"next"]


def test_sealing_that_the_disk_did_not_keep_leaves_the_open_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bodies = three_files(tmp_path)
    real = os.rename

    def lose_a_byte(source: Path, target: Path) -> None:
        real(source, target)
        with open(target, "r+b") as file:
            file.seek(20)
            file.write(b"\0")

    monkeypatch.setattr(os, "rename", lose_a_byte)
    report = upkeep.run(tmp_path, {"door-1": 4}, Clock().now_us)
    monkeypatch.undo()
    assert "checksum" in report.problems[0]
    assert bodies_of(tmp_path) == bodies


@pytest.mark.parametrize(("age_us", "kept"), [(7 * DAY_US, True), (7 * DAY_US + 1, False)], ids=["7_days", "older"])
def test_addresses_that_were_not_loaded_are_forgotten_after_days_all_the_same(
    tmp_path: Path, age_us: int, kept: bool
) -> None:
    with writer_of(tmp_path) as writer:
        put(writer, b"x", private=b"198.51.100.7")
    report = upkeep.run(tmp_path, {}, Clock().now_us + age_us, UpkeepSettings(private_days=7))
    assert report.purged == (0 if kept else 1)
    with LogReader(tmp_path) as reader:
        assert reader.private("door-1", 1) == (b"198.51.100.7" if kept else None)
    found = any(b"198.51.100.7" in path.read_bytes() for path in (tmp_path / "log/door-1").iterdir())
    assert found == kept
    assert bodies_of(tmp_path) == [b"x"]


def test_upkeep_stops_between_files_when_asked(tmp_path: Path) -> None:
    three_files(tmp_path)
    answers = iter([False, True])
    report = upkeep.run(tmp_path, {"door-1": 4}, Clock().now_us, stop=lambda: next(answers))
    assert report.sealed == 1


def test_a_damaged_file_is_reported_and_the_other_doors_are_kept_up(tmp_path: Path) -> None:
    three_files(tmp_path)
    with writer_of(tmp_path, "door-2") as writer:
        put(writer, b"x")
        writer.roll()
        put(writer, b"y")
    (tmp_path / "log/door-1/000000000003.sqlite").write_bytes(b"nonsense" * 1000)
    report = upkeep.run(tmp_path, {"door-1": 5, "door-2": 2}, Clock().now_us)
    assert report.sealed == 2
    assert len(report.problems) == 1 and "000000000003.sqlite" in report.problems[0]
    assert [damaged.path.name for damaged in upkeep.verify(tmp_path)] == ["000000000003.sqlite"]


@pytest.mark.parametrize("at", [3, 30, 300, -60, -20, -1], ids=str)
def test_a_changed_byte_of_a_sealed_file_is_found_and_the_file_named(tmp_path: Path, at: int) -> None:
    with writer_of(tmp_path) as writer:
        put(writer, os.urandom(1000))
        writer.roll()
        put(writer, b"y")
        upkeep.run(tmp_path, {"door-1": 2}, writer.now_us())
    path = tmp_path / "log/door-1/000000000001.seg"
    raw = bytearray(path.read_bytes())
    raw[at] ^= 0xFF
    path.write_bytes(raw)
    (damaged,) = upkeep.verify(tmp_path)
    assert damaged.path == path
    assert "backup" in str(damaged)


@pytest.mark.parametrize("left", [0, 5, 60, 500], ids=str)
def test_a_sealed_file_cut_short_is_refused_at_once(tmp_path: Path, left: int) -> None:
    with writer_of(tmp_path) as writer:
        put(writer, os.urandom(1000))
        writer.roll()
        put(writer, b"y")
        upkeep.run(tmp_path, {"door-1": 2}, writer.now_us())
    path = tmp_path / "log/door-1/000000000001.seg"
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises(LogDamaged, match=r"000000000001\.seg"):
        bodies_of(tmp_path)


def test_a_missing_file_is_found_by_verify(tmp_path: Path) -> None:
    three_files(tmp_path)
    upkeep.run(tmp_path, {"door-1": 5}, Clock().now_us)
    (tmp_path / "log/door-1/000000000003.seg").unlink()
    (damaged,) = upkeep.verify(tmp_path)
    assert "entries 3 to 4 before it are missing" in str(damaged)


SEALED = st.lists(st.tuples(st.sampled_from(Kind), st.integers(0, 2**50), st.binary(max_size=200)), min_size=1)


@given(items=SEALED, frame_bytes=st.integers(1, 500), level=st.integers(1, 19))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_rows_come_back_from_a_sealed_file_whatever_its_frames(
    tmp_path_factory: pytest.TempPathFactory, items: list, frame_bytes: int, level: int
) -> None:
    rows = [
        Sealed(seq, kind, 1, at_us, at_us + 1, at_us + 2, 1, 1, body)
        for seq, (kind, at_us, body) in enumerate(items, 41)
    ]
    path = tmp_path_factory.mktemp("sealed") / "000000000041.seg"
    write_segment(path, iter(rows), level=level, frame_bytes=frame_bytes)
    segment = Segment(path)
    segment.verify()
    assert [row for frame in segment.index.frames for row in segment.rows(frame)] == rows
    assert (segment.index.first_seq, segment.index.last_seq) == (41, 40 + len(rows))
    assert segment.index.high_us == max(row.written_us for row in rows)
    segment.close()
