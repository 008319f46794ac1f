"""The server door: POST (/vN.N)/{dataset}/events. All of a request is kept, or nothing.

Checks go in this order: token, dataset, permission, shape, then event by event; the first failure is the answer. A
request of many events is worked on in slices, one a turn of the loop, so that others are answered meanwhile; nothing of
it is handed to the batcher before its last slice is found good.
"""

from __future__ import annotations

import re
from collections import Counter, deque
from typing import TYPE_CHECKING, Any, Final

import msgspec

from truecount.collect.batcher import EventsKept, EventsRefused, Private
from truecount.collect.bodies import FORM, MULTIPART, BodyRefused, form_fields, media_type, multipart_fields, unpacked
from truecount.collect.fields import fields_of
from truecount.collect.metrics import SERVER
from truecount.copies import pack
from truecount.datasets import CANARY_ID, Dataset, token_hash
from truecount.log.entries import Tally
from truecount.policy.decode import Body, body_of_fields, body_of_json
from truecount.policy.errors import INVALID, OAUTH, PARAMETER, Problem, RequestRefused
from truecount.policy.server import ServerRequest, end_of_slice, keep_slice, normalised
from truecount.policy.slices import Told, messages_of
from truecount.vocabulary import STANDARD_EVENTS, Outcome, Reason

if TYPE_CHECKING:
    from truecount.collect.door import Door
    from truecount.collect.request import Request

EVENTS_PATH: Final = re.compile(rb"/+(?:v\d+\.\d+/+)?([^/]+)/+events/?").fullmatch

NO_TOKEN: Final = Problem(
    400,
    104,
    None,
    OAUTH,
    "An access token is required to request this resource.",
    "Access Token Missing",
    "Send the dataset's access token as access_token in the query or the body, or as Authorization: Bearer",
)
BAD_TOKEN: Final = Problem(
    401,
    190,
    None,
    OAUTH,
    "Invalid OAuth access token - Cannot parse access token",
    "Access Token Unknown",
    "No dataset of this server has this access token",
)
_TOLD_NAMES: Final = frozenset(STANDARD_EVENTS)


def unknown_dataset(id: str) -> RequestRefused:
    """The same words for a dataset that is not there and one that the token does not belong to."""
    shown = id if re.fullmatch(r"[A-Za-z0-9_-]{1,64}", id) else "?"
    return RequestRefused(
        Reason.UNKNOWN_DATASET,
        problem=Problem(
            400,
            100,
            33,
            "GraphMethodException",
            f"Unsupported post request. Object with ID '{shown}' does not exist, cannot be loaded due to missing "
            "permissions, or does not support this operation",
            "Unknown Dataset",
            "The dataset does not exist, or the access token is another dataset's",
        ),
    )


def body_problem(refused: BodyRefused) -> RequestRefused:
    """A body that is not read, in the envelope."""
    return RequestRefused(
        refused.reason, problem=Problem(refused.http, 100, 2804019, OAUTH, INVALID, PARAMETER, refused.text)
    )


class _Token(msgspec.Struct):
    access_token: str = ""


_token_of: Final = msgspec.json.Decoder(_Token).decode


class _Job(msgspec.Struct):
    """A request of many events on its way."""

    request: Request
    body: Body
    server: ServerRequest
    at: int = 0
    n: int = 0
    withheld: int = 0
    parts: list[bytes] = []
    private: list[Private | None] = []
    any_private: bool = False
    told: Told = {}
    shown: list[dict[str, Any]] = []
    """What a dry run would keep."""


class ServerDoor:
    """Decides of server requests and hands them, whole, to the batcher with their answer."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._jobs: deque[_Job] = deque()
        self._scheduled = False
        self.job_bytes = 0

    @property
    def is_idle(self) -> bool:
        return not self._jobs

    def take(self, request: Request) -> bool:
        """Decide of a request. True when its answer was handed in; False when it goes on in later turns: the connection
        hands in nothing meanwhile, and is told by `receiver.resume()`.
        """
        door = self._door
        if not door.batcher.scheduled:
            door.begin_turn()
        if door.batcher.is_full or self.job_bytes > door.queue_bytes:
            door.counters.take(SERVER, unavailable=1)
            door.batcher.hand_in(request.receiver, door.answers.server_unavailable, None)
            return True
        dataset: Dataset | None = None
        body: Body | RequestRefused | None = None
        try:
            dataset, body = self._admit(request)
            if isinstance(body, RequestRefused):
                raise body
            job = _Job(request, body, ServerRequest(dataset, door.now_us, door.weak_key, clock_us=door.clock_us))
            if end_of_slice(body, 0) == len(body.data):
                self._slice(job)
                self._end(job)
                return True
        except RequestRefused as refused:
            self._refuse(request, refused, dataset, body if isinstance(body, Body) else None)
            return True
        except Exception as error:
            self._fault(request, error, dataset, body if isinstance(body, Body) else None)
            return True
        self.job_bytes += len(request.body)
        self._jobs.append(job)
        self._schedule()
        return False

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._door.loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        """One slice of the oldest request; the loop turns between slices."""
        self._scheduled = False
        job = self._jobs[0]
        door = self._door
        done = True
        try:
            done = self._slice(job)
            if done:
                self._end(job)
        except RequestRefused as refused:
            done = True
            self._refuse(job.request, refused, job.server.dataset, job.body)
        except Exception as error:
            done = True
            self._fault(job.request, error, job.server.dataset, job.body)
        if done:
            self._jobs.popleft()
            self.job_bytes -= len(job.request.body)
            door.resume(job.request.receiver)
        if self._jobs:  # the connection that went on may have brought the next one, and scheduled it
            self._schedule()

    # Steps

    def _admit(self, request: Request) -> tuple[Dataset, Body | RequestRefused]:
        """The dataset and the body, or why the body is refused. RequestRefused raised: token or dataset are wrong."""
        path = EVENTS_PATH(request.path)
        id = path[1].decode("latin-1") if path else ""
        try:
            query = fields_of(request.query.decode("utf-8", "replace")) if request.query else {}
        except ValueError:
            raise RequestRefused(Reason.MALFORMED_REQUEST, "the query has too many fields") from None
        tokens = [query.get("access_token", ""), _bearer(request.head.get(b"authorization", b""))]
        problem: RequestRefused | None = None
        body: Body | None = None
        try:
            body = self._read(request, query)
            tokens.insert(1, body.access_token)
        except BodyRefused as refused:
            problem = body_problem(refused)
        except RequestRefused as refused:
            problem = refused
            tokens.insert(1, self._token_in_broken(request))
        dataset = self._authenticate(id, tokens)
        if body is None:
            assert problem is not None
            return dataset, problem
        return dataset, body

    def _authenticate(self, id: str, tokens: list[str]) -> Dataset:
        """The dataset, when one of the tokens is its own. RequestRefused else: what is wrong with the token first."""
        given = [token_hash(token) for token in tokens if token]
        if not given:
            raise RequestRefused(Reason.NO_TOKEN, problem=NO_TOKEN)
        dataset = self._door.datasets.get(id)
        if dataset is not None:
            for found in given:
                if found in dataset.token_hashes:
                    self._door.uses.now[found] = self._door.now_us
                    return dataset
        if any(found in self._door.tokens for found in given):
            raise unknown_dataset(id)
        raise RequestRefused(Reason.BAD_TOKEN, problem=BAD_TOKEN)

    def _read(self, request: Request, query: dict[str, str]) -> Body:
        """The body in any of its shapes; fields of the query join it, and carry `data` where the body is empty."""
        raw = request.body
        if request.too_large:
            raise BodyRefused(Reason.BODY_TOO_LARGE, 413, f"The body is larger than {self._door.max_body} bytes")
        encoding = request.head.get(b"content-encoding")
        if encoding:
            raw = unpacked(raw, encoding.decode("latin-1"), self._door.max_body)
            request.body = raw
        kind, options = media_type(request.head.get(b"content-type", b"").decode("latin-1"))
        if not raw.strip():
            return body_of_fields(query)
        if kind == MULTIPART:
            fields = multipart_fields(raw, options.get("boundary", ""))
        elif kind == FORM or (kind in ("", "text/plain") and raw.lstrip()[:1] != b"{"):
            fields = form_fields(raw)
        elif kind in ("", "text/plain", "text/json") or kind.endswith(("/json", "+json")):
            body = body_of_json(raw)
            if query:
                _options_of_query(body, query)
            return body
        else:
            raise BodyRefused(
                Reason.UNSUPPORTED_TYPE, 415, "Content-Type must be application/json, a form or multipart/form-data"
            )
        fields.update({key: value for key, value in query.items() if key == "access_token" or key not in fields})
        return body_of_fields(fields)

    def _token_in_broken(self, request: Request) -> str:
        """The token in a body whose events cannot be read: it may still say whose request this is."""
        kind, options = media_type(request.head.get(b"content-type", b"").decode("latin-1"))
        try:
            if kind == MULTIPART:
                return multipart_fields(request.body, options.get("boundary", "")).get("access_token", "")
            if kind == FORM:
                return form_fields(request.body).get("access_token", "")
            return _token_of(request.body).access_token
        except (BodyRefused, msgspec.MsgspecError, RecursionError, ValueError):
            return ""

    def _slice(self, job: _Job) -> bool:
        """Keep the next slice. True when it was the last."""
        body = job.body
        events = body.data[job.at : end_of_slice(body, job.at)]
        kept = keep_slice(events, job.at, body, job.server)
        if body.dry_run:
            job.shown.extend(normalised(kept))
        elif kept.n:
            job.parts.append(pack(kept.n, kept.columns))
            if kept.private is not None:
                job.any_private = True
                job.private.extend(kept.private)
            else:
                job.private.extend([None] * kept.n)
        job.n += kept.n
        job.withheld += kept.withheld
        for text, rows in kept.told.items():
            first, n = job.told.get(text, (job.at + rows[0], 0))
            job.told[text] = (first, n + len(rows))
        job.at += len(events)
        return job.at >= len(body.data)

    def _end(self, job: _Job) -> None:
        door = self._door
        request, body = job.request, job.body
        messages = [*body.messages, *messages_of(job.told)]
        if body.dry_run:
            door.counters.add("truecount_dry_runs_total", len(body.data))
            answer = door.answers.received(len(body.data), messages, keep=request.keep, normalised=job.shown)
            door.batcher.hand_in(request.receiver, answer, None)
            return
        dataset = job.server.dataset.id
        tallies = []
        if job.withheld:
            tallies.append(
                Tally(dataset, SERVER, Outcome.WITHHELD, Reason.CONSENT_DENIED, job.withheld, job.server.received_us)
            )
        payload = EventsKept(
            job.n,
            sum(map(len, job.parts)),
            job.parts,
            job.private if job.any_private else None,
            tallies,
            dataset == CANARY_ID,
        )
        door.batcher.hand_in(
            request.receiver,
            door.answers.received(len(body.data), messages, keep=request.keep),
            payload,
            len(request.body) + payload.size,
        )

    # Ends

    def _refuse(self, request: Request, refused: RequestRefused, dataset: Dataset | None, body: Body | None) -> None:
        """Answer with the envelope; of a known dataset, leave a tally for each event."""
        door = self._door
        answer = door.answers.refusal(refused, keep=request.keep)
        if body is not None and body.dry_run:
            door.counters.add("truecount_dry_runs_total", len(body.data))
            door.batcher.hand_in(request.receiver, answer, None)
            return
        names = [""] * max(1, refused.n_events)
        if body is not None and body.data:
            # Names of an owner's own could say anything, so that the standard ones alone are told.
            names = [event.event_name if event.event_name in _TOLD_NAMES else "" for event in body.data]
        tallies = []
        if dataset is not None:
            tallies = [
                Tally(dataset.id, SERVER, Outcome.REFUSED, refused.reason, count, door.now_us, name)
                for name, count in Counter(names).items()
            ]
        door.batcher.hand_in(request.receiver, answer, EventsRefused(len(names), refused.reason, tallies))

    def _fault(self, request: Request, error: Exception, dataset: Dataset | None, body: Body | None) -> None:
        """A fault of ours: this request is refused as unreadable, the next one is looked at."""
        self._door.fault("a server request could not be judged", error)
        problem = Problem(400, 100, 2804019, OAUTH, INVALID, PARAMETER, "The request could not be read")
        self._refuse(request, RequestRefused(Reason.UNREADABLE, problem=problem), dataset, body)


def _bearer(header: bytes) -> str:
    scheme, _, token = header.decode("latin-1").strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _options_of_query(body: Body, query: dict[str, str]) -> None:
    """Options that a JSON body leaves open may stand in the query."""
    if not body.test_event_code:
        body.test_event_code = query.get("test_event_code", "")
    if not body.partner_agent:
        body.partner_agent = query.get("partner_agent", "")
    if not body.dry_run:
        body.dry_run = query.get("dry_run", "").strip().lower() in ("1", "true")
