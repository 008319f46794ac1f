"""The checks, found by listing their folders: one more folder is one more check.

A folder of checks/ is named as its check, in kebab-case, and holds two files:

check.toml  words and thresholds; the fields of `Words`, all of them
units.sql   one SELECT that begins with the question it answers. It may read `seen` and `two_sided` (sql/) and the
            definitions of truecount.resolve. It gives a row for each thing looked at, in the columns of COLUMNS;
            sql/found.sql does the rest, alike for all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from string import Formatter
from typing import Final, NamedTuple

import msgspec

PACKAGE: Final = "truecount.measure.diagnostics"
COLUMNS: Final = (
    "subject",  # Array(String): what a finding is about; rows of one subject make one finding
    "bad",  # whether it is wrong
    "n",  # how many things the row stands for
    "event_name",
    "event_id",
    "once",  # rows of one name that are alike in this give their value once
    "source",
    "received_us",  # of several copies the last
    "place",  # where the copy lies in the log, 0 where it is none
    "value_e4",  # what is at stake if it is wrong, null for nothing
    "currency",
    "extra",  # Array(UInt64): numbers for the sentences, added up over what is wrong
)
NAME: Final = re.compile(r"[a-z]+(-[a-z]+)*").fullmatch
_QUESTION: Final = re.compile(r"(?:^--.*\n)+", re.M)


class Severity(StrEnum):
    """How much a finding matters, apart from its value."""

    FIX = "fix_now"
    LOOK = "look_into"
    NOTE = "note"


class Words(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What check.toml says.

    `title`, `seen`, `fix` and `closes` are sentences with placeholders: the names in `subject` and `extra`, and those
    that sentences.py adds. `least` is how many must be wrong for a finding. It is solved when nothing was wrong for the
    last `quiet_hours` while `good` things or more were right. `about` is the check in one line, for the docs.
    """

    about: str
    severity: Severity
    unit: str
    subject: tuple[str, ...]
    extra: tuple[str, ...]
    least: int
    quiet_hours: int
    good: int
    title: str
    seen: str
    fix: str
    closes: str


class Check(NamedTuple):
    name: str
    words: Words
    question: str
    """The comment that units.sql begins with."""
    units: str
    """The SELECT without it."""


class BrokenCheck(ValueError):
    """A folder of checks/ that is no check; the text names it and says why."""


@cache
def checks() -> tuple[Check, ...]:
    """All checks, by name. BrokenCheck when a folder is not complete."""
    return tuple(_listed(files(PACKAGE).joinpath("checks")))


def _listed(folder: Traversable) -> Iterator[Check]:
    for one in sorted(folder.iterdir(), key=lambda one: one.name):
        if one.is_dir() and not one.name.startswith("_"):
            yield check_of(one)


def check_of(folder: Traversable) -> Check:
    """Read one folder. BrokenCheck says what it lacks."""
    if not NAME(folder.name):
        raise BrokenCheck(f"{folder.name}: a check's name is in kebab-case")
    try:
        words = msgspec.toml.decode(folder.joinpath("check.toml").read_bytes(), type=Words)
        sql = folder.joinpath("units.sql").read_text()
    except (OSError, msgspec.MsgspecError) as error:
        raise BrokenCheck(f"{folder.name}: {error}") from None
    comment = _QUESTION.match(sql)
    if comment is None:
        raise BrokenCheck(f"{folder.name}: units.sql begins with no comment")
    for field in ("title", "seen", "fix", "closes"):
        unknown = placeholders(getattr(words, field)) - {*KNOWN_TO_ALL, *words.subject, *words.extra}
        if unknown:
            raise BrokenCheck(f"{folder.name}: {field} speaks of {', '.join(sorted(unknown))}, which nothing gives")
    question = " ".join(line.lstrip("- ").strip() for line in comment[0].splitlines())
    return Check(folder.name, words, question, sql[comment.end() :].strip())


KNOWN_TO_ALL: Final = frozenset({"dataset", "some", "affected", "looked_at", "quiet", "good"})
"""Placeholders of every check's sentences; sentences.py has their meaning."""


def placeholders(text: str) -> set[str]:
    """The names in braces."""
    return {name for _, name, _, _ in Formatter().parse(text) if name}
