"""What the words of the vocabulary mean, said to a person: rules, marks, what was taken out or noted, refusals."""

from __future__ import annotations

from typing import Final

from truecount.policy.errors import PROBLEMS
from truecount.vocabulary import Mark, Outcome, Reason, Rule, Source

RULES: Final[dict[str, str]] = {
    Rule.FIRST_RECEIVED: "It was received first, so it is the copy that counts.",
    Rule.BROWSER_WITHIN_5_MIN: (
        "Another copy was first, but a browser copy that comes within 5 minutes of it is preferred."
    ),
    Rule.EVENT_ID: "Same event name and same event id, within 48 hours of the first copy.",
    Rule.FBP: (
        "They have no event id in common. A server copy that follows a browser copy of the same fbp, the browser's own "
        "id, within 48 hours belongs to it."
    ),
    Rule.EXTERNAL_ID: (
        "They have no event id in common. A server copy that follows a browser copy of the same external_id, the "
        "customer's number at the shop, within 48 hours belongs to it."
    ),
    Rule.OFFLINE: "Offline copies of the same time, name and order (or the same match keys) within 7 days are one.",
    Rule.OUTSIDE_WINDOW: (
        "Its id was there before, but more than 48 hours earlier: so it begins an action of its own."
    ),
    Rule.NO_KEY: "It has no event id and nothing else that copies are compared by, so it stands for itself.",
}
"""Rule -> why it decided so. The one place where rules are put into words for a page."""

RULE_NAMES: Final[dict[str, str]] = {
    Rule.FIRST_RECEIVED: "Received first",
    Rule.BROWSER_WITHIN_5_MIN: "Browser preferred",
    Rule.EVENT_ID: "Same event id",
    Rule.FBP: "Same browser id (fbp)",
    Rule.EXTERNAL_ID: "Same external_id",
    Rule.OFFLINE: "Same offline sale",
    Rule.OUTSIDE_WINDOW: "Id again, after 48 h",
    Rule.NO_KEY: "Nothing to compare by",
}
"""Rule -> a few words, for a filter."""

MARKS: Final[dict[str, str]] = {
    "test": "sent as a test",
    "bot": "sent by a bot, by what its user agent says",
    "tool": "sent by a program, by what its user agent says",
    "ldu": "under Limited Data Use",
    "opt_out": "of a person who opted out",
    "limited": "without identifiers, because consent was denied",
    "canary": "this server's own test of the doors",
    "imported": "imported from a file",
}
"""Mark -> what it says of a copy."""
assert set(MARKS) == {str(mark.name).lower() for mark in Mark}

SOURCES: Final[dict[str, str]] = {
    Source.BROWSER: "the browser",
    Source.SERVER: "the server",
    Source.APP: "the app",
    Source.OFFLINE: "the shop's offline records",
    Source.CRM: "the CRM",
    Source.MESSAGING: "the messaging channel",
}

OUTCOMES: Final[dict[str, str]] = {
    Outcome.REFUSED: "refused",
    Outcome.WITHHELD: "withheld",
    Outcome.SET_ASIDE: "set aside",
}

_KINDS: Final = {
    "email": "an e-mail address",
    "phone": "a phone number",
    "card": "a card number",
    "word": "a sensitive word",
}
_NOTES: Final = {
    "unstorable_text": "text that cannot be stored was left out",
    "unknown_user_data": "names in user_data that are no match keys",
    "no_user_agent": "no user agent",
    "no_action_source": "no action_source",
    "no_event_source_url": "no event_source_url",
    "no_money": "no value and currency that can be read",
    "no_crm_fields": "no fields that CRM events need",
    "money_at_event_level": "value and currency stood beside custom_data, not in it",
    "unhashed": "contact data came unhashed, and was hashed at the door",
}
_NOTES_OF: Final = {
    "unreadable": "{} cannot be read",
    "unusable": "{} cannot be used",
    "bad": "{} is not what its field wants",
    "nothing": "{} said nothing, as null or an empty text's hash does",
    "md5": "{} is hashed with MD5, which nothing can be compared with",
    "many": "more values of {} than are looked at",
    "not_json": "{} is no JSON",
}
PLACES: Final[dict[str, str]] = {
    Reason.NO_DATA: "data",
    Reason.TOO_MANY_EVENTS: "data",
    Reason.NO_EVENT_NAME: "event_name",
    Reason.BAD_EVENT_NAME: "event_name",
    Reason.NO_EVENT_TIME: "event_time",
    Reason.BAD_EVENT_TIME: "event_time",
    Reason.TIME_TOO_OLD: "event_time",
    Reason.TIME_IN_FUTURE: "event_time",
    Reason.TIME_IN_MILLISECONDS: "event_time",
    Reason.NO_USER_DATA: "user_data",
    Reason.NO_MATCH_KEYS: "user_data",
    Reason.BAD_ACTION_SOURCE: "action_source",
    Reason.NO_APP_DATA: "app_data",
    Reason.NO_OS_VERSION: "app_data.extinfo[4]",
    Reason.BAD_LEAD_ID: "user_data.lead_id",
    Reason.BAD_MESSAGING_EVENT: "event_name",
    Reason.NO_MESSAGING_ID: "user_data",
    Reason.UNHASHED_STRICT: "user_data",
    Reason.NO_MONEY_STRICT: "custom_data",
    Reason.DOMAIN_NOT_ALLOWED: "event_source_url",
    Reason.DOMAIN_BLOCKED: "event_source_url",
    Reason.NO_ORIGINAL: "original_event_data",
}
"""Reason -> the field that it is about, where it is always the same one."""

_REASONS: Final[dict[str, str]] = {
    Reason.BAD_SHAPE: "A field has a wrong type, or the event is larger than 256 kB",
    Reason.MALFORMED_REQUEST: "The request, or what stood in it, cannot be read",
    Reason.TOO_DEEP: "It nests deeper than is accepted",
    Reason.HEAD_TOO_LARGE: "The head of the request is larger than 64 kB",
    Reason.BODY_TOO_LARGE: "The body is too large",
    Reason.BAD_ENCODING: "The packed body cannot be unpacked",
    Reason.UNSUPPORTED_TYPE: "A Content-Type or Content-Encoding that is not read",
    Reason.NO_TOKEN: "There is no access token",
    Reason.BAD_TOKEN: "The access token is none of this server",
    Reason.UNKNOWN_DATASET: "There is no such dataset, or the token is another one's",
    Reason.ORIGIN_NOT_ALLOWED: "The hit came from a page of an origin that this dataset does not list",
    Reason.DOMAIN_NOT_ALLOWED: "The event is of a domain that this dataset takes none from",
    Reason.DOMAIN_BLOCKED: "The event is of a domain that this dataset blocks",
    Reason.AUTOMATIC_EVENTS_OFF: "An automatic event, and this dataset does not take those",
    Reason.CONSENT_DENIED: "Consent is denied, and this dataset keeps nothing of such events",
    Reason.NO_ORIGINAL: "It amends an event that is not here",
    Reason.UNREADABLE: "It could not be stored. That is a fault of this server: please report it",
}


def refusal(reason: str) -> str:
    """Why something was not accepted, in the words that its sender got, where it got any."""
    if reason in _REASONS:
        return _REASONS[reason]
    return PROBLEMS[Reason(reason)].text.replace("{place}", PLACES.get(reason, "that is wrong"))


def code_of(reason: str) -> str:
    """code/subcode that the server door answers with, "" where it answers with none."""
    problem = next((one for key, one in PROBLEMS.items() if key == reason), None)
    if problem is None:
        return ""
    return f"{problem.code}/{problem.subcode}" if problem.subcode else str(problem.code)


def taken(removed: str) -> str:
    """What scrubbing took, as ("url:email") is told: "an e-mail address out of url"."""
    field, _, kind = removed.rpartition(":")
    return f"{_KINDS.get(kind, kind)} out of {field}"


def noted(note: str) -> str:
    """What was odd about a copy."""
    kind, _, field = note.partition(":")
    if field and kind in _NOTES_OF:
        return _NOTES_OF[kind].format(field)
    return _NOTES.get(note, note)


def sentence(text: str) -> str:
    """Words of an error as a sentence that stands alone: with a capital, and a full stop."""
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "?")) else ".")


def things(event_name: str, n: int) -> str:
    """What actions of this name are called: "sale" for Purchase, "action" for all others."""
    return ("sale" if event_name == "Purchase" else "action") + ("" if n == 1 else "s")


_SMALL: Final = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten")


def counted(n: int) -> str:
    """A small number as a word, to begin a sentence with."""
    return _SMALL[n] if n < len(_SMALL) else str(n)
