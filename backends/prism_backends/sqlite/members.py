"""A member of a durable subscription: what it takes, confirms and gives back, each in one transaction.

What was never delivered has no row but in the log: the subscription's ``position`` is before it. What was delivered and not
confirmed has a row in ``pubsub_deliveries``: held by a ``member``, or given back, and then in line by ``turn``: a number of the
log, its own for what comes back by leaving, the next one to be for what was nacked, and among the nacked by ``again``, which
counts the nacks: so what is nacked for ever lets all others pass. A nacked row that waits has ``due_s``. What stands behind
an earlier message of its ordering key, which was delivered and not confirmed, has a row too, whose ``due_s`` is never reached;
when that one is confirmed, it is in line.
"""

import asyncio
import heapq
import itertools
import json
import math
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial

import prism_testkit as prism
from prism_backends.bell import Bell
from prism_backends.pubsub_arguments import check_most, tokens_of
from prism_backends.sqlite.client import SqliteClient
from prism_backends.sqlite.presence import Presence, depart, is_gone
from prism_backends.sqlite.waiting import Patience
from prism_testkit.interfaces.errors import Closed
from prism_testkit.interfaces.pubsub import Deliveries, Delivery, Message

__all__ = ["Member"]

_ME = "sqlite"
_ROUNDING_S = 1e-5
"""An instant is a float, good to 2e-6 s as far as 1e10 s ahead. It is put this much late, so that rounding makes none early."""
_LOOK_EACH_S = 0.5
"""How often one looks whether the other members still live, never short of messages or waiting for one."""
_MOST_BYTES = 4_000_000
"""One receive takes no more after so many: what comes is held in memory."""

_SUBSCRIBE = """INSERT INTO pubsub_durables (namespace, topic, name, nacks, position) VALUES (:namespace, :topic, :name, 0,
  CASE WHEN :new THEN coalesce((SELECT max(seq) FROM pubsub_log WHERE namespace = :namespace AND topic = :topic), 0) ELSE 0 END)
  ON CONFLICT DO NOTHING"""
_DURABLE = "SELECT durable FROM pubsub_durables WHERE namespace = :namespace AND topic = :topic AND name = :name"
_JOIN = "INSERT INTO pubsub_members (namespace, durable, owner) VALUES (:namespace, :durable, :owner)"
_PART = "DELETE FROM pubsub_members WHERE member = :member"
_OTHERS = "SELECT DISTINCT owner FROM pubsub_members WHERE durable = :durable AND owner <> :owner ORDER BY owner"
_GIVE_BACK = "UPDATE pubsub_deliveries SET member = NULL, turn = seq, again = 0 WHERE durable = :durable AND member = :member"
_FORGET = [
    """UPDATE pubsub_deliveries SET member = NULL, turn = seq, again = 0 WHERE durable = :durable AND member IN
      (SELECT member FROM pubsub_members WHERE durable = :durable AND owner = :owner)""",
    "DELETE FROM pubsub_members WHERE durable = :durable AND owner = :owner",
]

_LOOK = """SELECT
  EXISTS (SELECT 1 FROM pubsub_deliveries WHERE durable = :durable AND member IS NULL AND due_s IS NULL)
  OR EXISTS (SELECT 1 FROM pubsub_log WHERE namespace = :namespace AND topic = :topic AND seq >
    (SELECT position FROM pubsub_durables WHERE durable = :durable)),
  (SELECT min(due_s) FROM pubsub_deliveries WHERE durable = :durable AND due_s IS NOT NULL)"""
_STATE = """SELECT position FROM pubsub_durables WHERE durable = :durable
  AND EXISTS (SELECT 1 FROM pubsub_members WHERE member = :member)"""
_COME_DUE = """UPDATE pubsub_deliveries SET due_s = NULL, turn =
  (SELECT max(seq) + 1 FROM pubsub_log WHERE namespace = :namespace AND topic = :topic)
  WHERE durable = :durable AND due_s <= :now_s"""
_RETURNED = """SELECT turn, 0, again, seq FROM pubsub_deliveries WHERE durable = :durable AND member IS NULL AND due_s IS NULL
  ORDER BY turn, again, seq LIMIT :most"""
_NEW = """SELECT seq, key FROM pubsub_log WHERE namespace = :namespace AND topic = :topic AND seq > :position
  ORDER BY seq"""
_IS_BUSY = "SELECT EXISTS (SELECT 1 FROM pubsub_deliveries WHERE durable = :durable AND key = :key)"
_STAND_BEHIND = """INSERT INTO pubsub_deliveries (namespace, durable, seq, turn, again, due_s, count, take, key)
  VALUES (:namespace, :durable, :seq, :seq, 0, 9e999, 0, 0, :key)"""
_MESSAGE = "SELECT headers, payload FROM pubsub_log WHERE seq = :seq"
_HOLD = """INSERT INTO pubsub_deliveries (namespace, durable, seq, turn, again, count, member, take, key)
  VALUES (:namespace, :durable, :seq, :seq, 0, 1, :member, :take, (SELECT key FROM pubsub_log WHERE seq = :seq))
  ON CONFLICT DO UPDATE SET count = count + 1, member = :member, take = :take"""
_COUNT = "SELECT count, key IS NOT NULL FROM pubsub_deliveries WHERE durable = :durable AND seq = :seq"
_MOVE = "UPDATE pubsub_durables SET position = :seq WHERE durable = :durable AND position < :seq"
_UNDO = """UPDATE pubsub_deliveries SET member = NULL, turn = seq, again = 0, count = count - 1
  WHERE durable = :durable AND member = :member AND take = :take"""

_MINE = "durable = :durable AND seq = :seq AND member = :member AND take = :take"
_ACK = f"DELETE FROM pubsub_deliveries WHERE {_MINE}"
_KEY = f"SELECT key FROM pubsub_deliveries WHERE {_MINE} AND key IS NOT NULL"
_FOLLOW = """UPDATE pubsub_deliveries SET due_s = NULL WHERE durable = :durable AND seq =
  (SELECT min(seq) FROM pubsub_deliveries WHERE durable = :durable AND key = :key)"""
_NEXT_AGAIN = "UPDATE pubsub_durables SET nacks = nacks + 1 WHERE durable = :durable"
_NACK = f"""UPDATE pubsub_deliveries SET member = NULL, due_s = CASE WHEN :delay_s > 0 THEN :now_s + :delay_s END,
  turn = (SELECT max(seq) + 1 FROM pubsub_log WHERE namespace = :namespace AND topic = :topic),
  again = (SELECT nacks FROM pubsub_durables WHERE durable = :durable) WHERE {_MINE}"""


@dataclass(frozen=True, slots=True)
class _Look:
    """What there is: something to take now, when to look again at the latest, the owners whose process died."""

    found: bool
    ahead_s: float
    gone: list[str]


class Member(Deliveries):
    """One member. A token is ``member.take.seq``, with ``.key`` behind it for a message that has an ordering key.

    A take is one receive, so that all of it can be put back.
    """

    def __init__(
        self,
        client: SqliteClient,
        presence: Presence,
        bell: Bell,
        namespace: bytes,
        topic: str,
        names: tuple[bytes, bytes],
        is_new: bool,
    ) -> None:
        self._client, self._presence, self._bell = client, presence, bell
        self._topic, self._what = topic, f"{topic[:40]!a}"
        self._row: dict[str, object] = {"namespace": namespace, "topic": names[0], "name": names[1], "new": is_new}
        self._row |= {"durable": 0, "member": 0}
        self._takes = itertools.count(1)
        self._looked_s = 0.0
        self._left = False

    async def enter(self) -> None:
        """Make the subscription if there is none, and join it."""
        await self._client.write(f"subscribe_durable {self._what}", self._enter)
        await self._forget((await self._look()).gone)

    def _enter(self, connection: sqlite3.Connection, now_s: float) -> None:
        self._row["owner"] = self._presence.enter(connection, self)
        connection.execute(_SUBSCRIBE, self._row)
        (self._row["durable"],) = connection.execute(_DURABLE, self._row).fetchone()
        self._row["member"] = connection.execute(_JOIN, self._row).lastrowid

    async def leave(self) -> None:
        """Give back what is held, each message to its old turn. A repeat does nothing."""
        if not self._left:
            self._left = True
            try:
                await depart(self._client, f"leave {self._what}", self._leave, self._presence, self)
            finally:
                self._bell.ring()

    def _leave(self, connection: sqlite3.Connection, now_s: float) -> None:
        connection.execute(_GIVE_BACK, self._row)
        connection.execute(_PART, self._row)

    async def receive(self, max_messages: int = 1, timeout_s: float = 0) -> list[Delivery]:
        self._check_left("receive")
        most = check_most(max_messages, _ME)
        patience = Patience(self._bell, prism.check_timeout(timeout_s, "receive", _ME), self._client.clock.virtual)
        while True:
            look = await self._look()
            await self._forget(look.gone)
            found = await self._take(most) if look.found or look.gone else []
            self._check_left("receive")
            if found or not await patience.rest(look.ahead_s):
                return found

    async def ack(self, *deliveries: Delivery) -> None:
        self._check_left("ack")
        rows = self._held(tokens_of(deliveries, "ack", _ME))
        if rows:
            follow = await self._client.write(f"ack {self._what}", partial(_confirm, rows))
            if follow:
                self._bell.ring()

    async def nack(self, *deliveries: Delivery, delay_s: float = 0) -> None:
        self._check_left("nack")
        delay_s = prism.check_timeout(delay_s, "nack", _ME)
        rows = self._held(tokens_of(deliveries, "nack", _ME))
        late = {"delay_s": delay_s + _ROUNDING_S if delay_s else 0.0}

        def work(connection: sqlite3.Connection, now_s: float) -> None:
            connection.execute(_NEXT_AGAIN, self._row)
            _each(connection, _NACK, [{**row, **late, "now_s": now_s} for row in rows])

        if rows:
            await self._client.write(f"nack {self._what}", work)
            self._bell.ring()

    def _held(self, tokens: Iterable[str]) -> list[dict[str, object]]:
        """Return the rows that tokens of this member stand for; those of others it does not hold."""
        parts = [token.split(".") for token in tokens]
        member = str(self._row["member"])
        named = [{"take": int(part[1]), "seq": int(part[2]), "keyed": len(part) > 3} for part in parts if part[0] == member]
        return [{**self._row, **names} for names in named]

    def _check_left(self, operation: str) -> None:
        if self._left:
            raise Closed(f"{_ME}: {operation} {self._what}: the subscription was left")

    async def _look(self) -> _Look:
        return await self._client.read(f"receive {self._what}", self._looked)

    def _looked(self, connection: sqlite3.Connection, now_s: float) -> _Look:
        found, due_s = connection.execute(_LOOK, self._row).fetchone()
        ahead_s = math.inf if due_s is None else due_s - now_s
        found = bool(found) or ahead_s <= 0
        if found and abs(now_s - self._looked_s) < _LOOK_EACH_S:
            return _Look(found, ahead_s, [])
        self._looked_s = now_s
        owners = [owner for (owner,) in connection.execute(_OTHERS, self._row)]
        if owners and not self._client.clock.virtual:  # no process dies at an instant of virtual time; a driver's end rings
            ahead_s = min(ahead_s, _LOOK_EACH_S)
        return _Look(found, ahead_s, [owner for owner in owners if is_gone(connection, owner)])

    async def _forget(self, owners: list[str]) -> None:
        """Take from dead members what they held."""
        rows = [{**self._row, "owner": owner} for owner in owners]

        def work(connection: sqlite3.Connection, now_s: float) -> None:
            for statement in _FORGET:
                _each(connection, statement, rows)

        if rows:
            await self._client.write(f"receive {self._what}", work)

    async def _take(self, most: int) -> list[Delivery]:
        """Take for good. What a call took that is cancelled is put back before anybody can miss it."""
        row, what = {**self._row, "take": next(self._takes), "most": most}, f"receive {self._what}"
        try:
            return await self._client.write(what, partial(self._taken, row, most))
        except asyncio.CancelledError:
            # One thread does both, one after the other, so it does not matter whether the first has begun.
            await asyncio.shield(self._client.write(what, lambda connection, now_s: _each(connection, _UNDO, [row])))
            raise

    def _taken(self, row: dict[str, object], most: int, connection: sqlite3.Connection, now_s: float) -> list[Delivery]:
        state = connection.execute(_STATE, row).fetchone()
        if state is None:  # left, or cleaned, meanwhile
            return []
        connection.execute(_COME_DUE, {**row, "now_s": now_s})
        returned = connection.execute(_RETURNED, row).fetchall()
        taken: list[Delivery] = []
        size = 0
        with closing(connection.execute(_NEW, {**row, "position": state[0]})) as cursor:
            for *_, seq in itertools.islice(heapq.merge(returned, _free(connection, row, cursor)), most):
                taken.append(self._hold({**row, "seq": seq}, connection))
                size += len(taken[-1].message.payload)
                if size >= _MOST_BYTES:
                    break
        return taken

    def _hold(self, row: dict[str, object], connection: sqlite3.Connection) -> Delivery:
        connection.execute(_HOLD, row)
        connection.execute(_MOVE, row)
        count, keyed = connection.execute(_COUNT, row).fetchone()
        headers, payload = connection.execute(_MESSAGE, row).fetchone()
        message = Message(str(row["seq"]), self._topic, payload, json.loads(headers))
        return Delivery(message, count, f"{row['member']}.{row['take']}.{row['seq']}{'.key' if keyed else ''}")


def _confirm(rows: list[dict[str, object]], connection: sqlite3.Connection, now_s: float) -> bool:
    """Be done with what is held; tell whether a message that stood behind one of these can come now."""
    keyed = [(row, found) for row in rows if row["keyed"] and (found := connection.execute(_KEY, row).fetchone())]
    _each(connection, _ACK, rows)
    _each(connection, _FOLLOW, [{**row, "key": key} for row, (key,) in keyed])
    return bool(keyed)


def _free(
    connection: sqlite3.Connection, row: dict[str, object], new: Iterable[tuple[int, bytes | None]]
) -> Iterator[tuple[int, ...]]:
    """Yield what was never delivered and may be, as it is asked for; what stands behind an earlier one of its key is noted so."""
    for seq, key in new:
        if key is None or not connection.execute(_IS_BUSY, {**row, "key": key}).fetchone()[0]:
            yield seq, 1, 0, seq
        else:
            connection.execute(_STAND_BEHIND, {**row, "seq": seq, "key": key})
            connection.execute(_MOVE, {**row, "seq": seq})


def _each(connection: sqlite3.Connection, sql: str, rows: Iterable[dict[str, object]]) -> None:
    connection.executemany(sql, rows)
