"""The members of streams' groups in one process: who is in, the beat by which other processes know, the bells that wake them."""

import asyncio
import weakref
from collections.abc import Awaitable, Callable, Hashable, Iterable, MutableMapping
from contextlib import suppress
from typing import Any, Generic, Protocol, TypeVar

from prism_backends.bell import Bell
from prism_testkit.interfaces.errors import Closed, PrismError

__all__ = ["Company", "Joined", "bell_of"]


class Joined(Protocol):
    """What a company asks of a member. ``name`` is its own in the store, ``place`` says which group it is in."""

    name: str
    is_open: bool
    bell: Bell
    place: Hashable

    async def leave(self) -> None:
        """Give back what it holds, and forget it here whatever happens. A repeat does nothing."""


M = TypeVar("M", bound=Joined)


def bell_of(shared: MutableMapping[str, Any], *stream: Hashable) -> Bell:
    """Return the bell of a stream, which all clients of a place in this process ring when there may be something to receive."""
    bells: MutableMapping[Hashable, Bell] = shared.setdefault("stream bells", weakref.WeakValueDictionary())
    return bells.setdefault(stream, Bell())


class Company(Generic[M]):
    """The members of one driver, which know of all others in their place and process.

    Members of one process never take each other for dead. Other processes see signs of life: ``beat`` is called every
    ``beat_s`` with the members, and may fail now and then. None: whoever else lives is in this process.
    """

    def __init__(
        self, shared: MutableMapping[str, Any], beat_s: Callable[[], float], beat: Callable[[list[M]], Awaitable[None]] | None
    ) -> None:
        self._beat_s, self._beat = beat_s, beat
        self._alive: MutableMapping[str, Joined] = shared.setdefault("stream members", weakref.WeakValueDictionary())
        self._members: set[M] = set()
        self._beating: asyncio.Task[None] | None = None

    def is_alive(self, name: str) -> bool:
        """Say whether a member is in this process, and was not left."""
        return name in self._alive

    def alive(self, place: Hashable) -> Iterable[str]:
        """Return the names of the members of a group that are in this process."""
        return [member.name for member in list(self._alive.values()) if member.place == place]

    def enter(self, member: M) -> None:
        self._members.add(member)
        self._alive[member.name] = member
        if self._beating is None and self._beat is not None:
            self._beating = asyncio.create_task(self._beat_on(self._beat), name="members of streams")

    def rename(self, member: M, name: str) -> None:
        self._alive.pop(member.name, None)
        member.name = name
        self._alive[name] = member

    def leave(self, member: M) -> None:
        """Forget a member, and stop beating with the last one. A repeat does nothing."""
        self._members.discard(member)
        self._alive.pop(member.name, None)
        if self._beating is not None and not self._members:
            self._beating.cancel()
            self._beating = None

    async def dismiss(self) -> None:
        """Let every member leave. One whose store is away, or busy, is from now on as one that died."""
        for member in list(self._members):
            with suppress(PrismError):
                await member.leave()

    async def _beat_on(self, beat: Callable[[list[M]], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(self._beat_s())
            try:
                await beat(list(self._members))
            except Closed:
                return
            except PrismError:
                continue  # the store is busy or away; there is room for more than one beat to fail
