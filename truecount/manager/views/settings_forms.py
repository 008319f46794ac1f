"""The settings of a dataset as forms: one table of sections and their fields, in the words of the page."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple


class Field(NamedTuple):
    """One setting as a form shows it. `name` is its key, as in `truecount dataset set`."""

    name: str
    kind: Literal["text", "list", "switch", "choice"]
    label: str
    hint: str = ""
    choices: tuple[tuple[str, str, str], ...] = ()
    """(value, label, hint) of each choice."""


class Section(NamedTuple):
    """A form that is saved by itself."""

    id: str
    title: str
    meaning: str
    fields: tuple[Field, ...]


LATER: Final = "A change holds for what is received after it."

SECTIONS: Final[tuple[Section, ...]] = (
    Section(
        "general",
        "General",
        "What the dataset is called, where its days begin, and how its phone numbers are read. A new country holds for "
        "what is received after it; name and time zone for all that is shown.",
        (
            Field("name", "text", "Name"),
            Field("time_zone", "text", "Time zone", "An IANA name, as in Asia/Kolkata. Times in files stay in UTC."),
            Field(
                "country",
                "text",
                "Country of bare phone numbers",
                "Two letters, as in IN. Numbers without a country code are read as its own; empty: as they are.",
            ),
        ),
    ),
    Section(
        "domains",
        "Domains",
        "Where events may come from. What comes from elsewhere is refused, and counted as such. " + LATER,
        (
            Field(
                "allowed_domains",
                "list",
                "Take events of these domains only",
                "One a line, subdomains too. Empty: all.",
            ),
            Field("blocked_domains", "list", "Refuse events of these domains", "One a line; looked at first."),
            Field(
                "allowed_origins",
                "list",
                "Take hits of these pages only",
                "Origins, as in https://shop.example, one a line. Empty: all.",
            ),
        ),
    ),
    Section(
        "consent",
        "Consent",
        "What happens to a visitor who has not said yes. " + LATER,
        (
            Field(
                "consent_default",
                "choice",
                "An event that says nothing of consent",
                choices=(
                    ("granted", "Counts as granted", "Where it is asked for before anything is sent, or not needed."),
                    ("denied", "Counts as denied", "Only an event that says that consent was given is kept whole."),
                ),
            ),
            Field(
                "denied_events",
                "choice",
                "An event whose consent is denied",
                choices=(
                    (
                        "limit",
                        "Count without identifiers",
                        "Its event id is kept, no match key: it can merge by the id.",
                    ),
                    ("withhold", "Hold back", "Only a tally is kept, and nothing of the event."),
                ),
            ),
        ),
    ),
    Section(
        "counting",
        "Counting",
        "What is kept and marked in any case; here you decide whether it counts. A change holds for all that is stored "
        "too: past days are counted anew.",
        (
            Field("count_tests", "switch", "Count test events", "Events that carry a test code."),
            Field(
                "count_tools", "switch", "Count developers' tools", "Reported by curl, HTTP libraries, test browsers."
            ),
            Field("count_bots", "switch", "Count bots", "Reported by declared crawlers, previewers and prefetches."),
        ),
    ),
    Section(
        "words",
        "Sensitive words",
        "What must not be kept, though it is no contact data: illnesses, products that tell about a person. " + LATER,
        (
            Field(
                "sensitive_words",
                "list",
                "Words to take out",
                "One a line. Replaced by removed-word in page addresses, custom data and all else that is kept as it "
                "came, as whole words, in any case. Left as they are: names and ids of events, order ids, and the host "
                "of an address.",
            ),
        ),
    ),
    Section(
        "doors",
        "Doors",
        "What the doors take. " + LATER,
        (
            Field("automatic_events", "switch", "Take automatic events", "Those that the pixel sends by itself."),
            Field("strict_hashing", "switch", "Refuse unhashed contact data from servers", "Off: the door hashes it."),
            Field("strict_money", "switch", "Refuse a Purchase without value and currency", "Off: its sender is told."),
        ),
    ),
)

FIELDS: Final = {field.name: field for section in SECTIONS for field in section.fields}
