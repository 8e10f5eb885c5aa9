"""Wrong drivers that tidy up when somebody connects, and some whose room for a description is counted before it is escaped."""

import json
import urllib.parse
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from prism_testkit.backend import Place
from prism_testkit.interfaces import Conflict
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import FileObjects, Objects
from .stores import Blob, Connect, Facts, FileStore, Slot, Spool, Store, Version, connector

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

_NEWCOMER = "somebody connects while a stream is being written"


class _Tidied(Store):
    """Knows what is being written; whoever connects tidies up."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.spools: list[Spool] = []

    def spool(self) -> Spool:
        self.spools.append(super().spool())
        return self.spools[-1]

    def tidy(self) -> None:
        """Throw away what was begun and not finished."""
        for spool in self.spools:
            spool.parts.clear()
        self.spools.clear()


class _Fenced(_Tidied):
    def tidy(self) -> None:
        self.notes["fenced"] = [*self.notes.get("fenced", ()), *self.spools]
        self.spools.clear()


class _Collected(FileStore):
    def tidy(self) -> None:
        """Remove every file that no row tells of."""
        self.catch_up()
        rows = (rows for buckets in self.spaces.values() for rows in buckets.values())
        known = {str(version.blob.held) for each in rows for version in each.values()}
        for path in self.folder.glob("*"):
            if path.name not in known:
                path.unlink(missing_ok=True)


def _tidying(store_type: type[_Tidied] | type[_Collected]) -> Connect:
    @asynccontextmanager
    async def connect(place: Place) -> AsyncIterator[Store]:
        async with connector(store_type)(place) as store:
            assert isinstance(store, _Tidied | _Collected)
            store.tidy()
            yield store

    return connect


@mutant("6", "recovery", trap=_NEWCOMER, connect=_tidying(_Tidied))
class NewcomersEmptyWhatIsUnfinished(Objects):
    """What is in parts belongs to somebody who died."""


@mutant("6", "recovery", trap=_NEWCOMER, connect=_tidying(_Fenced))
class NewcomersFenceOffOthers(Objects):
    """A newcomer ends the uploads that are open: their writers are told at the end."""

    def version(self, slot: Slot, blob: Blob, facts: Facts) -> Version:
        for spool in self.store.notes.get("fenced", ()):
            if spool.hash.hexdigest() == blob.digest and spool.size == blob.size > 0:
                raise Conflict("zoo: the upload was ended by somebody else")
        return super().version(slot, blob, facts)


@mutant("6", "recovery", trap=_NEWCOMER, also="1 14", connect=_tidying(_Collected))
class NewcomersCollectOrphans(FileObjects):
    """A file without a row is garbage, unless its row is still to come."""


_PAGE = 4096


def _cut(text: str | None, room: int) -> str | None:
    """Cut a text so that it has room when it is written as JSON."""
    while text and len(json.dumps(text)) > room:
        text = text[:-1]
    return text


@mutant("5", "room", trap="user metadata at their limit, all of what JSON escapes by six characters")
class DescriptionsHaveAPage(Objects):
    """1 KiB of metadata and two short texts fit into a page, unless each of their characters becomes six."""

    def version(self, slot: Slot, blob: Blob, facts: Facts) -> Version:
        if len(json.dumps([facts.content_type, facts.content_encoding, dict(facts.labels)])) > _PAGE:
            facts = replace(facts, labels={name: _cut(text, 2500) or "" for name, text in facts.labels.items()})
        return super().version(slot, blob, facts)


@mutant("5", "room", trap="a long content type, all of what a header needs percent signs for")
class TypesAreHeaders(Objects):
    """A header line of 2 KiB holds a type of 600 characters, as long as they need no percent signs."""

    def version(self, slot: Slot, blob: Blob, facts: Facts) -> Version:
        if facts.content_type is not None and len(urllib.parse.quote(facts.content_type)) > 2048 > len(facts.content_type):
            facts = replace(facts, content_type=urllib.parse.unquote(urllib.parse.quote(facts.content_type)[:2046]))
        return super().version(slot, blob, facts)
