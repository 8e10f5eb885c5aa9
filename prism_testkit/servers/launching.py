"""Launches a server of ours, a process or a container, and knows one that was launched in the same way."""

import functools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from prism_testkit.backend import Server
from prism_testkit.servers.containers import ContainerServer, container_name
from prism_testkit.servers.directories import new_directory_name
from prism_testkit.servers.locate import Located
from prism_testkit.servers.own import OwnServer, PortTaken, data_directory
from prism_testkit.servers.ports import free_ports
from prism_testkit.servers.records import Record, this_process
from prism_testkit.servers.templates import fingerprint, template
from prism_testkit.servers.unavailable import ServerUnavailable

__all__ = ["Owned", "is_like", "launch", "owned"]

Owned = OwnServer | ContainerServer

_PORT_TRIES = 5


async def launch(name: str, server: Server, located: Located, *, state: Path, run_id: str, keep: bool, deadline_s: float) -> Owned:
    """Return a server of ours that is usable. What a failed or cancelled launch leaves is removed, or on record."""
    source = await template(name, server, located.binary, state) if not located.engine else None
    taken: PortTaken | None = None
    for _ in range(_PORT_TRIES):
        record = _new_record(name, server, located, run_id, keep)
        record.write(state)
        own = owned(server, located, record, state)
        try:
            if isinstance(own, OwnServer):
                own.make_directory(source)
                own.argv = _command(server, located, record)
            own.record = replace(record, fingerprint=_fingerprint(server, located, record))
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


def owned(server: Server, located: Located, record: Record, state: Path) -> Owned:
    """Return what handles the server of a record that was, or will be, launched in the way of ``located``."""
    if located.engine:
        return ContainerServer(server, record, state, located.binary, located.instead)
    return OwnServer(server, record, state, _command(server, located, record) if record.process is not None else ())


def is_like(server: Server, located: Located, record: Record) -> bool:
    """Say whether the server of a record was launched just as it would be now."""
    return record.engine == located.engine and record.fingerprint == _fingerprint(server, located, record)


def _new_record(name: str, server: Server, located: Located, run_id: str, keep: bool) -> Record:
    record = Record(
        name=name,
        run_id=run_id,
        directory=Path(),
        ports=tuple(free_ports(max(1, server.ports))),
        fingerprint="",
        owners=(this_process(),),
        kept=keep,
        engine=located.engine,
    )
    if located.engine:
        return replace(record, container=container_name(name, run_id, record.id))
    return replace(record, directory=new_directory_name(name, run_id, record.id))


def _command(server: Server, located: Located, record: Record) -> Sequence[str]:
    assert server.command is not None, "locate() returns no binary otherwise"
    try:
        argv = server.command(located.binary, data_directory(record), record.ports[0])
    except OSError as error:
        raise ServerUnavailable(record.name, str(error)) from error
    more = {f"{{port{number}}}": str(port) for number, port in enumerate(record.ports[1:], 2)}
    return [functools.reduce(lambda text, mark: text.replace(mark, more[mark]), more, argument) for argument in argv]


def _fingerprint(server: Server, located: Located, record: Record) -> str:
    argv = server.container_args if located.engine else _command(server, located, record)
    env = {**server.env, **server.container_env} if located.engine else server.env
    return fingerprint(located.binary, *argv, *(f"{name}={value}" for name, value in sorted(env.items())))
