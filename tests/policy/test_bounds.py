"""What one event may hold: so many values of a key, unknown keys and bytes; more is dropped with a note, or refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.policy.server_events import event, keep_all, keep_one, refusal, request
from tests.policy.test_keys import sha
from truecount.copies import copies_of, pack
from truecount.policy.coerce import MAX_UNKNOWN
from truecount.policy.decode import MAX_EVENT, Body, body_of_json, event_of_text
from truecount.policy.digest_columns import texts_of
from truecount.policy.errors import RequestRefused
from truecount.policy.keys import MAX_VALUES, digests
from truecount.policy.server import SLICE, SLICE_BYTES, end_of_slice, keep_slice
from truecount.vocabulary import Reason


@pytest.mark.parametrize("rest", [{}, {"email": "late@x.de"}, {"strange": 1}], ids=["plain", "alias", "unknown"])
@pytest.mark.parametrize(("n", "noted"), [(MAX_VALUES, False), (MAX_VALUES + 1, True), (8000, True)])
def test_a_key_keeps_its_first_hundred_values_and_notes_that_there_were_more(
    n: int, noted: bool, rest: dict[str, Any]
) -> None:
    mails = [None, "", *(f"p{at}@x.de" for at in range(n)), None]
    copy = keep_one(user_data={"em": mails, **rest})
    expected = [*(f"p{at}@x.de" for at in range(n)), *(["late@x.de"] if "email" in rest else [])]
    assert copy.em == b"".join(map(sha, expected[:MAX_VALUES]))
    assert ("many:em" in (copy.notes or ())) is (noted or len(expected) > MAX_VALUES)


def test_values_of_a_hit_are_bounded_alike() -> None:
    found, notes = digests("external_id", [f"u{at}" for at in range(1_000_000)])
    assert (len(found), notes) == (32 * MAX_VALUES, ("many:external_id",))


def test_no_more_values_are_looked_at_than_tell_that_there_were_more() -> None:
    assert texts_of([0, "", None, 1, *range(2, 1_000_000)]) == [str(at) for at in range(MAX_VALUES + 1)]


@pytest.mark.parametrize("n", [MAX_UNKNOWN, MAX_UNKNOWN + 1, 10_000])
def test_an_event_keeps_its_first_thousand_unknown_keys_and_notes_that_there_were_more(n: int) -> None:
    strange = {f"k{at:05}": at for at in range(n)}
    copy = keep_one(**strange)
    kept = json.loads(copy.extra)
    assert [name for name in kept if name in strange] == list(strange)[:MAX_UNKNOWN]
    assert ("many:unknown" in (copy.notes or ())) is (n > MAX_UNKNOWN)

    copy = keep_one(user_data={"em": "a@b.de", **strange})
    assert json.loads(copy.extra)["unknown_user_data"] == list(strange)[:MAX_UNKNOWN]
    assert ("many:unknown_user_data" in (copy.notes or ())) is (n > MAX_UNKNOWN)


def _of_size(size: int, **changes: Any) -> str:
    text = json.dumps(event(custom_data={"note": ""}, **changes))
    return text.replace('"note": ""', '"note": "' + "x" * (size - len(text)) + '"')


@pytest.mark.parametrize("changes", [{}, {"strange": 1}], ids=["plain", "unknown"])
def test_an_event_of_the_largest_size_is_read_and_a_larger_one_is_refused_by_its_place(changes: dict[str, Any]) -> None:
    largest, larger = _of_size(MAX_EVENT, **changes), _of_size(MAX_EVENT + 1, **changes)
    assert len(largest) == MAX_EVENT == len(larger) - 1
    body = body_of_json(f'{{"data":[{largest},{largest}]}}'.encode())
    assert [one.event_id for one in body.data] == ["order-1001"] * 2
    assert not body.problems
    assert event_of_text(largest).event_id == "order-1001"

    body = body_of_json(f'{{"data":[{largest},{larger},{larger}]}}'.encode())
    assert [one.event_id for one in body.data] == ["order-1001", None, None]
    assert sorted(body.problems) == [1, 2]
    with pytest.raises(RequestRefused):
        event_of_text(larger)


def test_a_slice_ends_at_so_many_events_or_256_kb_and_holds_one_event_at_least() -> None:
    def ends(*sizes: int) -> list[int]:
        body, found = Body([], sizes=sizes), [0]
        while found[-1] < len(sizes):
            found.append(end_of_slice(body, found[-1]))
        return found[1:]

    assert ends(*[1] * (2 * SLICE + 2)) == [SLICE, 2 * SLICE, 2 * SLICE + 2]
    assert ends(*[SLICE_BYTES // SLICE] * SLICE) == [SLICE]
    assert ends(*[SLICE_BYTES // SLICE + 1] * SLICE) == [SLICE - 1, SLICE]
    assert ends(SLICE_BYTES - 1, 1, 1) == [2, 3]
    assert ends(SLICE_BYTES, 1, SLICE_BYTES) == [1, 2, 3]
    assert ends(SLICE_BYTES + 2, 1) == [1, 2]


@pytest.mark.parametrize("as_text", [False, True], ids=["objects", "texts"])
def test_the_borders_of_slices_change_nothing_in_what_is_kept(as_text: bool) -> None:
    texts = [_of_size(size, event_id=f"e{at}") for at, size in enumerate([900, 200_000, 70_000, 900, 256_000] * 14)]
    whole = json.dumps({"data": texts}) if as_text else f'{{"data":[{",".join(texts)}]}}'
    body = body_of_json(whole.encode())
    copies, slices = keep_all(body, request())
    assert len(slices) == 3 * 14
    assert max(body.sizes) <= SLICE_BYTES + 200
    one_by_one = [keep_slice(body.data[at : at + 1], at, body, request()) for at in range(len(texts))]
    at_once = keep_slice(body.data[: len(texts)], 0, body, request())
    for others in (one_by_one, [at_once]):
        assert [copy for one in others for copy in copies_of(pack(one.n, one.columns))] == copies
        assert [pair for one in others for pair in one.private or ()] == [
            pair for one in slices for pair in one.private or ()
        ]


def test_a_request_with_an_event_that_is_too_large_is_refused_naming_it() -> None:
    refused = refusal(event(), event(custom_data={"note": "x" * MAX_EVENT}), event())
    assert (refused.reason, refused.http, refused.n_events) == (Reason.BAD_SHAPE, 400, 3)
    assert refused.text == "The event $['data'][1] is larger than 256 kB"


def test_an_event_that_came_as_text_is_bounded_alike() -> None:
    body = body_of_json(json.dumps({"data": [json.dumps(event(custom_data={"note": "x" * MAX_EVENT}))]}).encode())
    assert next(iter(body.data)).event_id is None
    assert list(body.problems) == [0]
