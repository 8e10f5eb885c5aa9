"""What the file knows of one group of a stream, and every step that changes it. Called inside a transaction, or to look only.

A record of the group that was delivered and is not done with is a row of ``stream_delivery``: with a member while it is held,
without one when it is to come again, from ``due_s`` on. What was never delivered has no row; it begins at the position.
"""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from prism_backends.sqlite.streamlog import record_of
from prism_testkit.interfaces.stream import GroupInfo, RecordDelivery

__all__ = ["GroupRows", "Held", "tokens_of"]

_BYTES_AT_ONCE = 8_000_000
"""A receive ends when its payloads reach this, so memory is bounded by it and one payload."""

_STREAM = "namespace = :namespace AND stream = :stream"
_GROUP = f"{_STREAM} AND grp = :grp"
_FIRST = f"ifnull((SELECT first FROM stream WHERE {_STREAM}), 0)"
_PARTITIONS = f"ifnull((SELECT partitions FROM stream WHERE {_STREAM}), 1)"
_POSITION = f"SELECT position FROM stream_group WHERE {_GROUP}"
_OTHERS = f"SELECT member, until_s FROM stream_member WHERE {_GROUP} AND member <> :member"
_JOIN = "INSERT INTO stream_member (namespace, stream, grp, member, until_s) VALUES (:namespace, :stream, :grp, :member, :until_s)"
_RENEW = f"UPDATE stream_member SET until_s = :until_s WHERE {_GROUP} AND member = :member"
_LEAVE = f"DELETE FROM stream_member WHERE {_GROUP} AND member = :member"
_NEW = f"SELECT 1 FROM stream_record WHERE {_STREAM} AND offset >= :position LIMIT 1"
_NEXT_DUE = f"SELECT min(due_s) FROM stream_delivery WHERE {_GROUP} AND member IS NULL"
_AGAIN_ROWS = f"""SELECT offset, count FROM stream_delivery
  WHERE {_GROUP} AND member IS NULL AND due_s <= :now_s ORDER BY offset LIMIT :most"""
_NEW_ROWS = f"SELECT offset, 0 FROM stream_record WHERE {_STREAM} AND offset >= :position ORDER BY offset LIMIT :most"
_RECORD = f"SELECT offset, key, headers, appended_ms, part, payload FROM stream_record WHERE {_STREAM} AND offset = :offset"
_DELIVER = """REPLACE INTO stream_delivery (namespace, stream, grp, offset, count, member, batch)
  VALUES (:namespace, :stream, :grp, :offset, :count, :member, :batch)"""
_MOVE = f"UPDATE stream_group SET position = :position WHERE {_GROUP}"
_HELD = f"{_GROUP} AND member = :member AND batch = :batch"
_ACK = f"DELETE FROM stream_delivery WHERE {_HELD} AND offset = :offset"
_FREE = "UPDATE stream_delivery SET member = NULL, due_s = :due_s"
_NACK = f"{_FREE} WHERE {_HELD} AND offset = :offset"
_VOID = f"{_FREE}, count = count - 1 WHERE {_HELD}"
_FREE_ALL = f"{_FREE} WHERE {_GROUP} AND member = :member"
_GONE = """NOT EXISTS (SELECT 1 FROM stream_record AS kept
  WHERE kept.namespace = :namespace AND kept.stream = :stream AND kept.offset = stream_delivery.offset)"""
_DROP = f"DELETE FROM stream_delivery WHERE {_HELD} AND offset = :offset AND {_GONE}"
_DROP_BATCH = f"DELETE FROM stream_delivery WHERE {_HELD} AND {_GONE}"
_DROP_ALL = f"DELETE FROM stream_delivery WHERE {_GROUP} AND member = :member AND {_GONE}"
_PENDING = f"SELECT count(*), {_FIRST}, {_PARTITIONS} FROM stream_delivery WHERE {_GROUP}"
_FORGET_ALL = f"DELETE FROM stream_delivery WHERE {_GROUP}"


@dataclass(frozen=True, slots=True)
class Held:
    """What a token says: which member got a record, in which of its receives."""

    member: str
    batch: int
    offset: int

    @property
    def token(self) -> str:
        return f"{self.member}.{self.batch}.{self.offset}"


def tokens_of(deliveries: Iterable[RecordDelivery]) -> list[Held]:
    """Return, each once, what the tokens of deliveries say; those that no driver of ours gave out name no member."""
    held: dict[str, Held] = {}
    for delivery in deliveries:
        member, _, rest = delivery.token.partition(".")
        numbers = rest.split(".")
        known = len(numbers) == 2 and all(number.isdecimal() for number in numbers)
        held[delivery.token] = Held(member, int(numbers[0]), int(numbers[1])) if known else Held("", 0, delivery.record.offset)
    return list(held.values())


@dataclass(frozen=True, slots=True)
class GroupRows:
    """The rows of one group over one connection; ``names``: the bytes of ``namespace``, ``stream`` and ``grp``."""

    connection: sqlite3.Connection
    names: dict[str, bytes]

    def position(self) -> int | None:
        """Return the offset from which on nothing was delivered, or None if there is no such group."""
        row = self._run(_POSITION).fetchone()
        return None if row is None else int(row[0])

    def others(self, member: str = "") -> dict[str, float]:
        """Return until when every other member counts as alive."""
        return dict(self._run(_OTHERS, member=member).fetchall())

    def join(self, member: str, until_s: float) -> None:
        self._run(_JOIN, member=member, until_s=until_s)

    def renew(self, member: str, until_s: float) -> bool:
        """Let a member count as alive for longer; False if it is none any more."""
        return self._run(_RENEW, member=member, until_s=until_s).rowcount > 0

    def leave(self, member: str, now_s: float) -> None:
        """End a membership: what it holds comes again at once. A repeat does nothing."""
        self._run(_DROP_ALL, member=member)
        self._run(_FREE_ALL, member=member, due_s=now_s)
        self._run(_LEAVE, member=member)

    def is_new(self, position: int) -> bool:
        """Say whether there is a record from the position on."""
        return self._run(_NEW, position=position).fetchone() is not None

    def next_due_s(self) -> float | None:
        """Return the first instant at which something may come again."""
        due_s: float | None = self._run(_NEXT_DUE).fetchone()[0]
        return due_s

    def take(self, member: str, batch: int, position: int, most: int, now_s: float) -> list[RecordDelivery]:
        """Deliver what comes again, then what was never delivered."""
        rows = self._run(_AGAIN_ROWS, now_s=now_s, most=most).fetchall()
        rows += self._run(_NEW_ROWS, position=position, most=most - len(rows)).fetchall()
        taken: list[RecordDelivery] = []
        size = 0
        for offset, count in rows:
            record = record_of(self._run(_RECORD, offset=offset).fetchone())
            self._run(_DELIVER, offset=offset, count=count + 1, member=member, batch=batch)
            taken.append(RecordDelivery(record, count + 1, Held(member, batch, offset).token))
            size += len(record.payload)
            if size >= _BYTES_AT_ONCE:
                break
        if taken and taken[-1].record.offset >= position:
            self._run(_MOVE, position=taken[-1].record.offset + 1)
        return taken

    def void(self, member: str, batch: int, now_s: float) -> None:
        """Undo a take whose deliveries never reached their member."""
        self._run(_DROP_BATCH, member=member, batch=batch)
        self._run(_VOID, member=member, batch=batch, due_s=now_s)

    def ack(self, held: Held) -> None:
        """Be done with a record if it is still held so; a repeat does nothing."""
        self._run(_ACK, member=held.member, batch=held.batch, offset=held.offset)

    def nack(self, held: Held, due_s: float) -> None:
        """Let a record come again if it is still held so; a repeat does nothing."""
        mine = {"member": held.member, "batch": held.batch, "offset": held.offset}
        self._run(_DROP, **mine)
        self._run(_NACK, **mine, due_s=due_s)

    def info(self, position: int, members: int) -> GroupInfo:
        pending, first, partitions = self._run(_PENDING).fetchone()
        return GroupInfo(members, pending, max(position, first) if partitions == 1 else 0)

    def move(self, position: int) -> None:
        """Begin anew at an offset, and forget all that was delivered."""
        self._run(_FORGET_ALL)
        self._run(_MOVE, position=position)

    def _run(self, sql: str, **values: object) -> sqlite3.Cursor:
        return self.connection.execute(sql, {**self.names, **values})
