"""Match keys of a hit: those that come hashed, which nearly all do, and lists."""

from __future__ import annotations

from typing import Final

import msgspec

from truecount.copies import Copy
from truecount.policy.keys import NOTHINGS
from truecount.vocabulary import DIGEST_KEYS

_DIGEST: Final = frozenset(DIGEST_KEYS)


def take_hashed(copy: Copy, keys: dict[str, str]) -> dict[str, str]:
    """Keep the values that are SHA-256 already, which nearly all are, and return what is left."""
    rest: dict[str, str] = {}
    for name, value in keys.items():
        if len(value) == 64 and name in _DIGEST:
            try:
                digest = bytes.fromhex(value)
            except ValueError:
                digest = b""
            if len(digest) == 32 and digest not in NOTHINGS:
                setattr(copy, name, digest)
                continue
        rest[name] = value
    return rest


def listed(values: list[str]) -> list[str]:
    """Values of a match key of which some are JSON arrays."""
    flat: list[str] = []
    for value in values:
        if value.startswith("["):
            try:
                flat += [str(one) for one in msgspec.json.decode(value) if one is not None]
                continue
            except (msgspec.MsgspecError, RecursionError, ValueError, TypeError):
                pass
        flat.append(value)
    return flat
