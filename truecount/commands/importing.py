"""truecount import: events from a file, with their own times, progress and resume."""

from __future__ import annotations

import hashlib
import json
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from truecount.cli import CommandFailed, WrongUse
from truecount.commands.flags import Parser
from truecount.commands.output import say, write_table
from truecount.commands.reach import Books, books
from truecount.commands.rows import COLUMNS_HELP, OtherFile, Row, WrongFile, check_kind, csv_rows, is_csv, json_rows

if TYPE_CHECKING:
    from truecount.commands.intake import Chunk, Mark

ABOUT: Final = f"""\
Take events from a file of JSON lines (Conversions API events, one object a line) or CSV, through the same steps as the
doors. Events keep their own times: received_time where given, else event_time. A key or column `source` tells browser
from server (default server). Rows that are refused are told with their line; the others are taken. Exit
code 1 where rows were refused and none was taken.

Interrupted, with lines added to the file, or with rows of it corrected, run the same command again: rows that are in
are not taken twice.

{COLUMNS_HELP}"""
CHUNK_ROWS: Final = 1000
CHUNK_BYTES: Final = 1_000_000
SHOWN: Final = 20


def run(arguments: Sequence[str]) -> int:
    parser = Parser("import", ABOUT)
    parser.add_argument("file", metavar="FILE", help="a file of JSON lines, or CSV where its name ends in .csv")
    parser.flag("--dataset", metavar="ID", required=True, help="the dataset's id")
    parser.flag("--again", action="store_true", help="take rows that are in already, from another file, once more")
    parser.flag("--format", choices=("table", "json"), default="table", help="how to write the report (default table)")
    parser.data_flag()
    given = parser.read(arguments)
    path = Path(given.file)
    try:
        with path.open("rb") as file:
            check_kind(file, is_csv=is_csv(path))
            with books(given.data) as found:
                report = take_file(file, path, given.dataset, found, again=given.again)
    except OtherFile as error:
        raise WrongUse(f"{path}: {error}") from None
    except WrongFile as error:
        raise CommandFailed(f"{path}: {error}") from None
    except OSError as error:
        if error.filename not in (None, str(path), path):
            raise  # it is of the data folder
        raise CommandFailed(f"{path} cannot be read: {error.strerror or error}") from None
    write_report(report, given.format)
    if report["interrupted"]:
        return 130
    nothing_taken = report["refused"] and not (report["accepted"] or report["withheld"] or report["repeated"])
    return 1 if nothing_taken else 0


def take_file(file: BinaryIO, path: Path, dataset: str, found: Books, *, again: bool = False) -> dict[str, Any]:
    """Take all of a file that is not in yet; the report that `--format json` writes."""
    import msgspec

    from truecount.commands.intake import Mark, Taken, Told

    size = path.stat().st_size
    known = msgspec.json.decode(found.marks(dataset), type=list[Mark])
    start, digest = resume_at(file, size, known)
    report: dict[str, Any] = {"file": path.name, "skipped_lines": start.line, "interrupted": False}
    report["unfinished_line"] = None
    mark = start
    told: dict[str, Told] = {}
    rows = finished((csv_rows if is_csv(path) else json_rows)(file, start.end, start.line), report)
    with progress(path.name, size) as advance, first_interrupt() as stopped:
        advance(start.end)
        try:
            for chunk in chunks(rows, file, start, digest):
                chunk.again = again
                taken = msgspec.json.decode(found.take(dataset, msgspec.msgpack.encode(chunk)), type=Taken)
                mark = taken.mark
                for one in taken.messages:
                    told.setdefault(one.text, Told(one.text, one.line, 0)).n += one.n
                advance(chunk.end)
                if stopped():
                    report["interrupted"] = True
                    break
        except KeyboardInterrupt:
            report["interrupted"] = True
    report |= {"lines": mark.line}
    counts = ("accepted", "refused", "withheld", "repeated")
    report |= {name: getattr(mark, name) - getattr(start, name) for name in counts}
    report["refused_rows"] = json.loads(found.refused_rows(dataset, mark.digest)) if mark.digest else []
    report["messages"] = msgspec.to_builtins(list(told.values()))
    return report


@contextmanager
def first_interrupt() -> Iterator[Callable[[], bool]]:
    """Whether Ctrl-C was pressed: the first lets the chunk under way be finished and told of, the next one cuts it."""
    pressed = False

    def press(number: int, frame: Any) -> None:
        nonlocal pressed
        if pressed:
            raise KeyboardInterrupt
        pressed = True

    if threading.current_thread() is not threading.main_thread():
        yield lambda: pressed  # signals are the main thread's
        return
    before = signal.signal(signal.SIGINT, press)
    try:
        yield lambda: pressed
    finally:
        signal.signal(signal.SIGINT, before)


def finished(rows: Iterator[Row], report: dict[str, Any]) -> Iterator[Row]:
    """Rows up to one that the file ends inside of: it is taken by a later run, when it is whole."""
    for row in rows:
        if row.unfinished:
            report["unfinished_line"] = row.line
            return
        yield row


def resume_at(file: BinaryIO, size: int, known: Sequence[Mark]) -> tuple[Mark, hashlib.blake2b]:
    """The farthest mark whose content is this file's beginning, and the digest's state there."""
    from truecount.commands.intake import Mark

    digest = hashlib.blake2b(digest_size=16)
    best, at_best = Mark(b"", 0, 0), digest.copy()
    at = 0
    file.seek(0)
    for mark in sorted(known, key=lambda mark: mark.end):
        if mark.end > size:
            break
        while at < mark.end:
            read = file.read(min(1 << 20, mark.end - at))
            if not read:
                break
            digest.update(read)
            at += len(read)
        if digest.digest() == mark.digest:
            best, at_best = mark, digest.copy()
    return best, at_best


def chunks(rows: Iterator[Row], file: BinaryIO, start: Mark, digest: hashlib.blake2b) -> Iterator[Chunk]:
    """Rows in chunks, each with the digest of the file up to its end.

    The file is read once more for the digest, through a descriptor of its own.
    """
    from truecount.commands.intake import Chunk

    with open(file.name, "rb") as again:
        again.seek(start.end)
        at, base = start.end, start.digest
        taken: list[tuple[int, bytes]] = []
        unread: list[tuple[int, str]] = []
        held = 0
        last: Row | None = None

        def cut(end: Row) -> Chunk:
            nonlocal at, base
            digest.update(again.read(end.end - at))
            before, at, base = base, end.end, digest.digest()
            return Chunk(before, base, end.end, end.line, list(taken), list(unread))

        for row in rows:
            last = row
            if row.wrong:
                unread.append((row.line, row.wrong))
            elif row.text:
                taken.append((row.line, row.text))
                held += len(row.text)
            if len(taken) + len(unread) >= CHUNK_ROWS or held >= CHUNK_BYTES:
                yield cut(row)
                taken, unread, held, last = [], [], 0, None
        if last:
            yield cut(last)


def progress(name: str, size: int) -> Any:
    """A progress bar on stderr, where that is a terminal; what is given is called with the bytes done."""
    if not sys.stderr.isatty():
        return nullcontext(lambda done: None)
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    @contextmanager
    def shown() -> Iterator[Any]:
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True)) as bar:
            task = bar.add_task(name, total=size)
            yield lambda done: bar.update(task, completed=done)

    return shown()


def write_report(report: dict[str, Any], form: str) -> None:
    if form == "json":
        sys.stdout.write(json.dumps(report, separators=(",", ":"), ensure_ascii=False) + "\n")
    else:
        refused = report["refused_rows"]
        if refused:
            rows = [[row["line"], row["reason"], row["text"]] for row in refused[:SHOWN]]
            write_table(["line", "reason", "what is wrong"], rows, empty="")
            if len(refused) > SHOWN:
                say(f"... and {len(refused) - SHOWN:,} more (--format json names all)")
        if report["messages"]:
            rows = [[told["line"], told["n"], told["text"]] for told in report["messages"]]
            write_table(["first line", "rows", "what to know"], rows, empty="")
    if report["skipped_lines"]:
        say(f"{report['skipped_lines']:,} lines were in already")
    say(
        f"{report['accepted']:,} events taken, {report['refused']:,} refused, {report['withheld']:,} withheld (consent)"
    )
    if report["repeated"]:
        say(f"{report['repeated']:,} rows were in already, the same to the letter (--again takes them once more)")
    if report["unfinished_line"]:
        say(f"line {report['unfinished_line']:,} is not finished: run the same command again when it is")
    if report["interrupted"]:
        say(f"interrupted after line {report['lines']:,}: run the same command again to go on")
