"""truecount doctor: looks at a data folder, with or without a server, and changes nothing."""

from __future__ import annotations

import json
import stat
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from truecount.cli import WrongUse
from truecount.commands.flags import Parser, folder_of
from truecount.commands.output import write_table
from truecount.commands.reach import open_folder
from truecount.settings import WrongSetting, read_settings

if TYPE_CHECKING:
    from truecount.log.folder import DataFolder
    from truecount.store.client import Store

ABOUT: Final = """\
Look at a data folder and say what is wrong and what to do about it. Works with and without a running server
(without one it opens the store itself), and changes nothing. Exit code 1 when something is broken."""
GOOD, LOOK, BROKEN = "good", "look", "broken"
LAG_LIMIT_S: Final = 10.0
CLOCK_LIMIT_S: Final = 2.0
CLOCK_BROKEN_S: Final = 600.0


class Finding(NamedTuple):
    """One thing that was looked at. `do` says what to do, "" where nothing is to be done."""

    check: str
    state: str
    says: str
    do: str = ""


def run(arguments: Sequence[str]) -> int:
    parser = Parser("doctor", ABOUT)
    parser.flag("--quick", action="store_true", help="leave out what reads the whole log or store")
    parser.format_flag(("table", "json"))
    parser.data_flag()
    given = parser.read(arguments)
    folder = open_folder(folder_of(given.data))
    try:
        reserve_mb = read_settings({"data": str(folder.path)}).reserve_mb
    except WrongSetting as error:
        raise WrongUse(str(error)) from None
    findings = list(examine(folder, reserve_mb, quick=given.quick))
    if given.format == "json":
        sys.stdout.write(json.dumps([finding._asdict() for finding in findings], separators=(",", ":")) + "\n")
    else:
        write_table(["check", "state", "what was found", "what to do"], findings, empty="")
    return 1 if any(finding.state == BROKEN for finding in findings) else 0


def examine(folder: DataFolder, reserve_mb: int, *, quick: bool = False) -> Iterator[Finding]:
    """All checks in order. Each is made whatever the others found."""
    yield Finding("folder", GOOD, f"{folder.path}, format {folder.version}")
    yield from _secrets(folder)
    yield from _disk(folder, reserve_mb)
    yield from _clock(folder)
    yield from _datasets(folder)
    yield from _server(folder, quick=quick)
    if not quick:
        yield from _log(folder)
        yield from _refusals(folder)


def _secrets(folder: DataFolder) -> Iterator[Finding]:
    kept = [folder.path, folder.keys, folder.run, *folder.keys.glob("*.key"), *folder.run.glob("*.secret")]
    wide = [str(path) for path in kept if path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077]
    if wide:
        yield Finding("secrets", LOOK, f"others may read {', '.join(wide)}", "chmod go= on each of them")
    else:
        yield Finding("secrets", GOOD, "readable by their owner alone")


def _disk(folder: DataFolder, reserve_mb: int) -> Iterator[Finding]:
    free_mb = folder.disk_free() // 1_000_000
    says = f"{free_mb:,} MB free, {reserve_mb:,} MB are kept in reserve"
    if free_mb <= reserve_mb:
        yield Finding("disk", BROKEN, f"{says}: doors answer 503", "make room, or lower --reserve-mb")
    elif free_mb < 2 * reserve_mb + 1000:
        yield Finding("disk", LOOK, says, "make room soon: below the reserve nothing is stored")
    else:
        yield Finding("disk", GOOD, says)


def _clock(folder: DataFolder) -> Iterator[Finding]:
    from truecount.log.errors import LogError
    from truecount.log.reader import LogReader

    try:
        with LogReader(folder.path) as reader:
            high_us = reader.high_water_us()
    except LogError:
        return  # the check of the log tells
    ahead_s = high_us / 1e6 - time.time()
    if ahead_s > CLOCK_BROKEN_S:
        yield Finding(
            "clock",
            BROKEN,
            f"the log holds times of receipt {_span(ahead_s)} ahead of the clock, which stood wrong once or does now",
            "set the clock (NTP); until it reaches that time all events get the same time of receipt, so that events "
            "days apart can merge; what is taken is still judged by the clock",
        )
    elif ahead_s > CLOCK_LIMIT_S:
        yield Finding(
            "clock",
            LOOK,
            f"the log was written {ahead_s:,.0f} s later than it is now: the clock jumped back",
            "set the clock (NTP); until it catches up, all events get the same time of receipt",
        )
    else:
        yield Finding("clock", GOOD, "not behind the log")


def _span(seconds: float) -> str:
    for unit, size in (("days", 86_400), ("hours", 3_600)):
        if seconds >= 2 * size:
            return f"{seconds / size:,.1f} {unit}"
    return f"{seconds / 60:,.0f} minutes"


def _datasets(folder: DataFolder) -> Iterator[Finding]:
    import sqlite3

    from truecount.log.registry import Registry

    try:
        with Registry.open(folder.path, read_only=True) as registry:
            n = len(registry.datasets())
    except FileNotFoundError:
        n = 0
    except (sqlite3.Error, ValueError) as error:
        yield Finding(
            "datasets",
            BROKEN,
            f"control.sqlite cannot be read ({type(error).__name__})",
            "stop the server, move control.sqlite away, start: it is made anew from the log",
        )
        return
    if n:
        yield Finding("datasets", GOOD, f"{n}")
    else:
        yield Finding("datasets", LOOK, "none yet: nothing is taken", "truecount dataset create NAME")


def _server(folder: DataFolder, *, quick: bool) -> Iterator[Finding]:
    from truecount.manager.canary import copies_in
    from truecount.store.client import Store
    from truecount.store.errors import StoreError
    from truecount.store.place import unusable
    from truecount.store.trouble import what_is_wrong, what_to_do

    if not folder.is_owned():
        yield Finding("server", LOOK, "none runs on this folder", "truecount serve")
        if wrong := unusable(folder.store):
            yield Finding("store", BROKEN, *wrong)
        elif not folder.store.is_dir():
            yield Finding("store", GOOD, "not there; it is made from the log at the next start")
        elif not quick:
            yield from _store_at_rest(folder)
        return
    if not (folder.run / "serve.json").is_file():
        yield Finding("server", LOOK, "starting, or a command works on the folder", "look again in a minute")
        return
    yield Finding("server", GOOD, json.loads((folder.run / "serve.json").read_text())["url"])
    try:
        with Store.of_folder(folder.path) as store:
            loader = store.state()["loader"]
            try:
                copies = copies_in(store)
            except StoreError:  # a store that is damaged, which is looked at below
                copies = loader["copies"]
    except StoreError as error:
        yield Finding(
            "engine",
            BROKEN,
            str(error),
            "events are kept meanwhile; if it does not come back, see the server's stderr: of a store that is damaged "
            "it says so, and `truecount replay` makes it anew (or move the store folder away), with the server stopped",
        )
        return
    lag_s = loader["lag_us"] / 1e6
    says = f"{copies:,} copies, {lag_s:.1f} s behind the log"
    if loader["error"]:
        error_told = str(loader["error"])
        wrong_says = f"{says}; counts are incomplete, it cannot go on: {what_is_wrong(error_told)}"
        yield Finding("loader", BROKEN, wrong_says, what_to_do(error_told))
    elif lag_s > LAG_LIMIT_S:
        yield Finding("loader", LOOK, says, "look again: it should catch up by itself")
    else:
        yield Finding("loader", GOOD, says)
    yield from _canary(folder)
    if loader["set_aside"]:
        yield Finding(
            "set aside",
            LOOK,
            f"{loader['set_aside']:,} items could not be loaded; they block nothing and stay in the log",
            "truecount events DATASET --refused tells why; please report it",
        )
    with Store.of_folder(folder.path) as store:
        yield from _store(folder, store, quick=quick)


def _canary(folder: DataFolder) -> Iterator[Finding]:
    """How old the newest canary is, as the manager says."""
    from http.client import HTTPConnection, HTTPException

    from truecount.manager.serving import serve_state

    state = serve_state(folder.path)
    if state is None:
        return
    connection = HTTPConnection("127.0.0.1", state.manager, timeout=10)
    try:
        connection.request("GET", "/canary?format=json", headers={"Accept": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
    except (OSError, HTTPException):
        yield Finding("canary", LOOK, "the manager does not answer", "look again; see the server's stderr")
        return
    finally:
        connection.close()
    if answer.status != 200:
        return  # none was sent yet, or none is to be
    from truecount.manager.canary import Canary

    seen = msgspec.json.decode(text, type=Canary)
    trouble = "; ".join(f"{door} door: {why}" for door, why in seen.trouble.items())
    came = f"the newest that came to the count was sent {seen.age_s:,.0f} s ago"
    says = came if seen.doors else f"none came to the count for {seen.age_s:,.0f} s"
    if trouble or seen.is_late:
        says = f"{says}; {trouble}" if trouble else says
        yield Finding("canary", LOOK, says, "one is sent every minute: look again; then see the server's stderr")
    else:
        yield Finding("canary", GOOD, says)


def _store_at_rest(folder: DataFolder) -> Iterator[Finding]:
    """The store of a folder that nobody owns, by an engine that loads nothing."""
    from truecount.log.errors import FolderBusy
    from truecount.store.errors import StoreError
    from truecount.store.local import engine
    from truecount.store.trouble import moved_away

    found: list[Finding] = []
    try:
        with folder.lock(), engine(folder.path, ["--no-upkeep", "--no-load"]) as store:
            found += _store(folder, store, quick=False)
    except FolderBusy:
        found = [Finding("store", LOOK, "another process took the folder meanwhile", "look again")]
    except StoreError as error:
        do = f"if the words on stderr tell of no full disk: {moved_away(folder.store)}"
        found = [Finding("store", BROKEN, str(error), do)]
    yield from found


def _store(folder: DataFolder, store: Store, *, quick: bool) -> Iterator[Finding]:
    """Whether the log has all that the store has, and the store can be read."""
    from truecount.log.errors import LogError
    from truecount.log.reader import LogReader
    from truecount.manager.answers import in_words
    from truecount.store.errors import QueryTooHeavy, StoreError
    from truecount.store.rebuild import damaged_parts, ends_in
    from truecount.store.trouble import MISSING, REPLAY, missing_of

    says: list[str] = []
    try:
        ends = ends_in(store)
        with LogReader(folder.path) as reader:
            for door, last in ends.items():
                try:
                    end = reader.last_seq(door)
                except LogError:
                    continue  # the check of the log tells
                if last > end:
                    says.append(missing_of(door, last, end))
        if says:
            yield Finding("log and store", BROKEN, "; ".join(says), MISSING)
        damaged = [] if quick else damaged_parts(store)
    except QueryTooHeavy:
        yield Finding("store", LOOK, "too large to be read as a whole within the limits of a query")
    except StoreError as error:
        yield Finding("store", BROKEN, in_words(error), REPLAY)
    else:
        if damaged:
            yield Finding("store", BROKEN, f"damaged, counts may be wrong: {', '.join(damaged)}", REPLAY)
        elif not quick:
            yield Finding("store", GOOD, "whole")


def _log(folder: DataFolder) -> Iterator[Finding]:
    from truecount.log.files import log_folder
    from truecount.log.upkeep import verify

    damaged = verify(folder.path)
    for found in damaged:
        yield Finding("log", BROKEN, str(found), "put this file back from a backup")
    if not damaged:
        size = sum(path.stat().st_size for path in log_folder(folder.path).rglob("*") if path.is_file())
        yield Finding("log", GOOD, f"whole; {size / 1e6:,.1f} MB")


def _refusals(folder: DataFolder) -> Iterator[Finding]:
    from truecount.log.entries import Kind, tallies_of
    from truecount.log.errors import LogError
    from truecount.log.reader import LogReader

    sums: Counter[tuple[str, str, str]] = Counter()
    try:
        with LogReader(folder.path) as reader:
            for door in reader.doors():
                for stored in reader.all(door, 0, (Kind.TALLIES,)):
                    for tally in tallies_of(stored.body):
                        sums[tally.dataset, tally.outcome, tally.reason] += tally.n
    except (LogError, ValueError):
        return  # the check of the log tells
    for (dataset, outcome, reason), n in sorted(sums.items()):
        yield Finding(
            "not accepted",
            LOOK,
            f"dataset {dataset}: {n:,} items {outcome} ({reason})",
            f"truecount events {dataset} --refused",
        )
    if not sums:
        said = "nothing was refused or withheld (unknown ids and wrong tokens are counted in /metrics alone)"
        yield Finding("not accepted", GOOD, said)
