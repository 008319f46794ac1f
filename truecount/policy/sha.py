"""SHA-256 for short texts: the interpreter's own code takes two thirds of the time that OpenSSL needs to begin."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

try:
    from _sha2 import sha256 as _sha256  # type: ignore[import-not-found]  # from Python 3.12 on
except ImportError:
    try:
        from _sha256 import sha256 as _sha256  # type: ignore[import-not-found]
    except ImportError:  # an interpreter that was built without it
        from hashlib import sha256 as _sha256

sha256: Final[Callable[[bytes], Any]] = _sha256


def sha256s(parts: Sequence[bytes]) -> list[bytes]:
    """The digest of each part."""
    hashed = sha256
    return [hashed(part).digest() for part in parts]
