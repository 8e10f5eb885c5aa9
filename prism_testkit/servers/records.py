"""What servers there are, on disk: one small file each, so that a later run can clean what a killed one left."""

import json
import os
import platform
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from prism_testkit.servers.engines import container_state
from prism_testkit.servers.processes import Identity, identify, is_running

try:
    import fcntl
except ImportError:  # Windows, where servers are only used by address
    fcntl = None  # type: ignore[assignment]

__all__ = ["RUNNING", "Record", "locked", "records", "this_process"]

RUNNING = ("running", "paused")
"""What an engine says of a container that has not ended."""


@dataclass(frozen=True)
class Record:
    """One server of ours. It is written before its directory and its process exist, and removed after both are gone.

    ``directory`` is what is to be removed with it. ``process`` is None until it runs. ``owners`` are the runs (the processes that
    started or adopted it); ``kept`` says that it may outlive them. ``fingerprint`` tells servers apart that were started in
    another way. ``paused`` are its processes while they are stopped: those do not notice when their parent dies. A container has
    no process and no directory of its own, but an ``engine`` to ask, and the ``address`` that clients reach it at, known once it
    is created. ``host``: a project folder may be seen from several machines, and each only judges its own processes.
    """

    name: str
    run_id: str
    directory: Path
    ports: tuple[int, ...]
    fingerprint: str
    owners: tuple[Identity, ...]
    kept: bool
    process: Identity | None = None
    paused: tuple[Identity, ...] = ()
    container: str = ""
    engine: str = ""
    address: str = ""
    host: str = field(default_factory=platform.node)
    id: str = field(default_factory=lambda: uuid.uuid4().hex[:12])

    @property
    def is_local(self) -> bool:
        return self.host == platform.node()

    @property
    def living_owners(self) -> tuple[Identity, ...]:
        return tuple(owner for owner in self.owners if is_running(owner))

    @property
    def is_alive(self) -> bool:
        if self.container:
            return container_state(self.engine, self.container) in RUNNING
        return self.process is not None and is_running(self.process)

    def path(self, state: Path) -> Path:
        return _home(state) / f"{self.id}.json"

    def write(self, state: Path) -> None:
        """Write it whole or not at all."""
        path = self.path(state)
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(f".{os.getpid()}.tmp")
        draft.write_text(json.dumps(asdict(self), default=str, indent=1))
        draft.replace(path)

    def remove(self, state: Path) -> None:
        self.path(state).unlink(missing_ok=True)

    def latest(self, state: Path) -> "Record":
        """Return it as it is on disk, where other runs may have added and removed owners; as it is here if it is gone."""
        return _read(self.path(state)) or self

    def with_owner(self) -> "Record":
        """Return it with this process as an owner more, and without the owners that are gone."""
        return replace(self, owners=(*self.living_owners, this_process()))

    def without_owner(self) -> "Record":
        return replace(self, owners=tuple(owner for owner in self.living_owners if owner != this_process()))


def records(state: Path) -> list[Record]:
    """Return the servers that are on record under ``state``, in the order of their names. Unreadable records are left out."""
    found = (_read(path) for path in _home(state).glob("*.json"))
    return sorted((record for record in found if record is not None), key=lambda record: (record.name, record.id))


def this_process() -> Identity:
    found = identify(os.getpid())
    if found is None:
        raise OSError("this system does not tell when a process started, so servers cannot be recorded")
    return found


@contextmanager
def locked(state: Path) -> Iterator[None]:
    """Hold the records against other runs: whoever adopts, leaves or sweeps a server decides and acts in one step."""
    home = _home(state)
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("a") as handle:
        if fcntl is not None:
            fcntl.flock(handle, fcntl.LOCK_EX)  # given back when the file is closed, by a crash too
        yield


def _home(state: Path) -> Path:
    return state / "servers"


def _read(path: Path) -> Record | None:
    try:
        data = json.loads(path.read_text())
        return Record(
            name=data["name"],
            run_id=data["run_id"],
            directory=Path(data["directory"]),
            ports=tuple(data["ports"]),
            fingerprint=data["fingerprint"],
            owners=tuple(Identity(**owner) for owner in data["owners"]),
            kept=data["kept"],
            process=Identity(**data["process"]) if data["process"] else None,
            paused=tuple(Identity(**process) for process in data.get("paused", ())),
            container=data.get("container", ""),
            engine=data.get("engine", ""),
            address=data.get("address", ""),
            host=data["host"],
            id=path.stem,
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None  # removed in between, or not written by this version
