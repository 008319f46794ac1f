"""Imported events into the log, a chunk of a file at a time, each chunk exactly once.

Used by the manager for a running server, and by `truecount import` itself where none runs. A chunk is one append of the
door "import", and one row of imports.sqlite: the digest of the file's content up to the chunk's end. So it does not
matter what a file is called, or that lines were added to it later: what lies before a digest that is known is in.
Between the append and the row a crash may fall: the row `pending` says which sequence number the append was to get, and
whether the log has it decides.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from truecount.copies import pack
from truecount.datasets import Dataset
from truecount.log.entries import Entry, Tally, copies_entry, tallies_entry
from truecount.log.folder import DataFolder
from truecount.log.writer import LogWriter
from truecount.policy.decode import Body, ServerEvent, event_of_text
from truecount.policy.errors import RequestRefused
from truecount.policy.server import SLICE, ServerRequest, keep_slice
from truecount.vocabulary import STANDARD_EVENTS, Outcome, Reason, Source

DOOR: Final = "import"
SOURCES: Final = (None, "", Source.BROWSER.value, Source.SERVER.value)
_FIRST_EVENT: Final = "$['data'][0]"
_SCHEMA: Final = """
create table if not exists progress (
    dataset text, digest blob, bytes integer, line integer, accepted integer, refused integer, withheld integer,
    seq integer, primary key (dataset, digest)
);
create table if not exists pending (
    dataset text, digest blob, bytes integer, line integer, accepted integer, refused integer, withheld integer,
    seq integer
);
"""


class Mark(msgspec.Struct, array_like=True):
    """How far a file is in: the digest of its first `end` bytes, its lines so far, and what became of them."""

    digest: bytes
    end: int
    line: int
    accepted: int = 0
    refused: int = 0
    withheld: int = 0


class Chunk(msgspec.Struct, array_like=True):
    """Some rows of a file. `base` is the digest before it, b"" at the file's start."""

    base: bytes
    digest: bytes
    end: int
    line: int
    rows: list[tuple[int, bytes]]
    """(line number, the event's JSON text)"""
    unread: list[tuple[int, str]] = []
    """(line number, what is wrong) of rows that are no event at all."""


class RefusedRow(msgspec.Struct):
    line: int
    reason: str
    text: str


class Taken(msgspec.Struct):
    """What became of a chunk. `mark` counts from the file's start; `rows` are the chunk's refused ones."""

    mark: Mark
    rows: list[RefusedRow]
    again: bool = False
    """The chunk was in already: nothing was stored."""


class OutOfOrder(ValueError):
    """A chunk whose beginning is not in."""


class Intake:
    """Takes chunks for one data folder, as the door "import". One thread at a time. LogError when the log fails."""

    def __init__(self, folder: DataFolder, *, reserve_bytes: int = 0) -> None:
        self._weak_key = folder.weak_key()
        self._writer = LogWriter(folder.path, DOOR, reserve_bytes=reserve_bytes)
        self._state = sqlite3.connect(folder.path / "imports.sqlite", isolation_level=None, check_same_thread=False)
        self._state.execute("pragma synchronous = full")
        self._state.executescript(_SCHEMA)
        self._settle()

    def __enter__(self) -> Intake:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._state.close()
        self._writer.close()

    def marks(self, dataset: Dataset) -> list[Mark]:
        """All that is known of imports into a dataset, the shortest first."""
        found = self._state.execute(
            "select digest, bytes, line, accepted, refused, withheld from progress where dataset = ? order by bytes",
            (_key(dataset),),
        )
        return [Mark(*row) for row in found]

    def take(self, dataset: Dataset, packed: bytes) -> Taken:
        """Keep a chunk (MessagePack of `Chunk`); on disk on return. OutOfOrder, LogError, ValueError."""
        chunk = msgspec.msgpack.decode(packed, type=Chunk)
        done = self._mark(dataset, chunk.digest)
        if done:
            return Taken(done, [], again=True)
        before = self._mark(dataset, chunk.base) if chunk.base else Mark(b"", 0, 0)
        if before is None:
            raise OutOfOrder("this part of the file does not follow what is in: start the import again")
        kept = _Kept(dataset, self._weak_key, self._writer.now_us(), self._writer.clock_us())
        kept.take(chunk)
        mark = Mark(
            chunk.digest,
            chunk.end,
            chunk.line,
            before.accepted + kept.n,
            before.refused + len(kept.rows),
            before.withheld + kept.withheld,
        )
        entries = kept.entries()
        values = (_key(dataset), *msgspec.structs.astuple(mark), self._writer.next_seq if entries else 0)
        if entries:
            self._state.execute("delete from pending")
            self._state.execute("insert into pending values (?, ?, ?, ?, ?, ?, ?, ?)", values)
            self._writer.append(entries, first_us=kept.first_us, last_us=kept.last_us)
        self._done(values)
        return Taken(mark, kept.rows)

    def _settle(self) -> None:
        """Decide of a chunk that a crash cut: it is in when the log has the entry that it was to become.

        The same holds of all others: what a log that was put back from an older copy does not have, is not in.
        """
        for values in self._state.execute("select * from pending").fetchall():
            self._done(values)
        self._state.execute("delete from progress where seq >= ?", (self._writer.next_seq,))

    def _done(self, values: tuple[Any, ...]) -> None:
        self._state.execute("begin immediate")
        self._state.execute("insert or replace into progress values (?, ?, ?, ?, ?, ?, ?, ?)", values)
        self._state.execute("delete from pending")
        self._state.execute("commit")

    def _mark(self, dataset: Dataset, digest: bytes) -> Mark | None:
        found = self._state.execute(
            "select digest, bytes, line, accepted, refused, withheld from progress where dataset = ? and digest = ?",
            (_key(dataset), digest),
        ).fetchone()
        return Mark(*found) if found else None


def _key(dataset: Dataset) -> str:
    """A dataset that was deleted and made again under its id starts anew."""
    return f"{dataset.id}:{dataset.created_us}"


class _Kept:
    """The rows of a chunk, as they go through the policy steps."""

    def __init__(self, dataset: Dataset, weak_key: bytes, now_us: int, clock_us: int) -> None:
        self._request = ServerRequest(dataset, now_us, weak_key, imported=True, clock_us=clock_us)
        self._dataset = dataset
        self._now_us = now_us
        self.n = 0
        self.parts: list[bytes] = []
        self.withheld = 0
        self.rows: list[RefusedRow] = []
        self.first_us = self.last_us = now_us
        self._tallies: Counter[tuple[str, Outcome, Reason, str]] = Counter()

    def take(self, chunk: Chunk) -> None:
        run: list[tuple[int, ServerEvent]] = []
        browser = False
        for line, text in chunk.rows:
            try:
                event = event_of_text(text)
                if event.source not in SOURCES:
                    raise RequestRefused(Reason.BAD_SHAPE, f"{_FIRST_EVENT}['source']")
            except RequestRefused as refused:
                self._refuse(line, refused, ServerEvent())
                continue
            # A slice is of one source, so that order in the file stays order in the log.
            if run and ((event.source == Source.BROWSER) != browser or len(run) == SLICE):
                self._slice(run, browser)
                run = []
            browser = event.source == Source.BROWSER
            run.append((line, event))
        if run:
            self._slice(run, browser)
        for line, wrong in chunk.unread:
            self.rows.append(RefusedRow(line, Reason.MALFORMED_REQUEST.value, wrong))
            self._tallies["", Outcome.REFUSED, Reason.MALFORMED_REQUEST, ""] += 1
        self.rows.sort(key=lambda row: row.line)

    def entries(self) -> list[Entry]:
        entries = [copies_entry(self.n, self.parts)] if self.n else []
        if self._tallies:
            tallies = [
                Tally(self._dataset.id, source, outcome, reason, n, self._now_us, name)
                for (source, outcome, reason, name), n in self._tallies.items()
            ]
            entries.append(tallies_entry(tallies))
        return entries

    def _slice(self, run: Sequence[tuple[int, ServerEvent]], browser: bool) -> None:
        events = [event for _, event in run]
        try:
            kept = keep_slice(events, 0, Body(events), self._request)
        except RequestRefused as refused:
            if len(run) == 1:
                self._refuse(run[0][0], refused, events[0])
            else:
                # One row is wrong: a file is not all or nothing, so each is tried alone.
                for row in run:
                    self._slice([row], browser)
            return
        if kept.n:
            columns = kept.columns
            if browser:
                columns["source"] = [Source.BROWSER.value] * kept.n
            self.first_us = min(self.first_us, *columns["received_us"])
            self.parts.append(pack(kept.n, columns))
            self.n += kept.n
        if kept.withheld:
            self.withheld += kept.withheld
            self._tallies[_source(browser), Outcome.WITHHELD, Reason.CONSENT_DENIED, ""] += kept.withheld

    def _refuse(self, line: int, refused: RequestRefused, event: ServerEvent) -> None:
        # The doors' words speak of a request: here it is a line.
        malformed = refused.reason is Reason.MALFORMED_REQUEST
        text = "the line is no JSON object" if malformed else refused.text.replace(_FIRST_EVENT, "$")
        self.rows.append(RefusedRow(line, refused.reason.value, text))
        name = event.event_name if event.event_name in STANDARD_EVENTS else ""
        self._tallies[_source(event.source == Source.BROWSER), Outcome.REFUSED, refused.reason, name or ""] += 1


def _source(browser: bool) -> str:
    return (Source.BROWSER if browser else Source.SERVER).value
