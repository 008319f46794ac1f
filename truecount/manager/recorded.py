"""The statements behind a page: what was asked of the store, word for word, with its parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from truecount.resolve.scratch import Sql
from truecount.resolve.scratch import Statement as Asked

LONGEST: Final = 2000
"""Characters of one parameter that are shown: an event's name may be long, and so may a list of doors."""


class Statement(msgspec.Struct, kw_only=True):
    """One statement with its parameters as JSON texts."""

    box: str
    """The question of the page that it answers."""
    sql: str
    params: dict[str, str]


class Recorded:
    """A store that notes what it is asked. For one thread."""

    def __init__(self, store: Sql, box: str) -> None:
        self._store = store
        self._box = box
        self.statements: list[Statement] = []

    def query_rows(self, sql: str, params: Mapping[str, Any] | None = None) -> Sequence[Sequence[Any]]:
        self._note(sql, params)
        return self._store.query_rows(sql, params)

    def script(self, commands: Sequence[Asked], select: Asked | None = None) -> Sequence[Sequence[Any]]:
        for sql, params in (*commands, *([select] if select else [])):
            self._note(sql, params)
        return self._store.script(commands, select)

    def _note(self, sql: str, params: Mapping[str, Any] | None) -> None:
        texts = {name: msgspec.json.encode(value).decode() for name, value in (params or {}).items()}
        shown = {name: text if len(text) <= LONGEST else text[:LONGEST] + "…" for name, text in texts.items()}
        self.statements.append(Statement(box=self._box, sql=sql.strip(), params=shown))
