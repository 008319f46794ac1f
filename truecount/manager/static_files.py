"""The manager's own files, served from memory: their address holds their hash, so that they never change.

No address looks like the pixel script's, which the doors keep for themselves (collect/script.py).
"""

from __future__ import annotations

import gzip
import hashlib
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from litestar import Response

FOLDER: Final = Path(__file__).parent / "static"
KINDS: Final = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
}


class File(NamedTuple):
    kind: str
    body: bytes
    packed: bytes
    """gzip."""


class Files(NamedTuple):
    by_address: dict[str, File]
    """Name with hash -> file."""
    addresses: dict[str, str]
    """Name -> address from the root."""


@cache
def files() -> Files:
    """All files of static/, read once."""
    by_address: dict[str, File] = {}
    addresses: dict[str, str] = {}
    for path in sorted(FOLDER.iterdir()):
        if path.suffix not in KINDS:
            continue
        body = path.read_bytes()
        hashed = f"{path.stem}.{hashlib.sha256(body).hexdigest()[:16]}{path.suffix}"
        by_address[hashed] = File(KINDS[path.suffix], body, gzip.compress(body, 9, mtime=0))
        addresses[path.name] = f"/static/{hashed}"
    return Files(by_address, addresses)


def address(name: str) -> str:
    """Where a file of static/ is, by its plain name."""
    return files().addresses[name]


def answer(hashed: str, accept_encoding: str) -> Response[bytes] | None:
    """The file, None when there is none of this name and hash."""
    file = files().by_address.get(hashed)
    if file is None:
        return None
    packs = "gzip" in accept_encoding.lower() and len(file.packed) < len(file.body)
    headers = {
        "Cache-Control": "public, max-age=31536000, immutable",
        "Vary": "Accept-Encoding",
        # A picture's own style is its own affair; nothing else in it is anybody's.
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    }
    if packs:
        headers["Content-Encoding"] = "gzip"
    return Response(file.packed if packs else file.body, media_type=file.kind, headers=headers)
