"""Raw, realistic material: events as a shop has them before anybody hashed anything, and hits as pixels send them."""

from __future__ import annotations

import json
import time
from random import Random
from typing import Any, Final

from truecount.simulate.brewbeans import BAGS, HOST
from truecount.simulate.people import Person, new_person

OPENED_MS: Final = 1_760_000_000_000
"""Dates cookies and clicks only; events carry the time they are sent at."""


def people(number: int, seed: int = 7) -> list[Person]:
    rng = Random(f"people {seed}")
    return [new_person(rng, at, OPENED_MS) for at in range(1, number + 1)]


def raw_event(person: Person, at: int, event_time: int) -> dict[str, Any]:
    """A Purchase with everything that a shop knows of it, nothing hashed."""
    bag = BAGS[at % len(BAGS)]
    user = {
        "em": [person.email],
        "ph": [person.phone],
        "fn": [person.first],
        "ln": [person.last],
        "ct": [person.city],
        "st": [person.state],
        "zp": [person.postcode],
        "country": ["in"],
        "external_id": [person.customer],
        "client_ip_address": person.address,
        "client_user_agent": person.agent,
        "fbp": person.fbp,
    }
    if person.fbclid:
        user["fbc"] = f"fb.1.{OPENED_MS}.{person.fbclid}"
    return {
        "event_name": "Purchase",
        "event_time": event_time,
        "event_id": f"order-{at}",
        "event_source_url": f"{HOST}/thank-you?order={at}&utm_source=meta&utm_campaign=spring",
        "action_source": "website",
        "user_data": user,
        "custom_data": {
            "value": 899.0,
            "currency": "inr",
            "order_id": f"order-{at}",
            "content_type": "product",
            "contents": [{"id": bag, "quantity": 1, "item_price": 899.0}],
        },
    }


def batches(number: int, size: int = 1000) -> list[list[dict[str, Any]]]:
    """`number` batches of `size` raw events, each of another person."""
    now = int(time.time())
    crowd = people(number * size)
    return [
        [raw_event(crowd[batch * size + at], batch * size + at, now) for at in range(size)] for batch in range(number)
    ]


def body(batch: list[dict[str, Any]]) -> bytes:
    return json.dumps({"data": batch}, ensure_ascii=False).encode()


def sdk_event(raw: dict[str, Any]) -> Any:
    """The same facts as the official SDK's Event, built the way its samples do."""
    from facebook_business.adobjects.serverside.action_source import ActionSource
    from facebook_business.adobjects.serverside.content import Content
    from facebook_business.adobjects.serverside.custom_data import CustomData
    from facebook_business.adobjects.serverside.event import Event
    from facebook_business.adobjects.serverside.user_data import UserData

    user, custom = raw["user_data"], raw["custom_data"]
    return Event(
        event_name=raw["event_name"],
        event_time=raw["event_time"],
        event_id=raw["event_id"],
        event_source_url=raw["event_source_url"],
        action_source=ActionSource.WEBSITE,
        user_data=UserData(
            emails=user["em"],
            phones=user["ph"],
            first_names=user["fn"],
            last_names=user["ln"],
            cities=user["ct"],
            states=user["st"],
            zip_codes=user["zp"],
            country_codes=user["country"],
            external_ids=user["external_id"],
            client_ip_address=user["client_ip_address"],
            client_user_agent=user["client_user_agent"],
            fbp=user["fbp"],
            fbc=user.get("fbc"),
        ),
        custom_data=CustomData(
            value=custom["value"],
            currency=custom["currency"],
            order_id=custom["order_id"],
            content_type=custom["content_type"],
            contents=[
                Content(product_id=item["id"], quantity=item["quantity"], item_price=item["item_price"])
                for item in custom["contents"]
            ],
        ),
    )
