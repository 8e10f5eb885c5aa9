"""Streams that keep every promise in an unusual way. No check may fail on any of them."""

import asyncio
import math
import zlib
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import wraps
from types import MappingProxyType
from typing import Any, TypeVar

from prism_testkit.backend import Backend
from prism_testkit.interfaces import Bytes, Conflict, GroupNotFound, InvalidName, PayloadTooLarge, Record, RecordDelivery
from prism_testkit.traits import Limits, Traits

from .reference import FileStreams, Member, Reading, Streams, backend, step
from .stores import FileStore, Group, Held, connector

__all__ = ["UNUSUAL"]

T = TypeVar("T")


class SparseOffsets(Streams):
    """Offsets begin high and leave gaps of many sizes."""

    def new_offset(self, stream: str) -> int:
        log = self.stream(stream)
        return 1_000_003 if log.latest is None else log.latest + 1 + zlib.crc32(f"{stream}{log.latest}".encode()) % 997


class HugeOffsets(Streams):
    """Offsets like those of a log that names time and sequence in one number."""

    def new_offset(self, stream: str) -> int:
        return max(self.stream(stream).end, self.store.clock.now_ms() << 20)


class OneOffsetForAll(Streams):
    """All streams of a place share one counter."""

    def new_offset(self, stream: str) -> int:
        self.store.notes["offset"] = self.store.notes.get("offset", 0) + 1
        return int(self.store.notes["offset"])


class BoundOfTrim(Streams):
    """`trim` tells the bound, which with gaps lies below the first record kept."""

    def new_offset(self, stream: str) -> int:
        return self.stream(stream).end + 2

    def lowest(self, stream: str) -> int:
        return self.stream(stream).floor


class ReadsToTheEnd(Streams):
    """A read goes on with what is appended meanwhile."""

    async def walk(self, stream: str, start: int, limit: int | None) -> Reading:
        at, given = start, 0
        while given != limit and (record := self.first(stream, at, self.stream(stream).end)) is not None:
            at, given = record.offset + 1, given + 1
            yield record


class ReadsInPages(Streams):
    """A read brings three records at a time, with steps between, and gives what was trimmed meanwhile."""

    async def walk(self, stream: str, start: int, limit: int | None) -> Reading:
        at, end, given = start, self.stream(stream).end, 0
        while given != limit:
            page = []
            while len(page) < 3 and (record := self.first(stream, at, end)) is not None:
                page.append(record)
                at = record.offset + 1
            if not page:
                return
            for record in page if limit is None else page[: limit - given]:
                given += 1
                yield record
            await step()


class OneRecordPerReceive(Member):
    """A receive gives one record, whatever was asked."""

    def take(self, most: int) -> list[RecordDelivery]:
        return super().take(1)


class FreshFirst(Member):
    """What comes again comes after everything that nobody was given."""

    def take(self, most: int) -> list[RecordDelivery]:
        fresh = self.fresh(most)
        return self.deliver([*fresh, *self.again()[: most - len(fresh)]])


class Partitions(Member):
    """The member that joined first gets everything, the others are idle until it leaves."""

    def take(self, most: int) -> list[RecordDelivery]:
        return super().take(most) if self.id == min(self.state().members) else []

    def leave(self) -> None:
        super().leave()
        self.driver.store.wake()


class CountsMore(Member):
    """A delivery counts more than one, as one that was sent and lost on the way."""

    def counted(self, held: Held | None) -> int:
        return 1 if held is None else held.count + 2


class UndoesCancelledReceives(Member):
    """A receive returns a step after it took; cancelled in that step, it gives back what it has, and the count stays."""

    async def receive(self, max_records: int = 1, timeout_s: float = 0) -> list[RecordDelivery]:
        found = await super().receive(max_records, timeout_s)
        try:
            await step()
        except asyncio.CancelledError:
            for delivery in found:
                held = self.held(delivery)
                if held is not None:
                    self.give_back(delivery, held, 0)
            raise
        return found


class Coarse(Streams):
    """Instants are cut to whole seconds, delays end on whole seconds, rounded up, as the limits say."""

    limits = Limits(clock_resolution_s=1.0)

    def stamp(self, stream: str) -> int:
        return super().stamp(stream) // 1000 * 1000


class CoarseMember(Member):
    def freed(self, held: Held, delay_s: float = 0) -> Held:
        freed = super().freed(held, delay_s)
        return replace(freed, due=float(math.ceil(freed.due)))


class Octets(bytes):
    """Bytes of a class of their own, as some client libraries give."""


class BytesSubclass(Streams):
    """Payloads are of a class below bytes, headers a mapping that cannot be changed."""

    def shown(self, record: Record) -> Record:
        return replace(record, payload=Octets(record.payload), headers=MappingProxyType(dict(record.headers)))


class ShortNames(Streams):
    limits = Limits(max_name=64)


class SmallPayloads(Streams):
    limits = Limits(max_payload=64)


class VendorConflict(Conflict):
    """A vendor's own kind of `Conflict`."""


class VendorGroupNotFound(GroupNotFound):
    """A vendor's own kind of `GroupNotFound`."""


class NativeErrors(Streams):
    """Errors are of the vendor's own classes below ours, and have a native one as their cause."""

    def group(self, stream: str, group: str) -> Group:
        try:
            return super().group(stream, group)
        except GroupNotFound as error:
            raise VendorGroupNotFound(str(error)) from KeyError(group)

    def data(self, payload: Bytes, operation: str, stream: str) -> bytes:
        try:
            return super().data(payload, operation, stream)
        except PayloadTooLarge as error:
            raise PayloadTooLarge(str(error)) from OSError(27, "file too large")

    def name(self, stream: str, operation: str) -> str:
        try:
            return super().name(stream, operation)
        except InvalidName as error:
            raise InvalidName(str(error)) from OSError(22, "invalid argument")


class VendorMember(Member):
    def refuse(self, deliveries: Sequence[RecordDelivery], operation: str) -> None:
        if any(map(self.stranger, deliveries)):
            raise VendorConflict(f"zoo: {operation}: no")


class ChecksInAnotherOrder(Streams):
    """Of several mistakes in one call another one is told first."""

    async def append(self, stream: str, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None) -> int:
        self.labels(headers, "append")
        self.key(key, "append")
        self.data(payload, "append", str(stream))
        return await super().append(stream, payload, key, headers)


class RefusesReadAtTheCall(Streams):
    """A read that is wrong is told so when it is called, not at its first step."""

    def read(self, stream: str, start: int = 0, limit: int | None = None) -> AsyncIterator[Record]:
        self.name(stream, "read")
        self.bound(start, "read")
        self.limit(limit, "read")
        return super().read(stream, start, limit)


Method = Callable[..., Coroutine[Any, Any, T]]


def _around(method: Method[T]) -> Method[T]:
    @wraps(method)
    async def call(self: "_Around", *arguments: Any, **more: Any) -> T:
        await self.before()
        result = await method(self, *arguments, **more)
        await self.behind()
        return result

    return call


class _Around(Streams):
    """Every effect happens in one step; `before` comes before it and `behind` after it, but never after a receive."""

    async def before(self) -> None: ...

    async def behind(self) -> None: ...

    append = _around(Streams.append)
    latest_offset = _around(Streams.latest_offset)
    trim = _around(Streams.trim)
    create_group = _around(Streams.create_group)
    group_info = _around(Streams.group_info)

    async def walk(self, stream: str, start: int, limit: int | None) -> Reading:
        await self.before()
        async for record in super().walk(stream, start, limit):
            yield record
            await self.behind()

    @asynccontextmanager
    async def join(self, stream: str, group: str, consumer: str) -> AsyncIterator[Member]:
        await self.before()
        async with super().join(stream, group, consumer) as member:
            yield member


class _AroundMember(Member):
    """The same for the calls of a member."""

    async def receive(self, max_records: int = 1, timeout_s: float = 0) -> list[RecordDelivery]:
        await self._before()
        return await super().receive(max_records, timeout_s)

    async def ack(self, *deliveries: RecordDelivery) -> None:
        await self._before()
        await super().ack(*deliveries)

    async def nack(self, *deliveries: RecordDelivery, delay_s: float = 0) -> None:
        await self._before()
        await super().nack(*deliveries, delay_s=delay_s)

    async def _before(self) -> None:
        self.check_open("call")
        assert isinstance(self.driver, _Around)
        await self.driver.before()


class Slow(_Around):
    """Each call takes ten seconds of the place's clock; its effect is in the middle, that of a receive at the end."""

    member_type = _AroundMember

    async def before(self) -> None:
        await self.store.clock.sleep(5)

    async def behind(self) -> None:
        await self.store.clock.sleep(5)


class Suspending(_Around):
    """Lets others run many times, before and after."""

    member_type = _AroundMember

    async def before(self) -> None:
        await step(5)

    async def behind(self) -> None:
        await step(5)


class Threaded(_Around):
    """Hops to the executor, as a synchronous client library does."""

    member_type = _AroundMember

    async def before(self) -> None:
        await asyncio.get_running_loop().run_in_executor(None, bool)


class Polling(Member):
    """A receive that waits looks every quarter of a second."""

    async def pause(self, end: float) -> None:
        await self.driver.store.clock.sleep(min(0.25, max(0.0, end - self.driver.now()) + 1e-6))


class DeadForSeconds(FileStore):
    """What the dead held comes again four seconds after the place was opened, which the traits allow."""

    def bury(self, group: Group) -> None:
        super().bury(group)
        now = self.clock.now_s()
        group.pending = {offset: replace(held, due=max(held.due, now + 4.0)) for offset, held in group.pending.items()}


def _with(member: type[Member] = Member, driver: type[Streams] = Streams, **claims: Any) -> type[Streams]:
    """A driver's own ``traits`` and ``limits`` replace those of its backend, so they are set here."""
    return type(driver.__name__, (driver,), {"member_type": member, "__module__": __name__, **claims})


UNUSUAL: tuple[Backend[Any], ...] = (
    backend("plain", Streams),
    backend("file", FileStreams),
    backend("claims-least", _with(traits=Traits())),
    backend("sparse-offsets", SparseOffsets),
    backend("huge-offsets", HugeOffsets),
    backend("one-offset-for-all", OneOffsetForAll),
    backend("bound-of-trim", BoundOfTrim),
    backend("reads-to-the-end", ReadsToTheEnd),
    backend("reads-in-pages", ReadsInPages),
    backend("one-record-per-receive", _with(OneRecordPerReceive)),
    backend("fresh-first", _with(FreshFirst)),
    backend("partitions", _with(Partitions, traits=Traits(delivery_count="exact"))),
    backend("counts-more", _with(CountsMore, traits=Traits(group_parallelism="record"))),
    backend("undoes-cancelled-receives", _with(UndoesCancelledReceives, traits=Traits(group_parallelism="record"))),
    backend("coarse", _with(CoarseMember, Coarse)),
    backend("bytes-subclass", BytesSubclass),
    backend("short-names", ShortNames),
    backend("small-payloads", SmallPayloads),
    backend("native-errors", _with(VendorMember, NativeErrors)),
    backend("checks-in-another-order", ChecksInAnotherOrder),
    backend("refuses-read-at-the-call", RefusesReadAtTheCall),
    backend("slow", Slow),
    backend("suspending", Suspending),
    backend("threaded", Threaded),
    backend("polling", _with(Polling, limits=Limits(clock_resolution_s=0.25))),
    backend("dead-for-seconds", FileStreams, connector(DeadForSeconds)),
    backend("real-clock", Streams, clock="real"),
)
