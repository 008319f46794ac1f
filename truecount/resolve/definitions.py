"""The .sql files of this folder, each a named definition, composed into statements.

A file holds one SELECT. It may read other definitions by name (`from counted`): they are put in front as a WITH, so
that each rule stands in one place. Values and the names of scratch tables are query parameters; nothing is templated.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import Final

DEFINITIONS: Final = (
    "dedup_columns",
    "accepted",
    "counted",
    "offline",
    "ids",
    "plain_ids",
    "plain_bare",
    "offline_keys",
    "plain_offline",
    "plain",
    "special",
    "verdicts",
    "listed_plain",
    "listed_special",
    "listed",
    "keyed",
    "values_of_keys",
    "amendments",
)
"""What other statements may read by name, each after those it reads itself."""
_READS: Final = re.compile(r"\b(?:from|join)\s+(\w+)\b", re.I)
_TABLE: Final = re.compile(r"\{(\w+):Identifier\}")
_COMMENT: Final = re.compile(r"^\s*--.*\n?", re.M)


@cache
def text_of(name: str, package: str = "truecount.resolve") -> str:
    """One .sql file without its comments. FileNotFoundError for a name that is none."""
    return _COMMENT.sub("", files(package).joinpath("sql", f"{name}.sql").read_text()).strip()


@cache
def complete(sql: str, kept: frozenset[str] = frozenset(), others: tuple[tuple[str, str], ...] = ()) -> str:
    """Put the definitions that a SELECT reads, and those that they read, in front of it.

    Definitions in `kept` are read from the scratch tables of their names, and instead of each first one in `others` the
    second is.
    """
    instead = dict(others)
    texts: dict[str, str] = {}
    waiting = [sql]
    while waiting:
        for name in _READS.findall(waiting.pop()):
            if name in DEFINITIONS and name not in texts:
                text = f"select * from {{{name}:Identifier}}" if name in kept else text_of(instead.get(name, name))
                texts[name] = text
                waiting.append(text)
    if not texts:
        return sql
    definitions = (f"{name} as (\n{texts[name]}\n)" for name in DEFINITIONS if name in texts)
    return "with\n" + ",\n".join(definitions) + f"\nselect * from (\n{sql}\n)"


def tables_of(sql: str) -> list[str]:
    """The scratch tables, and others that are parameters, that a statement names.

    Nothing is kept: statements name the tables of their answer, so each is another text.
    """
    return sorted(set(_TABLE.findall(sql)))
