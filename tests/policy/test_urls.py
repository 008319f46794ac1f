"""What a page's address tells, and Meta's appendix."""

from __future__ import annotations

import pytest

from truecount.policy.urls import Kind, fbc_of, host_of, landing_of, origin_of, strip_appendix, within

HASH = "62a14e44f765419d10fea99367361a727c12365e2520f32218d505ed9aa0f62f"

LANDINGS = [
    ("https://s.example/", ("", "", "")),
    ("https://s.example/?utm_campaign=spring%20sale&utm_source=news", ("spring sale", "news", "")),
    ("https://s.example/?utm_campaign=spring+sale", ("spring sale", "", "")),
    ("https://s.example/?utm_id=77&campaign_id=88", ("77", "", "")),
    ("https://s.example/?campaign_id=00123", ("00123", "", "")),
    ("https://s.example/?utm_campaign=&utm_id=77", ("77", "", "")),
    ("https://s.example/?fbclid=IwAR0_x-Y&utm_campaign=a", ("a", "facebook", "IwAR0_x-Y")),
    ("https://s.example/?gclid=1", ("", "google", "")),
    ("https://s.example/?ttclid=1", ("", "tiktok", "")),
    ("https://s.example/?msclkid=1", ("", "microsoft", "")),
    ("https://s.example/?gclid=1&fbclid=2", ("", "facebook", "2")),
    ("https://s.example/?fbclid=2&utm_source=ig", ("", "ig", "2")),
    ("https://s.example/#/p?utm_campaign=spa&fbclid=7", ("spa", "facebook", "7")),
    ("https://s.example/?utm_campaign=first&utm_campaign=second", ("first", "", "")),
    ("https://s.example/?my_utm_campaign=no", ("", "", "")),
    ("", ("", "", "")),
    ("not a url ?fbclid=1", ("", "facebook", "1")),
]


@pytest.mark.parametrize(("url", "expected"), LANDINGS, ids=range(len(LANDINGS)))
def test_a_landing_tells_campaign_source_and_click_id(url: str, expected: tuple[str, str, str]) -> None:
    landing = landing_of(url)
    assert (landing.campaign, landing.campaign_source, landing.fbclid) == expected


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://Shop.Example:8443/a", "shop.example"),
        ("http://shop.example.", "shop.example"),
        ("https://u:p@shop.example/", "shop.example"),
        ("https://evil.example\\@shop.example/", "evil.example"),
        ("https://[2001:db8::1]:80/", "[2001:db8::1]"),
        ("ftp://shop.example/", ""),
        ("shop.example/a", ""),
        ("null", ""),
    ],
)
def test_a_host_is_read_in_lower_case_without_port(url: str, host: str) -> None:
    assert host_of(url) == host


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://Shop.Example/a?b", "https://shop.example"),
        ("https://shop.example:443/", "https://shop.example"),
        ("https://shop.example:8443", "https://shop.example:8443"),
        ("http://[::1]:80/", "http://[::1]"),
        ("null", ""),
        ("https://shop.example:port/", "https://shop.example"),
        ("chrome-extension://abc", ""),
        ("https://", ""),
    ],
)
def test_an_origin_is_scheme_host_and_unusual_port(url: str, origin: str) -> None:
    assert origin_of(url) == origin


def test_a_domain_covers_its_subdomains_and_no_other() -> None:
    for domain in ("shop.example", "*.shop.example", ".shop.example", " Shop.Example. "):
        assert within("shop.example", (domain,))
        assert within("www.shop.example", (domain,))
        assert not within("evilshop.example", (domain,))
        assert not within("example", (domain,))
    assert not within("shop.example", ())
    assert not within("shop.example", ("", "*"))


APPENDICES: list[tuple[str, Kind, str]] = [
    ("fb.1.1791212460000.123456", "fbp", "fb.1.1791212460000.123456"),
    ("fb.1.1791212460000.123456.AQYCAQMB", "fbp", "fb.1.1791212460000.123456"),
    ("fb.2.1791212460000.123456.Bg", "fbp", "fb.2.1791212460000.123456"),
    ("fb.1.1791212460000.IwAR0.AQYCAQMA", "fbc", "fb.1.1791212460000.IwAR0"),
    ("fb.1.1791212460000.IwAR0.toolong99", "fbc", "fb.1.1791212460000.IwAR0.toolong99"),
    ("whatever.AQYCAQMB", "fbp", "whatever.AQYCAQMB"),
    (HASH, "hash", HASH),
    (HASH + ".AQYCAQMB", "hash", HASH),
    (HASH + ".Bg", "hash", HASH),
    ("jane.AQYCAQMB", "hash", "jane.AQYCAQMB"),
    ("203.0.113.7.AQYCAQMB", "address", "203.0.113.7"),
    ("2001:db8::1.AQYCAQMB", "address", "2001:db8::1"),
    ("https://s.example/p?x=1&fbclid=AbC.AQICAQMC", "url", "https://s.example/p?x=1&fbclid=AbC"),
    ("https://s.example/p/image.AQYFAQMB", "url", "https://s.example/p/image.AQYFAQMB"),
    ("https://s.example/p/file.download", "url", "https://s.example/p/file.download"),
    ("https://s.example/p/file.jpg", "url", "https://s.example/p/file.jpg"),
    (".AQYCAQM\n", "url", ".AQYCAQM\n"),
]


@pytest.mark.parametrize(("value", "kind", "expected"), APPENDICES, ids=range(len(APPENDICES)))
def test_an_appendix_goes_and_nothing_else(value: str, kind: Kind, expected: str) -> None:
    assert strip_appendix(value, kind) == expected


def test_a_click_id_cookie_is_made_as_servers_make_it() -> None:
    assert fbc_of("IwAR0_x-Y", 1791212460000) == "fb.1.1791212460000.IwAR0_x-Y"
    assert fbc_of("x" * 500, 1) == "fb.1.1." + "x" * 500


@pytest.mark.parametrize("fbclid", ["", "x" * 501, "a.b", "a b", "a\n"])
def test_a_click_id_that_could_not_be_read_back_makes_no_cookie(fbclid: str) -> None:
    assert fbc_of(fbclid, 1791212460000) == ""
