"""Addresses of pages that other pages link to, each in one place."""

from __future__ import annotations

from urllib.parse import urlencode

from truecount.manager.nav import dataset_path


def explain_path(dataset: str, event: str, id: str = "", at: str = "") -> str:
    """The address that explains an action."""
    from truecount.manager.views.explain import Search

    return Search(event=event, id=id, at=at).address(dataset)


def actions_path(dataset: str) -> str:
    """All actions of a dataset, the newest first."""
    return dataset_path(dataset, "/actions")


def test_path(dataset: str, **query: str) -> str:
    """Test events, with what is not empty of a filter in the address."""
    given = urlencode({name: value for name, value in query.items() if value})
    return dataset_path(dataset, "/test") + (f"?{given}" if given else "")
