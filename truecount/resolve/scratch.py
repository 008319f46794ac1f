"""Scratch tables of one answer: in the engine's memory, named for the answer, dropped after it."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Protocol, Self

from .definitions import complete, tables_of, text_of

Statement = tuple[str, Mapping[str, Any] | None]
"""SQL with its parameters."""


class Sql(Protocol):
    """What a store must do for us: statements with ClickHouse's own query parameters."""

    def query_rows(self, sql: str, params: Mapping[str, Any] | None = None) -> Sequence[Sequence[Any]]: ...
    def script(self, commands: Sequence[Statement], select: Statement | None = None) -> Sequence[Sequence[Any]]: ...


PREFIX: Final = "scratch_"
"""Tables whose names begin so belong to an answer that is being made, or were left behind by a crash.

The id of the process that makes the answer follows.
"""
OWNERLESS_S: Final = 600
"""Tables of a process that is no more are dropped when they are so old.

Whoever asks from elsewhere, where process ids are others, is long done by then.
"""

UNCOMPILED: Final = (
    "\nSETTINGS compile_expressions = 0, compile_aggregate_expressions = 0, compile_sort_description = 0"
)
"""Compiling a statement costs the engine some 50 ms at its third use, and saves a fifth of what large tables take."""

COLUMNS: Final = {
    "wanted": "round UInt8, event_name String, class UInt8, key String, place UInt128",
    "live": "value FixedString(16)",
    "originals": "amendment UInt128, original UInt128, amends UInt8, amendment_ms Int64, reference_ms Int64, "
    "value_e4 Nullable(Int64), currency String",
    "amended": "action UInt128, value_e4 Int64, currency String",
    "sums": "event_name String, class UInt8, long_keys Array(String), unit UInt16, bucket Int64, actions UInt64, "
    "copies UInt64, browser_only UInt64, server_only UInt64, both UInt64, limited UInt64, value_e4 Int128, "
    "first_ms Int64, last_ms Int64",
    "pool": "place UInt128, fact UInt128, event_name String, class UInt8, key String, source String, browser UInt8, "
    "marks UInt32, fbp String, external_id Array(FixedString(32))",
    "sessions": "place UInt128, first_place UInt128, session UInt32",
    "tokens": "server UInt8, place UInt128, key String, token FixedString(16), rule String",
    "edges": "token FixedString(16), members Array(Tuple(UInt128, UInt8))",
    "items": "place UInt128, server UInt8, tokens Array(FixedString(16))",
    "labels": "place UInt128, label UInt128",
    "labels_next": "place UInt128, label UInt128",
    "claims": "group_place UInt128, browser_place UInt128",
    "joins": "group_place UInt128, browser_place UInt128, rule String",
    "resolved": "place UInt128, fact UInt128, event_name String, class UInt8, key String, browser UInt8, marks UInt32, "
    "keyless UInt8, first_place UInt128, session UInt32, action UInt128, join_rule String",
    "targets": "place UInt128",
    "chosen": "place UInt128",
    "special": "event_name String, class UInt8, key String, bare UInt8, action UInt128, long UInt8, copies UInt64, "
    "browser_copies UInt64, limited UInt8, value_e4 Nullable(Int64), unit UInt16, event_time_ms Int64, "
    "kept_place UInt128",
    "verdicts": "event_name String, place UInt128, action UInt128, kept UInt8, rule String",
    "listed": "event_name String, class UInt8, key String, action UInt128, kept_place UInt128, copies UInt64, "
    "browser_copies UInt64, door UInt8, limited UInt8, value_e4 Nullable(Int64), unit UInt16, event_time_ms Int64, "
    "rules Array(String)",
    "shown": "place UInt128, action UInt128, kept UInt8, rule String",
    "few": "place UInt128, action UInt128, kept UInt8, rule String",
    "rolling": "kind String, event_name String, bucket_ms Int64, class UInt8, door UInt8, word String, rule String, "
    "n Int64, copies Int64, browser_copies Int64, limited Int64, value_e4 Int128, left_out Int64, "
    "long_keys Array(String)",
    "changes": "kind String, event_name String, bucket_ms Int64, class UInt8, door UInt8, word String, rule String, "
    "n Int64, copies Int64, browser_copies Int64, limited Int64, value_e4 Int128, left_out Int64",
}
"""Scratch tables by the name that the .sql files call them by, with their columns in the order the SELECTs give.

One that has the name of a definition holds what that gives: `keep` puts it there.
"""
DEDUP_COLUMNS: Final = (
    "dataset", "source", "received_us", "event_time_ms", "event_name", "event_id", "value_e4", "currency", "order_id",
    "item_number", "fbp", "fbc", "em", "ph", "fn", "ln", "db", "ge", "ct", "st", "zp", "country", "external_id",
    "other_keys", "marks", "original_event_name", "original_event_id", "original_order_id", "original_time_ms",
    "door", "seq", "pos",
)  # fmt: skip
"""The columns of copies that dedup reads."""
LIKE: Final = {"touched": "copies", "news": "rolled"}
"""Scratch tables that have the columns of a table of the store."""

_UNDROPPED: Final[list[str]] = []
"""Tables of failed answers of this process that an engine without a free slot did not drop."""


class Scratch:
    """The scratch tables of one answer. A table is made when something is first put into it, or read from it.

    Commands wait for the next question, and go to the store with it; who names a table elsewhere calls `flush` first.
    """

    def __init__(self, store: Sql) -> None:
        self.store = store
        self._token = f"{os.getpid()}_{secrets.token_hex(8)}"
        self.params: dict[str, Any] = {}
        self.others: dict[str, str] = {}
        """Definitions that read something else in this answer: name -> the name of what they are instead."""
        self._made: dict[str, str] = {}
        self._names: list[str] = []
        """All tables that were ever made here, by their own names."""
        self._waiting: list[Statement] = []
        self._kept: set[str] = set()
        self.large = False
        """Whether there is so much to read that statements are worth compiling."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self.drop(*self._made)
                self._drop_undropped()
                self.flush()
        except Exception:
            self._drop_all()
            raise
        if kind is not None:
            self._drop_all()

    def _drop_all(self) -> None:
        """Drop all that was ever made here, after an error: of what waited, nobody knows how far it came."""
        self._waiting.clear()
        try:
            if self._names:
                self.store.script([(f"DROP TABLE IF EXISTS {', '.join(self._names)} SYNC", None)])
        except Exception:
            # The engine is gone or busy. The first error is the one to see; the next answer tidies up.
            _UNDROPPED.extend(self._names)

    def _drop_undropped(self) -> None:
        names: list[str] = []
        with suppress(IndexError):  # another thread may take them too, one by one
            while True:
                names.append(_UNDROPPED.pop())
        if names:
            self.do(f"DROP TABLE IF EXISTS {', '.join(names)} SYNC")
            self._names += names

    def need(self, table: str) -> None:
        """Make a scratch table, empty, where it is not there yet; statements can name it from now on."""
        if table not in self._made:
            name = f"{PREFIX}{self._token}_{table}"
            columns = f"AS {LIKE[table]}" if table in LIKE else f"({COLUMNS[table]})"
            # Its description goes to disk even so. Nobody needs that after a crash, and no answer waits for it.
            self.do(f"CREATE TABLE {name} {columns} ENGINE = Memory SETTINGS fsync_metadata = 0")
            self._made[table] = self.params[table] = name
            if name not in self._names:
                self._names.append(name)

    def drop(self, *tables: str) -> None:
        """Drop these tables, as far as they are there."""
        names = [self._made.pop(table) for table in tables if table in self._made]
        self._kept.difference_update(tables)
        for table in tables:
            self.params.pop(table, None)
        if names:
            self.do(f"DROP TABLE IF EXISTS {', '.join(names)} SYNC")

    def swap(self, one: str, other: str) -> None:
        """Let two tables of the same columns change their names."""
        self._made[one], self._made[other] = self._made[other], self._made[one]
        self.params[one], self.params[other] = self._made[one], self._made[other]

    def put(
        self,
        table: str,
        statement: str,
        package: str = "truecount.resolve",
        columns: Sequence[str] = (),
        **params: Any,
    ) -> None:
        """Put what the named SELECT gives into a scratch table: into all its columns, or these."""
        self.need(table)
        sql = self.statement(statement, package)
        into = f"{self._made[table]} ({', '.join(columns)})" if columns else self._made[table]
        self.do(f"INSERT INTO {into}\n{sql}", **params)

    def do(self, sql: str, **params: Any) -> None:
        """Run a statement that gives no rows, with those of our parameters that it names."""
        used = self._used(sql, params)  # may have a table made first
        self._waiting.append((sql, used))

    def flush(self) -> None:
        """Have everything done that waits."""
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            self.store.script(waiting)

    def keep(self, definition: str) -> None:
        """Work out a definition once: statements read from now on what it gives now, from a scratch table."""
        if definition not in self._kept:
            self.put(definition, f"{self.others.get(definition, definition)}")
            self._kept.add(definition)

    def rows(self, statement: str, package: str = "truecount.resolve", **params: Any) -> Sequence[Sequence[Any]]:
        """The rows of the named SELECT."""
        return self.ask(self.statement(statement, package), **params)

    def ask(self, sql: str, **params: Any) -> Sequence[Sequence[Any]]:
        """The rows of a SELECT that is at hand, with those of our parameters that it names."""
        used = self._used(sql, params)
        waiting, self._waiting = self._waiting, []
        return self.store.script(waiting, (sql, used))

    def count(self, table: str) -> int:
        """How many rows a scratch table has; 0 where it is not made."""
        if table not in self._made:
            return 0
        return int(self.ask(f"SELECT count() FROM {self._made[table]}")[0][0])

    def empty(self, table: str) -> None:
        self.need(table)
        self.do(f"TRUNCATE TABLE {self._made[table]}")

    def statement(self, name: str, package: str) -> str:
        """A SELECT with all that it reads."""
        sql = complete(text_of(name, package), frozenset(self._kept), tuple(sorted(self.others.items())))
        return sql + ("" if self.large else UNCOMPILED)

    def _used(self, sql: str, params: Mapping[str, Any]) -> dict[str, Any]:
        for table in tables_of(sql):
            if table in COLUMNS and table not in params:
                self.need(table)
        known = {**self.params, **params}
        return {name: value for name, value in known.items() if "{" + name + ":" in sql}


def sweep(
    command: Callable[[str], object],
    rows: Callable[[str], Sequence[Sequence[Any]]],
    is_left: Callable[[int, int], bool] = lambda pid, age_s: True,
) -> int:
    """Drop what a crash left behind, and give how many tables that were.

    All of it, for an engine's start, when no answer is being made; else what `is_left` says of the process that made a
    table and of the table's age in seconds.
    """
    found = rows(
        "SELECT name, toUInt32(greatest(0, now() - metadata_modification_time)) FROM system.tables "
        f"WHERE database = currentDatabase() AND startsWith(name, '{PREFIX}') ORDER BY name"
    )
    left = [name for name, age_s in found if is_left(_owner(name), int(age_s))]
    for name in left:
        command(f"DROP TABLE IF EXISTS `{name}` SYNC")
    return len(left)


def is_ownerless(pid: int, age_s: int) -> bool:
    """Whether the process that made a table is no more, and has not been for long."""
    if age_s < OWNERLESS_S:
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return True
    except PermissionError:
        pass
    return False


def _owner(name: str) -> int:
    """The process that a table's name tells; 0, our own group, where it tells none."""
    pid = name.removeprefix(PREFIX).partition("_")[0]
    return int(pid) if pid.isdecimal() else 0
