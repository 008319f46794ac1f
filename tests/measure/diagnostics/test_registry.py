"""Checks are found by listing their folders, and every folder is complete."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from tests.resolve.loading import START_US
from truecount.datasets import Dataset
from truecount.measure.diagnostics.findings import COLUMNS_FIRST, parameters_of, shared, statement_of
from truecount.measure.diagnostics.registry import COLUMNS, PACKAGE, BrokenCheck, Check, check_of, checks
from truecount.resolve.actions import Actions
from truecount.resolve.definitions import complete
from truecount.store.client import Store

CLOCKS = re.compile(r"\b(now|now64|today|yesterday|currentTimestamp|UTCTimestamp|rand\w*|generateUUID\w*)\(", re.I)
NAMES = [check.name for check in checks()]


def test_a_folder_is_a_check_and_there_are_no_others() -> None:
    folders = files(PACKAGE).joinpath("checks").iterdir()
    assert sorted(folder.name for folder in folders) == NAMES
    assert len(NAMES) == len(set(NAMES)) == 14


@pytest.mark.parametrize("check", checks(), ids=NAMES)
def test_every_folder_is_complete(check: Check) -> None:
    assert check.question.endswith((".", "?")) and check.units
    for name in ("about", "title", "seen", "fix", "closes"):
        text = getattr(check.words, name)
        assert text.strip() == text and text, name
        assert text.endswith(".") != (name == "title"), name
    assert check.words.quiet_hours > 0 and check.words.good > 0 and check.words.least > 0
    assert "{quiet}" in check.words.closes or "a day" in check.words.closes


@pytest.mark.parametrize("check", checks(), ids=NAMES)
def test_its_units_have_the_columns_that_are_read(store: Store, check: Check) -> None:
    dataset = Dataset(id="none", name="none", created_us=0)
    with Actions(store, dataset) as actions:
        actions.params |= parameters_of(START_US, START_US + 1, START_US + 1)
        units = complete(f"with\n{shared()},\nunits as (\n{check.units}\n)\nselect * from units")
        described = actions.ask(f"describe ({units}) SETTINGS {COLUMNS_FIRST}", quiet_from_us=START_US)
    assert tuple(str(row[0]) for row in described) == COLUMNS


def test_no_statement_asks_a_clock_or_chance() -> None:
    files_shared = [file.read_text() for file in files(PACKAGE).joinpath("sql").iterdir()]
    for sql in [*files_shared, *(statement_of(check.units) for check in checks())]:
        assert not CLOCKS.search(sql)


WORDS = """
about = "a"
severity = "note"
unit = "copies"
subject = ["name"]
extra = []
least = 1
quiet_hours = 24
good = 1
title = "{name}"
seen = "s"
fix = "f"
closes = "c"
"""
UNITS = "-- Which?\nselect 1\n"


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        ("Capital-name", {}, "kebab-case"),
        ("under_score", {}, "kebab-case"),
        ("no-words", {"check.toml": None}, "check.toml"),
        ("no-sql", {"units.sql": None}, "units.sql"),
        ("no-question", {"units.sql": "select 1"}, "no comment"),
        ("field-missing", {"check.toml": WORDS.replace('fix = "f"', "")}, "fix"),
        ("field-unknown", {"check.toml": WORDS + "colour = 1"}, "colour"),
        ("severity-unknown", {"check.toml": WORDS.replace("note", "dire")}, "dire"),
        ("placeholder-unknown", {"check.toml": WORDS.replace('seen = "s"', 'seen = "{wrong}"')}, "wrong"),
    ],
)
def test_a_folder_that_lacks_something_is_named(tmp_path: Path, name: str, given: dict[str, Any], words: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    for file, text in {"check.toml": WORDS, "units.sql": UNITS, **given}.items():
        if text is not None:
            folder.joinpath(file).write_text(text)
    with pytest.raises(BrokenCheck, match=f"^{name}: .*{words}"):
        check_of(folder)


def test_a_complete_folder_is_a_check(tmp_path: Path) -> None:
    folder = tmp_path / "one-more"
    folder.mkdir()
    folder.joinpath("check.toml").write_text(WORDS)
    folder.joinpath("units.sql").write_text(UNITS)
    check = check_of(folder)
    assert (check.name, check.question, check.units) == ("one-more", "Which?", "select 1")
