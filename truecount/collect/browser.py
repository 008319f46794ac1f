"""The browser door: GET, POST, HEAD and OPTIONS on any path that ends in /tr, read top to bottom.

It answers 200 whatever it thinks of a hit (browsers would log noise otherwise), says in `X-Truecount-Refused` why a
hit is not counted, and 503 where nothing can be stored.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from truecount.collect.batcher import HIT_BYTES, HitKept, HitRefused, Waiter
from truecount.collect.bodies import (
    MAX_HIT,
    MULTIPART,
    BodyRefused,
    form_fields,
    media_type,
    multipart_fields,
    unpacked,
)
from truecount.collect.fields import fields_of
from truecount.collect.metrics import BROWSER
from truecount.copies import Copy
from truecount.policy.browser import Hit, keep_hit
from truecount.policy.visitor import agent_of
from truecount.vocabulary import STANDARD_EVENTS, Reason

if TYPE_CHECKING:
    from truecount.collect.door import Door
    from truecount.collect.request import Request

_TOLD_NAMES: Final = frozenset(STANDARD_EVENTS)


class BrowserDoor:
    """Turns requests into hits, hits into copies, and hands them to the batcher with their answer."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def take(self, request: Request) -> None:
        """Let a request wait for the end of this turn of the loop: `judge` decides of it with all others of the turn.

        One after the other they find the processor's caches warm, which makes the steps about twice as fast.
        """
        door = self._door
        batcher = door.batcher
        if not batcher.scheduled:
            door.begin_turn()
        method = request.method
        if method not in (b"GET", b"POST"):
            answer = self._answer_other(method, request.keep, request.head.get(b"origin", b""))
            batcher.hand_in(request.receiver, answer, None)
            return
        if batcher.is_full:
            door.counters.take(BROWSER, unavailable=1)
            batcher.hand_in(request.receiver, door.answers.hit_unavailable, None)
            return
        request.head = request.head.copy()  # the connection reads its next request into this one
        batcher.hand_in(request.receiver, b"", request, HIT_BYTES + len(request.query) + len(request.body))

    def judge(self, request: Request) -> Waiter:
        """Decide of a hit: exactly one answer, and what is to be kept or counted, whatever came."""
        door = self._door
        head = request.head
        origin = head.get(b"origin", b"")
        post = request.method == b"POST"
        answers = door.answers
        dataset_id = ""
        name = ""
        kept: Copy | Reason
        try:
            pairs = fields_of(request.query.decode("utf-8", "replace"))
            if request.too_large:
                dataset_id = pairs.get("id", "")
                raise BodyRefused(Reason.BODY_TOO_LARGE, 413, "")
            if request.body:
                if len(request.body) > MAX_HIT:
                    dataset_id = pairs.get("id", "")
                    raise BodyRefused(Reason.BODY_TOO_LARGE, 413, "")
                pairs = self._with_body(pairs, request)
            dataset_id = pairs.get("id", "")
            dataset = door.datasets.get(dataset_id)
            if dataset is None:
                dataset = door.datasets.get(dataset_id.strip())
            if dataset is None:
                kept = Reason.UNKNOWN_DATASET
                dataset_id = ""
            else:
                name = pairs.get("ev", "")
                address = request.address
                agent = agent_of(head.get(b"user-agent", b"").decode("utf-8", "replace"))
                hit = Hit(
                    pairs,
                    address,
                    agent,
                    origin.decode("utf-8", "replace"),
                    head.get(b"referer", b"").decode("utf-8", "replace"),
                    door.now_us,
                    door.clock_us,
                )
                kept = keep_hit(hit, dataset, door.weak_key, _purpose(head))
                if isinstance(kept, Copy):
                    if origin or post or not request.keep:
                        answer = answers.hit(post=post, keep=request.keep, origin=origin)
                    else:
                        answer = answers.pixel
                    otherwise = partial(answers.hit, Reason.UNREADABLE, post=post, keep=request.keep, origin=origin)
                    return request.receiver, answer, HitKept(kept, (address, agent), otherwise)
        except BodyRefused as refused:
            kept = refused.reason
        except ValueError:
            kept = Reason.MALFORMED_REQUEST
        except RecursionError:
            kept = Reason.TOO_DEEP
        except Exception as error:
            # A fault of ours: this hit is refused, the next one is looked at.
            door.fault("a hit could not be judged", error)
            kept = Reason.UNREADABLE
        assert isinstance(kept, Reason)
        if dataset_id not in door.datasets:
            dataset_id = ""
        if request.too_large:
            answer = answers.plain(413, f"A body may have {door.max_body} bytes.\n", keep=request.keep)
            return request.receiver, answer, HitRefused(dataset_id, kept)
        answer = answers.hit(kept, post=post, keep=request.keep, origin=origin)
        return request.receiver, answer, HitRefused(dataset_id, kept, name if name in _TOLD_NAMES else "")

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


def _purpose(head: dict[bytes, bytes]) -> str:
    """What the browser says it fetches for: "prefetch" is no visit."""
    if b"sec-purpose" in head or b"purpose" in head or b"x-moz" in head:
        said = head.get(b"sec-purpose") or head.get(b"purpose") or head.get(b"x-moz") or b""
        return said.decode("latin-1")
    return ""
