from __future__ import annotations

from collections.abc import Iterator

import pytest

from truecount.store.client import Store

from .loading import empty_store
from .ways import WAYS, going


@pytest.fixture(scope="package")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with empty_store(tmp_path_factory.mktemp("store")) as found:
        yield found


@pytest.fixture(scope="module", params=WAYS, autouse=True)
def way(request: pytest.FixtureRequest) -> Iterator[str]:
    """All tests here run either way."""
    with going(request.param) as chosen:
        yield chosen
