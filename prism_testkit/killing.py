"""Kill whoever writes, or the server it writes to, in the middle of acknowledged writes; then reopen and let the check look.

The writer is a process of its own (`_child`), which says after each call that it returned; what it said before it died was
acknowledged. The place is private: its own directory, and its own server when the server is to die.
"""

import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from prism_testkit.backend import Place
from prism_testkit.bindings import Candidate
from prism_testkit.outcomes import HarnessError, Unavailable, Violation
from prism_testkit.servers import RunningServer, start_private
from prism_testkit.witness import encode
from prism_testkit.worker import Site, Worker

__all__ = ["Step", "Survivors", "Target", "kill_workload"]

Step = tuple[str, tuple[Any, ...]]
"""A method of the driver and its arguments; the writer makes the calls one after another."""
Target = Literal["writer", "server"]


@dataclass
class Survivors:
    """What is left: how many steps were acknowledged (the next one may have happened, too), and the place reopened."""

    acknowledged: int
    finished: bool
    """The writer got through all its steps before it died: the kill came too late to be in the middle."""
    site: Site
    namespace: str
    server: RunningServer | None = None
    slot: Any = None
    """A client over what is left, with every interface of its driver, tapped."""

    async def close(self) -> None:
        """Close the clients and stop the private server."""
        await self.site.close()
        if self.server is not None:
            await self.server.stop()


async def kill_workload(
    worker: Worker, candidate: Candidate, *, steps: Sequence[Step], acknowledgements: int, target: Target, namespace: str
) -> Survivors:
    """Let a process make ``steps``, kill ``target`` once ``acknowledgements`` of them returned, and reopen the place."""
    backend = candidate.backend
    endpoint = worker.endpoints.get(backend.name)
    server: RunningServer | None = None
    if backend.server is not None and target == "server":
        if endpoint is not None and endpoint.by_url:
            raise Unavailable(f"the server of {backend.name} was given by URL: it is not ours to kill")
        server = await start_private(backend.name, backend.server, state=worker.state, run_id=worker.namespaces.run)
    url = server.url if server is not None else endpoint.url if endpoint is not None else ""
    place = worker.new_place(url, backend.clock_kind, f"{backend.name}-killed")
    try:
        acknowledged, finished = await _write_and_kill(worker, candidate, place, server, steps, acknowledgements, namespace)
    except BaseException:
        if server is not None:
            await server.stop()
        raise
    reopened = Place(url=url, directory=place.directory, shared={}, clock=place.clock)
    return Survivors(acknowledged, finished, Site(backend, reopened, backend.clock_kind), namespace, server)


async def _write_and_kill(
    worker: Worker,
    candidate: Candidate,
    place: Place,
    server: RunningServer | None,
    steps: Sequence[Step],
    acknowledgements: int,
    namespace: str,
) -> tuple[int, bool]:
    order = {
        "path": [entry or str(Path.cwd()) for entry in sys.path],
        "origin": worker.origins.get(candidate.backend.name, ("", "")),
        "backend": candidate.backend.name,
        "interface": candidate.offer.interface,
        "directory": str(place.directory),
        "url": place.url,
        "namespace": namespace,
        "now_ns": worker.clock.now_ns(),
        "steps": [[method, encode(arguments)] for method, arguments in steps],
    }
    log = place.directory.parent / f"{place.directory.name}.stderr"
    with log.open("wb") as errors:
        process = subprocess.Popen(  # noqa: ASYNC220  nothing else runs on this loop, and the virtual one has no I/O
            [sys.executable, "-m", "prism_testkit._child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            cwd=place.directory,
        )
    assert process.stdin is not None
    assert process.stdout is not None
    said: list[bytes] = []
    try:
        process.stdin.write(json.dumps(order).encode() + b"\n")
        process.stdin.close()
        while len(said) < acknowledgements and (line := process.stdout.readline()):
            said.append(line)
        if server is not None:
            await server.kill()
        process.send_signal(signal.SIGKILL)
        said += process.stdout.readlines()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    if server is not None:
        await server.restart()
    done = [line for line in said if line.strip().isdigit()]
    failed = [line.decode(errors="replace").strip() for line in said if line.startswith(b"!")]
    if len(done) < acknowledgements:
        raise _early(candidate.backend.name, failed, log.read_text(errors="replace"))
    return len(done), len(done) == len(steps)


def _early(backend: str, failed: list[str], log: str) -> BaseException:
    if failed:
        return Violation(f"in the writing process {failed[0][1:].strip()}")
    lines = log.strip().splitlines()
    if lines and lines[-1].startswith("prism: "):
        return Unavailable(lines[-1].removeprefix("prism: "))
    return HarnessError(f"the writing process for {backend} ended early: {' | '.join(lines[-5:]) or 'it said nothing'}")
