"""Pages of many events at once say what each says alone."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from truecount.policy.pages import clean_urls, landings_of
from truecount.policy.scrub import scrub_url
from truecount.policy.urls import landing_of, strip_appendix

PIECES = (
    "?", "&", "#", ";", "=", "/", "utm_", "utm_campaign=", "utm_source=", "utm_id=", "campaign_id=", "fbclid=",
    "gclid=",
    "ttclid=", "gbraid=", "msclkid=", "spring", "meta", "IwAR0-x_Y", "4915112345678", "12-34 56 78", "%40", "@", "%20",
    "jane.doe@shop.example", "jane%40shop.example", "\x1e", "\\u0040", "&#64;", "+49 151 12345678", "é", ".AQABCDEF",
)  # fmt: skip
LAWS = settings(max_examples=300, deadline=None, derandomize=True)
urls = st.builds(
    lambda host, parts: host + "".join(parts),
    st.sampled_from(("https://shop.example/p", "https://shop.example", "", "utm_", "/")),
    st.lists(st.sampled_from(PIECES), max_size=9),
)


@LAWS
@example(["https://shop.example/?utm_campaign=utm_source=/?fbclid=spring"])
@given(st.lists(urls, min_size=1, max_size=12))
def test_landings_together_say_what_each_says_alone(pages: list[str]) -> None:
    alone = [landing_of(url) for url in pages]
    together = landings_of(pages)
    if together is None:
        assert all(landing == ("", "", "") for landing in alone)
        return
    assert list(zip(together.campaigns, together.sources, strict=True)) == [landing[:2] for landing in alone]
    assert together.click_ids == {row: landing.fbclid for row, landing in enumerate(alone) if landing.fbclid}


@LAWS
@example(["https://shop.example/?fbclid=jane@shop.example"])
@given(st.lists(urls, min_size=1, max_size=12))
def test_pages_together_are_cleaned_as_each_is_alone(pages: list[str]) -> None:
    taken: dict[int, tuple[str, ...]] = {}
    together = clean_urls(pages, taken.__setitem__)
    alone = [scrub_url(strip_appendix(url.strip(), "url")) for url in pages]
    assert together == [clean for clean, _ in alone]
    assert taken == {row: kinds for row, (_, kinds) in enumerate(alone) if kinds}


def test_a_click_id_that_looks_like_a_number_stays_and_what_stands_beside_it_goes() -> None:
    ids = "https://s.example/?fbclid=IwAR4915112345678"
    with_phone = "https://s.example/?phone=%2B4915112345678&fbclid=IwAR4915112345678"
    taken: dict[int, tuple[str, ...]] = {}
    clean = clean_urls([ids, with_phone, ids], taken.__setitem__)
    assert clean[0] == clean[2] == ids
    assert "fbclid=IwAR4915112345678" in clean[1]
    assert "phone=%2B49" not in clean[1]
    assert taken == {1: ("phone",)}
