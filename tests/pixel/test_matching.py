"""Match keys: normalised as the server door does, hashed in the page, raw nowhere (pixel.md §6; 29 and 30)."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from tests.pixel.browser import ID, Hit, Visit
from tests.policy.test_key_vectors import VECTORS
from tests.policy.test_keys import READINGS
from truecount.policy.keys import digests

HASHED = ("em", "ph", "fn", "ln", "ge", "db", "ct", "st", "zp", "country", "external_id")
"""What the page hashes."""
PLACES = ("st", "country")
"""Their names are mapped to codes at the door; the page hashes the name."""
RAW = {
    "em": " John_Smith@gmail.com ",
    "ph": "+1 (650) 555-1212",
    "fn": "Mary",
    "ln": "Valéry",
    "country": "DE",
    "external_id": "client-4711",
}
SECTION_6 = {
    "em": "62a14e44f765419d10fea99367361a727c12365e2520f32218d505ed9aa0f62f",
    "ph": "e323ec626319ca94ee8bff2e4c87cf613be6ea19919ed1364124e16807ab3176",
    "fn": "6915771be1c5aa0c886870b6951b03d7eafc121fea0e80a5ea83beb7c449f4ec",
    "ln": "08e1996b5dd49e62a4b4c010d44e4345592a863bb9f8e3976219bac29417149c",
    "country": "959a45d44e6fcf58361ed004681556fe50129f2109e817dec098c00c9e5d2578",
    "external_id": hashlib.sha256(b"client-4711").hexdigest(),
}
MAIL = SECTION_6["em"]


def user_data(hit: Hit) -> dict[str, str]:
    return {key[3:-1]: value for key, value in hit.fields.items() if key.startswith("ud[")}


def sent(visit: Visit, *users: dict[str, Any]) -> list[dict[str, str]]:
    """The user data that goes on the wire of each of these: each is that of a pixel of its own."""
    calls = "".join(f"fbq('init', '{1000 + n}', {json.dumps(user)});" for n, user in enumerate(users))
    visit.open(f"{calls} fbq('trackCustom', 'Seen')")
    found = {hit["id"]: user_data(hit) for hit in visit.hits(len(users))}
    return [found[str(1000 + n)] for n in range(len(users))]


def hashes_of(key: str, raw: str) -> list[str]:
    """All hashes that the door makes of a raw value."""
    known = digests(key, raw)[0].hex()
    return [known[at : at + 64] for at in range(0, len(known), 64)]


def test_29_the_hash_vectors_of_section_6(visit: Visit) -> None:
    assert sent(visit, RAW) == [SECTION_6]


def test_29_the_page_and_the_door_read_each_vector_alike(visit: Visit) -> None:
    """The table that tests the server door (tests/policy/test_key_vectors.py)."""
    found = sent(visit, *({key: raw} for _, key, raw, _ in VECTORS))
    wrong = []
    for (number, key, raw, expected), user in zip(VECTORS, found, strict=True):
        if key not in HASHED or expected == "-":
            right = user == {}
        elif key in PLACES and user[key] != expected:
            right = user[key] in hashes_of(key, raw)
        else:
            right = user == {key: expected}
        if not right:
            wrong.append((number, key, raw, expected, user))
    assert wrong == []


def test_29_the_door_knows_each_hash_of_the_page_of_its_other_vectors(visit: Visit) -> None:
    """Those of tests/policy/test_keys.py; the page may read less of them than the door."""
    rows = [(key, raw) for key, raw, country, _ in READINGS if key in HASHED and not country]
    found = sent(visit, *({key: raw} for key, raw in rows))
    assert sum(map(bool, found)) >= len(rows) - 2
    assert [
        (key, raw, user)
        for (key, raw), user in zip(rows, found, strict=True)
        if user and user[key] not in hashes_of(key, raw)
    ] == []


@pytest.mark.parametrize("text", [MAIL.upper(), f"  {MAIL}\n", MAIL])
def test_29_what_came_hashed_is_not_hashed_again(visit: Visit, text: str) -> None:
    assert sent(visit, dict.fromkeys(HASHED, text)) == [dict.fromkeys(HASHED, MAIL)]


def test_29_a_hash_with_an_appendix_passes(visit: Visit) -> None:
    users = [{key: MAIL + ".AQYCAQMB"} for key in ("em", "ph", "external_id")]
    assert sent(visit, *users, {"em": MAIL + ".Bg"}) == [*users, {"em": MAIL + ".Bg"}]


def test_29_md5_passes_as_it_is(visit: Visit) -> None:
    md5 = "5f4dcc3b5aa765d61d8327deb882cf99"
    assert sent(visit, {"em": md5}, {"em": md5.upper()}) == [{"em": md5}, {"em": md5}]


def test_29_raw_values_are_nowhere(visit: Visit) -> None:
    """Not in a request, a cookie, storage, the console or what fbq tells of itself, sent as image or as beacon."""
    user = {**RAW, "zp": "94035-1234", "ct": "Quixeramobim", "em2": "other@mail.example", "name": "Mary"}
    calls = f"fbq('init', '{ID}', {json.dumps(user)}); fbq('track', 'Lead'); fbq('set', 'userData', {json.dumps(RAW)})"
    visit.open(f"{calls}; fbq('trackCustom', 'Long', {{text: 'x'.repeat(3000)}})")
    assert {hit["ev"]: hit.method for hit in visit.hits(2)} == {"Lead": "GET", "Long": "POST"}
    kept = visit.run(
        "return JSON.stringify([fbq.getState(), fbq.instance.pixelsByID, {...localStorage}, {...sessionStorage}])"
        " + document.cookie + window.name + JSON.stringify(history.state) + performance.getEntries().map((e) => e.name)"
    )
    told = "\n".join(
        [kept, *visit.said, *(hit.url + str(hit.fields) + hit.raw + str(hit.headers) for hit in visit.web.hits)]
    ).lower()
    assert MAIL in told
    # Long enough that no time, random id or hash has them by chance.
    digits = ("(650)", "555-1212", "650555", "94035-", "940351", "client-4711")
    for word in ("john", "smith", "mary", "valéry", "valery", "quixer", "mail.example", *digits):
        assert word not in told, word


def test_29_keys_that_are_none_are_not_sent(visit: Visit) -> None:
    users: list[dict[str, Any]] = [
        {"cn": "x", "email": "a@b.de", "EM": "a@b.de"},
        {"client_ip_address": "203.0.113.9", "client_user_agent": "Mozilla/5.0"},
    ]
    assert sent(visit, *users) == [{}, {}]


def test_29_ids_of_the_browser_in_user_data_take_the_place_of_the_cookies(visit: Visit) -> None:
    ids = {"fbp": "fb.1.1700000000000.42", "fbc": "fb.1.1700000000000.AbC"}
    visit.open(f"fbq('init', '{ID}', {json.dumps(ids)}); fbq('track', 'Lead')")
    (hit,) = visit.hits(1)
    assert {"fbp": hit["fbp"], "fbc": hit["fbc"]} == ids
    assert user_data(hit) == {}


def test_30_a_phone_number_is_the_same_as_a_number_and_as_text(visit: Visit) -> None:
    texts: list[Any] = [16505551212, "+1 (650) 555-1212", "0016505551212"]
    assert sent(visit, *({"ph": text} for text in texts)) == [{"ph": SECTION_6["ph"]}] * 3


def test_30_an_external_id_is_the_same_as_a_number_and_as_text(visit: Visit) -> None:
    hashed = hashlib.sha256(b"12345").hexdigest()
    assert sent(visit, {"external_id": 12345}, {"external_id": "12345"}) == [{"external_id": hashed}] * 2


def test_30_an_invalid_email_is_not_sent_and_the_console_says_so_without_it(visit: Visit) -> None:
    bad = ["not-an-email", "jane@", "@x.de", "a@b@c.de", "a@b.", "jane@example"]
    assert sent(visit, *({"em": text, "fn": "Mary"} for text in bad)) == [{"fn": SECTION_6["fn"]}] * len(bad)
    said = [text for text in visit.said if "An invalid email address was specified for 'em'." in text]
    assert len(said) == len(bad)
    assert not any(word in text for text in said for word in bad)


def test_30_what_is_no_email_for_the_door_is_none_for_the_page(visit: Visit) -> None:
    texts = ["a@b.c", "ä@ö.ü", "a.@b.c", "a@b.c.", "a@.c", "a@b,c", "a@b@c.d", "@b.c", "a@b..", "a@b"]
    found = dict(zip(texts, sent(visit, *({"em": text} for text in texts)), strict=True))
    assert all(found[text] for text in texts[:3])
    assert [text for text in texts if found[text] and not digests("em", text)[0]] == []


def test_30_what_is_no_value_leaves_no_key(visit: Visit) -> None:
    nothings: list[Any] = ["", "   ", None, "null", "undefined", "NULL", " undefined "]
    assert sent(visit, *(dict.fromkeys(HASHED, nothing) for nothing in nothings)) == [{}] * len(nothings)
    visit.web.hits.clear()
    visit.open(
        f"fbq('init', '{ID}', {{em: undefined, fn: 'Mary', ge: 'x', db: '1997', ph: '--'}}); fbq('track', 'Lead')"
    )
    assert user_data(visit.hits(1)[0]) == {"fn": SECTION_6["fn"]}
