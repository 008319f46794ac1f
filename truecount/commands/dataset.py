"""truecount dataset: create, list, set, delete."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from truecount.cli import WrongUse
from truecount.commands.flags import Parser
from truecount.commands.output import say, write_csv, write_json, write_table
from truecount.commands.reach import books
from truecount.datasets import PIXEL_ID, PIXEL_ID_WORDS

ABOUT: Final = """\
Datasets, each one stream of measurement with an id (the pixel id) and access tokens.

  truecount dataset create NAME [--id ID] [--token T]   make one; its token is shown once, and stored hashed
  truecount dataset list                                all of them
  truecount dataset set ID key=value ...                change settings (docs/settings.md), or name=...
  truecount dataset delete ID --yes                     end one; reports, store and log forget its events

`truecount dataset create --help` tells the flags of one."""


def run(arguments: Sequence[str]) -> int:
    todo = {"create": create, "list": list_, "set": set_, "delete": delete}
    what = arguments[0] if arguments else ""
    if what in ("-h", "--help"):
        Parser("dataset", ABOUT, usage="truecount dataset create|list|set|delete ...").print_help()
        return 0
    if what not in todo:
        raise WrongUse(f"wanted one of {', '.join(todo)}; `truecount dataset --help` tells more")
    return todo[what](arguments[1:])


def create(arguments: Sequence[str]) -> int:
    parser = Parser("dataset create", "Make a dataset. Its access token is shown this once, and stored hashed.")
    parser.add_argument("name", metavar="NAME", help="what people call it")
    parser.flag(
        "--id",
        metavar="ID",
        help=f"its id: {PIXEL_ID_WORDS} (default: 16 digits); the pixel takes no other, servers may send to 1 to 64 "
        "letters, digits, - and _",
    )
    parser.flag(
        "--token",
        metavar="T",
        help="its access token, 16 characters or more (default: a random one)",
    )
    parser.format_flag(("table", "json"))
    parser.data_flag()
    given = parser.read(arguments)
    _check(given.name, given.id, given.token)
    with books(given.data, create=True) as found:
        answer = found.create(given.name, given.id, given.token)
    if given.format == "json":
        write_json(answer)
    else:
        made = json.loads(answer)
        write_table(["dataset", "name", "token"], [[made["id"], made["name"], made["token"]]], empty="")
        say("Keep the token: it is stored hashed, and can't be shown again.")
    if given.id and not PIXEL_ID(given.id):
        say(f"No page can send to it: the pixel takes ids of {PIXEL_ID_WORDS}. Servers can.")
    return 0


def list_(arguments: Sequence[str]) -> int:
    parser = Parser("dataset list", "All datasets and their settings. Tokens are stored hashed: their number is told.")
    parser.format_flag()
    parser.data_flag()
    given = parser.read(arguments)
    with books(given.data) as found:
        answer = found.datasets()
    if given.format == "json":
        write_json(answer)
        return 0
    columns = ["id", "name", "created", "tokens", "settings"]
    rows = [[*(row[name] for name in columns[:4]), _changed(row["settings"])] for row in json.loads(answer)]
    if given.format == "csv":
        write_csv(columns, rows)
    else:
        write_table(columns, rows, empty="no datasets yet: `truecount dataset create NAME` makes one")
    return 0


def set_(arguments: Sequence[str]) -> int:
    parser = Parser(
        "dataset set", "Change settings of a dataset: key=value, as docs/settings.md names them, or name=..."
    )
    parser.add_argument("dataset", metavar="ID")
    parser.add_argument("changes", metavar="key=value", nargs="+", help="lists with commas; an empty value clears")
    parser.format_flag(("table", "json"))
    parser.data_flag()
    given = parser.read(arguments)
    changes: dict[str, str] = {}
    for change in given.changes:
        key, equals, value = change.partition("=")
        if not equals:
            raise WrongUse(f"{change!r}: wanted key=value")
        changes[key.strip()] = value
    name = changes.pop("name", None)
    _check(name, changes=changes)
    with books(given.data) as found:
        answer = found.change(given.dataset, changes, name)
    if given.format == "json":
        write_json(answer)
    else:
        row = json.loads(answer)
        write_table(["id", "name", "settings"], [[row["id"], row["name"], _changed(row["settings"])]], empty="")
    return 0


def delete(arguments: Sequence[str]) -> int:
    parser = Parser(
        "dataset delete",
        "Delete a dataset: its tokens end, its events leave the store and all reports at once, and the log within "
        "minutes while a server runs. Backups keep them.",
    )
    parser.add_argument("dataset", metavar="ID")
    parser.flag("--yes", action="store_true", help="yes, delete it: without this flag nothing happens")
    parser.data_flag()
    given = parser.read(arguments)
    if not given.yes:
        raise WrongUse(
            f"this takes dataset {given.dataset} with all its events out of store and log for good: say so with --yes"
        )
    with books(given.data) as found:
        found.delete(given.dataset)
    say(f"dataset {given.dataset} is deleted")
    return 0


def _check(
    name: str | None, id: str | None = None, token: str | None = None, changes: dict[str, str] | None = None
) -> None:
    """WrongUse for a value that no dataset can have: known before a folder is opened or a server asked."""
    from truecount.datasets import DatasetSettings
    from truecount.log.registry import RegistryError, check_chosen_token, check_id, check_name
    from truecount.manager.answers import changed_settings

    try:
        for value, check in ((name, check_name), (id or None, check_id), (token or None, check_chosen_token)):
            if value is not None:
                check(value)
        changed_settings(DatasetSettings(), changes or {})
    except (RegistryError, ValueError) as error:
        raise WrongUse(str(error)) from None


def _changed(settings: dict[str, Any]) -> str:
    """The settings that are not the default ones, as `dataset set` takes them."""
    from msgspec import to_builtins

    from truecount.datasets import DatasetSettings

    default = to_builtins(DatasetSettings())
    changed = {name: value for name, value in settings.items() if value not in (default.get(name), [])}
    return " ".join(
        f"{name}={','.join(value) if isinstance(value, list) else str(value).lower() if value is not None else ''}"
        if not isinstance(value, str)
        else f"{name}={value}"
        for name, value in changed.items()
    )
