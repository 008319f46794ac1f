"""From a hit to the copy that is kept: each rule of the browser door."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from truecount.copies import DEFAULTS, FIELDS, Copy, columns_of, pack
from truecount.datasets import Dataset, DatasetSettings
from truecount.policy.address import day_key
from truecount.policy.browser import BROWSER_STEPS, Hit, Receipt, keep_hit
from truecount.policy.consent import LIMITED_BLANK
from truecount.policy.scrub import scrub_id, scrub_json, scrub_text
from truecount.vocabulary import Mark, Reason

NOW_US = 1_791_212_460_500_000
NOW_MS = NOW_US // 1000
DAY_MS = 86_400_000
CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36"
KEY = day_key(b"secret" * 6, NOW_US)
JANE = "john_smith@gmail.com"
JANE_HASH = "62a14e44f765419d10fea99367361a727c12365e2520f32218d505ed9aa0f62f"


def hit_of(pairs: dict[str, str], *heads: str) -> Hit:
    return Hit(tuple(pairs), list(pairs.values()), *heads)


def keep(
    pairs: dict[str, str] | None = None,
    *,
    agent: str = CHROME,
    address: str = "203.0.113.9",
    origin: str = "",
    referer: str = "",
    purpose: str = "",
    **settings: Any,
) -> Copy | Reason:
    dataset = Dataset(id="42", name="shop", created_us=0, settings=DatasetSettings(**settings))
    hit = hit_of({"id": "42", "ev": "Purchase", **(pairs or {})}, address, agent, origin, referer, purpose)
    return keep_hit(hit, Receipt(dataset, NOW_US, KEY))


def kept(pairs: dict[str, str] | None = None, **more: Any) -> Copy:
    copy = keep(pairs, **more)
    assert isinstance(copy, Copy)
    pack(1, columns_of([copy]))
    return copy


def custom(pairs: dict[str, str]) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(kept(pairs).custom_data or "{}")
    return data


def extra(pairs: dict[str, str]) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(kept(pairs).extra or "{}")
    return data


def test_the_steps_are_a_list_with_a_name_for_each() -> None:
    names = [name for name, _ in BROWSER_STEPS]
    assert len(set(names)) == len(names)
    assert all(step.__name__ == name for name, step in BROWSER_STEPS)


def test_a_whole_hit_becomes_a_whole_copy() -> None:
    copy = kept({
        "dl": "https://shop.example/thanks?utm_source=news&utm_campaign=spring", "rl": "https://shop.example/cart",
        "if": "false", "ts": str(NOW_MS - 500),
        "cd[value]": "899.00", "cd[currency]": "inr",
        "cd[contents]": '[{"id":"190","quantity":1,"item_price":3}]', "cd[order_id]": "1001", "cd[item_number]": "2",
        "sw": "2560", "sh": "1440", "ud[em]": JANE_HASH, "v": "2.9.170", "r": "stable", "a": "seg",
        "ec": "0", "o": "4126",
        "fbp": "fb.1.1791212460000.123", "fbc": "fb.1.1791212460000.IwAR0", "it": str(NOW_MS - 900), "coo": "false",
        "eid": "ord-77", "rqm": "GET",
    })  # fmt: skip
    assert (copy.dataset, copy.source, copy.received_us) == ("42", "browser", NOW_US)
    assert (copy.event_name, copy.event_id, copy.event_time_ms) == ("Purchase", "ord-77", NOW_MS - 500)
    assert (copy.value_e4, copy.currency, copy.order_id, copy.item_number) == (8_990_000, "INR", "1001", "2")
    assert (copy.fbp, copy.fbc) == ("fb.1.1791212460000.123", "fb.1.1791212460000.IwAR0")
    assert copy.em == bytes.fromhex(JANE_HASH)
    assert (copy.campaign, copy.campaign_source, copy.agent) == ("spring", "news", "seg")
    assert (copy.browser, copy.visitor, copy.address) == ("Chrome", "person", "203.0.113.0")
    assert copy.weak != 0
    assert (copy.marks, copy.removed, copy.notes) == (0, None, None)
    assert json.loads(copy.custom_data) == {
        "value": "899.00", "currency": "inr", "contents": [{"id": "190", "quantity": 1, "item_price": 3}],
        "order_id": "1001", "item_number": "2",
    }  # fmt: skip
    assert json.loads(copy.extra) == {
        "if": "false", "sw": "2560", "sh": "1440", "v": "2.9.170", "r": "stable", "ec": "0", "o": "4126",
        "it": str(NOW_MS - 900), "coo": "false", "rqm": "GET",
    }  # fmt: skip


def test_a_noscript_image_of_two_keys_is_enough() -> None:
    copy = kept({"ev": "PageView", "noscript": "1"}, referer="https://shop.example/")
    assert (copy.event_name, copy.event_time_ms, copy.url) == ("PageView", NOW_MS, "")


@pytest.mark.parametrize(
    ("pairs", "reason"),
    [
        ({"ev": ""}, Reason.NO_EVENT_NAME),
        ({"ev": "  "}, Reason.NO_EVENT_NAME),
        ({"ev": "\0"}, Reason.NO_EVENT_NAME),
        ({"ev": "x" * 101}, Reason.BAD_EVENT_NAME),
    ],
)
def test_a_hit_without_a_usable_event_name_is_refused(pairs: dict[str, str], reason: Reason) -> None:
    assert keep(pairs) is reason


@pytest.mark.parametrize(
    ("ts", "kept_as"),
    [
        (NOW_MS, NOW_MS),
        (NOW_MS - 7 * DAY_MS, NOW_MS - 7 * DAY_MS),
        (NOW_MS - 7 * DAY_MS - 1, NOW_MS),
        (NOW_MS + 600_000, NOW_MS + 600_000),
        (NOW_MS + 600_001, NOW_MS),
        (NOW_MS // 1000, NOW_MS),
        ("", NOW_MS),
        ("soon", NOW_MS),
        ("-5", NOW_MS),
        ("1" * 400, NOW_MS),
        ("²", NOW_MS),
    ],
    ids=range(11),
)
def test_the_event_time_is_ts_while_it_lies_near_receipt(ts: object, kept_as: int) -> None:
    copy = kept({"ts": str(ts)})
    assert copy.event_time_ms == kept_as
    assert (copy.notes == ("unusable:ts",)) == (str(ts) not in (str(kept_as), ""))


@pytest.mark.parametrize(
    ("ts_ms", "kept_as"),
    [(0, 0), (-7 * DAY_MS, -7 * DAY_MS), (-7 * DAY_MS - 1, 0), (600_000, 600_000), (600_001, 0)],
)
def test_the_event_time_is_judged_by_the_clock_where_receipt_stands_ahead_of_it(ts_ms: int, kept_as: int) -> None:
    shop = Dataset(id="42", name="shop", created_us=0)
    pairs = {"id": "42", "ev": "Lead", "ts": str(NOW_MS + ts_ms)}
    copy = keep_hit(hit_of(pairs), Receipt(shop, NOW_US + 30 * DAY_MS * 1000, KEY, clock_us=NOW_US))
    assert isinstance(copy, Copy)
    assert (copy.event_time_ms, copy.received_us) == (NOW_MS + kept_as, NOW_US + 30 * DAY_MS * 1000)


# --- permissions -----------------------------------------------------------------------------------------------------

PERMISSIONS = [
    ({"allowed_domains": ("shop.example",)}, "https://shop.example/", None),
    ({"allowed_domains": ("shop.example",)}, "https://www.shop.example/", None),
    ({"allowed_domains": ("shop.example",)}, "https://evilshop.example/", Reason.DOMAIN_NOT_ALLOWED),
    ({"allowed_domains": ("shop.example",)}, "", Reason.DOMAIN_NOT_ALLOWED),
    ({"blocked_domains": ("copy.example",)}, "https://www.copy.example/", Reason.DOMAIN_BLOCKED),
    ({"blocked_domains": ("copy.example",)}, "", None),
    (
        {"blocked_domains": ("a.b.example",), "allowed_domains": ("b.example",)},
        "https://a.b.example/",
        Reason.DOMAIN_BLOCKED,
    ),
    ({"allowed_origins": ("https://shop.example",)}, "https://shop.example/x?y", None),
    ({"allowed_origins": ("https://Shop.example:443/",)}, "https://shop.example/x?y", None),
    ({"allowed_origins": ("https://shop.example",)}, "http://shop.example/", Reason.ORIGIN_NOT_ALLOWED),
    ({"allowed_origins": ("https://shop.example",)}, "https://www.shop.example/", Reason.ORIGIN_NOT_ALLOWED),
    ({"allowed_origins": ("https://shop.example",)}, "", Reason.ORIGIN_NOT_ALLOWED),
]


@pytest.mark.parametrize(("settings", "page", "reason"), PERMISSIONS, ids=range(len(PERMISSIONS)))
def test_a_dataset_says_where_its_hits_may_come_from(
    settings: dict[str, Any], page: str, reason: Reason | None
) -> None:
    for got in (
        keep({"dl": page}, **settings),
        keep({"dl": ""}, origin=page, **settings),
        keep(None, origin="null", referer=page, **settings),
    ):
        assert got is reason if reason else isinstance(got, Copy)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"allowed_origins": ("https://shop.example",)}, Reason.ORIGIN_NOT_ALLOWED),
        ({"allowed_domains": ("shop.example",)}, Reason.DOMAIN_NOT_ALLOWED),
        ({"blocked_domains": ("evil.example",)}, Reason.DOMAIN_BLOCKED),
    ],
    ids=range(3),
)
def test_permissions_must_hold_for_the_page_that_is_told_and_for_the_origin_that_the_browser_tells(
    settings: dict[str, Any], reason: Reason
) -> None:
    shop, evil = "https://shop.example", "https://evil.example"
    assert keep({"dl": shop + "/thanks"}, origin=evil, **settings) is reason
    assert keep({"dl": evil + "/thanks"}, origin=shop, **settings) is reason
    assert keep({"dl": evil + "/thanks"}, referer=shop, **settings) is reason
    for origin in (shop, "", "null"):
        assert isinstance(keep({"dl": shop + "/thanks"}, origin=origin, referer=evil, **settings), Copy)


def test_automatic_events_are_refused_where_the_dataset_says_so() -> None:
    assert keep({"es": "automatic"}, automatic_events=False) is Reason.AUTOMATIC_EVENTS_OFF
    assert isinstance(keep({"es": "automatic"}), Copy)
    assert isinstance(keep(automatic_events=False), Copy)


# --- consent, marks --------------------------------------------------------------------------------------------------

FULL = {
    "dl": "https://shop.example/a?utm_campaign=x&fbclid=abc#f", "rl": "https://shop.example/", "eid": "e-1",
    "cd[value]": "5", "cd[currency]": "EUR", "cd[order_id]": "7", "ud[em]": JANE, "ud[lead_id]": "123456789012345",
    "fbp": "fb.1.1.2", "sw": "1", "pmd[title]": "Thanks, Jane",
}  # fmt: skip


def test_a_limited_hit_keeps_event_value_id_and_page_alone() -> None:
    copy = kept({**FULL, "consent": "denied"})
    assert (copy.event_name, copy.event_id, copy.value_e4, copy.currency) == ("Purchase", "e-1", 50_000, "EUR")
    assert (copy.url, copy.consent, copy.marks) == ("https://shop.example/a", "denied", int(Mark.LIMITED))
    values = dict(zip(FIELDS, (getattr(copy, name) for name in FIELDS), strict=True))
    assert {name: values[name] for name in LIMITED_BLANK} == {
        name: default for name, default in zip(FIELDS, DEFAULTS, strict=True) if name in LIMITED_BLANK
    }


def test_consent_denied_is_withheld_where_the_dataset_says_so() -> None:
    assert keep({"consent": "denied"}, denied_events="withhold") is Reason.CONSENT_DENIED
    assert keep(consent_default="denied", denied_events="withhold") is Reason.CONSENT_DENIED
    assert isinstance(keep({"consent": "granted"}, consent_default="denied", denied_events="withhold"), Copy)


def test_where_nothing_was_said_the_datasets_default_decides() -> None:
    copy = kept(FULL, consent_default="denied")
    assert (copy.consent, copy.marks, copy.em) == ("", int(Mark.LIMITED), b"")
    assert kept(FULL).em == bytes.fromhex(JANE_HASH)


@pytest.mark.parametrize(
    ("pairs", "marked"),
    [
        ({"dpo": "LDU", "dpoco": "0", "dpost": "0"}, True),
        ({"vdpo": "LDU"}, True),
        ({"dpo": ""}, False),
        ({}, False),
    ],
)
def test_limited_data_use_is_a_mark_and_keeps_all(pairs: dict[str, str], marked: bool) -> None:
    copy = kept({**FULL, **pairs})
    assert bool(copy.marks & Mark.LDU) is marked
    assert copy.em == bytes.fromhex(JANE_HASH)


def test_a_test_event_code_is_a_mark() -> None:
    copy = kept({"test_event_code": "TEST123"})
    assert (copy.test_event_code, copy.marks) == ("TEST123", int(Mark.TEST))


@pytest.mark.parametrize(
    ("agent", "purpose", "visitor", "marks"),
    [
        (CHROME, "", "person", 0),
        ("Googlebot/2.1", "", "bot", Mark.BOT),
        ("curl/8.5.0", "", "tool", Mark.TOOL),
        (CHROME, "prefetch;prerender", "prefetch", Mark.BOT),
        ("", "", "unknown", 0),
    ],
)
def test_the_kind_of_visitor_is_a_mark_and_refuses_nobody(agent: str, purpose: str, visitor: str, marks: int) -> None:
    copy = kept(agent=agent, purpose=purpose)
    assert (copy.visitor, copy.marks) == (visitor, int(marks))


# --- match keys ------------------------------------------------------------------------------------------------------


def digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def test_user_data_raw_or_hashed_gives_the_same_digests() -> None:
    raw = kept(
        {"ud[em]": " John_Smith@gmail.com ", "ud[ph]": "+1 (650) 555-1212", "ud[fn]": "Mary", "ud[country]": "US"}
    )
    hashed = kept({
        "ud[em]": JANE_HASH.upper(), "ud[ph]": digest("16505551212").hex(), "ud[fn]": digest("mary").hex(),
        "ud[country]": digest("us").hex() + ".AQYCAQMB",
    })  # fmt: skip
    for name in ("em", "ph", "fn", "country"):
        assert getattr(raw, name)[:32] == getattr(hashed, name) != b""


def test_another_reading_of_a_key_is_kept_behind_the_first() -> None:
    copy = kept({"ud[fn]": digest("o'neil").hex(), "aud[fn]": digest("oneil").hex(), "udff[fn]": digest("jane").hex()})
    assert copy.fn == digest("o'neil") + digest("oneil") + digest("jane")
    assert kept({"ud[em]": JANE_HASH, "aud[em]": JANE_HASH}).em == bytes.fromhex(JANE_HASH)
    assert kept({"udff[em]": JANE_HASH}).em == bytes.fromhex(JANE_HASH)


def test_a_hash_of_nothing_is_no_value() -> None:
    copy = kept({"ud[em]": digest("").hex()})
    assert (copy.em, copy.notes) == (b"", ("nothing:em",))


def test_keys_without_a_column_lie_together() -> None:
    copy = kept({"ud[lead_id]": "123456789012345", "ud[uid]": "user-42", "ud[f5first]": "Alexander", "ud[madid]": ""})
    assert copy.other_keys == {"lead_id": "123456789012345", "f5first": digest("alexa").hex()}
    assert copy.external_id[:32] == digest("user-42")


def test_unknown_and_masked_user_data_is_never_kept() -> None:
    pairs = {
        "ud[cn]": "Secretname", "ud": "Secretname", "cud[em]": "^***@****.**", "ncud[em]": "****@****.**",
        "aud[]": "Secretname", "udff[zz]": "Secretname", "fn": "Secretname", "em": "Secretname",
        "ud[client_ip_address]": "203.0.113.99", "ud[client_user_agent]": "Secretname",
    }  # fmt: skip
    copy = kept(pairs)
    assert copy.notes == ("unknown_user_data",)
    assert "Secretname" not in repr(copy) and "113.99" not in repr(copy) and "**" not in repr(copy)
    assert kept({"cud[em]": "****@****.**"}).notes is None


# --- fbp, fbc --------------------------------------------------------------------------------------------------------


def test_fbc_is_made_of_the_landings_click_id_where_the_page_has_none() -> None:
    page = {"dl": "https://shop.example/?fbclid=IwAR0_x-Y", "ts": str(NOW_MS - 5)}
    assert kept(page).fbc == f"fb.1.{NOW_MS - 5}.IwAR0_x-Y"
    assert kept({**page, "fbc": "fb.1.1.other"}).fbc == "fb.1.1.other"
    unreadable = kept({**page, "fbc": "nonsense"})
    assert (unreadable.fbc, unreadable.notes) == (f"fb.1.{NOW_MS - 5}.IwAR0_x-Y", ("unreadable:fbc",))
    assert kept({"dl": "https://shop.example/?fbclid=" + "x" * 501}).fbc == ""


def test_appendices_are_taken_off() -> None:
    copy = kept({
        "fbp": "fb.1.1791212460000.123.AQYCAQMB", "fbc": "fb.1.1791212460000.IwAR0.Bg",
        "dl": "https://shop.example/?fbclid=AbC.AQICAQMC", "rl": "https://shop.example/p.AQICAQMC",
    })  # fmt: skip
    assert (copy.fbp, copy.fbc) == ("fb.1.1791212460000.123", "fb.1.1791212460000.IwAR0")
    assert (copy.url, copy.referrer) == ("https://shop.example/?fbclid=AbC", "https://shop.example/p")


def test_fbp_passed_as_user_data_overrides_the_cookie() -> None:
    copy = kept({"ud[fbp]": "fb.1.1.9", "fbp": "fb.1.1.2", "ud[fbc]": "fb.1.1.x", "ud[em]": JANE})
    assert (copy.fbp, copy.fbc, copy.other_keys) == ("fb.1.1.9", "fb.1.1.x", None)


# --- custom data and the rest ----------------------------------------------------------------------------------------

CUSTOM = [
    ({"cd[content_ids]": '["383980"]'}, {"content_ids": ["383980"]}, None),
    ({"cd[content_ids]": "1234"}, {"content_ids": "1234"}, ("not_json:content_ids",)),
    ({"cd[content_ids]": "a,b"}, {"content_ids": "a,b"}, ("not_json:content_ids",)),
    ({"cd[contents]": '{"id":"1"}'}, {"contents": {"id": "1"}}, None),
    ({"cd[contents]": '[{"id":'}, {"contents": '[{"id":'}, ("not_json:contents",)),
    ({"cd[contents]": "[" * 9000}, {"contents": "[" * 9000}, ("not_json:contents",)),
    ({"cd[contents]": '["a\\u0000bc"]'}, {"contents": ["abc"]}, None),
    ({"cd[contents]": '["\\ud800"]'}, {"contents": '["\\ud800"]'}, ("not_json:contents",)),
    ({"cd[note]": '["not read"]'}, {"note": '["not read"]'}, None),
    ({"cd[buttonFeatures]": '{"tag":"a"}'}, {"buttonFeatures": {"tag": "a"}}, None),
    ({"cd[]": "x", "cd[a][b]": "y"}, {"": "x", "a][b": "y"}, None),
    ({"cd[value]": "much"}, {"value": "much"}, ("unreadable:value",)),
    ({"cd[currency]": "XX"}, {"currency": "XX"}, ("unreadable:currency",)),
]


@pytest.mark.parametrize(("pairs", "data", "notes"), CUSTOM, ids=range(len(CUSTOM)))
def test_custom_data_is_json_where_it_should_be_and_text_elsewhere(
    pairs: dict[str, str], data: dict[str, Any], notes: tuple[str, ...] | None
) -> None:
    for _ in range(2):  # the second time from the memo
        assert custom(pairs) == data
        assert kept(pairs).notes == notes


def test_unknown_keys_and_opaque_ones_are_kept() -> None:
    pairs = {
        "expv2[0]": "pl1",
        "hmd": "1",
        "cas": "a,b",
        "pmd[title]": "Cof fee",
        "brand_new": "x",
        "iw": "1",
        "se": "{}",
    }
    assert extra(pairs) == pairs
    assert extra({"it": "soon", "plt": "1027.5", "ec": ""}) == {"it": "soon", "plt": "1027.5", "ec": ""}


def test_nul_and_lone_surrogates_go() -> None:
    copy = kept({"eid": "a\0b\ud800c", "cd[x\udfff]": "y\0", "new\0key": "z", "dl": "https://s.example/\ud800"})
    assert (copy.event_id, copy.url) == ("abc", "https://s.example/")
    assert json.loads(copy.custom_data) == {"x": "y"}
    assert json.loads(copy.extra) == {"newkey": "z"}
    assert copy.notes == ("unstorable_text",)
    kept(agent="Mozilla\ud800/5.0")


# --- scrubbing -------------------------------------------------------------------------------------------------------

SCRUBBED = [
    ({"dl": "https://s.example/?email=jane%40x.com"}, "url:email"),
    ({"rl": "https://s.example/?tel=%2B4915123456789"}, "referrer:phone"),
    ({"dl": "https://s.example/?utm_campaign=jane@x.com"}, "url:email"),
    ({"eid": "o-jane@x.com"}, "event_id:email"),
    ({"ev": "jane@x.com"}, "event_name:email"),
    ({"cd[order_id]": "jane@x.com"}, "custom_data.order_id:email"),
    ({"cd[note]": "call +49 151 23456789"}, "custom_data.note:phone"),
    ({"cd[phone]": "6505551212"}, "custom_data.phone:phone"),
    ({"cd[userPhone]": "6505551212"}, "custom_data.userPhone:phone"),
    ({"cd[card]": "4111 1111 1111 1111"}, "custom_data.card:card"),
    ({"cd[contents]": '[{"id":"1","title":"jane\\u0040x.com"}]'}, "custom_data.contents.title:email"),
    ({"cd[content_ids]": '["jane@x.com"]'}, "custom_data.content_ids:email"),
    ({"cd[content_ids]": "jane@x.com"}, "custom_data.content_ids:email"),
    ({"pmd[title]": "Hello jane@x.com"}, "extra.pmd[title]:email"),
    ({"pmd[phone]": "6505551212"}, "extra.pmd[phone]:phone"),
    ({"new": "jane%2540x.com"}, "extra.new:email"),
    ({"jane@x.com": "1"}, "extra:email"),
    ({"cd[jane@x.com]": "1"}, "extra:email"),
    ({"sw": "+4915123456789"}, "extra.sw:phone"),
    ({"v": "jane@x.com"}, "extra.v:email"),
    ({"it": "4111111111111111"}, "extra.it:card"),
    ({"a": "jane@x.com"}, "agent:email"),
    ({"fbp": "fb.1.1.jane@x.com"}, "fbp:email"),
    ({"test_event_code": "jane@x.com"}, "test_event_code:email"),
    ({"ud[lead_id]": "jane@x.com"}, "ud.lead_id:email"),
    ({"ts": "jane@x.com"}, None),
    ({"consent": "jane@x.com"}, None),
    ({"cd[currency]": "jane@x.com"}, "custom_data.currency:email"),
]


@pytest.mark.parametrize(("pairs", "told"), SCRUBBED, ids=range(len(SCRUBBED)))
def test_contact_data_is_taken_wherever_it_is_put(pairs: dict[str, str], told: str | None) -> None:
    for _ in range(2):
        copy = kept(pairs)
        text = repr(copy).lower()
        assert "jane" not in text and "555121" not in text and "23456789" not in text and "1111 1111" not in text
        assert "4111111111111111" not in text
        assert copy.removed == ((told,) if told else None)


@pytest.mark.parametrize("text", ["Call 650-555-3333 now", "jane@x.com", "Lead", "Order 4111111111111111"])
def test_names_and_test_codes_are_those_of_the_server_door(text: str) -> None:
    clean, kinds = scrub_text(text)
    copy = kept({"ev": text, "test_event_code": text})
    assert (copy.event_name, copy.test_event_code) == (clean, clean)
    expected = [f"{field}:{kind}" for field in ("event_name", "test_event_code") for kind in kinds]
    assert copy.removed == (tuple(expected) or None)


def test_a_user_agents_contact_data_is_in_no_hash_and_no_family() -> None:
    shop = Dataset(id="42", name="shop", created_us=0)
    hashes = set()
    for agent in ("John ua.john@example.com FamilyBot/1.0", "John ua.jane@example.com FamilyBot/1.0"):
        copy = keep_hit(hit_of({"id": "42", "ev": "Lead"}, "203.0.113.9", agent), Receipt(shop, NOW_US, KEY))
        assert isinstance(copy, Copy)
        assert copy.browser in ("", "Other")
        hashes.add(copy.weak)
    assert len(hashes) == 1


def test_ids_are_spared_number_patterns() -> None:
    pairs = {
        "eid": "650-555-1212", "cd[order_id]": "4111111111111111",
        "cd[content_ids]": '["6505551212","4111111111111111"]',
        "cd[contents]": '[{"id":"650-555-1212"}]', "dl": "https://s.example/?gclid=4111111111111111",
        "ud[lead_id]": "4111111111111111",
    }  # fmt: skip
    copy = kept(pairs)
    assert copy.removed is None
    assert (copy.event_id, copy.order_id) == ("650-555-1212", "4111111111111111")
    assert json.loads(copy.custom_data)["content_ids"] == ["6505551212", "4111111111111111"]


@pytest.mark.parametrize("raw", ["o-Jane@X.com-7", "jane%40x.com", "plain-77", "650-555-1212", "ключ＠пример.рф"])
def test_ids_of_both_doors_meet(raw: str) -> None:
    copy = kept({"eid": raw, "cd[order_id]": raw, "cd[content_ids]": json.dumps([raw])})
    assert copy.event_id == copy.order_id == scrub_id(raw)[0]
    server = json.loads(scrub_json(json.dumps({"order_id": raw, "content_ids": [raw]}))[0])
    browser = json.loads(copy.custom_data)
    assert (browser["order_id"], browser["content_ids"]) == (server["order_id"], server["content_ids"])


def test_an_id_is_kept_verbatim() -> None:
    for raw in (" ord 77 ", "Ord-77", "ord\u00a077", "007", "é", "e\u0301"):
        assert kept({"eid": raw}).event_id == raw


def test_a_browser_id_that_is_none_is_left_out_and_what_was_in_it_told() -> None:
    copy = kept({"fbp": "+49 151 99887711", "fbc": "4242 4242 4242 4242"})
    assert (copy.fbp, copy.fbc) == ("", "")
    assert copy.removed == ("fbp:phone", "fbc:card")
    assert copy.notes == ("unreadable:fbc", "unreadable:fbp")


@pytest.mark.parametrize(
    "nothing", ["undefined", "null", "NULL", "0", "garbage", "fb.1.0", "fb.1.1791212460000.", "fb.x.1.1", "fb.1.1.a b"]
)
def test_strangers_do_not_meet_by_a_browser_id_that_is_none(nothing: str) -> None:
    assert kept({"fbp": nothing, "ud[fbp]": ""}).fbp == ""
    assert kept({"ud[fbp]": nothing}).fbp == ""


@pytest.mark.parametrize("nothing", ["undefined", "null", "NULL", "None", "Undefined"])
def test_an_event_id_that_programs_write_for_none_is_none(nothing: str) -> None:
    copy = kept({"eid": nothing})
    assert (copy.event_id, copy.notes) == ("", ("nothing:event_id",))
    assert kept({"eid": nothing + "1"}).event_id == nothing + "1"


@pytest.mark.parametrize("field", ["ev", "dl", "cd[note]", "eid", "a", "x"])
def test_the_sign_that_separates_texts_here_hides_no_contact_data(field: str) -> None:
    copy = kept({field: "jane.zebra@\x1ezz-example.com"})
    assert "zebra" not in repr(copy)
    phone = kept({"cd[note]": "call +49 151\x1e77788899", "sw": "1\x1e2"})
    assert "77788899" not in repr(phone)


def test_of_a_limited_copy_no_free_words_stay_but_the_events_name() -> None:
    pairs = {
        "consent": "no", "a": "erika mustermann", "test_event_code": "erika", "dl": "erika mustermann, hauptstr. 5",
        "cd[Erika Mustermann]": "jane@x.com",
    }  # fmt: skip
    copy = kept(pairs)
    assert "erika" not in repr(copy).lower()
    assert (copy.url, copy.removed) == ("", ("custom_data:email",))
    assert copy.marks == Mark.LIMITED | Mark.TEST
    assert kept({"consent": "no", "dl": "https://s.example/p;jsessionid=A?x#y"}).url == "https://s.example/p"
