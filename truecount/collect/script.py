"""The pixel script as the door serves it: from memory, ready compressed, below any path, be the manager there or not.

`/truecount.js` and `/xx_YY/fbevents.js` (any locale) are the file of this version, to be asked for again after an hour;
`/truecount-<hash>.js` never changes. The hash of another version gets this version's file, as if there were none.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import msgspec

BUILT: Final = Path(__file__).parents[1] / "pixel" / "built"
ALIAS_S: Final = 3600
"""Seconds that a browser keeps the file of an address without a hash (design.md: 60 s to 7 days)."""

_path: Final = re.compile(
    rb"(?:.*/)?(?:[a-z]{2}_[A-Z]{2}/fbevents|(truecount(?:-extra)?)(?:-([0-9a-f]{8,64}))?)\.js"
).fullmatch
_accepted: Final = re.compile(rb"\s*([a-z*]+)\s*(?:;\s*q=([0-9.]+)\s*)?").fullmatch


class File(msgspec.Struct):
    """What index.json says of a built file (truecount/pixel/build.mjs)."""

    versioned: str
    """Its name with its hash."""
    integrity: str
    """For the attribute of that name (Subresource Integrity)."""
    bytes: int
    gzip: int
    brotli: int


def built_files() -> dict[str, File]:
    """The built files by name without .js: `truecount`, `truecount-extra`."""
    return msgspec.json.decode((BUILT / "index.json").read_bytes(), type=dict[str, File])


class Scripts:
    """The built files, read once."""

    def __init__(self) -> None:
        self._bodies: dict[tuple[str, str], bytes] = {}
        self._hashes: dict[str, str] = {}
        for name, file in built_files().items():
            self._hashes[name] = file.versioned.removesuffix(".js").rpartition("-")[2]
            for coding, suffix in (("", ""), ("gzip", ".gz"), ("br", ".br")):
                self._bodies[name, coding] = (BUILT / f"{name}.js{suffix}").read_bytes()

    @staticmethod
    def serves(path: bytes) -> bool:
        """Whether a path is that of a script."""
        return _path(path) is not None

    def answer(self, path: bytes, head: dict[bytes, bytes], *, with_body: bool, date: bytes, keep: bool) -> bytes:
        """The whole answer, 200 or 304. `path` is one that `serves` takes."""
        match = _path(path)
        assert match is not None
        name = (match[1] or b"truecount").decode()
        known = self._hashes[name]
        coding = _coding_of(head.get(b"accept-encoding", b""))
        body = self._bodies[name, coding]
        tag = f'"{known}{"-" + coding if coding else ""}"'.encode()
        immutable = (match[2] or b"").decode() == known
        cache = b"max-age=31536000, immutable" if immutable else b"max-age=%d" % ALIAS_S
        lines = [
            b"Date: " + date,
            b"ETag: " + tag,
            b"Cache-Control: public, " + cache,
            b"Vary: Accept-Encoding",
            b"Access-Control-Allow-Origin: *",
            b"Cross-Origin-Resource-Policy: cross-origin",
            b"Timing-Allow-Origin: *",
            b"X-Content-Type-Options: nosniff",
        ]
        if not keep:
            lines.append(b"Connection: close")
        asked = head.get(b"if-none-match", b"")
        if asked and (asked.strip() == b"*" or tag in [one.strip().removeprefix(b"W/") for one in asked.split(b",")]):
            return b"\r\n".join([b"HTTP/1.1 304 Not Modified", *lines, b"", b""])
        lines += [b"Content-Type: text/javascript; charset=utf-8", b"Content-Length: %d" % len(body)]
        if coding:
            lines.append(b"Content-Encoding: " + coding.encode())
        return b"\r\n".join([b"HTTP/1.1 200 OK", *lines, b"", body if with_body else b""])


def _coding_of(accepted: bytes) -> str:
    """The smallest of our codings that the client takes; "" for none."""
    takes: dict[bytes, bool] = {}
    for one in accepted.lower().split(b",")[:32]:
        match = _accepted(one)
        if match:
            takes[match[1]] = not match[2] or match[2].strip(b"0.") != b""
    for coding in (b"br", b"gzip"):
        if takes.get(coding, takes.get(b"*", False)):
            return coding.decode()
    return ""
