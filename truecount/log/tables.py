"""The SQLite file of a door: its tables, its connections, how a body is packed in a row."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path
from typing import Any, Final

import zstandard

from .errors import LogBroken, LogDamaged, LogError

FORMAT: Final = 1
"""Version of the file's layout (PRAGMA user_version); copies.FORMAT in each row is that of the bodies."""

SCHEMA: Final = (
    """create table if not exists log (
        seq        integer primary key,
        kind       integer not null,
        n          integer not null,
        first_us   integer not null,
        last_us    integer not null,
        written_us integer not null,
        format     integer not null,
        rules      integer not null,
        packing    integer not null,
        body       blob    not null
    )""",
    """create table if not exists private (
        seq     integer primary key,
        packing integer not null,
        body    blob    not null
    )""",
    f"pragma user_version = {FORMAT}",
)

DAMAGE: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
"""Error codes of SQLite that no waiting mends."""

RAW: Final = 0
ZSTD: Final = 1
SMALL: Final = 200
"""Bodies under this many bytes stay as they are: zstd's frame would eat what it saves."""
LEVEL: Final = 1
"""0.3 to 0.6 µs an event and a quarter of the bytes; -3 saves 0.1 to 0.2 µs and writes a third more."""


class _OfThread(threading.local):
    """A decompressor for each thread: one that two threads use at once answers with other bytes, or crashes."""

    def __init__(self) -> None:
        self.decompress = zstandard.ZstdDecompressor().decompress


_own: Final = _OfThread()


def pack_body(body: bytes, compressor: zstandard.ZstdCompressor) -> tuple[int, bytes]:
    """(packing, bytes) of a body as a row keeps it."""
    if len(body) < SMALL:
        return RAW, body
    return ZSTD, compressor.compress(body)


def unpack_body(packing: int, body: bytes) -> bytes:
    """A row's body as it was. ValueError when it cannot be read."""
    if packing == RAW:
        return body
    if packing != ZSTD:
        raise ValueError(f"packing {packing} is unknown to this version")
    try:
        return _own.decompress(body)
    except zstandard.ZstdError as error:
        raise ValueError(f"a body cannot be decompressed ({error})") from None


def connect(path: Path) -> sqlite3.Connection:
    """Open a file to write, with its tables made where they are missing. Each commit is durable on return."""
    database = sqlite3.connect(path, timeout=5, isolation_level=None, check_same_thread=False)
    try:
        database.execute("pragma journal_mode = wal")
        database.execute("pragma synchronous = full")
        # Bytes of purged addresses must be gone from the file, not only unreachable.
        database.execute("pragma secure_delete = on")
        if database.execute("pragma user_version").fetchone()[0] == 0:
            database.execute("begin immediate")
            for statement in SCHEMA:
                database.execute(statement)
            database.execute("commit")
    except BaseException:
        database.close()
        raise
    return database


def connect_to_read(path: Path, *, closed: bool = False) -> sqlite3.Connection:
    """Open a file that another process may be writing. Never creates, checkpoints or changes it.

    `closed` files, which get no more entries, can be read even where no byte is free for SQLite's shared memory.
    """
    address = f"{path.absolute().as_uri()}?mode=ro"
    database = sqlite3.connect(address, uri=True, timeout=5, isolation_level=None, check_same_thread=False)
    try:
        database.execute("pragma schema_version")
    except sqlite3.OperationalError:
        database.close()
        wal = path.with_name(f"{path.name}-wal")
        if not closed or not path.exists() or (wal.exists() and wal.stat().st_size):
            raise
        address += "&immutable=1"
        return sqlite3.connect(address, uri=True, isolation_level=None, check_same_thread=False)
    except BaseException:
        database.close()
        raise
    return database


def trouble(path: Path, error: sqlite3.Error) -> LogError:
    """What SQLite says of a file, as the log says it: damage is for good, anything else may pass."""
    code = (getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF
    if code in DAMAGE:
        return LogDamaged(path, f"cannot be read ({error})")
    return LogBroken(f"{path} cannot be used now ({getattr(error, 'sqlite_errorname', error)})")


def rows(database: sqlite3.Connection, sql: str, *parameters: Any) -> list[Any]:
    """All rows of a query; none where the file's tables are not made yet (its writer was killed while making them)."""
    try:
        return database.execute(sql, parameters).fetchall()
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return []
        raise
