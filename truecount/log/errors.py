"""What can go wrong with the log and the data folder.

LogError
├── LogFull       no space for this append: nothing was stored, a later one may succeed
├── LogBroken     the disk or SQLite failed: nothing was stored, the writer opens its file anew at the next append
├── LogBusy       another process writes as this door
├── LogDamaged    a file of the log cannot be read; the text names it and says what to do
└── ControlDamaged    control.sqlite cannot be read; the text says what to do
FolderError
├── FolderBusy    another process owns the data folder
└── FolderRefused the folder is of a newer version, or no data folder at all
"""

from __future__ import annotations

from pathlib import Path


class LogError(Exception):
    """Base of what the log raises. No text of it holds a byte of an entry."""


class LogFull(LogError):
    """The disk is full, or nearly: doors answer 503 until space returns."""


class LogBroken(LogError):
    """Writing failed for another reason than space."""


class LogBusy(LogError):
    """Two writers of one door would mix their sequences."""


class LogDamaged(LogError):
    """A file of the log is missing, cut short or changed."""

    def __init__(self, path: Path, what: str) -> None:
        super().__init__(
            f"{path}: {what}. Stop Truecount and put this file back from a backup (`truecount backup` makes them); "
            "nothing else of the log was touched."
        )
        self.path = path


class ControlDamaged(LogError):
    """control.sqlite is missing parts, changed, or no database: the log has all that it held."""

    def __init__(self, path: Path, what: str) -> None:
        super().__init__(
            f"{path} cannot be read ({what}): stop the server, move {path.name} away, start: it is made anew from the "
            "log."
        )
        self.path = path


class FolderError(Exception):
    """Base of what the data folder raises."""


class FolderBusy(FolderError):
    """Another process owns the folder and did not let go within the wait."""


class FolderRefused(FolderError):
    """The folder cannot be used by this version."""
