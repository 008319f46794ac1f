"""A bounded memo: the first computation of a value that repeats (a user agent, a page's address) is kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

V = TypeVar("V")


class Memo(dict[str, V], Generic[V]):
    """`memo[key]` is `function(key)`, remembered for up to `most` keys of at most `longest` characters.

    A full memo is emptied: traffic that repeats fills it again at once, and traffic that never repeats can't grow it.
    The function must be pure.
    """

    def __init__(self, function: Callable[[str], V], *, most: int = 4096, longest: int = 512) -> None:
        super().__init__()
        self.function = function
        self.most = most
        self.longest = longest

    def __missing__(self, key: str) -> V:
        value = self.function(key)
        if len(key) <= self.longest:
            if len(self) >= self.most:
                self.clear()
            self[key] = value
        return value
