from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from truecount.log import folder as folder_module
from truecount.log.errors import FolderBusy, FolderRefused
from truecount.log.folder import DataFolder


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_folder_carries_its_version_and_is_closed_to_others(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "data")
    assert (folder.path / "truecount.version").read_text().strip() == "1"
    assert folder.version == 1
    assert [mode(path) for path in (folder.path, folder.run, folder.keys, folder.tmp)] == [0o700] * 4


def test_opening_again_keeps_what_is_there(tmp_path: Path) -> None:
    key = DataFolder(tmp_path).weak_key()
    assert DataFolder(tmp_path).weak_key() == key


def test_keys_are_made_once_and_only_their_owner_reads_them(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    assert len(folder.weak_key()) == 32
    assert folder.key("weak") == folder.weak_key() != folder.key("other")
    assert mode(folder.keys / "weak.key") == 0o600
    assert folder.secret("engine") == folder.secret("engine")
    assert folder.secret("engine").isascii() and mode(folder.run / "engine.secret") == 0o600
    assert sorted(path.name for path in folder.keys.iterdir()) == ["other.key", "weak.key"]


def test_of_two_processes_that_make_a_key_at_once_both_get_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = DataFolder(tmp_path)
    real = os.link
    other: list[bytes] = []

    def link(source: Path, target: Path) -> None:
        monkeypatch.setattr(os, "link", real)
        other.append(DataFolder(tmp_path).weak_key())  # the other one is quicker by a hair
        real(source, target)

    monkeypatch.setattr(os, "link", link)
    assert folder.weak_key() == other[0]


def test_a_folder_of_a_newer_version_is_refused_in_words(tmp_path: Path) -> None:
    DataFolder(tmp_path)
    (tmp_path / "truecount.version").write_text("2\n")
    with pytest.raises(FolderRefused, match="format 2, this Truecount knows up to 1"):
        DataFolder(tmp_path)


def test_an_older_folder_is_migrated_by_its_owner_step_by_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    DataFolder(tmp_path)
    done: list[int] = []
    monkeypatch.setattr(folder_module, "VERSION", 3)
    monkeypatch.setattr(folder_module, "MIGRATIONS", {1: lambda path: done.append(1), 2: lambda path: done.append(2)})
    folder = DataFolder(tmp_path)
    assert (folder.version, done) == (1, [])
    with folder.lock():
        assert (folder.version, done) == (3, [1, 2])
    with folder.lock():
        assert done == [1, 2]


@pytest.mark.parametrize("text", ["", "one", "-1"])
def test_a_version_file_that_holds_no_number_is_refused(tmp_path: Path, text: str) -> None:
    DataFolder(tmp_path)
    (tmp_path / "truecount.version").write_text(text)
    with pytest.raises(FolderRefused, match="number"):
        DataFolder(tmp_path)


def test_a_folder_that_holds_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(FolderRefused, match="other things"):
        DataFolder(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_path_that_is_a_file_or_not_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FolderRefused, match="not a folder"):
        DataFolder(tmp_path / "file")
    with pytest.raises(FolderRefused, match="not a data folder"):
        DataFolder(tmp_path / "nothing", create=False)
    assert not (tmp_path / "nothing").exists()


def test_a_folder_has_one_owner_and_the_refusal_names_it(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    assert not folder.is_owned()
    with folder.lock():
        assert folder.is_owned()
        with pytest.raises(FolderBusy, match=f"process {os.getpid()}"), DataFolder(tmp_path).lock(wait_s=0):
            pass
    assert not folder.is_owned()
    with folder.lock(wait_s=0):
        pass


OWNER = """
import sys
from pathlib import Path
from truecount.log.folder import DataFolder

with DataFolder(Path(sys.argv[1])).lock():
    print("owned", flush=True)
    sys.stdin.read()
"""


def test_the_folder_of_a_dying_owner_is_waited_for(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as owner:
        assert owner.stdout and owner.stdout.readline() == b"owned\n"
        folder = DataFolder(tmp_path)
        with pytest.raises(FolderBusy, match=f"process {owner.pid}"), folder.lock(wait_s=0):
            pass
        owner.kill()
        with folder.lock(wait_s=60):
            assert folder.is_owned()


def test_tmp_is_emptied(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    (folder.tmp / "left").mkdir()
    (folder.tmp / "left/over").touch()
    folder.empty_tmp()
    assert list(folder.tmp.iterdir()) == []


def test_free_space_is_told_in_bytes(tmp_path: Path) -> None:
    assert DataFolder(tmp_path).disk_free() > 1000
