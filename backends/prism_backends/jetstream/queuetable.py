"""The entries of the queues of one namespace, in one stream: looked for in order, and changed one state at a time."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from prism_backends.jetstream.api import WRONG_SEQUENCE, JetStream, Refused, Stored, stream_config
from prism_backends.jetstream.cells import GONE, REPLACING, Cells, replacing
from prism_backends.jetstream.queueentries import Entry, entry_of
from prism_backends.jetstream.serverclock import ServerClock

__all__ = ["Policy", "Settings", "Table", "priority_of"]

_PAGE = 100
_PAGE_BYTES = 4_000_000
_GRACE_NS = 60_000_000_000
"""What was taken, and not removed by who took it, is removed by others after this."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Where messages go that failed so often."""

    target: str
    max_attempts: int
    sequence: int = 0
    """Of its message: what is known of a queue is known since then."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a take has to know of a queue: its policy, the priorities that were ever used, highest first, what was put back."""

    policy: Policy | None
    priorities: Sequence[int]
    put_back: Sequence[Entry]

    @property
    def is_plain(self) -> bool:
        """Whether a take has to know nothing of the queue but its entries."""
        return self.policy is None and len(self.priorities) == 1 and not self.put_back


class Table(Cells):
    """Subjects: ``NS.q.QUEUE.e.PRIORITY.ID`` an entry, ``.x.b.PRIORITY.ID`` one that was put back, ``.x.p.PRIORITY`` a priority
    that was used, ``.x.c`` the policy, ``.later.DUE.ID`` what the server makes an entry when it is due.

    Whatever happens in a queue the server tells, without payload, under ``NS.wake.QUEUE.``.
    """

    def __init__(self, server: JetStream, namespace: str) -> None:
        config = stream_config(
            f"{namespace}_queue",
            f"{namespace}.q.>",
            allow_rollup_hdrs=True,
            allow_atomic=True,
            allow_msg_schedules=True,
            allow_msg_ttl=True,
            republish={"src": f"{namespace}.q.>", "dest": f"{namespace}.wake.>", "headers_only": True},
        )
        super().__init__(server, config)
        self.clock = ServerClock()
        self._namespace = namespace

    def wake(self, queue: str) -> str:
        """Return the subject under which the server tells that there may be an entry to take."""
        return f"{self._namespace}.wake.{queue}.>"

    def subject(self, queue: str, priority: int, identity: str) -> str:
        return f"{self._namespace}.q.{queue}.e.{priority}.{identity}"

    def subject_of_put_back(self, entry: Entry) -> str:
        """Return where an entry goes that keeps its turn although it is written anew."""
        queue, priority, identity = _parts(entry.subject)
        return f"{self._namespace}.q.{queue}.x.b.{priority}.{identity}"

    def moved_to(self, queue: str, entry: Entry) -> str:
        """Return the subject of an entry in another queue, of the same priority."""
        _, priority, identity = _parts(entry.subject)
        return self.subject(queue, priority, identity)

    def is_in(self, subject: str, queue: str) -> bool:
        return subject.startswith(f"{self._namespace}.q.{queue}.")

    async def read_clock(self, what: str) -> None:
        await self.clock.read(self.server, what, self.stream)

    async def make(self, what: str) -> None:
        await self.server.make(what, self.config)

    async def move(self, what: str, moved: Sequence[tuple[Entry, str, bytes]]) -> bool:
        """Take entries, and store each anew under another subject, all at once; False if one of them was changed before."""
        messages: list[tuple[str, bytes, dict[str, str]]] = []
        for entry, subject, data in moved:
            messages.append((entry.subject, GONE, replacing(entry.sequence)))
            messages.append((subject, data, dict(REPLACING)))
        try:
            last = await self.server.publish_together(what, messages)
        except Refused as error:
            if error.code == WRONG_SEQUENCE:
                return False
            raise self.server.refused(what, error) from error
        first = last - len(messages) + 1
        await asyncio.gather(*(self.forget(what, entry.subject, first + 2 * at) for at, (entry, _, _) in enumerate(moved)))
        return True

    async def settings(self, what: str, queue: str) -> Settings:
        beginning = f"{self._namespace}.q.{queue}.x."
        policy, priorities = None, {0}
        put_back: list[Entry] = []
        async for stored in self._all(what, f"{beginning}>"):
            kind, _, rest = stored.subject.removeprefix(beginning).partition(".")
            if kind == "c":
                target, max_attempts = json.loads(stored.data)
                policy = Policy(target, max_attempts, stored.sequence)
            elif kind == "p":
                priorities.add(int(rest))
            elif stored.data != GONE:
                put_back.append(entry_of(stored, what))
        return Settings(policy, sorted(priorities, reverse=True), put_back)

    async def set_policy(self, what: str, queue: str, policy: Policy) -> None:
        text = json.dumps([policy.target, policy.max_attempts])
        await self.put(what, f"{self._namespace}.q.{queue}.x.c", text.encode(), REPLACING)

    async def use_priority(self, what: str, queue: str, priority: int) -> None:
        await self.put(what, f"{self._namespace}.q.{queue}.x.p.{priority}", b"", REPLACING)

    async def add_later(self, what: str, queue: str, delay_ns: int, data: bytes, identity: str) -> None:
        """Let the server store an entry when the delay is over."""
        await self.make(what)
        await self.read_clock(what)
        due_ns = self.clock.latest_ns() + delay_ns
        headers = {"Nats-Schedule": f"@at {_instant(due_ns)}", "Nats-Schedule-Target": self.subject(queue, 0, identity)}
        await self.put(what, f"{self._namespace}.q.{queue}.later.{due_ns}.{identity}", data, headers)

    async def count_later(self, what: str, queue: str) -> int:
        """Return how many entries are not due."""
        due, _ = await self._due(what, queue)
        now_ns = self.clock.earliest_ns()
        return sum(due_ns > now_ns for due_ns in due)

    async def is_overdue(self, what: str, queue: str) -> tuple[bool, int]:
        """Say whether an entry is due that the server has not stored yet, and the last sequence that it has stored.

        Where many are due at once they are stored a tenth of a second late.
        """
        due, last = await self._due(what, queue)
        return bool(due) and min(due) <= self.clock.earliest_ns(), last

    async def _due(self, what: str, queue: str) -> tuple[list[int], int]:
        """Return the instants of the entries that the server is still to store, and the last sequence that it has stored."""
        beginning = f"{self._namespace}.q.{queue}.later."
        await self.read_clock(what)
        found = await self.server.info(what, self.stream, subjects_filter=f"{beginning}>")
        state = (found or {}).get("state", {})
        due = [int(subject.removeprefix(beginning).partition(".")[0]) for subject in state.get("subjects") or {}]
        return due, state.get("last_seq", 0)

    async def last(self, what: str, subject: str) -> Entry | None:
        """Return an entry as it is now; None if it was taken."""
        stored = await self.server.message(what, self.stream, last_by_subj=subject)
        return None if stored is None or stored.data == GONE else entry_of(stored, what)

    async def entries(self, what: str, queue: str, priority: int, start: int = 0, first: int = 1) -> AsyncIterator[Entry]:
        """Iterate over the entries of one priority in their order, the first page of only ``first``."""
        async for stored in self._all(what, self.subject(queue, priority, ">"), start, first):
            if stored.data != GONE:
                yield entry_of(stored, what)
            elif stored.at_ns + _GRACE_NS < self.clock.earliest_ns():
                await self.forget(what, stored.subject, stored.sequence)

    async def _all(self, what: str, subject: str, start: int = 0, first: int = _PAGE) -> AsyncIterator[Stored]:
        most = first
        while True:
            page = await self.server.page(what, self.stream, start, most, _PAGE_BYTES, subject)
            for stored in page:
                yield stored
            if not page or not page[-1].ahead:
                return
            start, most = page[-1].sequence + 1, _PAGE


def _parts(subject: str) -> tuple[str, int, str]:
    """Return queue, priority and identity of the subject of an entry."""
    _, _, queue, *_, priority, identity = subject.split(".")
    return queue, int(priority), identity


def priority_of(subject: str) -> int:
    return _parts(subject)[1]


def _instant(at_ns: int) -> str:
    """Return an instant as RFC 3339 has it, with all nanoseconds."""
    seconds, nanoseconds = divmod(at_ns, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{nanoseconds:09d}Z"
