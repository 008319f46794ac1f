"""The browser door: GET, POST, HEAD and OPTIONS on any path that ends in /tr, read top to bottom.

It answers 200 whatever it thinks of a hit (browsers would log noise otherwise), says in `X-Truecount-Refused` why a
hit is not counted, and 503 where nothing can be stored.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from truecount.collect.batcher import HIT_BYTES, KEPT, HitRefused, HitsKept, Judged, Payload
from truecount.collect.bodies import (
    MAX_HIT,
    MULTIPART,
    BodyRefused,
    form_fields,
    media_type,
    multipart_fields,
    unpacked,
)
from truecount.collect.fields import read_query
from truecount.collect.metrics import BROWSER
from truecount.copies import pack
from truecount.datasets import CANARY_ID, Dataset
from truecount.policy.browser import Hit, Receipt, keep_hits
from truecount.policy.hit_columns import apart
from truecount.vocabulary import STANDARD_EVENTS, Reason

if TYPE_CHECKING:
    from truecount.collect.door import Door
    from truecount.collect.request import Request

_TOLD_NAMES: Final = frozenset(STANDARD_EVENTS)
_id_at_start: Final = re.compile(rb"(?:^|[^?]*&)id=([A-Za-z0-9_-]{1,64})(?:&|$)").match
"""The dataset of a query that cannot be read whole, for its tally."""
_TAKEN: Final = frozenset((b"GET", b"POST"))


class BrowserDoor:
    """Turns requests into hits, hits into copies, and hands them to the batcher with their answer."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def take(self, request: Request) -> None:
        """Let a request wait for the end of this turn of the loop: `judge` decides of it with all others of the turn.

        Together they are columns, on which the steps take three fifths of the time (decision 6).
        """
        door = self._door
        batcher = door.batcher
        if not batcher.scheduled:
            door.begin_turn()
        method = request.method
        if method not in _TAKEN:
            answer = self._answer_other(method, request.keep, request.head.get(b"origin", b""))
            batcher.hand_in(request.receiver, answer, None)
        elif batcher.is_full:
            door.counters.take(BROWSER, unavailable=1)
            batcher.hand_in(request.receiver, door.answers.hit_unavailable, None)
        else:
            size = HIT_BYTES + len(request.query) + len(request.body) + sum(map(len, request.head.values()))
            if request.body and b"content-encoding" in request.head:
                size += MAX_HIT  # what it may unpack to
            batcher.hand_in(request.receiver, b"", request, size)

    def judge(self, requests: Sequence[Request]) -> Judged:
        """Decide of the hits of a turn: one answer to each, and what is to be kept or counted, whatever came."""
        answers = [b""] * len(requests)
        payloads: list[Payload | None] = [KEPT] * len(requests)
        judged = Judged(answers, payloads, [])
        groups: dict[str, tuple[Dataset, list[int], list[Hit]]] = {}
        for at, request in enumerate(requests):
            read = self._read(request)
            if isinstance(read, HitRefused):
                payloads[at] = read
                answers[at] = self._answer(request, read.reason)
                continue
            dataset, hit = read
            group = groups.get(dataset.id)
            if group is None:
                group = groups[dataset.id] = (dataset, [], [])
            group[1].append(at)
            group[2].append(hit)
        door = self._door
        for dataset, places, hits in groups.values():
            receipt = Receipt(dataset, door.now_us, door.weak_key, door.clock_us)
            first = 0
            for run in apart(hits):
                self._keep(run, receipt, places[first : first + len(run)], requests, judged)
                first += len(run)
        return judged

    def _read(self, request: Request) -> tuple[Dataset, Hit] | HitRefused:
        """A request as a hit of a dataset, or why it is none."""
        door = self._door
        head = request.head
        dataset_id = ""
        try:
            keys, values = read_query(request.query.decode("utf-8", "replace"))
            dataset_id = _id_of(keys, values)
            if request.too_large or len(request.body) > MAX_HIT:
                raise BodyRefused(Reason.BODY_TOO_LARGE, 413, "")
            if request.body:
                fields = self._with_body(dict(zip(keys, values, strict=True)), request)
                keys, values = tuple(fields), list(fields.values())
                dataset_id = _id_of(keys, values)
            dataset = door.datasets.get(dataset_id)
            if dataset is None:
                return HitRefused("", Reason.UNKNOWN_DATASET)
            return dataset, Hit(
                keys,
                values,
                request.address,
                head.get(b"user-agent", b"").decode("utf-8", "replace"),
                head[b"origin"].decode("utf-8", "replace") if b"origin" in head else "",
                head[b"referer"].decode("utf-8", "replace") if b"referer" in head else "",
                _purpose(head),
            )
        except BodyRefused as refused:
            reason = refused.reason
        except ValueError:
            reason = Reason.MALFORMED_REQUEST
            match = _id_at_start(request.query)
            dataset_id = match[1].decode() if match else ""
        except Exception as error:
            # A fault of ours: this hit is refused, the next one is looked at.
            door.fault("a hit could not be read", error)
            reason = Reason.UNREADABLE
        known = door.datasets.get(dataset_id)
        return HitRefused(known.id if known else "", reason)

    def _keep(
        self,
        run: Sequence[Hit],
        receipt: Receipt,
        places: Sequence[int],
        requests: Sequence[Request],
        judged: Judged,
    ) -> None:
        """Take hits of one dataset through the policy; where that fails, one by one, so that one costs no other."""
        try:
            kept = keep_hits(run, receipt)
            if kept.n:
                is_canary = receipt.dataset.id == CANARY_ID
                part = pack(kept.n, kept.columns)
                judged.kept.append(HitsKept(kept.n, part, kept.private, receipt.received_us, is_canary))
            ended = kept.ended
        except Exception as error:
            if len(run) > 1:
                for hit, at in zip(run, places, strict=True):
                    self._keep((hit,), receipt, (at,), requests, judged)
                return
            self._door.fault("a hit could not be judged", error)
            ended = {0: Reason.UNREADABLE}
        answers, pixel = judged.answers, self._door.answers.pixel
        for at in places:
            request = requests[at]
            usual = request.keep and request.method == b"GET" and b"origin" not in request.head
            answers[at] = pixel if usual else self._answer(request, None)
        for row, reason in ended.items():
            at = places[row]
            name = run[row].get("ev")
            told = name in _TOLD_NAMES and reason is not Reason.CONSENT_DENIED  # of those nothing is kept
            judged.payloads[at] = HitRefused(receipt.dataset.id, reason, name if told else "")
            answers[at] = self._answer(requests[at], reason)

    def _answer(self, request: Request, reason: Reason | None) -> bytes:
        answers = self._door.answers
        if request.too_large:
            return answers.plain(413, f"A body may have {self._door.max_body} bytes.\n", keep=request.keep)
        origin = request.head.get(b"origin", b"")
        return answers.hit(reason, post=request.method == b"POST", keep=request.keep, origin=origin)

    def _with_body(self, pairs: dict[str, str], request: Request) -> dict[str, str]:
        """The fields of query and body; the query's win."""
        head = request.head
        body = request.body
        encoding = head.get(b"content-encoding")
        if encoding:
            body = unpacked(body, encoding.decode("latin-1"), self._door.max_body)
            if len(body) > MAX_HIT:
                raise BodyRefused(Reason.BODY_TOO_LARGE, 413, "")
        kind, options = media_type(head.get(b"content-type", b"").decode("latin-1"))
        # Whatever is no multipart is read as a form: a beacon calls itself text/plain.
        more = multipart_fields(body, options.get("boundary", "")) if kind == MULTIPART else form_fields(body)
        more.update(pairs)
        return more

    def _answer_other(self, method: bytes, keep: bool, origin: bytes) -> bytes:
        answers = self._door.answers
        if method == b"HEAD":
            return answers.hit_head(keep, origin)
        if method == b"OPTIONS":
            return answers.preflight(keep, origin)
        return answers.plain(
            405, "A hit is sent with GET or POST.\n", extra=b"Allow: GET, HEAD, POST, OPTIONS\r\n", keep=keep
        )


def _id_of(keys: tuple[str, ...], values: Sequence[str]) -> str:
    return values[keys.index("id")].strip() if "id" in keys else ""


def _purpose(head: dict[bytes, bytes]) -> str:
    """What the browser says it fetches for: "prefetch" is no visit."""
    if b"sec-purpose" in head or b"purpose" in head or b"x-moz" in head:
        said = head.get(b"sec-purpose") or head.get(b"purpose") or head.get(b"x-moz") or b""
        return said.decode("latin-1")
    return ""
