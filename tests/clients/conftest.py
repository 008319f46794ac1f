"""One server for all clients, and the official SDK pointed at it for the length of a test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.system import Shop, System

GRAPH = "https://graph.facebook.com"


@pytest.fixture(scope="package")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    made = System(Path(tmp_path_factory.mktemp("clients")))
    with made.running():
        yield made


@pytest.fixture
def shop(system: System, request: pytest.FixtureRequest) -> Shop:
    """A dataset of the test's own."""
    return system.create(request.node.name[:60])


@pytest.fixture
def sdk(system: System) -> Iterator[Callable[[Shop], None]]:
    """Points the Python SDK at the server with a dataset's token: nothing but the host is changed."""
    from facebook_business.api import FacebookAdsApi
    from facebook_business.session import FacebookSession

    def point(shop: Shop) -> None:
        FacebookSession.GRAPH = system.state["url"]
        api = FacebookAdsApi.init(access_token=shop.token, crash_log=False)
        api._session.requests.trust_env = False

    yield point
    FacebookSession.GRAPH = GRAPH
    FacebookAdsApi.set_default_api(None)
