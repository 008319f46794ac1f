"""BrewBeans, a coffee shop that does not exist: what its visitors do, and who reports what of it.

Pure: the same seed and opening time give the same visits, for ever. Every deed says by itself how many copies each side
will send, so the shop's books (books.py) know the right count without any rule of dedup. What goes wrong in real shops
goes wrong here on purpose: blocked browsers, retried requests, reloaded thank-you pages, forgotten ids, late copies,
crawlers, visitors who said no, a plugin that sends last week's leads.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from random import Random
from typing import Final, Protocol

import msgspec

from truecount.simulate.people import BLOCKED, BOTS, DENIED, TOOLS, Person, machine, new_person

HOST: Final = "https://brewbeans.example"
CURRENCY: Final = "INR"
PRICE: Final = 89900
"""A bag of beans, in paise. BrewBeans sells one bag an order."""
BAGS: Final = ("monsoon-malabar", "mysore-nuggets", "araku-valley", "coorg-robusta", "blue-tokai")

MIN_RETURN_MS: Final = 40_000
"""A customer comes back this long after the last visit at the earliest."""


class How(StrEnum):
    """The way one report takes."""

    IMAGE = "image"
    FORM = "form"
    BEACON = "beacon"
    SERVER = "server"


class Kind(StrEnum):
    """What becomes of a deed's reports."""

    PERSON = "person"
    BOT = "bot"
    """Kept, marked, not counted."""
    TOOL = "tool"
    """Kept, marked, counted."""
    TOO_OLD = "too_old"
    """Refused: it says that it happened more than seven days ago."""


class Deed(msgspec.Struct, frozen=True, kw_only=True):
    """One real thing that a visitor did. `at_ms` counts from the shop's opening."""

    at_ms: int
    name: str
    person: Person
    url: str
    referrer: str = ""
    event_id: str = ""
    order: str = ""
    value: int | None = None
    """Paise."""
    bag: str = ""
    kind: Kind = Kind.PERSON
    browser: int = 0
    """Copies that the browser sends."""
    server: int = 0
    """Copies that the shop's server sends."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """One copy to send: of which deed, by which way, how long after the report before it was answered."""

    deed: Deed
    how: How
    after_ms: int
    names_id: bool = True


class Visit(msgspec.Struct, frozen=True, kw_only=True):
    """A visit: its deeds, and chains of reports. Reports of one chain wait for each other; chains do not."""

    at_ms: int
    deeds: tuple[Deed, ...]
    chains: tuple[tuple[Report, ...], ...]
    """A chain's first report is due `after_ms` after its deed."""


class _Add(Protocol):
    def __call__(
        self, deed: Deed, late: bool = False, forgets: How | None = None, server_first: bool = False
    ) -> None: ...


class Shop:
    """A shop with a memory of its customers. `visits()` never ends.

    `opened_ms` is the wall clock at opening (ms since 1970), `pace` visits a second on average; `blocked` and `denied`
    are shares of visitors (people.py).
    """

    def __init__(
        self,
        seed: int,
        opened_ms: int,
        pace: float = 8.0,
        late_ms: int = 20_000,
        *,
        blocked: float = BLOCKED,
        denied: float = DENIED,
    ) -> None:
        self.opened_ms = opened_ms
        self.pace = pace
        self.late_ms = late_ms
        self._shares = (blocked, denied)
        self._rng = Random(f"brewbeans {seed}")
        self._people = 0
        self._orders = 1000
        self._views = 0
        self._known: list[tuple[int, Person]] = []

    def visits(self) -> Iterator[Visit]:
        at = 0.0
        while True:
            at += self._rng.expovariate(self.pace) * 1000
            yield self._visit(int(at))

    def _visit(self, at: int) -> Visit:
        draw = self._rng.random()
        if draw < 0.06:
            return self._browse_only(at, Kind.BOT, self._rng.choice(BOTS))
        if draw < 0.09:
            return self._browse_only(at, Kind.TOOL, self._rng.choice(TOOLS))
        if draw < 0.11:
            return self._old_lead(at)
        return self._shopping(at)

    def _number(self) -> int:
        self._people += 1
        return self._people

    def _browse_only(self, at: int, kind: Kind, agent: str) -> Visit:
        visitor = machine(self._rng, agent, self._number(), self.opened_ms)
        deed = Deed(at_ms=at, name="PageView", person=visitor, url=f"{HOST}/", kind=kind, browser=1)
        return Visit(at_ms=at, deeds=(deed,), chains=((Report(deed=deed, how=How.IMAGE, after_ms=0),),))

    def _old_lead(self, at: int) -> Visit:
        """A newsletter plugin that empties its queue once a week, a day too late."""
        person = new_person(self._rng, self._number(), self.opened_ms, *self._shares)
        deed = Deed(
            at_ms=at - 8 * 86_400_000,
            name="Lead",
            person=person,
            url=f"{HOST}/newsletter",
            event_id=f"lead-{self._people}",
            kind=Kind.TOO_OLD,
            server=1,
        )
        report = Report(deed=deed, how=How.SERVER, after_ms=8 * 86_400_000)
        return Visit(at_ms=at, deeds=(deed,), chains=((report,),))

    def _customer(self, at: int) -> tuple[Person, bool]:
        """A new person, or now and then one who was here before; True for one who will come again."""
        if self._known and self._rng.random() < 0.25:
            place = self._rng.randrange(len(self._known))
            last, person = self._known[place]
            if at - last >= MIN_RETURN_MS:
                self._known[place] = (at, person)
                return person, True
        person = new_person(self._rng, self._number(), self.opened_ms, *self._shares)
        returns = self._rng.random() < 0.5
        if returns:
            self._known.append((at, person))
        return person, returns

    def _shopping(self, at: int) -> Visit:
        rng = self._rng
        person, returns = self._customer(at)
        bag = rng.choice(BAGS)
        page = f"{HOST}/beans/{bag}"
        landing = f"{page}?utm_source=meta&utm_campaign={rng.choice(('spring', 'monsoon', 'diwali'))}"
        if person.fbclid:
            landing += f"&fbclid={person.fbclid}"
        referrer = "https://m.facebook.com/" if person.fbclid else "https://www.google.com/"
        arrived = at
        deeds: list[Deed] = []
        chains: list[tuple[Report, ...]] = []

        def add(deed: Deed, late: bool = False, forgets: How | None = None, server_first: bool = False) -> None:
            if deed.browser or deed.server:
                deeds.append(deed)
                chains.extend(self._reports(deed, late, forgets, server_first))

        def moment() -> int:
            nonlocal at
            at += rng.randrange(100, 900)
            return at

        opened = not person.blocks
        add(Deed(at_ms=at, name="PageView", person=person, url=landing, referrer=referrer, browser=int(opened)))
        self._views += 1
        view_server = int(rng.random() < 0.3)

        def step(name: str, word: str, url: str, server: int) -> Deed:
            return Deed(
                at_ms=moment(),
                name=name,
                person=person,
                url=url,
                event_id=f"{word}-{self._views}",
                value=PRICE,
                bag=bag,
                browser=int(opened),
                server=server,
            )

        add(step("ViewContent", "view", landing, view_server))
        if rng.random() < 0.55:
            add(step("AddToCart", "cart", page, 1), server_first=rng.random() < 0.3)
            if rng.random() < 0.7:
                add(step("InitiateCheckout", "checkout", f"{HOST}/checkout", 1))
                if rng.random() < 0.75:
                    self._buy(moment(), person, bag, returns, add)
        return Visit(at_ms=arrived, deeds=tuple(deeds), chains=tuple(chains))

    def _buy(self, at: int, person: Person, bag: str, returns: bool, add: _Add) -> None:
        rng = self._rng
        self._orders += 1
        order = f"order-{self._orders}"
        browser = 0 if person.blocks else 2 if rng.random() < 0.08 else 1
        server = 0 if browser and rng.random() < 0.06 else 2 if rng.random() < 0.12 else 1
        # Without an id a copy meets its twin by fbp or external_id alone, browser first. So only a visitor who never
        # comes again forgets one, with a single copy on each side: there no other purchase can be taken for this one.
        forgets = None
        if browser == 1 and server == 1 and not returns and person.consent != "denied" and rng.random() < 0.25:
            forgets = rng.choice((How.IMAGE, How.SERVER))
        deed = Deed(
            at_ms=at,
            name="Purchase",
            person=person,
            url=f"{HOST}/thank-you?order={order}",
            referrer=f"{HOST}/checkout",
            event_id=order,
            order=order,
            value=PRICE,
            bag=bag,
            browser=browser,
            server=server,
        )
        add(deed, rng.random() < 0.1, forgets, rng.random() < 0.25)

    def _reports(
        self, deed: Deed, late: bool, forgets: How | None, server_first: bool
    ) -> tuple[tuple[Report, ...], ...]:
        rng = self._rng
        hit_delay = rng.randrange(400, 900) if server_first else rng.randrange(10, 90)
        post_delay = rng.randrange(10, 90) if server_first else rng.randrange(200, 1500)
        if late:
            post_delay = self.late_ms + rng.randrange(5000)
        hits = tuple(
            Report(
                deed=deed,
                how=rng.choices((How.IMAGE, How.FORM, How.BEACON), (8, 1, 1))[0],
                after_ms=rng.randrange(300, 700) if again else hit_delay,
                names_id=forgets is not How.IMAGE,
            )
            for again in range(deed.browser)
        )
        posts = tuple(
            Report(
                deed=deed,
                how=How.SERVER,
                after_ms=rng.randrange(200, 500) if again else post_delay,
                names_id=forgets is not How.SERVER,
            )
            for again in range(deed.server)
        )
        if forgets is not None:
            return (hits + posts,)
        return tuple(chain for chain in (hits, posts) if chain)
