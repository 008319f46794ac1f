"""Addresses as the log keeps them: shortened, and as a keyed hash that changes each day."""

from __future__ import annotations

import functools
import hashlib
import ipaddress
import re
import struct
from collections.abc import Sequence
from socket import AF_INET, inet_pton
from typing import Any, Final, NamedTuple

from truecount.policy.memo import Memo
from truecount.policy.sha import sha256
from truecount.policy.urls import MAX_ADDRESS, strip_appendix

DAY_US: Final = 86_400_000_000

_ipv4: Final = re.compile(
    r"(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)\.){3}(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)", re.ASCII
).fullmatch


_first_eight: Final = struct.Struct(">q24x").iter_unpack


def _canonical(address: str) -> str:
    if _ipv4(address):
        return address
    address = address.strip()
    if len(address) > MAX_ADDRESS:
        return ""
    address = strip_appendix(address, "address").partition("%")[0].removeprefix("[").removesuffix("]")
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return ""
    if parsed.version == 6 and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    return str(parsed)


def _shorten(address: str) -> str:
    address = _canonical(address)
    if not address:
        return ""
    if ":" not in address:
        return address[: address.rindex(".")] + ".0"
    return str(ipaddress.ip_network((address, 48), strict=False).network_address)


_canonicals: Final[Memo[str]] = Memo(_canonical, most=16384, longest=64)
_shortened: Final[Memo[str]] = Memo(_shorten, most=16384, longest=64)


def canonical(address: str) -> str:
    """One spelling of an address (IPv4 in IPv6 as IPv4, no zone, no appendix); "" for what is none."""
    return _canonicals[address]


def shorten(address: str) -> str:
    """The network of an address: /24 of IPv4, /48 of IPv6. "" for what is no address."""
    return _shortened[address]


def day_key(secret: bytes, received_us: int) -> bytes:
    """The key of one UTC day: hashes of two days can't be joined without the secret."""
    return hashlib.blake2b(
        (received_us // DAY_US).to_bytes(8, "big", signed=True), key=secret[:64], digest_size=32
    ).digest()


def weak_of(weak_key: bytes, address: str, agent: str) -> int:
    """A keyed 64-bit hash of address and user agent, signed; 0 where either is missing or no address.

    `weak_key` is `day_key(secret, received_us)`.
    """
    if not agent:
        return 0
    address = _canonicals[address]
    if not address:
        return 0
    # The agent comes first: many events share one, and the hash's state behind it is kept.
    keyed = states_of(weak_key[:64])[agent].copy()
    keyed.update(address.encode())
    return int.from_bytes(keyed.digest()[:8], "big", signed=True) or 1


@functools.lru_cache(maxsize=2)
def states_of(weak_key: bytes) -> Memo[Any]:
    """The state of the keyed hash behind a user agent, of those seen last; for one day's key."""

    def state(agent: str) -> Any:
        return sha256(weak_key + f"{agent}\n".encode("utf-8", "surrogatepass"))

    return Memo(state, most=4096, longest=512)


class Addresses(NamedTuple):
    """Addresses of many events, one an event, "" for none."""

    canonical: list[str]
    shortened: list[str]
    plain: bool
    """All are IPv4 in their usual form."""


def addresses_of(addresses: list[str]) -> Addresses:
    """`canonical` and `shorten` of each, at once where all are plain."""
    try:
        for address in addresses:
            inet_pton(AF_INET, address)  # takes the usual form alone
    except (OSError, ValueError):
        pass
    else:
        return Addresses(addresses, [address.rpartition(".")[0] + ".0" for address in addresses], True)
    found = [_canonicals[address] for address in addresses]
    return Addresses(found, [_shortened[address] for address in found], False)


def weak_column(weak_key: bytes, addresses: Addresses, agents: Sequence[str]) -> list[int]:
    """`weak_of` of each event."""
    if not addresses.plain or not all(agents):
        return [weak_of(weak_key, address, agent) for address, agent in zip(addresses.canonical, agents, strict=True)]
    states = states_of(weak_key[:64])
    hashes = [states[agent].copy() for agent in agents]
    for keyed, address in zip(hashes, "\n".join(addresses.canonical).encode().split(b"\n"), strict=True):
        keyed.update(address)
    found = [one for (one,) in _first_eight(b"".join([keyed.digest() for keyed in hashes]))]
    return [one or 1 for one in found] if 0 in found else found
