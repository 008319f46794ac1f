"""A slice of a request's events on its way through the steps: columns in, columns of the copy out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from truecount.datasets import Dataset
from truecount.policy.errors import RequestRefused, at_event, place
from truecount.policy.events import Body, CommonEvent, UserData
from truecount.vocabulary import Reason

SEPARATOR: Final = "\x1e"
"""Between values that are looked at together: no JSON text holds it unescaped."""
_astuple: Final = msgspec.structs.astuple


class ServerRequest(msgspec.Struct):
    """What the door knows of a request beside its body."""

    dataset: Dataset
    received_us: int
    """Place in the log's order: never runs backwards, so it may stand ahead of the clock."""
    weak_key: bytes
    """`address.day_key` of the day of receipt."""
    imported: bool = False
    """A backfill: events keep their own times, and may name their source."""
    clock_us: int | None = None
    """What the clock says, by which ages are judged; None: as received_us."""

    @property
    def now_us(self) -> int:
        """The time that ages are judged by."""
        return self.received_us if self.clock_us is None else self.clock_us


class Slice:
    """State that the steps share. A step reads columns of what was sent, and adds columns of the copy.

    `sent` and `user` hold a column a key, for keys that at least one event has; a key nobody sent costs nothing.
    """

    def __init__(self, events: Sequence[CommonEvent], first: int, body: Body, request: ServerRequest) -> None:
        self.events = events
        self.n = len(events)
        self.first = first
        self.body = body
        self.request = request
        self.dataset = request.dataset
        self.settings = request.dataset.settings
        rows = list(map(_astuple, events))
        absent = (None,) * self.n
        columns = zip(events[0].__struct_fields__, zip(*rows, strict=True), strict=True)
        self.sent: dict[str, tuple[Any, ...]] = {name: column for name, column in columns if column != absent}
        self.user: dict[str, tuple[Any, ...]] = {}
        self.columns: dict[str, list[Any]] = {}
        self.countries: list[str] | None = None
        self.unmatched: dict[int, dict[str, list[str]]] = {}
        """Row -> key -> values that came as MD5."""
        self.addresses: Sequence[str] | None = None
        self.agents: Sequence[str] | None = None
        self.test_codes: list[str] | None = None
        self.marks = 0
        """Marks of all events of the slice."""
        self.row_marks: list[int] | None = None
        self.notes: list[str] = []
        """Findings that hold for all events of the slice."""
        self.row_notes: dict[int, list[str]] = {}
        self.removed: dict[int, list[str]] = {}
        self.rest: dict[int, dict[str, Any]] = {}
        """Row -> what goes into `extra`."""
        self.withheld: set[int] = set()
        self.failed_row = self.n
        self.failure: RequestRefused | None = None
        self.told: dict[str, list[int]] = {}

    def unpack_users(self, users: Sequence[Any]) -> None:
        """Turn user_data of the events into columns; None stands for an empty one."""
        absent = (None,) * self.n
        if not all(users):
            blank = next((type(user) for user in users if user is not None), UserData)()
            users = [user or blank for user in users]
        self.user = {
            name: column
            for name, column in zip(users[0].__struct_fields__, zip(*map(_astuple, users), strict=True), strict=True)
            if column != absent
        }

    def fail(self, row: int, reason: Reason, *path: str | int, **more: Any) -> None:
        """Note that an event breaks a rule: the first rule of the first such event is what the sender is told."""
        if row < self.failed_row:
            self.failed_row = row
            self.failure = at_event(reason, self.first + row, *path, **more)

    def note(self, row: int, note: str) -> None:
        self.row_notes.setdefault(row, []).append(note)

    def take(self, row: int, removed: Sequence[str]) -> None:
        """Record what scrubbing took from an event: "field:kind"."""
        self.removed.setdefault(row, []).extend(removed)

    def mark(self, row: int, mark: int) -> None:
        if self.row_marks is None:
            self.row_marks = [0] * self.n
        self.row_marks[row] |= mark

    def tell(self, text: str, row: int) -> None:
        """Tell the sender something in `messages`; `{place}` in the text stands for the event."""
        self.told.setdefault(text, []).append(row)


Told = dict[str, tuple[int, int]]
"""What a sender is told of a request, `{place}` for the event's place: index of the first such event, their number."""


def messages_of(told: Told) -> list[str]:
    """One message a finding: the first event that it holds for, and in how many more."""
    return [
        text.format(place=place(first)) + (f" (and in {n - 1} more events)" if n > 1 else "")
        for text, (first, n) in told.items()
    ]


def values(column: tuple[Any, ...]) -> list[str]:
    """A column of texts with "" for what was not sent."""
    return list(column) if all(column) else [value or "" for value in column]


Step = Callable[[Slice], None]
