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
    from truecount.manager.answers import in_words
    from truecount.store.errors import LoaderStuck, QueryFailed, StoreError
    from truecount.store.local import replay
    from truecount.store.trouble import what_is_wrong, what_to_do

    folder = open_folder(folder_of(given.data))
    started = time.monotonic()
    try:
        with folder.lock(wait_s=1.0):
            report = replay(folder.path)
    except LoaderStuck as error:
        raise CommandFailed(
            f"{what_is_wrong(str(error))}. What to do: {what_to_do(str(error))}. The store is as it was"
        ) from None
    except QueryFailed as error:
        raise CommandFailed(in_words(error)) from None
    except (FolderError, LogError, StoreError) as error:
        raise CommandFailed(str(error)) from None
    aside = f", {report.set_aside:,} rows set aside" if report.set_aside else ""
    say(
        f"the store of {folder.path} is rebuilt in {time.monotonic() - started:.1f} s: "
        f"{report.copies:,} copies from the log{aside}"
    )
    return 0
