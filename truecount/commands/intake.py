"""Imported events into the log, a chunk of a file at a time, each row exactly once.

Used by the manager for a running server, and by `truecount import` itself where none runs. A chunk is one append of the
door "import", and one row of imports.sqlite: the digest of the file's content up to the chunk's end. So it does not
matter what a file is called, or that lines were added to it later: what lies before a digest that is known is in.

A file that was corrected has another beginning, so each row that is in is noted too, by a keyed digest of its text: a
row is taken when it stands in its file more often than it was taken from any. The notes are written before the append,
with the sequence number it is to get; those of a number that the log does not have, as after a crash, are dropped.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

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
create table if not exists chunks (
    dataset text, digest blob, bytes integer, line integer, accepted integer, refused integer, withheld integer,
    repeated integer, file integer, seq integer, primary key (dataset, digest)
);
create index if not exists chunks_of_file on chunks (file, bytes);
create table if not exists files (file integer primary key, parent integer, bytes integer);
create table if not exists rows (
    digest blob, file integer, bytes integer, n integer, taken integer, seq integer, primary key (digest, file, bytes)
) without rowid;
create table if not exists refused (file integer, bytes integer, line integer, reason text, text text, seq integer);
create index if not exists refused_of_file on refused (file, bytes);
"""
"""`chunks` are marks of files. A file that leaves another's content at `bytes` is a branch of it, its `parent`. `rows`
are those that are in: `n` times in the chunk of `file` that ends at `bytes`, `taken` of them from there."""
_MARK: Final = "select digest, bytes, line, accepted, refused, withheld, repeated from chunks where dataset = ?"


class Mark(msgspec.Struct, array_like=True):
    """How far a file is in: the digest of its first `end` bytes, its lines so far, and what became of them."""

    digest: bytes
    end: int
    line: int
    accepted: int = 0
    refused: int = 0
    withheld: int = 0
    repeated: int = 0
    """Rows that were in already, from an earlier form of the file or from another file."""


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
    again: bool = False
    """Take rows that are in already once more."""


class RefusedRow(msgspec.Struct):
    line: int
    reason: str
    text: str


class Told(msgspec.Struct):
    """What the sender should know of `n` rows, the first of them in `line`."""

    text: str
    line: int
    n: int


class Taken(msgspec.Struct):
    """What became of a chunk. `mark` counts from the file's start; `rows` are the chunk's refused ones."""

    mark: Mark
    rows: list[RefusedRow]
    messages: list[Told] = []
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

    def roll_if_due(self) -> None:
        """LogWriter.roll_if_due: an import may be the last one for long, and its file has to be closed all the same."""
        self._writer.roll_if_due()

    def marks(self, dataset: Dataset) -> list[Mark]:
        """All that is known of imports into a dataset, the shortest first."""
        return [Mark(*row) for row in self._state.execute(f"{_MARK} order by bytes", (_key(dataset),))]

    def refused(self, dataset: Dataset, digest: bytes) -> list[RefusedRow]:
        """All refused rows of a file up to a mark, whichever run took them."""
        at = self._place(dataset, digest)
        found: list[RefusedRow] = []
        for file, end in self._lineage(*at).items() if at else ():
            told = self._state.execute(
                "select line, reason, text from refused where file = ? and bytes <= ? order by line", (file, end)
            )
            found.extend(RefusedRow(*row) for row in told)
        return sorted(found, key=lambda row: row.line)

    def take(self, dataset: Dataset, packed: bytes) -> Taken:
        """Keep a chunk (MessagePack of `Chunk`); on disk on return. OutOfOrder, LogError, ValueError."""
        chunk = msgspec.msgpack.decode(packed, type=Chunk)
        done = self._mark(dataset, chunk.digest)
        if done:
            return Taken(done, [], again=True)
        before = self._mark(dataset, chunk.base) if chunk.base else Mark(b"", 0, 0)
        if before is None:
            raise OutOfOrder("this part of the file does not follow what is in: start the import again")
        place = self._place(dataset, chunk.base) if chunk.base else None
        digests = {line: self._digest(dataset, text) for line, text in chunk.rows}
        known = self._known_rows(digests, self._lineage(*place) if place else {}, chunk.again)
        self._writer.not_before(dataset.created_us)
        kept = _Kept(dataset, self._weak_key, self._writer.now_us(), self._writer.clock_us())
        kept.take(chunk, known)
        refused = {row.line for row in kept.rows}
        mark = Mark(
            chunk.digest,
            chunk.end,
            chunk.line,
            before.accepted + kept.n,
            before.refused + len(kept.rows),
            before.withheld + kept.withheld,
            before.repeated + len(known),
        )
        rows: dict[bytes, list[int]] = {}
        for line, digest in digests.items():
            if line not in refused:
                counts = rows.setdefault(digest, [0, 0])
                counts[0] += 1
                counts[1] += line not in known
        entries = kept.entries()
        seq = self._writer.next_seq if entries else self._writer.next_seq - 1
        self._note(dataset, mark, place, rows, kept.rows, seq)
        if entries:
            try:
                self._writer.append(entries, first_us=kept.first_us, last_us=kept.last_us)
            except BaseException:
                self._settle()
                raise
        return Taken(mark, kept.rows, kept.told())

    def _note(
        self,
        dataset: Dataset,
        mark: Mark,
        place: tuple[int, int] | None,
        rows: dict[bytes, list[int]],
        refused: Sequence[RefusedRow],
        seq: int,
    ) -> None:
        """Write down a chunk that follows `place`, to be in once the log has `seq`."""
        with self._transaction() as state:
            file = place[0] if place else None
            if place:
                (tip,) = state.execute("select max(bytes) from chunks where file = ?", (file,)).fetchone()
                if tip > place[1]:
                    file = None  # another file went on from here
            if file is None:
                file = state.execute("insert into files (parent, bytes) values (?, ?)", place or (None, 0)).lastrowid
            values = (_key(dataset), *msgspec.structs.astuple(mark), file, seq)
            state.execute("insert into chunks values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values)
            state.executemany(
                "insert into rows values (?, ?, ?, ?, ?, ?)",
                [(digest, file, mark.end, n, taken, seq) for digest, (n, taken) in rows.items()],
            )
            state.executemany(
                "insert into refused values (?, ?, ?, ?, ?, ?)",
                [(file, mark.end, row.line, row.reason, row.text, seq) for row in refused],
            )

    def _settle(self) -> None:
        """Drop the notes of what the log does not have: of an append that failed or that a crash cut, or of all that
        came after a log that was put back from an older copy.
        """
        since = (self._writer.next_seq,)
        with self._transaction() as state:
            if state.execute("delete from chunks where seq >= ?", since).rowcount:
                state.execute("delete from rows where seq >= ?", since)
                state.execute("delete from refused where seq >= ?", since)

    def _known_rows(self, digests: dict[int, bytes], lineage: dict[int, int], again: bool) -> set[int]:
        """Lines whose row was taken as often already as it stands in the file so far. None with `again`."""
        known: set[int] = set()
        counts: dict[bytes, list[int]] = {}
        for line, digest in () if again else digests.items():
            if digest not in counts:
                found = self._state.execute("select file, bytes, n, taken from rows where digest = ?", (digest,))
                counts[digest] = [0, 0]
                for file, end, n, taken in found:
                    counts[digest][0] += n if end <= lineage.get(file, 0) else 0
                    counts[digest][1] += taken
            count = counts[digest]
            count[0] += 1
            if count[0] <= count[1]:
                known.add(line)
            else:
                count[1] += 1
        return known

    def _digest(self, dataset: Dataset, text: bytes) -> bytes:
        """Keyed, so that nobody can find a row by guessing what stands in it."""
        return hashlib.blake2b(_key(dataset).encode() + b"\0" + text, digest_size=16, key=self._weak_key[:64]).digest()

    def _lineage(self, file: int, end: int) -> dict[int, int]:
        """The files whose content a file's first `end` bytes are, each with the bytes up to which it is."""
        found: dict[int, int] = {}
        at: tuple[int | None, int] = (file, end)
        while at[0] is not None:
            found[at[0]] = at[1]
            at = self._state.execute("select parent, bytes from files where file = ?", at[:1]).fetchone()
        return found

    def _place(self, dataset: Dataset, digest: bytes) -> tuple[int, int] | None:
        """(file, bytes) of a mark."""
        found: tuple[int, int] | None = self._state.execute(
            "select file, bytes from chunks where dataset = ? and digest = ?", (_key(dataset), digest)
        ).fetchone()
        return found

    def _mark(self, dataset: Dataset, digest: bytes) -> Mark | None:
        found = self._state.execute(f"{_MARK} and digest = ?", (_key(dataset), digest)).fetchone()
        return Mark(*found) if found else None

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._state.execute("begin immediate")
        try:
            yield self._state
        except BaseException:
            self._state.execute("rollback")
            raise
        self._state.execute("commit")


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
        self._told: dict[str, Told] = {}
        self._tallies: Counter[tuple[str, Outcome, Reason, str]] = Counter()

    def take(self, chunk: Chunk, known: set[int]) -> None:
        """Take a chunk's rows but those that are known."""
        run: list[tuple[int, ServerEvent]] = []
        browser = False
        for line, text in chunk.rows:
            if line in known:
                continue
            try:
                event = event_of_text(text)
                if event.source not in SOURCES:
                    raise RequestRefused(Reason.BAD_SHAPE, f"{_FIRST_EVENT}['source'] (wanted: browser or server)")
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

    def told(self) -> list[Told]:
        return sorted(self._told.values(), key=lambda told: (told.line, told.text))

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
        for text, rows in kept.told.items():
            text = text.format(place="$")
            told = self._told.setdefault(text, Told(text, run[rows[0]][0], 0))
            told.n += len(rows)
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
