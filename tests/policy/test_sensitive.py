"""A dataset's sensitive words: found however they are written, replaced at both doors alike, and spared in ids."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.policy.server_events import NOW_S, keep_one
from truecount.datasets import Dataset, DatasetSettings
from truecount.manager.answers import changed_settings
from truecount.policy.browser import Hit, Receipt, keep_hit
from truecount.policy.sensitive import REMOVED, Words, check_word
from truecount.policy.slices import SEPARATOR

NOW_US = NOW_S * 1_000_000
WORDS = Words(("hiv", "blood test", "übelkeit", "एचआईवी", "st. john"))


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("an HIV test", f"an {REMOVED} test"),
        ("hiv", REMOVED),
        ("hiv-test", f"{REMOVED}-test"),
        ("Blood-Test at noon", f"{REMOVED} at noon"),
        ("blood  test, blood_test, bloodtest", f"{REMOVED}, {REMOVED}, bloodtest"),
        ("ÜBELKEIT", REMOVED),
        ("एचआईवी जांच", None),
        ("St John, st. john", f"{REMOVED}, {REMOVED}"),
        ("h%69v", REMOVED),
        ("%2568iv", REMOVED),
        ("arhive hivs shiv hive1 1hiv", "arhive hivs shiv hive1 1hiv"),
        ("nothing of it 100 % plain", "nothing of it 100 % plain"),
        ("", ""),
    ],
)  # fmt: skip
def test_a_word_is_found_as_a_word(text: str, clean: str | None) -> None:
    found = WORDS.out_of_text(text)
    if clean is None:
        assert found.startswith(REMOVED) and found != text
    else:
        assert found == clean
    assert WORDS.may_stand_in(text) or found == text


@pytest.mark.parametrize(
    ("url", "clean"),
    [
        ("https://shop.example/hiv-test", f"https://shop.example/{REMOVED}-test"),
        ("https://shop.example/a?q=hiv+test&x=1#hiv", f"https://shop.example/a?q={REMOVED}%20test&x=1#{REMOVED}"),
        ("https://shop.example/?q=blood%20test", f"https://shop.example/?q={REMOVED}"),
        ("https://shop.example/?q=blood+test", f"https://shop.example/?q={REMOVED}"),
        ("https://shop.example/?hiv=1", f"https://shop.example/?{REMOVED}=1"),
        ("https://shop.example/?u=https%3A%2F%2Fother.example%2Fhiv", None),
        ("https://hiv.example/a", "https://hiv.example/a"),
        ("https://shop.example/archive?x=%20", "https://shop.example/archive?x=%20"),
        ("/hiv", f"/{REMOVED}"),
    ],
)
def test_an_address_keeps_its_shape(url: str, clean: str | None) -> None:
    found = WORDS.out_of_url(url)
    assert (found == clean) if clean else (REMOVED in found and "hiv" not in found)


@pytest.mark.parametrize(
    ("value", "clean"),
    [
        ({"note": "hiv", "n": [1, 2.5, None, True]}, {"note": REMOVED, "n": [1, 2.5, None, True]}),
        ({"hiv": {"deep": ["blood test"]}}, {REMOVED: {"deep": [REMOVED]}}),
        ({"order_id": "hiv-1", "event_id": "hiv", "content_ids": ["hiv-1"]},
         {"order_id": "hiv-1", "event_id": "hiv", "content_ids": [f"{REMOVED}-1"]}),
        ({"page": "https://hiv.example/?q=hiv"}, {"page": f"https://hiv.example/?q={REMOVED}"}),
        ({"a": "archive"}, {"a": "archive"}),
    ],
)  # fmt: skip
def test_json_stays_json(value: Any, clean: Any) -> None:
    for text in (json.dumps(value), json.dumps(value, ensure_ascii=False)):
        assert json.loads(WORDS.out_of_json(text)) == clean


def test_words_that_json_is_made_of_do_not_break_it() -> None:
    words = Words(("true", "null", "e5"))
    text = '{"a":true,"b":null,"c":1e5,"d":"true"}'
    assert json.loads(words.out_of_json(text)) == {"a": True, "b": None, "c": 1e5, "d": REMOVED}


SPELLED = Words(("diabetes", "straße", "café", "diyabet"))


@pytest.mark.parametrize("text", [
    "cafe\u0301", "caf\u00e9", "CAFE\u0301", "caf%C3%A9", "cafe%CC%81", "cafe\u00ad\u0301",
    "ｄｉａｂｅｔｅｓ", "ＤＩＡＢＥＴＥＳ", "diabetes", "%EF%BD%84iabetes",
    "STRASSE", "straße", "STRAẞE", "strasse", "stra%C3%9Fe", "DİYABET", "dıyabet",
])  # fmt: skip
def test_a_word_is_found_in_every_form(text: str) -> None:
    assert SPELLED.may_stand_in(" ".join(["ß", text, "ok"]))
    assert SPELLED.out_of_text(text) == REMOVED
    assert SPELLED.out_of_text(f"Groß ẞ, {text} Fuß") == f"Groß ẞ, {REMOVED} Fuß"
    assert SPELLED.out_of_url(f"https://shop.example/{text}-x?q=Fuß+{text}&r=Fuß") == (
        f"https://shop.example/{REMOVED}-x?q=Fu%C3%9F%20{REMOVED}&r=Fuß"
    )
    assert json.loads(SPELLED.out_of_json(json.dumps({"note": text}))) == {"note": REMOVED}


@pytest.mark.parametrize(
    "text", ["cafeteria", "cafe", "Strassen", "ｄｉａｂｅｔｉｃ", "Ｆｕｌｌ ﬁt", "e\u0301te\u0301"]
)
def test_a_text_without_a_word_stays_as_it_came(text: str) -> None:
    assert SPELLED.out_of_text(text) == text


WAYS = (str, quote, quote_plus, lambda text: quote(quote(text)))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    st.text(max_size=20),
    st.sampled_from([str, quote, quote_plus, lambda text: quote(quote(text))]),
    st.text(max_size=20),
)
def test_what_stands_between_blanks_is_found_however_it_is_escaped(before: str, written: Any, after: str) -> None:
    text = f"{before.encode('utf-8', 'ignore').decode()} hiv {after.encode('utf-8', 'ignore').decode()}"
    url = "https://s.example/?q=" + written(text)
    assert WORDS.may_stand_in(url)
    assert WORDS.may_stand_in(SEPARATOR.join(["%" * 40 + "25" * 20 + "41", url, "x"]))
    if written is not str:  # a text as it is may hold what parts an address
        assert REMOVED in WORDS.out_of_url(url)


def dataset(*words: str) -> Dataset:
    return Dataset(id="42", name="shop", created_us=0, settings=DatasetSettings(sensitive_words=words))


def test_both_doors_keep_the_same_and_say_what_they_took() -> None:
    page = "https://shop.example/hiv-test?utm_campaign=hiv&utm_source=news"
    pairs = {
        "ev": "Purchase",
        "eid": "hiv-1",
        "dl": page,
        "cd[note]": "HIV test",
        "cd[order_id]": "hiv-9",
        "cd[item_number]": "HIV-kit-2",
        "test_event_code": "TEST hiv",
        "new": "hiv",
    }
    hit = keep_hit(Hit(tuple(pairs), [*pairs.values()]), Receipt(dataset("hiv"), NOW_US, b"k" * 32))
    server = keep_one(
        settings={"sensitive_words": ("hiv",)},
        event_id="hiv-1",
        event_source_url=page,
        custom_data={
            "note": "HIV test",
            "order_id": "hiv-9",
            "item_number": "HIV-kit-2",
            "value": 1,
            "currency": "INR",
            "test_event_code": "TEST hiv",
        },
        new="hiv",
    )
    for copy in (hit, server):
        assert (copy.event_id, copy.order_id, copy.campaign_source) == ("hiv-1", "hiv-9", "news")
        assert copy.url == f"https://shop.example/{REMOVED}-test?utm_campaign={REMOVED}&utm_source=news"
        assert copy.campaign == REMOVED
        assert json.loads(copy.custom_data)["note"] == f"{REMOVED} test"
        assert copy.item_number == json.loads(copy.custom_data)["item_number"] == f"{REMOVED}-kit-2"
        assert copy.test_event_code == f"TEST {REMOVED}"
        assert "hiv" not in copy.extra.lower() and REMOVED in copy.extra
        assert {
            "url:word",
            "campaign:word",
            "custom_data:word",
            "item_number:word",
            "test_event_code:word",
            "extra:word",
        } <= set(copy.removed or ())
    plain = keep_hit(Hit(tuple(pairs), [*pairs.values()]), Receipt(dataset(), NOW_US, b"k" * 32))
    assert plain.url == page and not plain.removed


@pytest.mark.parametrize("text", ["a", "1234", "a,b", "a/b", "a?b", "a=b", "a\u202eb", "x" * 61, "<b>", '"q"', "  "])
def test_what_is_no_word_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no word"):
        check_word(text)


def test_words_are_kept_in_one_writing() -> None:
    changed = changed_settings(DatasetSettings(), {"sensitive_words": "HIV, Blood   Test,hiv"})
    assert changed.sensitive_words == ("hiv", "blood test")
    with pytest.raises(ValueError, match="sensitive_words: 'a/b' is no word"):
        changed_settings(DatasetSettings(), {"sensitive_words": "a/b"})
    with pytest.raises(ValueError, match="200 at most"):
        changed_settings(DatasetSettings(), {"sensitive_words": ",".join(f"word {n}" for n in range(201))})
