"""truecount explain: the copies of one action, and which rule decided of each."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from truecount.cli import CommandFailed, WrongUse
from truecount.commands.events import as_rows, cell
from truecount.commands.flags import Parser
from truecount.commands.output import say, shown, write_csv, write_json, write_table
from truecount.commands.reach import books

ABOUT: Final = """\
The copies of one action: where each came from, whether it was kept or is a duplicate, by which rule, and the match keys
it carried; for an action that did not merge, the nearest candidate and what differs."""


def run(arguments: Sequence[str]) -> int:
    parser = Parser("explain", ABOUT)
    parser.add_argument("dataset", metavar="DATASET", help="the dataset's id")
    parser.add_argument("event_name", metavar="EVENT_NAME", help="as in Purchase")
    parser.add_argument("event_id", metavar="EVENT_ID", nargs="?", help="the event id")
    parser.flag("--order", metavar="ID", help="find the action by its order id instead")
    parser.flag("--fbp", metavar="FBP", help="find the action by a browser id instead")
    parser.flag("--external-id", metavar="ID", help="find the action by an external id instead")
    parser.flag("--hashes", action="store_true", help="show the match keys' hashes too")
    parser.format_flag()
    parser.data_flag()
    given = parser.read(arguments)
    asked = {"event_id": given.event_id, "order": given.order, "fbp": given.fbp, "external_id": given.external_id}
    by = {name: text for name, text in asked.items() if text}
    if len(by) != 1:
        raise WrongUse("wanted one of EVENT_ID, --order, --fbp, --external-id")
    with books(given.data) as found:
        answer = found.explain(given.dataset, given.event_name, by, given.hashes)
    action: dict[str, Any] | None = json.loads(answer)
    if action is None:
        (name, text), *_ = by.items()
        key = name.replace("_", " ")
        raise CommandFailed(f"dataset {given.dataset} has no {given.event_name} with {key} {text}")
    if given.format == "json":
        write_json(answer)
        return 0
    columns, rows = as_rows(action.get("copies", []), ("source", "received_time", "verdict", "rule"))
    if given.format == "csv":
        write_csv(columns, rows)
        return 0
    for name, value in action.items():
        if name != "copies" and value not in (None, "", [], {}):
            say(f"{name.replace('_', ' ')}: {shown(told(value))}")
    write_table(columns, rows, empty="no copies")
    return 0


def told(value: Any) -> str:
    """A value of the answer in one line."""
    if isinstance(value, dict):
        return ", ".join(f"{name.replace('_', ' ')} {told(part)}" for name, part in value.items() if part is not None)
    if isinstance(value, list):
        return ", ".join(told(part) for part in value)
    return str(cell(value))
