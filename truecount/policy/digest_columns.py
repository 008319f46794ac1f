"""A column of one match key's values -> a column of digests, fast where the values of a slice are in plain form.

One expression over the joined column tells whether all of it is plain; then whole-column string methods normalise it,
and only the hash itself is done value by value. What is not plain goes through keys.digests, one by one: both give the
same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any, Final, NamedTuple

from truecount.policy.keys import MAX_VALUES, NOTHING, NOTHINGS, digests, is_hashed
from truecount.policy.memo import Memo
from truecount.policy.phones import CLEAR_DIGITS, MAX_DIGITS, MIN_DIGITS, calling_code
from truecount.policy.sha import sha256s

_hashes: Final = re.compile(rb"(?:[0-9a-fA-F]{64}\n)++").fullmatch
_plain_emails: Final = re.compile(
    rb"(?:[a-z0-9._%+'-]{1,255}+@[a-z0-9-]{1,63}+(?:\.[a-z0-9-]{1,47}+){1,4}+\n)++"
).fullmatch
"""Of at most MAX_EMAIL characters, which need not be counted again."""
_plain_phones: Final = re.compile(rb"(?:\+?+[1-9][0-9 ().-]{4,24}+\n)++").fullmatch
_ONLY_TEXTS: Final = {str}
_NOTHING: Final = frozenset(word.encode() for word in NOTHING)
_SEVERAL: Final = (tuple, list)
SMALL: Final = 8
"""Values of which an unusual column is not halved any more, but read one by one."""


class DigestColumn(NamedTuple):
    digests: list[bytes]
    """One value an event: 32-byte digests joined, b"" for none."""
    notes: dict[int, tuple[str, ...]]
    """Row -> findings of keys.digests."""
    raw: bool | list[bool]
    """Which rows came unhashed: one answer for all, or one a row."""


def digest_column(key: str, column: Sequence[Any], countries: Sequence[str] | None, last_year: int) -> DigestColumn:
    """Normalise and hash a column. Values are texts, numbers, lists of these, or None."""
    if not all(column) and None in column:  # the first look takes half the second's time
        return _of_some(key, column, countries, last_year)
    first = column[0]
    first = first[0] if type(first) in _SEVERAL and first else first
    if type(first) is str and len(first) >= 64:
        found = _already_hashed(column)
        if found is not None:
            return DigestColumn(found, {}, False)
    elif key in _whole_columns:
        found = _whole_columns[key](column, countries)
        if found is not None:
            return DigestColumn(found, {}, True)
    if len(column) >= SMALL:
        return _of_halves(key, column, countries, last_year)
    return _one_by_one(key, column, countries, last_year)


def _of_some(key: str, column: Sequence[Any], countries: Sequence[str] | None, last_year: int) -> DigestColumn:
    """A column of a key that some events lack."""
    rows = [row for row, value in enumerate(column) if value is not None]
    digests_of_all, raw = [b""] * len(column), [False] * len(column)
    if not rows:
        return DigestColumn(digests_of_all, {}, raw)
    some = digest_column(
        key, [column[row] for row in rows], [countries[row] for row in rows] if countries else None, last_year
    )
    for row, digest, is_raw in zip(rows, some.digests, _one_a_row(some), strict=True):
        digests_of_all[row], raw[row] = digest, is_raw
    return DigestColumn(digests_of_all, {rows[at]: notes for at, notes in some.notes.items()}, raw)


def _of_halves(key: str, column: Sequence[Any], countries: Sequence[str] | None, last_year: int) -> DigestColumn:
    """A column with something unusual in it: one odd value shall not cost all others the plain way."""
    half = len(column) // 2
    low = digest_column(key, column[:half], countries[:half] if countries else None, last_year)
    high = digest_column(key, column[half:], countries[half:] if countries else None, last_year)
    notes = {**low.notes, **{half + row: found for row, found in high.notes.items()}}
    raws = _one_a_row(low) + _one_a_row(high)
    raw = raws[0] if raws.count(raws[0]) == len(raws) else raws
    return DigestColumn(low.digests + high.digests, notes, raw)


def _one_a_row(part: DigestColumn) -> list[bool]:
    return [part.raw] * len(part.digests) if isinstance(part.raw, bool) else part.raw


def texts_of(value: object) -> list[str]:
    """The values of a key of one event, as texts; numbers as their decimal text, empty ones left out.

    At most one more than MAX_VALUES, which tells that there were more.
    """
    if value is None:
        return []
    if isinstance(value, str):
        return [value] if value else []
    if isinstance(value, _SEVERAL):
        some = value if len(value) <= MAX_VALUES else islice((one for one in value if one or one == 0), MAX_VALUES + 1)
        return [str(one) for one in some if one is not None and one != ""]
    return [str(value)]


# ---------------------------------------------------------------------------------------------------------------------


def single_texts(column: Sequence[Any]) -> tuple[list[str], str] | None:
    """A column in which each event has exactly one text, and these texts as lines; else None."""
    try:
        column = [one for (one,) in column]  # a text of one letter is taken apart into itself
    except (ValueError, TypeError):
        column = list(column)
    try:
        return column, "\n".join(column)
    except TypeError:  # one is no text
        return None


def hashed_column(column: Sequence[str | None]) -> list[bytes] | None:
    """Digests of a column whose texts, where there are any, are SHA-256 in hex and not of nothing; else None."""
    texts = [text for text in column if text]
    found = _already_hashed(texts) if texts else []
    if found is None or len(found) == len(column):
        return found
    digests_left = iter(found)
    return [next(digests_left) if text else b"" for text in column]


def _already_hashed(column: Sequence[Any]) -> list[bytes] | None:
    single = single_texts(column)
    if single is None:
        return None
    texts, joined = single
    if not joined.isascii() or not _hashes(joined.encode() + b"\n"):
        return None
    whole = bytes.fromhex(joined)
    found = [whole[at : at + 32] for at in range(0, len(whole), 32)]
    return found if NOTHINGS.isdisjoint(found) and len(found) == len(texts) else None


def _emails(column: Sequence[Any], countries: Sequence[str] | None) -> list[bytes] | None:
    single = single_texts(column)
    if single is None or not single[1].isascii():
        return None
    lines = single[1].encode().lower()
    if not _plain_emails(lines + b"\n"):
        return None
    parts = lines.split(b"\n")
    return sha256s(parts) if len(parts) == len(column) else None


def _phones(column: Sequence[Any], countries: Sequence[str] | None) -> list[bytes] | None:
    """Numbers of digits, spaces, dots, dashes and brackets; those that may lack a calling code get another look."""
    single = single_texts(column)
    if single is None or not single[1].isascii():
        return None
    texts, joined = single
    lines = joined.encode()
    if b"(0" in lines or not _plain_phones(lines + b"\n"):
        return None
    parts = lines.translate(None, b" .()+-").split(b"\n")
    lengths = list(map(len, parts))
    if len(parts) != len(texts) or min(lengths) < MIN_DIGITS or max(lengths) > MAX_DIGITS:
        return None
    found = sha256s(parts)
    if countries is not None:
        for row in _doubtful(texts, parts, lines, countries):
            found[row] = digests("ph", texts[row], countries[row])[0]
    return found


def _doubtful(texts: list[str], parts: list[bytes], lines: bytes, countries: Sequence[str]) -> list[int]:
    """Numbers that may lack their country's calling code, or have its trunk zero behind it."""
    _, code_and_zero = _codes[countries[0]]
    if countries.count(countries[0]) == len(countries) and lines.count(b"\n+") == len(texts) - 1 and lines[:1] == b"+":
        # The usual column: all of one country and written with a plus.
        return [row for row, part in enumerate(parts) if part.startswith(code_and_zero)]
    codes = [_codes[country] for country in countries]
    return [
        row
        for row, (part, (code, code_and_zero), text) in enumerate(zip(parts, codes, texts, strict=True))
        if part.startswith(code_and_zero)
        or (text[0] != "+" and (len(part) < CLEAR_DIGITS or not part.startswith(code)) and code != b"?")
    ]


def _ids(column: Sequence[Any], countries: Sequence[str] | None) -> list[bytes] | None:
    """Ids without blanks have one other reading at most, in lower case."""
    single = single_texts(column)
    if single is None or not single[1].isascii():
        return None
    texts, joined = single
    if max(map(len, texts)) >= 64:
        return None
    lines = joined.encode()
    parts = lines.split(b"\n")
    if len(parts) != len(texts) or joined.split() != texts:  # a blank somewhere (also U+001C to 1F), or nothing at all
        return None
    lower = lines.lower()
    others = lower.split()
    if not _NOTHING.isdisjoint(others):
        return None
    found = sha256s(parts)
    if lower != lines:
        for row, (digest, other) in enumerate(zip(found, sha256s(others), strict=True)):
            if parts[row] != others[row]:
                found[row] = digest + other
    return found


def _remembered(key: str, country: str) -> Memo[bytes]:
    """Digests of values that many people share. What needs a closer look (a hash, a note) is b"", as nothing is."""
    most = 2048 if country else 16_384
    return Memo(lambda text: digests(key, text, country)[0] if len(text) < 32 else b"", most=most, longest=32)


def _of_a_memo(key: str) -> Callable[[Sequence[Any], Sequence[str] | None], list[bytes] | None]:
    memo = _remembered(key, "")

    def column_of(column: Sequence[Any], countries: Sequence[str] | None) -> list[bytes] | None:
        try:
            found = [memo[one] for (one,) in column]
        except (TypeError, ValueError):  # not a list of one text each
            if set(map(type, column)) != _ONLY_TEXTS:
                return None
            found = [memo[one] for one in column]
        return None if b"" in found else found

    return column_of


def _of_memos_by_country(key: str) -> Callable[[Sequence[Any], Sequence[str] | None], list[bytes] | None]:
    memos: Memo[Memo[bytes]] = Memo(lambda country: _remembered(key, country), most=512, longest=8)

    def column_of(column: Sequence[Any], countries: Sequence[str] | None) -> list[bytes] | None:
        if countries is None:
            countries = [""] * len(column)
        try:
            found = [memos[country][one] for (one,), country in zip(column, countries, strict=True)]
        except (TypeError, ValueError):
            if set(map(type, column)) != _ONLY_TEXTS:
                return None
            found = [memos[country][one] for one, country in zip(column, countries, strict=True)]
        return None if b"" in found else found

    return column_of


_whole_columns: Final[dict[str, Callable[[Sequence[Any], Sequence[str] | None], list[bytes] | None]]] = {
    "em": _emails,
    "ph": _phones,
    "external_id": _ids,
    **{key: _of_a_memo(key) for key in ("fn", "ln", "ct", "country", "ge")},
    **{key: _of_memos_by_country(key) for key in ("st", "zp")},
}
"""How a whole column is read, where all of it is plain: None where it is not."""


def _code_of(country: str) -> tuple[bytes, bytes]:
    """A calling code to compare digits with, and with a zero behind; what no digits start with where there is none."""
    code = (calling_code(country) if country else "").encode() or b"?"
    return code, code + b"0"


_codes: Final[Memo[tuple[bytes, bytes]]] = Memo(_code_of, most=512, longest=8)


def _one_by_one(key: str, column: Sequence[Any], countries: Sequence[str] | None, last_year: int) -> DigestColumn:
    found: list[bytes] = []
    notes: dict[int, tuple[str, ...]] = {}
    raw: list[bool] = []
    for row, value in enumerate(column):
        texts = texts_of(value)
        if not texts:
            found.append(b"")
            raw.append(False)
            continue
        digest, note = digests(key, texts, countries[row] if countries is not None else "", last_year)
        found.append(digest)
        if note:
            notes[row] = note
        raw.append(not all(map(is_hashed, texts)))
    return DigestColumn(found, notes, raw)
