"""What the demo shows: the count per event, and the shop's own books beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from rich.console import Group
from rich.table import Table
from rich.text import Text

from truecount.commands.output import NO_NAME
from truecount.simulate.books import Books, Expected, money, value_of
from truecount.simulate.brewbeans import CURRENCY

COLUMNS: Final = ("copies", "actions", "browser_only", "server_only", "both", "left_out", "refused")
ORDER: Final = ("PageView", "ViewContent", "AddToCart", "InitiateCheckout", "Purchase", "Lead")

Rows = Sequence[Mapping[str, Any]]


def differences(rows: Rows, books: Books) -> list[str]:
    """Compare an answer of `events` with the books, number by number; a sentence for each difference."""
    counted = {str(row["event_name"]): row for row in rows}
    found: list[str] = []
    for name in sorted({*counted, *books.counts}):
        row, right = counted.get(name, {}), books.counts.get(name, Expected())
        for column in COLUMNS:
            if row.get(column, 0) != getattr(right, column):
                found.append(f"{name}: {column} is {row.get(column, 0)}, the books say {getattr(right, column)}")
        # A sum of nothing may be written as 0.00 or not at all.
        value = {key: amount for key, amount in row.get("value", {}).items() if Decimal(amount)}
        if value != value_of(right):
            found.append(f"{name}: value is {value}, the books say {value_of(right)}")
    return found


def count_table(rows: Rows) -> Table:
    table = Table(title="What Truecount counts", title_justify="left", title_style="bold", header_style="bold")
    table.add_column("event")
    for column in COLUMNS:
        table.add_column(column.replace("_", " "), justify="right")
    table.add_column(f"value {CURRENCY}", justify="right")
    place = {name: at for at, name in enumerate(ORDER)}
    for row in sorted(rows, key=lambda row: place.get(str(row["event_name"]), len(ORDER))):
        value = row.get("value", {}).get(CURRENCY, "")
        strong = "bold" if row["event_name"] == "Purchase" else ""
        cells = [f"{row.get(column, 0):,}" for column in COLUMNS]
        table.add_row(str(row["event_name"]) or NO_NAME, *cells, f"{Decimal(value):,}" if value else "", style=strong)
    return table


def screen(rows: Rows, books: Books, *, under_way: int, visitors: int, head: str, foot: str) -> Group:
    """The whole picture: where it runs, the table, books beside count."""
    purchase: Mapping[str, Any] = next((row for row in rows if row["event_name"] == "Purchase"), {})
    actions, value = purchase.get("actions", 0), purchase.get("value", {}).get(CURRENCY, "0.00")
    beside = Table(box=None, show_header=False, pad_edge=False)
    for _ in range(3):
        beside.add_column(justify="right")
    beside.add_column()
    ordered = Decimal(money(books.order_value))
    beside.add_row("The shop's own books:", f"{books.orders:,} orders", f"{ordered:,}", CURRENCY)
    beside.add_row("Truecount counts:", f"{actions:,} purchases", f"{Decimal(value):,}", CURRENCY)
    if books.orders == actions and ordered == Decimal(value):
        verdict = Text("They agree.", style="green")
    elif books.orders <= actions <= books.orders + under_way:
        verdict = Text(f"They agree, {actions - books.orders} more half reported so far.", style="green")
    else:
        verdict = Text("The count is catching up ...", style="yellow")
    told = f"{visitors:,} visits; {under_way:,} orders whose reports are still under way"
    return Group(Text(head), Text(), count_table(rows), Text(), beside, verdict, Text(told, style="dim"), Text(foot))
