"""The ways to an answer: few copies all go into the pool, of many only those that need a closer look; of very many
statements are compiled, and nothing is kept for the next one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from unittest.mock import patch

import pytest

from truecount.resolve import actions

LIMITS: Final = {"whole": (2**62, 2**62), "sifted": (-1, 2**62), "large": (-1, -1)}
"""Way -> up to how many copies all go into the pool, and from how many on statements are compiled."""
WAYS: Final = ["whole", "sifted", pytest.param("large", marks=pytest.mark.slow)]


@contextmanager
def going(way: str) -> Iterator[str]:
    """All answers meanwhile go this way, however much there is to look at."""
    whole, large = LIMITS[way]
    with patch.object(actions, "WHOLE", whole), patch.object(actions, "LARGE", large):
        yield way
