"""users.sqlite, the one file of the manager's users and of what they decided on its pages: its tables, and how it is
opened.

It is a file of its own, beside control.sqlite, on purpose. control.sqlite says what the log says: whoever loses it, or
takes an older copy, gets it back from there. Users are not in the log, since nothing can be taken out of a log again,
and a password or a session must be gone when it is changed or ended. So nothing that rebuilds anything writes here.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from truecount.log.tables import DAMAGE, connect_to_read

NAME: Final = "users.sqlite"
FORMAT: Final = 3
"""Version of the tables (PRAGMA user_version)."""

FIRST: Final = (
    """create table users (
        id            text    primary key,
        email         text    not null,
        email_key     text    not null unique,
        role          text    not null check (role in ('owner', 'analyst', 'developer', 'auditor')),
        password      text,
        every_dataset integer not null default 1,
        created_us    integer not null
    )""",
    # The datasets of a user who may not see every one.
    """create table access (
        user    text not null references users on delete cascade,
        dataset text not null,
        primary key (user, dataset)
    )""",
    """create table sessions (
        hash     blob    primary key,
        user     text    not null references users on delete cascade,
        begun_us integer not null,
        seen_us  integer not null
    )""",
    # A link without a user is that of the first run: it makes the owner. One that enters signs its user in.
    """create table links (
        hash     blob    primary key,
        user     text    references users on delete cascade,
        until_us integer not null,
        enters   integer not null check (enters in (0, 1))
    )""",
)
SECOND: Final = (
    # Findings that nobody wants to see for a while. `subject` is a JSON array; no end: until somebody takes it back.
    """create table mutes (
        dataset  text    not null,
        finding  text    not null,
        subject  text    not null,
        reason   text    not null,
        until_us integer,
        muted_us integer not null,
        muted_by text    not null,
        primary key (dataset, finding, subject)
    ) without rowid""",
)
THIRD: Final = (
    # Tokens that read. `user` is who made one, none where that was the command line; without a dataset: every one.
    """create table reading (
        id         text    primary key,
        hash       blob    not null unique,
        name       text    not null,
        dataset    text,
        created_us integer not null,
        user       text    references users on delete cascade,
        used_us    integer
    )""",
)
STEPS: Final = (FIRST, SECOND, THIRD)
"""What makes each format of the one before; a new file goes through all of them."""


class UsersError(Exception):
    """users.sqlite cannot be used; the text says what to do."""


class UsersFile:
    """The database of a data folder, made at its first use. Threads may share it; each call is one transaction.

    Reading has a connection of its own and waits for no writer, so that a page may look up its session where it is;
    what writes waits for the disk, and goes into a thread.

    UsersError when it is damaged, of a newer version, or cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        self._writing: sqlite3.Connection | None = None
        self._reading: sqlite3.Connection | None = None
        self._write_mutex = threading.Lock()
        self._read_mutex = threading.Lock()
        self._open_mutex = threading.Lock()

    def rows(self, sql: str, *values: Any) -> list[Any]:
        """All rows of a query, as of the last change that was kept."""
        with self._words():
            _, reading = self._opened()
            with self._read_mutex:
                return reading.execute(sql, values).fetchall()

    @contextmanager
    def change(self) -> Iterator[sqlite3.Connection]:
        """A transaction that writes: kept when the block ends, undone when it raises."""
        with self._words(), self._write_mutex:
            database, _ = self._opened()
            database.execute("begin immediate")
            try:
                yield database
                database.execute("commit")
            except BaseException:
                if database.in_transaction:
                    database.execute("rollback")
                raise

    def forget(self) -> None:
        """Let go of what was changed, which the -wal beside the file would hold a while longer."""
        with self._words(), self._write_mutex:
            database, _ = self._opened()
            database.execute("pragma wal_checkpoint(truncate)").fetchone()

    def close(self) -> None:
        with self._open_mutex:
            for database in (self._reading, self._writing):
                if database is not None:
                    database.close()
            self._reading = self._writing = None

    def _opened(self) -> tuple[sqlite3.Connection, sqlite3.Connection]:
        """The connections that write and read."""
        with self._open_mutex:
            if self._writing is None or self._reading is None:
                self._writing = self._open()
                self._reading = connect_to_read(self.path)
            return self._writing, self._reading

    def _open(self) -> sqlite3.Connection:
        # Before SQLite makes it for everybody who may look into the folder. Its -wal and -shm take the same mode.
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        database = sqlite3.connect(self.path, timeout=5, isolation_level=None, check_same_thread=False)
        try:
            database.execute("pragma journal_mode = wal")
            database.execute("pragma synchronous = full")
            database.execute("pragma foreign_keys = on")
            database.execute("pragma secure_delete = on")  # an old password's hash is gone, not only unreachable
            self._migrate(database)
        except BaseException:
            database.close()
            raise
        return database

    def _migrate(self, database: sqlite3.Connection) -> None:
        version = database.execute("pragma user_version").fetchone()[0]
        if version > FORMAT:
            raise UsersError(f"{self.path} has format {version}, this Truecount knows up to {FORMAT}: use a newer one")
        if version == FORMAT:
            return
        database.execute("begin immediate")
        try:
            version = database.execute("pragma user_version").fetchone()[0]  # somebody may have been faster
            for step in STEPS[version:]:
                for statement in step:
                    database.execute(statement)
            database.execute(f"pragma user_version = {FORMAT}")
        except BaseException:
            database.execute("rollback")
            raise
        database.execute("commit")

    @contextmanager
    def _words(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.IntegrityError:
            raise  # the caller asked for it
        except sqlite3.Error as error:
            if (getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF in DAMAGE:
                raise UsersError(
                    f"{self.path} is damaged. Events are collected all the same. Put a backup's copy in its place, or "
                    "move it away and start the server again: it makes a new one-time link for the owner"
                ) from None
            raise UsersError(f"{self.path} cannot be used now ({getattr(error, 'sqlite_errorname', error)})") from None
        except OSError as error:
            raise UsersError(f"{self.path} cannot be used: {error.strerror}") from None
