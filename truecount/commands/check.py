"""truecount check: what to mend in what a dataset receives."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from typing import Any, Final

from truecount.cli import WrongUse
from truecount.commands import times
from truecount.commands.flags import Parser
from truecount.commands.output import say, shown, write_json
from truecount.commands.reach import books, finished

ABOUT: Final = """\
What to mend: a fixed list of checks over what a dataset received, most value at stake first. Each finding says what is
wrong, how much of what came it concerns, what is at stake, what to do, and when it counts as solved."""
EPILOG: Final = """\
exit codes: 0 it was checked, whatever was found; 1 there is no such dataset, or nobody answers; 2 wrong use; 3 not
all of the log could be loaded; with --fail also 4: something is open, or could not be checked"""
TO_MEND: Final = 4
"""Exit code of --fail where something is to be mended."""
DAYS: Final = 7
DAY_US: Final = 86_400_000_000
SIGNS: Final = {"fix_now": "!", "look_into": "?", "note": "i"}


def run(arguments: Sequence[str]) -> int:
    parser = Parser("check", ABOUT, epilog=EPILOG)
    parser.add_argument("dataset", metavar="DATASET", help="the dataset's id")
    parser.flag("--since", metavar="TIME", help=f"from this time of receipt on (default: {DAYS} days): {times.HELP}")
    parser.flag("--until", metavar="TIME", help="up to, not including, this time; a date counts as a whole")
    parser.flag("--fail", action="store_true", help=f"end with {TO_MEND} where something is to be mended")
    parser.format_flag(("table", "json"))
    parser.data_flag()
    given = parser.read(arguments)
    try:
        since_us, until_us = times.read_range(given.since, given.until)
    except ValueError as error:
        raise WrongUse(str(error)) from None
    now_us = time.time_ns() // 1000
    until_us = now_us if until_us is None else until_us
    since_us = min(until_us, now_us) - DAYS * DAY_US if since_us is None else since_us
    if since_us >= until_us:
        raise WrongUse("--since must lie before --until")
    with books(given.data) as found:
        answer = found.findings(given.dataset, since_us, until_us, now_us)
    code = finished(found)
    told = json.loads(answer)
    if given.format == "json":
        write_json(answer)
    else:
        _print(given.dataset, told)
    if given.fail and code == 0 and (told["not_checked"] or any(one["state"] == "open" for one in told["findings"])):
        return TO_MEND
    return code


def _print(dataset: str, told: dict[str, Any]) -> None:
    """The findings as paragraphs on stdout: sentences do not fit in columns."""
    states = [one["state"] for one in told["findings"]]
    counts = ", ".join(f"{states.count(state)} {state}" for state in ("open", "muted", "solved"))
    lines = [f"{told['checked']} checks over {told['since']} to {told['until']}: {counts}"]
    for one in told["findings"]:
        lines += ["", *_finding(one)]
    for check, n in told["not_told"].items():
        lines += ["", f"-  {check} has {n:,} findings more"]
    for one in told["not_checked"]:
        lines += ["", f"-  {one['check']} could not be checked: {one['reason']}"]
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()
    if not told["findings"]:
        say(f"nothing to mend in dataset {dataset} in this range of time")


def _finding(one: dict[str, Any]) -> list[str]:
    if one["state"] != "open":
        until = f" until {one['muted_until']}" if one["muted_until"] else ""
        return [f"{one['state']}{until}: {shown(one['title'])} ({one['check']}, last {one['last_time']})"]
    stake = "; ".join(f"{value} {shown(currency)}" for currency, value in one["value"].items())
    lines = [f"{SIGNS[one['severity']]}  {shown(one['title'])}"]
    lines += [f"   at stake: {stake}"] if stake else []
    lines += [f"   {shown(one[part])}" for part in ("seen", "fix", "closes")]
    for example in one["examples"]:
        id = f'"{shown(example["event_id"])}"' if example["event_id"] else f"without id, at {example['offset']}"
        lines.append(f"   {example['received_time']}  {example['source']}  {shown(example['event_name'])}  {id}")
    return [*lines, f"   ({one['check']}, {one['first_time']} to {one['last_time']})"]
