"""How commands write their answers: JSON and CSV to stdout as they are, tables through Rich."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

Cell = str | int


def write_json(answer: bytes) -> None:
    """An answer as it came, with a newline: the same facts give the same bytes."""
    sys.stdout.write(answer.decode() + "\n")
    sys.stdout.flush()


def write_csv(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
    import csv

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
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
        table.add_row(*(Text(f"{cell:,}" if isinstance(cell, int) else cell) for cell in row))
    console = Console(soft_wrap=not sys.stdout.isatty(), width=None if sys.stdout.isatty() else 1000)
    console.print(table)


def say(text: str) -> None:
    """A line on stderr, for people."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
