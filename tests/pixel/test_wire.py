"""What a hit looks like on the wire, how it leaves, and what the console says of it (pixel.md §10, 14 to 22)."""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import parse_qsl

import msgspec
import pytest

from tests.collect.running import AGENT, SHOP, running
from tests.pixel.browser import COLLECTOR, ID, Hit, Visit, wait_until
from tests.pixel.browser import SHOP as PAGE

pytestmark = pytest.mark.slow

INIT = f"fbq('init','{ID}');"
BEACON = "data-transport=beacon"
LONGEST_URL = 2047
NEXT = "http://shop.example/next"
BUTTON = "<button id=go>Go</button>"
LEAD = "{fbq('track','Lead',{},{eventID:'left'})}"
LEAVE = f"{{{LEAD};location.href='{NEXT}'}}"


def quiet(visit: Visit) -> None:
    """No transport made the browser ask first whether it may send."""
    assert [url for method, url, _ in visit.web.requests if method == "OPTIONS"] == []


def address(hit: Hit) -> str:
    return f"http://{hit.host}{hit.url}"


def tracked(data: str, more: str = "{}") -> str:
    return f"{INIT}fbq('track','ViewContent',{data},{more});"


# 14


def test_14_a_page_view_has_the_required_keys_in_their_order(visit: Visit) -> None:
    visit.open(f"{INIT}fbq('track','PageView')", at=PAGE + "/p?a=1&b=%20#top")
    (hit,) = visit.hits(1)
    assert ",".join(hit.fields) == "id,ev,dl,rl,if,ts,sw,sh,v,r,ec,o,fbp,it,coo,rqm"
    told = {key: hit[key] for key in hit.fields if key not in ("ts", "sw", "sh", "v", "fbp", "it")}
    assert told == {
        "id": ID, "ev": "PageView", "dl": PAGE + "/p?a=1&b=%20#top", "rl": "", "if": "false", "r": "stable",
        "ec": "0", "o": "30", "coo": "false", "rqm": "GET",
    }  # fmt: skip
    assert "&rl=&" in hit.raw
    assert [int(hit["sw"]), int(hit["sh"])] == visit.run("return [screen.width, screen.height]")
    assert re.fullmatch(r"\d+(\.\d+)+", hit["v"])
    assert (hit.method, address(hit).partition("?")[0]) == ("GET", COLLECTOR + "/tr/")


def test_14_times_are_milliseconds_of_the_call_and_of_the_scripts_start(visit: Visit) -> None:
    visit.open(f"window.t=[Date.now()];{INIT}fbq('track','PageView')", then="t.push(Date.now())")
    visit.run("fbq('track','Lead'); t.push(Date.now())")
    start, loaded, end = visit.run("return t")
    first, second = sorted(visit.hits(2), key=lambda hit: hit["ec"])
    assert start <= int(first["it"]) <= int(first["ts"]) <= loaded <= int(second["ts"]) <= end
    assert first["it"] == second["it"]


def test_14_the_referrer_is_sent_as_the_page_has_it(visit: Visit) -> None:
    visit.open(f"{INIT}fbq('track','PageView')")
    visit.page.goto(PAGE + "/", referer=PAGE + "/from?q=a b")
    assert [hit["rl"] for hit in visit.hits(2)] == ["", PAGE + "/from?q=a%20b"]


def test_14_an_event_source_url_takes_the_place_of_the_address(visit: Visit) -> None:
    visit.open(tracked("{}", "{eventSourceUrl:'https://other.example/?x=1'}"))
    assert visit.hits(1)[0]["dl"] == "https://other.example/?x=1"


# 15


@pytest.mark.parametrize("attributes", ["", BEACON])
def test_15_an_event_id_is_sent_verbatim(visit: Visit, attributes: str) -> None:
    id = " ord 77 – ✓ 🛒é+&=#%20[a]\"'"
    visit.open(tracked("{}", "{eventID:" + json.dumps(id) + "}"), attributes=attributes)
    assert visit.hits(1)[0]["eid"] == id


def test_15_without_an_event_id_there_is_no_key(visit: Visit) -> None:
    ends = ["", ",{}", ",{a:1}", ",{a:1},undefined", ",{a:1},null", ",{a:1},{}", ",null,{eventID:undefined}"]
    visit.open(INIT + "".join(f"fbq('track','Lead'{end});" for end in ends))
    assert [hit.get("eid") for hit in visit.hits(len(ends))] == [None] * len(ends)
    assert visit.said == []


def test_15_an_event_id_that_is_a_number_is_its_text(visit: Visit) -> None:
    visit.open(tracked("{}", "{eventID:0}"))
    assert visit.hits(1)[0]["eid"] == "0"


def test_15_an_event_id_among_custom_data_is_custom_data(visit: Visit) -> None:
    for place, name in enumerate(("eventID", "event_id", "eventId"), 1):
        visit.open(tracked(f"{{{name}:'e-1'}}"))
        hit = visit.hits(place)[-1]
        assert (hit[f"cd[{name}]"], hit.get("eid")) == ("e-1", None)


# 16


def test_16_arrays_and_objects_are_one_key_with_json(visit: Visit) -> None:
    visit.open(
        tracked(
            "{contents:[{id:'190',quantity:1,item_price:3}],content_ids:['A'],content_type:['product'],none:[],"
            "deep:{a:{b:[true,null]}},when:new Date(0)}"
        )
    )
    (hit,) = visit.hits(1)
    assert "&cd[contents]=%5B%7B%22id%22%3A%22190%22%2C%22quantity%22%3A1%2C%22item_price%22%3A3%7D%5D&" in hit.raw
    keys = [key for key, _ in parse_qsl(hit.raw, keep_blank_values=True) if key.startswith("cd")]
    assert keys == [f"cd[{name}]" for name in ("contents", "content_ids", "content_type", "none", "deep", "when")]
    assert hit["cd[contents]"] == '[{"id":"190","quantity":1,"item_price":3}]'
    assert hit["cd[content_ids]"] == '["A"]'
    assert hit["cd[content_type]"] == '["product"]'
    assert hit["cd[none]"] == "[]"
    assert hit["cd[deep]"] == '{"a":{"b":[true,null]}}'
    assert hit["cd[when]"].strip('"') == "1970-01-01T00:00:00.000Z"


SCALARS = {
    "true": "true", "false": "false", "29.99": "29.99", "4": "4", "0": "0", "-0.5": "-0.5", "1e21": "1e+21",
    "'0.00'": "0.00", "''": "", "'ä & b'": "ä & b", "12345678901n": "12345678901",
    "undefined": None, "null": None, "()=>1": None,
}  # fmt: skip


def test_16_a_scalar_is_its_text_and_what_says_nothing_has_no_key(visit: Visit) -> None:
    visit.open(tracked("{" + ",".join(f"x{place}:{value}" for place, value in enumerate(SCALARS)) + "}"))
    (hit,) = visit.hits(1)
    sent = {key: value for key, value in hit.fields.items() if key.startswith("cd")}
    assert sent == {f"cd[x{place}]": text for place, text in enumerate(SCALARS.values()) if text is not None}


def test_16_custom_data_may_be_missing(visit: Visit) -> None:
    kinds = ["undefined", "null", "{}", "7", "true"]
    visit.open(INIT + "".join(f"fbq('track','Lead',{data});" for data in kinds))
    for hit in visit.hits(len(kinds)):
        assert [key for key in hit.fields if key.startswith("cd")] == []


# 17


@pytest.mark.parametrize(
    ("attributes", "method", "raw"),
    [("", "GET", "&cd[content_name]=Big%20%26%20small&"), (BEACON, "POST", "&cd%5Bcontent_name%5D=Big+%26+small&")],
)
def test_17_an_address_has_brackets_and_percent_20_a_body_percent_5b_and_plus(
    visit: Visit, attributes: str, method: str, raw: str
) -> None:
    visit.open(tracked("{content_name:'Big & small'}", "{eventID:'a b'}"), attributes=attributes)
    (hit,) = visit.hits(1)
    assert (hit.method, hit["rqm"]) == (method, "GET" if method == "GET" else "SB")
    assert raw in hit.raw
    assert (hit.raw.endswith("&eid=a%20b&rqm=GET") if method == "GET" else hit.raw.endswith("&eid=a+b&rqm=SB")) is True
    assert (method == "GET") == ("+" not in hit.raw and "%5B" not in hit.raw)
    if method == "POST":
        assert hit.url == "/tr/"
        assert hit.headers["Content-Type"].partition(";")[0] == "application/x-www-form-urlencoded"


CALLS = (
    f"fbq('init','{SHOP}',{{em:'john_smith@gmail.com',external_id:'User 1'}},{{agent:'x y'}});"
    f"fbq('trackSingle','{SHOP}','Purchase',{{value:899.5,currency:'INR',order_id:'o+1',content_name:'Größe & [b] ✓',"
    "contents:[{id:'A',quantity:2}],content_ids:['A'],flag:true},{eventID:'ord 77'})"
)


def test_17_both_of_the_scripts_transports_say_the_same(visit: Visit) -> None:
    visit.open(CALLS)
    visit.hits(1)
    visit.open(CALLS, attributes=BEACON)
    by_get, by_post = (hit.fields for hit in visit.hits(2))
    changing = ("ts", "it", "rqm")
    assert list(by_get) == list(by_post)
    assert {**by_get, **dict.fromkeys(changing)} == {**by_post, **dict.fromkeys(changing)}


def test_17_the_collector_keeps_the_same_of_get_form_and_multipart(visit: Visit, tmp_path: Path) -> None:
    visit.open(CALLS)
    (hit,) = visit.hits(1)
    again = (
        "const fields = new URLSearchParams(query), form = new FormData();"
        "fields.forEach((value, key) => form.append(key, value));"
        f"for (const body of [fields, form]) navigator.sendBeacon('{COLLECTOR}/tr/', body)"
    )
    visit.run(f"const query = {json.dumps(hit.raw)}; {again}")
    hits = visit.hits(3)
    kinds = {hit.headers.get("Content-Type", "").partition(";")[0] for hit in hits}
    assert kinds == {"", "application/x-www-form-urlencoded", "multipart/form-data"}
    with running(tmp_path) as door:
        for hit in hits:
            names = ("Content-Type", "Referer")
            head = {"User-Agent": AGENT, **{name: hit.headers[name] for name in names if name in hit.headers}}
            answer = door.ask(hit.method, hit.url, hit.raw.encode() if hit.method == "POST" else None, head)
            assert (answer.status, answer.refused) == (200, None)
    first, *others = [msgspec.structs.replace(copy, received_us=0) for copy in door.copies()]
    assert others == [first, first]
    assert (first.event_name, first.event_id, first.value_e4, first.currency) == ("Purchase", "ord 77", 8995000, "INR")
    assert (first.order_id, first.agent, first.url) == ("o+1", "x y", PAGE + "/")
    custom = json.loads(first.custom_data)
    assert custom["content_name"] == "Größe & [b] ✓"
    assert custom["contents"] == [{"id": "A", "quantity": 2}]
    assert len(first.em) >= 32


# 18


def test_18_an_address_has_2047_characters_at_most(visit: Visit) -> None:
    visit.open(f"fbq('set','firstPartyCookies',false,'{ID}');{tracked('{n:1}')}")
    (short,) = visit.hits(1)
    room = LONGEST_URL - len(address(short)) + 1
    visit.run(f"fbq('track','ViewContent',{{n:'x'.repeat({room})}})")
    longest = visit.hits(2)[1]
    assert (longest.method, len(address(longest)), longest["rqm"]) == ("GET", LONGEST_URL, "GET")
    visit.run(f"fbq('track','ViewContent',{{n:'x'.repeat({room + 1})}})")
    longer = visit.hits(3)[2]
    assert (longer.method, longer.url, longer["rqm"]) == ("POST", "/tr/", "SB")
    assert longer["cd[n]"] == "x" * (room + 1)
    quiet(visit)


@pytest.mark.parametrize("letters", [2048, 20_000, 60_000])
def test_18_a_long_payload_arrives_complete(visit: Visit, letters: int) -> None:
    visit.open(tracked(f"{{first:'ä ✓',n:'x'.repeat({letters}),last:[1]}}", "{eventID:'long'}"))
    (hit,) = visit.hits(1)
    assert (hit.method, hit.url) == ("POST", "/tr/")
    assert (hit["cd[first]"], hit["cd[n]"], hit["cd[last]"]) == ("ä ✓", "x" * letters, "[1]")
    assert (hit["eid"], list(hit.fields)[-1]) == ("long", "rqm")
    quiet(visit)


def test_18_many_long_payloads_at_once_all_arrive(visit: Visit) -> None:
    """A browser has 64 kB at a time for beacons, and refuses what is above."""
    send = "for (let n = 0; n < 5; n++) fbq('track','Lead',{n:'x'.repeat(20000)},{eventID:n});"
    visit.open(f"{INIT}{send}")
    hits = visit.web.hits
    wait_until(lambda: len(hits) >= 5, "the last of 5 long hits")
    assert sorted(hit["eid"] for hit in hits) == ["0", "1", "2", "3", "4"]
    assert {(hit.method, len(hit["cd[n]"])) for hit in hits} == {("POST", 20_000)}
    quiet(visit)


@pytest.mark.parametrize("broken", ["()=>false", "undefined"])
def test_18_a_long_payload_arrives_without_beacons(visit: Visit, broken: str) -> None:
    visit.open(f"navigator.sendBeacon={broken};{tracked('''{n:'x'.repeat(3000)}''')}")
    (hit,) = visit.hits(1)
    assert (hit.method, hit.url, hit["cd[n]"]) == ("POST", "/tr/", "x" * 3000)
    quiet(visit)


@pytest.mark.parametrize("attributes", ["", BEACON, "data-limited data-consent=required"])
def test_18_no_transport_asks_first(visit: Visit, attributes: str) -> None:
    visit.open(tracked("{content_name:'a'}"), attributes=attributes)
    (hit,) = visit.hits(1)
    assert hit["ev"] == "ViewContent"
    quiet(visit)


# 19


@pytest.mark.parametrize(
    ("body", "script"),
    [
        (BUTTON, f"go.onclick=()=>{LEAVE}"),
        (BUTTON, f"document.addEventListener('click',()=>{LEAVE})"),
        (BUTTON, f"go.onmousedown=()=>{LEAVE}"),
        (BUTTON, f"go.onclick=()=>Promise.resolve().then(()=>{LEAVE})"),
        (f"<form id=f>{BUTTON}</form>", f"f.onsubmit=event=>{{event.preventDefault();{LEAVE}}}"),
        (f"<form action={NEXT} id=f>{BUTTON}</form>", f"f.onsubmit=()=>{LEAD}"),
        (f"<a id=go href={NEXT}>Go</a>", f"go.onclick=()=>{LEAD}"),
        (f"<a id=go href={NEXT}>Go</a>", f"addEventListener('pagehide',()=>{LEAD})"),
    ],
    ids=["click", "delegated", "mousedown", "microtask", "submit", "form", "link", "pagehide"],
)
def test_19_an_event_of_a_click_that_leaves_the_page_arrives(visit: Visit, body: str, script: str) -> None:
    off = f"fbq('set','autoConfig',false,'{ID}');{INIT}"
    visit.open(off, body=body, then=script)
    visit.page.click("#go")
    visit.page.wait_for_url(NEXT + "*")
    (hit,) = visit.hits(1)
    assert (hit["ev"], hit["eid"], hit["dl"]) == ("Lead", "left", PAGE + "/")


def test_19_a_long_event_of_a_click_that_leaves_the_page_arrives(visit: Visit) -> None:
    leave = f"fbq('track','Lead',{{n:'x'.repeat(5000)}});location.href='{NEXT}'"
    off = f"fbq('set','autoConfig',false,'{ID}');{INIT}"
    visit.open(off, body=BUTTON, then=f"go.onclick=()=>{{{leave}}}")
    visit.page.click("#go")
    visit.page.wait_for_url(NEXT)
    assert visit.hits(1)[0]["cd[n]"] == "x" * 5000


@pytest.mark.parametrize(
    ("kind", "way"),
    [("click", "SB"), ("submit", "SB"), ("keydown", "SB"), ("mousedown", "SB"), ("pointerdown", "SB"),
     ("touchend", "SB"), ("pagehide", "SB"), ("beforeunload", "SB"), ("visibilitychange", "SB"),
     ("load", "GET"), ("scroll", "GET")],
)  # fmt: skip
def test_19_what_is_told_while_the_page_may_be_left_goes_by_beacon(visit: Visit, kind: str, way: str) -> None:
    visit.open(f"fbq('set','autoConfig',false,'{ID}');{INIT}")
    visit.run(
        f"addEventListener('{kind}', () => fbq('track', 'Lead'), {{once: true}});"
        f"dispatchEvent(new Event('{kind}', {{bubbles: true}}))"
    )
    assert visit.hits(1)[0]["rqm"] == way


def test_19_what_a_hidden_page_tells_goes_by_beacon(visit: Visit) -> None:
    visit.open(INIT)
    visit.run("Object.defineProperty(document, 'hidden', {value: true}); fbq('track', 'Lead')")
    assert visit.hits(1)[0]["rqm"] == "SB"


# 20


@pytest.mark.parametrize("top", ["http://shop.example", "http://portal.example"])
def test_20_a_hit_says_whether_its_page_is_in_a_frame(visit: Visit, top: str) -> None:
    visit.open(f"{INIT}fbq('track','PageView')", at=PAGE + "/framed")
    visit.web.pages[top + "/parent"] = f"<!doctype html><title>Parent</title><iframe src={PAGE}/framed></iframe>"
    visit.page.goto(top + "/parent")
    alone, framed = visit.hits(2)
    assert (alone["if"], framed["if"]) == ("false", "true")
    assert framed["dl"] == PAGE + "/framed"
    assert framed["rl"].startswith(top)


# 21


PURCHASES: list[tuple[str, dict[str, str]]] = [
    ("{}", {"value": "missing", "currency": "missing"}),
    ("undefined", {"value": "missing", "currency": "missing"}),
    ("{value:-1,currency:'INR'}", {"value": "negative"}),
    ("{value:'-0.01',currency:'INR'}", {"value": "negative"}),
    ("{value:1,currency:'MAD'}", {}),
    ("{value:0,currency:'INR'}", {}),
    ("{value:'0.00',currency:'BDT'}", {}),
    ("{value:1,currency:'usd'}", {"currency": "upper case"}),
    ("{value:1}", {"currency": "missing"}),
    ("{currency:'INR'}", {"value": "missing"}),
    ("{value:'1,000',currency:'INR'}", {"value": ""}),
    ("{value:'$5',currency:'INR'}", {"value": ""}),
    ("{value:1,currency:'Rupees'}", {"currency": ""}),
]
"""Custom data, and what the console says of which parameter."""


def test_21_a_purchase_arrives_whatever_its_money_and_the_console_says_what_is_wrong(visit: Visit) -> None:
    visit.open(INIT)
    for place, (data, found) in enumerate(PURCHASES, 1):
        visit.said.clear()
        sent = visit.run(f"fbq('track','Purchase',{data}); return {data} || {{}}")
        wait_until(lambda n=place: len(visit.web.hits) == n, data)  # type: ignore[misc]
        assert {key: value for key, value in visit.web.hits[-1].fields.items() if key.startswith("cd")} == {
            f"cd[{key}]": str(value) for key, value in sent.items()
        }
        assert len(visit.said) == len(found)
        for (parameter, words), line in zip(found.items(), visit.said, strict=True):
            assert f"Parameter '{parameter}' is invalid for event 'Purchase'" in line
            assert words in line
    visit.hits(len(PURCHASES))


def test_21_money_of_another_event_is_looked_at_where_there_is_any(visit: Visit) -> None:
    visit.open(f"{INIT}fbq('track','Lead');fbq('track','AddToCart',{{value:5}})")
    visit.hits(2)
    (line,) = visit.said
    assert "Parameter 'currency' is invalid for event 'AddToCart'" in line


# 22

STANDARD = [
    "PageView", "AddPaymentInfo", "AddToCart", "AddToWishlist", "CompleteRegistration", "Contact", "CustomizeProduct",
    "Donate", "FindLocation", "InitiateCheckout", "Lead", "Purchase", "Schedule", "Search", "StartTrial",
    "SubmitApplication", "Subscribe", "ViewContent",
]  # fmt: skip


def test_22_a_name_that_is_nearly_standard_arrives_as_it_is_and_is_warned_of(visit: Visit) -> None:
    names = ["viewcontent", "VIEWCONTENT", "View Content", "ViewContent ", "ViewCategory"]
    visit.open(INIT + "".join(f"fbq('track','{name}');" for name in names))
    assert sorted(hit["ev"] for hit in visit.hits(len(names))) == sorted(names)
    assert len(visit.said) == len(names)
    for name, line in zip(names, visit.said, strict=True):
        assert f"You are sending a non-standard event '{name}'." in line


def test_22_the_18_standard_names_are_not_warned_of(visit: Visit) -> None:
    assert len(STANDARD) == 18
    calls = "".join(f"fbq('track','{name}',{{value:1,currency:'INR'}});" for name in STANDARD)
    visit.open(INIT + calls)
    assert sorted(hit["ev"] for hit in visit.hits(18)) == sorted(STANDARD)
    assert visit.said == []


def test_22_a_name_by_hand_of_an_automatic_event_is_custom(visit: Visit) -> None:
    visit.open(f"{INIT}fbq('track','Microdata')")
    (hit,) = visit.hits(1)
    assert (hit["ev"], hit.get("es"), hit.get("tm")) == ("Microdata", None, None)
    assert "non-standard event 'Microdata'" in visit.said[0]
