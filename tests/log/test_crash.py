"""kill -9 of a writer, at moments that a seed chooses: nothing acknowledged is lost, nothing is half there."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from truecount.log import upkeep
from truecount.log.reader import LogReader

from .killed_writer import DOOR, batch_of, body_of

ROOT = Path(__file__).parents[2]


def kill_after(folder: Path, acknowledgements: int, rest: random.Random) -> tuple[int, int]:
    """Let a writer run until it told so many acknowledgements, kill it some microseconds later.

    Returns the last acknowledged sequence number and its time.
    """
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.log.killed_writer", folder], stdout=subprocess.PIPE, cwd=ROOT
    )
    assert child.stdout
    try:
        told = [child.stdout.readline() for _ in range(acknowledgements)]
        for _ in range(rest.randrange(20_000)):
            pass  # the kill must fall anywhere in the next append, not just behind an acknowledgement
    finally:
        child.kill()
        told.extend(child.stdout.readlines())
        child.stdout.close()
        child.wait(60)
    seq, now_us = [line for line in told if line.endswith(b"\n")][-1].split()
    return int(seq), int(now_us)


def crash_rounds(folder: Path, rounds: int, seed: int) -> None:
    chance = random.Random(seed)
    for round_ in range(rounds):
        acknowledged, now_us = kill_after(folder, chance.randrange(1, 40), chance)
        if round_ % 2:
            loaded = {DOOR: chance.randrange(acknowledged + 1)}
            assert upkeep.run(folder, loaded, now_us).problems == []
        with LogReader(folder) as reader:
            entries = list(reader.all(DOOR))
            assert reader.high_water_us() >= now_us
        assert [stored.seq for stored in entries] == list(range(1, len(entries) + 1))
        assert len(entries) >= acknowledged
        assert all(stored.body == body_of(stored.seq) for stored in entries)
        ends = set()
        seq = 1
        while seq <= len(entries):
            seq += batch_of(seq)
            ends.add(seq - 1)
        assert len(entries) in ends  # the last append is there as a whole, or not at all
    assert upkeep.verify(folder) == []


def test_a_writer_killed_anywhere_loses_nothing_acknowledged(tmp_path: Path) -> None:
    crash_rounds(tmp_path, 3, 1)


@pytest.mark.slow
def test_a_writer_killed_a_hundred_times_loses_nothing_acknowledged(tmp_path: Path) -> None:
    crash_rounds(tmp_path, 100, 2)


def test_a_reader_recovers_what_a_killed_writer_left_in_the_wal(tmp_path: Path) -> None:
    acknowledged, _ = kill_after(tmp_path, 5, random.Random(3))
    for path in (tmp_path / "log" / DOOR).glob("*-shm"):
        path.unlink()  # as after a power cut: the index of the WAL was in memory alone
    for _ in range(2):
        with LogReader(tmp_path) as reader:
            assert len(list(reader.all(DOOR))) >= acknowledged


def test_reading_and_sealing_keep_up_with_a_writer_at_work(tmp_path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.log.killed_writer", tmp_path], stdout=subprocess.DEVNULL, cwd=ROOT
    )
    loaded = sealed = 0
    until = time.monotonic() + 60
    try:
        with LogReader(tmp_path) as reader:
            while loaded < 800 or sealed < 3:
                assert time.monotonic() < until
                for stored in reader.read(DOOR, loaded, 300_000):
                    assert stored.seq == loaded + 1
                    assert stored.body == body_of(stored.seq)
                    loaded = stored.seq
                report = upkeep.run(tmp_path, {DOOR: loaded}, 0)
                assert report.problems == []
                sealed += report.sealed
                assert child.poll() is None
    finally:
        child.kill()
        child.wait(60)
    assert upkeep.verify(tmp_path) == []
    with LogReader(tmp_path) as reader:
        assert all(stored.body == body_of(stored.seq) for stored in reader.all(DOOR))
