"""The two ways to an answer: few copies all go into the pool, of many only those that need a closer look."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from unittest.mock import patch

from truecount.resolve import actions

WAYS: Final = {"whole": 2**62, "sifted": -1}


@contextmanager
def going(way: str) -> Iterator[str]:
    """All answers meanwhile go this way, however much there is to look at."""
    with patch.object(actions, "WHOLE", WAYS[way]):
        yield way
