"""What bodies that are still being read take of memory: a bound for all together, and a share of it for each peer."""

from __future__ import annotations

from ipaddress import IPv6Address
from typing import Final

SHARE: Final = 4
"""One peer may take a SHAREth of the whole, and one largest body in any case."""


def holder_of(address: str) -> str:
    """Who holds what a plain address sends: an IPv4 address by itself, all of an IPv6 /64 as one."""
    return IPv6Address(address).exploded[:19] if ":" in address else address


class Held:
    """Bytes of unfinished bodies by holder: a peer's address, or "" for those that have no share of their own."""

    def __init__(self, most: int, largest: int) -> None:
        self.most = most
        self.most_each = max(most // SHARE, largest)
        self.size = 0
        self.by_holder: dict[str, int] = {}

    def hold(self, holder: str, size: int) -> bool:
        """Count more bytes. False where that is too much: the caller lets go of what it holds then."""
        self.size += size
        if not holder:
            return self.size <= self.most
        held = self.by_holder.get(holder, 0) + size
        self.by_holder[holder] = held
        return self.size <= self.most and held <= self.most_each

    def release(self, holder: str, size: int) -> None:
        """Bytes that `hold` counted are handed on or thrown away."""
        self.size -= size
        if holder:
            left = self.by_holder[holder] - size
            if left:
                self.by_holder[holder] = left
            else:
                del self.by_holder[holder]

    @property
    def is_crowded(self) -> bool:
        return 2 * self.size > self.most
