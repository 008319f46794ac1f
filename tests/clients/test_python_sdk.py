"""The official Python SDK, unchanged but for the host, and pixel hits of the same sales."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from itertools import islice
from typing import Any

import pytest
import requests
from facebook_business.adobjects.adspixel import AdsPixel
from facebook_business.adobjects.serverside.action_source import ActionSource
from facebook_business.adobjects.serverside.custom_data import CustomData
from facebook_business.adobjects.serverside.event import Event
from facebook_business.adobjects.serverside.event_request import EventRequest
from facebook_business.adobjects.serverside.event_request_async import EventRequestAsync
from facebook_business.adobjects.serverside.http_service_interface import HttpServiceInterface
from facebook_business.adobjects.serverside.user_data import UserData
from facebook_business.exceptions import FacebookRequestError

from tests.system import AGENT, Shop, System, wait_until
from truecount.simulate import brewbeans
from truecount.simulate.hits import HitSender
from truecount.simulate.sdk import EventSender
from truecount.simulate.table import differences
from truecount.simulate.traffic import Traffic

Point = Callable[[Shop], None]


def sale(number: int, **more: Any) -> Event:
    user = UserData(
        email=f"Asha{number}@Example.com",
        phone="+91 98450 12345",
        first_name="Asha",
        external_id=f"customer-{number}",
        client_user_agent=AGENT,
        client_ip_address="203.0.113.7",
        fbp=f"fb.1.1700000000000.{number}",
    )
    given: dict[str, Any] = {
        "event_name": "Purchase",
        "event_time": int(time.time()),
        "event_id": f"order-{number}",
        "event_source_url": f"https://brewbeans.example/thanks?order={number}",
        "action_source": ActionSource.WEBSITE,
        "user_data": user,
        "custom_data": CustomData(value=899.0, currency="inr", order_id=f"order-{number}"),
    }
    return Event(**given | more)


def hit(system: System, shop: Shop, number: int, **more: Any) -> None:
    pairs = {"ev": "Purchase", "eid": f"order-{number}", "fbp": f"fb.1.1700000000000.{number}", **more}
    answer = system.post_hit(shop, cd={"value": "899.00", "currency": "INR"}, **pairs)
    assert (answer.status, answer.headers.get("x-truecount-refused")) == (200, None)


def counted(system: System, shop: Shop, copies: int) -> dict[str, Any]:
    wait_until(lambda: system.copies(shop) == copies, f"{copies} copies")
    return system.events(shop)["Purchase"]


def sides(row: dict[str, Any]) -> tuple[int, int, int, int]:
    return row["actions"], row["browser_only"], row["server_only"], row["both"]


def test_sdk_events_and_hits_of_the_same_sales_merge_exactly(system: System, shop: Shop, sdk: Point) -> None:
    sdk(shop)
    for number in (1, 2, 3, 4, 5):
        hit(system, shop, number)
    answer = EventRequest(pixel_id=shop.id, events=[sale(number) for number in (3, 4, 5, 6)]).execute()
    assert (answer.events_received, answer.messages) == (4, [])
    assert EventRequest(pixel_id=shop.id, events=[sale(6)]).execute().events_received == 1  # a retry
    row = counted(system, shop, 10)
    assert sides(row) == (6, 2, 1, 3)
    assert row["value"] == {"INR": "5394.00"}


def test_a_sale_without_id_on_the_servers_side_merges_by_fbp(system: System, shop: Shop, sdk: Point) -> None:
    sdk(shop)
    hit(system, shop, 1)
    EventRequest(pixel_id=shop.id, events=[sale(1, event_id=None)]).execute()
    EventRequest(pixel_id=shop.id, events=[sale(2, event_id=None)]).execute()
    assert sides(counted(system, shop, 3)) == (2, 0, 1, 1)


def test_the_asynchronous_request_class_is_taken(system: System, shop: Shop, sdk: Point) -> None:
    sdk(shop)
    hit(system, shop, 1)
    answer = asyncio.run(EventRequestAsync(pixel_id=shop.id, events=[sale(1), sale(2)]).execute())
    assert answer.events_received == 2
    assert sides(counted(system, shop, 3)) == (2, 0, 1, 1)


def test_the_node_call_create_event_is_taken_with_objects_and_with_texts(
    system: System, shop: Shop, sdk: Point
) -> None:
    sdk(shop)
    import json

    said = [sale(1).normalize(), json.dumps(sale(2).normalize())]
    with pytest.warns(UserWarning, match="Expect list<string>"):
        answer = AdsPixel(shop.id).create_event(fields=[], params={"data": said})
    assert answer["events_received"] == 2
    assert sides(counted(system, shop, 2)) == (2, 0, 2, 0)


def test_a_http_client_of_ones_own_is_taken_with_its_token_in_the_params(
    system: System, shop: Shop, sdk: Point
) -> None:
    sdk(shop)
    import json

    class Client(HttpServiceInterface):
        def execute(self, url: str, method: Any, request_options: Any, headers: Any, params: Any) -> Any:
            with requests.Session() as session:
                session.trust_env = False
                form = {**params, "data": json.dumps(params["data"])}
                return session.post(url, data=form, headers=headers, timeout=60).json()

    request = EventRequest(pixel_id=shop.id, events=[sale(1)], http_client=Client(), access_token=shop.token)
    assert request.execute()["events_received"] == 1
    assert sides(counted(system, shop, 1)) == (1, 0, 1, 0)


def test_the_param_builders_suffixes_are_taken_off_and_its_copy_merges(system: System, shop: Shop, sdk: Point) -> None:
    """A client that we did not write: capi-param-builder, which the SDK uses, ends its values in `.AQICAQMC`."""
    from capi_param_builder.model import PlainDataObject

    sdk(shop)
    hit(system, shop, 1)
    context = PlainDataObject(
        host="brewbeans.example",
        query_params={"fbclid": ["IwARabc"]},
        cookies={"_fbp": "fb.1.1700000000000.1"},
        referer="https://m.facebook.com/",
        x_forwarded_for=None,
        remote_address=None,
        scheme="https",
        request_uri="/thanks?fbclid=IwARabc",
    )
    event = sale(1, event_id=None, event_source_url=None)
    event.user_data.fbp = None
    event.user_data.external_id = None
    event.set_request_context(context)
    said = event.normalize()
    assert said["user_data"]["fbp"].startswith("fb.1.1700000000000.1.")
    EventRequest(pixel_id=shop.id, events=[event]).execute()
    assert sides(counted(system, shop, 2)) == (1, 0, 0, 1)


def test_a_refused_event_raises_in_the_sdk_and_keeps_nothing(system: System, shop: Shop, sdk: Point) -> None:
    sdk(shop)
    old = sale(2, event_time=int(time.time()) - 8 * 86_400)
    with pytest.raises(FacebookRequestError) as caught:
        EventRequest(pixel_id=shop.id, events=[sale(1), old]).execute()
    error = caught.value
    assert (error.http_status(), error.api_error_code(), error.api_error_subcode()) == (400, 100, 2804003)
    assert not error.api_transient_error()
    EventRequest(pixel_id=shop.id, events=[sale(3)]).execute()
    assert sides(counted(system, shop, 1)) == (1, 0, 1, 0)
    wait_until(lambda: system.events(shop)["Purchase"]["refused"] == 2)
    assert {row["reason"] for row in system.refused(shop)} == {"time_too_old"}


def test_a_wrong_token_raises_as_the_sdk_expects_it(system: System, shop: Shop, sdk: Point) -> None:
    sdk(Shop(shop.id, "TCnot-the-token"))
    with pytest.raises(FacebookRequestError) as caught:
        EventRequest(pixel_id=shop.id, events=[sale(1)]).execute()
    assert caught.value.api_error_code() == 190


def test_every_option_of_a_request_is_taken(system: System, shop: Shop, sdk: Point) -> None:
    sdk(shop)
    request = EventRequest(
        pixel_id=shop.id,
        events=[sale(1)],
        test_event_code="TEST123",
        partner_agent="brewbeans_1_0",
        namespace_id="1",
        upload_id="2",
        upload_tag="tag",
        upload_source="till",
    )
    assert request.execute().events_received == 1
    assert sides(counted(system, shop, 1)) == (1, 0, 1, 0)


def test_brewbeans_is_counted_as_its_own_books_say(system: System, shop: Shop, sdk: Point) -> None:
    """A hundred visits with all that goes wrong in shops: every number of every event, exactly."""
    sdk(shop)
    opened_ms = time.time_ns() // 1_000_000 - 120_000
    visits = islice(brewbeans.Shop(5, opened_ms).visits(), 100)
    hits = HitSender("127.0.0.1", system.state["port"], shop.id, opened_ms)
    traffic = Traffic(visits, hits, EventSender(shop.id, opened_ms))
    traffic.run(lambda: False, hurry=True)
    assert traffic.troubles == []
    assert traffic.books.orders > 10

    def wrong() -> list[str]:
        return differences(list(system.events(shop).values()), traffic.books)

    wait_until(lambda: not wrong(), "the books' count")
    assert wrong() == []
