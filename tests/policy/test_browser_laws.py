"""Laws of the browser door's steps, for any hit."""

from __future__ import annotations

from urllib.parse import quote, unquote

from hypothesis import given, settings
from hypothesis import strategies as st

from truecount.copies import Copy, columns_of, copies_of, pack
from truecount.datasets import Dataset, DatasetSettings
from truecount.policy.browser import Hit, Receipt, keep_hit, keep_hits
from truecount.policy.hit_columns import MOST_HITS, MOST_KEYS, apart
from truecount.policy.hits import CLOCKS, JSON_KEYS, NAMED, TECHNICAL
from truecount.vocabulary import DIGEST_KEYS, PLAIN_KEYS, RARE_DIGEST_KEYS, Reason

NOW_US = 1_791_212_460_500_000
KEY = b"k" * 32

KEYS = sorted({
    *NAMED, *TECHNICAL, *CLOCKS, *(f"cd[{name}]" for name in JSON_KEYS),
    *(f"{kind}[{name}]" for kind in ("ud", "aud", "udff", "cud")
      for name in (*DIGEST_KEYS, *RARE_DIGEST_KEYS, *PLAIN_KEYS, "fbp", "zz")),
    *(f"cd[{name}]" for name in ("value", "currency", "order_id", "item_number", "note", "phone", "email", "")),
    "pmd[title]", "expv2[0]", "new", "ud", "em",
})  # fmt: skip
SETTINGS = st.builds(
    DatasetSettings,
    allowed_domains=st.sampled_from([(), ("s.example",)]),
    blocked_domains=st.sampled_from([(), ("t.example",)]),
    allowed_origins=st.sampled_from([(), ("https://s.example",)]),
    consent_default=st.sampled_from(["granted", "denied"]),
    denied_events=st.sampled_from(["limit", "withhold"]),
    country=st.sampled_from(["", "US", "DE"]),
)
DEFAULT = DatasetSettings()
LAWS = settings(max_examples=100, deadline=None, derandomize=True)

TEXT = st.text(st.characters(), max_size=30) | st.sampled_from([
    "https://s.example/?fbclid=x&utm_campaign=y", "[1,{}]", '["a"]', "\ud800", "denied", "1791212460000", "fb.1.1.x",
    "-1e9",
    "%", "+", "[" * 3000, "automatic", "https://[", "1" * 5000,
])  # fmt: skip


def hit_of(pairs: dict[str, str], *heads: str) -> Hit:
    return Hit(tuple(pairs), list(pairs.values()), *heads)


def dataset(chosen: DatasetSettings = DEFAULT) -> Dataset:
    return Dataset(id="42", name="shop", created_us=0, settings=chosen)


@LAWS
@given(
    st.dictionaries(st.sampled_from(KEYS) | TEXT, TEXT, max_size=12),
    st.tuples(TEXT, TEXT, TEXT, TEXT),
    TEXT,
    st.booleans(),
    SETTINGS,
)
def test_any_hit_is_kept_or_has_a_reason(
    pairs: dict[str, str], heads: tuple[str, str, str, str], purpose: str, named: bool, chosen: DatasetSettings
) -> None:
    if named:
        pairs["ev"] = "Purchase"
    before = dict(pairs)
    receipt = Receipt(dataset(chosen), NOW_US, KEY)
    got = keep_hit(hit_of(pairs, *heads, purpose), receipt)
    assert pairs == before
    if isinstance(got, Copy):
        part = pack(1, columns_of([got]))
        assert columns_of(copies_of(part)) == columns_of([got])
        assert "\0" not in repr(got)
        assert got.received_us == NOW_US
    else:
        assert isinstance(got, Reason)
    assert keep_hit(hit_of(pairs, *heads, purpose), receipt) == got


VALUES = TEXT | st.sampled_from([
    "Purchase", "granted", "899", "899.00", "4111111111111111", "+4915123456789", "INR", "fb.1.1791212460000.123",
    "fb.1.1791212460000.124", *(f"{at:064x}" for at in range(4)), '[{"id":"1"}]', '[{"id":"jane@x.com"}]', "jane@x.com",
    "https://s.example/?utm_campaign=a&utm_source=b", "https://s.example/?utm_campaign=c", "https://s.example/?fbclid=12345678",
    "https://s.example/?fbclid=q&utm_source=jane@x.com", "1027.5", "1e9", "\x1e", 'a"b', "ord-1", "ord-2", "null", "DE",
])  # fmt: skip
SHAPES = st.lists(
    st.lists(st.sampled_from([*KEYS, "cd[a@b.co]", "ud[em]\0", "ud[email]", "vdpo"]), max_size=9, unique=True).map(
        tuple
    ),
    min_size=1,
    max_size=3,
)
HEADS = st.tuples(
    st.sampled_from(["203.0.113.7", "203.0.113.8", "2001:db8::1", "?", ""]),
    st.sampled_from(["", "Mozilla/5.0 Chrome/141.0.0.0", "curl/8", "Googlebot/2.1", "jane@x.com"]),
    st.sampled_from(["", "https://s.example", "null"]),
    st.sampled_from(["", "https://s.example/a"]),
    st.sampled_from(["", "prefetch"]),
)


@settings(LAWS, max_examples=400)
@given(st.data(), SHAPES, SETTINGS)
def test_hits_together_give_what_each_gives_alone(
    data: st.DataObject, shapes: list[tuple[str, ...]], chosen: DatasetSettings
) -> None:
    """Hits of one shape share their keys, as the door's do: whatever one visitor said stays with that visitor."""
    hits = []
    for _ in range(data.draw(st.integers(1, 7))):
        keys = data.draw(st.sampled_from(shapes))
        texts = [data.draw(VALUES) for _ in keys]
        if "ev" in keys and data.draw(st.integers(0, 5)):
            texts[keys.index("ev")] = "Purchase"
        hits.append(Hit(keys, texts, *data.draw(HEADS)))
    receipt = Receipt(dataset(chosen), NOW_US, KEY)
    kept = keep_hits(hits, receipt)
    copies = iter(copies_of(pack(kept.n, kept.columns)))
    together = [kept.ended[at] if at in kept.ended else next(copies) for at in range(len(hits))]
    assert together == [keep_hit(hit, receipt) for hit in hits]
    assert kept.private == [private for hit in hits for private in keep_hits([hit], receipt).private]


def test_what_each_of_many_visitors_said_stays_with_that_visitor() -> None:
    """A Purchase in full of 100 visitors, every third without match keys, every fifth of a landing page."""
    keys = ("ev", "dl", "eid", "fbp", "cd[value]", "cd[note]", "sw", "ud[em]")
    anonymous = keys[:-1]
    hits = []
    for at in range(100):
        landing = f"?utm_campaign=c{at}&fbclid=click{at}" if at % 5 == 0 else ""
        texts = [
            "Purchase",
            f"https://s.example/{at}{landing}",
            f"id-{at}",
            f"fb.1.1.{at}",
            f"{at}",
            f"note {at}",
            f"{at}",
        ]
        known = at % 3 != 0
        agent = f"Mozilla/5.0 ({at})"
        hits.append(
            Hit(keys if known else anonymous, [*texts, f"{at:064x}"] if known else texts, f"203.0.113.{at}", agent)
        )
    kept = keep_hits(hits, Receipt(dataset(), NOW_US, KEY))
    for at, copy in enumerate(copies_of(pack(kept.n, kept.columns))):
        campaign = f"c{at}" if at % 5 == 0 else ""
        assert (copy.event_id, copy.fbp, copy.value_e4, copy.campaign) == (
            f"id-{at}",
            f"fb.1.1.{at}",
            at * 10_000,
            campaign,
        )
        assert copy.fbc == (f"fb.1.{NOW_US // 1000}.click{at}" if campaign else "")
        assert (copy.custom_data, copy.extra) == (f'{{"note":"note {at}","value":"{at}"}}', f'{{"sw":"{at}"}}')
        assert copy.em == (at.to_bytes(32, "big") if at % 3 else b"")
        assert kept.private[at] == (f"203.0.113.{at}", f"Mozilla/5.0 ({at})")
    assert kept.n == 100


@LAWS
@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 300)), max_size=40), st.integers(0, 600))
def test_hits_are_cut_in_order_into_runs_of_bounded_width(sizes: list[tuple[int, int]], more: int) -> None:
    hits = [hit_of({f"k{start + key}": "" for key in range(n)}) for start, n in sizes] + [hit_of({"ev": "Lead"})] * more
    runs = apart(hits)
    assert [hit for run in runs for hit in run] == hits
    for run in runs:
        assert 1 <= len(run) <= MOST_HITS
        alike = len({hit.keys for hit in run}) == 1
        assert alike or len({key for hit in run for key in hit.keys}) <= MOST_KEYS


ENCODINGS = [
    lambda s: s,
    lambda s: quote(s, safe=""),
    lambda s: quote(quote(s, safe=""), safe=""),
    lambda s: s.replace("@", "%40").replace("+", "%2B"),
    lambda s: s.replace("@", "\\u0040"),
    str.upper,
]
PLACES = sorted(set(KEYS) - {"id"})


def flat(copy: Copy) -> str:
    """All text of a copy, decoded as often as it may have been encoded."""
    text = repr(copy).lower()
    for _ in range(4):
        text = unquote(text).replace("\\\\", "\\")
    return text.replace("\\u0040", "@")


@LAWS
@given(
    st.lists(st.sampled_from(PLACES) | st.just("KEY") | st.just("CD"), min_size=1, max_size=6, unique=True),
    st.text("abcdefgh0123456789._+-", min_size=2, max_size=10),
    st.sampled_from(ENCODINGS),
    st.sampled_from(
        ["{}", "hello {} there", "https://s.example/?a=1&m={}&b=2#x", '["{}"]', '{{"a":{{"b":"{}"}}}}', "x/{}/y"]
    ),
)
def test_no_email_survives_wherever_it_was_put(places: list[str], local: str, encode, around: str) -> None:  # type: ignore[no-untyped-def]
    email = f"q{local}q@mail-host.example.com"
    text = around.format(encode(email))
    pairs = {"ev": "Lead"}
    for place in places:
        if place == "KEY":
            pairs[text] = "1"
        elif place == "CD":
            pairs[f"cd[{text}]"] = "1"
        else:
            pairs[place] = text
    got = keep_hit(hit_of(pairs, "203.0.113.7", "Mozilla/5.0"), Receipt(dataset(), NOW_US, KEY))
    assert not isinstance(got, Copy) or email not in flat(got)


PHONES = st.sampled_from([
    "+4915123456789", "+1 (650) 555-1212", "+49 151 2345 6789", "650-555-1212", "(650) 555-1212", "0151-23456789",
    "020 7946 0958", "98765 43210", "+91 98765 43210", "01 23 45 67 89", "4111 1111 1111 1111", "5500005555555559",
])  # fmt: skip
ID_PLACES = {
    "id", "eid", "ev", "fbp", "fbc", "ts", "consent", "test_event_code", "cd[order_id]", "cd[item_number]",
    "cd[content_ids]",
    *(f"{kind}[{name}]" for kind in ("ud", "aud", "udff") for name in (*PLAIN_KEYS, "fbp")),
}  # fmt: skip


@LAWS
@given(
    st.lists(st.sampled_from(sorted(set(PLACES) - ID_PLACES)), min_size=1, max_size=6, unique=True),
    PHONES,
    st.sampled_from(["{}", "hello {} there", "https://s.example/?a=1&m={}&b=2#x", "[]{}"]),
    st.booleans(),
)
def test_no_phone_and_no_card_survives_but_in_ids(places: list[str], number: str, around: str, quoted: bool) -> None:
    text = around.format(quote(number, safe="") if quoted or "?" in around else number)
    pairs = dict.fromkeys(places, text)
    pairs["ev"] = "Lead"
    got = keep_hit(hit_of(pairs, "203.0.113.7", "Mozilla/5.0"), Receipt(dataset(), NOW_US, KEY))
    assert isinstance(got, Copy)
    assert number not in flat(got)
