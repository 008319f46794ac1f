from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from truecount import copies
from truecount.copies import Copy
from truecount.log import entries, upkeep
from truecount.log.entries import Stored
from truecount.log.erase import erase_offsets
from truecount.log.errors import LogBusy
from truecount.log.reader import LogReader

from .helpers import entries_of, writer_of
from .test_upkeep import Crash, crash_at


def person(name: str) -> bytes:
    return sha256(name.encode()).digest()


def a_copy(number: int, name: str = "maya") -> Copy:
    return Copy(dataset="1", event_name="Lead", event_id=f"lead-{number}", em=person(name), fbp=f"fb.1.1.{number}")


def forget(copy: Copy) -> Copy:
    return msgspec.structs.replace(copy, em=b"\x07" * 32, fbp="erased")


def copies_in(stored: Stored) -> list[Copy]:
    return [copy for part in entries.split_parts(stored.body) for copy in copies.copies_of(part)]


def fill(folder: Path, *, files: int = 3, sealed: bool = False) -> None:
    """Files of one entry with two parts of two copies, then an empty open one."""
    with writer_of(folder) as writer:
        for number in range(files):
            parts = [copies.pack_copies([a_copy(number * 4 + at) for at in pair]) for pair in ((0, 1), (2, 3))]
            writer.append([entries.copies_entry(4, parts)], b"private", first_us=number, last_us=number)
            writer.roll()
        if sealed:
            upkeep.run(folder, {"door-1": files}, writer.now_us())


@pytest.mark.parametrize("sealed", [False, True], ids=["open", "sealed"])
def test_named_copies_are_rewritten_and_all_others_stay(tmp_path: Path, sealed: bool) -> None:
    fill(tmp_path, sealed=sealed)
    before = entries_of(tmp_path)
    with LogReader(tmp_path) as reader:
        assert list(reader.all("door-1")) == before
        assert erase_offsets(tmp_path, {"door-1": {1: (0, 3), 3: (1,)}}, forget) == 3
        assert list(reader.all("door-1")) == entries_of(tmp_path)  # a reader at work sees it too
    after = entries_of(tmp_path)
    expected = [copies_in(stored) for stored in before]
    for seq, pos in ((1, 0), (1, 3), (3, 1)):
        expected[seq - 1][pos] = forget(expected[seq - 1][pos])
    assert [copies_in(stored) for stored in after] == expected
    assert after[1] == before[1]
    assert [(stored.seq, stored.n, stored.first_us) for stored in after] == [(1, 4, 0), (2, 4, 1), (3, 4, 2)]
    assert upkeep.verify(tmp_path) == []


def test_no_byte_of_an_erased_value_stays_in_the_folder(tmp_path: Path) -> None:
    with writer_of(tmp_path) as writer:
        part = copies.pack_copies([a_copy(1, "leaves"), a_copy(2, "stays")])
        writer.append([entries.copies_entry(2, [part])], b"203.0.113.9", first_us=1, last_us=1)
    found = lambda value: any(value in path.read_bytes() for path in (tmp_path / "log").rglob("*") if path.is_file())  # noqa: E731
    assert found(person("leaves"))
    erase_offsets(tmp_path, {"door-1": {1: (0,)}}, forget)
    assert not found(person("leaves")) and not found(b"203.0.113.9")
    (stored,) = entries_of(tmp_path)
    assert [copy.em for copy in copies_in(stored)] == [b"\x07" * 32, person("stays")]


def test_a_living_door_is_asked_to_close_its_file_first(tmp_path: Path) -> None:
    with writer_of(tmp_path) as writer:
        part = copies.pack_copies([a_copy(1)])
        writer.append([entries.copies_entry(1, [part])], first_us=1, last_us=1)
        with pytest.raises(LogBusy, match="door-1"):
            erase_offsets(tmp_path, {"door-1": {1: (0,)}}, forget)
        writer.roll_if_due()
        assert erase_offsets(tmp_path, {"door-1": {1: (0,)}}, forget) == 1
        writer.roll_if_due()
        assert writer.append([entries.copies_entry(1, [part])], first_us=1, last_us=1) == 2
    assert [copies_in(stored)[0].fbp for stored in entries_of(tmp_path)] == ["erased", "fb.1.1.1"]


@pytest.mark.parametrize(
    "offsets", [{"nobody": {1: (0,)}}, {"door-1": {0: (0,)}}, {"door-1": {1: (-1,)}}, {"door-1": {1: (4,)}}], ids=str
)
def test_an_offset_that_is_none_is_refused_and_nothing_is_changed(tmp_path: Path, offsets: dict) -> None:
    fill(tmp_path)
    before = entries_of(tmp_path)
    with pytest.raises(ValueError):
        erase_offsets(tmp_path, offsets, forget)
    assert entries_of(tmp_path) == before
    assert not list((tmp_path / "log").rglob("*.partial"))


@pytest.mark.parametrize("step", range(3))
def test_a_crash_during_erasure_leaves_each_file_old_or_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    fill(tmp_path, sealed=True)
    old = [copies_in(stored) for stored in entries_of(tmp_path)]
    new = [[forget(copy) for copy in entry] for entry in old]
    every = {"door-1": {seq: range(4) for seq in (1, 2, 3)}}
    with monkeypatch.context() as patch:
        crashed = crash_at(patch, step)
        with pytest.raises(Crash):
            erase_offsets(tmp_path, every, forget)
        assert crashed()
    for stored, before, after in zip(entries_of(tmp_path), old, new, strict=True):
        assert copies_in(stored) in (before, after)
    assert upkeep.verify(tmp_path) == []
    erase_offsets(tmp_path, every, forget)
    assert [copies_in(stored) for stored in entries_of(tmp_path)] == new


@given(places=st.dictionaries(st.integers(1, 3), st.sets(st.integers(0, 3))))
@settings(max_examples=12, deadline=None, derandomize=True)
def test_whatever_is_named_is_erased_once_and_twice_alike(
    tmp_path_factory: pytest.TempPathFactory, places: dict[int, set[int]]
) -> None:
    folder = tmp_path_factory.mktemp("erase")
    fill(folder)
    change: Callable[[Copy], Copy] = forget
    for _ in range(2):
        assert erase_offsets(folder, {"door-1": places}, change) == sum(map(len, places.values()))
        for stored in entries_of(folder):
            erased = {at for at, copy in enumerate(copies_in(stored)) if copy.fbp == "erased"}
            assert erased == places.get(stored.seq, set())
