"""What the drivers of a SQLite file have in common: how they ask whether it is well."""

import sqlite3

from prism_backends.living import Living
from prism_backends.sqlite.client import SqliteClient

__all__ = ["LivingSqlite"]


class LivingSqlite(Living):
    """A base for driver classes that keep their client as ``_client``."""

    _client: SqliteClient

    async def _ask(self) -> None:
        def work(connection: sqlite3.Connection, now_s: float) -> None:
            connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()

        await self._client.read("health", work)
