from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.resolve.loading import empty_store
from truecount.store.client import Store


@pytest.fixture(scope="package")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with empty_store(tmp_path_factory.mktemp("store")) as found:
        yield found
