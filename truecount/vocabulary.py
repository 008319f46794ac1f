"""The words of the field, each once: events, sources, match keys, marks, outcomes, reasons, verdicts, rules.

Docs, SQL and code draw on these sets; tests compare them with the generated tables. Where a rule comes from is said
beside it: the wire formats are described in docs/wire.md.
"""

from __future__ import annotations

from enum import IntFlag, StrEnum
from typing import Final

STANDARD_EVENTS: Final = (
    "AddPaymentInfo",
    "AddToCart",
    "AddToWishlist",
    "CompleteRegistration",
    "Contact",
    "CustomizeProduct",
    "Donate",
    "FindLocation",
    "InitiateCheckout",
    "Lead",
    "PageView",
    "Purchase",
    "Schedule",
    "Search",
    "StartTrial",
    "SubmitApplication",
    "Subscribe",
    "ViewContent",
)

MESSAGING_EVENTS: Final = (
    "Purchase",
    "LeadSubmitted",
    "InitiateCheckout",
    "AddToCart",
    "ViewContent",
    "OrderCreated",
    "OrderShipped",
    "OrderDelivered",
    "OrderCanceled",
    "OrderReturned",
    "CartAbandoned",
    "QualifiedLead",
    "RatingProvided",
    "ReviewProvided",
)


class Source(StrEnum):
    """The door a copy came through. Browser and app are the browser side of dedup, all others the server side."""

    BROWSER = "browser"
    SERVER = "server"
    APP = "app"
    OFFLINE = "offline"
    CRM = "crm"
    MESSAGING = "messaging"


BROWSER_SIDE: Final = (Source.BROWSER, Source.APP)

ACTION_SOURCES: Final = {
    "email": Source.SERVER,
    "website": Source.SERVER,
    "app": Source.APP,
    "phone_call": Source.SERVER,
    "chat": Source.SERVER,
    "physical_store": Source.OFFLINE,
    "system_generated": Source.CRM,
    "business_messaging": Source.MESSAGING,
    "other": Source.SERVER,
}
"""action_source of a server event -> the source its copies are counted under."""

DIGEST_KEYS: Final = ("em", "ph", "fn", "ln", "db", "ge", "ct", "st", "zp", "country", "external_id")
"""Match keys that are normalised and kept as SHA-256 alone, in a column of their own."""

RARE_DIGEST_KEYS: Final = ("f5first", "f5last", "fi", "dobd", "dobm", "doby", "app_user_id")
"""Match keys that are hashed too, but lie together in the `other_keys` map (as lower-case hex)."""

PLAIN_KEYS: Final = (
    "subscription_id",
    "fb_login_id",
    "lead_id",
    "anon_id",
    "madid",
    "page_id",
    "page_scoped_user_id",
    "ctwa_clid",
    "ig_account_id",
    "ig_sid",
    "whatsapp_business_account_id",
    "partner_id",
)
"""Match keys that the wire format keeps unhashed: `other_keys`. (fbp and fbc have columns of their own.)"""

KEY_ALIASES: Final = {
    "email": "em",
    "phone": "ph",
    "gen": "ge",
    "zip": "zp",
    "uid": "external_id",
    "instagram_business_account_id": "ig_account_id",
}
"""Older and peer names of match keys -> the name used here."""


class Mark(IntFlag):
    """A fact on an accepted copy that changes no outcome; a bit each."""

    TEST = 1
    BOT = 2
    TOOL = 4
    LDU = 8
    OPT_OUT = 16
    LIMITED = 32
    CANARY = 64
    IMPORTED = 128


class Visitor(StrEnum):
    """What kind of visitor a user agent says it is."""

    PERSON = "person"
    BOT = "bot"
    TOOL = "tool"
    PREFETCH = "prefetch"
    UNKNOWN = "unknown"


class Outcome(StrEnum):
    """How one received item ended, for good. Everything received has exactly one."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    WITHHELD = "withheld"
    SET_ASIDE = "set_aside"


class Reason(StrEnum):
    """Why an item was not accepted: one closed set for tallies, metrics, `events --refused` and docs."""

    # requests that never became events
    MALFORMED_REQUEST = "malformed_request"
    HEAD_TOO_LARGE = "head_too_large"
    BODY_TOO_LARGE = "body_too_large"
    TOO_DEEP = "too_deep"
    BAD_ENCODING = "bad_encoding"
    UNSUPPORTED_TYPE = "unsupported_type"
    NO_TOKEN = "no_token"
    BAD_TOKEN = "bad_token"
    UNKNOWN_DATASET = "unknown_dataset"
    NO_DATA = "no_data"
    TOO_MANY_EVENTS = "too_many_events"
    # events
    BAD_SHAPE = "bad_shape"
    NO_EVENT_NAME = "no_event_name"
    BAD_EVENT_NAME = "bad_event_name"
    NO_EVENT_TIME = "no_event_time"
    BAD_EVENT_TIME = "bad_event_time"
    TIME_TOO_OLD = "time_too_old"
    TIME_IN_FUTURE = "time_in_future"
    TIME_IN_MILLISECONDS = "time_in_milliseconds"
    NO_USER_DATA = "no_user_data"
    NO_MATCH_KEYS = "no_match_keys"
    BAD_ACTION_SOURCE = "bad_action_source"
    NO_APP_DATA = "no_app_data"
    NO_OS_VERSION = "no_os_version"
    BAD_LEAD_ID = "bad_lead_id"
    BAD_MESSAGING_EVENT = "bad_messaging_event"
    NO_MESSAGING_ID = "no_messaging_id"
    UNHASHED_STRICT = "unhashed_strict"
    NO_MONEY_STRICT = "no_money_strict"
    # permissions of the dataset
    ORIGIN_NOT_ALLOWED = "origin_not_allowed"
    DOMAIN_NOT_ALLOWED = "domain_not_allowed"
    DOMAIN_BLOCKED = "domain_blocked"
    AUTOMATIC_EVENTS_OFF = "automatic_events_off"
    # withheld
    CONSENT_DENIED = "consent_denied"
    # set aside
    NO_ORIGINAL = "no_original"
    UNREADABLE = "unreadable"


class Verdict(StrEnum):
    """What dedup says of an accepted copy as the log stands now."""

    KEPT = "kept"
    DUPLICATE = "duplicate"
    LEFT_OUT = "left_out"
    """Carries a mark that the dataset does not count (a bot, say): it forms no action."""


class Rule(StrEnum):
    """The dedup rule that decided of a copy."""

    FIRST_RECEIVED = "first_received"
    BROWSER_WITHIN_5_MIN = "browser_within_5_min"
    EVENT_ID = "event_id"
    FBP = "fbp"
    EXTERNAL_ID = "external_id"
    OFFLINE = "offline"
    OUTSIDE_WINDOW = "outside_window"
    NO_KEY = "no_key"


DEDUP_WINDOW_S: Final = 48 * 3600
BROWSER_PREFERRED_S: Final = 300
OFFLINE_WINDOW_S: Final = 7 * 86400
MAX_EVENTS_A_REQUEST: Final = 1000
MAX_EVENT_AGE_S: Final = 7 * 86400
MAX_OFFLINE_AGE_S: Final = 62 * 86400
FUTURE_SILENT_S: Final = 60
FUTURE_LIMIT_S: Final = 600
