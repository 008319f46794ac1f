"""The log of changes: each record of a dataset, who made it, and that it is nothing but what the log says."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from truecount.datasets import COMMAND_LINE, DatasetSettings, token_hash
from truecount.log.folder import DataFolder
from truecount.log.registry import Registry


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return DataFolder(tmp_path / "data").path


def told(registry: Registry, id: str = "77") -> list[tuple[str, str, bool, int]]:
    return [
        (one.dataset.by, one.dataset.name, one.dataset.settings.count_bots, len(one.dataset.token_hashes))
        for one in registry.changes(id)
    ]


EXPECTED = [
    ("u1", "Shop", False, 1),
    ("u2", "Shop", True, 1),
    ("", "Store", True, 1),
    (COMMAND_LINE, "Store", True, 2),
    ("u1", "Store", True, 1),
]


def make(folder: Path) -> None:
    with Registry.open(folder) as registry:
        _, token = registry.create("Shop", id="77", by="u1")
        registry.create("Other", id="78", by="u3")
        registry.change("77", settings=DatasetSettings(count_bots=True), by="u2")
        registry.change("77", name="Store")
        registry.add_token("77", by=COMMAND_LINE)
        registry.remove_token("77", token_hash(token), "u1")
        assert told(registry) == EXPECTED


def test_each_change_is_kept_with_who_made_it(folder: Path) -> None:
    make(folder)
    with Registry.open(folder, read_only=True) as registry:
        assert told(registry) == EXPECTED
        assert told(registry, "78") == [("u3", "Other", False, 1)]
        assert told(registry, "79") == []


def test_the_newest_record_says_who_and_the_next_one_forgets_it(folder: Path) -> None:
    with Registry.open(folder) as registry:
        registry.create("Shop", id="77", by="u1")
        assert registry.get("77").by == "u1"
        registry.change("77", name="Store")
        assert registry.get("77").by == ""


@pytest.mark.parametrize("lost", ["all of it", "the table alone"])
def test_what_is_lost_comes_again_from_the_log(folder: Path, lost: str) -> None:
    make(folder)
    for path in folder.glob("control.sqlite*"):
        if lost == "all of it":
            path.unlink()
    if lost == "the table alone":  # a folder of a version that kept none
        with sqlite3.connect(folder / "control.sqlite") as database:
            database.execute("drop table changes")
        database.close()
    with Registry.open(folder) as registry:
        assert told(registry) == EXPECTED
        assert registry.get("77").name == "Store"


def test_a_dataset_that_is_made_again_begins_anew(folder: Path) -> None:
    make(folder)
    with Registry.open(folder) as registry:
        registry.delete("77", "u1")
        assert told(registry) == []
        registry.create("Second", id="77", by="u2")
        assert told(registry) == [("u2", "Second", False, 1)]


def test_another_process_sees_a_change_at_once(folder: Path) -> None:
    make(folder)
    with Registry.open(folder) as registry, Registry.open(folder, read_only=True) as reader:
        assert len(reader.changes("77")) == 5
        registry.change("77", name="Third", by="u9")
        assert told(reader)[-1] == ("u9", "Third", True, 1)
