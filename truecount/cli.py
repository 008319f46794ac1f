"""The command `truecount`: finds the command's module, reads its flags, runs it.

Exit codes: 0 done; 1 something is not there or did not work (a sentence on stderr says what); 2 wrong use.
stdout carries the answer alone; progress, tables of progress and words go to stderr.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Final

COMMANDS: Final = {
    "serve": "run the whole server: doors, log, store and manager, on one port",
    "demo": "serve, plus the BrewBeans shop with simulated visitors, live",
    "dataset": "create, list, change and delete datasets, and their access tokens",
    "user": "add, list and remove users of the manager, and make one-time links for their passwords",
    "token": "reading tokens, by which scripts read the manager's JSON and CSV",
    "events": "the count per event name, and with --refused what was refused and why",
    "check": "what to mend: what is wrong with what a dataset receives, and what it costs",
    "explain": "the copies of one action, and which rule decided of each",
    "import": "take events from a file of JSON lines or CSV, with their own times",
    "replay": "rebuild the store from the log with today's rules",
    "backup": "make a consistent copy of a data folder, also while a server runs",
    "doctor": "look at a data folder and say what is wrong and what to do",
    "snippet": "the lines for a page, and how to point an SDK at this server",
}
"""Command -> what it does. Each lives in a module of truecount.commands, imported only when it is called."""

UNUSABLE: Final = frozenset(
    {
        *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EIO),
        *(errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EMFILE, errno.ENFILE),
    }
)
"""Errors of the system that are no mistake of ours: they are told in words."""

MODULES: Final = {"import": "importing"}


class CommandFailed(Exception):
    """Exit 1: the text is the sentence for stderr."""


class WrongUse(Exception):
    """Exit 2: the text says what is wanted."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns the exit code; `--help` and wrong flags leave by SystemExit (0 and 2)."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    name = given[0] if given else ""
    if name in ("--version", "-V"):
        from importlib.metadata import version

        sys.stdout.write(f"truecount {version('truecount')}\n")
        return 0
    if name in ("--help", "-h", "help"):
        sys.stdout.write(_help())
        return 0
    if name not in COMMANDS:
        sys.stderr.write(f"truecount: there is no command {name!r}\n\n" if name else "")
        sys.stderr.write(_help())
        return 2
    try:
        module = import_module(f"truecount.commands.{MODULES.get(name, name)}")
        return int(module.run(given[1:]))
    except WrongUse as error:
        sys.stderr.write(f"truecount {name}: {error}\n")
        return 2
    except CommandFailed as error:
        sys.stderr.write(f"truecount {name}: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    except UnicodeEncodeError:
        # File names may be of any bytes; ids, names and times may not, and fail where they are sent to the store.
        given_so = next((text for text in given if _is_broken(text)), None)
        if given_so is None:
            raise
        sys.stderr.write(f"truecount {name}: {os.fsencode(given_so)!r} is not UTF-8\n")
        return 2
    except BrokenPipeError:
        # Who read our answer has seen enough (`| head`). Nothing may be flushed at exit any more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0
    except OSError as error:
        if error.errno not in UNUSABLE:
            raise
        sys.stderr.write(f"truecount {name}: {_of_disk(error)}\n")
        return 1
    except Exception as error:
        sqlite3 = sys.modules.get("sqlite3")  # few commands need it
        if sqlite3 is None or not isinstance(error, sqlite3.DatabaseError):
            raise
        sys.stderr.write(
            f"truecount {name}: a database of the data folder cannot be used ({error}): see that this user may read "
            "and write it, and what `truecount doctor` says\n"
        )
        return 1


def _of_disk(error: OSError) -> str:
    """What a disk, or its owner, does not let us do."""
    path = f"{os.fsdecode(error.filename)} " if isinstance(error.filename, str | bytes) else "a file "
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"{path}may not be read or written by this user ({error.strerror}): run it as the owner of the folder"
    return f"{path}cannot be used: {error.strerror}"


def _is_broken(text: str) -> bool:
    """Whether an argument was no UTF-8: Python reads its bytes as lone surrogates."""
    return any("\udc80" <= char <= "\udcff" for char in text)


def _help() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name.ljust(width)}  {text}" for name, text in COMMANDS.items()]
    return "\n".join(
        [
            "usage: truecount COMMAND [flags]",
            "",
            "One true count of every action: speaks the Meta Pixel and Conversions API wire formats.",
            "",
            "commands:",
            *lines,
            "",
            "`truecount COMMAND --help` tells the flags. Every flag has a variable: --data is also TRUECOUNT_DATA.",
            "(Except --data of `truecount demo`: its folder is a temporary one unless the flag itself names another.)",
            "",
        ]
    )
