"""A disk that is really full: a small file system of its own. Needs the privilege to mount one."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from truecount.log import upkeep
from truecount.log.entries import Entry, Kind
from truecount.log.errors import LogBroken, LogFull

from .helpers import Clock, bodies_of, put, writer_of

NOISE = bytes(range(256)) * 40


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    try:
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=6m", "truecount-test", disk], check=True, capture_output=True
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this machine lets us mount no file system; the same is tried with a file size limit elsewhere")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


def fill_until_full(writer: object, kept: list[bytes]) -> None:
    for number in range(10_000):
        body = b"%06d" % number + NOISE * (1 + number % 3)
        body = bytes((byte * (number | 1) + at) & 255 for at, byte in enumerate(body[:3000])) + body
        try:
            put(writer, body, private=b"private" * 40)  # type: ignore[arg-type]
        except LogFull:
            return
        kept.append(body)
    raise AssertionError("the disk did not fill")


def take_every_byte(disk: Path) -> None:
    with open(disk / "filler", "wb", buffering=0) as filler, contextlib.suppress(OSError):
        while filler.write(b"x" * 4096):
            pass


def test_a_full_disk_keeps_what_was_acknowledged_takes_no_more_and_recovers(small_disk: Path) -> None:
    filler = small_disk / "filler"
    filler.write_bytes(b"x" * 3_000_000)
    kept: list[bytes] = []
    with writer_of(small_disk, roll_bytes=300_000) as writer:
        fill_until_full(writer, kept)
        with pytest.raises(LogFull):
            put(writer, NOISE * 300 + b"".join(kept[:20]))
        filler.unlink()
        kept.append(b"space again")
        put(writer, b"space again")
        assert bodies_of(small_disk) == kept
    with writer_of(small_disk) as writer:
        kept.append(b"after a restart")
        put(writer, b"after a restart")
    assert bodies_of(small_disk) == kept
    assert upkeep.verify(small_disk) == []


def test_a_writer_that_starts_on_a_full_disk_takes_entries_as_soon_as_there_is_space(small_disk: Path) -> None:
    clock = Clock()
    with writer_of(small_disk, "other", clock) as other, writer_of(small_disk) as writer:
        put(other, b"x")
        put(writer, b"x")
    take_every_byte(small_disk)
    with writer_of(small_disk, clock=Clock(clock.now_s - 60)) as writer:
        with pytest.raises(LogFull):
            put(writer, b"too early")
        stamped_us = writer.now_us()
        (small_disk / "filler").unlink()
        with pytest.raises(LogBroken, match="stamp again"):  # 60 s before what the other door wrote
            writer.append([Entry(Kind.COPIES, 1, b"early")], first_us=stamped_us, last_us=stamped_us)
        assert writer.now_us() == clock.now_us
        assert put(writer, b"now") == 2
    assert bodies_of(small_disk) == [b"x", b"now"]


def test_sealing_on_a_full_disk_says_so_and_leaves_the_file_as_it_is(small_disk: Path) -> None:
    kept: list[bytes] = []
    with writer_of(small_disk, roll_bytes=1_000_000) as writer:
        fill_until_full(writer, kept)
        take_every_byte(small_disk)
        report = upkeep.run(small_disk, {"door-1": len(kept)}, writer.now_us())
        assert len(report.problems) == 1 and report.sealed == 0
        assert bodies_of(small_disk) == kept
    assert upkeep.verify(small_disk) == []


def test_the_reserve_is_never_used(small_disk: Path) -> None:
    kept: list[bytes] = []
    with writer_of(small_disk, reserve_bytes=3_000_000) as writer:
        fill_until_full(writer, kept)
    (small_disk / "the store's").write_bytes(b"x" * 1_500_000)
    assert bodies_of(small_disk) == kept
