"""The data folder: where everything lies, who owns it, its version, its keys.

truecount.version   format of the folder, "1"
lock                held by the process that owns the folder (a server, or a command without one)
control.sqlite      datasets and their settings; can be rebuilt from the log
log/                what was received: the truth
store/              tables made from the log; can be rebuilt
keys/               secrets that a backup must keep (0600)
run/                secrets, ports and state of running processes (0700)
tmp/                emptied at start
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from .errors import FolderBusy, FolderRefused
from .files import sync_folder

VERSION: Final = 1
"""Format of the folder. Rises when an older Truecount could no longer read what a newer one wrote."""
MIGRATIONS: dict[int, Callable[[Path], None]] = {}
"""Version -> what brings a folder of that version to the next. Each must be able to run again after a crash."""

KEY_BYTES: Final = 32
LOCK_WAIT_S: Final = 10.0


class DataFolder:
    """A data folder, made where it is not there yet.

    FolderRefused when it was written by a newer version, or the path holds something else.
    """

    def __init__(self, path: Path | str, *, create: bool = True) -> None:
        self.path = Path(path).absolute()
        self.log = self.path / "log"
        self.store = self.path / "store"
        self.run = self.path / "run"
        self.keys = self.path / "keys"
        self.tmp = self.path / "tmp"
        self.control = self.path / "control.sqlite"
        self._version_file = self.path / "truecount.version"
        if create:
            self._make()
        if not self._version_file.is_file():
            raise FolderRefused(f"{self.path} is not a data folder of Truecount")
        if self.version > VERSION:
            raise FolderRefused(
                f"{self.path} has format {self.version}, this Truecount knows up to {VERSION}: use a newer one"
            )

    @property
    def version(self) -> int:
        """Format of the folder as it lies."""
        text = self._version_file.read_text().strip()
        if not text.isdecimal():
            raise FolderRefused(f"{self._version_file} does not hold a number")
        return int(text)

    @contextmanager
    def lock(self, wait_s: float = LOCK_WAIT_S) -> Iterator[None]:
        """Own the folder. Waits for a dying owner; then FolderBusy, which says who has it.

        An older folder is migrated as soon as it is owned.
        """
        descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._wait_for(descriptor, wait_s)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
            self._migrate()
            yield
        finally:
            os.close(descriptor)

    def is_owned(self) -> bool:
        """True while some process owns the folder (a server, most likely)."""
        try:
            descriptor = os.open(self.path / "lock", os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def key(self, name: str) -> bytes:
        """The secret keys/<name>.key, 32 random bytes, made at its first use. Alike for all processes that ask."""
        return _secret(self.keys / f"{name}.key")

    def weak_key(self) -> bytes:
        """The secret behind the weak hash of address and user agent."""
        return self.key("weak")

    def secret(self, name: str) -> str:
        """The secret run/<name>.secret as text, made at its first use; it lasts until somebody removes the file."""
        return _secret(self.run / f"{name}.secret", text=True).decode()

    def disk_free(self) -> int:
        """Free bytes on the folder's disk."""
        status = os.statvfs(self.path)
        return status.f_bavail * status.f_frsize

    def empty_tmp(self) -> None:
        """Remove what processes that died left in tmp/. For the owner, at start."""
        shutil.rmtree(self.tmp, ignore_errors=True)
        self.tmp.mkdir(mode=0o700, exist_ok=True)

    def _make(self) -> None:
        if self.path.exists() and not self.path.is_dir():
            raise FolderRefused(f"{self.path} is not a folder")
        new = not self._version_file.exists()
        if new and self.path.is_dir() and any(self.path.iterdir()) and not self.log.is_dir():
            raise FolderRefused(f"{self.path} holds other things, and is not a data folder of Truecount")
        for folder in (self.path, self.log, self.keys, self.run, self.tmp):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in (self.keys, self.run):
            os.chmod(folder, 0o700)
        if new:
            self._write_version(VERSION)

    def _write_version(self, version: int) -> None:
        partial = self._version_file.with_name(f"truecount.version.{os.getpid()}")
        partial.write_text(f"{version}\n")
        os.rename(partial, self._version_file)
        sync_folder(self.path)

    def _migrate(self) -> None:
        while (version := self.version) < VERSION:
            MIGRATIONS[version](self.path)
            self._write_version(version + 1)

    def _wait_for(self, descriptor: int, wait_s: float) -> None:
        until = time.monotonic() + wait_s
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() >= until:
                    break
                time.sleep(0.05)
        owner = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()
        raise FolderBusy(
            f"{self.path} is in use by process {owner or '(unknown)'}: stop that one first, or choose another --data"
        )


def _secret(path: Path, *, text: bool = False) -> bytes:
    """Read a secret, or make it. Of several processes that make it at once, one wins and all read its secret."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        pass
    value = secrets.token_urlsafe(KEY_BYTES).encode() if text else secrets.token_bytes(KEY_BYTES)
    partial = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(value)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(partial, path)
        except FileExistsError:
            pass
    finally:
        os.unlink(partial)
    sync_folder(path.parent)
    return path.read_bytes()
