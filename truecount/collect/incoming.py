"""The body of a request on its way in: bounded, counted against its sender's share of memory, watched for its pace."""

from __future__ import annotations

from typing import Final

from truecount.collect.held import Held

BODY_S: Final = 20.0
BODY_RATE: Final = 1024
"""In any BODY_S a body has to come at so many bytes a second, or to its end."""
CROWDED_S: Final = 5.0
"""In place of BODY_S while half of what bodies may take is taken."""
LARGE_PIECE: Final = 16 * 1024
"""Bytes of a piece of a body that is kept as it came; smaller ones are joined."""


class Incoming:
    """One body after the other of a connection."""

    __slots__ = ("_counted", "_held", "_pieces", "_window_since", "_window_size", "holder", "size")

    def __init__(self, held: Held) -> None:
        self._held = held
        self.holder = ""
        """Whose share these bodies count for (held.holder_of); a trusted proxy speaks for many and has none."""
        self.size = 0
        """Bytes that came of the present body, kept or not."""
        self._pieces: list[bytes | bytearray] = []
        """Large pieces as they came, and small ones that follow each other joined."""
        self._counted = 0
        self._window_since = 0.0
        self._window_size = 0
        """How much of the body was there then: what came at first is no promise."""

    def begin(self) -> None:
        self.size = 0
        self._pieces = []

    def keep(self, piece: bytes) -> bool:
        """Keep a piece, which `size` counts already. False where too much is held: nothing is kept any more then."""
        size = len(piece)
        pieces = self._pieces
        if size >= LARGE_PIECE or not pieces:
            pieces.append(piece)
        elif type(pieces[-1]) is bytearray:
            pieces[-1] += piece
        else:  # no object a piece: small chunks would take many times their size
            pieces.append(bytearray(piece))
        self._counted += size
        if self._held.hold(self.holder, size):
            return True
        self.release()
        return False

    def take(self) -> bytes:
        """The whole body, which is let go of."""
        pieces = self._pieces
        if not pieces:
            return b""
        whole = bytes(pieces[0]) if len(pieces) == 1 else b"".join(pieces)
        self.release()
        return whole

    def release(self) -> None:
        """What was kept is handed on, or thrown away."""
        if self._counted:
            self._held.release(self.holder, self._counted)
            self._counted = 0
        self._pieces = []

    def is_slow(self, now_s: float, since_s: float, *, paused: bool, kept: bool) -> bool:
        """Whether too little of the body, which began at `since_s`, came of late. `paused`: we do not read it."""
        if self._window_since <= since_s:
            self._window_since, self._window_size = since_s, 0
        took_s = now_s - self._window_since
        if not paused:
            if took_s <= (CROWDED_S if kept and self._held.is_crowded else BODY_S):
                return False
            if self.size - self._window_size < BODY_RATE * took_s:
                return True
        self._window_since, self._window_size = now_s, self.size
        return False
