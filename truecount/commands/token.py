"""truecount token: add, list, revoke."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from truecount.cli import WrongUse
from truecount.commands.flags import Parser
from truecount.commands.output import say, write_csv, write_json, write_table
from truecount.commands.reach import books

ABOUT: Final = """\
Reading tokens: a script reads the manager's JSON and CSV with one, sent as `Authorization: Bearer ...`, and can do
nothing else.

  truecount token add NAME [--dataset ID]   make one; it is shown once, and stored hashed
  truecount token list                      all of them, and when each was used last
  truecount token revoke ID                 end one

The tokens by which servers send events are those of a dataset: `truecount dataset create` makes the first."""


def run(arguments: Sequence[str]) -> int:
    todo = {"add": add, "list": list_, "revoke": revoke}
    what = arguments[0] if arguments else ""
    if what in ("-h", "--help"):
        Parser("token", ABOUT, usage="truecount token add|list|revoke ...").print_help()
        return 0
    if what not in todo:
        raise WrongUse(f"wanted one of {', '.join(todo)}; `truecount token --help` tells more")
    return todo[what](arguments[1:])


def add(arguments: Sequence[str]) -> int:
    parser = Parser("token add", "Make a reading token. It is shown this once, and stored hashed.")
    parser.add_argument("name", metavar="NAME", help="what it is for")
    parser.flag("--dataset", metavar="ID", help="the dataset that it reads (default: every one)")
    parser.format_flag(("table", "json"))
    parser.data_flag()
    given = parser.read(arguments)
    with books(given.data) as found:
        answer = found.add_token(given.name, given.dataset)
    if given.format == "json":
        write_json(answer)
        return 0
    made = json.loads(answer)
    write_table(["id", "name", "reads", "token"], [[made["id"], made["name"], _reads(made), made["token"]]], empty="")
    say("Keep the token: it is stored hashed, and can't be shown again.")
    return 0


def list_(arguments: Sequence[str]) -> int:
    parser = Parser("token list", "All reading tokens. They are stored hashed: none is shown again.")
    parser.format_flag()
    parser.data_flag()
    given = parser.read(arguments)
    with books(given.data) as found:
        answer = found.tokens()
    if given.format == "json":
        write_json(answer)
        return 0
    columns = ["id", "name", "reads", "created", "created_by", "last_used"]
    rows = [
        [row["id"], row["name"], _reads(row), row["created"], row["created_by"], row["last_used"] or "never"]
        for row in json.loads(answer)
    ]
    if given.format == "csv":
        write_csv(columns, rows)
    else:
        write_table(columns, rows, empty="no reading tokens yet: `truecount token add NAME` makes one")
    return 0


def revoke(arguments: Sequence[str]) -> int:
    parser = Parser("token revoke", "End a reading token: what reads with it gets no answer from then on.")
    parser.add_argument("id", metavar="ID", help="as `truecount token list` tells it")
    parser.data_flag()
    given = parser.read(arguments)
    with books(given.data) as found:
        found.revoke_token(given.id)
    say(f"reading token {given.id} is revoked")
    return 0


def _reads(token: dict[str, str | None]) -> str:
    return token["dataset"] or "every one"
