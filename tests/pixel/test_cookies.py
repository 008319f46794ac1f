"""First-party cookies: _fbp and _fbc, what they look like, where they lie and how long (pixel.md §5; 23 to 28)."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import pytest

from tests.pixel.browser import ID, OTHER, SHOP, Hit, Visit

pytestmark = pytest.mark.slow

VIEW = f"fbq('init', '{ID}'); fbq('track', 'PageView');"
LEAD = "fbq('track', 'Lead')"
FBP = re.compile(r"fb\.\d\.\d{13}\.\d+(\.(A[Qgw]|B[AQg]|[\w-]{8}))?")
LIFE_S = 7_776_000
"""90 days."""
MADE_MS = 1_700_000_000_000
"""When cookies that were there before were made."""


def is_fresh(cookie: dict[str, Any]) -> bool:
    """Whether a cookie ends in 90 days, give or take a minute."""
    ends: float = cookie["expires"]
    return abs(ends - time.time() - LIFE_S) < 60


def made_now(value: str) -> bool:
    return abs(int(value.split(".")[2]) - time.time() * 1000) < 60_000


def put(visit: Visit, name: str, value: str, domain: str = ".shop.example") -> None:
    """A cookie that ends in an hour. A domain without a dot before it is the host alone."""
    visit.context.add_cookies(
        [{"name": name, "value": value, "domain": domain, "path": "/", "expires": time.time() + 3600}]
    )


def test_23_fbp_is_made_once_and_a_reload_keeps_it_and_renews_it(visit: Visit) -> None:
    visit.open(VIEW)
    (first,) = visit.hits(1)
    made = visit.cookies()["_fbp"]
    assert FBP.fullmatch(made["value"])
    assert made_now(made["value"]) and is_fresh(made)
    assert first["fbp"] == made["value"]
    assert "fbc" not in first.fields
    put(visit, "_fbp", made["value"])
    assert not is_fresh(visit.cookies()["_fbp"])
    visit.page.reload()
    again = visit.hits(2)[1]
    kept = visit.cookies()["_fbp"]
    assert again["fbp"] == kept["value"] == made["value"]
    assert is_fresh(kept)


def test_23_each_event_renews_both_cookies(visit: Visit) -> None:
    visit.open(VIEW, at=SHOP + "/?fbclid=AbC")
    visit.hits(1)
    before = visit.cookies()
    for name in ("_fbp", "_fbc"):
        put(visit, name, before[name]["value"])
    visit.run(LEAD)
    visit.hits(2)
    after = visit.cookies()
    assert {name: after[name]["value"] for name in after} == {name: before[name]["value"] for name in before}
    assert is_fresh(after["_fbp"]) and is_fresh(after["_fbc"])


def test_23_the_cookies_have_the_documented_attributes(visit: Visit) -> None:
    visit.open(VIEW, at=SHOP + "/a/b?fbclid=AbC")
    visit.hits(1)
    cookies = visit.cookies()
    assert sorted(cookies) == ["_fbc", "_fbp"]
    for cookie in cookies.values():
        found = {name: cookie[name] for name in ("domain", "path", "sameSite", "secure", "httpOnly")}
        assert found == {
            "domain": ".shop.example", "path": "/", "sameSite": "Lax", "secure": False, "httpOnly": False,
        }  # fmt: skip


def test_23_two_visitors_have_two_ids_and_two_pixels_of_a_page_one(visit: Visit) -> None:
    visit.open(f"fbq('init', '{OTHER}'); {VIEW}")
    one, two = visit.hits(2)
    assert one["fbp"] == two["fbp"]
    visit.context.clear_cookies()
    visit.page.reload()
    other, same = visit.hits(4)[2:]
    assert other["fbp"] == same["fbp"] != one["fbp"]


@pytest.mark.parametrize(
    ("host", "domain", "index"),
    [
        ("example.com", ".example.com", 1),
        ("www.example.com", ".example.com", 1),
        ("a.b.example.com", ".example.com", 1),
        ("shop.co.uk", ".shop.co.uk", 2),
        ("www.shop.co.uk", ".shop.co.uk", 2),
    ],
)
def test_24_cookies_lie_at_the_registrable_domain_and_name_its_index(
    visit: Visit, host: str, domain: str, index: int
) -> None:
    visit.open(VIEW, at=f"http://{host}/?fbclid=AbC")
    (hit,) = visit.hits(1)
    cookies = visit.context.cookies()
    assert [(cookie["name"], cookie["domain"]) for cookie in cookies] == [("_fbp", domain), ("_fbc", domain)]
    assert hit["fbp"].startswith(f"fb.{index}.")
    assert hit["fbc"].startswith(f"fb.{index}.")


def test_24_a_cookie_is_seen_by_sibling_subdomains(visit: Visit) -> None:
    visit.open(VIEW, at="http://www.example.com/")
    visit.open(VIEW, at="http://blog.example.com/")
    one, two = visit.hits(2)
    assert one["fbp"] == two["fbp"]
    assert len(visit.context.cookies()) == 1


def test_25_a_click_id_is_in_the_cookie_and_in_the_landings_hit_in_its_own_case(visit: Visit) -> None:
    visit.open(VIEW, at=SHOP + "/?fbclid=AbC")
    (hit,) = visit.hits(1)
    cookie = visit.cookies()["_fbc"]
    assert re.fullmatch(r"fb\.1\.\d{13}\.AbC", cookie["value"])
    assert made_now(cookie["value"]) and is_fresh(cookie)
    assert hit["fbc"] == cookie["value"]


def test_25_a_reload_keeps_the_time_and_renews_and_a_new_id_replaces_both(visit: Visit) -> None:
    old = f"fb.1.{MADE_MS}.AbC"
    put(visit, "_fbc", old)
    visit.open(VIEW, at=SHOP + "/?fbclid=AbC")
    assert visit.hits(1)[0]["fbc"] == old
    assert visit.cookies()["_fbc"]["value"] == old
    assert is_fresh(visit.cookies()["_fbc"])
    visit.open(VIEW, at=SHOP + "/?fbclid=aBc")
    new = visit.hits(2)[1]["fbc"]
    assert re.fullmatch(r"fb\.1\.\d{13}\.aBc", new)
    assert made_now(new)
    assert visit.cookies()["_fbc"]["value"] == new


def test_25_no_click_id_and_a_longer_one_than_500_keep_the_old_cookie(visit: Visit) -> None:
    old = f"fb.1.{MADE_MS}.AbC"
    put(visit, "_fbc", old)
    for n, query in enumerate(("", "?fbclid=", "?fbclid=" + "x" * 501, "?xfbclid=no"), 1):
        visit.open(VIEW, at=SHOP + "/" + query)
        assert visit.hits(n)[-1]["fbc"] == old
        assert visit.cookies()["_fbc"]["value"] == old
        assert is_fresh(visit.cookies()["_fbc"])


def test_25_without_a_cookie_a_click_id_of_500_is_kept_and_one_of_501_leaves_none(visit: Visit) -> None:
    visit.open(VIEW, at=SHOP + "/?fbclid=" + "x" * 501)
    assert "fbc" not in visit.hits(1)[0].fields
    assert "_fbc" not in visit.cookies()
    visit.open(VIEW, at=SHOP + "/?fbclid=" + "x" * 500)
    assert visit.hits(2)[1]["fbc"].endswith("." + "x" * 500)


@pytest.mark.parametrize(
    ("query", "payload"),
    [
        ("?a=1&fbclid=Two-_2", "Two-_2"),
        ("#fbclid=Hash", "Hash"),
        ("?fbclid=One&b=2#x", "One"),
        ("?fbclid=Ab%43%2Dd", "AbC-d"),
        ("#a=1&fbclid=Third", "Third"),
    ],
)
def test_25_a_click_id_is_found_where_an_address_can_have_one(visit: Visit, query: str, payload: str) -> None:
    visit.open(VIEW, at=SHOP + "/" + query)
    assert visit.hits(1)[0]["fbc"].split(".")[3] == payload


def test_25_a_click_id_of_the_referrer_counts_where_the_address_has_none(visit: Visit) -> None:
    visit.open(VIEW)
    assert "fbc" not in visit.hits(1)[0].fields
    visit.page.goto(SHOP + "/", referer=SHOP + "/landing?fbclid=Ref")
    assert visit.hits(2)[1]["fbc"].endswith(".Ref")
    visit.page.goto(SHOP + "/?fbclid=Own", referer=SHOP + "/landing?fbclid=Ref")
    assert visit.hits(3)[2]["fbc"].endswith(".Own")


def test_25_an_address_with_a_broken_escape_is_no_click_id(visit: Visit) -> None:
    visit.open(VIEW, at=SHOP + "/?fbclid=%E0%A4%A")
    (hit,) = visit.hits(1)
    assert "fbc" not in hit.fields
    assert FBP.fullmatch(hit["fbp"])


EVENTS = """
const jars = [];
values.forEach((value, n) => {
  for (const name of ['_fbp', '_fbc']) {
    for (const domain of ['', ';domain=.www.shop.example', ';domain=.shop.example'])
      document.cookie = name + '=;path=/;max-age=0' + domain;
    document.cookie = name + '=' + value + ';path=/;max-age=60' + place;
  }
  fbq('trackCustom', 'E' + n);
  jars.push(document.cookie);
});
return jars;
"""
"""An event for each value: both cookies have it before; gives all cookies after each event."""
WWW = "http://www.shop.example/"


def events(visit: Visit, values: list[str], place: str) -> tuple[list[dict[str, str]], list[Hit]]:
    jars = visit.run(f"const values = {json.dumps(values)}, place = '{place}'; {EVENTS}")
    hits = sorted(visit.hits(len(values)), key=lambda hit: int(hit["ec"]))
    assert [hit["ev"] for hit in hits] == [f"E{n}" for n in range(len(values))]
    pairs = [[tuple(pair.split("=", 1)) for pair in jar.split("; ") if pair] for jar in jars]
    assert all(len(dict(jar)) == len(jar) for jar in pairs), jars  # no name is there twice
    return [dict(jar) for jar in pairs], hits


def test_26_cookies_with_an_appendix_are_sent_as_they_are_and_survive(visit: Visit) -> None:
    appendices = ["AQYCAQMB", "AQYA_Q-B", "AQ", "Ag", "Aw", "BA", "BQ", "Bg"]
    values = [f"fb.1.{MADE_MS}.1098115397.{appendix}" for appendix in appendices]
    visit.open(f"fbq('init', '{ID}')", at=WWW + "?fbclid=1098115397")
    jars, hits = events(visit, values, ";domain=.shop.example")
    assert jars == [{"_fbp": value, "_fbc": value} for value in values]
    assert [(hit["fbp"], hit["fbc"]) for hit in hits] == [(value, value) for value in values]
    assert all(is_fresh(cookie) for cookie in visit.cookies().values())


UNREADABLE = [
    f"fb.1.{MADE_MS}",
    f"xx.1.{MADE_MS}.123",
    f"fb.x.{MADE_MS}.123",
    "fb.1.soon.123",
    f"fb.1.{MADE_MS}.",
    f"fb.1.{MADE_MS}.123.abc",
    f"fb.1.{MADE_MS}.123.Ab",
    f"fb.1.{MADE_MS}.123.AQYCAQMB.more",
    "nonsense",
    "",
]


@pytest.mark.parametrize("place", ["", ";domain=.www.shop.example", ";domain=.shop.example"])
def test_26_a_cookie_that_cant_be_read_is_replaced(visit: Visit, place: str) -> None:
    visit.open(f"fbq('init', '{ID}')", at=WWW + "?fbclid=AbC")
    jars, hits = events(visit, UNREADABLE, place)
    for jar, hit in zip(jars, hits, strict=True):
        assert jar == {"_fbp": hit["fbp"], "_fbc": hit["fbc"]}
        assert FBP.fullmatch(hit["fbp"]) and made_now(hit["fbp"])
        assert re.fullmatch(r"fb\.1\.\d{13}\.AbC", hit["fbc"]) and made_now(hit["fbc"])
    assert {cookie["domain"] for cookie in visit.context.cookies()} == {".shop.example"}


@pytest.mark.parametrize("broken", ["_fbp=%E0%A4%A", "_fbc=100%"])
def test_26_a_cookie_with_a_broken_escape_is_replaced_and_spoils_no_other(visit: Visit, broken: str) -> None:
    visit.open(
        f"document.cookie = '{broken}; path=/'; fbq('init', '{ID}'); fbq('track', 'Lead')", at=SHOP + "/?fbclid=AbC"
    )
    (hit,) = visit.hits(1)
    assert hit["fbp"].startswith("fb.1.")
    assert hit["fbc"].endswith(".AbC")
    cookies = visit.cookies()
    assert (cookies["_fbp"]["value"], cookies["_fbc"]["value"]) == (hit["fbp"], hit["fbc"])


def test_26_a_click_cookie_that_cant_be_read_is_not_sent_where_there_is_no_click(visit: Visit) -> None:
    visit.open(f"fbq('init', '{ID}')")
    hits = events(visit, UNREADABLE, "")[1]
    assert [hit.get("fbc") for hit in hits] == [None] * len(UNREADABLE)


def test_26_a_cookie_is_renewed_at_the_domain_whose_index_it_names(visit: Visit) -> None:
    value = f"fb.2.{MADE_MS}.123"
    put(visit, "_fbp", value, ".www.shop.example")
    visit.open(VIEW, at="http://www.shop.example/")
    assert visit.hits(1)[0]["fbp"] == value
    (cookie,) = visit.context.cookies()
    assert (cookie["domain"], cookie["value"]) == (".www.shop.example", value)
    assert is_fresh(dict(cookie))


def test_27_a_browser_that_keeps_no_cookies_sends_without_them(visit: Visit) -> None:
    session = visit.context.new_cdp_session(visit.page)
    session.send("Emulation.setDocumentCookieDisabled", {"disabled": True})
    visit.open(VIEW, at=SHOP + "/?fbclid=AbC")
    (hit,) = visit.hits(1)
    assert hit["ev"] == "PageView"
    assert not {"fbp", "fbc"} & set(hit.fields)
    assert visit.context.cookies() == []


def test_27_a_host_that_is_a_public_suffix_has_none_of_a_domain(visit: Visit) -> None:
    """Such a host, as `localhost` and an address, may keep one of its own or none: what is kept is what is sent."""
    for n, host in enumerate(("co.uk", "localhost", "192.0.2.7"), 1):
        visit.context.clear_cookies()
        visit.open(VIEW, at=f"http://{host}/")
        hit = visit.hits(n)[-1]
        kept = visit.cookies().get("_fbp")
        assert hit.get("fbp") == (kept["value"] if kept else None)
        assert kept is None or kept["domain"] == host


def test_27_a_frame_that_may_have_no_cookies_sends_without_them(visit: Visit) -> None:
    visit.open(VIEW, at=SHOP + "/frame")
    visit.hits(1)
    visit.context.clear_cookies()
    visit.web.pages[SHOP + "/"] = f"<!doctype html><iframe sandbox=allow-scripts src={SHOP}/frame></iframe>"
    visit.page.goto(SHOP + "/")
    hit = visit.hits(2)[1]
    assert hit["if"] == "true"
    assert not {"fbp", "fbc"} & set(hit.fields)
    assert visit.context.cookies() == []


@pytest.mark.parametrize("value", ["false", "'false'"])
def test_28_a_pixel_without_first_party_cookies_writes_none(visit: Visit, value: str) -> None:
    visit.open(f"fbq('set', 'firstPartyCookies', {value}, '{ID}'); {VIEW} {LEAD}", at=SHOP + "/?fbclid=AbC")
    for hit in visit.hits(2):
        assert not {"fbp", "fbc"} & set(hit.fields)
    assert visit.context.cookies() == []


def test_28_another_pixel_of_the_page_still_writes_them(visit: Visit) -> None:
    off = f"fbq('set', 'firstPartyCookies', false, '{ID}')"
    visit.open(f"{off}; fbq('init', '{ID}'); fbq('init', '{OTHER}'); fbq('track', 'PageView')")
    found = {hit["id"]: hit.get("fbp") for hit in visit.hits(2)}
    assert found == {ID: None, OTHER: visit.cookies()["_fbp"]["value"]}
