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
    "listed",
    "keyed",
    "values_of_keys",
    "amendments",
)
"""What other statements may read by name, each after those it reads itself."""
_READS: Final = re.compile(r"\b(?:from|join)\s+(\w+)\b", re.I)
_COMMENT: Final = re.compile(r"^\s*--.*\n?", re.M)


@cache
def text_of(name: str, package: str = "truecount.resolve") -> str:
    """One .sql file without its comments. FileNotFoundError for a name that is none."""
    return _COMMENT.sub("", files(package).joinpath("sql", f"{name}.sql").read_text()).strip()


@cache
def complete(sql: str) -> str:
    """Put the definitions that a SELECT reads, and those that they read, in front of it."""
    needed: set[str] = set()
    waiting = [sql]
    while waiting:
        for name in _READS.findall(waiting.pop()):
            if name in DEFINITIONS and name not in needed:
                needed.add(name)
                waiting.append(text_of(name))
    if not needed:
        return sql
    definitions = (f"{name} as (\n{text_of(name)}\n)" for name in DEFINITIONS if name in needed)
    return "with\n" + ",\n".join(definitions) + f"\nselect * from (\n{sql}\n)"
