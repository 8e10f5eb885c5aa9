"""Races on objects: what each write stores tells who wrote it, data and metadata alike, and an order must explain all answers."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from prism_suites._judging import broken
from prism_suites._objects_asking import BUCKET, Given, infos, signed, source, streamed
from prism_suites._racing import together
from prism_testkit.case import Case
from prism_testkit.checkers.linearizability import check_history, explain, worst
from prism_testkit.histories import Operation, Outcome
from prism_testkit.interfaces import Conflict, ObjectNotFound

__all__ = ["Act", "Race", "version_of"]

_STEP = 311


@dataclass(frozen=True, slots=True)
class Version:
    """What one write stores."""

    mark: int
    data: bytes
    given: Given


def version_of(mark: int, length: int = 1000) -> Version:
    """Return the version that a write with this mark stores: one byte over and over, of a length that no other has."""
    return Version(mark, bytes([1 + mark % 255]) * (length + mark * _STEP), signed(mark))


Act = tuple[str, int, int]
"""(operation, number of the key, how many turns to wait before)."""


class _VersionModel:
    """One key for the linearizability checker: the state is the mark of the version that is there, or None."""

    initial: int | None = None

    def only_reads(self, operation: Operation) -> bool:
        told_no = operation.outcome is Outcome.OK and operation.output is False
        return operation.op in ("see", "exists") or (told_no and operation.op != "remove")

    def step(self, state: int | None, operation: Operation) -> tuple[int | None, ...]:
        told: object
        after = state
        match operation.op:
            case "write":
                after, told = operation.arguments[0], None
            case "create":
                told = state is None
                after = operation.arguments[0] if told else state
            case "delete":
                after, told = None, state is not None
            case "remove":
                after, told = None, operation.output  # what it says is advisory
            case "touch" | "exists":
                told = state is not None
            case _:
                told = state
        return (after,) if operation.outcome is Outcome.UNKNOWN or operation.output == told else ()


class Race:
    """Plays acts of several tasks, records what each was told as operations on versions, and judges them all."""

    def __init__(self, case: Case, *, length: int = 1000) -> None:
        self.case = case
        self.length = min(length, case.limits.max_payload - 255 * _STEP) if case.limits.max_payload > 90_000 else 1
        self.operations: list[Operation] = []
        self.versions: dict[int, Version] = {}
        self.conflicts = 0
        self._events = 0
        self._began: dict[int, int] = {}
        """The event of the history at which an operation begins, by its own count."""

    def _step(self, tick: int) -> str:
        return self.case.history.step(self._began[tick])

    def version(self, mark: int) -> Version:
        """Return the version of a mark; on a store of small objects lengths are small too."""
        if mark not in self.versions:
            version = version_of(mark, self.length)
            if len(version.data) > self.case.limits.max_payload:
                version = Version(mark, bytes([1 + mark % 255]) * (1 + mark % self.case.limits.max_payload), signed(mark))
            self.versions[mark] = version
        return self.versions[mark]

    def _tick(self) -> int:
        self._events += 1
        return self._events

    async def begin(self, slot: Any, present: Iterable[int]) -> None:
        """Make the bucket, and the objects that are there from the beginning."""
        await slot.create_bucket(BUCKET)
        for key in present:
            await self.act(slot, 0, "put", key, 200 + key)

    async def play(self, slots: Sequence[Any], scripts: Sequence[Sequence[Act]]) -> None:
        """Run each script in a task of its own, then look at every key from both ends."""
        await together(
            *(self._perform(slot, number, script) for number, (slot, script) in enumerate(zip(slots, scripts, strict=True)))
        )
        keys = sorted({key for script in scripts for _, key, _ in script})
        for slot in {id(slot): slot for slot in (slots[0], slots[-1])}.values():
            for key in keys:
                for look in ("get", "metadata", "list_objects"):
                    await self.act(slot, 99, look, key, 0)

    async def _perform(self, slot: Any, number: int, script: Sequence[Act]) -> None:
        for place, (operation, key, turns) in enumerate(script):
            for _ in range(turns):
                await asyncio.sleep(0)
            await self.act(slot, number, operation, key, number * 20 + place)

    async def act(self, slot: Any, client: int, operation: str, key: int, mark: int) -> None:
        """Make one call and record it; a Conflict of a read is legal and had no effect."""
        name, call = f"k{key}", self._tick()
        self._began[call] = len(self.case.history)
        if operation == "expire" and self.case.traits.ttl_late_s + self.case.limits.clock_resolution_s > 0.001:
            operation = "delete"  # what expires at once may be seen a while
        try:
            op, arguments, output = await self._call(slot, operation, name, mark)
        except (Conflict, ObjectNotFound) as error:
            if operation not in _READS:
                raise
            if isinstance(error, Conflict):
                self.conflicts += 1
                return
            # The object may have gone while it was read, when it had been there at the start: all it says is that it was missing.
            op, arguments, output = "see", (), None
        self.operations.append(Operation(client, op, name, arguments, call, self._tick(), Outcome.OK, output))

    async def _call(self, slot: Any, operation: str, name: str, mark: int) -> tuple[str, tuple[Any, ...], Any]:
        version = self.version(mark)
        half = len(version.data) // 2
        match operation:
            case "put":
                told = await slot.put(BUCKET, name, version.data, **version.given.keywords)
                self._same_version(told, version.mark, "put")
                return "write", (mark,), None
            case "put_stream":
                chunks = source([version.data[:half], b"", version.data[half:]])
                told = await slot.put_stream(BUCKET, name, chunks, **version.given.keywords)
                self._same_version(told, version.mark, "put_stream")
                return "write", (mark,), None
            case "put_if_absent":
                return "create", (mark,), await slot.put_if_absent(BUCKET, name, version.data, **version.given.keywords)
            case "delete":
                return "delete", (), await slot.delete(BUCKET, name)
            case "set_ttl":
                return "touch", (), await slot.set_ttl(BUCKET, name, 1e8)
            case "expire":
                return "delete", (), await slot.set_ttl(BUCKET, name, 0)
            case "exists":
                return "exists", (), await slot.exists(BUCKET, name)
            case "get":
                return "see", (), self._seen(await slot.get(BUCKET, name), "get")
            case "get_stream":
                return "see", (), self._seen(await streamed(slot, name), "get_stream")
            case "metadata":
                return "see", (), self._described(await slot.metadata(BUCKET, name))
        lines = [line for line in await infos(slot, name) if line.key == name]
        return "see", (), self._by_size(lines[0].size, "list_objects") if lines else None

    def _seen(self, got: bytes | None, call: str) -> int | None:
        if got is None:
            return None
        found = next((version.mark for version in self.versions.values() if got == version.data), None)
        if found is None:
            kind = "a mixture of two versions" if len(set(got)) > 1 else "a part of a version, or more than one"
            broken("object_storage.7", f"{call}, while others write, gives {kind}", expected="one version whole", got=got)
        return found

    def _by_size(self, size: int, call: str) -> int:
        found = next((version.mark for version in self.versions.values() if size == len(version.data)), None)
        if found is None:
            broken("object_storage.8", f"{call} tells a size that no version has", expected="that of a version", got=size)
        return found

    def _described(self, got: Any) -> int | None:
        return None if got is None else self._same_version(got, None, "metadata")

    def _same_version(self, got: Any, mark: int | None, call: str) -> int:
        """Judge that everything that is told belongs to one version; return its mark."""
        told = dict(got.user_metadata).get("written-by", "")
        found = int(told) if told.isdigit() else -1
        version = self.versions.get(found if mark is None else mark)
        wrong = version is None or (got.size, got.content_type, got.content_encoding, dict(got.user_metadata)) != (
            len(version.data),
            version.given.content_type,
            version.given.content_encoding,
            dict(version.given.user_metadata),
        )
        if wrong:
            broken("object_storage.16", f"{call} tells of two versions at once, or of none", expected="one version's", got=got)
        return found

    def judge(self, promise: str) -> None:
        """Judge that some order of all calls explains what each was told."""
        verdict = worst(check_history(_advised(self.operations), _VersionModel))
        if verdict.kind == "violation":
            broken(promise, f"no order of the calls explains what they returned. {explain(verdict, self._step)}")
        if verdict.kind == "undecided":
            self.case.inconclusive(explain(verdict))
        if not self._overlapped():
            self.case.inconclusive("no two calls on one object overlapped")

    def _overlapped(self) -> bool:
        until: dict[str, int] = {}
        for operation in sorted(self.operations, key=lambda operation: operation.call):
            if operation.call < until.get(operation.key, -1):
                return True
            until[operation.key] = max(operation.ret or 0, until.get(operation.key, -1))
        return False


_READS = ("get", "get_stream", "metadata", "exists", "list_objects")


def _advised(operations: Sequence[Operation]) -> Iterator[Operation]:
    """Yield the operations; of deletes that overlap, what they were told does not count."""
    deletes = [operation for operation in operations if operation.op == "delete"]
    for operation in operations:
        rivals = (other for other in deletes if other is not operation and other.key == operation.key)
        if operation.op == "delete" and any(_overlap(operation, other) for other in rivals):
            yield replace(operation, op="remove")
        else:
            yield operation


def _overlap(one: Operation, other: Operation) -> bool:
    return one.call < (other.ret or 0) and other.call < (one.ret or 0)
