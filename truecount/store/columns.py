"""Packed parts of the log -> one Arrow table. Column by column: no line of Python runs for a single copy.

A column that is all default is not sent at all; the table's own default stands for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa

from truecount.copies import DEFAULTS, FIELDS
from truecount.vocabulary import DIGEST_KEYS, Mark

DIGEST_BYTES: Final = 32
UNREADABLE: Final = (ValueError, TypeError, OverflowError, AttributeError, pa.ArrowException)
"""What making a table of values raises when they are not what a field holds."""


class Part(NamedTuple):
    """n copies of one entry, from place `pos` on; `columns` as copies.unpack gives them."""

    door: str
    seq: int
    pos: int
    n: int
    columns: dict[str, list[Any]]
    written_us: int = 0
    """When the entry was written, by its writer's clock."""


def slice_part(part: Part, first: int, last: int) -> Part:
    """The copies [first, last) of a part, for finding the one that cannot be inserted."""
    columns = {name: column[first:last] if len(column) == part.n else column for name, column in part.columns.items()}
    return Part(part.door, part.seq, part.pos + first, last - first, columns, part.written_us)


def parts_at(part: Part, stays: Any) -> list[Part]:
    """The copies where `stays` (one truth value a copy) is true, as parts of places that follow each other."""
    at = np.flatnonzero(stays)
    if at.size == part.n:
        return [part]
    if not at.size:
        return []
    runs = np.split(at, np.flatnonzero(np.diff(at) != 1) + 1)
    return [slice_part(part, int(run[0]), int(run[-1]) + 1) for run in runs]


def table_of(parts: Sequence[Part]) -> pa.Table:
    """One Arrow table of all copies, in order. Columns: fields of Copy that are not all default, door, seq, pos,
    and imported_us where a copy is an imported one.

    ValueError when a value is not what its field holds; the text names the field, never the value.
    """
    names: list[str] = []
    arrays: list[pa.Array] = []
    for name, default in zip(FIELDS, DEFAULTS, strict=True):
        values = _values(name, default, parts)
        if values is None:
            continue
        try:
            arrays.append(_MAKE[name](values))
        except UNREADABLE as error:
            raise ValueError(f"{name}: not what this field holds ({type(error).__name__})") from None
        names.append(name)
    sizes = np.fromiter((part.n for part in parts), dtype=np.int64, count=len(parts))
    doors = sorted({part.door for part in parts})
    index = {door: at for at, door in enumerate(doors)}
    which = np.repeat(np.fromiter((index[part.door] for part in parts), np.int32, len(parts)), sizes)
    seqs = np.repeat(np.fromiter((part.seq for part in parts), np.uint64, len(parts)), sizes)
    firsts = np.fromiter((part.pos for part in parts), np.int64, len(parts))
    starts = np.cumsum(sizes) - sizes
    at = np.arange(int(sizes.sum()), dtype=np.int64) - np.repeat(starts - firsts, sizes)
    names += ["door", "seq", "pos"]
    arrays += [
        pa.array(doors, pa.string()).take(pa.array(which)),
        pa.array(seqs, pa.uint64()),
        pa.array(at.astype(np.uint32), pa.uint32()),
    ]
    if (imported := _imported(parts, sizes)) is not None:
        names.append("imported_us")
        arrays.append(pa.array(imported))
    return pa.Table.from_arrays(arrays, names=names)


def _imported(parts: Sequence[Part], sizes: Any) -> Any:
    """When each imported copy was written, 0 for the others; None where all are others."""
    marks = _values("marks", 0, parts)
    if marks is None:
        return None
    imported = (np.array(marks, np.int64) & int(Mark.IMPORTED)) != 0
    if not imported.any():
        return None
    return np.where(
        imported, np.repeat(np.fromiter((part.written_us for part in parts), np.int64, len(parts)), sizes), 0
    )


def _values(name: str, default: Any, parts: Sequence[Part]) -> list[Any] | None:
    """All values of a field, None where each is the default."""
    if not any(name in part.columns for part in parts):
        return None
    values: list[Any] = []
    for part in parts:
        column = part.columns.get(name)
        if column is None:
            values += [default] * part.n
        elif len(column) == part.n:
            values += column
        else:
            values += column * part.n
    return values


def _digests(values: list[Any]) -> pa.Array:
    """Digests that lie one after the other in each value -> a list of 32-byte values."""
    joined = b"".join(values)
    sizes = np.fromiter(map(len, values), np.int64, len(values))
    if (sizes % DIGEST_BYTES).any():
        raise ValueError("digests are 32 bytes each")
    offsets = np.zeros(len(values) + 1, np.int32)
    np.cumsum(sizes // DIGEST_BYTES, out=offsets[1:])
    flat = pa.Array.from_buffers(
        pa.binary(DIGEST_BYTES), len(joined) // DIGEST_BYTES, [None, pa.py_buffer(joined)], null_count=0
    )
    return pa.ListArray.from_arrays(pa.array(offsets), flat)


def _offsets(values: list[Any]) -> pa.Array:
    offsets = np.zeros(len(values) + 1, np.int32)
    np.cumsum(np.fromiter(map(len, values), np.int64, len(values)), out=offsets[1:])
    return pa.array(offsets)


def _texts(values: list[Any]) -> pa.Array:
    return _whole(pa.array(values, pa.string()))


def _lists(values: list[Any]) -> pa.Array:
    filled = [value or () for value in values] if None in values else values
    return pa.ListArray.from_arrays(_offsets(filled), _texts(list(chain.from_iterable(filled))))


def _maps(values: list[Any]) -> pa.Array:
    filled = [value or {} for value in values] if None in values else values
    keys = _texts(list(chain.from_iterable(filled)))
    items = _texts(list(chain.from_iterable(map(dict.values, filled))))
    return pa.MapArray.from_arrays(_offsets(filled), keys, items)


def _numbers(kind: pa.DataType) -> Callable[[list[Any]], pa.Array]:
    def make(values: list[Any]) -> pa.Array:
        return _whole(pa.array(_integers(values), kind))

    return make


def _nullable(values: list[Any]) -> pa.Array:
    return pa.array(_integers(values), pa.int64())


def _integers(values: list[Any]) -> list[Any]:
    # Arrow cuts the fraction off a float without a word.
    if not set(map(type, values)) <= {int, type(None)}:
        raise ValueError("not a whole number")
    return values


def _whole(array: pa.Array) -> pa.Array:
    if array.null_count:
        raise ValueError("nil where a value belongs")
    return array


def _makers() -> Iterator[tuple[str, Callable[[list[Any]], pa.Array]]]:
    for name, default in zip(FIELDS, DEFAULTS, strict=True):
        if name in DIGEST_KEYS:
            yield name, _digests
        elif name == "other_keys":
            yield name, _maps
        elif name in {"removed", "notes"}:
            yield name, _lists
        elif name == "value_e4":
            yield name, _nullable
        elif name == "marks":
            yield name, _numbers(pa.uint32())
        elif isinstance(default, int):
            yield name, _numbers(pa.int64())
        else:
            yield name, _texts


_MAKE: Final = dict(_makers())


def stream_of(table: pa.Table) -> bytes:
    """The table as an Arrow stream, one batch: one block for ClickHouse, so one part a partition."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table.combine_chunks())
    return bytes(sink.getvalue())
