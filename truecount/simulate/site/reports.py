"""What the shop's backend reports: events of the official SDK, sent by a thread of its own until they are taken."""

from __future__ import annotations

import hashlib
import heapq
import itertools
import threading
import time
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from truecount.context import Context
from truecount.simulate import sdk
from truecount.simulate.hits import NotSent, TryAgain
from truecount.simulate.site.till import Visitor

LATE_S: Final = 20.0
AGAIN_S: Final = 0.5
MAX_TRIES: Final = 60
CLOSING_S: Final = 120.0
"""What is not taken by then, from `close` on, is given up."""
MAX_WAITING: Final = 10_000
MAX_TROUBLES: Final = 100

KEYS: Final = {
    "email": "email",
    "phone": "phone",
    "first": "first_name",
    "last": "last_name",
    "city": "city",
    "postcode": "zip_code",
}
"""What a form asks for, and the SDK's names."""
NOTHING: Final = hashlib.sha256(b"").hexdigest()


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """An event that the backend will report."""

    name: str
    event_id: str
    time_s: int
    """When the visitor acted."""
    tracking: str
    """`Context.dumps()` of the request that it happened in."""
    visitor: Visitor
    """Consent is asked when the event leaves, not when it happened: it may have been withdrawn meanwhile."""
    person: Mapping[str, str]
    about: Mapping[str, Any]


def readable(person: Mapping[str, str]) -> dict[str, str]:
    """What people typed, by the SDK's names: what it can read. The rest it refuses, or makes the hash of nothing of,
    which would be everybody's; neither may cost the event.
    """
    from facebook_business.adobjects.serverside.user_data import UserData

    found: dict[str, str] = {}
    for name, key in KEYS.items():
        value = person.get(name, "").strip()
        try:
            hashes = UserData(**{key: value}).normalize() if value else {}
        except (ValueError, TypeError):
            continue
        if hashes and all(NOTHING not in one for one in hashes.values()):
            found[key] = value
    return found


def event_of(told: Told) -> Any:
    """Build the SDK's Event."""
    from facebook_business.adobjects.serverside.action_source import ActionSource
    from facebook_business.adobjects.serverside.content import Content
    from facebook_business.adobjects.serverside.custom_data import CustomData
    from facebook_business.adobjects.serverside.event import Event
    from facebook_business.adobjects.serverside.user_data import UserData

    context, person, about = Context.loads(told.tracking), readable(told.person), dict(told.about)
    contents = [
        Content(product_id=one["id"], quantity=one["quantity"], item_price=one["item_price"])
        for one in about.pop("contents", ())
    ]
    return Event(
        event_name=told.name,
        event_time=told.time_s,
        event_id=told.event_id or None,
        event_source_url=context.event_source_url,
        referrer_url=context.referrer_url or None,
        action_source=ActionSource.WEBSITE,
        user_data=UserData(
            **context.user_data(),
            **person,
            country_code="in" if "zip_code" in person else None,
        ),
        custom_data=CustomData(contents=contents or None, **about) if about else None,
    )


class Outbox:
    """Events that wait to be sent, and the thread that sends them. `sdk.point_at` comes first."""

    def __init__(self, dataset: str) -> None:
        self.troubles: list[str] = []
        """What could not be reported, in sentences: the first of them."""
        self.n_troubles = 0
        """All of them."""
        self._dataset = dataset
        self._waiting: list[tuple[float, int, int, Told]] = []
        self._number = itertools.count()
        self._changed = threading.Condition()
        self._ends_at: float | None = None
        """Set when closing."""
        self._thread = threading.Thread(target=self._run, name="shop's reports", daemon=True)
        self._thread.start()

    def put(self, told: Told, after_s: float = 0.0) -> None:
        with self._changed:
            if len(self._waiting) >= MAX_WAITING:
                self._complain(told, "too many wait already")
                return
            heapq.heappush(self._waiting, (time.monotonic() + after_s, next(self._number), 0, told))
            self._changed.notify()

    def close(self) -> None:
        """Send at once what still waits, and end: after a while in any case."""
        with self._changed:
            self._ends_at = time.monotonic() + CLOSING_S
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while (found := self._next()) is not None:
            tries, told = found
            trouble = ""
            try:
                # Who has not answered yet has not agreed: the page tells nothing of him either.
                sdk.post(self._dataset, event_of(told), told.visitor.consent or "denied")
            except (TryAgain, NotSent) as error:
                trouble = str(error) or "the door answered 503"
                if tries < MAX_TRIES:
                    with self._changed:
                        due = time.monotonic() + AGAIN_S
                        heapq.heappush(self._waiting, (due, next(self._number), tries + 1, told))
                    continue
            except Exception as error:
                # A refusal in the door's words, which name no value; of anything else the kind alone: a text may.
                said = getattr(error, "api_error_message", None)
                trouble = str(said()) if said else type(error).__name__
            if trouble:
                with self._changed:
                    self._complain(told, trouble)

    def _complain(self, told: Told, trouble: str) -> None:
        self.n_troubles += 1
        if len(self.troubles) < MAX_TROUBLES:
            self.troubles.append(f"the site's {told.name} was not taken: {trouble}")

    def _next(self) -> tuple[int, Told] | None:
        """The next event that is due; None when closed and empty. Between tries there is a pause even when closing."""
        with self._changed:
            while True:
                now, closing = time.monotonic(), self._ends_at is not None
                if self._ends_at is not None and now > self._ends_at:
                    for *_, told in self._waiting:
                        self._complain(told, "the server did not answer in time")
                    self._waiting.clear()
                if self._waiting:
                    due, _, tries, told = self._waiting[0]
                    if due <= now or (closing and not tries):
                        heapq.heappop(self._waiting)
                        return tries, told
                    self._changed.wait(due - now)
                elif closing:
                    return None
                else:
                    self._changed.wait()
