from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from truecount.log import upkeep
from truecount.log.backup import backup
from truecount.log.errors import FolderRefused
from truecount.log.files import files_of
from truecount.log.folder import DataFolder
from truecount.log.reader import LogReader
from truecount.log.registry import Registry

from .helpers import bodies_of, entries_of, put, writer_of
from .killed_writer import DOOR, body_of
from .test_crash import ROOT


def a_folder(path: Path) -> DataFolder:
    """A data folder with a sealed file, a closed one, an open one and a dataset."""
    folder = DataFolder(path)
    folder.weak_key()
    folder.secret("engine")
    with Registry.open(path) as registry:
        registry.create("Shop", id="123", token="TC-token")
    with writer_of(path) as writer:
        for body in (b"sealed", b"closed", b"open"):
            put(writer, body * 100, private=b"198.51.100.7")
            if body != b"open":
                writer.roll()
        upkeep.run(path, {"door-1": 1}, writer.now_us())
    return folder


def test_a_copy_is_a_data_folder_with_the_same_log_datasets_and_keys(tmp_path: Path) -> None:
    folder = a_folder(tmp_path / "data")
    size = backup(folder.path, tmp_path / "copy")
    copy = DataFolder(tmp_path / "copy", create=False)
    assert size == sum(path.stat().st_size for path in copy.path.rglob("*") if path.is_file())
    assert upkeep.verify(copy.path) == []
    assert entries_of(copy.path) == entries_of(folder.path)
    assert copy.weak_key() == folder.weak_key()
    with Registry.open(copy.path) as copied, Registry.open(folder.path) as original:
        assert copied.datasets() == original.datasets() and list(copied.datasets()) == ["123"]
    with writer_of(copy.path) as writer:
        assert put(writer, b"goes on") == 4
    assert bodies_of(folder.path)[-1] == b"open" * 100


def test_how_far_imports_came_is_in_the_copy(tmp_path: Path) -> None:
    folder = a_folder(tmp_path / "data")
    state = sqlite3.connect(folder.path / "imports.sqlite")
    state.execute("create table progress as select 41 as line")
    state.commit()
    backup(folder.path, tmp_path / "copy")
    state.close()
    copied = sqlite3.connect(tmp_path / "copy/imports.sqlite")
    assert copied.execute("select line from progress").fetchall() == [(41,)]
    copied.close()


def test_a_copy_holds_no_address_and_no_secret_of_running_processes(tmp_path: Path) -> None:
    folder = a_folder(tmp_path / "data")
    backup(folder.path, tmp_path / "copy")
    files = [path for path in (tmp_path / "copy").rglob("*") if path.is_file()]
    assert all(b"198.51.100.7" not in path.read_bytes() for path in files)
    assert not any(path.suffix == ".secret" or path.name.startswith("lock") for path in files)


def test_a_copy_of_a_folder_that_a_door_writes_into_is_whole_up_to_some_entry(tmp_path: Path) -> None:
    data = DataFolder(tmp_path / "data").path
    child = subprocess.Popen([sys.executable, "-m", "tests.log.killed_writer", data], stdout=subprocess.PIPE, cwd=ROOT)
    try:
        assert child.stdout
        for number in range(3):
            acknowledged = [int(child.stdout.readline().split()[0]) for _ in range(40)][-1]
            copy = tmp_path / f"copy-{number}"
            backup(data, copy)
            with LogReader(copy) as reader:
                stored = list(reader.all(DOOR))
            assert len(stored) >= acknowledged
            assert all(entry.body == body_of(entry.seq) for entry in stored)
            assert upkeep.verify(copy) == []
    finally:
        child.kill()
        child.communicate(timeout=60)


def test_a_file_that_is_sealed_during_the_copy_is_in_it_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = a_folder(tmp_path / "data")

    def seal_behind_its_back(path: Path, size: int) -> None:
        upkeep.run(folder.path, {"door-1": 2}, 0)

    backup(folder.path, tmp_path / "copy", progress=seal_behind_its_back)
    assert bodies_of(tmp_path / "copy") == bodies_of(folder.path)
    assert [file.first for file in files_of(tmp_path / "copy/log/door-1")] == [1, 2, 3]


@pytest.mark.parametrize("where", ["full", "inside", "file"])
def test_a_target_that_will_not_do_is_refused_and_left_as_it_was(tmp_path: Path, where: str) -> None:
    folder = a_folder(tmp_path / "data")
    target = {"full": tmp_path / "full", "inside": folder.path / "copy", "file": tmp_path / "file"}[where]
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine").touch()
    (tmp_path / "file").touch()
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(FolderRefused):
        backup(folder.path, target)
    assert sorted(tmp_path.rglob("*")) == before


def test_an_empty_folder_will_do_as_target(tmp_path: Path) -> None:
    folder = a_folder(tmp_path / "data")
    (tmp_path / "copy").mkdir()
    backup(folder.path, tmp_path / "copy")
    assert bodies_of(tmp_path / "copy") == bodies_of(folder.path)


def test_a_copy_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    folder = a_folder(tmp_path / "data")

    def full(path: Path, size: int) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        backup(folder.path, tmp_path / "copy", progress=full)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_what_is_no_data_folder_is_not_copied(tmp_path: Path) -> None:
    with pytest.raises(FolderRefused, match="not a data folder"):
        backup(tmp_path / "nothing", tmp_path / "copy")
