"""What deleted datasets had received is blanked in the log: gone from the bytes, and nothing else is."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from truecount.copies import Copy, copies_of, pack_copies, unpack
from truecount.datasets import Dataset
from truecount.log import upkeep
from truecount.log.blanking import NOTE, Blanked, blank_deleted
from truecount.log.deleted import KEPT, Deleted
from truecount.log.entries import (
    Entry,
    Kind,
    Tally,
    copies_entry,
    join_parts,
    settings_entry,
    split_parts,
    tallies_entry,
)
from truecount.log.errors import LogError
from truecount.log.files import files_of
from truecount.log.reader import LogReader
from truecount.log.segment import Segment, identity
from truecount.log.tables import unpack_body
from truecount.log.writer import LogWriter
from truecount.vocabulary import Mark

from .helpers import DAY_S, Clock, entries_of, forms_of, put, writer_of
from .test_upkeep import Crash, crash_at

NOW_US = Clock().now_us
GONE, STAYS = "1001", "2002"


def a_copy(number: int, dataset: str = GONE, **fields: object) -> Copy:
    """A copy with something of a person in every kind of field."""
    told = f"person-{number}-of-{dataset}"
    values: dict[str, object] = {
        "dataset": dataset,
        "source": "server" if number % 2 else "browser",
        "received_us": NOW_US,
        "event_time_ms": NOW_US // 1000,
        "event_name": f"Lead-{told}",
        "event_id": f"id-{told}",
        "url": f"https://shop.example/{told}",
        "value_e4": number * 10_000,
        "currency": "INR",
        "fbp": f"fb.1.1.{told}",
        "em": digest(told),
        "external_id": digest(told + "x") * 2,
        "other_keys": {"lead_id": f"lead-{told}"},
        "custom_data": f'{{"note":"{told}"}}',
        "address": f"198.51.{number}.{dataset}",
        "weak": number + 1,
        "marks": int(Mark.LDU),
        "notes": (f"note-{told}",),
    }
    return Copy(**{**values, **fields})  # type: ignore[arg-type]


def digest(text: str) -> bytes:
    return sha256(text.encode()).digest()


def traces(number: int, dataset: str = GONE) -> list[bytes]:
    told = f"person-{number}-of-{dataset}"
    return [told.encode(), digest(told), digest(told + "x"), f"198.51.{number}.{dataset}".encode()]


def append(writer: LogWriter, *parts: Sequence[Copy], private: bytes | None = None) -> int:
    now_us = writer.now_us()
    entry = copies_entry(sum(map(len, parts)), [pack_copies(part) for part in parts])
    return writer.append([entry], private, first_us=now_us, last_us=now_us)


def record(folder: Path, *datasets: Dataset, us: int = NOW_US) -> None:
    """Settings records, as the registry writes them."""
    clock = Clock(us / 1_000_000)
    with writer_of(folder, "settings", clock) as writer:
        for dataset in datasets:
            put(writer, settings_entry(dataset).body, kind=Kind.SETTINGS)


def made(id: str = GONE, us: int = 1, **fields: bool) -> Dataset:
    return Dataset(id=id, name="Shop", created_us=us, **fields)  # type: ignore[arg-type]


def delete(folder: Path, id: str = GONE, us: int = NOW_US) -> None:
    record(folder, made(id, deleted=True), us=us)


def run(folder: Path, deleted: Deleted | None = None, times: int = 2) -> Blanked:
    """Upkeep as the engine runs it, all of the log loaded; what the last run did."""
    deleted = deleted or Deleted()
    done = Blanked()
    for _ in range(times):
        with LogReader(folder) as reader:
            loaded = {door: reader.last_seq(door) for door in reader.doors()}
        assert upkeep.run(folder, loaded, NOW_US).problems == []
        found = blank_deleted(folder, deleted)
        assert found.problems == []
        done = Blanked(done.files + found.files, done.copies + found.copies)
    return done


def copies_in(folder: Path, door: str = "door-1") -> dict[tuple[int, int], Copy]:
    """Place -> copy."""
    found: dict[tuple[int, int], Copy] = {}
    for stored in entries_of(folder, door):
        if stored.kind == Kind.COPIES:
            all_ = [copy for part in split_parts(stored.body) for copy in copies_of(part)]
            found |= {(stored.seq, pos): copy for pos, copy in enumerate(all_)}
    return found


def bytes_of(folder: Path) -> bytes:
    """All bytes under a folder, and what is packed in the files of the log, side tables included."""
    raw = [path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()]
    for path in folder.rglob("*.sqlite"):
        database = sqlite3.connect(path)
        for table in ("log", "private"):
            raw += [
                unpack_body(packing, body) for packing, body in database.execute(f"select packing, body from {table}")
            ]
        database.close()
    for path in folder.rglob("*.seg"):
        segment = Segment(path)
        raw += [row.body for row in segment.all_rows()]
        segment.close()
    return b"\n".join(raw)


def fill(folder: Path) -> None:
    """A sealed file, a closed one and the newest one, each with an entry that two datasets share and one of each."""
    with writer_of(folder) as writer:
        for number in (10, 20, 30):
            here, there = a_copy(number), a_copy(number, STAYS)
            append(writer, [here, there, a_copy(number + 1)], [a_copy(number + 2)], private=b"203.0.113.7 Firefox")
            append(writer, [a_copy(number + 3, STAYS)], private=b"203.0.113.8 Chrome")
            append(writer, [a_copy(number + 4)])
            tally = tallies_entry([Tally(GONE, "browser", "refused", "no_event_name", 2, NOW_US)])
            writer.append([tally], first_us=NOW_US, last_us=NOW_US)
            if number < 30:
                writer.roll()
        upkeep.run(folder, {"door-1": 4}, NOW_US)
    assert [name.rsplit(".", 1)[1] for name in forms_of(folder)] == ["seg", "sqlite", "sqlite"]


LEAVES = [at + number for at in (10, 20, 30) for number in (0, 1, 2, 4)]


def test_no_byte_of_what_a_deleted_dataset_had_received_stays_in_the_log(tmp_path: Path) -> None:
    fill(tmp_path)
    before = bytes_of(tmp_path)
    assert all(trace in before for number in LEAVES for trace in traces(number))
    delete(tmp_path)
    assert run(tmp_path).copies == len(LEAVES)
    after = bytes_of(tmp_path)
    assert [trace for number in LEAVES for trace in traces(number) if trace in after] == []
    assert b"203.0.113.7" not in after
    assert upkeep.verify(tmp_path) == []


def test_a_blanked_copy_keeps_its_place_and_dataset_source_receipt_and_marks_alone(tmp_path: Path) -> None:
    fill(tmp_path)
    before, entries = copies_in(tmp_path), entries_of(tmp_path)
    delete(tmp_path)
    run(tmp_path)
    after = copies_in(tmp_path)
    assert KEPT == ("dataset", "source", "received_us", "marks")
    for place, copy in before.items():
        blank = Copy(copy.dataset, copy.source, copy.received_us, marks=copy.marks)
        assert after[place] == (blank if copy.dataset == GONE else copy)
    facts = [
        (stored.seq, stored.kind, stored.n, stored.first_us, stored.last_us, stored.written_us) for stored in entries
    ]
    assert [(s.seq, s.kind, s.n, s.first_us, s.last_us, s.written_us) for s in entries_of(tmp_path)] == facts


def test_entries_without_a_copy_of_it_stay_byte_for_byte_and_files_without_one_are_not_touched(tmp_path: Path) -> None:
    fill(tmp_path)
    with writer_of(tmp_path, "door-2") as writer:
        append(writer, [a_copy(1, STAYS)])
        writer.roll()
        put(writer, b"of no dataset")
    run(tmp_path)
    before, file = entries_of(tmp_path), files_of(tmp_path / "log/door-2")[0].path
    untouched = identity(file)
    delete(tmp_path)
    run(tmp_path)
    after = entries_of(tmp_path)
    assert [after[at] for at in (1, 3, 5, 7, 9, 11)] == [before[at] for at in (1, 3, 5, 7, 9, 11)]
    assert identity(file) == untouched


def test_what_came_after_a_dataset_was_made_again_stays(tmp_path: Path) -> None:
    clock = Clock()
    again_us = NOW_US + 10_000_000
    imported = {"marks": int(Mark.IMPORTED), "received_us": 1_600_000_000_000_000}
    with writer_of(tmp_path, clock=clock) as writer, writer_of(tmp_path, "import", clock) as importer:
        append(writer, [a_copy(1)], [a_copy(2, received_us=again_us - 1)])
        append(importer, [a_copy(3, **imported)])
        clock.now_s += 10
        append(writer, [a_copy(4, received_us=again_us - 1), a_copy(5, received_us=again_us)])
        append(importer, [a_copy(6, **imported), a_copy(7, received_us=again_us + 1)])
    before = {door: copies_in(tmp_path, door) for door in ("door-1", "import")}
    delete(tmp_path)
    record(tmp_path, made(us=again_us), us=again_us)
    assert run(tmp_path).copies == 4
    for door, blank in (("door-1", {(1, 0), (1, 1), (2, 0)}), ("import", {(1, 0)})):
        for place, copy in copies_in(tmp_path, door).items():
            assert copy == before[door][place] if place not in blank else copy.event_name == ""


def test_hits_of_a_deleted_dataset_that_a_door_took_before_it_knew_go_when_their_file_is_sealed(tmp_path: Path) -> None:
    clock, deleted = Clock(), Deleted()
    with writer_of(tmp_path, clock=clock) as writer:
        append(writer, [a_copy(1)])
        delete(tmp_path)
        run(tmp_path, deleted)
        writer.roll_if_due()
        append(writer, [a_copy(2), a_copy(3, STAYS)])
        assert run(tmp_path, deleted).copies == 1
        assert not (tmp_path / "log/door-1/roll").exists()  # a door is asked once: its file ends with the day
        clock.now_s += DAY_S
        writer.roll_if_due()
    assert run(tmp_path, deleted).copies == 1
    assert [copy.event_name[:4] for copy in copies_in(tmp_path).values()] == ["", "", "Lead"]


def test_a_living_door_is_asked_to_close_a_file_that_holds_some_and_no_other(tmp_path: Path) -> None:
    with writer_of(tmp_path) as writer, writer_of(tmp_path, "door-2") as other:
        append(writer, [a_copy(1), a_copy(2, STAYS)])
        append(other, [a_copy(3, STAYS)])
        delete(tmp_path)
        assert run(tmp_path).copies == 0
        assert (tmp_path / "log/door-1/roll").exists() and not (tmp_path / "log/door-2/roll").exists()
        writer.roll_if_due()
        assert run(tmp_path).copies == 1
        assert append(writer, [a_copy(4, STAYS)]) == 2
    assert [trace for trace in traces(1) if trace in bytes_of(tmp_path)] == []
    assert [copy for copy in copies_in(tmp_path).values() if copy.dataset == STAYS] == [
        a_copy(2, STAYS),
        a_copy(4, STAYS),
    ]


@pytest.mark.parametrize("step", range(26))
def test_a_crash_at_any_step_leaves_each_copy_old_or_blank_and_the_next_run_takes_it_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    fill(tmp_path)
    before = copies_in(tmp_path)
    delete(tmp_path)
    with monkeypatch.context() as patch:
        crash_at(patch, step)
        with pytest.raises(Crash):
            run(tmp_path)
    assert upkeep.verify(tmp_path) == []
    for place, copy in copies_in(tmp_path).items():
        assert copy == before[place] or (copy.dataset == GONE and not copy.event_name)
    run(tmp_path)
    after = bytes_of(tmp_path)
    assert [number for number in LEAVES if traces(number)[1] in after] == []
    assert [copy for copy in copies_in(tmp_path).values() if copy.dataset == STAYS] == [
        copy for copy in before.values() if copy.dataset == STAYS
    ]
    assert not list((tmp_path / "log/door-1").glob("*.partial"))


def test_files_that_were_looked_through_are_not_read_again_also_by_another_process(tmp_path: Path) -> None:
    fill(tmp_path)
    delete(tmp_path)
    deleted = Deleted()
    assert run(tmp_path, deleted).files == 3
    assert run(tmp_path, deleted) == Blanked()
    assert run(tmp_path) == Blanked()
    delete(tmp_path, STAYS)
    assert run(tmp_path, deleted).files == 3


@pytest.mark.parametrize("note", [None, b"", b"{}", b'{"begins":{"1001":1}}', b'{"files":[]}'], ids=str)
def test_without_its_note_all_files_are_looked_through_and_nothing_changes(tmp_path: Path, note: bytes | None) -> None:
    fill(tmp_path)
    delete(tmp_path)
    run(tmp_path)
    before = [identity(file.path) for file in files_of(tmp_path / "log/door-1")]
    path = tmp_path / "log" / NOTE
    path.unlink() if note is None else path.write_bytes(note)
    done = run(tmp_path)
    assert (done.files, done.copies) == (3, 0)
    assert [identity(file.path) for file in files_of(tmp_path / "log/door-1")] == before


def test_a_file_that_was_put_back_from_a_backup_is_blanked_again(tmp_path: Path) -> None:
    fill(tmp_path)
    path = tmp_path / "log/door-1/000000000001.seg"
    shutil.copy(path, tmp_path / "kept")
    delete(tmp_path)
    run(tmp_path)
    shutil.copy(tmp_path / "kept", path)
    (tmp_path / "kept").unlink()
    assert run(tmp_path).copies == 4
    assert [number for number in LEAVES if traces(number)[1] in bytes_of(tmp_path)] == []


def test_nothing_is_blanked_while_a_settings_record_cannot_be_read(tmp_path: Path) -> None:
    """It may be one of a later version that says: made again."""
    fill(tmp_path)
    before = copies_in(tmp_path)
    delete(tmp_path)
    with writer_of(tmp_path, "settings") as writer:
        put(writer, b"of a later version", kind=Kind.SETTINGS)
    with pytest.raises(LogError, match="nothing is blanked"):
        run(tmp_path)
    assert copies_in(tmp_path) == before


def test_a_damaged_file_is_told_and_the_others_are_blanked(tmp_path: Path) -> None:
    fill(tmp_path)
    delete(tmp_path)
    path = tmp_path / "log/door-1/000000000001.seg"
    damaged = bytearray(path.read_bytes())
    damaged[30] ^= 0xFF
    path.write_bytes(damaged)
    deleted = Deleted()
    for _ in range(2):
        upkeep.run(tmp_path, {"door-1": 12}, NOW_US)
        done = blank_deleted(tmp_path, deleted)
    assert len(done.problems) == 1 and path.name in done.problems[0]
    assert path.read_bytes() == damaged
    assert {stored.n for stored in entries_of_file(tmp_path, 5)} == {4, 1, 2}
    assert not any(copy.event_name for copy in copies_of_file(tmp_path, 5) if copy.dataset == GONE)


def entries_of_file(folder: Path, first: int) -> list[Entry]:
    segment = Segment(folder / f"log/door-1/{first:012d}.seg")
    try:
        return [Entry(row.kind, row.n, row.body) for row in segment.all_rows()]
    finally:
        segment.close()


def copies_of_file(folder: Path, first: int) -> list[Copy]:
    bodies = [entry.body for entry in entries_of_file(folder, first) if entry.kind == Kind.COPIES]
    return [copy for body in bodies for part in split_parts(body) for copy in copies_of(part)]


def test_of_an_entry_with_a_part_that_cannot_be_read_the_others_are_blanked() -> None:
    deleted = Deleted()
    deleted.begins[GONE] = NOW_US + 1
    wrong = msgspec.msgpack.encode([1, [["x"]] * 99])
    body, n = deleted.blank(join_parts([pack_copies([a_copy(1)]), wrong, pack_copies([a_copy(2)])]), NOW_US)
    parts = split_parts(body)
    assert (n, bytes(parts[1])) == (2, wrong)
    assert [copies_of(part)[0].event_id for part in (parts[0], parts[2])] == ["", ""]


DATASETS = st.sampled_from(["", "a", "b", "c"])
COPIES = st.builds(
    Copy,
    dataset=DATASETS,
    received_us=st.integers(0, 9),
    event_time_ms=st.integers(0, 2),
    event_name=st.sampled_from(["", "Lead"]),
    event_id=st.sampled_from(["", "x"]),
    marks=st.sampled_from([0, int(Mark.BOT), int(Mark.IMPORTED), int(Mark.IMPORTED | Mark.TEST)]),
    em=st.sampled_from([b"", digest("x")]),
    removed=st.sampled_from([None, ("url:email",)]),
)


@given(
    parts=st.lists(st.lists(COPIES, min_size=1, max_size=6), max_size=4),
    written_us=st.integers(0, 9),
    begins=st.dictionaries(DATASETS, st.integers(0, 10) | st.just(2**63 - 1)),
)
@settings(max_examples=300, deadline=None, derandomize=True)
def test_blanking_changes_what_does_not_count_alone_and_never_what_counts(
    parts: list[list[Copy]], written_us: int, begins: dict[str, int]
) -> None:
    deleted = Deleted()
    deleted.begins.update(begins)

    def counted(body: bytes) -> list[list[bool]]:
        return [[not it for it in deleted.covers(*unpack(part), written_us)] for part in split_parts(body)]

    body = join_parts([pack_copies(part) for part in parts])
    after, n = deleted.blank(body, written_us)
    assert counted(after) == counted(body)
    assert deleted.blank(after, written_us) == (after, 0)
    changed = 0
    for part, packed, counts in zip(parts, split_parts(after), counted(body), strict=True):
        for old, new, stays in zip(part, copies_of(packed), counts, strict=True):
            blank = Copy(old.dataset, old.source, old.received_us, marks=old.marks)
            assert new == old or (new == blank and not stays)
            assert stays or not (new.event_name or new.event_time_ms)
            changed += not stays and bool(old.event_name or old.event_time_ms)
    assert n == changed
