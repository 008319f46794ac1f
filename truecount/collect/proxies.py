"""Whose request it is: the peer's address, or what a trusted proxy says of it."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from typing import Final

_MEMO: Final = 65536


def networks_of(texts: Iterable[str]) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    """Parse CIDRs or single addresses, several to a text when parted by commas. ValueError names the wrong one."""
    return tuple(
        ipaddress.ip_network(part.strip(), strict=False) for text in texts for part in text.split(",") if part.strip()
    )


def plain_address(text: str) -> str:
    """An address without port, brackets, zone or IPv4-in-IPv6 dress; "" when it is none."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(address)


class Proxies:
    """Which peers are proxies that may speak for others. Everybody else speaks for itself alone."""

    def __init__(self, networks: Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network] = ()) -> None:
        self._networks = tuple(networks)
        self._known: dict[str, bool] = {}

    def trusts(self, address: str) -> bool:
        """True when this address is a trusted proxy's."""
        if not self._networks:
            return False
        known = self._known.get(address)
        if known is None:
            try:
                parsed = ipaddress.ip_address(address)
            except ValueError:
                return False
            known = any(parsed in network for network in self._networks if network.version == parsed.version)
            if len(self._known) < _MEMO:
                self._known[address] = known
        return known

    def client(self, peer: str, forwarded_for: str) -> str:
        """The client that a trusted peer names: from the right, the first address that is no trusted proxy's.

        Where a name in the chain is unreadable, the chain is believed up to it.
        """
        client = peer
        for name in reversed(forwarded_for.split(",")):
            address = plain_address(name)
            if not address:
                break
            client = address
            if not self.trusts(address):
                break
        return client
