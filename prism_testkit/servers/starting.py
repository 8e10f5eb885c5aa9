"""From a backend's `Server` to a `RunningServer`."""

import asyncio
import os
from pathlib import Path

from prism_testkit.backend import Server
from prism_testkit.servers.launching import Owned, is_like, launch, owned
from prism_testkit.servers.locate import Located, locate
from prism_testkit.servers.masking import describe
from prism_testkit.servers.records import locked, records
from prism_testkit.servers.running import RunningServer
from prism_testkit.servers.unavailable import ServerUnavailable

__all__ = ["start", "start_located", "start_private"]

_ANSWER_S = 10.0
"""How long a server that is up may take to say that it is, and what it is."""


async def start(
    name: str,
    server: Server,
    *,
    prefer: str | None = None,
    state: Path,
    run_id: str,
    keep: bool = False,
    deadline_s: float = 15.0,
) -> RunningServer:
    """Return a server that answers, and is of the right kind: the one given by URL, else one of ours (see `locate`).

    With ``keep`` the server outlives the run: `stop` leaves it, on record, and the next ``start`` with ``keep`` of the same name,
    binary and command takes it over, data and all, if it answers; runs may share it. A start without ``keep`` never does, so
    that a run which did not ask for a shared server has a fresh one.

    Raise `ServerUnavailable`: not found (with the command that adds it), exited or not ready within ``deadline_s`` (with its last
    lines), not reachable, of the wrong kind, password refused. A failed or cancelled start leaves nothing behind.
    """
    located = locate(name, server, prefer, os.environ)
    return await start_located(name, server, located, state=state, run_id=run_id, keep=keep, deadline_s=deadline_s)


async def start_located(
    name: str, server: Server, located: Located, *, state: Path, run_id: str, keep: bool = False, deadline_s: float = 15.0
) -> RunningServer:
    """Like `start`, for a server that was found already."""
    if located.origin == "url":
        return RunningServer(name, located.url, "url", await _ask(name, server, located.url, located.detail), None)
    adopted = await _adopt(name, server, located, state) if keep else None
    own = adopted or await launch(name, server, located, state=state, run_id=run_id, keep=keep, deadline_s=deadline_s)
    try:
        version = await _ask(name, server, own.url, located.detail)
    except BaseException:
        own.leave() if adopted else own.discard()
        raise
    return RunningServer(name, own.url, located.origin, version, own)


async def start_private(name: str, server: Server, *, state: Path, run_id: str, prefer: str | None = None) -> RunningServer:
    """Return a fresh server of ours that nobody else uses: to be killed, restarted, paused, cut or filled.

    A server given by URL is somebody's: `ServerUnavailable`, with that reason.
    """
    located = locate(name, server, prefer, os.environ)
    if located.origin == "url":
        raise ServerUnavailable(
            name, f"it is given by {located.detail}, and this needs a server of its own", f"unset {located.detail}"
        )
    return await start_located(name, server, located, state=state, run_id=run_id)


async def _ask(name: str, server: Server, url: str, where: str) -> str:
    """Return the server's version; raise `ServerUnavailable` if it does not answer or is of the wrong kind."""
    reason = f"no answer within {_ANSWER_S:g} s"
    try:
        async with asyncio.timeout(_ANSWER_S):
            await server.ready(url)
            return await server.version(url) if server.version is not None else ""
    except TimeoutError:
        pass
    except Exception as error:
        reason = describe(error, url)
    # Outside of the handler, so that the native error, whose text may hold the URL, is not chained to this one.
    raise ServerUnavailable(name, f"what answers at {where} cannot be used: {reason}")


async def _adopt(name: str, server: Server, located: Located, state: Path) -> Owned | None:
    """Return a kept server that was started just as we would, and answers; None if there is none."""
    for record in records(state):
        if not (record.name == name and record.kept and record.is_local and record.is_alive):
            continue
        if not is_like(server, located, record):
            continue
        with locked(state):
            if not record.path(state).exists() or not record.is_alive:
                continue  # swept in between
            record = record.latest(state).with_owner()
            record.write(state)
        own = owned(server, located, record, state)
        if await own.answers(_ANSWER_S):
            return own
        own.leave()
    return None
