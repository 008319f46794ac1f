"""The pages of a dataset, in the order of the navigation. One that is not built is not listed."""

from __future__ import annotations

from typing import Final, NamedTuple
from urllib.parse import quote

from truecount.manager.users.accounts import User
from truecount.manager.who import Who


class Item(NamedTuple):
    id: str
    """A page's `here`."""
    below: str
    """What follows /d/{dataset} in its address."""
    icon: str
    """Symbol in bare.j2, without i-."""
    name: str
    key: str
    """The key after g, "" for none."""
    who: Who


NAV: Final[tuple[Item, ...]] = (
    Item("overview", "", "overview", "Overview", "o", Who.USER),
    Item("start", "/start", "start", "Start", "", Who.USER),
    Item("actions", "/actions", "actions", "Actions", "a", Who.USER),
    Item("settings", "/settings", "set", "Settings", "s", Who.OWNER),
)


class Entry(NamedTuple):
    """An item as it is shown to one user for one dataset."""

    id: str
    href: str
    icon: str
    name: str
    key: str


def entries(user: User, dataset: str) -> list[Entry]:
    """What a user sees of the navigation."""
    return [
        Entry(item.id, dataset_path(dataset, item.below), item.icon, item.name, item.key)
        for item in NAV
        if item.who is Who.USER or user.is_owner
    ]


def dataset_path(dataset: str, below: str = "") -> str:
    """The address of a dataset's page."""
    return f"/d/{quote(dataset, safe='')}{below}"


def first_page(dataset: str) -> str:
    """Where one begins with a dataset."""
    return dataset_path(dataset, NAV[0].below)


def same_page(here: str, dataset: str) -> str:
    """The page `here` of another dataset; its first page where that is no page of the navigation."""
    below = next((item.below for item in NAV if item.id == here), NAV[0].below)
    return dataset_path(dataset, below)
