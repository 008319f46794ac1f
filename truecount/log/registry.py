"""The datasets and their settings: control.sqlite, and their records in the log.

The log comes first: a change is appended there, then applied here. Where the two disagree (a crash between, an older
copy of control.sqlite, none at all) the log wins, at the next opening for writing.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Self

import msgspec

from truecount.datasets import CANARY_ID, DATASET_ID, Dataset, DatasetSettings, new_dataset_id, new_token, token_hash

from .changes import Changes, Record
from .entries import Kind, Stored, dataset_of, settings_entry
from .errors import ControlDamaged
from .reader import LogReader
from .tables import DAMAGE, connect_to_read, trouble
from .writer import LogWriter

DOOR: Final = "settings"
"""The door that settings are written through where the caller gives none."""
MAX_NAME: Final = 200
MIN_CHOSEN_TOKEN: Final = 16
"""Characters of a token that a person chooses: a shorter one is guessed."""

_SCHEMA: Final = (
    "create table if not exists datasets (id text primary key, record blob not null)",
    # How far each door's settings are applied here.
    "create table if not exists applied (door text primary key, seq integer not null)",
    *Changes.SCHEMA,
)
_UPSERT: Final = "insert into datasets values (?, ?) on conflict do update set record = excluded.record"
_APPLIED: Final = "insert into applied values (?, ?) on conflict do update set seq = excluded.seq"

_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Dataset).decode


class RegistryError(ValueError):
    """A change that cannot be made; the text says why."""


class UnknownDataset(RegistryError):
    """No dataset has this id."""


class DatasetExists(RegistryError):
    """A dataset has this id already."""


class TokenTaken(RegistryError):
    """The access token is that of another dataset."""


class Registry:
    """The datasets of a data folder. Make one with `Registry.open`.

    Any number of processes may read; the owner of the folder writes.
    """

    def __init__(self, folder: Path, database: sqlite3.Connection, writer: LogWriter | None, read_only: bool) -> None:
        self._folder = folder
        self._database = database
        self._writer = writer
        self._behind = False
        self._read_only = read_only
        self._mutex = threading.RLock()
        self._seen = -1
        self._datasets: dict[str, Dataset] = {}
        self._all: dict[str, Dataset] = {}
        self._changes = Changes(database)

    @classmethod
    def open(cls, folder: Path, *, read_only: bool = False, writer: LogWriter | None = None) -> Self:
        """Open the registry of a data folder. For writing: `writer` takes the records (else a door named "settings" is
        used while a change is made), and what the log knows better is applied first; ControlDamaged when the file
        is no such database, LogBroken when it cannot be used now. FileNotFoundError for reading before anybody wrote.
        """
        folder = Path(folder)
        path = folder / "control.sqlite"
        if read_only:
            if not path.exists():
                raise FileNotFoundError(f"{path} is not there: the folder's owner makes it at start")
            return cls(folder, connect_to_read(path), None, True)
        database: sqlite3.Connection | None = None
        try:
            database = sqlite3.connect(path, timeout=5, isolation_level=None, check_same_thread=False)
            database.execute("pragma journal_mode = wal")
            database.execute("pragma synchronous = full")
            is_older = Changes.is_missing(database)
            for statement in _SCHEMA:
                database.execute(statement)
            if is_older:  # of a version that kept no changes: all records of the log are read once more
                database.execute("delete from applied")
            registry = cls(folder, database, writer, False)
            with LogReader(folder) as reader:
                registry.rebuild_from(reader)
            registry.datasets()
        except BaseException as error:
            if database:
                database.close()
            if isinstance(error, sqlite3.Error):
                if (getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF in DAMAGE:
                    raise ControlDamaged(path, str(error)) from None
                raise trouble(path, error) from None
            if isinstance(error, msgspec.MsgspecError):
                raise ControlDamaged(path, "a record is none") from None
            raise
        return registry

    def fresh(self) -> bool:
        """True when something changed since `datasets` was last called: call it again. A few microseconds."""
        return bool(self._version() != self._seen)

    def datasets(self) -> dict[str, Dataset]:
        """The datasets that are there, by id, as they are now. A new dict after each change, never a changed one."""
        self._load()
        return self._datasets

    def deleted(self) -> dict[str, Dataset]:
        """The datasets that were deleted, by id."""
        self._load()
        return {id: dataset for id, dataset in self._all.items() if dataset.deleted}

    def get(self, id: str) -> Dataset:
        """One dataset. UnknownDataset when it is not there."""
        dataset = self.datasets().get(id)
        if dataset is None:
            raise UnknownDataset(f"there is no dataset {id}")
        return dataset

    def changes(self, id: str) -> list[Record]:
        """What a dataset was since it was made, each record as it was written, the oldest first."""
        self._load()
        with self._mutex:
            return self._changes.of(id)

    def create(
        self,
        name: str,
        *,
        id: str | None = None,
        token: str | None = None,
        settings: DatasetSettings | None = None,
        by: str = "",
    ) -> tuple[Dataset, str]:
        """Make a dataset: it and its access token, which is kept as a hash alone and can't be shown again.

        DatasetExists when the id is taken, TokenTaken when the token is another dataset's; RegistryError when id, name
        or token will not do.
        """
        id = id or new_dataset_id()
        check_id(id)
        token = new_token() if token is None else token
        check_name(name)
        check_token(token)
        with self._mutex:
            if id in self.datasets():
                raise DatasetExists(f"there is a dataset {id} already")
            self._check_owner(token, id)

            def made(now_us: int) -> Dataset:
                return Dataset(
                    id=id,
                    name=name,
                    created_us=now_us,
                    token_hashes=(token_hash(token),),
                    settings=settings or DatasetSettings(),
                )

            return self._record(made, by), token

    def change(
        self, id: str, *, name: str | None = None, settings: DatasetSettings | None = None, by: str = ""
    ) -> Dataset:
        """Give a dataset another name or other settings."""
        if name is not None:
            check_name(name)
        with self._mutex:
            old = self.get(id)
            new = msgspec.structs.replace(old, name=name or old.name, settings=settings or old.settings)
            return self._record(lambda _: new, by)

    def add_token(self, id: str, token: str | None = None, by: str = "") -> str:
        """Give a dataset one more access token and return it. TokenTaken when it is another dataset's."""
        token = new_token() if token is None else token
        check_token(token)
        with self._mutex:
            self._check_owner(token, id)
            self._change_tokens(
                id, lambda hashes: (*(old for old in hashes if old != token_hash(token)), token_hash(token)), by
            )
        return token

    def remove_token(self, id: str, hash: bytes, by: str = "") -> Dataset:
        """Take a token back, named by its hash. RegistryError when the dataset has no such token."""
        if hash not in self.get(id).token_hashes:
            raise RegistryError(f"dataset {id} has no such token")
        return self._change_tokens(id, lambda hashes: tuple(old for old in hashes if old != hash), by)

    def rotate_token(self, id: str, token: str | None = None, by: str = "") -> str:
        """Give a dataset a new access token in place of all it had. TokenTaken when it is another dataset's."""
        token = new_token() if token is None else token
        check_token(token)
        with self._mutex:
            self._check_owner(token, id)
            self._change_tokens(id, lambda _: (token_hash(token),), by)
        return token

    def delete(self, id: str, by: str = "") -> Dataset:
        """Delete a dataset. Its record stays, without tokens; what was received for it before this record no longer
        counts.
        """
        with self._mutex:
            gone = msgspec.structs.replace(self.get(id), deleted=True, token_hashes=())
            return self._record(lambda _: gone, by)

    def rebuild_from(self, reader: LogReader) -> int:
        """Apply the settings records of the log that are not applied yet, in the log's order. Returns their number.

        Nothing is looked at twice: how far each door is applied is kept.
        """
        with self._mutex:
            applied: dict[str, int] = dict(self._database.execute("select door, seq from applied").fetchall())
            ends = {door: reader.last_seq(door) for door in reader.doors()}
            if any(seq > ends.get(door, 0) for door, seq in applied.items()):
                # The log is an older one than that of this registry: all of it is read again.
                applied = {}
            records: list[Stored] = []
            for door, end in ends.items():
                after = applied.get(door, 0)
                if end > after:
                    found = reader.all(door, after, (Kind.SETTINGS,))
                    records.extend(record for record in found if record.seq <= end)
            records.sort(key=lambda record: (record.first_us, record.door, record.seq))
            newest = {dataset.id: dataset for dataset in (dataset_of(record.body) for record in records)}
            if ends != applied:
                with _transaction(self._database):
                    if not applied:
                        self._database.execute("delete from datasets")
                        self._database.execute("delete from applied")
                        self._changes.clear()
                    self._changes.add(
                        Record(record.door, record.seq, record.first_us, dataset_of(record.body)) for record in records
                    )
                    for dataset in newest.values():
                        self._database.execute(_UPSERT, (dataset.id, _encode(dataset)))
                    self._database.executemany(_APPLIED, list(ends.items()))
                self._seen = -1
            self._behind = False
            return len(records)

    def close(self) -> None:
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _version(self) -> Any:
        return self._database.execute("pragma data_version").fetchone()[0]

    def _load(self) -> None:
        version = self._version()
        if version == self._seen:
            return
        with self._mutex:
            found = (_decode(record) for (record,) in self._database.execute("select record from datasets order by id"))
            self._all = {dataset.id: dataset for dataset in found}
            self._datasets = {id: dataset for id, dataset in self._all.items() if not dataset.deleted}
            self._changes.forget()
            self._seen = version

    def _check_owner(self, token: str, id: str) -> None:
        """TokenTaken when an access token is that of another dataset than this one."""
        hash = token_hash(token)
        for dataset in self.datasets().values():
            if dataset.id != id and hash in dataset.token_hashes:
                raise TokenTaken(
                    f"this access token is that of dataset {dataset.id} already: each dataset wants a token of its own"
                )

    def _change_tokens(self, id: str, change: Callable[[tuple[bytes, ...]], tuple[bytes, ...]], by: str) -> Dataset:
        with self._mutex:
            old = self.get(id)
            new = msgspec.structs.replace(old, token_hashes=change(old.token_hashes))
            return self._record(lambda _: new, by)

    def _record(self, made: Callable[[int], Dataset], by: str) -> Dataset:
        """Write a dataset as it is from now on, and who wants it so: to the log, then here."""
        if self._read_only:
            raise RegistryError("this registry is open for reading alone")
        if self._behind:
            with LogReader(self._folder) as reader:
                self.rebuild_from(reader)
        writer = self._writer or LogWriter(self._folder, DOOR)
        try:
            now_us = writer.now_us()
            dataset = msgspec.structs.replace(made(now_us), by=by)
            seq = writer.append([settings_entry(dataset)], first_us=now_us, last_us=now_us)
            self._behind = True
            with _transaction(self._database):
                self._database.execute(_UPSERT, (dataset.id, _encode(dataset)))
                self._changes.add([Record(writer.door, seq, now_us, dataset)])
                # Only what follows without a gap may be called applied; other settings may lie between.
                self._database.execute(
                    "insert into applied values (?, ?) on conflict do update set seq = excluded.seq "
                    "where applied.seq = excluded.seq - 1",
                    (writer.door, seq),
                )
            self._behind = False
        finally:
            if writer is not self._writer:
                writer.close()
            self._seen = -1  # a connection's own changes do not move its data_version
        return dataset


class _transaction:
    """begin immediate ... commit, or rollback."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def __enter__(self) -> None:
        self._database.execute("begin immediate")

    def __exit__(self, kind: object, *_: object) -> None:
        self._database.execute("rollback" if kind else "commit")


def check_id(id: str) -> None:
    """RegistryError in words when a dataset cannot have this id."""
    if not DATASET_ID(id):
        raise RegistryError("a dataset's id is 1 to 64 letters, digits, - and _")
    if id == CANARY_ID:
        raise RegistryError(f"{CANARY_ID} is what the server tests itself with: choose another id")


def check_name(name: str) -> None:
    """RegistryError in words when a dataset cannot have this name."""
    if not name.strip() or len(name) > MAX_NAME or not name.isprintable():
        raise RegistryError(f"a dataset's name is 1 to {MAX_NAME} printable characters")


def check_token(token: str) -> None:
    """RegistryError in words when this cannot be an access token."""
    if not token or len(token) > 1000 or not token.isprintable() or " " in token:
        raise RegistryError("an access token is 1 to 1,000 printable characters without spaces")


def check_chosen_token(token: str) -> None:
    """RegistryError in words when this cannot be an access token that a person chooses."""
    check_token(token)
    if len(token) < MIN_CHOSEN_TOKEN:
        raise RegistryError(
            f"an access token of your own wants at least {MIN_CHOSEN_TOKEN} characters (a random one is made where "
            "none is given)"
        )
