"""What the server door answers to a request that it refuses: reasons, codes and sentences, each in one table.

Codes and titles follow the Conversions API's own errors where those are public, so that clients' retry rules fit: no
code here is one that a client would retry (1, 2, 4, 17, 32, 341, 368, 613, 5000, 21009, 80003, 80004).
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from truecount.vocabulary import Reason


class Problem(NamedTuple):
    """How one reason is answered."""

    http: int
    code: int
    subcode: int | None
    type: str
    message: str
    title: str
    text: str
    """The human sentence; `{place}` stands for the JSONPath of what is wrong."""


OAUTH: Final = "OAuthException"
PARAMETER: Final = "Server Side Api Parameter Error"
INVALID: Final = "Invalid parameter"


def _parameter(text: str, subcode: int = 2804019, title: str = PARAMETER) -> Problem:
    return Problem(400, 100, subcode, OAUTH, INVALID, title, text)


PROBLEMS: Final[dict[Reason, Problem]] = {
    Reason.MALFORMED_REQUEST: _parameter("The request body cannot be read: {place}"),
    Reason.TOO_DEEP: _parameter("The request nests deeper than is accepted: {place}"),
    Reason.NO_DATA: Problem(
        400,
        100,
        None,
        OAUTH,
        "(#100) The parameter data is required",
        PARAMETER,
        "The parameter data is required: an array of 1 to 1000 server events",
    ),
    Reason.TOO_MANY_EVENTS: _parameter("The parameter data holds more than 1000 events: send them in several requests"),
    Reason.BAD_SHAPE: _parameter("The parameter {place} has a wrong type"),
    Reason.NO_EVENT_NAME: _parameter("The parameter {place} is required"),
    Reason.BAD_EVENT_NAME: _parameter("The parameter {place} must be a text of 1 to 100 characters"),
    Reason.NO_EVENT_TIME: _parameter("The parameter {place} is required"),
    Reason.BAD_EVENT_TIME: _parameter(
        "The parameter {place} must be Unix time in seconds (an integer, digits as text, or ISO 8601)"
    ),
    Reason.TIME_TOO_OLD: _parameter(
        "The parameter {place} is older than is accepted: 7 days, 62 days for physical_store",
        2804003,
        "Event Timestamp Too Old",
    ),
    Reason.TIME_IN_FUTURE: _parameter("The parameter {place} lies more than 10 minutes in the future"),
    Reason.TIME_IN_MILLISECONDS: _parameter(
        "The parameter {place} lies in the future: it looks like milliseconds, send Unix time in seconds"
    ),
    Reason.NO_USER_DATA: _parameter("The parameter {place} is required"),
    Reason.NO_MATCH_KEYS: _parameter(
        "The parameter {place} holds no usable match key, or too broad ones alone: add an e-mail, a phone number, "
        "an external_id, fbp, fbc, or address and user agent together",
        2804050,
        "You haven't added sufficient customer information parameter data for this event",
    ),
    Reason.BAD_ACTION_SOURCE: _parameter(
        "The parameter {place} must be one of email, website, app, phone_call, chat, physical_store, system_generated, "
        "business_messaging, other"
    ),
    Reason.NO_APP_DATA: _parameter("The parameter {place} is required for action_source app"),
    Reason.NO_OS_VERSION: _parameter(
        "The parameter {place} must hold the version of the operating system", 2804043, "App Event Without OS Version"
    ),
    Reason.BAD_LEAD_ID: _parameter("The parameter {place} must have 15 to 17 digits", 2804036, "Invalid Lead ID"),
    Reason.BAD_MESSAGING_EVENT: _parameter(
        "The parameter {place} is no event of business_messaging", 2804066, "Messaging Event Invalid Event Type"
    ),
    Reason.NO_MESSAGING_ID: _parameter("The parameter {place} is required for this messaging_channel"),
    Reason.UNHASHED_STRICT: _parameter("The parameter {place} must be hashed: this dataset takes SHA-256 alone"),
    Reason.NO_MONEY_STRICT: _parameter(
        "A Purchase needs the parameter {place} in this dataset, as one that can be read"
    ),
    Reason.DOMAIN_NOT_ALLOWED: _parameter("The domain of {place} is none that this dataset takes events from"),
    Reason.DOMAIN_BLOCKED: _parameter("The domain of {place} is blocked in this dataset"),
}

LARGE_EVENT: Final = _parameter("The event {place} is larger than 256 kB")

WHATSAPP_ID: Final = Problem(
    400,
    100,
    2804116,
    OAUTH,
    INVALID,
    "Messaging Event Without Account",
    "The parameter {place} needs page_id or whatsapp_business_account_id for messaging_channel whatsapp",
)


class RequestRefused(Exception):
    """A whole request is refused and nothing of it is kept.

    The texts name places ($['data'][0]['user_data']) and rules, never a value that was sent.
    """

    def __init__(
        self,
        reason: Reason,
        place: str = "",
        field: list[str] | None = None,
        n_events: int = 1,
        problem: Problem | None = None,
    ) -> None:
        problem = problem or PROBLEMS[reason]
        self.reason: Final = reason
        self.http: Final = problem.http
        self.code: Final = problem.code
        self.subcode: Final = problem.subcode
        self.type: Final = problem.type
        self.message: Final = problem.message
        self.title: Final = problem.title
        self.text: Final = problem.text.format(place=place)
        self.field: Final = field
        self.n_events = n_events
        """Events that the request held, at least 1: so many tallies it leaves."""
        super().__init__(self.text)

    def answer(self, trace_id: str) -> dict[str, Any]:
        """Give the error envelope, as the official clients read it."""
        error: dict[str, Any] = {"message": self.message, "type": self.type, "code": self.code}
        if self.subcode is not None:
            error["error_subcode"] = self.subcode
        error["is_transient"] = False
        if self.field:
            error["error_data"] = {"blame_field_specs": [self.field]}
        error["error_user_title"] = self.title
        error["error_user_msg"] = self.text
        error["fbtrace_id"] = trace_id
        return {"error": error}


def at_event(reason: Reason, index: int, *path: str | int, problem: Problem | None = None) -> RequestRefused:
    """Refuse because of event `index` (counted in the request), naming the place below it."""
    return RequestRefused(reason, place(index, *path), [str(step) for step in path] or None, problem=problem)


def place(index: int, *path: str | int) -> str:
    """Write the JSONPath of a part of event `index`: $['data'][0]['user_data']."""
    return f"$['data'][{index}]" + "".join(f"[{step}]" if isinstance(step, int) else f"['{step}']" for step in path)
