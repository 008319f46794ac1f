"""What can go wrong with the store.

StoreError
├── StoreDown      nobody answers: the engine is starting, being restarted, or gone; asking again may help
│   └── LoaderStuck  it answers, but not all of the log can be loaded; the text is the loader's error
├── StoreRefused   the store cannot be used as it lies: made by a newer version, or a rebuild would lose history
├── QueryTooHeavy  a query went over its time, memory or size; the engine lives
└── QueryFailed    the engine refused a query; `code` is ClickHouse's number
"""

from __future__ import annotations

from typing import Final

HEAVY: Final = frozenset({158, 159, 160, 202, 241, 307, 396, 473})
"""ClickHouse codes of what was too much: rows, time, queries at a time, memory, bytes, result, waiting for a lock."""


class StoreError(Exception):
    """Base of what the store raises."""


class StoreDown(StoreError):
    """No engine answers."""


class LoaderStuck(StoreDown):
    """The loader cannot go on: the store has not all that is in the log."""


class StoreRefused(StoreError):
    """The store cannot be used as it lies; the text says what to do."""


class QueryFailed(StoreError):
    """The engine refused a query. `code` is ClickHouse's error code, 0 where it gave none."""

    def __init__(self, text: str, code: int = 0) -> None:
        super().__init__(text)
        self.code = code


class QueryTooHeavy(QueryFailed):
    """A query went over its limit of time, memory or result size."""


def query_error(text: str, code: int) -> QueryFailed:
    """The error that a ClickHouse code stands for."""
    return QueryTooHeavy(text, code) if code in HEAVY else QueryFailed(text, code)
