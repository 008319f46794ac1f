"""Fills the tables in docs/*.md from the code: `python docs/tables.py` writes, a test compares.

A table stands between `<!-- begin NAME -->` and `<!-- end -->`; what is between them is overwritten.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

from truecount.cli import COMMANDS
from truecount.commands.rows import CUSTOM_COLUMNS, EVENT_COLUMNS, USER_COLUMNS
from truecount.measure.diagnostics.registry import Severity
from truecount.measure.diagnostics.registry import checks as all_checks
from truecount.measure.events import EventCounts
from truecount.policy.consent import LIMITED_KEEPS
from truecount.policy.errors import PROBLEMS
from truecount.vocabulary import (
    ACTION_SOURCES,
    DIGEST_KEYS,
    KEY_ALIASES,
    PLAIN_KEYS,
    RARE_DIGEST_KEYS,
    STANDARD_EVENTS,
    Mark,
    Reason,
    Rule,
    Visitor,
)

HERE: Final = Path(__file__).parent

REASONS: Final[dict[Reason, str]] = {
    Reason.MALFORMED_REQUEST: "the request or its body cannot be read",
    Reason.HEAD_TOO_LARGE: "head over 64 kB (431)",
    Reason.BODY_TOO_LARGE: "body over 10 MB unpacked, over 64 kB for a hit, or packed more than 200 to 1 (413)",
    Reason.TOO_DEEP: "JSON nests deeper than is accepted",
    Reason.BAD_ENCODING: "the packed body cannot be unpacked (400)",
    Reason.UNSUPPORTED_TYPE: "a Content-Type or Content-Encoding that is not read (415)",
    Reason.NO_TOKEN: "no access token (code 104)",
    Reason.BAD_TOKEN: "no token of any dataset here (401, code 190)",
    Reason.UNKNOWN_DATASET: "no such dataset, or the token is another dataset's (code 100, subcode 33)",
    Reason.NO_DATA: "`data` is missing or empty",
    Reason.TOO_MANY_EVENTS: "more than 1,000 events in a request",
    Reason.BAD_SHAPE: "a value of a wrong JSON type, or an event over 256 kB",
    Reason.NO_EVENT_NAME: "`event_name` (`ev` of a hit) is missing",
    Reason.BAD_EVENT_NAME: "an event name that is too long or not text",
    Reason.NO_EVENT_TIME: "`event_time` is missing",
    Reason.BAD_EVENT_TIME: "`event_time` is neither Unix seconds nor ISO 8601",
    Reason.TIME_TOO_OLD: "older than 7 days; 62 days for physical_store",
    Reason.TIME_IN_FUTURE: "more than 10 minutes ahead",
    Reason.TIME_IN_MILLISECONDS: "ahead, and it looks like milliseconds",
    Reason.NO_USER_DATA: "`user_data` is missing",
    Reason.NO_MATCH_KEYS: "no usable match key, or too broad ones alone",
    Reason.BAD_ACTION_SOURCE: "an `action_source` that does not exist",
    Reason.NO_APP_DATA: "an app event without what app events need",
    Reason.NO_OS_VERSION: "an app event without the system's version in `extinfo[4]`",
    Reason.BAD_LEAD_ID: "`lead_id` is not a number of 15 to 17 digits",
    Reason.BAD_MESSAGING_EVENT: "no event of business_messaging",
    Reason.NO_MESSAGING_ID: "the ids of this messaging channel are missing",
    Reason.UNHASHED_STRICT: "unhashed contact data, and the dataset takes hashes alone",
    Reason.NO_MONEY_STRICT: "a Purchase without value and currency, and the dataset wants them",
    Reason.ORIGIN_NOT_ALLOWED: "a hit from an origin that the dataset does not list",
    Reason.DOMAIN_NOT_ALLOWED: "an event of a domain that the dataset does not list",
    Reason.DOMAIN_BLOCKED: "an event of a domain that the dataset blocks",
    Reason.AUTOMATIC_EVENTS_OFF: "`es=automatic`, and the dataset does not take those",
    Reason.CONSENT_DENIED: "consent is denied and the dataset keeps nothing of such events",
    Reason.NO_ORIGINAL: "an AppendValue whose original event is not there",
    Reason.UNREADABLE: "it cannot be read or stored: our fault, worth an alarm",
}
"""What each reason means. The vocabulary is closed: a test sees that none is missing here."""

OUTCOMES: Final = {
    Reason.CONSENT_DENIED: "withheld",
    Reason.NO_ORIGINAL: "set aside",
    Reason.UNREADABLE: "refused at a door, set aside by the loader",
}
MARKS: Final[dict[Mark, str]] = {
    Mark.TEST: "came with a test_event_code; counted unless the dataset says not",
    Mark.BOT: "a declared crawler, previewer, monitor or prefetch; not counted unless the dataset says so",
    Mark.TOOL: "curl, an HTTP library, a headless or test browser; counted unless the dataset says not",
    Mark.LDU: "Limited Data Use; counted",
    Mark.OPT_OUT: "opt_out; counted",
    Mark.LIMITED: "consent denied: kept without identifiers, counted",
    Mark.CANARY: "the server's own test of itself; not counted",
    Mark.IMPORTED: "came by `truecount import`; counted",
}
RULES: Final[dict[Rule, str]] = {
    Rule.FIRST_RECEIVED: "kept: the first copy of its action",
    Rule.BROWSER_WITHIN_5_MIN: "kept: a browser copy within 5 minutes after the action's first copy is preferred",
    Rule.EVENT_ID: "duplicate: same event name and event id within 48 hours",
    Rule.FBP: "duplicate: a server copy that followed a browser copy of the same fbp",
    Rule.EXTERNAL_ID: "duplicate: a server copy that followed a browser copy of the same external_id",
    Rule.OFFLINE: "duplicate: an offline copy of the same time, name and order (or keys) within 7 days",
    Rule.OUTSIDE_WINDOW: "kept: its id was seen before, but more than 48 hours earlier",
    Rule.NO_KEY: "kept: it has nothing to be compared by",
}
VISITORS: Final[dict[Visitor, str]] = {
    Visitor.PERSON: "a browser of a person, as far as its user agent says",
    Visitor.BOT: "a declared crawler, previewer or monitor",
    Visitor.TOOL: "a developer's tool",
    Visitor.PREFETCH: "a browser that fetches ahead",
    Visitor.UNKNOWN: "no user agent, or none that says anything",
}


SEVERITIES: Final[dict[Severity, str]] = {
    Severity.FIX: "fix now",
    Severity.LOOK: "look into",
    Severity.NOTE: "note",
}


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def code(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


def reasons() -> str:
    def answer(reason: Reason) -> str:
        problem = PROBLEMS.get(reason)
        if problem is None:
            return ""
        return f"{problem.code}" + (f" / {problem.subcode}" if problem.subcode else "")

    rows = [[f"`{r.value}`", OUTCOMES.get(r, "refused"), REASONS[r], answer(r)] for r in Reason]
    return table(["reason", "outcome", "when", "code / subcode at the server door"], rows)


def keys() -> str:
    rows = [
        ["normalised, SHA-256, a column each", code(DIGEST_KEYS)],
        ["normalised, SHA-256, kept together", code(RARE_DIGEST_KEYS)],
        ["as they come, a column each", "`fbp`, `fbc`"],
        ["as they come, kept together", code(PLAIN_KEYS)],
        ["read as", ", ".join(f"`{old}` as `{new}`" for old, new in KEY_ALIASES.items())],
    ]
    return table(["how it is kept", "keys"], rows)


def action_sources() -> str:
    rows = [
        [f"`{name}`", source.value, "browser" if source.value in ("browser", "app") else "server"]
        for name, source in ACTION_SOURCES.items()
    ]
    return table(["action_source", "counted under", "side in dedup"], rows)


def commands() -> str:
    return table(["command", "does"], [[f"`truecount {name}`", text] for name, text in COMMANDS.items()])


def columns() -> str:
    rows = [["event", code(EVENT_COLUMNS)], ["user_data", code(USER_COLUMNS)], ["custom_data", code(CUSTOM_COLUMNS)]]
    return table(["part", "columns"], rows)


def checks() -> str:
    def closing(quiet_hours: int, good: int) -> str:
        return f"{quiet_hours} h and {good} right"

    rows = [
        [
            f"`{check.name}`",
            check.words.about,
            SEVERITIES[check.words.severity],
            f"{check.words.least} {check.words.unit}" if check.words.least > 1 else check.words.unit,
            closing(check.words.quiet_hours, check.words.good),
        ]
        for check in all_checks()
    ]
    return table(["check", "what is wrong", "severity", "counts", "solved after"], rows)


def questions() -> str:
    return "\n".join(f"- `{check.name}`: {check.question}" for check in all_checks())


TABLES: Final[dict[str, Callable[[], str]]] = {
    "reasons": reasons,
    "keys": keys,
    "action sources": action_sources,
    "checks": checks,
    "questions": questions,
    "commands": commands,
    "columns": columns,
    "events": lambda: code(STANDARD_EVENTS),
    "kept unhashed": lambda: code(("fbp", "fbc", *PLAIN_KEYS)),
    "limited": lambda: code(LIMITED_KEEPS),
    "marks": lambda: table(["mark", "meaning"], [[f"`{str(m.name).lower()}`", MARKS[m]] for m in Mark]),
    "rules": lambda: table(["rule", "verdict and why"], [[f"`{r.value}`", RULES[r]] for r in Rule]),
    "visitors": lambda: table(["visitor", "meaning"], [[f"`{v.value}`", VISITORS[v]] for v in Visitor]),
    "counts": lambda: code(EventCounts.__struct_fields__),
}
PLACE: Final = re.compile(r"(<!-- begin ([a-z ]+) -->\n).*?(<!-- end -->)", re.S)


def filled(text: str) -> str:
    """The page with today's tables. KeyError for a table that does not exist."""
    return PLACE.sub(lambda found: f"{found[1]}{TABLES[found[2]]()}\n{found[3]}", text)


def pages() -> list[Path]:
    return [HERE.parent / "README.md", *sorted(HERE.rglob("*.md"))]


if __name__ == "__main__":
    for page in pages():
        text = page.read_text()
        if (new := filled(text)) != text:
            page.write_text(new)
            sys.stdout.write(f"wrote {page.relative_to(HERE.parent)}\n")
