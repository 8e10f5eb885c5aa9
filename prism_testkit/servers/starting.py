"""From a backend's `Server` to a `RunningServer`."""

import asyncio
import functools
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from prism_testkit.backend import Server
from prism_testkit.servers.directories import new_directory_name
from prism_testkit.servers.locate import Located, locate
from prism_testkit.servers.masking import describe
from prism_testkit.servers.own import OwnServer, PortTaken, data_directory
from prism_testkit.servers.ports import free_ports
from prism_testkit.servers.records import Record, locked, records, this_process
from prism_testkit.servers.running import RunningServer
from prism_testkit.servers.templates import fingerprint, template
from prism_testkit.servers.unavailable import ServerUnavailable

__all__ = ["start", "start_located", "start_private"]

_ANSWER_S = 10.0
"""How long a server that is up may take to say that it is, and what it is."""
_PORT_TRIES = 5


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
    own = adopted or await _launch(name, server, located, state, run_id, keep, deadline_s)
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
    return await start(name, server, prefer="native", state=state, run_id=run_id)


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


async def _launch(
    name: str, server: Server, located: Located, state: Path, run_id: str, keep: bool, deadline_s: float
) -> OwnServer:
    source = await template(name, server, located.binary, state)
    taken: PortTaken | None = None
    for _ in range(_PORT_TRIES):
        record = _new_record(name, server, run_id, keep)
        record.write(state)
        own = OwnServer(server, record, state)
        try:
            own.make_directory(source)
            own.argv = _command(server, located, record)
            own.record = replace(record, fingerprint=_fingerprint(server, located, own.argv))
            await own.launch(deadline_s)
        except PortTaken as error:
            own.discard()
            taken = error
        except BaseException:
            own.discard()
            raise
        else:
            return own
    raise ServerUnavailable(name, f"{_PORT_TRIES} ports were taken before it could listen: {taken}")


def _new_record(name: str, server: Server, run_id: str, keep: bool) -> Record:
    record = Record(
        name=name,
        run_id=run_id,
        directory=Path(),
        ports=tuple(free_ports(max(1, server.ports))),
        fingerprint="",
        owners=(this_process(),),
        kept=keep,
    )
    return replace(record, directory=new_directory_name(name, run_id, record.id))


def _command(server: Server, located: Located, record: Record) -> Sequence[str]:
    assert server.command is not None, "locate() returns no binary otherwise"
    try:
        argv = server.command(located.binary, data_directory(record), record.ports[0])
    except OSError as error:
        raise ServerUnavailable(record.name, str(error)) from error
    more = {f"{{port{number}}}": str(port) for number, port in enumerate(record.ports[1:], 2)}
    return [functools.reduce(lambda text, mark: text.replace(mark, more[mark]), more, argument) for argument in argv]


def _fingerprint(server: Server, located: Located, argv: Sequence[str]) -> str:
    return fingerprint(located.binary, *argv, *(f"{name}={value}" for name, value in sorted(server.env.items())))


async def _adopt(name: str, server: Server, located: Located, state: Path) -> OwnServer | None:
    """Return a kept server that was started just as we would, and answers; None if there is none."""
    for record in records(state):
        if not (record.name == name and record.kept and record.is_local and record.is_alive):
            continue
        argv = _command(server, located, record)
        if record.fingerprint != _fingerprint(server, located, argv):
            continue
        with locked(state):
            if not record.path(state).exists() or not record.is_alive:
                continue  # swept in between
            record = record.latest(state).with_owner()
            record.write(state)
        own = OwnServer(server, record, state, argv)
        if await own.answers(_ANSWER_S):
            return own
        own.leave()
    return None
