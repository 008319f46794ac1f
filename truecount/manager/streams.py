"""Server-sent events: how one is written, packed, and when a stream ends because its viewer may look no longer."""

from __future__ import annotations

import re
import zlib
from functools import lru_cache
from typing import Final

from truecount.datasets import Dataset
from truecount.manager.shared import Asked, manager_of
from truecount.manager.users.file import UsersError
from truecount.manager.who import visitor_of

LOOK_AGAIN_S: Final = 1.0
"""How often a stream looks whether its session is still there."""
HEARTBEAT_S: Final = 10.0
OVER: Final = "This session is over, so the live view has ended. Sign in again to go on."
GONE: Final = "This dataset was deleted, or you may no longer see it, so the live view has ended."
MEDIA_TYPE: Final = "text/event-stream"
BEGIN: Final = b"retry: 1000\n: listening\n\n"
HERE: Final = b": here\n\n"
_LINE: Final = re.compile("\r\n|\r|\n")
_GZIP_HEAD: Final = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"
_LAST_BLOCK: Final = b"\x03\0"


def event(name: str, text: str, id: str = "") -> bytes:
    """One event. Each line of the text is a line of data: what is in it can begin no other field."""
    lines = [f"event: {name}", *(f"data: {line}" for line in _LINE.split(text)), *([f"id: {id}"] if id else [])]
    return ("\n".join(lines) + "\n\n").encode("utf-8", "replace")


def headers(*, packed: bool = False) -> dict[str, str]:
    """Of every stream: kept by nobody, and passed on at once by proxies that would rather wait for more."""
    more = {"Content-Encoding": "gzip"} if packed else {}
    return {"Cache-Control": "no-store", "X-Accel-Buffering": "no", "Vary": "Accept-Encoding, Cookie", **more}


class Pipe:
    """What goes down one stream, packed where the viewer takes that.

    Each event is packed by itself (RFC 1951: blocks that look back at nothing and end at a whole byte), so that events
    which go to many viewers are packed once for all of them, and pieces of any origin make one gzip member.
    """

    def __init__(self, accept_encoding: str) -> None:
        self.packs = "gzip" in accept_encoding.lower()
        self._check = self._size = 0
        self._has_begun = False

    def put(self, data: bytes) -> bytes:
        """The bytes to send for an event."""
        if not self.packs:
            return data
        self._check = zlib.crc32(data, self._check)
        self._size += len(data)
        head, self._has_begun = b"" if self._has_begun else _GZIP_HEAD, True
        return head + _piece(data)

    def end(self) -> bytes:
        """What a whole stream ends with."""
        if not self._has_begun:
            return b""
        return _LAST_BLOCK + self._check.to_bytes(4, "little") + (self._size & 0xFFFFFFFF).to_bytes(4, "little")


@lru_cache(maxsize=64)
def _piece(data: bytes) -> bytes:
    packer = zlib.compressobj(6, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush(zlib.Z_FULL_FLUSH)


def why_over(request: Asked, dataset: Dataset) -> str:
    """Why a stream ends, in words: "" while its session lets its user see the dataset, and no other one has its id."""
    manager = manager_of(request)
    try:
        user, _ = manager.users.sessions.look(visitor_of(request).token)
    except UsersError:
        return ""  # not known at the moment: the next look tells
    there = manager.registry.datasets().get(dataset.id)
    if user is None:
        return OVER
    is_there = user.may_see(dataset.id) and there is not None and there.created_us == dataset.created_us
    return "" if is_there else GONE
