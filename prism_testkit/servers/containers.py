"""A server of ours in a container, from its creation to its end: what `own.OwnServer` is for a process."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from prism_testkit.backend import Server
from prism_testkit.servers.containerports import BINDINGS, reached
from prism_testkit.servers.engines import EngineAway, ask, can_pause, client_arguments, container_state, remove_container
from prism_testkit.servers.masking import describe, mask
from prism_testkit.servers.own import PortTaken, address
from prism_testkit.servers.records import RUNNING, Record, locked
from prism_testkit.servers.unavailable import ServerUnavailable

__all__ = ["ContainerServer", "container_name"]

T = TypeVar("T")

_STEP_S = 0.05
_ATTEMPT_S = 2.0
_GRACE_S = 10.0
_SET_UP_S = 45.0
"""What an image may take more at its first start than a server does: it makes its cluster, or formats its disk."""


class ContainerServer:
    """One container and its record. Name, port and data stay the same over kills and restarts.

    The engine's client blocks, so it is called in threads, except where a caller cannot wait.
    """

    def __init__(self, server: Server, record: Record, state: Path, image: str, instead: str = "") -> None:
        self.server = server
        self.record = record
        self._state = state
        self._image = image
        self._instead = instead

    @property
    def url(self) -> str:
        """Where clients reach it, known when it was created: a port of this machine, unless the engine is elsewhere."""
        host, _, port = self.record.address.rpartition(":")
        return address(self.server, (int(port), *self.record.ports[1:])).replace("127.0.0.1", host)

    @property
    def pid(self) -> None:
        return None

    @property
    def data(self) -> None:
        return None

    async def launch(self, deadline_s: float) -> None:
        """Create it, pulling its image where it is not there yet, start it, and wait until it is usable.

        Raise `ServerUnavailable`; `PortTaken` if its port was taken.
        """
        await self._do(self._have_image, self._instead)
        # An answer that counts for as long as this process lives, and is here when somebody who cannot wait for it asks.
        await self._do(lambda: can_pause(self.record.engine))
        await self._do(self._create)
        await self._until_ready(deadline_s + _SET_UP_S)

    async def relaunch(self, deadline_s: float) -> None:
        """Start it again, over its data; while somebody else has the port, try again."""
        deadline = time.monotonic() + deadline_s
        while True:
            try:
                await self._do(lambda: self._on(lambda container: container.start()))
                return await self._until_ready(deadline - time.monotonic())
            except PortTaken:
                if time.monotonic() >= deadline:
                    raise
                await asyncio.sleep(_STEP_S)

    def alive(self) -> bool:
        return self.record.is_alive

    async def answers(self, deadline_s: float) -> bool:
        """Say whether the server is usable now."""
        try:
            async with asyncio.timeout(deadline_s):
                await self.server.ready(self.url)
        except Exception:
            return False
        return True

    async def kill(self) -> None:
        """Send SIGKILL and wait until it is gone; nothing if it does not run."""
        await self._do(lambda: self._on(self._kill))

    @property
    def pausable(self) -> bool:
        """Its engine can stop what runs in it."""
        return can_pause(self.record.engine)

    async def pause(self) -> None:
        """Have the engine stop all that runs in it; again, or ended: nothing."""
        await self._do(lambda: self._on(self._pause))

    def is_paused(self) -> bool:
        """Say whether the engine shows it as stopped."""
        return container_state(self.record.engine, self.record.container) == "paused"

    async def resume(self) -> None:
        """Let it go on; nothing if it was not paused."""
        await self._do(lambda: self._on(self._resume))

    async def end(self) -> None:
        """Ask it to end, and kill it if it has not within the grace; nothing if it has ended."""
        await self.resume()  # what is stopped does not hear
        await self._do(lambda: self._on(lambda container: container.stop(timeout=int(_GRACE_S))))

    def discard(self) -> None:
        """End it, and remove it with its data and its record. What cannot be removed stays on record."""
        try:
            remove_container(self.record.engine, self.record.container)
        except EngineAway:
            return  # the next run finds it on record
        self.record.remove(self._state)

    def leave(self) -> None:
        """Let it run on without us."""
        with locked(self._state):
            self.record = self.record.latest(self._state).without_owner()
            self.record.write(self._state)

    def last_lines(self, n: int) -> str:
        """Return the last lines that it printed, masked."""
        try:
            text = self._on(lambda container: container.logs(tail=n)).decode(errors="replace")
        except Exception:  # it was never created, or its engine is away
            return ""
        return mask("\n".join(text.splitlines()[-n:]), self.url if self.record.address else "")

    # -- at the engine, blocking -----------------------------------------------------------------------------------------------

    def _have_image(self) -> None:
        from docker.errors import ImageNotFound

        with ask(self.record.engine, within_s=600) as client:
            try:
                client.images.get(self._image)
            except ImageNotFound:
                client.images.pull(*_tagged(self._image))

    def _create(self) -> None:
        from testcontainers.core.config import testcontainers_config

        # Our records do the reaper's work, which is a container itself: it would need an image that may not be to be had, and
        # rights that it may not get, and it would end a server that is to be kept.
        testcontainers_config.ryuk_disabled = True
        for binding in BINDINGS:
            found = self._create_on(binding)
            if found:
                return self._change(address=found, fingerprint=self.record.fingerprint)
            remove_container(self.record.engine, self.record.container)
        raise ServerUnavailable(self.record.name, f"{self._image}: its port is not reached from here")

    def _create_on(self, binding: str) -> str:
        """Create it and start it; return the address at which it is reached, empty if it is not."""
        from testcontainers.core.container import DockerContainer

        made = DockerContainer(
            self._image,
            docker_client_kw=client_arguments(self.record.engine),
            name=self.record.container,
            command=list(map(self._filled, self.server.container_args)) or None,  # type: ignore[arg-type]  # passed on as it is
            env={name: self._filled(value) for name, value in {**self.server.env, **self.server.container_env}.items()},
            labels={"prism-testkit.run": self.record.run_id, "prism-testkit.server": self.record.name},
        )
        ports: Any = made.ports
        ports[f"{self.server.container_port}/tcp"] = (binding, self.record.ports[0])
        try:
            made.start()
            return reached(made, binding, self.record.ports[0], self.server.container_port)
        finally:
            made.get_docker_client().client.close()

    def _filled(self, text: str) -> str:
        return text.replace("{port}", str(self.record.ports[0]))

    def _kill(self, container: Any) -> None:
        if container.status in RUNNING:
            container.kill()
            container.reload()
            self._resume(container)  # some engines leave the signal waiting for that
            container.wait(timeout=_GRACE_S)

    def _pause(self, container: Any) -> None:
        if container.status == "running":
            container.pause()

    def _resume(self, container: Any) -> None:
        from docker.errors import APIError

        if container.status == "paused":
            try:
                container.unpause()
            except APIError:
                container.reload()
                if container.status == "paused":  # else it went on meanwhile, to its end
                    raise

    def _on(self, do: Callable[[Any], T]) -> T:
        with ask(self.record.engine) as client:
            return do(client.containers.get(self.record.container))

    def _change(self, **fields: Any) -> None:
        with locked(self._state):
            self.record = replace(self.record.latest(self._state), **fields)
            self.record.write(self._state)

    # -- waiting ---------------------------------------------------------------------------------------------------------------

    async def _do(self, work: Callable[[], T], remedy: str = "") -> T:
        thread = asyncio.ensure_future(asyncio.to_thread(work))
        try:
            return await asyncio.shield(thread)
        except asyncio.CancelledError:
            await asyncio.wait({thread})  # what it is creating must be there before it can be removed
            raise
        except Exception as error:  # of the client, of what it connects with, of testcontainers
            reason = describe(error)
        taken = any(text in reason.lower() for text in ("already in use", "already allocated", "ports are not available"))
        kind = PortTaken if taken and "container name" not in reason.lower() else ServerUnavailable
        raise kind(self.record.name, f"the image {self._image} on {self.record.engine}: {reason}", remedy)

    async def _until_ready(self, deadline_s: float) -> None:
        deadline, last = time.monotonic() + deadline_s, "nothing answered"
        while time.monotonic() < deadline:
            try:
                async with asyncio.timeout(_ATTEMPT_S):
                    return await self.server.ready(self.url)
            except Exception as error:
                last = describe(error, self.url)
            if not await self._do(lambda: self._on(lambda container: container.status in RUNNING)):
                raise self._unavailable("it exited before it was ready")
            await asyncio.sleep(_STEP_S)
        raise self._unavailable(f"it was not ready within {deadline_s:g} s ({last})")

    def _unavailable(self, reason: str) -> ServerUnavailable:
        lines = self.last_lines(20)
        return ServerUnavailable(self.record.name, f"{self._image}: {reason}" + (f"; its last lines:\n{lines}" if lines else ""))


def container_name(name: str, run_id: str, unique: str) -> str:
    """Return a name that is known before there is a container, so that a record can name it."""
    return f"prism-{run_id}-{name.replace('@', '-')}-{unique}"


def _tagged(image: str) -> tuple[str, str | None]:
    """Return name and tag: without one the client would pull every tag there is."""
    name, colon, tag = image.rpartition(":")
    if "@" in image or (colon and "/" not in tag):
        return (image, None) if "@" in image else (name, tag)
    return image, "latest"
