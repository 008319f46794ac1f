"""What the log holds: entries of four kinds, and their bodies.

An append is one transaction of one or more entries, a row each. Body by kind, always MessagePack, uncompressed here:

    COPIES    the packed parts of one or more requests (`join_parts`, `split_parts`); a part is what copies.pack made
    TALLIES   [Tally, ...]: what was refused or withheld, and why, without payload
    SETTINGS  Dataset: a dataset as it is from this record on, deleted ones too
    ERASURE   Erasure: copies whose values are to be replaced, named by offset alone

The offset of a copy is (door, seq, pos): pos counts the copies of one entry from 0, over all its parts.
The order of the log is total: (received_us, door, seq, pos).
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from struct import pack as _struct
from typing import Final

import msgspec

from truecount.datasets import Dataset


class Kind(IntEnum):
    """The kinds of entries. Numbers are on disk: never give one a second meaning."""

    COPIES = 1
    TALLIES = 2
    SETTINGS = 3
    ERASURE = 4


class Entry(msgspec.Struct, gc=False):
    """One row to append: its kind, how many items it holds, its body uncompressed."""

    kind: int
    n: int
    body: bytes


class Tally(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """n items that ended alike: one refused request, or the refused hits of a second.

    `outcome` and `reason` are vocabulary.Outcome and Reason, `source` vocabulary.Source or "" where it is not known.
    """

    dataset: str
    source: str
    outcome: str
    reason: str
    n: int
    received_us: int
    event_name: str = ""


class Erasure(msgspec.Struct, array_like=True, frozen=True):
    """Copies to be made anonymous. Offsets, never hashes: the record must not tell what it erased."""

    asked_us: int
    copies: tuple[tuple[str, int, tuple[int, ...]], ...]
    """(door, seq, (pos, ...)) of each entry concerned."""


class Stored(msgspec.Struct, gc=False):
    """An entry as it lies in the log. Times are microseconds since 1970, UTC; `first_us` and `last_us` span the
    receipt of the append's items; `format` and `rules` are copies.FORMAT and copies.RULES of the process that wrote it.
    """

    door: str
    seq: int
    kind: int
    n: int
    first_us: int
    last_us: int
    format: int
    rules: int
    body: bytes
    written_us: int = 0
    """When the append was made, by the writer's clock; rises with seq."""


_encode: Final = msgspec.msgpack.Encoder().encode
_parts: Final = msgspec.msgpack.Decoder(list[msgspec.Raw]).decode
_tallies: Final = msgspec.msgpack.Decoder(list[Tally]).decode
_dataset: Final = msgspec.msgpack.Decoder(Dataset).decode
_erasure: Final = msgspec.msgpack.Decoder(Erasure).decode


def join_parts(parts: Sequence[bytes | memoryview]) -> bytes:
    """The body of a COPIES entry: a MessagePack array (32-bit length) of the parts, nothing copied twice."""
    return b"".join((_struct(">BI", 0xDD, len(parts)), *parts))


def split_parts(body: bytes) -> list[memoryview]:
    """The parts of a COPIES body in order, each as copies.unpack takes it. ValueError when it is none.

    The views look into `body`; nothing is decoded but the parts' ends.
    """
    try:
        return [memoryview(raw) for raw in _parts(body)]
    except msgspec.MsgspecError as error:
        raise ValueError(f"not a body of copies: {error}") from None


def copies_entry(n: int, parts: Sequence[bytes]) -> Entry:
    """An entry of n copies in all, packed as parts."""
    return Entry(Kind.COPIES, n, join_parts(parts))


def tallies_entry(tallies: Sequence[Tally]) -> Entry:
    """An entry of tallies; its n is the number of items they stand for."""
    return Entry(Kind.TALLIES, sum(tally.n for tally in tallies), _encode(tallies))


def settings_entry(dataset: Dataset) -> Entry:
    """An entry that says how a dataset is from here on. Tokens are in it as hashes alone."""
    return Entry(Kind.SETTINGS, 1, _encode(dataset))


def erasure_entry(erasure: Erasure) -> Entry:
    """An entry that names copies to be made anonymous; its n is their number."""
    return Entry(Kind.ERASURE, sum(len(places) for _, _, places in erasure.copies), _encode(erasure))


def tallies_of(body: bytes) -> list[Tally]:
    """Read a TALLIES body. ValueError when it is none."""
    return _tallies(body)


def dataset_of(body: bytes) -> Dataset:
    """Read a SETTINGS body. ValueError when it is none."""
    return _dataset(body)


def erasure_of(body: bytes) -> Erasure:
    """Read an ERASURE body. ValueError when it is none."""
    return _erasure(body)
