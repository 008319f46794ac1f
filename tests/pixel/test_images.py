"""The collector's side: hits of images and of other scripts, as a real door keeps them (pixel.md §10, 43 and 44)."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser

from tests.collect.running import SHOP as DATASET
from tests.collect.running import Answer, RunningDoor, running
from tests.pixel.browser import COLLECTOR, SHOP, Web, wait_until
from truecount.copies import Copy

EVENT = f"id={DATASET}&ev=PageView"


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDoor]:
    with running(tmp_path_factory.mktemp("door")) as door:
        yield door


def kept(door: RunningDoor, eid: str) -> list[Copy]:
    return [copy for copy in door.copies() if copy.event_id == eid]


def is_one_pixel(answer: Answer) -> bool:
    """A GIF of 1 by 1 that nobody keeps."""
    assert answer.status == 200
    assert answer.headers["content-type"] == "image/gif"
    assert "no-store" in answer.headers["cache-control"]
    return answer.body[:6] in (b"GIF87a", b"GIF89a") and struct.unpack("<HH", answer.body[6:10]) == (1, 1)


@pytest.mark.parametrize(
    ("path", "eid"),
    [("/tr?", "a"), ("/tr/?", "b"), ("/shop/m/tr?", "c"), ("/shop/m/tr/?", "d")],
)
def test_43_an_image_is_recorded_with_and_without_a_slash(door: RunningDoor, path: str, eid: str) -> None:
    answer = door.ask("GET", f"{path}{EVENT}&noscript=1&eid=slash-{eid}")
    assert is_one_pixel(answer)
    assert answer.refused is None
    (copy,) = kept(door, "slash-" + eid)
    assert (copy.dataset, copy.event_name, copy.source) == (DATASET, "PageView", "browser")


def test_43_an_image_without_anything_else_is_recorded(door: RunningDoor) -> None:
    before = len(door.copies())
    assert is_one_pixel(door.ask("GET", f"/tr?{EVENT}&noscript=1"))
    (copy,) = door.copies()[before:]
    assert (copy.event_name, copy.event_id) == ("PageView", "")


def test_43_an_image_may_carry_custom_data_hashed_user_data_and_blanks_in_its_address(door: RunningDoor) -> None:
    mail = "62a14e44f765419d10fea99367361a727c12365e2520f32218d505ed9aa0f62f"
    query = (
        f"id={DATASET}&ev=Purchase&%0A%20%20cd[value]=5.5&%0A%20cd[currency]=USD&cd[content_ids]=1234"
        f"&ud[em]={mail}&dpo=LDU&dpoco=0&dpost=0&v=1.0&noscript=1&eid=rich"
    )
    answer = door.ask("GET", "/tr?" + query)
    assert is_one_pixel(answer)
    (copy,) = kept(door, "rich")
    assert (copy.event_name, copy.value_e4, copy.currency) == ("Purchase", 55_000, "USD")
    assert copy.em.hex() == mail
    assert json.loads(copy.custom_data)["content_ids"] == "1234"


@pytest.mark.parametrize("query", ["ev=PageView&noscript=1", "id=&ev=PageView", ""])
def test_43_an_image_without_an_id_is_answered_and_counted_and_not_recorded(door: RunningDoor, query: str) -> None:
    before = len(door.copies())
    answer = door.ask("GET", "/tr?" + query)
    assert is_one_pixel(answer)
    assert answer.refused == "unknown_dataset"
    assert len(door.copies()) == before


def test_43_the_image_of_a_browser_without_scripts_is_recorded(door: RunningDoor, chrome: Browser, web: Web) -> None:
    source = f"{COLLECTOR}/tr?{EVENT}&cd[value]=5&noscript=1&eid=noscript"
    image = f'<noscript><img height="1" width="1" style="display:none" src="{source}"></noscript>'
    web.pages[SHOP + "/"] = f"<!doctype html><title>Shop</title>{image}"
    context = chrome.new_context(java_script_enabled=False)
    context.new_page().goto(SHOP + "/")
    wait_until(lambda: len(web.hits) == 1, "the image")
    context.close()
    (hit,) = web.hits
    assert (hit.method, hit.get("noscript"), hit.get("cd[value]")) == ("GET", "1", "5")
    headers = {key: value for key, value in hit.headers.items() if key.lower() not in ("host", "connection")}
    assert is_one_pixel(door.ask("GET", hit.url, headers=headers))
    (copy,) = kept(door, "noscript")
    assert (copy.event_name, json.loads(copy.custom_data)) == ("PageView", {"value": "5"})


OPAQUE = {
    "hmd": "1", "expv2[]": "pl1", "expv2[0]": "pl2", "exp": "e1", "cas": "a,b", "cs_cc": "1", "aems": "0;0", "iw": "1",
    "pmd[title]": "Coffee", "se": '{"a": [1]}', "brand_new": "x", "odd[": "y", "]": "z", "a[b][c]": "w",
}  # fmt: skip
MASKED = {"cud[em]": "^***_^****@****.***", "ncud[em]": "****_*****@****.***"}


def multipart(fields: dict[str, str]) -> tuple[bytes, dict[str, str]]:
    parts = [f'--b0\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n' for k, v in fields.items()]
    return ("".join(parts) + "--b0--\r\n").encode(), {"Content-Type": "multipart/form-data; boundary=b0"}


def ask(door: RunningDoor, how: str, fields: dict[str, str]) -> Answer:
    if how == "query":
        return door.ask("GET", "/tr/?" + urlencode(fields))
    if how == "form":
        return door.ask("POST", "/tr/", urlencode(fields), {"Content-Type": "application/x-www-form-urlencoded"})
    body, headers = multipart(fields)
    return door.ask("POST", "/tr/", body, headers)


@pytest.mark.parametrize("how", ["query", "form", "multipart"])
def test_44_unknown_keys_are_kept_as_they_are(door: RunningDoor, how: str) -> None:
    fields = {**OPAQUE, **MASKED, "id": DATASET, "ev": "Lead", "eid": "opaque-" + how}
    answer = ask(door, how, fields)
    assert (answer.status, answer.refused) == (200, None)
    (copy,) = kept(door, "opaque-" + how)
    assert (copy.event_name, copy.notes) == ("Lead", None)
    extra: dict[str, Any] = json.loads(copy.extra)
    assert {key: extra.get(key) for key in OPAQUE} == OPAQUE


def test_44_shapes_of_user_data_break_nothing_and_are_not_kept(door: RunningDoor) -> None:
    """pixel.md keeps `cud` raw; our door does not (docs/wire.md): they tell how long a name is."""
    assert ask(door, "query", {**MASKED, "id": DATASET, "ev": "Lead", "eid": "masked"}).refused is None
    (copy,) = kept(door, "masked")
    assert "*" not in repr(copy)


def test_44_multipart_with_json_before_the_name_is_read(door: RunningDoor) -> None:
    fields = {
        "se": '{"a":[1,"--b0x","b\\r\\n"]}',
        "ss": '{"name=\\"ev\\"": "Trap"}',
        "cd[contents]": '[{"id":"190","quantity":1}]',
        "id": DATASET,
        "ev": "AddToCart",
        "eid": "json-first",
    }
    assert ask(door, "multipart", fields).refused is None
    (copy,) = kept(door, "json-first")
    assert copy.event_name == "AddToCart"
    assert json.loads(copy.custom_data) == {"contents": [{"id": "190", "quantity": 1}]}
    assert json.loads(copy.extra)["se"] == fields["se"]
