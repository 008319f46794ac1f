"""A shop that has something on every page of the manager, and the list of these pages."""

from __future__ import annotations

from typing import Any, NamedTuple
from urllib.parse import quote

from tests.system import Shop, System, purchase, wait_until

LONG = "W" * 40
"""An event name as wide as names get."""
FBP = "fb.1.1700000000000.1234567890"


def fill(system: System, shop: Shop) -> None:
    """24 sales of both doors, 6 of the server alone, one of the page alone, retries, refusals, a sale that only nearly
    met its twin, and what diagnostics have something to say about."""
    for at in range(30):
        data: dict[str, Any] = {"value": "899", "currency": "INR", "order_id": f"order-{at}", "content_ids": ["beans"]}
        if at < 24:
            cd = {name: str(value) for name, value in data.items()}
            link = f"https://brewbeans.example/thanks?order=order-{at}"
            system.post_hit(shop, ev="Purchase", eid=f"order-{at}", cd=cd, dl=link, fbp=f"{FBP}{at}")
        if at == 3:
            data["value"] = "undefined"
        if at == 4:
            del data["value"]
        assert system.post_events(shop, [purchase(f"order-{at}", custom_data=data)]).status == 200
    assert system.post_events(shop, [purchase("order-1"), purchase("order-2")]).status == 200
    system.post_hit(shop, ev="Purchase", eid="Order-5", cd={"value": "899", "currency": "INR"}, fbp=f"{FBP}5")
    for at in range(12):
        system.post_hit(shop, ev="PageView", dl=f"https://brewbeans.example/beans/{at}", fbp=f"{FBP}{at}")
    assert system.post_events(shop, [purchase(f"p{at}", event_name="purchase") for at in range(3)]).status == 200
    assert system.post_events(shop, [purchase("long", event_name=LONG, custom_data={LONG: LONG})]).status == 200
    assert system.post_events(shop, [{**purchase("nobody"), "user_data": {}}]).status == 400
    assert system.post_events(shop, [{**purchase("old"), "event_time": 1_500_000_000}]).status == 400
    wait_until(lambda: system.copies(shop) == 57 and system.copies(shop, LONG) == 1, "the shop's copies")
    wait_until(lambda: len(system.refused(shop)) == 2, "what was refused")


class Room(NamedTuple):
    """A page of the manager."""

    name: str
    path: str
    ready: str
    """A selector of what makes the page the one that is meant."""


def rooms(shop: Shop, untouched: Shop) -> list[Room]:
    """Every page of a user who is signed in, in the states that data can bring it into."""
    at, empty = f"/d/{shop.id}", f"/d/{untouched.id}"
    return [
        Room("new dataset", "/start", "#name"),
        Room("start, nothing arrived", f"{empty}/start", ".check[data-done='0']"),
        Room("start, all arrived", f"{at}/start", ".check[data-done='3']"),
        Room("overview", f"{at}?since=24h", ".overlap"),
        Room("overview, nothing arrived", empty, ".answer"),
        Room("actions", f"{at}/actions?event=Purchase", "tbody tr"),
        Room("actions, every event", f"{at}/actions", "tbody tr"),
        Room("actions, by dates", f"{at}/actions?since=2026-01-01&until=2026-01-02", ".empty"),
        Room("actions, refused", f"{at}/actions?outcome=refused", ".refusals tbody tr"),
        Room("actions, none withheld", f"{at}/actions?outcome=withheld", ".empty"),
        Room("actions, filtered away", f"{at}/actions?event=Lead&door=both", ".empty"),
        Room("actions, nothing arrived", f"{empty}/actions", ".empty .go"),
        Room("explain, search", f"{at}/explain", "#q"),
        Room("explain, unknown id", f"{at}/explain?event=Purchase&id=nothing", "#q"),
        Room("explain, both doors", f"{at}/explain?event=Purchase&id=order-1", ".flow .fcard"),
        Room("explain, one door", f"{at}/explain?event=Purchase&id=order-29", ".flow .fcard"),
        Room("explain, nearest", f"{at}/explain?event=Purchase&id=Order-5", "text=What came nearest"),
        Room("event", f"{at}/event?name=Purchase&since=24h", "#match-keys"),
        Room("event, wide name", f"{at}/event?name={quote(LONG)}", "#match-keys"),
        Room("event, nothing", f"{at}/event?name=Lead", "#delay"),
        Room("test events", f"{at}/test", ".ev .duo[data-door=both]"),
        Room("test events, filtered away", f"{at}/test?code=TEST1", "[data-none]"),
        Room("diagnostics, open", f"{at}/diagnostics", ".problem-card"),
        Room("diagnostics, solved", f"{at}/diagnostics?state=solved", ".page-head"),
        Room("diagnostics, none muted", f"{at}/diagnostics?state=muted", ".empty"),
        Room("settings", f"{at}/settings", "#tokens"),
        Room("api", "/api", "main h1"),
        Room("no such page", "/nothing", "main h1"),
        Room("no such dataset", "/d/404", "main h1"),
    ]
