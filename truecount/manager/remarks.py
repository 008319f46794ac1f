"""What machines wrote down, in words: findings of the policy, what scrubbing took, why something was not accepted.

One table each, so that a page, a drawer and a dry run say the same.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from truecount.vocabulary import Reason


class Remark(NamedTuple):
    """A finding beside its field."""

    field: str
    """The column that it speaks of; "" for the whole event."""
    text: str


KIND_NOTES: Final = {
    "md5": "Came as MD5. It is kept apart and never matched: send SHA-256, or the plain value over HTTPS.",
    "bad": "Not a value of this key, so nothing was kept of it. Look at what fills the field.",
    "nothing": "A word for nothing, such as null, or a hash of one. It was left out, since strangers would share it.",
    "many": "More values than are kept; the first ones were taken.",
    "unreadable": "Could not be read, so it was left out. Look at what fills the field.",
    "not_json": "Should be JSON and is none. It was kept as text.",
    "unusable": "No time that can be used, so the time of receipt counts.",
}
"""What stands before the colon of a note -> a sentence about the field behind it."""

_NO_NUMBER: Final = Remark("value_e4", "No number that can be summed. Send 1299.00, without a currency in it.")
_NO_CURRENCY: Final = Remark("currency", "No ISO 4217 code. Send three letters, as in INR or EUR.")

NOTES: Final = {
    "bad:value": _NO_NUMBER,
    "unreadable:value": _NO_NUMBER,
    "bad:currency": _NO_CURRENCY,
    "unreadable:currency": _NO_CURRENCY,
    "unusable:ts": Remark("event_time_ms", "The page's time was none that can be used, so the time of receipt counts."),
    "nothing:event_id": Remark("event_id", "The id was a word for nothing, such as null, and was left out. Without, "
                               "copies of one action find each other by fbp or external_id alone."),
    "unreadable:consent": Remark("consent", "Says neither granted nor denied: read as not said."),
    "no_money": Remark("value_e4", "A Purchase wants value and currency. Without both it is in no sum of value."),
    "money_at_event_level": Remark("value_e4", "Money stood beside custom_data. Put value and currency into it."),
    "no_user_agent": Remark("", "No user agent came: send client_user_agent, to tell bots from people."),
    "no_action_source": Remark("action_source", "Was not sent. Say where the event happened, as in website."),
    "no_event_source_url": Remark("url", "A website's event wants event_source_url, the address of the page."),
    "no_crm_fields": Remark("custom_data", "An event of a CRM wants event_source (crm) and lead_event_source."),
    "unhashed": Remark("", "Contact data came unhashed. It was hashed at the door and kept in no other form."),
    "unknown_user_data": Remark("extra", "user_data has keys that nothing here reads. Their values were not kept."),
    "many:unknown_user_data": Remark("extra", "user_data has many keys that nothing here reads; not all are named."),
    "many:unknown": Remark("extra", "Many keys that nothing here reads; not all were kept."),
    "unstorable_text": Remark("", "Some text held characters that cannot be stored; they were left out."),
}  # fmt: skip
"""Notes that need a sentence of their own."""

COLUMNS: Final = {
    "event_source_url": "url",
    "referrer_url": "referrer",
    "value": "value_e4",
    "ts": "event_time_ms",
    "client_ip_address": "address",
}
"""Names in notes and removals -> columns."""

TAKEN: Final = {
    "email": "an e-mail address",
    "phone": "a phone number",
    "card": "a card number",
    "long": "a text too long to be looked at",
    "word": "a word that this dataset takes out",
}

REASONS: Final[dict[str, str]] = {
    Reason.MALFORMED_REQUEST: "The request could not be read. Send JSON or a form, in UTF-8.",
    Reason.HEAD_TOO_LARGE: "The head of the request is larger than 64 kB. Mostly cookies are: send fewer.",
    Reason.BODY_TOO_LARGE: "The request is too large. Send fewer events at a time.",
    Reason.TOO_DEEP: "The request nests too deeply. Send flat values in custom_data.",
    Reason.BAD_ENCODING: "The body could not be unpacked. Check Content-Encoding.",
    Reason.UNSUPPORTED_TYPE: "The body is of no type that is read here. Send application/json or a form.",
    Reason.NO_TOKEN: "No access token came. Send the dataset's token.",
    Reason.BAD_TOKEN: "The access token is none of this server. Take one from Settings.",
    Reason.UNKNOWN_DATASET: "The dataset and the token do not belong together. Check both.",
    Reason.NO_DATA: "The request holds no events. Send data, an array of 1 to 1000.",
    Reason.TOO_MANY_EVENTS: "More than 1000 events in one request. Send them in several.",
    Reason.BAD_SHAPE: "A field has a wrong type. The sender was told which one.",
    Reason.NO_EVENT_NAME: "The event has no name. Send event_name (ev in a hit).",
    Reason.BAD_EVENT_NAME: "The event's name is no text of 1 to 100 characters. Send a short name.",
    Reason.NO_EVENT_TIME: "The event has no time. Send event_time, Unix time in seconds.",
    Reason.BAD_EVENT_TIME: "event_time is no time. Send Unix time in seconds.",
    Reason.TIME_TOO_OLD: "The event is older than 7 days (62 from a shop's counter). Send it earlier, or import it.",
    Reason.TIME_IN_FUTURE: "event_time lies more than 10 minutes ahead. Set the sender's clock.",
    Reason.TIME_IN_MILLISECONDS: "event_time is in milliseconds. Send seconds.",
    Reason.NO_USER_DATA: "The event has no user_data. Send at least one match key.",
    Reason.NO_MATCH_KEYS: "Nothing tells who it was. Add an e-mail, a phone number, external_id, fbp or fbc.",
    Reason.BAD_ACTION_SOURCE: "action_source is none of those that are known. Send website, app, email, phone_call, "
    "chat, physical_store, system_generated, business_messaging or other.",
    Reason.NO_APP_DATA: "An app's event wants app_data. Send it.",
    Reason.NO_OS_VERSION: "extinfo lacks the version of the operating system. Send it.",
    Reason.BAD_LEAD_ID: "lead_id has not 15 to 17 digits. Send it as it was given.",
    Reason.BAD_MESSAGING_EVENT: "This is no event of business_messaging. Choose one that is.",
    Reason.NO_MESSAGING_ID: "The messaging channel wants ids of its own. The sender was told which.",
    Reason.UNHASHED_STRICT: "Contact data came unhashed, and this dataset takes SHA-256 alone. Hash it before sending.",
    Reason.NO_MONEY_STRICT: "A Purchase needs value and currency in this dataset. Send both.",
    Reason.ORIGIN_NOT_ALLOWED: "The page is of none of the origins in Settings. Add it there, if it is yours.",
    Reason.DOMAIN_NOT_ALLOWED: "The page is of none of the domains in Settings. Add it there, if it is yours.",
    Reason.DOMAIN_BLOCKED: "The page's domain is blocked in Settings. Lift that, if it is yours.",
    Reason.AUTOMATIC_EVENTS_OFF: "This dataset takes no automatic events. Settings can allow them.",
    Reason.CONSENT_DENIED: "Consent was denied, and this dataset keeps nothing of such events. Nothing to mend.",
    Reason.NO_ORIGINAL: "It amends an event that is not there. Send the id of the one it belongs to.",
    Reason.UNREADABLE: "It could not be judged. Please report it.",
}
"""Why something was not accepted, and what to do."""

MARKS: Final = {
    "test": "Test",
    "bot": "Bot",
    "tool": "Tool",
    "ldu": "Limited data use",
    "opt_out": "Opted out",
    "limited": "Consent denied: kept without names",
    "canary": "Canary",
    "imported": "Imported",
}


def remark_of(note: str) -> Remark:
    """A finding of the policy, in words."""
    known = NOTES.get(note)
    if known:
        return known
    kind, _, name = note.partition(":")
    text = KIND_NOTES.get(kind, f"Not as it should be ({note}).")
    return Remark(_column(name), text)


def removal_of(removed: str) -> Remark:
    """What scrubbing took ("custom_data.note:phone"), in words."""
    name, _, kind = removed.rpartition(":")
    what = TAKEN.get(kind, f"what looked like contact data ({kind})")
    part = name.partition(".")[2]
    where = f" from {part}" if part else ""
    return Remark(_column(name), f"Taken out{where}: {what}. Do not send it there.")


def reason_in_words(reason: str) -> str:
    """Why it was not accepted, and what to do."""
    return REASONS.get(reason, "It was not accepted.")


def _column(name: str) -> str:
    first, _, second = name.partition(".")
    if first == "user_data" and second:
        first = second
    return COLUMNS.get(first, first)
