"""truecount events: the count, per event name; with --refused what was not taken, and why."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from truecount.cli import WrongUse
from truecount.commands import times
from truecount.commands.flags import Parser
from truecount.commands.output import NO_NAME, write_csv, write_json, write_table
from truecount.commands.reach import books, finished

ABOUT: Final = """\
Per event name: copies received, and the actions that they report, each once; of the actions how many were seen by the
browser alone, by the server alone, and by both; their value by currency. With --refused: what was refused or withheld,
and why."""
FIRST: Final = (
    "event_name",
    "copies",
    "actions",
    "browser_only",
    "server_only",
    "both",
    "limited",
    "left_out",
    "value",
    "refused",
    "first_time",
    "last_time",
    "bots",
    "tools",
)
REFUSED: Final = ("event_name", "source", "outcome", "reason", "n", "first_time", "last_time")
"""Columns of an answer, of an empty one too."""


def run(arguments: Sequence[str]) -> int:
    parser = Parser("events", ABOUT)
    parser.add_argument("dataset", metavar="DATASET", help="the dataset's id")
    parser.flag("--since", metavar="TIME", help=f"from this time of the event on: {times.HELP}")
    parser.flag("--until", metavar="TIME", help="up to, not including, this time; a date counts as a whole")
    parser.flag("--refused", action="store_true", help="what was refused or withheld, and why")
    parser.format_flag()
    parser.data_flag()
    given = parser.read(arguments)
    try:
        since_us, until_us = times.read_range(given.since, given.until)
    except ValueError as error:
        raise WrongUse(str(error)) from None
    with books(given.data) as found:
        ask = found.refused if given.refused else found.events
        answer = ask(given.dataset, since_us, until_us)
    code = finished(found)
    if given.format == "json":
        write_json(answer)
        return code
    columns, rows = as_rows(json.loads(answer), REFUSED if given.refused else FIRST)
    if given.format == "csv":
        write_csv(columns, rows)
    else:
        rows = [[row[0] or NO_NAME, *row[1:]] for row in rows]
        in_range = since_us is not None or until_us is not None
        if given.refused:
            empty = "nothing was refused or withheld" + (" in this range of time" if in_range else "")
            empty += "; requests with an unknown id or a wrong token are counted in /metrics alone"
        elif in_range:
            empty = f"no events of dataset {given.dataset} lie in this range of time"
        else:
            empty = f"no events in dataset {given.dataset} yet"
        write_table(columns, rows, empty=empty)
    return code


def as_rows(found: list[dict[str, Any]], first: Sequence[str]) -> tuple[list[str], list[list[str | int]]]:
    """Objects as rows: the columns named first, then the others as they come."""
    known = {name: None for row in found for name in row}
    columns = [name for name in first if name in known or not found] + [name for name in known if name not in first]
    return columns, [[cell(row.get(name)) for name in columns] for row in found]


def cell(value: Any) -> str | int:
    """One value for a table or CSV: money as `1798.00 INR`, lists with commas."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return "; ".join(f"{amount} {name}" for name, amount in value.items())
    if isinstance(value, list):
        return ", ".join(str(cell(part)) for part in value)
    return value if isinstance(value, int) else str(value)
