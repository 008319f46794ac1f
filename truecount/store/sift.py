"""Entries of the log -> rows of the tables. What cannot be read becomes a row of set_aside, and holds up nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from truecount.copies import unpack
from truecount.log.entries import Kind, Stored, dataset_of, split_parts, tallies_of
from truecount.vocabulary import Mark, Reason

from .columns import Part, slice_part, table_of

NUMBER_MAX: Final = 2**63 - 1


class Aside(msgspec.Struct, frozen=True):
    """A row of set_aside: n items from place `pos` of an entry on. `detail` says what is wrong, with no value in it."""

    dataset: str
    source: str
    event_name: str
    received_us: int
    reason: str
    detail: str
    n: int
    kind: int
    door: str
    seq: int
    pos: int


class Rows(msgspec.Struct):
    """What a batch of entries puts into the tables."""

    parts: list[Part]
    tallies: list[dict[str, Any]]
    settings: list[dict[str, Any]]
    aside: list[Aside]
    table: Any = None
    """The Arrow table of just these parts, where making it was how they were tried."""

    @property
    def n_copies(self) -> int:
        return sum(part.n for part in self.parts)


def rows_of(entries: Sequence[Stored]) -> Rows:
    """Read entries. The parts can be made into a table, all of them at once."""
    rows = Rows([], [], [], [])
    for entry in entries:
        try:
            match entry.kind:
                case Kind.COPIES:
                    _read_copies(entry, rows)
                case Kind.TALLIES:
                    for pos, tally in enumerate(tallies_of(entry.body)):
                        row = {"door": entry.door, "seq": entry.seq, "pos": pos, **msgspec.structs.asdict(tally)}
                        if not (0 <= tally.n <= NUMBER_MAX and abs(tally.received_us) <= NUMBER_MAX):
                            raise ValueError("a tally's number is out of range")
                        rows.tallies.append(row)
                case Kind.SETTINGS:
                    rows.settings.append(_settings_row(entry))
                case Kind.ERASURE:
                    pass  # the log's own files follow it; what they hold then is what a rebuild loads
                case _:
                    raise ValueError("a kind of entry that this version does not know")
        except MemoryError:
            raise  # says nothing of the entry
        except Exception as error:  # of any kind: an entry that cannot be read must not hold up the others
            rows.tallies = [row for row in rows.tallies if (row["door"], row["seq"]) != (entry.door, entry.seq)]
            rows.aside.append(_entry_aside(entry, error))
    made: list[Any] = []
    parts = sift(rows.parts, lambda tried: made.append(table_of(tried)), rows.aside)
    if parts is rows.parts and made:
        rows.table = made[0]
    rows.parts = parts
    return rows


def sift(parts: list[Part], use: Callable[[list[Part]], object], aside: list[Aside]) -> list[Part]:
    """The parts without the copies that `use` raises ValueError for; those are added to `aside`.

    `use` is tried on all, then on halves: one bad copy in 50,000 costs some 30 tries, none costs one.
    """
    if not parts:
        return parts
    try:
        use(parts)
        return parts
    except ValueError as error:
        if sum(part.n for part in parts) == 1:
            aside.append(copy_aside(next(part for part in parts if part.n), str(error)))
            return []
    first, second = halves(parts)
    return sift(first, use, aside) + sift(second, use, aside)


def halves(parts: list[Part]) -> tuple[list[Part], list[Part]]:
    """Cut two copies or more into two lists, neither of them without a copy."""
    middle = sum(part.n for part in parts) // 2
    first: list[Part] = []
    second: list[Part] = []
    seen = 0
    for part in parts:
        if seen + part.n <= middle:
            first.append(part)
        elif seen >= middle:
            second.append(part)
        else:
            first.append(slice_part(part, 0, middle - seen))
            second.append(slice_part(part, middle - seen, part.n))
        seen += part.n
    return first, second


def copy_aside(part: Part, detail: str) -> Aside:
    """The row for a part of one copy that cannot be loaded. An imported one's time is that of the import."""
    imported = part.written_us and _number(part, "marks") & Mark.IMPORTED
    return Aside(
        _text(part, "dataset"),
        _text(part, "source"),
        _text(part, "event_name"),
        part.written_us if imported else _number(part, "received_us"),
        Reason.UNREADABLE,
        detail,
        part.n,
        Kind.COPIES,
        part.door,
        part.seq,
        part.pos,
    )


def _read_copies(entry: Stored, rows: Rows) -> None:
    """Read an entry's parts. Of one that cannot be read, the others are kept: it holds what is missing to the sum."""
    pieces: list[tuple[int, dict[str, list[Any]]] | None] = []
    wrong = ""
    for packed in split_parts(entry.body):
        try:
            pieces.append(unpack(packed))
        except ValueError as error:
            pieces.append(None)
            wrong = str(error)
    known = sum(piece[0] for piece in pieces if piece)
    missing = pieces.count(None)
    if missing > 1 or (not missing and known != entry.n) or (missing and known >= entry.n):
        raise ValueError(wrong or f"an entry of {entry.n} copies holds {known}")
    pos = 0
    for piece in pieces:
        if piece is None:
            rows.aside.append(_entry_aside(entry, ValueError(wrong), entry.n - known, pos))
            pos += entry.n - known
        else:
            n, columns = piece
            if n < 0:
                raise ValueError("a part of an entry has a negative size")
            if n:
                rows.parts.append(Part(entry.door, entry.seq, pos, n, columns, entry.written_us))
            pos += n


def _settings_row(entry: Stored) -> dict[str, Any]:
    dataset = dataset_of(entry.body)
    return {
        "dataset": dataset.id,
        "name": dataset.name,
        "created_us": dataset.created_us,
        "changed_us": entry.last_us,
        "deleted": dataset.deleted,
        "settings": msgspec.json.encode(dataset.settings).decode(),
        "door": entry.door,
        "seq": entry.seq,
        "pos": 0,
    }


def _entry_aside(entry: Stored, error: Exception, n: int | None = None, pos: int = 0) -> Aside:
    # A decoder's words name places and types; a value could be in those of other errors, so they are cut off.
    detail = str(error) if isinstance(error, ValueError) else type(error).__name__
    n = entry.n if n is None else n
    return Aside(
        "",
        "",
        "",
        entry.last_us,
        Reason.UNREADABLE,
        detail[:300],
        max(n, 0),
        entry.kind & 0xFF,
        entry.door,
        entry.seq,
        pos,
    )


def _text(part: Part, name: str) -> str:
    value = part.columns.get(name, [""])[0]
    return value if isinstance(value, str) else ""


def _number(part: Part, name: str) -> int:
    value = part.columns.get(name, [0])[0]
    return value if isinstance(value, int) and abs(value) <= NUMBER_MAX else 0
