from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from truecount.store.client import Store

from .helpers import empty, engine, fresh_tables


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("engine") / "data"


@pytest.fixture(scope="module")
def served(data: Path) -> Iterator[Store]:
    """One engine for a module: it loads nothing by itself, the guarded user is let in."""
    with engine(data, "--no-load", "--reader") as (_, store):
        yield store


@pytest.fixture
def new_tables(served: Store) -> Iterator[Store]:
    """Tables of its own, for a test that changes their schema."""
    with fresh_tables(served) as client:
        yield client


@pytest.fixture(scope="module")
def shared_tables(served: Store) -> Iterator[Store]:
    with fresh_tables(served) as client:
        yield client


@pytest.fixture
def tables(shared_tables: Store) -> Store:
    """Tables that are empty."""
    return empty(shared_tables)
