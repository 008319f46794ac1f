from __future__ import annotations

from collections.abc import Iterator

import pytest

from truecount.store.client import Store

from .helpers import engine, fresh_tables


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """One engine for a module: it loads nothing by itself, the guarded user is let in."""
    with engine(tmp_path_factory.mktemp("engine") / "data", "--no-load", "--reader") as (_, store):
        yield store


@pytest.fixture
def tables(served: Store) -> Iterator[Store]:
    with fresh_tables(served) as client:
        yield client
