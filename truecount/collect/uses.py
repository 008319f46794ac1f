"""When each access token was last used: noted in memory, written down once a minute, read by the manager.

One small file a door in `run/`, so that no request waits for a disk. It names tokens by their SHA-256. What a killed
door had not written is lost: the last minute, of a fact that is told to the minute.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import Final

import msgspec

WRITE_EVERY_S: Final = 60
_NAME: Final = "tokens-{door}.json"
_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(dict[str, int]).decode


class Uses:
    """Last uses, of one door. `now` is what the server door writes to: hash of a token -> microseconds since 1970."""

    def __init__(self, folder: Path, door: str) -> None:
        self._path = folder / "run" / _NAME.format(door=door)
        self._written = _read(self._path)
        self.now: dict[bytes, int] = {}

    def write(self, known: Collection[bytes]) -> None:
        """Write down what is new, of tokens that there are. OSError where the disk fails: it is tried again."""
        if not self.now:
            return
        found = {hash: us for hash, us in {**self._written, **self.now}.items() if hash in known}
        partial = self._path.with_suffix(".partial")
        partial.write_bytes(_encode({hash.hex(): us for hash, us in found.items()}))
        os.replace(partial, self._path)
        self._written = found
        self.now.clear()


def last_uses(folder: Path) -> dict[bytes, int]:
    """When each token was last used, by its hash, as far as doors have written it down."""
    found: dict[bytes, int] = {}
    for path in (folder / "run").glob(_NAME.format(door="*")):
        for hash, us in _read(path).items():
            found[hash] = max(us, found.get(hash, 0))
    return found


def _read(path: Path) -> dict[bytes, int]:
    """What a file says; nothing where it is not there or damaged: it is a convenience, and made anew."""
    try:
        return {bytes.fromhex(hash): us for hash, us in _decode(path.read_bytes()).items()}
    except (OSError, ValueError):
        return {}
