"""Numbers, money and times as pages write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from truecount.manager.formats import Formats, locale_of

NOW = datetime(2026, 11, 24, 9, 22, 40, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "text"),
    [
        ("en-IN,en;q=0.9", "5,77,158"),
        ("en-US", "577,158"),
        ("de-DE,de;q=0.8,en;q=0.5", "577.158"),
        ("xx-YY, de", "577.158"),
        ("", "577,158"),
        ("*", "577,158"),
        ("../../etc/passwd,de", "577.158"),
        ("<script>" * 50, "577,158"),
    ],
)
def test_digits_are_grouped_as_the_viewers_language_does(header: str, text: str) -> None:
    assert Formats(header, now=NOW).n(577158) == text


def test_the_language_of_any_header_is_one_that_is_known() -> None:
    for header in ("\x00", "a" * 5000, "en-IN" * 1000, ",,,;;;", "en_IN"):
        assert locale_of(header).language


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [
        (0, 0, "none"),
        (3, 7, "3 of 7"),
        (0, 100, "0 %"),
        (1, 1000, "under 1 %"),
        (996, 1000, "over 99 %"),
        (1000, 1000, "100 %"),
        (431, 642, "67 %"),
    ],
)
def test_a_share_does_not_round_to_a_lie(part: int, whole: int, text: str) -> None:
    assert Formats("en", now=NOW).share(part, whole) == text


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [
        (0, 0, "none"),
        (3, 7, "3 of 7"),
        (0, 100, "0.0 %"),
        (4, 10_000, "under 0.1 %"),
        (10, 10_000, "0.1 %"),
        (1304, 10_000, "13.0 %"),
        (717, 1000, "71.7 %"),
        (9990, 10_000, "99.9 %"),
        (9996, 10_000, "over 99.9 %"),
        (49_999, 50_000, "over 99.9 %"),
        (100, 100, "100.0 %"),
    ],
)
def test_a_share_with_one_decimal_does_not_round_to_a_lie_either(part: int, whole: int, text: str) -> None:
    assert Formats("en", now=NOW).share1(part, whole) == text
    assert Formats("de", now=NOW).share1(part, whole) == text.replace(".", ",")


@pytest.mark.parametrize(
    ("amount", "currency", "options", "text"),
    [
        ("577158.00", "INR", {}, "₹5,77,158.00"),
        ("577158.00", "INR", {"whole": True}, "₹5,77,158"),
        ("899.5", "INR", {}, "₹899.50"),
        ("0.5", "JPY", {"whole": True}, "JP¥0.5"),
        ("-0.4", "INR", {"whole": True}, "-₹0.40"),
        ("0.0012", "INR", {"whole": True, "alone": False}, "0.0012\u00a0INR"),
        ("0.00", "INR", {"whole": True}, "₹0"),
        ("1.5", "INR", {"whole": True}, "₹2"),
        ("577158.00", "INR", {"alone": False}, "5,77,158.00\u00a0INR"),
        ("577158.00", "INR", {"alone": False, "whole": True}, "5,77,158\u00a0INR"),
        ("12", "QQQ", {}, "12.00\u00a0QQQ"),
        ("12.5", None, {}, "12.5"),
        (None, "INR", {}, "none"),
        ("-3.00", "INR", {}, "-₹3.00"),
        ("123456789012345678901234567890.12", "INR", {"whole": True}, "₹1,23,45,67,89,01,23,45,67,89,01,23,45,67,890"),
    ],
)
def test_money_has_its_symbol_or_its_code(
    amount: str | None, currency: str | None, options: dict[str, bool], text: str
) -> None:
    assert Formats("en-IN", now=NOW).money(amount, currency, **options) == text


def test_times_are_the_datasets_and_utc_stands_in_the_element() -> None:
    formats = Formats("en", "Asia/Kolkata", NOW)
    assert formats.time("2026-11-24T09:21:58Z") == '<time datetime="2026-11-24T09:21:58Z">24 Nov 14:51:58</time>'
    assert "24 Nov 2025 14:51:58" in formats.time("2025-11-24T09:21:58Z")
    assert formats.time("2026-11-24T18:45:00.250Z", tenths=True).endswith(">25 Nov 00:15:00.2</time>")
    assert formats.clock("2026-11-24T09:21:58.96Z") == '<time datetime="2026-11-24T09:21:58.96Z">14:51:58.9</time>'
    assert formats.zone_mark() == '<abbr title="Asia/Kolkata, UTC+05:30">IST</abbr>'


def test_an_hour_that_comes_twice_carries_its_offset() -> None:
    formats = Formats("en", "Europe/Berlin", NOW)
    assert "02:30:00 +0200" in formats.time("2026-10-25T00:30:00Z")
    assert "02:30:00 +0100" in formats.time("2026-10-25T01:30:00Z")
    assert "+" not in formats.time("2026-10-25T03:30:00Z").partition(">")[2]


@pytest.mark.parametrize(
    ("iso", "text"),
    [
        ("2026-11-24T09:21:59Z", "41 s ago"),
        ("2026-11-24T09:22:41Z", "0 s ago"),
        ("2026-11-24T09:00:00Z", "22 min ago"),
        ("2026-11-24T09:20:41Z", "119 s ago"),
        ("2026-11-24T09:20:40Z", "2 min ago"),
        ("2026-11-24T07:22:41Z", "119 min ago"),
        ("2026-11-24T07:22:40Z", "2 h ago"),
        ("2026-11-24T00:22:40Z", "9 h ago"),
        ("2026-11-23T09:22:41Z", "23 h ago"),
        ("2026-11-22T00:22:40Z", "on 22 Nov"),
    ],
)
def test_freshness_is_told_in_words(iso: str, text: str) -> None:
    told = Formats("en", now=NOW).ago(iso)
    assert re.sub("<[^>]*>", "", told) == text
    assert ("data-age" in told) == told.endswith("ago"), "what is told by its age goes on in an open page"
