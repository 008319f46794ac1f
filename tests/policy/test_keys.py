"""Match keys beyond the vectors: other readings, hashes of nothing, MD5, appendixes, phones of a country, dates."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from truecount.policy.digest_columns import digest_column, texts_of
from truecount.policy.keys import MAX_TEXT, NOTHINGS, birth_date, digests, md5s, readings
from truecount.policy.phones import _extension
from truecount.policy.places import country_code, province_code, us_state_code
from truecount.vocabulary import DIGEST_KEYS, RARE_DIGEST_KEYS


def sha(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def together(*texts: str) -> bytes:
    return b"".join(map(sha, texts))


READINGS = [
    ("fn", "Mary-Jane", "", ("maryjane", "mary-jane")),
    ("fn", "Mary Ann", "", ("mary ann", "maryann")),
    ("ln", "O'Neil Jr.", "", ("oneil jr", "o'neil jr.", "oneiljr")),
    ("ln", "O’Brien", "", ("obrien", "o’brien")),
    ("fn", "Vale\u0301ry", "", ("vale\u0301ry", "valéry")),
    ("ct", "St. John's", "", ("stjohns", "stjohn's")),
    ("ct", "Zürich", "", ("zürich", "zurich", "zrich")),
    ("ct", "Łódź", "", ("łódź", "odz")),
    ("ct", "Paris 16", "", ("paris16", "paris")),
    ("st", "California", "", ("ca", "california")),
    ("st", "CA", "US", ("ca",)),
    ("st", "Georgia", "us", ("ga", "georgia")),
    ("st", "Georgia", "de", ("georgia",)),
    ("st", "Ontario", "ca", ("ontario", "on")),
    ("zp", "940351234", "us", ("94035", "940351234")),
    ("zp", "940351234", "", ("940351234",)),
    ("zp", "01310-100", "br", ("01310100", "01310")),
    ("country", "United States", "", ("us", "unitedstates")),
    ("country", "GBR", "", ("gb", "gbr")),
    ("country", "Côte d'Ivoire", "", ("ci", "côtedivoire")),
    ("external_id", "User 42", "", ("User 42", "user42")),
    ("external_id", "user-42", "", ("user-42",)),
    ("ph", "+44 (0)20 7946 0958", "", ("4402079460958", "442079460958")),
    ("ph", "+1 650 555 1212 ext 9", "", ("165055512129", "16505551212")),
    ("ph", "020 7946 0958", "gb", ("2079460958", "442079460958")),
    ("ph", "0151 23456789", "de", ("15123456789", "4915123456789")),
    ("ph", "+49 0151 23456789", "de", ("49015123456789", "4915123456789")),
    ("ph", "98765 43210", "in", ("9876543210", "919876543210")),
    ("ph", "9198765432", "in", ("9198765432", "919198765432")),
    ("ph", "919876543210", "in", ("919876543210",)),
    ("ph", "+91 98765 43210", "in", ("919876543210",)),
    ("ph", "+33 1 42 68 53 00", "in", ("33142685300",)),
    ("ph", "650-555-1212", "us", ("6505551212", "16505551212")),
    ("ph", "650-555-1212", "", ("6505551212",)),
    ("ph", "٠٠٤١٧٩١٢٣٤٥٦٧", "", ("41791234567",)),
    ("ge", "männlich", "", ("m",)),
    ("fi", "Élodie", "", ("é",)),
    ("f5first", "Mary-Jane", "", ("maryj", "mary-")),
    ("dobd", "31", "", ("31",)),
    ("app_user_id", " a1 ", "", ("a1",)),
]


@pytest.mark.parametrize(("key", "raw", "country", "expected"), READINGS, ids=range(len(READINGS)))
def test_other_common_readings_follow_the_documented_one(
    key: str, raw: str, country: str, expected: tuple[str, ...]
) -> None:
    assert readings(key, raw, country) == expected
    assert digests(key, raw, country) == (together(*expected), ())


NO_VALUES = [
    ("em", "jane@", "bad"),
    ("em", "@x.de", "bad"),
    ("em", "a@b@c.de", "bad"),
    ("em", "a@b.", "bad"),
    ("em", "null", "nothing"),
    ("ph", "none", "nothing"),
    ("ph", "1234", "bad"),
    ("ph", "1" * 21, "bad"),
    ("ph", "00000000", "bad"),
    ("ge", "x", "bad"),
    ("fn", "!?", "bad"),
    ("fn", "undefined", "nothing"),
    ("ct", "--", "bad"),
    ("db", "1997-02-30", "bad"),
    ("db", "19971301", "bad"),
    ("dobd", "32", "bad"),
    ("dobm", "13", "bad"),
    ("doby", "97", "bad"),
    ("doby", "1812", "bad"),
]


@pytest.mark.parametrize(("key", "raw", "why"), NO_VALUES, ids=range(len(NO_VALUES)))
def test_what_can_be_no_value_of_a_key_is_none_with_a_note(key: str, raw: str, why: str) -> None:
    assert digests(key, raw) == (b"", (f"{why}:{key}",))


@pytest.mark.parametrize("nothing", ["", "null", "undefined", "none", "NULL", "None", "Undefined", "NONE"])
def test_a_hash_of_nothing_is_no_value(nothing: str) -> None:
    assert digests("em", sha(nothing).hex()) == (b"", ("nothing:em",))
    assert digests("external_id", [sha(nothing).hex().upper(), "u1"]) == (sha("u1"), ("nothing:external_id",))
    assert sha(nothing) in NOTHINGS


def test_a_hash_is_kept_in_any_case_with_blanks_or_an_appendix() -> None:
    for text in (sha("x").hex(), sha("x").hex().upper(), f" {sha('x').hex()}\n", sha("x").hex() + ".AQICAQMC"):
        assert digests("em", text) == (sha("x"), ())
    assert digests("ph", sha("x").hex() + ".AQ") == (sha("x"), ())


def test_md5_is_kept_apart_and_never_matched_but_an_external_id_may_look_like_it() -> None:
    md5 = "5F4dcc3b5aa765d61d8327deb882cf99"
    assert digests("em", [md5, "a@b.de"]) == (sha("a@b.de"), ("md5:em",))
    assert md5s("em", ["a@b.de", md5]) == [md5.lower()]
    assert digests("external_id", md5) == (together(md5, md5.lower()), ())
    assert md5s("external_id", md5) == []


def test_blanks_and_empty_values_of_a_column_do_not_shift_the_others() -> None:
    for column in (["User 42", ""], ["a b", " "], ["", "a b", "c"], ["a", "b\nc", ""], ["a\nb"]):
        found = digest_column("external_id", column, None, 2026)
        assert found.digests == [digests("external_id", text)[0] for text in column]


def test_raw_and_hashed_external_ids_meet() -> None:
    assert digests("external_id", "User-42")[0][:32] == digests("external_id", sha("User-42").hex())[0]


def test_values_of_a_list_come_documented_readings_first_and_none_twice() -> None:
    found, _ = digests("fn", ["Mary-Jane", "maryjane", "Bo"])
    assert found == together("maryjane", "bo", "mary-jane")


DATES = [
    ("19970216", "19970216"),
    ("1997-02-16", "19970216"),
    ("2/16/1997", "19970216"),
    ("16.2.1997", "19970216"),
    ("02/03/1997", "19970203"),
    ("1997/2/6", "19970206"),
    ("02161997", "19970216"),
    ("1997-02-16T00:00:00Z", "19970216"),
    ("1899-12-31", ""),
    ("1900-01-01", "19000101"),
    ("2026-12-31", "20261231"),
    ("2027-01-01", ""),
    ("97-02-16", ""),
    ("2/30/1997", ""),
    ("29.2.1996", "19960229"),
    ("1997", ""),
    ("", ""),
]


@pytest.mark.parametrize(("text", "expected"), DATES, ids=range(len(DATES)))
def test_birth_dates_are_read_in_any_usual_order(text: str, expected: str) -> None:
    assert birth_date(text, 2026) == expected


PIECES = st.sampled_from(
    [
        "a@b.de",
        "Jane.Doe@Example.COM",
        "+1 650 555 1212",
        "0151 23456789",
        "919876543210",
        "Mary-Jane",
        "de la Cruz",
        "Zürich",
        "CA",
        "California",
        "94035-1234",
        "940351234",
        "us",
        "Germany",
        "F",
        "1997-02-16",
        "user-42",
        "User 42",
        "",
        " ",
        "\n",
        "a\nb",
        "null",
        "\x00",
        "5f4dcc3b5aa765d61d8327deb882cf99",
        sha("x").hex(),
        sha("").hex(),
        sha("x").hex() + ".AQICAQMC",
    ]
)
VALUES = st.one_of(
    PIECES, st.text(max_size=12), st.integers(0, 10**12), st.none(), st.lists(st.one_of(PIECES, st.none()), max_size=3)
)
COLUMNS = st.one_of(st.lists(VALUES, min_size=1, max_size=8), st.lists(PIECES, min_size=1, max_size=8))


@settings(max_examples=400, deadline=None, derandomize=True)
@given(st.sampled_from(DIGEST_KEYS), COLUMNS, st.sampled_from([None, "", "us", "de", "in", "ca", "zz"]), st.booleans())
def test_a_column_gives_what_its_values_give_one_by_one(
    key: str, column: list[object], country: str | None, in_lists: bool
) -> None:
    if in_lists:
        column = [[value] if isinstance(value, str) else value for value in column]
    countries = None if country is None else [country] * len(column)
    found = digest_column(key, column, countries, 2026)
    for row, value in enumerate(column):
        digest, notes = digests(key, texts_of(value), country or "", 2026)
        assert found.digests[row] == digest
        assert found.notes.get(row, ()) == notes


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.sampled_from(DIGEST_KEYS + RARE_DIGEST_KEYS), st.text(), st.sampled_from(["", "us", "de"]))
def test_any_text_gives_whole_digests_and_never_an_exception(key: str, text: str, country: str) -> None:
    found, notes = digests(key, text, country)
    assert len(found) % 32 == 0
    assert not any(text.strip() and text.strip() in note for note in notes if len(text) > 12)


@pytest.mark.parametrize("text", [" " * 200_000 + "!", "\n" * 200_000, "x " * 100_000, "5" + " " * 200_000 + "ext"])
def test_an_extension_is_looked_for_once_in_each_run_of_spaces(text: str) -> None:
    # Quadratic search would take hours here, and so be seen.
    assert _extension(text) is None


def test_a_hostile_text_costs_linear_time() -> None:
    for text in (
        "a@" + "a." * 200_000,
        "a@" * 200_000,
        "1" + " " * 200_000 + "2345678",
        "(0)" * 200_000,
        "-" * 300_000,
    ):
        for key in DIGEST_KEYS:
            assert digests(key, text, "us") == (b"", (f"bad:{key}",))


@pytest.mark.parametrize("key", [*DIGEST_KEYS, *RARE_DIGEST_KEYS])
def test_a_text_too_long_for_any_value_is_bad_however_many_accents_it_stacks(key: str) -> None:
    for text in (
        "a" + "\u0301\u0316" * 1_000_000,
        "a" * (MAX_TEXT + 1),
        " " * MAX_TEXT + "a",
        sha("a").hex() + " " * 1000,
    ):
        for country in ("", "us", "ca"):
            assert digests(key, text, country) == (b"", (f"bad:{key}",))
        assert digest_column(key, [[text], "x"], None, 2026).notes[0] == (f"bad:{key}",)


def test_the_longest_text_that_is_a_value_is_one() -> None:
    assert digests("external_id", "a" * MAX_TEXT)[0] == sha("a" * MAX_TEXT)


def test_no_place_has_a_name_of_endless_accents() -> None:
    endless = "a" + "\u0301\u0316" * 1_000_000
    assert country_code(endless) == us_state_code(endless) == province_code(endless) == ""


def test_a_long_address_is_no_mail_whatever_stands_before_it_in_the_column() -> None:
    long = "a@" + "b" * 600 + ".de"
    assert digest_column("em", ["a@b.de", long], None, 2026).digests == [sha("a@b.de"), b""]
