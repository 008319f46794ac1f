"""Slows down who guesses passwords: growing pauses for an account and for an address.

An account pauses for a minute at most, so that somebody who guesses from many addresses cannot keep its owner out; an
address for a quarter of an hour. A one-time link is not slowed down: nobody guesses 256 bits. What is counted is in
memory alone, and bounded.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final, NamedTuple

from truecount.collect.held import holder_of
from truecount.collect.proxies import plain_address

from .accounts import email_key

MOST: Final = 10_000
"""Accounts and addresses that are remembered; the ones tried longest ago are forgotten first."""
FORGET_S: Final = 3600.0
"""After so long without a failure all is forgiven."""


class Rule(NamedTuple):
    free: int
    """Failures before the first pause."""
    first_s: float
    """The first pause; each further failure doubles it."""
    most_s: float


ACCOUNT: Final = Rule(free=5, first_s=1.0, most_s=60.0)
ADDRESS: Final = Rule(free=20, first_s=5.0, most_s=900.0)
"""Wider than an account's: many people may share an address."""


class _Tally:
    __slots__ = ("failures", "last_s", "until_s")

    def __init__(self) -> None:
        self.failures = 0
        self.last_s = 0.0
        self.until_s = 0.0


class Throttle:
    """`now_s` is a clock that never runs backwards, in seconds."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._tallies: OrderedDict[tuple[str, str], _Tally] = OrderedDict()

    def wait_s(self, email: str, address: str) -> float:
        """Seconds until this account may be tried from this address again; 0 when it may be now."""
        now_s = self._now_s()
        known = (self._tallies.get(key) for key, _ in _keys(email, address))
        return max(0.0, *(tally.until_s - now_s for tally in known if tally), 0.0)

    def begin(self, email: str, address: str) -> None:
        """Count a try as failed before it is looked at, so that many at once are as many as one after the other."""
        now_s = self._now_s()
        for key, rule in _keys(email, address):
            tally = self._tallies.get(key)
            if tally is None or now_s - tally.last_s > FORGET_S:
                tally = self._tallies[key] = _Tally()
            self._tallies.move_to_end(key)
            tally.failures += 1
            tally.last_s = now_s
            beyond = tally.failures - rule.free
            if beyond > 0:
                tally.until_s = now_s + min(rule.first_s * 2.0 ** min(beyond - 1, 30), rule.most_s)
        while len(self._tallies) > MOST:
            self._tallies.popitem(last=False)

    def succeeded(self, email: str, address: str) -> None:
        """The password was right: the account starts anew. The address loses this one try alone, so that a user of
        one's own does not pay for guesses at others.
        """
        (account, _), (place, rule) = _keys(email, address)
        self._tallies.pop(account, None)
        tally = self._tallies.get(place)
        if tally:
            tally.failures -= 1
            if tally.failures <= rule.free:
                tally.until_s = 0.0

    def forget(self, email: str) -> None:
        """A one-time link was used: the account starts anew."""
        self._tallies.pop(("account", email_key(email)), None)


def _keys(email: str, address: str) -> tuple[tuple[tuple[str, str], Rule], tuple[tuple[str, str], Rule]]:
    plain = plain_address(address)
    return (("account", email_key(email)[:300]), ACCOUNT), (("address", holder_of(plain) if plain else ""), ADDRESS)
