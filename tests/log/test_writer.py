from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from truecount import copies
from truecount.datasets import Dataset
from truecount.log import entries
from truecount.log.entries import Entry, Erasure, Kind, Tally
from truecount.log.errors import LogBusy, LogDamaged, LogFull
from truecount.log.reader import LogReader
from truecount.log.tables import pack_body, unpack_body
from truecount.log.writer import LogWriter

from .helpers import DAY_S, Clock, bodies_of, entries_of, forms_of, put, total_order, writer_of

BODIES = st.one_of(
    st.binary(max_size=300),
    st.tuples(st.binary(min_size=1, max_size=9), st.integers(1, 400)).map(lambda t: t[0] * t[1]),
)
BATCHES = st.lists(
    st.tuples(st.sampled_from(["a", "b"]), st.lists(st.tuples(st.sampled_from(Kind), BODIES), min_size=1, max_size=4)),
    max_size=12,
)


@given(batches=BATCHES, limit=st.integers(1, 2000), steps=st.lists(st.integers(-5, DAY_S), min_size=12, max_size=12))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_any_entries_in_any_batches_of_any_doors_come_back_as_they_went_in(
    tmp_path_factory: pytest.TempPathFactory, batches: list, limit: int, steps: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("law")
    clock = Clock()
    doors = {door: writer_of(folder, door, clock, roll_bytes=700) for door in ("a", "b")}
    expected: dict[str, list[tuple[int, int, bytes]]] = {"a": [], "b": []}
    for (door, items), step in zip(batches, steps, strict=False):
        clock.now_s += step
        now_us = doors[door].now_us()
        doors[door].append([Entry(kind, 2, body) for kind, body in items], first_us=now_us, last_us=now_us)
        expected[door].extend((now_us, kind, body) for kind, body in items)
    found = {}
    with LogReader(folder) as reader:
        for door in ("a", "b"):
            found[door] = []
            while batch := reader.read(door, len(found[door]), limit):
                assert sum(len(stored.body) for stored in batch[:-1]) < limit
                found[door].extend(batch)
            assert reader.last_seq(door) == len(expected[door])
    for door in ("a", "b"):
        assert [(stored.first_us, stored.kind, stored.body) for stored in found[door]] == expected[door]
        assert [stored.seq for stored in found[door]] == list(range(1, len(expected[door]) + 1))
        # The order of a door's entries is the order of their receipt, whatever its clock did.
        assert total_order(found[door]) == [(stored.first_us, door, stored.seq) for stored in found[door]]
        doors[door].close()


def test_every_body_reads_as_what_was_written() -> None:
    parts = [copies.pack(2, {"event_name": ["Lead", "Purchase"]}), copies.pack(1, {"event_name": ["Contact"]})]
    assert entries.split_parts(entries.copies_entry(3, parts).body) == parts
    assert entries.split_parts(entries.join_parts([])) == []
    tallies = [Tally("1", "server", "refused", "bad_token", 3, 17), Tally("1", "", "withheld", "consent_denied", 1, 18)]
    assert entries.tallies_entry(tallies).n == 4
    assert entries.tallies_of(entries.tallies_entry(tallies).body) == tallies
    dataset = Dataset(id="1", name="Shop", created_us=5)
    assert entries.dataset_of(entries.settings_entry(dataset).body) == dataset
    erasure = Erasure(9, (("door-1", 3, (0, 2)), ("door-2", 8, (1,))))
    assert entries.erasure_entry(erasure).n == 3
    assert entries.erasure_of(entries.erasure_entry(erasure).body) == erasure


def test_parts_that_were_not_joined_are_no_body_of_copies() -> None:
    part = copies.pack(2, {"event_name": ["Lead", "Purchase"]})
    with pytest.raises(ValueError, match="not a body of copies"):
        entries.split_parts(part + part)


def test_an_entry_carries_the_versions_of_form_and_rules(tmp_path: Path) -> None:
    with writer_of(tmp_path) as writer:
        put(writer, b"x")
    (stored,) = entries_of(tmp_path)
    assert (stored.format, stored.rules) == (copies.FORMAT, copies.RULES)


def test_what_was_appended_is_seen_by_an_open_reader_at_once(tmp_path: Path) -> None:
    with writer_of(tmp_path) as writer, LogReader(tmp_path) as reader:
        assert reader.read("door-1") == []
        assert put(writer, b"one") == 1
        assert [stored.body for stored in reader.read("door-1")] == [b"one"]
        assert put(writer, b"two", b"three") == 2
        assert [stored.body for stored in reader.read("door-1", 1)] == [b"two", b"three"]


def test_sequence_numbers_go_on_after_a_restart(tmp_path: Path) -> None:
    for expected in (1, 2, 3):
        with writer_of(tmp_path) as writer:
            assert put(writer, b"x") == expected


def test_a_second_writer_of_a_door_is_refused_until_the_first_is_gone(tmp_path: Path) -> None:
    with writer_of(tmp_path), pytest.raises(LogBusy, match="door-1"):
        writer_of(tmp_path)
    writer_of(tmp_path).close()


@pytest.mark.parametrize("name", ["", "A", "../x", "a/b", "-a", "x" * 41])
def test_a_door_has_a_name_that_is_safe_in_a_path(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="no name for a door"):
        writer_of(tmp_path, name)


def test_a_clock_that_jumps_back_does_not_turn_received_time_back(tmp_path: Path) -> None:
    clock = Clock()
    with writer_of(tmp_path, clock=clock) as writer:
        before = writer.now_us()
        clock.now_s -= 3600
        assert writer.now_us() == before
        clock.now_s += 3601
        assert writer.now_us() == before + 1_000_000


def test_a_door_that_starts_stamps_no_earlier_than_what_any_door_wrote(tmp_path: Path) -> None:
    clock = Clock()
    with writer_of(tmp_path, "ahead", clock) as ahead:
        put(ahead, b"x")
    with writer_of(tmp_path, "behind", Clock(clock.now_s - 3600)) as behind:
        assert behind.now_us() == clock.now_us


def test_imported_entries_keep_their_times_and_do_not_move_the_high_water_mark(tmp_path: Path) -> None:
    clock = Clock()
    with writer_of(tmp_path, "import", clock) as writer:
        far_us = clock.now_us + 400 * DAY_S * 1_000_000
        writer.append([Entry(Kind.COPIES, 1, b"x")], first_us=5, last_us=far_us)
    (stored,) = entries_of(tmp_path, "import")
    assert (stored.first_us, stored.last_us) == (5, far_us)
    with LogReader(tmp_path) as reader:
        assert reader.high_water_us() == clock.now_us


@pytest.mark.parametrize(("step_s", "files"), [(DAY_S // 2 - 1, 1), (DAY_S // 2, 2)], ids=["before", "at_midnight"])
def test_a_new_day_begins_a_new_file(tmp_path: Path, step_s: int, files: int) -> None:
    clock = Clock()
    with writer_of(tmp_path, clock=clock) as writer:
        put(writer, b"x")
        clock.now_s += step_s
        put(writer, b"y")
        assert len(forms_of(tmp_path)) == files
    assert bodies_of(tmp_path) == [b"x", b"y"]


def test_a_file_that_is_large_enough_is_followed_by_a_new_one(tmp_path: Path) -> None:
    with writer_of(tmp_path, roll_bytes=1000) as writer:
        for _ in range(5):
            put(writer, os.urandom(600))
    assert forms_of(tmp_path) == ["000000000001.sqlite", "000000000003.sqlite", "000000000005.sqlite"]
    assert len(bodies_of(tmp_path)) == 5


def test_an_idle_door_closes_its_file_once_the_day_is_over(tmp_path: Path) -> None:
    clock = Clock()
    with writer_of(tmp_path, clock=clock) as writer:
        writer.roll_if_due()
        put(writer, b"x")
        writer.roll_if_due()
        assert forms_of(tmp_path) == ["000000000001.sqlite"]
        clock.now_s += DAY_S
        writer.roll_if_due()
        writer.roll_if_due()
        assert forms_of(tmp_path) == ["000000000001.sqlite", "000000000002.sqlite"]
        with LogReader(tmp_path) as reader:
            assert reader.last_seq("door-1") == 1
            assert reader.high_water_us() == clock.now_us - DAY_S * 1_000_000
        assert put(writer, b"y") == 2


def test_addresses_lie_apart_under_the_first_entry_of_their_append(tmp_path: Path) -> None:
    with writer_of(tmp_path) as writer, LogReader(tmp_path) as reader:
        seq = put(writer, b"x", b"y", private=b"198.51.100.7 agent" * 50)
        assert reader.private("door-1", seq) == b"198.51.100.7 agent" * 50
        assert reader.private("door-1", seq + 1) is None
        assert reader.private("door-1", 99) is None
        assert reader.private("nobody", 1) is None


def test_nothing_is_no_append(tmp_path: Path) -> None:
    with writer_of(tmp_path) as writer, pytest.raises(ValueError, match="nothing"):
        writer.append([], first_us=1, last_us=1)


def test_a_disk_with_less_than_the_reserve_takes_nothing_until_space_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = {"blocks": 1000}
    status = os.statvfs(tmp_path)

    def statvfs(path: object) -> os.statvfs_result:
        values = list(status)
        values[1], values[4] = 1024, free["blocks"]
        return os.statvfs_result(values)

    monkeypatch.setattr(os, "statvfs", statvfs)
    monkeypatch.setattr("truecount.log.writer.LOOK_AT_DISK_S", 0)
    with writer_of(tmp_path, reserve_bytes=1000 * 1024) as writer:
        put(writer, b"just enough")
        free["blocks"] = 999
        for _ in range(2):
            with pytest.raises(LogFull, match="reserve"):
                put(writer, b"too much")
        free["blocks"] = 1000
        assert put(writer, b"again") == 2
    assert bodies_of(tmp_path) == [b"just enough", b"again"]


LIMITED = """
import os, resource, sys
from pathlib import Path
from truecount.log.entries import Entry
from truecount.log.errors import LogError
from truecount.log.writer import LogWriter

writer = LogWriter(Path(sys.argv[1]), "door-1")
kept, failed = [], []
resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, resource.RLIM_INFINITY))
for number in range(60):
    if number == 40:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    try:
        writer.append([Entry(1, 1, b"%03d" % number + os.urandom(100_000))], b"p" * 10, first_us=1, last_us=1)
        kept.append(number)
    except LogError as error:
        failed.append(type(error).__name__)
print(kept, file=sys.stderr)
print(len(kept), len(failed), *kept)
"""


def test_a_write_that_the_system_cuts_leaves_no_half_and_the_writer_recovers_by_itself(tmp_path: Path) -> None:
    child = subprocess.run(
        [sys.executable, "-c", LIMITED, tmp_path], capture_output=True, text=True, timeout=60, check=True
    )
    n_kept, n_failed, *kept = map(int, child.stdout.split())
    assert n_kept + n_failed == 60
    assert n_failed > 5
    assert kept[-20:] == list(range(40, 60))
    assert [int(body[:3]) for body in bodies_of(tmp_path)] == kept


def test_a_file_that_was_only_begun_is_gone_on_with(tmp_path: Path) -> None:
    with writer_of(tmp_path) as writer:
        put(writer, b"x")
    (tmp_path / "log/door-1/000000000002.sqlite").touch()
    assert bodies_of(tmp_path) == [b"x"]
    with writer_of(tmp_path) as writer:
        assert put(writer, b"y") == 2
    assert bodies_of(tmp_path) == [b"x", b"y"]


def test_a_damaged_open_file_is_named_by_writer_and_reader(tmp_path: Path) -> None:
    with writer_of(tmp_path) as writer:
        put(writer, b"x" * 1000)
    path = tmp_path / "log/door-1/000000000001.sqlite"
    path.write_bytes(b"not a database at all" * 1000)
    for attempt in (lambda: writer_of(tmp_path), lambda: bodies_of(tmp_path)):
        with pytest.raises(LogDamaged, match=r"000000000001\.sqlite.*backup"):
            attempt()
    path.unlink()
    writer_of(tmp_path).close()  # the refused writer let go of the door


def test_damage_to_one_door_does_not_stop_another(tmp_path: Path) -> None:
    for door in ("damaged", "door-1"):
        with writer_of(tmp_path, door) as writer:
            put(writer, b"x")
    (tmp_path / "log/damaged/000000000001.sqlite").write_bytes(b"nonsense" * 1000)
    with writer_of(tmp_path) as writer:
        assert put(writer, b"y") == 2


def test_a_damaged_entry_is_named_by_the_reader(tmp_path: Path) -> None:
    with writer_of(tmp_path) as writer:
        put(writer, b"secret-words" * 100)
        put(writer, b"y")
    database = sqlite3.connect(tmp_path / "log/door-1/000000000001.sqlite")
    database.execute("update log set body = substr(body, 1, length(body) - 8) where seq = 1")
    database.commit()
    database.close()
    with pytest.raises(LogDamaged, match="entry 1") as caught:
        bodies_of(tmp_path)
    assert "secret-words" not in str(caught.value)


def test_a_missing_file_is_not_stepped_over(tmp_path: Path) -> None:
    with writer_of(tmp_path) as writer:
        for body in (b"x", b"y", b"z"):
            put(writer, body)
            writer.roll()
    (tmp_path / "log/door-1/000000000002.sqlite").unlink()
    with LogReader(tmp_path) as reader:
        assert [stored.body for stored in reader.read("door-1", 0, 1)] == [b"x"]
        with pytest.raises(LogDamaged, match="entries 2 to 2 before it are missing"):
            reader.read("door-1", 1)
        assert [stored.body for stored in reader.read("door-1", 2)] == [b"z"]


def test_a_closed_writer_says_so(tmp_path: Path) -> None:
    writer = writer_of(tmp_path)
    writer.close()
    writer.close()
    with pytest.raises(Exception, match="closed"):
        put(writer, b"x")


def test_reading_changes_nothing_in_the_folder(tmp_path: Path) -> None:
    with writer_of(tmp_path) as writer:
        put(writer, b"x" * 5000)
    path = tmp_path / "log/door-1/000000000001.sqlite"
    before = path.read_bytes()
    assert len(bodies_of(tmp_path)) == 1
    assert path.read_bytes() == before


def test_a_writer_needs_no_more_than_a_path(tmp_path: Path) -> None:
    with LogWriter(tmp_path, "door-1") as writer:
        put(writer, b"x")
    with LogReader(tmp_path) as reader:
        assert [stored.body for stored in reader.all("door-1")] == [b"x"]


def test_threads_of_one_process_that_read_at_once_get_what_was_written() -> None:
    """zstd's objects are not for two threads at a time: one shared by the loader and upkeep gave damaged bodies."""
    compressor = zstandard.ZstdCompressor(level=1)
    bodies = [bytes([65 + n % 26]) * (20_000 + 977 * n) + os.urandom(30_000) for n in range(40)]
    packed = [pack_body(body, compressor) for body in bodies]

    def read_all(_: int) -> bool:
        return all(unpack_body(*one) == body for _ in range(8) for one, body in zip(packed, bodies, strict=True))

    with ThreadPoolExecutor(6) as threads:
        assert list(threads.map(read_all, range(6))) == [True] * 6
