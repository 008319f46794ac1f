"""A writer to be killed: appends entries for ever and tells each acknowledged one on standard output.

    python -m tests.log.killed_writer FOLDER

The body of an entry follows from its sequence number, so that the parent knows what must be there.
"""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

from truecount.log.entries import Entry, Kind
from truecount.log.writer import LogWriter

DOOR = "door-1"


def body_of(seq: int) -> bytes:
    seed = hashlib.sha256(str(seq).encode()).digest()
    return seed * (1 + seed[0] * seed[1] // 32)


def batch_of(seq: int) -> int:
    """Number of entries that are appended together from a sequence number on."""
    return 1 + seq % 3


def main() -> None:
    with LogWriter(Path(sys.argv[1]), DOOR, roll_bytes=30_000) as writer:
        while True:
            first = writer.next_seq
            batch = [Entry(Kind.COPIES, 1, body_of(first + at)) for at in range(batch_of(first))]
            now_us = writer.now_us()
            writer.append(batch, b"private" * 20, first_us=now_us, last_us=now_us)
            os.write(1, f"{writer.next_seq - 1} {now_us}\n".encode())


if __name__ == "__main__":
    main()
