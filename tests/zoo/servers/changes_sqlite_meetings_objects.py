"""Wrong object stores over a SQLite file that are right within one process: what was looked up is changed by another one."""

from .change import changing

__all__ = ["CHANGES"]

_change = changing("sqlite_", "sqlite", "prism_backends.sqlite.objects")
_LOCKED = 'async with self._client.shared.setdefault("turns", __import__("asyncio").Lock()):'
_TWO = "Two transactions under one lock are as good as one."
_REPLACED = "            rows.retire(connection, row)\n            row |= {"
_PUT = "        return await self._write(target, step)\n\n    async def _put_long"
_DELETED = """            rows.retire(connection, row)
            return present

        return await self._write(target, step)
"""
_GOT = "        return await self._read(target, step)\n\n    async def get_stream"
_DEADLINE = """            connection.execute(_SET_DEADLINE, {"version": found[0], "deadline_s": deadline_s})
            return True

        return await self._write(target, step)
"""
_BUCKET = """            connection.execute(_RETIRE_ALL, row)
            return connection.execute(_REMOVE_BUCKET, row).rowcount > 0

        return await self._write(target, step)
"""
_HERE = "namespace = :namespace AND bucket = :bucket AND key = :key AND owner IS NULL"

CHANGES = [
    _change(
        "object_creation_looks_first",
        _PUT,
        f"""        {_LOCKED}
            if if_absent and await self._find(target) is not None:
                return None
            if_absent = False
            return await self._write(target, step)

    async def _put_long""",
        "object_storage_conditional.2",
        _TWO,
        also=("object_storage_conditional.1",),
    ),
    _change(
        "object_put_is_described_afterwards",
        _PUT,
        f"""        if if_absent:
            return await self._write(target, step)
        {_LOCKED}
            told, description = rows.text_of(description), Description(None, None, {{}})
            stored = await self._write(target, step)
            describe = "UPDATE objects SET description = :told WHERE {_HERE}"
            await self._write(target, lambda connection, row: connection.execute(describe, {{**row, "told": told}}))
            return await self.metadata(target.bucket, target.key) or stored

    async def _put_long""",
        "object_storage.16",
        _TWO,
    ),
    _change(
        "object_put_removes_the_old_one_first",
        _PUT,
        f"""        if if_absent:
            return await self._write(target, step)
        {_LOCKED}
            await self._write(target, rows.retire)
            return await self._write(target, step)

    async def _put_long""",
        "object_storage.7",
        "Nobody reads meanwhile who does not have the turn.",
        also=("object_storage.16", "object_storage.14"),
    ),
    _change(
        "object_put_leaves_what_it_did_not_see",
        _REPLACED,
        "            row |= {",
        "object_storage.16",
        "What there was before is removed before.",
        also=("object_storage.14", "object_storage.7"),
        more=(
            (
                _PUT,
                f"""        if if_absent:
            return await self._write(target, step)
        {_LOCKED}
            old = await self._find(target)
            if old is not None:
                gone = "UPDATE objects SET owner = '' WHERE version = ?"
                await self._write(target, lambda connection, row: connection.execute(gone, (old[0],)))
            return await self._write(target, step)

    async def _put_long""",
            ),
        ),
    ),
    _change(
        "object_delete_looks_first",
        _DELETED,
        f"""            return present

        {_LOCKED}
            present = await self._read(target, step)
            await self._write(target, rows.retire)
            return present
""",
        "object_storage.4",
        _TWO,
        also=("object_storage.16", "object_storage.14"),
    ),
    _change(
        "object_deadline_is_set_by_putting_again",
        _DEADLINE,
        f"""            return True

        {_LOCKED}
            data, known = await self.get(bucket, key), await self.metadata(bucket, key)
            if data is None or known is None:
                return await self._read(target, step)
            told = target.describe(known.content_type, known.content_encoding, known.user_metadata)
            await self._put(target, bytes(data), told, if_absent=False)
            return await self._set_deadline(target, ttl_s)

    async def _set_deadline(self, target: Target, ttl_s: float) -> bool:
        def step(connection: sqlite3.Connection, row: Row) -> bool:
            found = rows.find(connection, row)
            if found is not None:
                deadline_s = deadline_after(ttl_s, self._client.clock.now_s())
                connection.execute(_SET_DEADLINE, {{"version": found[0], "deadline_s": deadline_s}})
            return found is not None

        return await self._write(target, step)
""",
        "object_storage.16",
        "An object is its data and what is known of it, written at once.",
        also=("object_storage.14", "object_storage.10", "object_storage.5", "object_storage.2"),
    ),
    _change(
        "object_bucket_is_looked_at_first",
        _BUCKET,
        f"""            return rows.has_bucket(connection, row)

        def remove(connection: sqlite3.Connection, row: Row) -> bool:
            connection.execute(_RETIRE_ALL, row)
            return connection.execute(_REMOVE_BUCKET, row).rowcount > 0

        {_LOCKED}
            return await self._read(target, step) and await self._write(target, remove)
""",
        "object_storage.11",
        "It was empty a moment ago.",
        also=("object_storage.14",),
    ),
    _change(
        "object_bucket_goes_before_its_objects",
        _BUCKET,
        f"""            return connection.execute(_REMOVE_BUCKET, row).rowcount > 0

        {_LOCKED}
            if not await self._write(target, step):
                return False
            await self._write(target, lambda connection, row: connection.execute(_RETIRE_ALL, row))
            return True
""",
        "object_storage.11",
        "Without a bucket nobody sees what is in it.",
        also=("object_storage.14",),
    ),
    _change(
        "object_bucket_looks_first",
        """            return connection.execute(_CREATE, row).rowcount > 0

        return await self._write(Target(_ME, "create_bucket", bucket), step)
""",
        f"""            return connection.execute(_CREATE, row).rowcount >= 0

        {_LOCKED}
            if await self.bucket_exists(bucket):
                return False
            return await self._write(Target(_ME, "create_bucket", bucket), step)
""",
        "object_storage.11",
        "Where there is none it is new.",
    ),
    _change(
        "object_get_reads_its_description_first",
        _GOT,
        f"""        {_LOCKED}
            found = await self._find(target)
            data = await self._read(target, step)
            return data if data is None or found is None else data[:found[1]]

    async def get_stream""",
        "object_storage.7",
        "One version is read under one lock.",
    ),
]
