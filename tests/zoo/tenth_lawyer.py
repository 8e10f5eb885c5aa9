"""A right driver that takes each freedom that the contract gives: odd types, late expiry, needless conflicts, bare iterators."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, ClassVar, NamedTuple, TypeVar

from prism_testkit.backend import Backend
from prism_testkit.interfaces import Bytes, Conflict, InvalidName, KeyValueTransaction, NotFound, PayloadTooLarge
from prism_testkit.naming import check_limit, check_prefix
from prism_testkit.traits import Limits, Traits

from .tenth_editions import Edition, Editions, KeptEditions, Space
from .tenth_keyvalue import EditionKeyValue, EditionTransaction, editions_backend

__all__ = ["RIGHT", "InstantKeyValue", "LawyerKeyValue", "ThreadedKeyValue", "lawyer_backend"]

T = TypeVar("T")


class Octets(bytes):
    """Bytes that show themselves otherwise."""

    def __repr__(self) -> str:
        return f"<{len(self)} octets>"

    __str__ = __repr__


class Word(str):
    """Text of a type of its own."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<word of {len(self)}>"


class Whole(int):
    """A whole number of a type of its own."""


class Line(NamedTuple):
    key: str
    value: bytes


class NameRefused(InvalidName, ValueError):
    """What this store says of a name; for those who know no `InvalidName`, a ValueError."""


class TooMuch(PayloadTooLarge, OverflowError):
    """What this store says of a value."""


class Unknown(NotFound, KeyError):
    """What this store says of a missing key."""


class Lost(Conflict, RuntimeError):
    """What this store says of a transaction."""


class NotThat(TypeError):
    """What this store says of a wrong type."""


class Listing:
    """A listing that is whole at its first step and goes backwards; nothing is open between its steps."""

    def __init__(self, driver: "LawyerKeyValue", prefix: str, limit: int | None, pairs: bool) -> None:
        self.driver, self.prefix, self.limit, self.pairs = driver, prefix, limit, pairs
        self.rest: Iterator[Any] | None = None

    def __aiter__(self) -> "Listing":
        return self

    async def __anext__(self) -> Any:
        await asyncio.sleep(0)
        if self.rest is None:
            space = self.driver.space
            found = [(key, self.driver.editions.look(space, key)) for key in space.named(self.prefix)]
            lines = [
                Line(Word(key), Octets(edition.value))
                for key, edition in found
                if edition is not None and edition.value is not None
            ]
            lines = lines[::-1][: self.limit]
            self.rest = iter(lines if self.pairs else [line.key for line in lines])
            await asyncio.sleep(0)
        try:
            return next(self.rest)
        except StopIteration:
            raise StopAsyncIteration from None


class LateEditions(Editions):
    """What is over goes with the next whole quarter of a second."""

    def gone(self, edition: Edition) -> bool:
        return edition.value is None or (edition.due_ms is not None and self.clock.now_ms() >= -(-edition.due_ms // 250) * 250)


class LawyerTransaction(EditionTransaction):
    """One at a time; any write of anybody's meanwhile is a conflict; reads look at the latest."""

    driver: "LawyerKeyValue"

    async def __aenter__(self) -> KeyValueTransaction:
        opened = await super().__aenter__()
        self.crowd = bool(self.driver.opened)
        self.driver.opened.add(self)
        return opened

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            await super().__aexit__(kind, error, trace)
        finally:
            self.driver.opened.discard(self)

    def find(self, key: str) -> bytes | None:
        if key in self.wishes:
            return self.wishes[key]
        edition = self.driver.now(key)
        self.seen.setdefault(key, 0 if edition is None else edition.number)
        return None if edition is None or edition.value is None else Octets(edition.value)

    def commit(self, space: Space) -> None:
        if self.crowd or space.number != self.number or not self.holds(space):
            raise Lost("lawyer: transaction: something has changed, or somebody else was there")
        super().commit(space)


class LawyerKeyValue(EditionKeyValue):
    """Each call takes many turns, and one that is cancelled ends first, then says so."""

    transaction_type: ClassVar[type[EditionTransaction]] = LawyerTransaction
    limits: ClassVar[Limits] = Limits(clock_resolution_s=0.05)
    kept: ClassVar[int] = 1

    def __init__(self, editions: Editions, namespace: str) -> None:
        super().__init__(editions, namespace)
        self.opened: set[LawyerTransaction] = set()

    async def hop(self) -> None:
        for _ in range(4):
            await asyncio.sleep(0)

    async def whole(self, call: Coroutine[Any, Any, T]) -> T:
        """Let a call end, whoever is cancelled meanwhile."""
        task = asyncio.ensure_future(call)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            await asyncio.wait([task])
            if not task.cancelled():
                task.exception()
            raise

    def key(self, key: str, call: str) -> str:
        try:
            return super().key(key, call)
        except InvalidName as error:
            raise NameRefused(str(error)) from error
        except TypeError as error:
            raise NotThat(str(error)) from error

    def data(self, value: Bytes, call: str, key: str) -> bytes:
        try:
            return super().data(value, call, key)
        except PayloadTooLarge as error:
            raise TooMuch(str(error)) from error

    async def set(self, key: str, value: Bytes) -> None:
        key = self.key(key, "set")
        await self.whole(super().set(key, self.data(value, "set", key)))

    async def get(self, key: str) -> bytes | None:
        found = await super().get(key)
        return None if found is None else Octets(found)

    async def delete(self, key: str) -> bool:
        return await self.whole(super().delete(self.key(key, "delete")))

    def scan(self, prefix: str = "", limit: int | None = None) -> AsyncIterator[tuple[str, bytes]]:
        return Listing(self, *self.asked(prefix, limit, "scan"), True)

    def scan_keys(self, prefix: str = "", limit: int | None = None) -> AsyncIterator[str]:
        return Listing(self, *self.asked(prefix, limit, "scan_keys"), False)

    def asked(self, prefix: str, limit: int | None, call: str) -> tuple[str, int | None]:
        return check_prefix(prefix, call, "lawyer", self.limits).decode(), check_limit(limit, call, "lawyer")

    async def count(self, prefix: str = "") -> int:
        return Whole(await super().count(prefix))

    async def ttl(self, key: str) -> float | None:
        try:
            left = await super().ttl(key)
        except NotFound as error:
            raise Unknown(str(error)) from error
        # Down to the resolution, and no float where an int will do.
        return None if left is None else 0 if left <= 0 else int(left) if left == int(left) else int(left * 100) / 100

    async def batch_set(self, items: Mapping[str, Bytes]) -> None:
        copy = {self.key(key, "batch_set"): self.data(value, "batch_set", key) for key, value in items.items()}
        await self.whole(super().batch_set(copy))

    async def batch_get(self, keys: Sequence[str]) -> dict[str, bytes]:
        found = await super().batch_get(keys)
        return OrderedDict((Word(key), Octets(value)) for key, value in reversed(found.items()))

    async def batch_delete(self, keys: Sequence[str]) -> int:
        return Whole(await super().batch_delete(keys))


class ThreadedKeyValue(EditionKeyValue):
    """Each call takes its effect in a thread, and as much in one as it can."""

    async def hop(self) -> None:
        await asyncio.to_thread(int)


class InstantKeyValue(EditionKeyValue):
    """No call ever waits: each has happened when it is first awaited."""

    async def hop(self) -> None:
        pass


def lawyer_backend(name: str) -> Backend[Editions]:
    return replace(
        editions_backend(name, LawyerKeyValue, LateEditions), traits=Traits(ttl_late_s=0.25), limits=LawyerKeyValue.limits
    )


RIGHT: tuple[Backend[Any], ...] = (
    editions_backend("zoo-tenth-editions"),
    editions_backend("zoo-tenth-kept-editions", store=KeptEditions),
    lawyer_backend("zoo-tenth-lawyer"),
    editions_backend("zoo-tenth-threads", ThreadedKeyValue),
    editions_backend("zoo-tenth-instant", InstantKeyValue),
)
"""Right drivers over editions."""
