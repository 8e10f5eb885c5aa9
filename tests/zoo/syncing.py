"""Logs that reach the disk before their call returns, and logs that claim to. SIGKILL tells none of them from the others."""

import os
from pathlib import Path
from typing import Any

from .family import Log

__all__ = ["LateSyncs", "NamelessLog", "OnlyTheFirstIsSynced", "SyncedLog", "sync"]


def sync(path: Path) -> None:
    """Wait until a file, or the names in a directory, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class SyncedLog(Log):
    """Each record is on the disk before `append` returns, and so is the name of the file."""

    def append(self, record: Any) -> None:
        new = not self.path.exists()
        super().append(record)
        self.sync(new)

    def sync(self, new: bool) -> None:
        sync(self.path)
        if new:
            self.sync_name()

    def sync_name(self) -> None:
        sync(self.path.parent)


class NamelessLog(SyncedLog):
    """The file is synced, and never the directory that holds its name."""

    def sync_name(self) -> None:
        """A file that is synced is there."""


class OnlyTheFirstIsSynced(SyncedLog):
    """What comes behind the first record is left to the system."""

    def sync(self, new: bool) -> None:
        if new:
            super().sync(new)


class LateSyncs(SyncedLog):
    """Each record is synced with the next one."""

    def append(self, record: Any) -> None:
        if self.path.exists():
            sync(self.path)
        else:
            self.path.touch()
            self.sync_name()
        Log.append(self, record)
