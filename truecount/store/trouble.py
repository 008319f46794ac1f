"""What a person does about a store that cannot go on: one place, so that all commands advise the same."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

DAMAGED: Final = frozenset({32, 33, 39, 40, 91, 107, 226, 227, 228, 246, 271, 432, 740})
"""ClickHouse codes that say a part of the store cannot be read as it lies on the disk."""
REPLAY: Final = "stop the server, then `truecount replay`: the store is made anew from the log"
_KIND: Final = re.compile(r"^\w+: ")
_ADVICE: Final = re.compile(r"\. Stop Truecount|: put the missing files")
_CODE: Final = re.compile(r"\b[cC]ode:? (\d+)")


def what_is_wrong(error: str) -> str:
    """The loader's error without the name of its class and without advice: `what_to_do` has that."""
    return _ADVICE.split(_KIND.sub("", error, count=1), maxsplit=1)[0].rstrip(".")


def what_to_do(error: str) -> str:
    """The cure for a loader's error, as `LoaderState.error` has it."""
    kind = error.partition(":")[0]
    if kind == "LogDamaged":
        return "put this file of the log back from a backup, with the server stopped; the loader goes on by itself"
    if kind.startswith("Log"):
        return "look at the disk and at who may read the log; the loader tries again by itself"
    if kind == "StoreRefused":
        return MISSING
    code = _CODE.search(error)
    if code and int(code[1]) in DAMAGED:
        return f"the store is damaged: {REPLAY}"
    return f"if this is no full disk: {REPLAY}"


MISSING: Final = (
    "put the missing files of the log back from a backup; if they are lost for good, stop the server and move the "
    "store folder away: it is made anew without what they held"
)


def missing_of(door: str, last: int, end: int) -> str:
    """Words for a store that is ahead of the log."""
    return f"the store holds entries up to {last} of door {door}, the log ends at {end}: files of the log are missing"


def moved_away(store: Path) -> str:
    """The cure for a store that no engine can open."""
    return f"with the server stopped move {store} away: it is made anew from the log"
