"""Numbered migrations: each once, in order; older stores are made anew where one says so; newer ones are left alone."""

from __future__ import annotations

import pytest

from truecount.copies import FIELDS
from truecount.store.client import Store
from truecount.store.errors import StoreRefused
from truecount.store.schema import REBUILD, Migration, migrate, migrations

from .helpers import Remote

NEXT = migrations()[-1].number + 1


def test_the_table_of_copies_has_the_fields_of_a_copy_in_their_order_and_then_its_offset(tables: Store) -> None:
    found = tables.query_rows(
        "SELECT name FROM system.columns WHERE database = currentDatabase() AND table = 'copies' ORDER BY position"
    )
    assert [name for (name,) in found] == [*FIELDS, "door", "seq", "pos", "imported_us"]


def test_no_table_asks_the_clock_and_only_the_engine_and_the_cluster_are_templated() -> None:
    for migration in migrations():
        for statement in migration.statements("Replicated", "ON CLUSTER c"):
            assert "now(" not in statement.lower() and "today(" not in statement.lower()
            assert "{" not in statement
            assert "ON CLUSTER c" in statement or not statement.startswith("CREATE TABLE")
            assert "MergeTree" not in statement or "Replicated" in statement


def test_a_newer_migration_is_applied_to_a_store_as_it_is(new_tables: Store) -> None:
    remote = Remote(new_tables)
    new_tables.command("INSERT INTO settings (dataset) VALUES ('1001')")
    known = [*migrations(), Migration(NEXT, "next", "ALTER TABLE settings ADD COLUMN note String; SELECT 1;")]
    assert migrate(remote.command, remote.rows, known) is False
    assert new_tables.query_rows("SELECT dataset, note FROM settings") == [("1001", "")]
    assert migrate(remote.command, remote.rows, known) is False


def test_a_migration_that_wants_it_makes_the_tables_anew(new_tables: Store) -> None:
    remote = Remote(new_tables)
    new_tables.command("INSERT INTO settings (dataset) VALUES ('1001')")
    new_tables.command("INSERT INTO batches (door, last_seq) VALUES ('d', 5)")
    known = [
        *migrations(),
        Migration(NEXT, "next", f"{REBUILD}\nCREATE TABLE IF NOT EXISTS more (a Int8) ENGINE = Memory"),
    ]
    assert migrate(remote.command, remote.rows, known) is True
    assert new_tables.query_rows("SELECT count() FROM settings") == [(0,)]
    assert new_tables.query_rows("SELECT count() FROM batches") == [(0,)]
    assert new_tables.query_rows("SELECT count() FROM more") == [(0,)]
    assert migrate(remote.command, remote.rows, known) is False


def test_a_store_of_a_newer_version_is_refused(new_tables: Store) -> None:
    remote = Remote(new_tables)
    new_tables.command("INSERT INTO migrations VALUES (999, 'of_the_future')")
    with pytest.raises(StoreRefused, match="schema 999"):
        migrate(remote.command, remote.rows)
