"""Bounds of what unfinished bodies take."""

from __future__ import annotations

import pytest

from truecount.collect.held import Held, holder_of


def test_a_peer_may_hold_a_quarter_and_all_together_the_whole() -> None:
    held = Held(400, 50)
    assert held.hold("a", 100) and not held.hold("a", 1)
    held.release("a", 1)
    assert held.hold("b", 100) and held.hold("c", 100) and held.hold("d", 100)
    assert not held.hold("e", 1)
    held.release("d", 100)
    assert held.hold("e", 99)


def test_one_largest_body_is_taken_in_any_case() -> None:
    held = Held(400, 300)
    assert held.hold("a", 300) and not held.hold("a", 1)


def test_without_a_share_the_whole_may_be_taken() -> None:
    held = Held(400, 50)
    assert held.hold("", 400) and not held.hold("", 1)


def test_it_is_crowded_above_a_half() -> None:
    held = Held(400, 50)
    held.hold("", 200)
    assert not held.is_crowded
    held.hold("", 1)
    assert held.is_crowded


def test_what_is_let_go_of_is_forgotten() -> None:
    held = Held(400, 50)
    held.hold("a", 30)
    held.release("a", 30)
    assert (held.size, held.by_holder) == (0, {})


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8:0:0:ffff::1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("", "", True),
    ],
)
def test_an_ipv6_network_of_64_bits_is_one_peer(one: str, other: str, same: bool) -> None:
    assert (holder_of(one) == holder_of(other)) is same
