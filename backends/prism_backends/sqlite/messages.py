"""The messages of one namespace inside of a transaction, and the rules by which they move.

A message has one of three states: *ready* (``until_s`` is null), *delayed* until an instant, or *leased* until one (``token`` is
set). `Messages.settle` brings all queues to an instant; whoever looks or changes something settles first, so the state is always
what the clock says, in the order in which things fell due, and no timer is needed.
"""

import math
import sqlite3
from typing import NamedTuple

__all__ = ["Messages", "Row"]

_COLUMNS = "id, queue, rank, number, attempts, until_s, token, failed, origin, headers, payload"
_MINE = "namespace = :namespace AND id = :id"
_READY = "namespace = :namespace AND queue = :queue AND until_s IS NULL"
_DEAD = "namespace = :namespace AND queue = :target AND origin = :queue"

_COUNT = "INSERT INTO queue_counters VALUES (:namespace, 1) ON CONFLICT (namespace) DO UPDATE SET last = last + 1"
_COUNTED = "SELECT last FROM queue_counters WHERE namespace = :namespace"
_ADD = f"""INSERT INTO queue_messages (namespace, {_COLUMNS}) VALUES
  (:namespace, :id, :queue, :rank, :number, :attempts, :until_s, :token, :failed, :origin, :headers, :payload)"""
_REMOVE = f"DELETE FROM queue_messages WHERE {_MINE}"
_IS_READY = f"SELECT 1 FROM queue_messages WHERE {_READY} LIMIT 1"
_FIRST = f"SELECT {_COLUMNS} FROM queue_messages WHERE {_READY} ORDER BY rank, number LIMIT 1"
_LEASE = f"UPDATE queue_messages SET attempts = attempts + :attempts, until_s = :until_s, token = :token WHERE {_MINE}"
_LEASED = f"SELECT attempts FROM queue_messages WHERE {_MINE} AND queue = :queue AND token = :token"
_PROLONG = f"UPDATE queue_messages SET until_s = :until_s WHERE {_MINE}"
_COME_AGAIN = f"UPDATE queue_messages SET until_s = NULL, token = NULL, failed = :failed WHERE {_MINE}"
_MOVE = f"""UPDATE queue_messages SET queue = :queue, origin = :origin, number = :number, attempts = 0, until_s = NULL, token = NULL
  WHERE {_MINE}"""
_DUE = """SELECT id, queue, attempts, token FROM queue_messages
  WHERE namespace = :namespace AND until_s <= :now_s ORDER BY until_s, token, number"""
_NEXT = "SELECT min(until_s) FROM queue_messages WHERE namespace = :namespace AND until_s IS NOT NULL"
_DELAYED = """SELECT count(*) FROM queue_messages
  WHERE namespace = :namespace AND until_s > :now_s AND token IS NULL AND queue = :queue"""
_POLICY = "SELECT target, most FROM queue_policies WHERE namespace = :namespace AND queue = :queue"
_SET_POLICY = "REPLACE INTO queue_policies (namespace, queue, target, most) VALUES (:namespace, :queue, :target, :most)"
_FAILED = f"SELECT id FROM queue_messages WHERE {_READY} AND attempts >= :most ORDER BY failed"
_ALL_DEAD = f"SELECT {_COLUMNS} FROM queue_messages WHERE {_DEAD} ORDER BY number"
_IDLE_DEAD = f"SELECT id FROM queue_messages WHERE {_DEAD} AND until_s IS NULL ORDER BY number"


class Row(NamedTuple):
    """``rank`` is the priority, negated; ``number`` the turn among those of one rank; ``failed`` counts failed deliveries of all
    messages, so it orders them; ``origin`` is the queue it died in; ``headers`` are JSON."""

    id: int
    queue: bytes
    rank: int
    number: int
    attempts: int
    until_s: float | None
    token: int | None
    failed: int
    origin: bytes | None
    headers: str
    payload: bytes


class Messages:
    """``woken`` are the queues in which messages became ready, ``expected_s`` the first end of a lease or a delay that was set."""

    def __init__(self, connection: sqlite3.Connection, namespace: bytes, now_s: float) -> None:
        self.now_s = now_s
        self.woken: list[bytes] = []
        self.expected_s = math.inf
        self._connection, self._namespace = connection, namespace

    def is_settled(self) -> bool:
        """Tell whether nothing has fallen due, so that who only looks need not write."""
        return self.due_s() > self.now_s

    def settle(self) -> None:
        """Let all that fell due happen, in its order."""
        for identity, queue, attempts, token in self._do(_DUE, now_s=self.now_s).fetchall():
            if token is None:
                self._do(_PROLONG, id=identity, until_s=None)
                self.woken.append(queue)
            else:
                self._fail(identity, queue, attempts)

    def due_s(self) -> float:
        """Return the instant at which the next thing happens by itself."""
        next_s = self._do(_NEXT).fetchone()[0]
        return math.inf if next_s is None else float(next_s)

    def add(self, queue: bytes, headers: str, payload: bytes, priority: int, until_s: float | None) -> int:
        """Put a new message at the tail of its priority, ready or delayed; return its id."""
        number = self._count()
        self.restore(Row(number, queue, -priority, number, 0, until_s, None, 0, None, headers, payload))
        return number

    def restore(self, row: Row) -> None:
        """Put a message where it was."""
        self._do(_ADD, **row._asdict())
        if row.until_s is None:
            self.woken.append(row.queue)
        else:
            self._expect(row.until_s)

    def is_ready(self, queue: bytes) -> bool:
        return self._do(_IS_READY, queue=queue).fetchone() is not None

    def first(self, queue: bytes) -> Row | None:
        """Return the ready message whose turn it is."""
        found = self._do(_FIRST, queue=queue).fetchone()
        return None if found is None else Row(*found)

    def remove(self, identity: int) -> None:
        self._do(_REMOVE, id=identity)

    def lease(self, identity: int, until_s: float) -> int:
        """Deliver a ready message until an instant; return the token of this delivery."""
        token = self._count()
        self._do(_LEASE, id=identity, attempts=1, until_s=until_s, token=token)
        self._expect(until_s)
        return token

    def unlease(self, queue: bytes, identity: int, token: int) -> None:
        """Let a delivery not have happened, unless its lease has ended."""
        if self.is_leased(queue, identity, token):
            self._do(_LEASE, id=identity, attempts=-1, until_s=None, token=None)
            self.woken.append(queue)

    def is_leased(self, queue: bytes, identity: int, token: int) -> bool:
        return self._do(_LEASED, id=identity, queue=queue, token=token).fetchone() is not None

    def prolong(self, identity: int, until_s: float) -> None:
        """Move the end of a lease, to later or earlier."""
        self._do(_PROLONG, id=identity, until_s=until_s)
        self._expect(until_s)

    def release(self, queue: bytes, identity: int, token: int) -> None:
        """End a lease that is valid without ack: the message comes again, or dies."""
        (attempts,) = self._do(_LEASED, id=identity, queue=queue, token=token).fetchone()
        self._fail(identity, queue, attempts)

    def set_policy(self, queue: bytes, target: bytes, most: int) -> None:
        """Let messages die from now on after so many deliveries, also those that had them already."""
        self._do(_SET_POLICY, queue=queue, target=target, most=most)
        self.bury(queue)

    def bury(self, queue: bytes) -> None:
        """Move what failed too often already, in the order in which it last failed."""
        target, most = self._policy(queue)
        if target is not None:
            for (identity,) in self._do(_FAILED, queue=queue, most=most).fetchall():
                self._move(identity, target, queue)

    def dead(self, queue: bytes) -> list[Row]:
        """Return what died in ``queue`` and is in its target, in the order of death."""
        return [Row(*found) for found in self._do(_ALL_DEAD, queue=queue, target=self._policy(queue)[0])]

    def revive(self, queue: bytes) -> int:
        """Move the dead that are not leased back to the tail of ``queue``; return how many."""
        dead = self._do(_IDLE_DEAD, queue=queue, target=self._policy(queue)[0]).fetchall()
        for (identity,) in dead:
            self._move(identity, queue, None)
        return len(dead)

    def delayed(self, queue: bytes) -> int:
        """Return how many messages of ``queue`` are delayed."""
        return int(self._do(_DELAYED, queue=queue, now_s=self.now_s).fetchone()[0])

    def _fail(self, identity: int, queue: bytes, attempts: int) -> None:
        target, most = self._policy(queue)
        if target is not None and attempts >= most:
            self._move(identity, target, queue)
        else:
            self._do(_COME_AGAIN, id=identity, failed=self._count())
            self.woken.append(queue)

    def _move(self, identity: int, queue: bytes, origin: bytes | None) -> None:
        self._do(_MOVE, id=identity, queue=queue, origin=origin, number=self._count())
        self.woken.append(queue)

    def _policy(self, queue: bytes) -> tuple[bytes | None, int]:
        found: tuple[bytes, int] | None = self._do(_POLICY, queue=queue).fetchone()
        return (None, 0) if found is None else found

    def _count(self) -> int:
        """Return the next number, which orders what happens in this namespace and is never given again."""
        self._do(_COUNT)
        return int(self._do(_COUNTED).fetchone()[0])

    def _expect(self, until_s: float) -> None:
        self.expected_s = min(self.expected_s, until_s)

    def _do(self, sql: str, **values: object) -> sqlite3.Cursor:
        return self._connection.execute(sql, {"namespace": self._namespace, **values})
