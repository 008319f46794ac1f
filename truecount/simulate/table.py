"""What the demo shows: the count per event, and the shop's own books beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from rich.console import Group
from rich.table import Table
from rich.text import Text

from truecount.commands.output import NO_NAME
from truecount.simulate.books import NOBODY, Beside, Books, Expected, money, value_of
from truecount.simulate.brewbeans import CURRENCY

COLUMNS: Final = ("copies", "actions", "browser_only", "server_only", "both", "left_out", "refused")
ORDER: Final = ("PageView", "ViewContent", "AddToCart", "InitiateCheckout", "Purchase", "Lead")

SALE: Final = "Purchase"

Rows = Sequence[Mapping[str, Any]]


def differences(rows: Rows, books: Books, beside: Beside = NOBODY) -> list[str]:
    """Compare an answer of `events` with the books, number by number; a sentence for each difference.

    Where people shop on the site as well, counts of what they looked at can only be more than the books'; their orders
    are known, and must be there once each.
    """
    counted = {str(row["event_name"]): row for row in rows}
    found: list[str] = []
    for name in sorted({*counted, *books.counts}):
        row, right = counted.get(name, {}), books.counts.get(name, Expected())
        for column in COLUMNS:
            count, (least, most) = row.get(column, 0), _bounds(name, column, right, beside)
            if count < least or (most is not None and count > most):
                words = "" if most == least else " at least" if count < least else " at most"
                found.append(f"{name}: {column} is {count}, the books say{words} {least if count < least else most}")
        # A sum of nothing may be written as 0.00 or not at all.
        value = {key: amount for key, amount in row.get("value", {}).items() if Decimal(amount)}
        wanted = value_of(right.value + (beside.value if name == SALE else 0))
        if value != wanted and (not beside.pages or (name == SALE and not beside.unsure)):
            found.append(f"{name}: value is {value}, the books say {wanted}")
    return found


def _bounds(name: str, column: str, right: Expected, beside: Beside) -> tuple[int, int | None]:
    """The least and the most that a number may be; None for no limit."""
    known: int = getattr(right, column)
    if not beside.pages or (name == SALE and column in ("left_out", "refused")):
        return known, known
    if name == SALE and column == "actions":
        return known + beside.surely, None if beside.unsure else known + beside.surely
    return known, None


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


def screen(
    rows: Rows, books: Books, *, under_way: int, visitors: int, head: str, foot: str, beside: Beside = NOBODY
) -> Group:
    """The whole picture: where it runs, the table, books beside count."""
    purchase: Mapping[str, Any] = next((row for row in rows if row["event_name"] == "Purchase"), {})
    actions, value = purchase.get("actions", 0), purchase.get("value", {}).get(CURRENCY, "0.00")
    table = Table(box=None, show_header=False, pad_edge=False)
    for _ in range(3):
        table.add_column(justify="right")
    table.add_column()
    orders, ordered = books.orders + beside.orders, Decimal(money(books.order_value + beside.value))
    table.add_row("The shop's own books:", f"{orders:,} orders", f"{ordered:,}", CURRENCY)
    table.add_row("Truecount counts:", f"{actions:,} purchases", f"{Decimal(value):,}", CURRENCY)
    if orders == actions and ordered == Decimal(value):
        verdict = Text("They agree.", style="green")
    elif orders <= actions <= orders + under_way:
        verdict = Text(f"They agree, {actions - orders} more half reported so far.", style="green")
    else:
        verdict = Text("The count is catching up ...", style="yellow")
    told = f"{visitors:,} visits; {under_way:,} orders whose reports are still under way"
    if beside.pages:
        told += f"; {beside.pages:,} pages shown to people, {beside.orders:,} orders of theirs"
    return Group(Text(head), Text(), count_table(rows), Text(), table, verdict, Text(told, style="dim"), Text(foot))
