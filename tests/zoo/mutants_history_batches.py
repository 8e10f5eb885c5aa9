"""Mistakes of calls with many names: how they are split, what is left over, and how answers are paired with what was asked."""

from collections import deque
from collections.abc import Mapping, Sequence

from prism_testkit.interfaces import Bytes

from .declare import Mutant
from .history_client import Remote
from .history_declare import declaring_history
from .history_server import Node, Space

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring_history(MUTANTS)


@mutant("batch.2", "order", trap="names of more than one slot")
class AnswersInOrderOfSlots(Remote):
    """The answers of several nodes are joined as they come, and paired with the names as they were asked
    (vert-x3/vertx-redis-client#537)."""

    async def batch_get(self, keys: Sequence[str]) -> dict[str, bytes]:
        names = dict.fromkeys(self.name(key, "batch_get") for key in keys)
        values: list[bytes | None] = []
        for part in self.parts(list(names)):
            values += await self.get_part(part)
        return {self.key(name): value for name, value in zip(names, values, strict=True) if value is not None}


@mutant("batch.2", "size", trap="more names of one slot than fit into one request")
class OneAnswerPerSlot(Remote):
    """The answers are kept by node, so of several requests to one node the last answer counts
    (spring-projects/spring-data-redis#1046)."""

    async def batch_get(self, keys: Sequence[str]) -> dict[str, bytes]:
        names = dict.fromkeys(self.name(key, "batch_get") for key in keys)
        answers: dict[int, dict[str, bytes]] = {}
        for part in self.parts(list(names)):
            values = await self.get_part(part)
            found = {self.key(name): value for name, value in zip(part, values, strict=True) if value is not None}
            answers[id(self.node.space(self.namespace).slot(part[0]))] = found
        return {key: value for found in answers.values() for key, value in found.items()}


@mutant("batch.2", "duplicates", trap="a name asked twice, and another one after it")
class DuplicatesShiftAnswers(Remote):
    """The server answers each name once, the client pairs the answers with all it asked (spring-projects/spring-data-redis#303)."""

    async def batch_get(self, keys: Sequence[str]) -> dict[str, bytes]:
        names = [self.name(key, "batch_get") for key in keys]
        found: dict[str, bytes] = {}
        for part in self.parts(names):
            values = await self.get_part(list(dict.fromkeys(part)))
            found.update((self.key(name), value) for name, value in zip(part, values, strict=False) if value is not None)
        return found


@mutant("batch.1", "size", trap="a batch of more than a megabyte")
class IgnoresUnprocessedItems(Remote):
    """A request takes a megabyte and says what it left out, which the client looks for in the wrong place
    (sensedeep/dynamodb-onetable#486)."""

    async def set_part(self, part: Mapping[bytes, bytes]) -> None:
        room, taken = 1_000_000, {}
        for name, value in part.items():
            room -= len(value)
            if room >= 0:
                taken[name] = value
        await super().set_part(taken)


@mutant("batch.2", "duplicates", trap="a name asked twice")
class DuplicatesAreRefused(Remote):
    """A batch with a name twice is an error of validation (Dynamoid/dynamoid#510)."""

    async def batch_get(self, keys: Sequence[str]) -> dict[str, bytes]:
        if len(set(keys)) != len(keys):
            raise ValueError("provided list of item keys contains duplicates")
        return await super().batch_get(keys)


@mutant("batch.4", "size", trap="1000 names", also="batch.1")
class TooManyVariables(Remote):
    """All names of a batch become variables of one statement, which has at most 999 (requests-cache/requests-cache#338)."""

    def parts(self, names: Sequence[bytes]) -> list[list[bytes]]:
        if len(names) > 999:
            raise RuntimeError("too many SQL variables")
        return super().parts(names)


@mutant("batch.3", "size", trap="1000 names are deleted", also="batch.4")
class TooManyToDeleteIsIgnored(Remote):
    """The error of a statement with too many variables is printed, and all is reported as deleted (go-shiori/shiori#104)."""

    async def batch_delete(self, keys: Sequence[str]) -> int:
        if len(keys) > 999:
            return len([key for key in dict.fromkeys(keys) if await self.exists(key)])
        return await super().batch_delete(keys)


@mutant("batch.2", "size", trap="a request of more than 2048 bytes, so a few long names")
class SplitsANameAtTheBuffersEnd(Remote):
    """The name that lies across the end of a buffer of 2048 bytes is read as two (memcached/memcached#849)."""

    async def get_part(self, part: Sequence[bytes]) -> list[bytes | None]:
        at, asked = 0, []
        for name in part:
            cut = 2048 - at % 2048
            asked.append(name[:cut] if cut < len(name) else name)
            at += len(name) + 1
        return await super().get_part(asked)


@mutant("batch.2", "names", trap="a name of more than 250 bytes in a batch")
class LongNamesComeBackHashed(Remote):
    """Long names are hashed for the server, and a batch returns the hash (petergoldstein/dalli#257)."""

    async def batch_get(self, keys: Sequence[str]) -> dict[str, bytes]:
        found = await super().batch_get(keys)
        return {key if len(key.encode()) <= 250 else f"{key[:20]}:md5": value for key, value in found.items()}


@mutant("batch.2", "names", trap="a name of more than 250 bytes in a batch", also="batch.3")
class BatchesDoNotHashLongNames(Remote):
    """Single calls hash long names, batches ask for the name as it is (3rd-Eden/memcached#160)."""

    def parts(self, names: Sequence[bytes]) -> list[list[bytes]]:
        return super().parts([name if len(name) <= 250 else name + b"?" for name in names])

    async def batch_set(self, items: Mapping[str, Bytes]) -> None:
        checked = {self.name(key, "batch_set"): self.data(value, "batch_set", key) for key, value in items.items()}
        for part in super().parts(list(checked)):
            await self.set_part({name: checked[name] for name in part})


@mutant("batch.2", "names", trap="a name with a NUL in a batch")
class NulEndsANameOfABatch(Remote):
    """What a batch returns is named up to the first NUL (lericson/pylibmc#49)."""

    async def batch_get(self, keys: Sequence[str]) -> dict[str, bytes]:
        return {key.partition("\0")[0] or key: value for key, value in (await super().batch_get(keys)).items()}


@mutant("batch.3", "sharding", trap="names of more than one slot")
class OnlyTheFirstNamesSlot(Remote):
    """A call with many names is sent to the shard of its first one (dicedb/dicedb#1512)."""

    async def batch_delete(self, keys: Sequence[str]) -> int:
        names = list(dict.fromkeys(self.name(key, "batch_delete") for key in keys))
        space = self.node.space(self.namespace)
        return sum([await self.delete_part(part) for part in self.parts(names) if space.slot(part[0]) is space.slot(names[0])])


@mutant("batch.3", "iteration", trap="two names that are neighbours in the store are deleted in one batch")
class CursorSkipsAfterADelete(Node):
    """A delete at the cursor moves it on, and then it is moved on (boltdb/bolt#620)."""

    def delete_many(self, space: Space, names: Sequence[bytes]) -> int:
        if len(names) < 2:
            return super().delete_many(space, names)
        deleted = 0
        for slot in {id(space.slot(name)): space.slot(name) for name in names}.values():
            present = deque(slot.names_after(b""))
            while present:
                if (name := present.popleft()) in names:
                    deleted += self.remove(space, name)
                    if present:
                        present.popleft()
        return deleted
