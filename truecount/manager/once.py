"""What is shown once: a new access token, between the form that made it and the page that shows it."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import Final

LASTS_S: Final = 300.0
MOST: Final = 1000


class Once:
    """In memory alone, and taken out by the first look. `place` names whose eyes it is for."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[bytes, str], tuple[float, str]] = OrderedDict()

    def keep(self, place: tuple[bytes, str], secret: str) -> None:
        self._kept[place] = (time.monotonic() + LASTS_S, secret)
        while len(self._kept) > MOST:
            self._kept.popitem(last=False)

    def take(self, place: tuple[bytes, str]) -> str | None:
        """The secret, which is forgotten by that."""
        until_s, secret = self._kept.pop(place, (0.0, ""))
        return secret if time.monotonic() < until_s else None
