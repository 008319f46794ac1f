"""truecount backup: a consistent copy of a data folder, also while a server runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from truecount.cli import CommandFailed
from truecount.commands.flags import Parser, folder_of
from truecount.commands.output import say
from truecount.commands.reach import open_folder

ABOUT: Final = """\
Copy the log, the datasets and the keys to a new folder, each file as of one moment; a server may go on writing.
`truecount serve --data COPY` goes on from it, and makes the store anew. Full addresses and user agents are left out.
Exit code 1 when a file of the log is damaged; all else is copied even so."""


def run(arguments: Sequence[str]) -> int:
    parser = Parser("backup", ABOUT)
    parser.add_argument("target", metavar="DIR", help="where to: a folder that is not there yet, or an empty one")
    parser.data_flag()
    given = parser.read(arguments)
    from truecount.log.backup import backup
    from truecount.log.errors import FolderError, LogDamaged, LogError

    folder = open_folder(folder_of(given.data))
    try:
        damaged: list[LogDamaged] = []
        size = backup(folder.path, Path(given.target), damaged=damaged.append)
    except (FolderError, LogError) as error:
        raise CommandFailed(str(error)) from None
    except OSError as error:
        raise CommandFailed(f"{given.target} cannot be written: {error.strerror}") from None
    say(f"{size:,} bytes of {folder.path} are copied to {given.target}")
    if damaged:
        what = "\n".join(map(str, damaged))
        raise CommandFailed(f"the copy is no whole one, keep older backups: files of the log are damaged\n{what}")
    return 0
