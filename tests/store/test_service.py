"""The engine process as a whole: kills, crashes, full disks, rebuilding. Each test starts engines of its own."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from truecount.log.entries import Tally, tallies_entry
from truecount.log.folder import DataFolder
from truecount.log.writer import LogWriter
from truecount.store import service
from truecount.store.client import Store
from truecount.store.errors import QueryFailed, StoreDown, StoreRefused
from truecount.store.local import open_store, replay, wait_for_all
from truecount.store.rebuild import settle

from .helpers import START_US, a_copy, engine, entry_of, eventually, places_in


def write(folder: Path, door: str, counts: list[int], parts: int = 1) -> None:
    """Append entries of so many copies."""
    with LogWriter(folder, door) as writer:
        for count in counts:
            first = writer.next_seq * 100
            copies = [a_copy(first + n) for n in range(count)]
            writer.append([entry_of(copies, parts)], first_us=copies[0].received_us, last_us=copies[-1].received_us)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return DataFolder(tmp_path / "data").path


def test_a_store_is_made_from_the_log_kept_over_starts_and_made_again_when_it_was_deleted(folder: Path) -> None:
    write(folder, "door-1", [3, 2], parts=2)
    with open_store(folder) as store:
        wanted = places_in(store)
        assert wanted == [("door-1", 1, 0), ("door-1", 1, 1), ("door-1", 1, 2), ("door-1", 2, 0), ("door-1", 2, 1)]
        assert store.loaded() == {"door-1": 2}
        everything = store.query_raw("SELECT * FROM copies ORDER BY door, seq, pos")
    shutil.rmtree(folder / "store")
    (folder / "tmp" / "engine" / "left-by-a-dead-process").write_text("x")
    with open_store(folder) as store:
        assert store.query_raw("SELECT * FROM copies ORDER BY door, seq, pos") == everything
    assert not list((folder / "tmp" / "engine").iterdir())


def _kill_rounds(folder: Path, rounds: int, seed: int) -> int:
    """Kill the engine while doors write and it loads. In the end each acknowledged copy is there once."""
    chance = random.Random(seed)
    wanted: set[tuple[str, int, int]] = set()
    writing = threading.Event()
    writing.set()

    def door(name: str) -> None:
        dice = random.Random(f"{seed} {name}")
        with LogWriter(folder, name) as writer:
            while writing.is_set():
                count = dice.randrange(1, 40)
                months = dice.randrange(1, 4)
                copies = [
                    a_copy(n, received_us=START_US + (n % months) * 31 * 86_400_000_000, event_id=f"{name} {n}")
                    for n in range(count)
                ]
                seq = writer.append([entry_of(copies, 2)], first_us=START_US, last_us=START_US)
                wanted.update((name, seq, pos) for pos in range(count))
                writing_pause.wait(0.004)

    writing_pause = threading.Event()
    doors = [threading.Thread(target=door, args=(f"door-{n}",)) for n in (1, 2)]
    for thread in doors:
        thread.start()
    try:
        for _ in range(rounds):
            with engine(folder) as (process, store):
                before = store.loaded()
                eventually(lambda store=store, before=before: store.loaded() != before, "nothing is loaded")  # type: ignore[misc]
                threading.Event().wait(chance.uniform(0, 0.6))
                process.send_signal(signal.SIGKILL)
                process.wait()
    finally:
        writing.clear()
        for thread in doors:
            thread.join()
    with open_store(folder) as store:
        found = places_in(store)
    assert len(found) == len(set(found)), "counted twice"
    assert set(found) == wanted
    return len(found)


def test_an_engine_that_is_killed_while_it_loads_loses_and_doubles_nothing(folder: Path) -> None:
    assert _kill_rounds(folder, 2, seed=1) > 0


@pytest.mark.slow
def test_an_engine_that_is_killed_thirty_times_loses_and_doubles_nothing(folder: Path) -> None:
    assert _kill_rounds(folder, 30, seed=2) > 0


def test_a_crash_inside_the_engine_ends_its_process(folder: Path) -> None:
    with engine(folder) as (process, store):
        assert store.query_rows("SELECT 1") == [(1,)]
        process.send_signal(signal.SIGSEGV)
        assert process.wait(60) == -signal.SIGSEGV
        with pytest.raises(StoreDown):
            store.query_rows("SELECT 1")


def test_an_engine_ends_at_once_when_it_is_told_to_even_while_a_query_runs(folder: Path) -> None:
    with engine(folder) as (process, store):
        failed: list[Exception] = []

        def ask() -> None:
            try:
                store.query_rows("SELECT count() FROM numbers(100000000000)")
            except StoreDown as error:
                failed.append(error)

        thread = threading.Thread(target=ask)
        thread.start()
        with Store.of_folder(folder) as other:
            # This question is one of the two.
            running = "SELECT count() FROM system.processes WHERE query LIKE '%numbers(10000%'"
            eventually(lambda: other.query_rows(running) == [(2,)], "the query did not start")
        process.terminate()
        assert process.wait(30) == 0
        thread.join()
        assert failed


def test_the_secret_is_for_the_owner_alone(folder: Path) -> None:
    with engine(folder, "--no-load"):
        assert (folder / "run" / "engine.secret").stat().st_mode & 0o777 == 0o600
        assert (folder / "run").stat().st_mode & 0o777 == 0o700
        assert not (folder / "run" / "reader.secret").exists()


def test_an_engine_that_cannot_open_its_store_says_so(folder: Path) -> None:
    with open_store(folder), pytest.raises(StoreDown, match="did not start"), open_store(folder):
        pass


def test_replay_makes_the_same_store_again_and_tells_how_far_it_is(folder: Path) -> None:
    write(folder, "door-1", [3, 1])
    with LogWriter(folder, "door-2") as writer:
        tally = Tally("1001", "server", "refused", "bad_shape", 2, START_US)
        writer.append([tallies_entry([tally])], first_us=START_US, last_us=START_US)
    with open_store(folder) as store:
        before = store.query_raw("SELECT * FROM copies ORDER BY door, seq, pos")
        store.command("ALTER TABLE copies DELETE WHERE pos = 0 SETTINGS mutations_sync = 2")
    told: list[tuple[int, int]] = []
    rebuilt = replay(folder, lambda done, total: told.append((done, total)))
    assert (rebuilt.copies, rebuilt.set_aside, rebuilt.doors) == (4, 0, 2)
    assert told[-1] == (3, 3)
    with open_store(folder) as store:
        assert store.query_raw("SELECT * FROM copies ORDER BY door, seq, pos") == before
    assert sorted(path.name for path in folder.glob("store*")) == ["store"]


def test_replay_refuses_where_the_log_ends_before_the_store(folder: Path) -> None:
    write(folder, "door-1", [2, 2])
    with open_store(folder) as store:
        before = places_in(store)
    shutil.rmtree(folder / "log" / "door-1")
    write(folder, "door-1", [2])
    with pytest.raises(StoreRefused, match="history would shrink"):
        replay(folder)
    with open_store(folder, load=False) as store:
        assert places_in(store) == before
    # Nor is anything loaded on top of it: the numbers would be those of other entries.
    with pytest.raises(StoreDown, match="StoreRefused"), open_store(folder):
        pass


@pytest.mark.parametrize(
    ("there", "left"),
    [
        ({"store.old": "a", "store.new": "b"}, "a"),  # the new one was not in place yet
        ({"store.old": "a", "store": "b"}, "b"),  # the old one was not removed yet
        ({"store": "a", "store.new": "b"}, "a"),  # the new one was not whole
        ({"store": "a"}, "a"),
        ({}, None),
    ],
)
def test_a_swap_of_stores_that_a_crash_cut_short_is_settled(
    tmp_path: Path, there: dict[str, str], left: str | None
) -> None:
    for name, text in there.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(text)
    settle(tmp_path)
    assert not (tmp_path / "store.old").exists()
    found = tmp_path / "store" / "file"
    assert (found.read_text() if found.exists() else None) == left


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 48 MB."""
    path = tmp_path / "disk"
    path.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=48m", "none", str(path)], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip("this user may not mount: a full disk cannot be made")
    yield path
    subprocess.run(["umount", "-l", str(path)], check=True)


def test_a_full_disk_is_waited_for_and_nothing_is_lost_or_doubled(small_disk: Path) -> None:
    folder = DataFolder(small_disk / "data").path
    write(folder, "door-1", [5])
    with engine(folder) as (_, store):
        wait_for_all(store)
        status = os.statvfs(small_disk)
        with (small_disk / "ballast").open("wb") as ballast:
            # What is left is enough for the log, and not for the store.
            ballast.write(b"\0" * max(0, status.f_bavail * status.f_frsize - 200_000))
        write(folder, "door-1", [20, 20])
        with (small_disk / "rest").open("wb", buffering=0) as rest:
            try:
                while rest.write(b"\0" * 4096) == 4096:
                    pass
            except OSError:
                pass
        eventually(lambda: bool(store.state()["loader"]["error"]), "the loader did not notice")
        os.unlink(small_disk / "rest")
        os.unlink(small_disk / "ballast")
        assert store.wait_loaded({"door-1": 3}, 60)
        found = places_in(store)
        assert len(found) == 45 and len(set(found)) == 45
        assert store.query_rows("SELECT count() FROM set_aside") == [(0,)]
        assert store.state()["loader"]["error"] == ""


def test_addresses_are_forgotten_also_while_the_store_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing counts as loaded then, so that nothing is sealed."""
    from truecount.log import blanking, upkeep
    from truecount.store.loader import LoaderState

    stop, seen = threading.Event(), []

    def run(folder: Path, loaded: dict[str, int], *_: object, **__: object) -> upkeep.UpkeepReport:
        seen.append(dict(loaded))
        stop.set()
        return upkeep.UpkeepReport()

    monkeypatch.setattr(service, "UPKEEP_EVERY_S", 0.01)
    monkeypatch.setattr(upkeep, "run", run)
    monkeypatch.setattr(blanking, "blank_deleted", lambda *_, **__: upkeep.UpkeepReport())
    refused = LoaderState({"door-1": 9}, 0, 0, 0, 0, False, False, "StoreRefused: the store is ahead of the log")
    loader = SimpleNamespace(state=lambda: refused)
    service._upkeep(tmp_path, loader, 7, stop)  # type: ignore[arg-type]
    assert seen == [{}]


def test_an_engine_that_refuses_a_look_for_once_gives_no_beat_and_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(_: str) -> None:
        raise QueryFailed("memory limit exceeded", 241)

    assert not service._answers(SimpleNamespace(rows=refuse))  # type: ignore[arg-type]
    assert "QueryFailed" in capsys.readouterr().err
    assert service._answers(SimpleNamespace(rows=lambda _: [(1,)]))  # type: ignore[arg-type]
