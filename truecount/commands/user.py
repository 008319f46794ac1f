"""truecount user: add, list, reset, remove."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from truecount.cli import WrongUse
from truecount.commands.flags import Parser
from truecount.commands.output import say, write_csv, write_json, write_table
from truecount.commands.reach import Books, books
from truecount.commands.snippet import url_of_settings

ABOUT: Final = """\
Users of the manager. Nobody types a password here: a one-time link sets it, in the browser.

  truecount user add EMAIL [--role owner|analyst]   make one; prints the link
  truecount user list                               all of them
  truecount user reset EMAIL                        prints a link that sets a new password
  truecount user remove EMAIL --yes                 ends one, with all sessions and reading tokens

An owner may do everything. An analyst reads, and changes nothing. The first user is an owner."""


def run(arguments: Sequence[str]) -> int:
    todo = {"add": add, "list": list_, "reset": reset, "remove": remove}
    what = arguments[0] if arguments else ""
    if what in ("-h", "--help"):
        Parser("user", ABOUT, usage="truecount user add|list|reset|remove ...").print_help()
        return 0
    if what not in todo:
        raise WrongUse(f"wanted one of {', '.join(todo)}; `truecount user --help` tells more")
    return todo[what](arguments[1:])


def add(arguments: Sequence[str]) -> int:
    parser = Parser("user add", "Make a user. The link that sets the first password is shown this once.")
    parser.add_argument("email", metavar="EMAIL")
    parser.flag(
        "--role", choices=("owner", "analyst"), help="what the user may do (default: owner for the first, else analyst)"
    )
    parser.flag(
        "--datasets", metavar="ID,ID", help="datasets that an analyst may see, commas between (default: every one)"
    )
    parser.format_flag(("table", "json"))
    parser.data_flag()
    given = parser.read(arguments)
    _check(given.email)
    datasets = None
    if given.datasets is not None:
        datasets = [part.strip() for part in given.datasets.split(",") if part.strip()]
        if given.role == "owner":
            raise WrongUse("an owner sees every dataset: --datasets is for an analyst")
    with books(given.data, create=True) as found:
        answer = found.add_user(given.email, given.role, datasets)
        return _show_link(found, answer, given.format)


def list_(arguments: Sequence[str]) -> int:
    parser = Parser("user list", "All users. Passwords are kept as argon2 hashes, and never shown.")
    parser.format_flag()
    parser.data_flag()
    given = parser.read(arguments)
    with books(given.data) as found:
        answer = found.users()
    if given.format == "json":
        write_json(answer)
        return 0
    columns = ["email", "role", "created", "password", "datasets"]
    rows = [_row(user) for user in json.loads(answer)]
    if given.format == "csv":
        write_csv(columns, rows)
    else:
        write_table(columns, rows, empty="no users yet: `truecount serve` prints a link that makes the owner")
    return 0


def reset(arguments: Sequence[str]) -> int:
    parser = Parser(
        "user reset",
        "Print a one-time link that sets a new password. When it is used, all sessions of the user end; until then "
        "nothing changes.",
    )
    parser.add_argument("email", metavar="EMAIL")
    parser.format_flag(("table", "json"))
    parser.data_flag()
    given = parser.read(arguments)
    with books(given.data) as found:
        return _show_link(found, found.reset_user(given.email), given.format)


def remove(arguments: Sequence[str]) -> int:
    parser = Parser(
        "user remove",
        "Remove a user: sessions, links and the reading tokens that the user made end at once. What the user changed "
        "stays changed, and is told without the address. The last owner cannot be removed.",
    )
    parser.add_argument("email", metavar="EMAIL")
    parser.flag("--yes", action="store_true", help="yes, remove this user: without this flag nothing happens")
    parser.data_flag()
    given = parser.read(arguments)
    if not given.yes:
        raise WrongUse(f"this ends all that {given.email} has here: say so with --yes")
    with books(given.data) as found:
        found.remove_user(given.email)
    say(f"{given.email} is no user any more")
    return 0


def _show_link(found: Books, answer: bytes, format: str) -> int:
    made = json.loads(answer)
    link = f"{(found.url or url_of_settings()).rstrip('/')}{made['path']}"
    if format == "json":
        write_json(json.dumps({"email": made["email"], "role": made["role"], "link": link}).encode())
        return 0
    write_table(["email", "role", "link"], [[made["email"], made["role"], link]], empty="")
    say("The link works once, for 24 hours. Who has it may set the password: send it by a way that you trust.")
    if not found.url:
        say("It works as soon as the server runs: `truecount serve`.")
    return 0


def _row(user: dict[str, Any]) -> list[str]:
    datasets = "every one" if user["datasets"] is None else ",".join(user["datasets"])
    return [user["email"], user["role"], user["created"], "set" if user["has_password"] else "not yet", datasets]


def _check(email: str) -> None:
    from truecount.manager.users.accounts import AccountError, check_email

    try:
        check_email(email)
    except AccountError as error:
        raise WrongUse(f"{email}: {error}") from None
