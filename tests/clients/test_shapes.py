"""The same sale in every shape that clients give it: each is one action with its twin."""

from __future__ import annotations

import gzip
import json
import time
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from tests.system import AGENT, Answer, Shop, System, wait_until

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
JSON = {"Content-Type": "application/json"}


def event(**more: Any) -> dict[str, Any]:
    return {
        "event_name": "Purchase",
        "event_time": int(time.time()),
        "event_id": "order-1",
        "action_source": "website",
        "event_source_url": "https://brewbeans.example/thanks",
        "user_data": {"em": ["asha@example.com"], "client_user_agent": AGENT},
        "custom_data": {"value": 899, "currency": "INR"},
        **more,
    }


def multipart(fields: dict[str, str]) -> tuple[bytes, dict[str, str]]:
    parts = (
        f'--cut\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n' for key, value in fields.items()
    )
    return ("".join(parts) + "--cut--\r\n").encode(), {"Content-Type": "multipart/form-data; boundary=cut"}


def send(system: System, shop: Shop, how: str) -> Answer:
    path = f"/v26.0/{shop.id}/events"
    said = json.dumps([event()])
    texts = json.dumps([json.dumps(event())])
    bearer = {"Authorization": f"Bearer {shop.token}"}
    token = urlencode({"access_token": shop.token})
    if how == "form, array of objects":
        return system.ask("POST", path, urlencode({"data": said, "access_token": shop.token}).encode(), FORM)
    if how == "form, array of texts, token in the query":
        return system.ask("POST", f"{path}?{token}", urlencode({"data": texts}).encode(), FORM)
    if how == "multipart":
        body, head = multipart({"data": said, "access_token": shop.token})
        return system.ask("POST", path, body, head)
    if how == "JSON, token in the body":
        return system.ask("POST", path, json.dumps({"data": [event()], "access_token": shop.token}).encode(), JSON)
    if how == "JSON, options null as Node sends them":
        options = dict.fromkeys(("partner_agent", "test_event_code", "namespace_id", "upload_id", "upload_tag"))
        body = {"data": [event()], "access_token": shop.token, "id": shop.id, **options}
        return system.ask("POST", f"{path}?{token}", json.dumps(body).encode(), JSON)
    if how == "JSON, data as text":
        return system.ask("POST", path, json.dumps({"data": said}).encode(), JSON | bearer)
    if how == "JSON, gzip":
        body_bytes = gzip.compress(json.dumps({"data": [event()]}).encode())
        return system.ask("POST", path, body_bytes, JSON | bearer | {"Content-Encoding": "gzip"})
    if how == "query alone":
        return system.ask("POST", f"{path}/?{token}&data={quote(said)}", b"", {"Content-Length": "0"})
    assert how == "no version"
    return system.ask("POST", f"/{shop.id}/events", json.dumps({"data": [event()]}).encode(), JSON | bearer)


@pytest.mark.parametrize(
    "how",
    [
        "form, array of objects",
        "form, array of texts, token in the query",
        "multipart",
        "JSON, token in the body",
        "JSON, options null as Node sends them",
        "JSON, data as text",
        "JSON, gzip",
        "query alone",
        "no version",
    ],
)
def test_a_server_event_in_this_shape_merges_with_its_hit(system: System, shop: Shop, how: str) -> None:
    assert system.post_hit(shop, ev="Purchase", eid="order-1").status == 200
    answer = send(system, shop, how)
    assert answer.status == 200, answer
    assert answer.json["events_received"] == 1
    assert "fbtrace_id" in answer.json and "messages" in answer.json
    wait_until(lambda: system.copies(shop) == 2, "both copies")
    row = system.events(shop)["Purchase"]
    assert (row["actions"], row["both"]) == (1, 1)


def hit(system: System, shop: Shop, how: str) -> Answer:
    pairs = {"id": shop.id, "ev": "Purchase", "eid": "order-1", "cd[value]": "899.00", "cd[currency]": "INR"}
    head = {"User-Agent": AGENT, "Origin": "https://brewbeans.example", "Referer": "https://brewbeans.example/"}
    if how == "image":
        return system.ask("GET", "/tr/?" + urlencode(pairs, safe="[]"), None, head)
    if how == "image, keys encoded":
        return system.ask("GET", "/tr?" + urlencode(pairs), None, head)
    if how == "form":
        return system.ask("POST", "/tr/", urlencode(pairs).encode(), head | FORM)
    if how == "beacon":
        body, kind = multipart(pairs)
        return system.ask("POST", "/tr/", body, head | kind)
    if how == "beacon with its id in the query":
        body, kind = multipart({key: value for key, value in pairs.items() if key != "id"})
        return system.ask("POST", f"/tr/?id={shop.id}", body, head | kind)
    assert how == "proxied path"
    return system.ask("GET", "/assets/tr/?" + urlencode(pairs), None, head)


@pytest.mark.parametrize(
    "how", ["image", "image, keys encoded", "form", "beacon", "beacon with its id in the query", "proxied path"]
)
def test_a_hit_in_this_shape_merges_with_its_server_event(system: System, shop: Shop, how: str) -> None:
    answer = hit(system, shop, how)
    assert (answer.status, answer.headers.get("x-truecount-refused")) == (200, None)
    assert answer.headers["access-control-allow-origin"] in ("*", "https://brewbeans.example")
    assert system.post_events(shop, [event()]).status == 200
    wait_until(lambda: system.copies(shop) == 2, "both copies")
    row = system.events(shop)["Purchase"]
    assert (row["actions"], row["both"], row["value"]) == (1, 1, {"INR": "899.00"})
