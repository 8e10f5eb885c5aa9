"""What checks of a claim check share: how its messages and objects look from outside, and a consumer that takes what there is."""

import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from prism_patterns.claim_check import ClaimCheck, ClaimConsumer, ClaimDelivery, Swept
from prism_suites._claims_references import settles
from prism_suites._judging import broken, same
from prism_testkit.bound import Bound
from prism_testkit.case import Case
from prism_testkit.histories import Outcome
from prism_testkit.interfaces import interface_model

__all__ = [
    "ACKS",
    "AGE",
    "FIELD",
    "SENDS",
    "TOPIC",
    "Sent",
    "T",
    "befall",
    "beside",
    "chunked",
    "claims_there",
    "digest",
    "entries_there",
    "has_acks",
    "judge_markers",
    "judge_told",
    "mode",
    "pattern_of",
    "pieces",
    "resend",
    "sent_messages",
    "skewed",
    "swept",
    "take",
    "taken",
    "worker_rests",
]

TOPIC = "images"
FIELD = "prism-claim-check"
ACKS = {
    "pubsub_persistent": "queue.subscribe_durable.ack",
    "stream_consumer_groups": "queue.join.ack",
    "queue_visibility": "queue.ack",
}
"""The broker's ack, by the interface of the slot."""
T = 64
"""The threshold of most checks, in bytes."""
AGE: dict[str, Any] = {"threshold": T, "max_age_s": 100.0, "grace_period_s": 20.0}
"""A configuration under which claims go by their age soon."""
SENDS = {"queue.publish", "queue.publish_persistent", "queue.enqueue", "queue.append"}
_WAIT_S = 30.0
"""How long a message that must come is waited for: no longer than it takes."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A message as it went through the slot ``queue``; ``call`` is the number of the event. ``refused``: the queue took nothing."""

    payload: bytes
    headers: Mapping[str, str]
    call: int
    refused: bool = False


def sent_messages(case: Case) -> list[Sent]:
    """Return every message that the implementation handed to its queue, in order."""
    found = []
    for entry in case.history.entries:
        if entry.op in SENDS and entry.client >= 0:
            given = dict(zip(("topic", "payload"), entry.args, strict=False)) | dict(entry.kwargs)
            place = 3 if entry.op == "queue.append" else 2
            headers = entry.kwargs.get("headers", entry.args[place] if len(entry.args) > place else None)
            refused = entry.outcome is Outcome.FAILED
            found.append(Sent(bytes(given["payload"]), dict(headers or {}), entry.call, refused))
    return found


async def resend(claims: Bound[ClaimCheck], case: Case, number: int) -> None:
    """Let a message that was sent come again, as a broker may that promises at least once; nothing if none was sent."""
    messages = [message for message in sent_messages(case) if not message.refused]
    if messages:
        message = messages[number % len(messages)]
        queue = await claims.look("queue")
        send = {"queue": "enqueue", "stream": "append", "pubsub": "publish_persistent"}[pattern_of(claims)]
        await getattr(queue, send)(TOPIC, message.payload, headers=dict(message.headers))


def has_acks(claims: Bound[ClaimCheck]) -> bool:
    """Say whether the queue remembers acks."""
    return claims.interfaces["queue"] not in ("pubsub_basic", "stream_basic")


def mode(claims: Bound[ClaimCheck] | None, *consumers: str) -> dict[str, Any]:
    """Return the part of a configuration that cleans up on ack, for one consumer."""
    return {"cleanup": "on_ack", "consumers": consumers}


def befall(claims: Bound[ClaimCheck], what: str, *operations: str, actor: int = 0, number: int = 0) -> None:
    """Plan a fault for the next call of each of these operations by an incarnation, or for a later one."""
    for operation in operations:
        passed = sum(address[:2] == (actor, operation) for address in claims.faults.passed)
        claims.faults.plan[actor, operation, passed + number] = what


def judge_markers(case: Case) -> None:
    """Judge every call so far: a marker is put only after the broker took an ack of that claim's message."""
    confirmed: list[tuple[int, tuple[Any, ...]]] = []
    for entry in case.history.entries:
        if entry.op in ACKS.values() and entry.ret is not None and entry.outcome is Outcome.OK:
            confirmed.append((entry.ret, entry.args))
    for entry in case.history.entries:
        claim, marker, _ = str(entry.args[1] if len(entry.args) > 1 else "").rpartition("/")[0].partition(".acks")
        if marker and entry.op.startswith("store.put") and entry.client >= 0:
            name = claim.rpartition("/")[2]
            if not any(ret < entry.call and settles(args, name) for ret, args in confirmed):
                broken("CC4", "a consumer's marker was put before the broker had taken its ack", got=entry.args[1])


def beside(
    case: Case, claims: Bound[ClaimCheck], *, acks: bool = False, names: bool = False, time: bool = False, codec: object = "none"
) -> bool:
    """Say whether a check asks for what cannot be shown here, and note it: acks, several consumers, time, a library."""
    if acks and not has_acks(claims):
        case.note(f"{claims.interfaces['queue']} has no acks")
    elif names and pattern_of(claims) == "queue":
        case.note("a message of a queue has one consumer")
    elif time and not case.clock.virtual:
        case.note("time moves on embedded backends only")
    elif codec == "zstd" and find_spec("zstandard") is None:
        case.note("zstd was left out, for its library is not installed: pip install 'prism-testkit[zstd]'")
    else:
        return False
    return True


def skewed(claims: Bound[ClaimCheck], seconds: float) -> str:
    """Let the clock of the processes that open it be wrong; return what to say of it at the end of a sentence."""
    claims.skew(seconds)
    return (
        f", the clock of its process being {abs(seconds):,.0f} s {'ahead of' if seconds > 0 else 'behind'} the store's"
        if seconds
        else ""
    )


async def worker_rests(case: Case, seconds: float = 1e-6) -> None:
    """Let a background worker that sweeps when it is started come to where it waits, though its calls take so many seconds."""
    if case.clock.virtual:
        await case.clock.sleep(seconds)


async def swept(case: Case, check_in: ClaimCheck, prefix: str = "claims", due: str = "") -> None:
    """Sweep, and judge that what is told is what was removed: claims, all of them due as ``due`` says if it does, and markers.

    What a background worker removes meanwhile is the sweep's to tell, or not.
    """
    await worker_rests(case)
    since = len(case.history.entries)
    told = await check_in.sweep()
    judge_told(case, since, [told], prefix)
    if due:
        sentence = f"a sweep tells another reason for what it removed than that it is due for, which is `{due}`"
        found = {"expired": told.expired, "acked": told.acked}
        same("CC7", found, {"expired": 0, "acked": 0, due: sum(found.values())}, sentence)


def judge_told(case: Case, since: int, told: Sequence[Swept], prefix: str = "claims") -> None:
    """Judge that sweeps, all that were asked for since so many entries, told together of what they removed.

    What a background worker removed meanwhile is theirs to tell, or not.
    """
    sweeps = {entry.call for entry in case.history.told if entry.aside and entry.op == "sweep"}
    made = [entry for entry in case.history.told if not entry.aside][since:]
    removed = [e for e in made if e.op == "store.delete" and e.client >= 0 and e.result]
    removed = [e for e in removed if not e.args[1][len(prefix) :].startswith("/_")]  # the pattern's own
    counted = ([e for e in removed if e.asked in sweeps], removed)
    counts = [Counter(".acks/" in e.args[1][len(prefix) :] for e in some) for some in counted]
    found = {"claims": sum(each.expired + each.acked for each in told), "markers": sum(each.markers for each in told)}
    least, most = ({"claims": count[False], "markers": count[True]} for count in counts)
    if not all(least[what] <= found[what] <= most[what] for what in found):
        broken("CC7", "sweeps tell of other removals than they made", expected=most, got=found)


def pattern_of(claims: Bound[ClaimCheck]) -> str:
    """Return the data model of the queue."""
    return interface_model(claims.interfaces["queue"])


def digest(payload: bytes) -> str:
    return f"sha256:{hashlib.sha256(payload).hexdigest()}"


async def entries_there(claims: Bound[ClaimCheck], bucket: str = "claim-check", prefix: str = "claims") -> set[str]:
    """Return the keys under the prefix, without what is the pattern's own."""
    store = await claims.look("store")
    keys = {info.key async for info in store.list_objects(bucket, f"{prefix}/")}
    return {key for key in keys if not key.startswith(f"{prefix}/_")}


async def claims_there(claims: Bound[ClaimCheck], bucket: str = "claim-check", prefix: str = "claims") -> set[str]:
    """Return the keys of the claims that are stored."""
    return {key for key in await entries_there(claims, bucket, prefix) if ".acks/" not in key[len(prefix) :]}


async def take(consumer: ClaimConsumer, promise: str = "CC1") -> ClaimDelivery:
    """Return the next delivery, which must come."""
    delivery = await consumer.receive(_WAIT_S)
    if delivery is None:
        broken(promise, "a published message did not come", expected="a delivery", got=None)
    return delivery


async def taken(consumer: ClaimConsumer, delivery: ClaimDelivery) -> bytes:
    """Return the payload of a delivery by its chunks."""
    return b"".join([chunk async for chunk in consumer.chunks(delivery)])


async def chunked(*parts: bytes) -> AsyncIterator[bytes]:
    """Yield the parts."""
    for part in parts:
        yield part


def pieces(payload: bytes, *sizes: int) -> list[bytes]:
    """Cut a payload into pieces of these sizes, over and over; 0 is an empty piece."""
    found, at, turn = [], 0, 0
    while at < len(payload):
        size = sizes[turn % len(sizes)]
        found.append(payload[at : at + size])
        at, turn = at + size, turn + 1
    return found
