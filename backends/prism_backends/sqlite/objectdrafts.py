"""An object that is written in several transactions: seen by nobody until the last one, and gone if that never comes."""

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from prism_backends.objects import Description, Target
from prism_backends.sqlite import objectrows as rows
from prism_backends.sqlite.client import SqliteClient
from prism_backends.sqlite.presence import Presence, depart
from prism_testkit.interfaces.object_storage import ObjectMetadata

__all__ = ["BLOCK_BYTES", "Draft", "drafting"]

Row = dict[str, object]
Write = Callable[[Target, Callable[[sqlite3.Connection, Row], Any]], Awaitable[Any]]
"""Runs a step in one transaction, given what every statement may name."""

BLOCK_BYTES = 1 << 22
"""One transaction adds so much: each is synced, and meanwhile the other writers wait."""


class Draft:
    """One version that is being written, under the name of its driver, whose death gives it away."""

    def __init__(self, write: Write, presence: Presence, target: Target, description: Description) -> None:
        self._write, self._presence, self._target = write, presence, target
        self._row: Row = {"description": rows.text_of(description), "size": 0}
        # Known when it has begun; until then nothing has these.
        self._row |= {"owner": None, "namespace": None, "version": None}
        self._rows = self._size = 0

    async def begin(self) -> None:
        """Begin; raise `BucketNotFound` before anything is done."""
        await self._write(self._target, self._begin)

    def _begin(self, connection: sqlite3.Connection, row: Row) -> None:
        rows.check_bucket(connection, row, self._target)
        self._row["owner"] = self._presence.enter(connection, self)
        rows.forget_gone_writers(connection, {**row, "owner": self._row["owner"]})
        self._row["namespace"] = row["namespace"]
        self._row["version"] = rows.add_version(connection, {**row, **self._row})

    async def add(self, block: bytes) -> None:
        """Write a block; all but the last are `BLOCK_BYTES` long."""
        await self._write(self._target, lambda connection, row: self._add(connection, {**row, **self._row}, block))
        self._rows += -(-len(block) // rows.ROW_BYTES)
        self._size += len(block)

    def _add(self, connection: sqlite3.Connection, row: Row, block: bytes) -> None:
        if not rows.add_data(connection, row, self._rows, block):
            raise self._target.no_bucket()

    async def finish(self, *, if_absent: bool = False) -> ObjectMetadata | None:
        """Make it be the object; None, and nothing done, if it is to be so only where there is none."""
        metadata: ObjectMetadata | None = await self._write(
            self._target, lambda connection, row: self._finish(connection, {**row, **self._row, "size": self._size}, if_absent)
        )
        return metadata

    def _finish(self, connection: sqlite3.Connection, row: Row, if_absent: bool) -> ObjectMetadata | None:
        rows.check_bucket(connection, row, self._target)
        if if_absent and rows.find(connection, row) is not None:
            return None
        if not rows.publish(connection, row):
            raise self._target.no_bucket()
        return rows.metadata_of(rows.find(connection, row))

    def discard(self, connection: sqlite3.Connection, now_s: float) -> None:
        """Hide it for good, unless it is seen, and begin to remove it; the next write goes on with that."""
        rows.discard(connection, self._row)
        rows.purge(connection, {**self._row, "now_s": now_s})


@asynccontextmanager
async def drafting(
    client: SqliteClient, write: Write, presence: Presence, target: Target, description: Description
) -> AsyncIterator[Draft]:
    """Begin a draft, and leave nothing of it that is not the object."""
    draft = Draft(write, presence, target, description)
    try:
        await draft.begin()
        yield draft
    finally:
        await depart(client, str(target), draft.discard, presence, draft)
