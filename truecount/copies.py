"""One copy of an event as the log keeps it, and the packed columns that carry many.

A copy is flat: what the door derived is in it, raw contact data is not. Its offset (door, seq, pos) is not a field: it
is the place in the log. Its place in the total order is (received_us, door, seq, pos).

Packed form (format 1): MessagePack `[n, [column, ...]]`, a column for each field of `Copy` in order. A column is nil
where each value is the default, an array of one where all n values are alike, else an array of n. A body in the log is
one or more of these as a MessagePack array (log.entries: join_parts, split_parts), compressed. Columns keep a batch
small (most are nil), and the loader turns them into Arrow without looking at a single event.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

FORMAT: Final = 1
"""Version of the packed form."""
RULES: Final = 1
"""Version of the policy rules that made a record; rises when a step starts to answer otherwise."""


class Copy(msgspec.Struct, array_like=True, gc=False):
    """One accepted copy. Digest fields hold 32-byte SHA-256 digests one after the other, b"" for none.

    Times are UTC since 1970: `received_us` microseconds, `event_time_ms` milliseconds. `value_e4` is money in 1/10,000
    of the currency's unit, None where no usable value came.
    """

    dataset: str = ""
    source: str = ""
    received_us: int = 0
    event_time_ms: int = 0
    event_name: str = ""
    event_id: str = ""
    action_source: str = ""
    url: str = ""
    referrer: str = ""
    value_e4: int | None = None
    currency: str = ""
    order_id: str = ""
    item_number: str = ""
    fbp: str = ""
    fbc: str = ""
    em: bytes = b""
    ph: bytes = b""
    fn: bytes = b""
    ln: bytes = b""
    db: bytes = b""
    ge: bytes = b""
    ct: bytes = b""
    st: bytes = b""
    zp: bytes = b""
    country: bytes = b""
    external_id: bytes = b""
    other_keys: dict[str, str] | None = None
    """Match keys without a column: vocabulary.RARE_DIGEST_KEYS (hex) and PLAIN_KEYS."""
    custom_data: str = ""
    """JSON text of custom_data (cd[...] of a hit), scrubbed; "" for none."""
    extra: str = ""
    """JSON text of all else that came (unknown keys, screen, app_data, ...), scrubbed; "" for none."""
    marks: int = 0
    """Bits of vocabulary.Mark."""
    test_event_code: str = ""
    agent: str = ""
    """Who built the request: `a` of a hit, `partner_agent` of a server request."""
    browser: str = ""
    """Browser family, from the visitor's user agent."""
    visitor: str = ""
    """vocabulary.Visitor."""
    campaign: str = ""
    campaign_source: str = ""
    address: str = ""
    """Shortened address: /24 of IPv4, /48 of IPv6."""
    weak: int = 0
    """Keyed, daily changing 64-bit hash of address and agent (signed range), 0 where either is missing."""
    original_event_name: str = ""
    original_event_id: str = ""
    original_order_id: str = ""
    original_time_ms: int = 0
    consent: str = ""
    """granted, denied, or "" where nothing was said."""
    removed: tuple[str, ...] | None = None
    """What scrubbing took: "field:kind", such as "url:email" or "custom_data.note:phone"."""
    notes: tuple[str, ...] | None = None
    """Findings for diagnostics: vocabulary of policy.notes, such as "md5:em" or "no_user_agent"."""


FIELDS: Final = Copy.__struct_fields__
DEFAULTS: Final[tuple[Any, ...]] = tuple(default for default in (getattr(Copy(), name) for name in FIELDS))
PLACE: Final = {name: place for place, name in enumerate(FIELDS)}

_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(tuple[int, list[list[Any] | None]]).decode


def pack(n: int, columns: Mapping[str, Sequence[Any]]) -> bytes:
    """Pack n copies given as columns; a field without a column is the default in each copy.

    Each column has n values. ValueError when one has not, or is not a field.
    """
    packed: list[Sequence[Any] | None] = [None] * len(FIELDS)
    for name, column in columns.items():
        place = PLACE.get(name)
        if place is None:
            raise ValueError(f"{name} is not a field of a copy")
        if len(column) != n:
            raise ValueError(f"{name}: {len(column)} values for {n} copies")
        if not n:
            continue
        first = column[0]
        if first == column[-1] and column.count(first) == n:
            packed[place] = None if first == DEFAULTS[place] else (first,)
        else:
            packed[place] = column
    return _encode((n, packed))


def columns_of(copies: Iterable[Copy]) -> dict[str, tuple[Any, ...]]:
    """Turn copies into columns, as `pack` takes them."""
    rows = list(map(msgspec.structs.astuple, copies))
    return dict(zip(FIELDS, zip(*rows, strict=True), strict=True)) if rows else {}


def pack_copies(copies: Sequence[Copy]) -> bytes:
    """Pack copies that are at hand one by one."""
    return pack(len(copies), columns_of(copies))


def unpack(part: bytes | memoryview) -> tuple[int, dict[str, list[Any]]]:
    """Read one packed part: n and the columns that are not all default, a column of one standing for n alike.

    A field that a later version added is missing, one that this version does not know is an error: ValueError.
    """
    try:
        n, packed = _decode(part)
    except msgspec.MsgspecError as error:
        raise ValueError(f"a batch of copies cannot be read: {error}") from None
    if len(packed) > len(FIELDS):
        raise ValueError(f"a batch of copies has {len(packed)} columns, this version knows {len(FIELDS)}")
    columns: dict[str, list[Any]] = {}
    for name, column in zip(FIELDS, packed, strict=False):
        if column is None:
            continue
        if len(column) not in (1, n):
            raise ValueError(f"{name}: {len(column)} values for {n} copies")
        columns[name] = column
    return n, columns


def copies_of(part: bytes | memoryview) -> list[Copy]:
    """Read one packed part into copies, for tools that look at single ones (explain's tests, doctor)."""
    n, columns = unpack(part)
    rows: list[Copy] = []
    for at in range(n):
        values = {name: column[at if len(column) == n else 0] for name, column in columns.items()}
        if values.get("removed") is not None:
            values["removed"] = tuple(values["removed"])
        if values.get("notes") is not None:
            values["notes"] = tuple(values["notes"])
        rows.append(Copy(**values))
    return rows
