"""The schema: numbered .sql files, each applied once, in order. Only {engine} and {on_cluster} are templated."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib.resources import files
from typing import Any, Final, NamedTuple

from .errors import StoreRefused

_FILE: Final = re.compile(r"(\d{4})_(\w+)\.sql").fullmatch
_COMMENT: Final = re.compile(r"^\s*--.*$", re.M)
REBUILD: Final = "-- rebuild"
"""First line of a migration after which an older store must be made anew from the log."""

_MIGRATIONS_TABLE: Final = """
CREATE TABLE IF NOT EXISTS migrations {on_cluster} (number UInt32, name String)
ENGINE = {engine}MergeTree ORDER BY number SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
"""


class Migration(NamedTuple):
    number: int
    name: str
    text: str

    @property
    def rebuild(self) -> bool:
        return self.text.startswith(REBUILD)

    def statements(self, engine: str = "", on_cluster: str = "") -> list[str]:
        """The file's statements, its two placeholders filled in."""
        text = _COMMENT.sub("", self.text).replace("{engine}", engine).replace("{on_cluster}", on_cluster)
        return [statement for part in text.split(";") if (statement := part.strip())]


def migrations() -> list[Migration]:
    """All migrations in order. ValueError when their numbers are not 1, 2, 3, ..."""
    found = [
        Migration(int(match[1]), match[2], file.read_text())
        for file in files("truecount.store").joinpath("migrations").iterdir()
        if (match := _FILE(file.name))
    ]
    found.sort()
    if [migration.number for migration in found] != list(range(1, len(found) + 1)):
        raise ValueError("migrations are not numbered 1, 2, 3, ...")
    return found


def migrate(
    command: Callable[[str], object],
    rows: Callable[[str], list[list[Any]]],
    known: list[Migration] | None = None,
    *,
    engine: str = "",
    on_cluster: str = "",
) -> bool:
    """Bring the schema up to date. True when the tables must be filled anew from the log: they are empty then.

    StoreRefused when a newer version made the store.
    """
    known = migrations() if known is None else known
    command(_MIGRATIONS_TABLE.format(engine=engine, on_cluster=on_cluster))
    applied = int(rows("SELECT max(number) FROM migrations")[0][0])
    if applied > len(known):
        raise StoreRefused(
            f"the store has schema {applied}, this Truecount knows up to {len(known)}: use a newer one, "
            "or delete the store folder, and it is rebuilt from the log"
        )
    rebuild = applied > 0 and any(migration.rebuild for migration in known[applied:])
    if rebuild:
        for (name,) in rows("SELECT name FROM system.tables WHERE database = currentDatabase() ORDER BY name"):
            command(f"DROP TABLE IF EXISTS `{name}` {on_cluster} SYNC")
        command(_MIGRATIONS_TABLE.format(engine=engine, on_cluster=on_cluster))
        applied = 0
    for migration in known[applied:]:
        # Each statement can run again: a crash between the last one and the note below repeats them.
        for statement in migration.statements(engine, on_cluster):
            command(statement)
        command(f"INSERT INTO migrations VALUES ({migration.number}, '{migration.name}')")
    return rebuild
