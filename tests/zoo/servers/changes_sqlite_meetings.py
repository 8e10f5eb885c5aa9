"""Wrong drivers over a SQLite file that are right within one process: their turns are by a lock that no other process knows."""

from .change import changing

__all__ = ["CHANGES"]

_change = changing("sqlite_", "sqlite", "prism_backends.sqlite.keyvalue")
_LOCKED = 'async with self._client.shared.setdefault("turns", __import__("asyncio").Lock()):'

CHANGES = [
    _change(
        "swap_looks_first",
        '        return await self._change("compare_and_swap", key, _SWAP, value=data, expected=old)\n',
        f"""        {_LOCKED}
            row = await self._select("compare_and_swap", key, _GET)
            if row is None or row[0] != old:
                return False
            await self._change("compare_and_swap", key, _SET, value=data)
            return True
""",
        "keyvalue_cas.6",
        "Two statements under one lock are as good as one.",
    ),
    _change(
        "create_looks_first",
        '            return await self._change("compare_and_swap", key, _CREATE, value=data)\n',
        f"""            {_LOCKED}
                if await self._select("compare_and_swap", key, _GET) is not None:
                    return False
                await self._change("compare_and_swap", key, _SET, value=data)
                return True
""",
        "keyvalue_cas.6",
        "Two statements under one lock are as good as one.",
    ),
    _change(
        "drop_looks_first",
        '        return await self._change("compare_and_delete", key, _COMPARE_AND_DELETE, expected=old)\n',
        f"""        {_LOCKED}
            row = await self._select("compare_and_delete", key, _GET)
            return row is not None and row[0] == old and await self._change("compare_and_delete", key, _DELETE)
""",
        "keyvalue_cas.6",
        "Two statements under one lock are as good as one.",
    ),
    _change(
        "commit_looks_first",
        '            await self._client.write("transaction", partial(self._commit, transaction), busy=Conflict)\n',
        f"""            {_LOCKED}
                writes, transaction.writes = transaction.writes, {{}}
                await self._client.write("transaction", partial(self._commit, transaction), busy=Conflict)
                transaction.reads, transaction.writes = {{}}, writes
                await self._client.write("transaction", partial(self._commit, transaction), busy=Conflict)
""",
        "keyvalue_transactional.5",
        "A transaction whose reads held when it looked may write.",
    ),
    _change(
        "commit_writes_one_by_one",
        '            await self._client.write("transaction", partial(self._commit, transaction), busy=Conflict)\n',
        f"""            {_LOCKED}
                writes = list(transaction.writes.items())
                for each in writes or [None]:
                    transaction.writes = dict([each]) if each else {{}}
                    await self._client.write("transaction", partial(self._commit, transaction), busy=Conflict)
                    transaction.reads = {{}}
""",
        "keyvalue_transactional.5",
        "Who holds the lock is alone.",
        also=("keyvalue_transactional.1",),
    ),
    _change(
        "delete_looks_first",
        '        return await self._change("delete", key, _DELETE)\n',
        f"""        {_LOCKED}
            present = await self.exists(key)
            await self._change("delete", key, _DELETE)
            return present
""",
        "keyvalue_basic.10",
        "Two statements under one lock are as good as one.",
        also=("keyvalue_basic.4",),
    ),
    _change(
        "expire_writes_the_value_again",
        '        return await self._change("expire", key, _EXPIRE if ttl_s > 0 else _DELETE, ttl_s=ttl_s + _ROUNDING_S)\n',
        f"""        if ttl_s <= 0:
            return await self._change("expire", key, _DELETE)
        {_LOCKED}
            value = await self.get(key)
            if value is None:
                return False
            await self._change("expire", key, _SET, value=value, ttl_s=ttl_s + _ROUNDING_S)
            return True
""",
        "keyvalue_ttl.10",
        "A deadline is written with its value.",
        also=("keyvalue_ttl.7",),
    ),
]
