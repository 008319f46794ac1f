"""What the shop's backend reports: events of the official SDK, sent by a thread of its own until they are taken."""

from __future__ import annotations

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


def event_of(told: Told) -> Any:
    """Build the SDK's Event."""
    from facebook_business.adobjects.serverside.action_source import ActionSource
    from facebook_business.adobjects.serverside.content import Content
    from facebook_business.adobjects.serverside.custom_data import CustomData
    from facebook_business.adobjects.serverside.event import Event
    from facebook_business.adobjects.serverside.user_data import UserData

    context, person, about = Context.loads(told.tracking), told.person, dict(told.about)
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
            email=person.get("email") or None,
            phone=person.get("phone") or None,
            first_name=person.get("first") or None,
            last_name=person.get("last") or None,
            city=person.get("city") or None,
            zip_code=person.get("postcode") or None,
            country_code="in" if person.get("postcode") else None,
        ),
        custom_data=CustomData(contents=contents or None, **about) if about else None,
    )


class Outbox:
    """Events that wait to be sent, and the thread that sends them. `sdk.point_at` comes first."""

    def __init__(self, dataset: str) -> None:
        self.troubles: list[str] = []
        """What could not be reported, in sentences."""
        self._dataset = dataset
        self._waiting: list[tuple[float, int, int, Told]] = []
        self._number = itertools.count()
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="shop's reports", daemon=True)
        self._thread.start()

    def put(self, told: Told, after_s: float = 0.0) -> None:
        with self._changed:
            heapq.heappush(self._waiting, (time.monotonic() + after_s, next(self._number), 0, told))
            self._changed.notify()

    def close(self) -> None:
        """Send at once what still waits, and end."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while (found := self._next()) is not None:
            tries, told = found
            trouble = ""
            try:
                sdk.post(self._dataset, event_of(told), told.visitor.consent)
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
                self.troubles.append(f"the site's {told.name} was not taken: {trouble}")

    def _next(self) -> tuple[int, Told] | None:
        """The next event that is due; None when closed and empty. Between tries there is a pause even when closing."""
        with self._changed:
            while True:
                now = time.monotonic()
                if self._waiting:
                    due, _, tries, told = self._waiting[0]
                    if due <= now or (self._closing and not tries):
                        heapq.heappop(self._waiting)
                        return tries, told
                    self._changed.wait(due - now)
                elif self._closing:
                    return None
                else:
                    self._changed.wait()
