"""truecount explain: the copies of one action, and which rule decided of each."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from truecount.cli import CommandFailed, WrongUse
from truecount.commands.events import as_rows
from truecount.commands.flags import Parser
from truecount.commands.output import say, shown, write_csv, write_json, write_table
from truecount.commands.reach import books, finished

ABOUT: Final = """\
The copies of one action: where each came from, whether it was kept or is a duplicate, by which rule, and the match keys
it carried; for an action that did not merge, the nearest candidate and what differs."""
_SIDES: Final = {"browser": "the browser", "server": "the server", "app": "an app", "offline": "offline events"}
_FIELDS: Final = frozenset({"event_name", "event_id", "external_id", "fbp", "event_time", "order_id"})


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
    code = finished(found)
    action: dict[str, Any] | None = json.loads(answer)
    if action is None:
        (name, text), *_ = by.items()
        key = name.replace("_", " ")
        missing = f"dataset {given.dataset} has no {given.event_name} with {key} {quoted(text)}"
        if not code:
            raise CommandFailed(missing)
        say(missing)
    if given.format == "json":
        write_json(answer)
        return code
    if action is None:
        return code
    columns, rows = as_rows(action.get("copies", []), ("source", "received_time", "verdict", "rule"))
    if given.format == "csv":
        write_csv(columns, rows)
        return code
    for line in lines_of(action):
        print(shown(line))
    sys.stdout.flush()
    ids = [at for at, column in enumerate(columns) if column in ("event_id", "order_id")]
    for row in rows:
        for at in ids:
            row[at] = quoted(str(row[at])) if row[at] else ""
    write_table(columns, rows, empty="no copies")
    return code


def lines_of(action: Mapping[str, Any]) -> Iterator[str]:
    """What is known of an action beside its copies, a line each; nothing of what is empty."""
    yield f"event name: {action['event_name']}"
    if action["event_id"]:
        yield f"event id: {quoted(action['event_id'])}"
    if action["value"] is not None:
        amended = ", as amended" if action["amended"] else ""
        yield f"value: {' '.join(filter(None, (action['value'], action['currency'])))}{amended}"
    if action["unshown"]:
        listed = len(action["copies"])
        of_all = listed + sum(one["copies"] for one in action["unshown"])
        yield f"listed: {listed:,} of {of_all:,} copies, the first and the last of each source"
    if action["others"]:
        yield f"others: {action['others']} older {'action' if action['others'] == 1 else 'actions'} with the same key"
    if action["nearest"]:
        yield f"nearest: {near(action['nearest'])}"


def near(nearest: Mapping[str, Any]) -> str:
    """The nearest candidate in a sentence."""
    id = quoted(nearest["event_id"]) if nearest["event_id"] else "without an event id"
    source = _SIDES.get(nearest["source"], nearest["source"])
    shares = ", ".join(nearest["shares"])
    if nearest["shares"] and set(nearest["shares"]) <= {"em", "ph"}:
        shares += ", which does not merge copies" if len(nearest["shares"]) == 1 else ", which do not merge copies"
    is_plain = set(nearest["differs"]) <= _FIELDS
    kept_apart = f"differs in {', '.join(nearest['differs'])}" if is_plain else "did not merge"
    parts = [
        f"{nearest['event_name']} {id} from {source} at {nearest['received_time']}"
        + (f", shares {shares}" * bool(shares)),
        f"{kept_apart}: {nearest['why']}",
    ]
    return "; ".join(parts)


def quoted(id: str) -> str:
    """An id in quotation marks: blanks around it are seen."""
    return json.dumps(id, ensure_ascii=False)
