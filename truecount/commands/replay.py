"""truecount replay: rebuild the store from the log with today's rules."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

from truecount.cli import CommandFailed
from truecount.commands.flags import Parser, folder_of
from truecount.commands.output import say
from truecount.commands.reach import open_folder

ABOUT: Final = """\
Throw the store away and make it anew from the log, with the rules of this version. Refused while a server owns the
folder, and where the log holds less than the store does (it would shrink history)."""


def run(arguments: Sequence[str]) -> int:
    parser = Parser("replay", ABOUT)
    parser.data_flag()
    given = parser.read(arguments)
    from truecount.log.errors import FolderError, LogError
    from truecount.store.errors import StoreError
    from truecount.store.local import replay

    folder = open_folder(folder_of(given.data))
    started = time.monotonic()
    try:
        with folder.lock(wait_s=1.0):
            report = replay(folder.path)
    except (FolderError, LogError, StoreError) as error:
        raise CommandFailed(str(error)) from None
    aside = f", {report.set_aside:,} rows set aside" if report.set_aside else ""
    say(
        f"the store of {folder.path} is rebuilt in {time.monotonic() - started:.1f} s: "
        f"{report.copies:,} copies from the log{aside}"
    )
    return 0
