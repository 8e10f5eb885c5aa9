"""The controller's servers: started all at once, only those that are needed, and gone for certain."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from prism_testkit.backend import Backend
from prism_testkit.outcomes import Unavailable
from prism_testkit.servers import RunningServer, ServerUnavailable, start
from prism_testkit.worker import Endpoint, Worker

__all__ = ["Fleet"]


@dataclass
class Fleet:
    """Servers by backend, and what workers are told about them."""

    state: Path
    run_id: str
    prefer: str | None = None
    keep: bool = False
    endpoints: dict[str, Endpoint] = field(default_factory=dict)
    running: dict[str, RunningServer] = field(default_factory=dict)

    def start(self, backends: Sequence[Backend[Any]]) -> None:
        """Start the servers of ``backends`` together; one that cannot be had is an `Endpoint` with a reason."""
        asyncio.run(self._start([backend for backend in backends if backend.server is not None]))

    async def _start(self, backends: Sequence[Backend[Any]]) -> None:
        await asyncio.gather(*(self._start_one(backend) for backend in backends))

    async def _start_one(self, backend: Backend[Any]) -> None:
        assert backend.server is not None
        try:
            server = await start(
                backend.name, backend.server, prefer=self.prefer, state=self.state, run_id=self.run_id, keep=self.keep
            )
        except ServerUnavailable as error:
            self.endpoints[backend.name] = Endpoint(reason=str(error))
            return
        self.running[backend.name] = server
        self.endpoints[backend.name] = Endpoint(
            url=server.url, by_url=server.origin == "url", in_container=server.origin == "container"
        )

    def probe(self, backends: Sequence[Backend[Any]], worker: Worker) -> None:
        """Connect once to each backend, so that one that hangs or raises in connect costs one deadline in all."""
        for backend in backends:
            if self.endpoints.get(backend.name, Endpoint()).reason:
                continue
            try:
                worker.connect(worker.site(backend, backend.clock_kind))
            except Unavailable as error:
                found = self.endpoints.get(backend.name, Endpoint())
                self.endpoints[backend.name] = replace(found, url="", reason=str(error))

    def stop(self) -> None:
        """Stop every server of ours; a repeat does nothing."""
        running, self.running = self.running, {}
        if running:
            asyncio.run(_stop(list(running.values())))


async def _stop(servers: Sequence[RunningServer]) -> None:
    await asyncio.gather(*(server.stop() for server in servers))
