"""One backend opened outside a run of pytest: its server if it has one, a private place, and everything gone afterwards."""

import shutil
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from prism_testkit.backend import Backend
from prism_testkit.fleet import Fleet
from prism_testkit.namespaces import Namespaces, new_run_id
from prism_testkit.outcomes import Unavailable
from prism_testkit.runs import RunRecord, record_run
from prism_testkit.worker import Endpoint, Worker

__all__ = ["Opened", "opened"]

T = TypeVar("T")


@dataclass
class Opened:
    """A backend whose first client is open, or the ``reason`` why it is not."""

    backend: Backend[Any]
    worker: Worker
    reason: str = ""
    problems: list[str] = field(default_factory=list)
    """What was wrong with closing; complete when the ``with`` block of `opened` was left."""

    def run(self, work: Callable[[Any], Coroutine[Any, Any, T]]) -> T:
        """Run ``work(client)`` on the backend's loop, under its watchdog; raise what it raised, `Hung` included."""
        site = self.worker.site(self.backend, self.backend.clock_kind)

        async def with_client() -> T:
            return await work(await site.client(0))

        result: T = self.worker.run(self.backend.clock_kind, with_client())
        return result


@contextmanager
def opened(backend: Backend[Any], state: Path, *, prefer: str | None = None, deadline_s: float = 10.0) -> Iterator[Opened]:
    """Open ``backend`` as a run does: its server started, one client connected, within ``deadline_s``. All is closed at the end.

    It is on record like any run, so what is left if this process is killed, the next run or ``prism clean`` removes.
    """
    run_id = new_run_id()
    directory = Path(tempfile.mkdtemp(prefix=f"prism-{run_id}-"))
    fleet = Fleet(state, run_id, prefer)
    record: RunRecord | None = None
    worker: Worker | None = None
    try:
        record = record_run(state, run_id, directory, ())
        fleet.start([backend])
        endpoint = fleet.endpoints.get(backend.name, Endpoint())
        if endpoint.by_url:
            record = record_run(state, run_id, directory, [backend.name])
        worker = Worker(
            namespaces=Namespaces(run_id, 0),
            directory=directory / "worker",
            state=state,
            endpoints=fleet.endpoints,
            hang_s=deadline_s,
        )
        found = Opened(backend, worker, endpoint.reason or _connect(worker, backend))
        yield found
        found.problems += worker.close()
        worker = None
    finally:
        if worker is not None:
            worker.close()
        fleet.stop()
        shutil.rmtree(directory, ignore_errors=True)
        if record is not None:
            record.remove()


def _connect(worker: Worker, backend: Backend[Any]) -> str:
    try:
        worker.connect(worker.site(backend, backend.clock_kind))
    except Unavailable as error:
        return str(error)
    return ""
