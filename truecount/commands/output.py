"""How commands write their answers: JSON and CSV to stdout, tables through Rich.

Names and ids come from whoever sends a hit: nothing of them may steer a terminal or run in a spreadsheet.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from typing import Final

Cell = str | int
NO_NAME: Final = "(no name)"
"""What people see where the name of an event is not known."""

_UNSEEN: Final = "\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"
"""C1 control characters, and what turns the direction of text or begins a line."""
_unsafe: Final = re.compile(f"[\x00-\x1f{_UNSEEN}\ud800-\udfff]").sub
_unsafe_in_json: Final = re.compile(f"[{_UNSEEN}]").sub  # those below 0x20 are escaped in all JSON
_formula: Final = re.compile("[=+\\-@\uff1d\uff0b\uff0d\uff20]").match
_amounts: Final = re.compile(
    r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?( [A-Z]{3}(; -?\d+(\.\d+)? [A-Z]{3})*)?", re.ASCII
).fullmatch


def shown(text: str) -> str:
    """A text in one line with nothing that a terminal obeys: such characters as \\x1b, \\n, \\u202e."""
    return _unsafe(lambda found: found[0].encode("unicode_escape").decode(), text)


def _spreadsheet_cell(cell: Cell) -> Cell:
    """A cell that no spreadsheet takes for a formula: an apostrophe before what looks like one and is no number."""
    if isinstance(cell, int):
        return cell
    cell = shown(cell)
    return f"'{cell}" if _formula(cell) and not _amounts(cell) else cell


def write_json(answer: bytes) -> None:
    """An answer as it came, with a newline: the same facts give the same bytes.

    Characters that a terminal obeys are escaped as JSON does, which means the same.
    """
    sys.stdout.write(_unsafe_in_json(lambda found: f"\\u{ord(found[0]):04x}", answer.decode()) + "\n")
    sys.stdout.flush()


def write_csv(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
    """CSV on stdout, a line a row. Control characters are written as `shown` does, formulas behind an apostrophe."""
    import csv

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow([_spreadsheet_cell(column) for column in columns])
    writer.writerows([_spreadsheet_cell(cell) for cell in row] for row in rows)
    sys.stdout.flush()


def write_table(columns: Sequence[str], rows: Sequence[Sequence[Cell]], *, empty: str) -> None:
    """A table on stdout; `empty` in words where there is nothing. Numbers stand on the right."""
    if not rows:
        say(empty)
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for at, column in enumerate(columns):
        number = all(isinstance(row[at], int) for row in rows)
        table.add_column(column.replace("_", " "), justify="right" if number else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(f"{cell:,}" if isinstance(cell, int) else shown(cell)) for cell in row))
    console = Console(soft_wrap=not sys.stdout.isatty(), width=None if sys.stdout.isatty() else 1000)
    console.print(table)


def say(text: str) -> None:
    """A line on stderr, for people."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
