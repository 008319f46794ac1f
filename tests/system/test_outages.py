"""An engine that is away, stopped or crashed never stops a door; what came in meanwhile is counted afterwards."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system import System, purchase, wait_until
from tests.system_traffic import Traffic, check_nothing_lost_nothing_doubled


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with System(tmp_path_factory.mktemp("outages"), "--hang-limit-s", "3").running() as system:
        yield system


def test_doors_take_events_while_the_engine_hangs_and_it_is_killed_and_started_again(system: System) -> None:
    shop = system.create("Hanging engine")
    with Traffic(system, shop) as traffic:
        traffic.wait_kept(5)
        stopped = system.signal("engine", signal.SIGSTOP)
        traffic.wait_kept(20)
        system.wait_back("engine", stopped)
        traffic.wait_kept(5)
    check_nothing_lost_nothing_doubled(system, traffic)
    assert "engine was silent for 3 s and is killed" in system.words()


def test_a_crash_inside_the_engine_ends_it_and_costs_nothing(system: System) -> None:
    shop = system.create("Crashing engine")
    with Traffic(system, shop) as traffic:
        traffic.wait_kept(5)
        system.wait_back("engine", system.signal("engine", signal.SIGSEGV))
        traffic.wait_kept(5)
    check_nothing_lost_nothing_doubled(system, traffic)
    assert "engine was ended by SIGSEGV" in system.words()


def test_doors_take_events_while_the_manager_hangs(system: System) -> None:
    shop = system.create("Hanging manager")
    stopped = system.signal("manager", signal.SIGSTOP)
    for n in range(5):
        assert system.post_events(shop, [purchase(f"order-{n}")]).status == 200
        assert system.post_hit(shop, ev="PageView").status == 200
    system.wait_back("manager", stopped)
    wait_until(lambda: (system.copies(shop), system.copies(shop, "PageView")) == (5, 5))


def test_a_command_says_so_while_the_engine_is_away(system: System) -> None:
    shop = system.create("Engine away")
    stopped = system.signal("engine", signal.SIGKILL)
    (system.folder / "run" / "engine.json").unlink(missing_ok=True)
    answer = system.api("GET", f"datasets/{shop.id}/events")
    assert answer.status in (200, 503)  # it may be back already
    assert answer.status == 200 or "engine" in answer.json["error"]
    system.wait_back("engine", stopped)
    wait_until(lambda: system.api("GET", f"datasets/{shop.id}/events").status == 200)


def test_import_through_the_running_server_takes_each_row_once(system: System, tmp_path: Path) -> None:
    shop = system.create("Imported")
    path = tmp_path / "old.jsonl"
    rows = [purchase(f"order-{n}", event_time=1_600_000_000 + n) for n in range(2500)]
    path.write_text("\n".join(json.dumps(row) for row in [*rows, {"event_name": "Lead"}]))
    first = json.loads(system.cli("import", str(path), "--dataset", shop.id, "--format", "json"))
    assert (first["accepted"], first["refused"], first["lines"]) == (2500, 1, 2501)
    again = json.loads(system.cli("import", str(path), "--dataset", shop.id, "--format", "json"))
    assert (again["accepted"], again["skipped_lines"]) == (0, 2501)
    wait_until(lambda: system.copies(shop) == 2500)
    assert system.events(shop)["Purchase"]["first_time"] == "2020-09-13T12:26:40Z"


@pytest.mark.slow
def test_a_backup_of_a_running_folder_answers_what_the_folder_does(system: System, tmp_path: Path) -> None:
    shop = system.create("Backed up")
    for n in range(5):
        assert system.post_events(shop, [purchase(f"order-{n}")]).status == 200
    wait_until(lambda: system.copies(shop) == 5)
    system.cli("backup", str(tmp_path / "copy"))
    there = json.loads(system.cli("events", shop.id, "--format", "json"))
    from tests.system import run_cli

    environ = {name: value for name, value in system.environ.items() if name != "TRUECOUNT_DATA"}
    copied = run_cli("events", shop.id, "--format", "json", "--data", str(tmp_path / "copy"), environ=environ)
    assert json.loads(copied.stdout) == there


@pytest.mark.slow
def test_a_clock_that_jumps_back_an_hour_moves_no_time_of_receipt_back(tmp_path: Path) -> None:
    """The folder's log says it was written an hour ahead of now, as after a jump back between two runs."""
    from truecount.log.entries import tallies_entry
    from truecount.log.folder import DataFolder
    from truecount.log.writer import LogWriter

    system = System(tmp_path)
    folder = DataFolder(system.folder)
    import time

    ahead_ns = time.time_ns() + 3600 * 10**9
    with LogWriter(folder.path, "earlier", clock=lambda: ahead_ns) as writer:
        writer.append([tallies_entry([])], first_us=ahead_ns // 1000, last_us=ahead_ns // 1000)
    with system.running():
        shop = system.create("Jump")
        assert system.post_hit(shop, ev="Purchase", eid="order-1").status == 200
        assert system.post_events(shop, [purchase("order-1")]).status == 200
        row = wait_until(lambda: (found := system.events(shop).get("Purchase")) and found["copies"] == 2 and found)
        assert (row["actions"], row["both"]) == (1, 1)
        explained = json.loads(system.cli("explain", shop.id, "Purchase", "order-1", "--format", "json"))
        from datetime import datetime

        received = [datetime.fromisoformat(copy["received_time"]).timestamp() for copy in explained["copies"]]
        assert all(moment >= ahead_ns / 1e9 - 1 for moment in received)
