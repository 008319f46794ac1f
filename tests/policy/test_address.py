"""Addresses as the log keeps them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from truecount.policy.address import DAY_US, canonical, day_key, shorten, weak_of
from truecount.policy.urls import strip_appendix

AGENT = "Mozilla/5.0"
KEY = day_key(b"s" * 32, 0)


@pytest.mark.parametrize(
    ("address", "short"),
    [
        ("203.0.113.77", "203.0.113.0"),
        ("203.0.113.77.AQYCAQMB", "203.0.113.0"),
        (" 203.0.113.77 ", "203.0.113.0"),
        ("::ffff:203.0.113.77", "203.0.113.0"),
        ("2001:db8:aaaa:bbbb::1", "2001:db8:aaaa::"),
        ("2001:0DB8:AAAA:BBBB:0:0:0:1", "2001:db8:aaaa::"),
        ("fe80::1%eth0", "fe80::"),
        ("[2001:db8::1]", "2001:db8::"),
        ("", ""),
        ("localhost", ""),
        ("256.1.1.1", ""),
        ("1.2.3", ""),
        ("1.2.3.4, 5.6.7.8", ""),
        ("\ud800", ""),
        ("203.0.113.77\n198.51.100.5", ""),
        (" " * 100 + "203.0.113.77", "203.0.113.0"),
        ("0000:" * 7 + "0000%" + "z" * 41, ""),
    ],
)
def test_an_address_is_kept_as_its_network(address: str, short: str) -> None:
    assert shorten(address) == short


def test_spellings_of_one_address_are_one() -> None:
    assert canonical("2001:0db8::0001") == canonical("2001:db8::1") == "2001:db8::1"
    assert weak_of(KEY, "2001:0db8::0001", AGENT) == weak_of(KEY, "2001:db8::1", AGENT)
    assert weak_of(KEY, "::ffff:203.0.113.7", AGENT) == weak_of(KEY, "203.0.113.7", AGENT)


def test_the_weak_hash_tells_addresses_agents_secrets_and_days_apart() -> None:
    hashes = {
        weak_of(day_key(secret, us), address, agent)
        for secret in (b"a" * 32, b"b" * 32)
        for us in (0, DAY_US)
        for address in ("203.0.113.7", "203.0.113.8")
        for agent in (AGENT, "other")
    }
    assert len(hashes) == 16
    assert all(-(2**63) <= one < 2**63 for one in hashes)


def test_the_key_of_a_day_changes_at_midnight_utc() -> None:
    assert day_key(b"s" * 32, DAY_US) == day_key(b"s" * 32, 2 * DAY_US - 1)
    assert day_key(b"s" * 32, DAY_US) != day_key(b"s" * 32, DAY_US - 1)


def test_without_address_or_agent_there_is_no_weak_hash() -> None:
    assert weak_of(KEY, "", AGENT) == weak_of(KEY, "203.0.113.7", "") == weak_of(KEY, "nonsense", AGENT) == 0


@settings(max_examples=80, deadline=None, derandomize=True)
@given(st.text() | st.ip_addresses().map(str), st.text())
def test_any_text_is_taken_and_no_full_address_kept(address: str, agent: str) -> None:
    short = shorten(address)
    assert shorten(short) == short
    weak_of(KEY, address, agent)


@pytest.mark.parametrize(
    "text", [":" * 2_000_000 + "x", "1:" * 1_000_000 + ".", "1." * 1_000_000, "%" * 2_000_000], ids=range(4)
)
def test_a_text_too_long_for_an_address_is_none(text: str) -> None:
    assert shorten(text) == canonical(text) == ""
    assert strip_appendix(text, "address") == text
