"""Files of events, read row by row: JSON lines and CSV. Each row as the JSON text of a Conversions API event."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

from truecount.vocabulary import DIGEST_KEYS, KEY_ALIASES, PLAIN_KEYS, RARE_DIGEST_KEYS

MAX_LINE: Final = 1_000_000

EVENT_COLUMNS: Final = (
    "event_name",
    "event_time",
    "received_time",
    "event_id",
    "source",
    "action_source",
    "event_source_url",
    "referrer_url",
    "opt_out",
    "consent",
)
USER_COLUMNS: Final = (
    *DIGEST_KEYS,
    *KEY_ALIASES,
    *RARE_DIGEST_KEYS,
    *PLAIN_KEYS,
    "fbp",
    "fbc",
    "client_ip_address",
    "client_user_agent",
)
CUSTOM_COLUMNS: Final = (
    "value",
    "currency",
    "order_id",
    "item_number",
    "content_ids",
    "content_type",
    "content_name",
    "content_category",
    "contents",
    "num_items",
    "search_string",
    "status",
)
LISTS: Final = frozenset({*DIGEST_KEYS, "email", "phone", "content_ids"})
"""Columns that may hold several values, with | between."""
TIMES: Final = ("event_time", "received_time")

COLUMNS_HELP: Final = f"""\
columns of a CSV file (the first row names them; empty cells say nothing):
  event:        {", ".join(EVENT_COLUMNS)}
                times are Unix seconds or ISO 8601; source is browser or server
  user_data:    {", ".join(USER_COLUMNS)}
                raw or hashed; several values of one key with | between
  custom_data:  {", ".join(CUSTOM_COLUMNS)}
                contents as JSON; any other as custom_data.NAME"""


class Row(NamedTuple):
    line: int
    """Number of its last line, from 1."""
    end: int
    """Bytes of the file up to its end."""
    text: bytes
    """JSON text of the event, b"" where the row is empty or wrong."""
    wrong: str = ""
    unfinished: bool = False
    """The file ends inside of it, as a file does that is still written: nothing can be said of it yet, and `line` is
    its first line."""


GOES_ON: Final = "the line goes on behind what was taken of it"


class WrongFile(ValueError):
    """A file that is none of events; the text says why."""


class OtherFile(WrongFile):
    """A file of another kind than is read here."""


PACKED: Final = (
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"PK\x03\x04", "zip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
)
"""How compressed files begin."""
LOOKED_AT: Final = 65_536
_DATA_ARRAY: Final = re.compile(rb'"data"\s*:\s*\[').search


def check_kind(file: BinaryIO, *, is_csv: bool) -> None:
    """OtherFile when a file is compressed, or one JSON value over all of its events."""
    file.seek(0)
    head = file.read(LOOKED_AT)
    file.seek(0)
    for magic, name in PACKED:
        if head.startswith(magic):
            raise OtherFile(f"it is compressed ({name}): unpack it first")
    if is_csv:
        return
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith(b"["):
        raise OtherFile(f"it is a JSON array; {ONE_A_LINE}")
    if text.startswith(b"{") and _is_body(text):
        raise OtherFile(f'it is an object with "data"; {ONE_A_LINE}')


def _is_body(text: bytes) -> bool:
    """Whether a file that begins so holds the body of a request, in one line or many, in place of events."""
    try:
        first = json.loads(text.partition(b"\n")[0])
    except (ValueError, RecursionError):
        data = _DATA_ARRAY(text)
        return data is not None and b'"event_name"' not in text[: data.start()]
    return isinstance(first.get("data"), list) and "event_name" not in first


ONE_A_LINE: Final = "wanted one event a line, each an object with event_name and event_time"


def is_csv(path: Path) -> bool:
    return path.suffix.lower() == ".csv"


def json_rows(file: BinaryIO, start: int, line: int) -> Iterator[Row]:
    """Rows of a file of JSON lines from a byte on, `line` lines behind it."""
    end = start
    rest = _rest_of_line(file, start)
    if rest:
        end += len(rest)
        if rest.strip():
            yield Row(line, end, b"", GOES_ON)
    for raw in file:
        line += 1
        end += len(raw)
        text = raw.strip()
        if line == 1 and text.startswith(b"\xef\xbb\xbf"):
            text = text[3:]
        if len(text) > MAX_LINE:
            yield Row(line, end, b"", f"the line is longer than {MAX_LINE:,} bytes")
        elif text and not raw.endswith(b"\n") and not _is_json(text):
            yield Row(line, end, b"", "", unfinished=True)
        else:
            yield Row(line, end, text)


def _rest_of_line(file: BinaryIO, start: int) -> bytes:
    """Go to a byte; where it is not a line's first, read that line's rest: it was taken when it had no end yet."""
    file.seek(max(0, start - 1))
    if not start or file.read(1) == b"\n":
        return b""
    return file.readline()


def _is_json(text: bytes) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def csv_rows(file: BinaryIO, start: int, line: int) -> Iterator[Row]:
    """Rows of a CSV file from a byte on. WrongFile when its first row names no columns, or unknown ones."""
    file.seek(0)
    counted = _Counted(file)
    reader = csv.reader(counted, strict=True)
    try:
        names = [name.strip() for name in next(reader, [])]
    except csv.Error as error:
        raise WrongFile(f"its first row is no CSV ({error})") from None
    if len(names) == 1:
        for mark, word in ((";", "semicolons"), ("\t", "tabs")):
            if mark in names[0]:
                raise WrongFile(f"the columns of its first row are parted by {word}: commas are wanted")
    places = [_place(name) for name in names]
    for at, place in enumerate(places):
        if place in places[:at]:
            raise WrongFile(f"two of its columns are {names[at]!r}: which one counts cannot be told")
    if "event_name" not in names or "event_time" not in names:
        raise WrongFile("its first row must name the columns, event_name and event_time among them")
    if start > counted.end:
        rest = _rest_of_line(file, start)
        counted = _Counted(file, start + len(rest), line)
        if rest.strip():
            yield Row(line, counted.end, b"", GOES_ON)
        reader = csv.reader(counted, strict=True)
    while True:
        first = counted.line + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            if counted.over:
                yield Row(first, counted.end, b"", "", unfinished=True)
                return
            yield Row(counted.line, counted.end, b"", f"no CSV ({error})")
            continue
        if cells is None:
            return
        if not any(cells):
            yield Row(counted.line, counted.end, b"")
        elif len(cells) != len(places):
            if counted.cut:
                yield Row(first, counted.end, b"", "", unfinished=True)
                return
            yield Row(counted.line, counted.end, b"", f"{len(cells)} cells, the first row has {len(places)}")
        else:
            try:
                yield Row(counted.line, counted.end, _event(places, cells))
            except ValueError as error:
                if counted.cut:
                    yield Row(first, counted.end, b"", "", unfinished=True)
                    return
                yield Row(counted.line, counted.end, b"", str(error))


class _Counted:
    """Lines of a file as text, counted: where a row ends is known when the reader asks for no more."""

    def __init__(self, file: BinaryIO, end: int = 0, line: int = 0) -> None:
        self._file = file
        self.end = end
        self.line = line
        self.cut = False
        """The last line has no end."""
        self.over = False
        """There are no more lines."""

    def __iter__(self) -> _Counted:
        return self

    def __next__(self) -> str:
        raw = self._file.readline()
        if not raw:
            self.over = True
            raise StopIteration
        self.cut = not raw.endswith(b"\n")
        self.end += len(raw)
        self.line += 1
        if self.line == 1 and raw.startswith(b"\xef\xbb\xbf"):
            raw = raw[3:]
        return raw.decode("utf-8", "surrogateescape")


def _place(name: str) -> tuple[str, str]:
    """(part of the event, key) of a column. WrongFile for one that is not known."""
    part, dot, key = name.partition(".")
    if dot and part in ("user_data", "custom_data") and key:
        return part, key
    if name in EVENT_COLUMNS:
        return "", name
    if name in USER_COLUMNS:
        return "user_data", name
    if name in CUSTOM_COLUMNS:
        return "custom_data", name
    raise WrongFile(
        f"its column {name!r} is not known; `truecount import --help` names the columns, and other fields are named "
        "custom_data.NAME or user_data.NAME"
    )


def _event(places: list[tuple[str, str]], cells: list[str]) -> bytes:
    """A row as an event. ValueError says what is wrong with it."""
    event: dict[str, Any] = {}
    parts: dict[str, dict[str, Any]] = {"": event, "user_data": {}, "custom_data": {}}
    for (part, key), cell in zip(places, cells, strict=True):
        text = cell.strip()
        if text:
            parts[part][key] = _value(key, text)
    event["user_data"] = parts["user_data"]
    if parts["custom_data"]:
        event["custom_data"] = parts["custom_data"]
    if event.get("source") == "browser":
        event.setdefault("action_source", "website")
    try:
        return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        raise ValueError("it is not UTF-8") from None


def _value(key: str, text: str) -> Any:
    if key in LISTS and "|" in text:
        return [part.strip() for part in text.split("|") if part.strip()]
    if key == "contents":
        try:
            return json.loads(text)
        except ValueError:
            raise ValueError("contents is no JSON") from None
    if key in TIMES and text.isascii() and text.isdigit():
        return int(text)
    return text
