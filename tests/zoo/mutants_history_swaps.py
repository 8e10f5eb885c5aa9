"""Mistakes of comparisons before a write, and of patterns: what equals what, who else writes meanwhile, what a wildcard is."""

import asyncio
import re
from collections.abc import AsyncIterator

from prism_testkit.backend import Place
from prism_testkit.interfaces import Bytes

from .declare import Mutant
from .history_client import Remote
from .history_declare import declaring_history
from .history_server import Node, Row, Space

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring_history(MUTANTS)


@mutant("cas.5", "comparison", trap="two ways to write one number", also="cas.1")
class NumbersAreComparedAsNumbers(Node):
    """A script compares what reads as numbers as doubles (redis/redis#1804)."""

    def swap(self, space: Space, name: bytes, expected: bytes | None, new: bytes | None) -> bool:
        row = self.find(space, name)
        if row is not None and expected is not None:
            try:
                if float(row.value) == float(expected):
                    expected = row.value
            except ValueError:
                return super().swap(space, name, expected, new)
        return super().swap(space, name, expected, new)


@mutant("cas.2", "values", trap="expected is empty and the name is missing, or empty and expected None", also="cas.1 cas.4")
class EmptyTagIsNoTag(Node):
    """An empty tag is taken for none (dapr/dotnet-sdk#553)."""

    def swap(self, space: Space, name: bytes, expected: bytes | None, new: bytes | None) -> bool:
        row = self.find(space, name)
        if (None if row is None else row.value or None) != (expected or None):
            return False
        self.commit(space, {}, {name: new})
        return True


@mutant("cas.1", "comparison", trap="any expected value, and the name is missing", also="cas.2")
class MissingMatchesAnything(Node):
    """Where nothing is stored, the caller's tag is believed (dotnet/orleans#1885)."""

    def swap(self, space: Space, name: bytes, expected: bytes | None, new: bytes | None) -> bool:
        return super().swap(space, name, expected if self.find(space, name) is not None else None, new)


@mutant("cas.4", "answers", trap="a value that does not match")
class MismatchOnDeleteIsSuccess(Remote):
    """A deletion with another tag does nothing and reports no error (dapr/components-contrib#736)."""

    async def compare_and_delete(self, key: str, expected: Bytes) -> bool:
        await super().compare_and_delete(key, expected)
        return True


@mutant("cas.6", "concurrency", trap="a plain set between the comparison and the write of a swap", also="cas.1")
class PlainWritesTakeNoLatch(Remote):
    """Swaps exclude each other while they compare and write, a plain write does not wait for them (tikv/tikv#13573)."""

    async def latched(self, name: bytes, expected: bytes | None, new: bytes | None) -> bool:
        latches: dict[tuple[str, bytes], asyncio.Lock] = self.node.__dict__.setdefault("latches", {})
        async with latches.setdefault((self.namespace, name), asyncio.Lock()):
            row = await self.ask(lambda node, space: node.find(space, name))
            if (None if row is None else row.value) != expected:
                return False
            await self.ask(lambda node, space: node.commit(space, {}, {name: new}))
            return True

    async def compare_and_swap(self, key: str, expected: Bytes | None, new: Bytes) -> bool:
        name, data = self.name(key, "compare_and_swap"), self.data(new, "compare_and_swap", key)
        return await self.latched(name, None if expected is None else self.data(expected, "compare_and_swap", key), data)

    async def compare_and_delete(self, key: str, expected: Bytes) -> bool:
        return await self.latched(self.name(key, "compare_and_delete"), self.data(expected, "compare_and_delete", key), None)


@mutant("cas.6", "concurrency", trap="deletes beside a creation of a name that was deleted before", also="cas.2 basic.10")
class CreatesOverTheGraveItSaw(Remote):
    """A creation that finds a grave asks for its revision and replaces that; another deletion makes a newer grave, and the
    creation fails though the name is missing (nats-io/nats-server#5162)."""

    def graves(self) -> dict[tuple[str, bytes], int]:
        found: dict[tuple[str, bytes], int] = self.node.__dict__.setdefault("graves", {})
        return found

    async def delete(self, key: str) -> bool:
        place = self.namespace, self.name(key, "delete")
        self.graves()[place] = self.graves().get(place, 0) + 1
        return await super().delete(key)

    async def compare_and_swap(self, key: str, expected: Bytes | None, new: Bytes) -> bool:
        place = self.namespace, self.name(key, "compare_and_swap")
        if expected is not None or place not in self.graves():
            return await super().compare_and_swap(key, expected, new)
        seen = await self.ask(lambda node, space: self.graves()[place])
        name, data = place[1], self.data(new, "compare_and_swap", key)
        return await self.ask(lambda node, space: self.graves()[place] == seen and node.swap(space, name, None, data))


@mutant("cas.3", "retries", trap="more calls at once than the pool has connections", also="cas.6 cas.1 cas.2")
class SlowSwapsAreSentAgain(Remote):
    """A conditional write that took too long is sent again, and the second answer counts: it says no
    (apache/cassandra-java-driver#588)."""

    async def compare_and_swap(self, key: str, expected: Bytes | None, new: Bytes) -> bool:
        slow = not self.pool.idle
        swapped = await super().compare_and_swap(key, expected, new)
        return await super().compare_and_swap(key, expected, new) if slow else swapped


@mutant("cas.1", "timestamps", trap="a name is deleted and created again", also="cas.2 basic.8 basic.1")
class DeletionIsStampedAhead(Node):
    """A deletion carries a stamp that is ahead, so the next writes of the name are hidden by it (palantir/atlasdb#2777)."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.stamps: dict[tuple[int, bytes], int] = {}

    def remove(self, space: Space, name: bytes) -> bool:
        present = super().remove(space, name)
        if present:
            self.stamps[id(space), name] = self.revision + 3
        return present

    def find(self, space: Space, name: bytes) -> Row | None:
        row = super().find(space, name)
        return row if row is None or row.revision > self.stamps.get((id(space), name), 0) else None


def like(pattern: str) -> re.Pattern[str]:
    """Translate a pattern of SQL without an ESCAPE clause."""
    parts = {"%": ".*", "_": "."}
    return re.compile("".join(parts.get(character, re.escape(character)) for character in pattern), re.DOTALL)


class Liking(Remote):
    """Asks the server for all names and looks which are like the pattern."""

    def pattern(self, prefix: str) -> str:
        return prefix + "%"

    async def matching(self, prefix: str) -> list[tuple[bytes, bytes]]:
        wanted = like(self.pattern(prefix))
        return [row async for page in super().pages(b"") for row in page if wanted.fullmatch(row[0].decode())]

    async def pages(self, prefix: bytes) -> AsyncIterator[list[tuple[bytes, bytes]]]:
        yield await self.matching(prefix.decode())

    async def count(self, prefix: str = "") -> int:
        return len(await self.matching(self.prefix(prefix, "count").decode()))


@mutant("scan.2", "patterns", trap="a prefix with an underscore, and a name with another character there")
class UnderscoreIsAnyCharacter(Liking):
    """Of the two wildcards one is escaped (activerecord-hackery/ransack#256)."""

    async def matching(self, prefix: str) -> list[tuple[bytes, bytes]]:
        wanted = re.compile("".join("." if c == "_" else re.escape(c) for c in prefix) + ".*", re.DOTALL)
        return [row async for page in Remote.pages(self, b"") for row in page if wanted.fullmatch(row[0].decode())]


@mutant("scan.2", "patterns", trap="a prefix with a percent sign or an underscore")
class EscapedWithoutEscape(Liking):
    """Wildcards get a backslash before them, which stands for itself: there is no ESCAPE clause (prestodb/presto#1198)."""

    def pattern(self, prefix: str) -> str:
        return re.sub("([%_])", r"\\\1", prefix) + "%"
