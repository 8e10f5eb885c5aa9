"""Taking from a queue in whatever way a slot offers, and judging what came: the message, whole, and the right one."""

from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from prism_suites._judging import broken
from prism_testkit.interfaces import QueueBasic, QueueMessage, QueueVisibility
from prism_testkit.tap import offers

__all__ = [
    "BASIC",
    "HELD_S",
    "VISIBILITY",
    "BasicAndVisibility",
    "Laws",
    "Put",
    "drained",
    "drains",
    "empty",
    "fill",
    "is_message",
    "numbered",
    "spoil",
    "take",
]

HELD_S = 43_200.0
"""The longest lease that must be accepted: nothing in a check outlasts it but what moves time on purpose."""


@dataclass(frozen=True, slots=True)
class Laws:
    """Which promise of an interface says what every queue promises."""

    content: str
    once: str
    order: str
    wait: str
    alias: str
    refusal: str
    copy: str
    namespace: str
    clients: str


BASIC = Laws(
    "queue_basic.1",
    "queue_basic.2",
    "queue_basic.3",
    "queue_basic.4",
    "queue_basic.6",
    "queue_basic.7",
    "queue_basic.8",
    "queue_basic.9",
    "queue_basic.10",
)
VISIBILITY = Laws(
    "queue_visibility.1",
    "queue_visibility.11",
    "queue_visibility.1",
    "queue_visibility.9",
    "queue_visibility.15",
    "queue_visibility.15",
    "queue_visibility.15",
    "queue_visibility.15",
    "queue_visibility.8",
)


class BasicAndVisibility(QueueBasic, QueueVisibility, Protocol):
    """A queue with both ways to take."""


@dataclass(frozen=True, slots=True)
class Put:
    """What was enqueued, as it must come out."""

    id: str
    payload: bytes
    headers: Mapping[str, str]


async def take(slot: Any, queue: str, timeout_s: float = 0) -> QueueMessage | None:
    """Take the next message for good: by `dequeue`, or by `receive` and `ack`."""
    if offers(slot, QueueBasic):
        taken: QueueMessage | None = await slot.dequeue(queue, timeout_s)
        return taken
    lease = await slot.receive(queue, HELD_S, timeout_s)
    if lease is None:
        return None
    await slot.ack(lease)
    message: QueueMessage = lease.message
    return message


async def fill(slot: Any, queue: str, payloads: Iterable[bytes], headers: Mapping[str, str] | None = None) -> list[Put]:
    """Enqueue payloads one after another, and judge that no id comes twice."""
    puts = [Put(await slot.enqueue(queue, payload, headers), payload, dict(headers or {})) for payload in payloads]
    ids = [put.id for put in puts]
    if len(set(ids)) < len(ids):
        promise = "queue_basic.2" if offers(slot, QueueBasic) else "queue_visibility.11"
        twice = sorted({identity for identity in ids if ids.count(identity) > 1})[:9]
        broken(promise, "messages of one queue have the same id", expected="ids that differ", got=twice)
    return puts


def numbered(count: int, mark: str = "m") -> list[bytes]:
    """Return payloads that are all different."""
    return [b"%s-%d" % (mark.encode(), number) for number in range(count)]


_SPOILED = "spoiled"
_NO_COPY = "its headers are what somebody made of them whom they were given before, so what is given is no copy"


def is_message(promise: str, got: Any, put: Put, sentence: str) -> None:
    """Judge that a message is the one that was put, byte for byte, with its headers and its id."""
    if not isinstance(got, QueueMessage):
        broken(promise, sentence, expected=put, got=got)
    if got.payload != put.payload or not isinstance(got.payload, bytes):
        broken(promise, sentence, expected=put.payload, got=got.payload)
    if got.id != put.id or not isinstance(got.id, str):
        broken(promise, f"{sentence}: its id is not what enqueue returned", expected=put.id, got=got.id)
    headers = got.headers
    if not isinstance(headers, Mapping) or dict(headers) != dict(put.headers):
        shared = isinstance(headers, Mapping) and _SPOILED in headers and _SPOILED not in put.headers
        why = "its headers are not those that were enqueued" if not shared else _NO_COPY
        broken(promise, f"{sentence}: {why}", expected=dict(put.headers), got=headers)


def spoil(message: QueueMessage | None) -> None:
    """Change what was given, as its taker may: it is a copy, and what is given next has nothing of it."""
    if message is not None and isinstance(message.headers, MutableMapping):
        message.headers[_SPOILED] = "by its taker"


async def drains(slot: Any, queue: str, puts: Sequence[Put], laws: Laws, story: str = "", *, beside: Any = None) -> None:
    """Take what was put, in that order, and then nothing; name order, loss, doubles and strangers apart.

    ``beside``: another client, that makes every third take.
    """
    told = f" ({story})" if story else ""
    pending = list(puts)
    while pending:
        got = await take(beside if beside is not None and len(pending) % 3 == 1 else slot, queue)
        if got is None:
            broken(laws.once, f"a message that was enqueued is never given{told}", expected=pending[0].payload, got=None)
        if isinstance(got, QueueMessage) and got.id != pending[0].id:
            if any(got.id == put.id for put in pending[1:]):
                order = await _order(slot, queue, got, len(pending))
                sentence = f"a message is given before one that was enqueued earlier{told}"
                broken(laws.order, sentence, expected=[put.id for put in pending], got=order)
            _not_the_first(got, pending, puts, laws, told)
        is_message(laws.content, got, pending.pop(0), f"a message is not given as it was enqueued{told}")
    await empty(slot, queue, laws.once, f"a queue from which everything was taken gives another message{told}")


def _not_the_first(got: QueueMessage, pending: Sequence[Put], puts: Sequence[Put], laws: Laws, told: str) -> None:
    if any(got.id == put.id for put in puts):
        broken(laws.once, f"a message is given again{told}", expected=pending[0], got=got)
    if got.payload != pending[0].payload:
        broken(laws.once, f"a message is given that was not enqueued here{told}", expected=pending[0], got=got)


async def _order(slot: Any, queue: str, got: QueueMessage, most: int) -> list[str]:
    """Return the ids in the order in which all are given: whether what was passed over comes later tells what is wrong."""
    order = [got.id]
    try:
        order += [message.id for message in await drained(slot, queue, most)]
    except Exception as error:  # the verdict stands, whatever becomes of the rest
        order.append(f"then {type(error).__name__}")
    return order


async def empty(slot: Any, queue: str, promise: str, sentence: str) -> None:
    """Judge that a take gives nothing."""
    got = await take(slot, queue)
    if got is not None:
        broken(promise, sentence, expected=None, got=got)


async def drained(slot: Any, queue: str, most: int = 10_000) -> list[QueueMessage]:
    """Take until nothing is left, at most so many."""
    taken: list[QueueMessage] = []
    while len(taken) < most and (got := await take(slot, queue)) is not None:
        taken.append(got)
    return taken
