"""A body on its way in, piece by piece."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from truecount.collect.held import Held
from truecount.collect.incoming import LARGE_PIECE, Incoming

SIZES = st.sampled_from([1, 2, 100, LARGE_PIECE - 1, LARGE_PIECE, LARGE_PIECE + 1])


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(st.lists(SIZES, max_size=30), max_size=3))
def test_bodies_come_out_whole_in_few_pieces_and_nothing_of_them_stays_counted(bodies: list[list[int]]) -> None:
    held = Held(10**9, 10**9)
    incoming = Incoming(held)
    incoming.holder = "203.0.113.7"
    for sizes in bodies:
        incoming.begin()
        pieces = [bytes([at + 1]) * size for at, size in enumerate(sizes)]
        for piece in pieces:
            incoming.size += len(piece)
            assert incoming.keep(piece)
        assert held.size == sum(sizes)
        assert len(incoming._pieces) <= 2 * sum(size >= LARGE_PIECE for size in sizes) + 2
        assert incoming.take() == b"".join(pieces)
        assert (held.size, held.by_holder) == (0, {})


def test_what_is_too_much_is_let_go_of_at_once() -> None:
    held = Held(1000, 100)
    incoming = Incoming(held)
    incoming.holder = "203.0.113.7"
    incoming.begin()
    assert incoming.keep(b"x" * 200)
    assert not incoming.keep(b"x" * 200)
    assert (held.size, held.by_holder, incoming.take()) == (0, {}, b"")
