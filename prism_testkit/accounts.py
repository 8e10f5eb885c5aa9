"""The user as whom a server runs that refuses to be run by root."""

import os
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Account", "hand_over", "unprivileged"]

_NAME = "nobody"


@dataclass(frozen=True, slots=True)
class Account:
    """A user and its group, by number."""

    uid: int
    gid: int


def unprivileged() -> Account | None:
    """Return the user to become where root starts a server that root may not run; None for any other caller.

    It is ``nobody``: owner of nothing, with an entry among the users (initdb looks its name up). Raise ``OSError`` without one.
    """
    if os.geteuid() != 0:
        return None
    import pwd  # which not every system has

    try:
        entry = pwd.getpwnam(_NAME)
    except KeyError as error:
        raise OSError(f"root cannot run this server, and there is no user {_NAME!r} to run it as") from error
    return Account(entry.pw_uid, entry.pw_gid)


def hand_over(directory: Path, account: Account) -> None:
    """Make ``account`` the owner of a directory and of all that is in it; what links point to stays whose it is."""
    for path in (directory, *directory.rglob("*")):
        os.chown(path, account.uid, account.gid, follow_symlinks=False)
