"""What commands say of a log or a store that is damaged, with and without a server."""

from __future__ import annotations

import json
import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.store.helpers import a_copy, entry_of
from tests.system import System, wait_until
from truecount.cli import main
from truecount.commands.explain import near
from truecount.log.files import LogFile, files_of
from truecount.log.upkeep import UpkeepReport, seal_file
from truecount.log.writer import LogWriter
from truecount.store.local import open_store

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two doors, whose copies are in the store."""
    data = tmp_path_factory.mktemp("whole") / "data"
    assert main(["dataset", "create", "Shop", "--id", "77", "--data", str(data)]) == 0
    for door in ("door-1", "door-2"):
        write(data, door)
    with open_store(data) as store:
        assert store.query_rows("SELECT count() FROM copies") == [(6,)]
    return data


@pytest.fixture
def data(tmp_path: Path, whole: Path) -> Path:
    """That folder, to be damaged."""
    return shutil.copytree(whole, tmp_path / "data", symlinks=True)


@pytest.fixture
def truecount(data: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """A command on the folder. Returns exit code, stdout, stderr."""
    monkeypatch.setenv("TRUECOUNT_DATA", str(data))
    monkeypatch.setenv("TRUECOUNT_RESERVE_MB", "0")

    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(arguments)
        said = capfd.readouterr()
        return code, said.out, said.err

    return run


def write(data: Path, door: str) -> None:
    with LogWriter(data, door) as writer:
        first = 1000 * int(door[-1]) + 10 * writer.next_seq
        found = [a_copy(first + n, dataset="77") for n in range(3)]
        writer.append([entry_of(found)], first_us=found[0].received_us, last_us=found[-1].received_us)


def copies(answer: str) -> int:
    return sum(row["copies"] for row in json.loads(answer))


def broken(answer: str) -> dict[str, tuple[str, str]]:
    rows = json.loads(answer)
    return {row["check"]: (row["says"], row["do"]) for row in rows if row["state"] == "broken"}


def damage_log(data: Path, door: str) -> None:
    for path in (data / "log" / door).iterdir():
        if path.suffix == ".sqlite":
            path.write_bytes(b"not a database" * 1000)
        elif path.name.endswith(("-wal", "-shm")):
            path.unlink()


def damage_entry(data: Path, door: str) -> None:
    """Spoil an entry in a file that can be opened."""
    for path in (data / "log" / door).glob("*.sqlite"):
        with closing(sqlite3.connect(path, isolation_level=None)) as database:
            database.execute("update log set packing = 1, body = x'0123'")


def damage_store(data: Path, column: str = "event_name") -> None:
    """Spoil the data of each part of copies that has any."""
    spoiled = 0
    for path in (data / "store").rglob("*.bin"):
        columns = path.parent / "columns.txt"
        if path.name in (f"{column}.bin", "data.bin") and columns.is_file() and b"event_name" in columns.read_bytes():
            raw = path.read_bytes()
            path.write_bytes(bytes(byte ^ 0xFF for byte in raw[:40]) + raw[40:])
            spoiled += 1
    assert spoiled


@pytest.mark.parametrize("damage", [damage_log, damage_entry])
def test_events_prints_what_there_is_of_a_damaged_log_and_exits_3_with_the_cure(
    truecount: Run, data: Path, damage: Callable[[Path, str], None]
) -> None:
    write(data, "door-1")
    write(data, "door-2")
    damage(data, "door-1")
    began = time.monotonic()
    code, out, err = truecount("events", "77", "--format", "json")
    assert time.monotonic() - began < 30
    assert (code, copies(out)) == (3, 9), err
    assert truecount("dataset", "list")[0] == 0
    assert "what follows is INCOMPLETE" in err and "door-1" in err and "back from a backup" in err
    code, out, err = truecount("explain", "77", "Purchase", "id-nobody")
    assert (code, out) == (3, "") and "INCOMPLETE" in err and 'no Purchase with event id "id-nobody"' in err


def test_events_of_a_log_without_a_door_that_the_store_has_exits_3(truecount: Run, data: Path) -> None:
    shutil.rmtree(data / "log" / "door-2")
    code, out, err = truecount("events", "77", "--format", "json")
    assert (code, copies(out)) == (3, 6)
    assert "entries up to 1 of door door-2" in err and "put the missing files of the log back" in err


def test_doctor_misses_a_door_that_the_store_has_entries_of(truecount: Run, data: Path) -> None:
    assert broken(truecount("doctor", "--format", "json")[1]) == {}
    shutil.rmtree(data / "log" / "door-2")
    code, out, _ = truecount("doctor", "--format", "json")
    says, do = broken(out)["log and store"]
    assert code == 1 and "door-2, the log ends at 0" in says and "replay" not in do
    assert truecount("replay")[0] == 1


def test_a_damaged_store_is_told_by_events_and_doctor_and_mended_by_replay(truecount: Run, data: Path) -> None:
    damage_store(data)
    code, out, err = truecount("events", "77", "--format", "json")
    assert (code, out) == (1, "")
    assert "the store is damaged" in err and "truecount replay" in err and "report" not in err
    code, out, _ = truecount("doctor", "--format", "json")
    assert code == 1 and "truecount replay" in broken(out)["store"][1]
    assert truecount("replay")[0] == 0
    code, out, _ = truecount("events", "77", "--format", "json")
    assert (code, copies(out)) == (0, 6)
    assert broken(truecount("doctor", "--format", "json")[1]) == {}


def test_replay_of_a_damaged_log_says_what_to_do_and_keeps_the_store(truecount: Run, data: Path) -> None:
    damage_log(data, "door-1")
    code, _, err = truecount("replay")
    assert code == 1 and "back from a backup" in err
    assert (data / "store").is_dir()


def test_the_table_of_explain_is_whole_on_stdout(truecount: Run) -> None:
    code, out, err = truecount("explain", "77", "Purchase", "id-1012")
    assert (code, err) == (0, "")
    assert 'event id: "id-1012"' in out and out.count("id-1012") == 2


def server_of(tmp_path: Path) -> System:
    """A server on the folder that is damaged. What a canary brings would be merged with the spoiled parts."""
    return System(tmp_path, environ={"TRUECOUNT_CANARY_S": "0"})


def test_a_running_server_counts_on_and_says_that_the_log_is_damaged(tmp_path: Path, data: Path) -> None:
    write(data, "other-1")
    damage_entry(data, "other-1")
    with server_of(tmp_path).running() as system:
        assert copies(wait_until(lambda: system.cli("events", "77", "--format", "json", code=3))) == 6
        found = broken(system.cli("doctor", "--quick", "--format", "json", code=1))
        assert "other-1" in found["loader"][0] and "back from a backup" in found["loader"][1]


@pytest.mark.slow
def test_a_running_server_says_that_its_store_is_damaged(tmp_path: Path, data: Path) -> None:
    with server_of(tmp_path).running() as system:
        assert "INCOMPLETE" not in system.cli("events", "77")
    damage_store(data)
    with server_of(tmp_path).running() as system:
        wait_until(lambda: "store" in broken(system.cli("doctor", "--format", "json", code=1)))


def test_a_backup_of_a_damaged_log_copies_the_rest_names_the_file_and_exits_1(truecount: Run, data: Path) -> None:
    assert truecount("backup", str(data.with_name("whole")))[0] == 0
    damage_log(data, "door-1")
    code, _, err = truecount("backup", str(data.with_name("copy")))
    assert code == 1 and str(data / "log" / "door-1") in err and "door-2" not in err
    assert list((data.with_name("copy") / "log" / "door-2").glob("*.sqlite"))


def test_a_backup_tells_of_a_sealed_file_whose_sum_is_wrong(truecount: Run, data: Path) -> None:
    (path,) = (data / "log" / "door-1").glob("*.sqlite")
    seal_file(LogFile(1, path, False), 3, UpkeepReport())
    (sealed,) = (found for found in files_of(data / "log" / "door-1") if found.sealed)
    raw = sealed.path.read_bytes()
    sealed.path.write_bytes(raw[:20] + bytes(byte ^ 0xFF for byte in raw[20:30]) + raw[30:])
    code, _, err = truecount("backup", str(data.with_name("copy")))
    assert code == 1 and str(sealed.path) in err


NEAR = {
    "event_name": "Lead", "event_id": " x", "source": "browser", "received_time": "2026-01-02T03:04:05Z",
    "shares": ["fbp"], "differs": ["event_id"], "why": "both have an event id, and they differ",
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            {},
            'Lead " x" from the browser at 2026-01-02T03:04:05Z, shares fbp; '
            "differs in event_id: both have an event id, and they differ",
        ),
        ({"shares": ["em"]}, "shares em, which does not merge copies; differs"),
        ({"shares": ["fbp", "em"]}, "shares fbp, em; differs"),
        ({"event_id": ""}, "Lead without an event id from"),
        ({"differs": ["taken"], "why": "another has it"}, "shares fbp; did not merge: another has it"),
    ],
)
def test_the_nearest_candidate_is_told_in_a_sentence(change: dict[str, Any], says: str) -> None:
    assert says in near({**NEAR, **change})
