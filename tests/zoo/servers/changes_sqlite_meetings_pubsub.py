"""Wrong subscriptions over a SQLite file that are right within one process: what was looked up is changed by another one."""

from .change import changing

__all__ = ["CHANGES"]

_change = changing("sqlite_", "sqlite", "prism_backends.sqlite.members")
_PUBSUB = "prism_backends.sqlite.pubsub"
_TURNS = '.shared.setdefault("turns", __import__("asyncio").Lock())'
_LOCKED = f"async with self._client{_TURNS}:"

_TAKE = "            return await self._client.write(what, partial(self._taken, row, most))\n"
_STATE = "        state = connection.execute(_STATE, row).fetchone()\n        if state is None:"
_RETURNED = "        returned = connection.execute(_RETURNED, row).fetchall()\n"
_ENTER = '        await self._client.write(f"subscribe_durable {self._what}", self._enter)\n'
_SUBSCRIBES = "        connection.execute(_SUBSCRIBE, self._row)\n"
_NACK = """            connection.execute(_NEXT_AGAIN, self._row)
            _each(connection, _NACK, [{**row, **late, "now_s": now_s} for row in rows])

        if rows:
            await self._client.write(f"nack {self._what}", work)
"""
_PUBLISHED = "        seq = await self._client.write(what, work)\n        self._bell.ring()\n"


def _seen(look: str) -> str:
    """Return a take before whose transaction something is looked up."""
    return f"""            {_LOCKED}
                self._seen = await self._client.read(what, lambda connection, now_s: {look})
                return await self._client.write(what, partial(self._taken, row, most))
"""


CHANGES = [
    _change(
        "position_is_looked_up_first",
        _TAKE,
        _seen("connection.execute(_STATE, row).fetchone()"),
        "pubsub_persistent.7",
        "Those who take in this process have their turns; so where the subscription was it still is.",
        more=((_STATE, _STATE.replace("connection.execute(_STATE, row).fetchone()", "self._seen")),),
    ),
    _change(
        "returned_is_looked_up_first",
        _TAKE,
        _seen("connection.execute(_RETURNED, row).fetchall()"),
        "pubsub_persistent.7",
        "What was given back waits for whoever has the turn.",
        more=((_RETURNED, "        returned = self._seen\n"),),
    ),
    _change(
        "busy_keys_are_looked_up_first",
        _TAKE,
        _seen("frozenset(connection.execute('SELECT key FROM pubsub_deliveries WHERE durable = :durable', row))").replace(
            "                return", '                row["busy"] = self._seen\n                return'
        ),
        "pubsub_ordering.3",
        "A key that is free stays so until somebody takes one of its messages, and that takes a turn.",
        also=("pubsub_ordering.2",),
        more=(
            (
                '        if key is None or not connection.execute(_IS_BUSY, {**row, "key": key}).fetchone()[0]:\n            yield',
                """        busy = row["busy"]
        if key is None or (key,) not in busy:
            row["busy"] = busy | {(key,)}
            yield""",
            ),
            (
                "heapq.merge(returned, _free(connection, row, cursor))",
                "heapq.merge(returned, _free(connection, plain, cursor))",
            ),
            (
                "        taken: list[Delivery] = []\n",
                "        taken: list[Delivery] = []\n        plain, row = row, {n: v for n, v in row.items() if n != 'busy'}\n",
            ),
        ),
    ),
    _change(
        "look_at_nothing_moves_to_the_end",
        "        found = bool(found) or ahead_s <= 0\n",
        """        found = bool(found) or ahead_s <= 0
        if not found:
            connection.execute("COMMIT")
            connection.execute("BEGIN IMMEDIATE")
            (end,) = connection.execute("SELECT max(seq) FROM pubsub_log WHERE topic = :topic", self._row).fetchone()
            connection.execute(_MOVE, {**self._row, "seq": end or 0})
""",
        "pubsub_persistent.7",
        "What is there was looked through, and nobody else of this process is on the thread meanwhile.",
        also=("pubsub_persistent.13", "pubsub_ordering.2"),
        more=(('read(f"receive {self._what}", self._looked)', 'write(f"receive {self._what}", self._looked)'),),
    ),
    _change(
        "first_entry_looks_first",
        _ENTER,
        f"""        {_LOCKED}
            self._found = await self._client.read("subscribe", lambda file, now_s: file.execute(_DURABLE, self._row).fetchone())
            await self._client.write(f"subscribe_durable {{self._what}}", self._enter)
""",
        "pubsub_persistent.1",
        "Where there was none a subscription begins.",
        also=("pubsub_persistent.7", "pubsub_persistent.13"),
        more=(
            (
                _SUBSCRIBES,
                """        if self._found is None:
            again = "(namespace, topic, name) DO UPDATE SET position = excluded.position"
            connection.execute(_SUBSCRIBE.replace("DO NOTHING", again), self._row)
""",
            ),
        ),
    ),
    _change(
        "publish_stores_its_payload_afterwards",
        _PUBLISHED,
        f"""        async with self._client{_TURNS}:
            sql, row = work.args if len(work.args) == 2 else (_SAY, work.args[0])
            if sql is _STORE:
                seq = await self._client.write(what, partial(_insert, sql, {{**row, "payload": b""}}))
                last = "UPDATE pubsub_log SET payload = ? WHERE seq = ?"
                await self._client.write(what, lambda connection, now_s: connection.execute(last, (row["payload"], seq)))
            else:
                seq = await self._client.write(what, work)
        self._bell.ring()
""",
        "pubsub_persistent.2",
        "The bell rings when all of it is there.",
        also=("pubsub_persistent.13", "pubsub_ordering.2"),
        module=_PUBSUB,
    ),
    _change(
        "nack_is_late_afterwards",
        _NACK,
        """            connection.execute(_NEXT_AGAIN, self._row)
            _each(connection, _NACK, [{**row, "delay_s": 0.0, "now_s": now_s} for row in rows])

        def delay(connection: sqlite3.Connection, now_s: float) -> None:
            later = "UPDATE pubsub_deliveries SET due_s = :now_s + :delay_s WHERE durable = :durable AND seq = :seq"
            _each(connection, later, [{**row, **late, "now_s": now_s} for row in rows])

        if rows:
            await self._client.write(f"nack {self._what}", work)
            if delay_s:
                await self._client.write(f"nack {self._what}", delay)
""",
        "pubsub_persistent.8",
        "Nobody is told of it before the bell rings.",
    ),
    _change(
        "nack_puts_it_back_afterwards",
        _NACK,
        """            connection.execute(_NEXT_AGAIN, self._row)
            _each(connection, _ACK, rows)

        def again(connection: sqlite3.Connection, now_s: float) -> None:
            for row in rows:
                back = {**row, "due_s": now_s + delay_s if delay_s else None}
                connection.execute(
                    \"\"\"INSERT INTO pubsub_deliveries (namespace, durable, seq, turn, again, due_s, count, take, key)
                    SELECT :namespace, :durable, :seq, (SELECT max(seq) + 1 FROM pubsub_log WHERE topic = :topic),
                    (SELECT nacks FROM pubsub_durables WHERE durable = :durable), :due_s, 1, 0, key
                    FROM pubsub_log WHERE seq = :seq\"\"\", back)

        if rows:
            await self._client.write(f"nack {self._what}", work)
            await self._client.write(f"nack {self._what}", again)
""",
        "pubsub_ordering.3",
        "It is nobody's until it is back.",
        also=("pubsub_ordering.4", "pubsub_ordering.2"),
    ),
    _change(
        "listener_trims_what_it_saw",
        '            await depart(self._client, f"unsubscribe {self._what}", self._leave, self._presence, self)\n',
        """            row = {**self._here, "listener": self._listener}
            others = "SELECT 1 FROM pubsub_listeners WHERE topic IN (:topic, x'') AND listener <> :listener"
            alone = await self._client.read("unsubscribe", lambda file, now_s: file.execute(others, row).fetchone()) is None
            await depart(self._client, f"unsubscribe {self._what}", self._leave, self._presence, self)
            if alone:
                gone = "DELETE FROM pubsub_messages WHERE namespace = :namespace AND topic = :topic"
                await self._client.write("unsubscribe", lambda file, now_s: file.execute(gone, row))
""",
        "pubsub_basic.1",
        "Who is the last one of a topic cleans up.",
        also=("pubsub_basic.4",),
        module="prism_backends.sqlite.listening",
    ),
]
