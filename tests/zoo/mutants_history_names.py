"""Mistakes with names, values and comparisons: what aliases, what is decoded that was never encoded, what counts as nothing."""

import posixpath
import re
import zlib
from collections.abc import AsyncIterator
from urllib.parse import unquote_to_bytes

from prism_testkit.backend import Place
from prism_testkit.interfaces import Bytes, Conflict

from .declare import Mutant
from .history_client import Remote
from .history_declare import declaring_history
from .history_server import Node, Row, Space

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring_history(MUTANTS)


class Renaming(Remote):
    """Stores a name as something else, and lists it as it was first asked for."""

    def renamed(self, name: bytes) -> bytes:
        return name

    def name(self, key: str, operation: str) -> bytes:
        name = super().name(key, operation)
        self.first(self.renamed(name), name)
        return self.renamed(name)

    def key(self, name: bytes) -> str:
        return self.first(name, name).decode()

    def first(self, stored: bytes, name: bytes) -> bytes:
        known: dict[tuple[str, bytes], bytes] = self.node.__dict__.setdefault("first", {})
        return known.setdefault((self.namespace, stored), name)


@mutant("basic.3", "aliasing", trap="two names that differ in a slash and a colon", also="scan.1 basic.1 batch.2 scan.5")
class SlashesBecomeColons(Renaming):
    """Names are normalised on their way in (unjs/unstorage#563)."""

    def renamed(self, name: bytes) -> bytes:
        return name.replace(b"/", b":")


@mutant("basic.3", "aliasing", trap="names with an empty segment, or with two dots as one", also="scan.1 batch.2 scan.5")
class PathsAreCleaned(Renaming):
    """The name is the path of a request, which a router cleans: ``a//b`` is ``a/b`` (hashicorp/consul#3476)."""

    def renamed(self, name: bytes) -> bytes:
        return posixpath.normpath(name) if b"/" in name else name


@mutant("basic.3", "encoding", trap="a name that looks percent-encoded", also="scan.1 batch.2 scan.5")
class PercentIsUndone(Renaming):
    """The server undoes an encoding of URLs that the client has not done (hashicorp/consul#1409)."""

    def renamed(self, name: bytes) -> bytes:
        undone = unquote_to_bytes(name)
        try:
            undone.decode()
        except UnicodeDecodeError:
            return name
        return undone


@mutant("basic.3", "encoding", trap="a name that holds the two characters that stand for a slash", also="scan.1 batch.2 scan.5")
class EscapesAreNotEscaped(Renaming):
    """Reserved characters are replaced by an underscore and a letter, an underscore stays one: ``a/b`` and ``a_Sb`` are one
    (ezsystems/ezpublish-kernel#2589)."""

    def renamed(self, name: bytes) -> bytes:
        for character, token in ((b"/", b"_S"), (b":", b"_C"), (b"@", b"_A")):
            name = name.replace(character, token)
        return name

    def prefix(self, prefix: str, operation: str) -> bytes:
        return self.renamed(super().prefix(prefix, operation))


@mutant("basic.3", "aliasing", trap="two names that differ after their last dot", also="scan.1 batch.2 scan.5")
class NamesLoseTheirExtension(Renaming):
    """The file of a name is named without what it takes for an extension (acarteas/FileCache#13)."""

    def renamed(self, name: bytes) -> bytes:
        return name.rpartition(b".")[0] or name


@mutant("basic.3", "aliasing", trap="two names that differ in punctuation only", also="scan.1 batch.2 scan.5")
class PunctuationIsDropped(Renaming):
    """What is no letter, digit or underscore is left out of the name that is stored (unjs/ocache#60)."""

    def renamed(self, name: bytes) -> bytes:
        return re.sub(rb"[^\w\x80-\xff]", b"", name) or name


@mutant("basic.3", "collation", trap="two names that differ in case", also="scan.1 batch.2 scan.5 scan.2")
class CaseIsFolded(Renaming):
    """The column of names has a collation that folds case (agentscope-ai/agentscope-java#3217)."""

    def renamed(self, name: bytes) -> bytes:
        return name.decode().lower().encode()


@mutant("basic.3", "collation", trap="two names that differ in blanks at their end", also="scan.1 batch.2 scan.5")
class BlanksAtTheEndAreNothing(Renaming):
    """Names are compared after padding with blanks (Mimetis/Dotmim.Sync#448)."""

    def renamed(self, name: bytes) -> bytes:
        return name.rstrip(b" ") or name


@mutant("basic.2", "names", trap="a missing name that another one begins with", also="basic.3 basic.5 basic.4")
class SeekIsEnough(Node):
    """A key iterator stops at the first name that begins with the key (dgraph-io/badger#943)."""

    def get(self, space: Space, name: bytes) -> Row | None:
        row = self.find(space, name)
        if row is not None:
            return row
        after = next(space.slot(name).names_after(name), b"")
        return self.find(space, after) if after.startswith(name) else None


@mutant("basic.9", "namespaces", trap="one namespace's name begins with another's", also="scan.1 scan.5")
class NamespaceWithoutDelimiter(Remote):
    """The name is the namespace and the key, one after the other: ``foo`` + ``bark`` is ``foobar`` + ``k``
    (aio-libs/aiocache#1081)."""

    def __init__(self, node: Node, namespace: str) -> None:
        super().__init__(node, "")
        self.own = namespace.encode()

    def name(self, key: str, operation: str) -> bytes:
        return self.own + super().name(key, operation)

    def prefix(self, prefix: str, operation: str) -> bytes:
        return self.own + super().prefix(prefix, operation)

    def key(self, name: bytes) -> str:
        return name[len(self.own) :].decode(errors="replace")


@mutant(
    "scan.5", "listing", trap="names that begin with a letter of the prefix that the store puts before them", also="scan.1 scan.3"
)
class TrimsASetOfCharacters(Remote):
    """The store's own prefix is taken off by a function that takes a set of characters (apache/kvrocks-controller#283)."""

    async def scan_keys(self, prefix: str = "", limit: int | None = None) -> AsyncIterator[str]:
        async for key in super().scan_keys(prefix, limit):
            yield ("kv/" + key).lstrip("kv/")


# Values


@mutant("basic.1", "values", trap="the value 0", also="basic.5 basic.2")
class ZeroIsNothing(Remote):
    """What the language holds for false is not returned, and the text 0 is among it (laravel/framework#1226)."""

    async def get(self, key: str) -> bytes | None:
        value = await super().get(key)
        return None if value in (b"", b"0") else value


@mutant("basic.2", "values", trap="an empty value", also="basic.1")
class EmptyIsNotDecoded(Remote):
    """An empty value comes as none at all, and the decoder fails on it (gjohnson/consul-node#6)."""

    async def get(self, key: str) -> bytes | None:
        value = await super().get(key)
        if value == b"":
            raise TypeError("cannot read property 'length' of null")
        return value


@mutant("basic.1", "values", trap="a value of digits that is not how its number is written")
class DigitsBecomeNumbers(Remote):
    """What reads as a whole number is returned as one (sebleier/django-redis-cache#48)."""

    def value(self, data: bytes) -> bytes:
        try:
            return b"%d" % int(data)
        except ValueError:
            return data


@mutant("basic.1", "compression", trap="a long value that becomes short when it is compressed")
class ComparesCompressedSize(Remote):
    """Long values are compressed, and undone if what is stored is long (sorentwo/readthis#13)."""

    LONG = 1024

    def data(self, value: Bytes, operation: str, key: str) -> bytes:
        data = super().data(value, operation, key)
        return zlib.compress(data) if len(data) > self.LONG and "expected" not in operation else data

    def value(self, data: bytes) -> bytes:
        if len(data) <= self.LONG:
            return data
        try:
            return zlib.decompress(data)
        except zlib.error:
            return data


@mutant("basic.1", "compression", trap="a value that is itself a compressed one")
class UndoesWhatItDidNotDo(Remote):
    """Whatever can be decompressed is (neomutt/neomutt#2152)."""

    def value(self, data: bytes) -> bytes:
        try:
            return zlib.decompress(data)
        except zlib.error:
            return data


@mutant("basic.1", "values", trap="an empty value", also="basic.2 cas.2 cas.1")
class NothingIsWrittenAsNull(Remote):
    """A request without a body is sent as the text null (G-Research/consuldotnet#138)."""

    async def set(self, key: str, value: Bytes) -> None:
        await super().set(key, value if len(value) else b"null")


@mutant("basic.4", "values", trap="an empty value is deleted")
class EmptyIsNotDeleted(Remote):
    """A deletion asks whether the value is true instead of whether there is one (TheBastionBot/Bastion#1115)."""

    async def delete(self, key: str) -> bool:
        name = self.name(key, "delete")
        row = await self.ask(lambda node, space: node.get(space, name))
        if row is None or not row.value:
            return False
        return await super().delete(key)


@mutant("basic.4", "leftover", trap="a name is deleted, created again, and deleted again", also="basic.8 basic.1")
class SecondDeletionFindsTheFirstGrave(Node):
    """A removal looks up the oldest row of a name, which for one that was created again is removed already
    (yorkie-team/yorkie#919)."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.graves: set[tuple[int, bytes]] = set()

    def remove(self, space: Space, name: bytes) -> bool:
        present = self.find(space, name) is not None
        if present and (id(space), name) in self.graves:
            return True
        self.graves.add((id(space), name))
        return super().remove(space, name)


@mutant("basic.1", "leftover", trap="the client that read a name deletes it and sets it again", also="basic.4 basic.8")
class RemembersTheTagOfWhatItDeleted(Remote):
    """The tag that came with a read is sent with the next write, also after a deletion, and refused (stx-labs/stacks.js#781)."""

    def __init__(self, node: Node, namespace: str) -> None:
        super().__init__(node, namespace)
        self.tags: dict[str, int] = {}

    async def get(self, key: str) -> bytes | None:
        name = self.name(key, "get")
        row = await self.ask(lambda node, space: node.get(space, name))
        if row is not None:
            self.tags[key] = row.revision
        return None if row is None else row.value

    async def set(self, key: str, value: Bytes) -> None:
        name = self.name(key, "set")
        tag = self.tags.pop(key, None)
        if tag is not None and await self.ask(lambda node, space: node.find(space, name)) is None:
            raise Conflict("precondition failed")
        await super().set(key, value)
