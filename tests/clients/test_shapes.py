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


SERVER_SHAPES = (
    "form, array of objects",
    "form, array of texts, token in the query",
    "multipart",
    "JSON, token in the body",
    "JSON, options null as Node sends them",
    "JSON, data as text",
    "JSON, gzip",
    "query alone",
    "no version",
)
HIT_SHAPES = ("image", "image, keys encoded", "form", "beacon", "beacon with its id in the query", "proxied path")


def name_of(how: str) -> str:
    """An event name of each shape's own, so that one report shows them all."""
    return "Shape " + how.replace(",", "")


def multipart(fields: dict[str, str]) -> tuple[bytes, dict[str, str]]:
    parts = (
        f'--cut\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n' for key, value in fields.items()
    )
    return ("".join(parts) + "--cut--\r\n").encode(), {"Content-Type": "multipart/form-data; boundary=cut"}


def send(system: System, shop: Shop, how: str) -> Answer:
    this = event(event_name=name_of(how))
    path = f"/v26.0/{shop.id}/events"
    said = json.dumps([this])
    texts = json.dumps([json.dumps(this)])
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
        return system.ask("POST", path, json.dumps({"data": [this], "access_token": shop.token}).encode(), JSON)
    if how == "JSON, options null as Node sends them":
        options = dict.fromkeys(("partner_agent", "test_event_code", "namespace_id", "upload_id", "upload_tag"))
        body = {"data": [this], "access_token": shop.token, "id": shop.id, **options}
        return system.ask("POST", f"{path}?{token}", json.dumps(body).encode(), JSON)
    if how == "JSON, data as text":
        return system.ask("POST", path, json.dumps({"data": said}).encode(), JSON | bearer)
    if how == "JSON, gzip":
        body_bytes = gzip.compress(json.dumps({"data": [this]}).encode())
        return system.ask("POST", path, body_bytes, JSON | bearer | {"Content-Encoding": "gzip"})
    if how == "query alone":
        return system.ask("POST", f"{path}/?{token}&data={quote(said)}", b"", {"Content-Length": "0"})
    assert how == "no version"
    return system.ask("POST", f"/{shop.id}/events", json.dumps({"data": [this]}).encode(), JSON | bearer)


def hit(system: System, shop: Shop, how: str) -> Answer:
    pairs = {"id": shop.id, "ev": name_of(how), "eid": "order-1", "cd[value]": "899.00", "cd[currency]": "INR"}
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


@pytest.fixture(scope="module")
def sent(system: System) -> tuple[dict[str, Answer], dict[str, dict[str, Any]]]:
    """All shapes sent, each with its twin through the other door: the answers, and the count by event name."""
    shop = system.create("Shapes")
    answers = {}
    for how in SERVER_SHAPES:
        assert (
            system.post_hit(shop, ev=name_of(how), eid="order-1", cd={"value": "899", "currency": "INR"}).status == 200
        )
        answers[how] = send(system, shop, how)
    for how in HIT_SHAPES:
        answers[f"hit {how}"] = hit(system, shop, how)
    assert system.post_events(shop, [event(event_name=name_of(how)) for how in HIT_SHAPES]).status == 200
    copies = 2 * len(answers)
    wait_until(lambda: system.copies(shop, None) == copies, f"{copies} copies")
    return answers, system.events(shop)


@pytest.mark.parametrize("how", SERVER_SHAPES)
def test_a_server_event_in_this_shape_merges_with_its_hit(
    sent: tuple[dict[str, Answer], dict[str, dict[str, Any]]], how: str
) -> None:
    answer, row = sent[0][how], sent[1][name_of(how)]
    assert answer.status == 200, answer
    assert answer.json["events_received"] == 1
    assert answer.json["fbtrace_id"].startswith("A") and answer.json["messages"] == []
    assert (row["copies"], row["actions"], row["both"], row["value"]) == (2, 1, 1, {"INR": "899.00"})


@pytest.mark.parametrize("how", HIT_SHAPES)
def test_a_hit_in_this_shape_merges_with_its_server_event(
    sent: tuple[dict[str, Answer], dict[str, dict[str, Any]]], how: str
) -> None:
    answer, row = sent[0][f"hit {how}"], sent[1][name_of(how)]
    assert (answer.status, answer.headers.get("x-truecount-refused")) == (200, None)
    assert answer.headers["access-control-allow-origin"] in ("*", "https://brewbeans.example")
    assert (row["copies"], row["actions"], row["both"], row["value"]) == (2, 1, 1, {"INR": "899.00"})
