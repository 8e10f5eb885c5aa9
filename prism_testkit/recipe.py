"""What an author types where a server is neither on PATH nor in a wheel, and has to be made: downloaded, built, formatted."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

__all__ = ["Making", "Recipe", "Report", "Step", "Tool"]

Report = Callable[[str], None]
"""Takes what is being done, or how much of it is, in a few words; for people only."""


class Tool(Protocol):
    """Runs a program in the directory that is in the making, and returns what it printed. On Linux it does not outlive us.

    ``until`` is asked again and again; when it holds the program is asked to end (SIGTERM), and may then end in any way. Raises
    ``OSError`` with the last lines if the program cannot be run, fails, or takes longer than ``within_s`` seconds.
    """

    def __call__(
        self, argv: Sequence[str], *, within_s: float, env: Mapping[str, str] = ..., until: Callable[[], bool] | None = None
    ) -> str: ...


@dataclass(frozen=True, kw_only=True)
class Making:
    """What a step works with: the ``directory`` that holds what the steps before it made, and nobody else uses."""

    directory: Path
    report: Report
    run: Tool


@dataclass(frozen=True, kw_only=True)
class Step:
    """One part of the making. It runs again over what it left if it was interrupted, so it tells what is whole from what is half.

    It raises ``OSError`` with the reason if it cannot; that is what the person reads.
    """

    what: str
    make: Callable[[Making], None]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How ``prism servers add NAME`` makes a server, once for the user, in the user's cache.

    ``version`` is the server's; ``revision`` is raised when the steps come to make something else of the same version. ``steps``
    run in order; one that is done is not repeated after an interruption. ``binary`` is what ``Server.command`` and
    ``Server.prepare`` get, below the directory; empty for the directory itself. ``lacks()`` gives the command that adds what the
    steps themselves need here, empty if nothing. ``cost`` tells the person what it takes. What was made is started once before
    it is used, and moves to its place after that: so the directory it is made in is not the one it is used from.
    """

    version: str
    steps: Sequence[Step]
    binary: str = ""
    revision: int = 1
    lacks: Callable[[], str] = str
    cost: str = ""
