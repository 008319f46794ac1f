"""A request to one of the collecting doors, read whole."""

from __future__ import annotations

from typing import Final, Protocol

import msgspec

HEAD_OF_HIT: Final = (b"user-agent", b"referer", b"origin", b"sec-purpose", b"purpose", b"x-moz")
"""What of a head a hit without a body is judged by: no more of it is kept while it waits."""


class Receiver(Protocol):
    """A connection, as the batcher sees it."""

    def give(self, data: bytes, n: int) -> None:
        """Send n answers, joined."""


class Request(msgspec.Struct, gc=False):
    """`head` has lower-case names, of a hit without a body those in HEAD_OF_HIT; of a repeated one the first value (two
    Host lines never come this far)."""

    receiver: Receiver
    route: int
    method: bytes
    path: bytes
    query: bytes
    head: dict[bytes, bytes]
    body: bytes
    keep: bool
    """Whether the connection stays open after the answer."""
    address: str
    """The client's, as trusted proxies tell it."""
    too_large: bool = False
    """The body was larger than is read; none of it is here."""
