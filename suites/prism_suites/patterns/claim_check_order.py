"""Claim check, promise 3: first the object, then its message; refused, it is removed; unknown, it stays."""

import asyncio
import builtins
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

from prism_patterns.claim_check import ClaimCheck
from prism_suites._claims import FIELD, TOPIC, T, chunked, claims_there, sent_messages, take
from prism_suites._claims_references import refers
from prism_suites._judging import broken, refused, same
from prism_testkit.bound import Bound
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.histories import Entry
from prism_testkit.interfaces import errors
from prism_testkit.interfaces.errors import BackendUnavailable, OperationTimeout

BIG = b"payload " * 40
_WRITES = {"store.put", "store.put_stream", "store.put_if_absent"}
_SENDS = {
    "pubsub_persistent": "queue.publish_persistent",
    "stream_consumer_groups": "queue.append",
    "queue_visibility": "queue.enqueue",
    "stream_basic": "queue.append",
    "pubsub_basic": "queue.publish",
}


def _uploads(case: Case, key: str) -> list[Entry]:
    return [e for e in case.history.entries if e.op in _WRITES and e.args[1:2] == (key,) and e.client >= 0]


@check("CC3")
@gauntlet(lambda limits: [{"streamed": streamed, "compression": c} for streamed in (True, False) for c in ("none", "gzip")])
async def the_object_is_there_before_its_message(claims: Bound[ClaimCheck], case: Case, streamed: bool, compression: str) -> None:
    """A message is published only after the upload of its payload has returned (CC-3)."""
    case.overlap()
    async with claims.opened(threshold=T, compression=compression) as check_in:
        await asyncio.gather(*(check_in.publish(TOPIC, chunked(BIG, b"!") if streamed else BIG) for _ in range(3)))
        for message in sent_messages(case):
            keys = [key for key in await claims_there(claims) if refers(message.headers.get(FIELD, ""), key.rpartition("/")[2])]
            same("CC3", len(keys), 1, "a message refers to no object that is there")
            ends = [entry.ret for entry in _uploads(case, keys[0])]
            if not any(end is not None and end < message.call for end in ends):
                broken("CC3", "a message was published before the upload of its object had returned", got=keys[0])


REFUSALS = (
    *("PayloadTooLarge", "AccessDenied", "InvalidName", "NotFound", "GroupNotFound", "QuotaExceeded", "AccessDenied"),
    *("ValueError", "TypeError"),
) * 8
"""One comes again, one is a kind of another, two are Python's own; so many that what each of them keeps is used up."""


@check("CC3")
@gauntlet(
    lambda limits: [
        {"streamed": streamed, "cleanup": cleanup} for streamed, cleanup in ((False, "sweep"), (True, "sweep"), (False, "retain"))
    ]
)
async def after_a_refusal_nothing_is_left(claims: Bound[ClaimCheck], case: Case, streamed: bool, cleanup: str) -> None:
    """A publish that was definitely refused raises that refusal, and its object is removed at once, under ``retain``, too
    (CC-3, CC-6)."""
    send = _SENDS[claims.interfaces["queue"]]
    claims.faulty([(0, send, number, f"refuse {error}") for number, error in enumerate(REFUSALS)])
    async with claims.opened(threshold=T, cleanup=cleanup) as check_in:
        for error in REFUSALS:
            await refused(
                "CC3",
                check_in.publish(TOPIC, chunked(BIG, b"!") if streamed else BIG),
                getattr(errors, error, None) or getattr(builtins, error),
                "the refusal of a publish does not reach its caller",
            )
            same("CC3", await claims_there(claims), set(), f"a definite refusal ({error}) left its object")
        claims.struck()
        await check_in.publish(TOPIC, BIG)
        same("CC3", len(await claims_there(claims)), 1, "after a refusal a publish leaves another number of objects than one")


@check("CC3")
@gauntlet(lambda limits: [{"name": name} for name in ("", "x" * 600, "\ud800")])
async def an_illegal_topic_leaves_nothing(claims: Bound[ClaimCheck], case: Case, name: str) -> None:
    """A topic that nobody may have is refused, and no object is left (CC-3)."""
    async with claims.opened(threshold=T) as check_in:
        await refused("CC3", check_in.publish(name, BIG), errors.InvalidName, "an illegal topic is not refused with InvalidName")
        same("CC3", await claims_there(claims), set(), "a refused publish left an object")


ILLEGAL: tuple[tuple[dict[str, str], type[Exception]], ...] = (
    ({"": "x"}, errors.InvalidName),
    ({"n" * 513: "x"}, errors.InvalidName),
    ({"\ud800": "x"}, errors.InvalidName),
    ({"x": "\ud800"}, ValueError),
    ({"x": "v" * 9000}, errors.PayloadTooLarge),
)


@check("CC3")
@gauntlet(lambda limits: [{"headers": headers, "error": error} for headers, error in ILLEGAL])
async def illegal_headers_leave_nothing(
    claims: Bound[ClaimCheck], case: Case, headers: dict[str, str], error: type[Exception]
) -> None:
    """Headers that nobody may send are refused with the queue's own error, and no object is left, Python's errors included."""
    async with claims.opened(threshold=T) as check_in:
        await refused("CC3", check_in.publish(TOPIC, BIG, headers), error, "illegal headers are not refused as they should")
        same("CC3", await claims_there(claims), set(), "a refused publish left an object")


@check("CC3")
@gauntlet(lambda limits: [{"what": what} for what in ("error before", "error after", "refuse AccessDenied")])
async def a_refusal_is_told_though_its_object_stays(claims: Bound[ClaimCheck], case: Case, what: str) -> None:
    """Whoever published is told of the refusal, not of the trouble to clean up after it."""
    send = _SENDS[claims.interfaces["queue"]]
    claims.faulty([(0, send, 0, "refuse QuotaExceeded"), (0, "store.delete", 0, what)])
    async with claims.opened(threshold=T) as check_in:
        await refused(
            "CC3", check_in.publish(TOPIC, BIG), errors.QuotaExceeded, "the refusal of a publish does not reach its caller"
        )


@check("CC3", "CC4")
@gauntlet(
    lambda limits: [
        {"what": what, "then": then} for what in ("error before", "error after") for then in ("", "refuse AccessDenied")
    ]
)
async def after_an_unknown_outcome_the_object_stays(claims: Bound[ClaimCheck], case: Case, what: str, then: str) -> None:
    """A publish whose outcome nobody knows may have been published: its object stays, and is read if it was. Who tries again
    himself may be refused, or told that it was published, and knows no more of the first try (CC-3, CC-4)."""
    send = _SENDS[claims.interfaces["queue"]]
    claims.faulty([(0, send, 0, what)])
    if then:
        claims.faults.plan[0, send, 1] = then
    async with claims.opened(threshold=T) as check_in, check_in.consume(TOPIC, "c") as consumer:
        published = False
        try:
            await check_in.publish(TOPIC, BIG)
            published = True
        except (BackendUnavailable, OperationTimeout):
            pass  # as it was told
        except errors.AccessDenied:
            same("CC3", then != "" and len(sent_messages(case)) == 2, True, "a publish raises a refusal that it was not told")
        if (0, send, 0) in claims.faults.missed:
            case.inconclusive("no message met the fault")
        same("CC3", len(await claims_there(claims)), 1, "an object was removed whose message may have been published")
        if published or what == "error after":
            same("CC4", await consumer.read(await take(consumer, "CC4")), BIG, "a message whose ack was lost lost its payload")


@check("CC3", "CC1")
@gauntlet(lambda limits: [{"what": what, "streamed": s} for what in ("error before", "error after") for s in (True, False)])
async def without_its_object_nothing_is_published(claims: Bound[ClaimCheck], case: Case, what: str, streamed: bool) -> None:
    """If the upload fails, or nobody knows, no message is published; who is told that it was has all of it published, however
    often the upload was tried (CC-3)."""
    faults = [(0, f"store.{op}", number, what) for op in ("put", "put_stream", "put_if_absent") for number in range(1, 4)]
    own = 2  # calls that an implementation makes for its own objects, at most
    claims.faulty([(actor, op, number + own, kind) for actor, op, number, kind in faults] + [(0, "store.put_stream", 0, what)])
    async with claims.opened(threshold=T) as check_in, check_in.consume(TOPIC, "c") as consumer:
        for _ in range(8):
            before, struck = len(sent_messages(case)), len(claims.faults.struck)
            try:
                await check_in.publish(TOPIC, chunked(BIG, b"and", BIG) if streamed else BIG + b"and" + BIG)
            except (BackendUnavailable, OperationTimeout):
                same("CC3", len(sent_messages(case)), before, "a message was published although its upload failed")
            else:
                payload = await consumer.read(await take(consumer))
                again = ", the upload of which was tried again" if len(claims.faults.struck) > struck else ""
                same("CC1", payload, BIG + b"and" + BIG, f"another payload came back than was published{again}")
        if not claims.faults.struck:
            case.inconclusive("no upload met the fault")


class Broken(Exception):
    """What a source raises that nobody knows."""


BREAKS = (
    *(Broken, OSError, ConnectionResetError, BrokenPipeError, TimeoutError, EOFError, ValueError),
    *(TypeError, KeyError, IndexError, AttributeError, RuntimeError, MemoryError, errors.BackendUnavailable, errors.NotFound),
)


@check("CC3")
@gauntlet(
    lambda limits: [
        {"error": error, "parts": parts, "compression": compression}
        for number, error in enumerate(BREAKS)
        for parts, compression in (([BIG, BIG], ("none", "gzip")[number % 2]), ([b"x"], "none"), ([], "none"))
    ]
)
async def a_source_that_fails_publishes_nothing(
    claims: Bound[ClaimCheck], case: Case, error: type[Exception], parts: list[bytes], compression: str
) -> None:
    """If the payload's own stream fails, with whatever and wherever, its error reaches the caller; no object and no message is
    left (CC-3)."""

    async def source() -> AsyncIterator[bytes]:
        for part in parts:
            yield part
        raise error("the source broke")

    # A client of a store may call by a name of its own what it takes for trouble of its connection.
    told = Broken if error is Broken else Exception
    async with claims.opened(threshold=T, compression=compression) as check_in:
        await refused("CC3", check_in.publish(TOPIC, source()), told, "the error of a payload's stream does not reach the caller")
        same(
            "CC3",
            (await claims_there(claims), sent_messages(case)),
            (set(), []),
            "a stream that failed left an object or a message",
        )


@check("CC3", "CC4")
@gauntlet(lambda limits: [{"steps": steps} for steps in range(12)])
async def a_cancelled_publish_never_loses_a_payload(claims: Bound[ClaimCheck], case: Case, steps: int) -> None:
    """Cancelled anywhere, a publish leaves a message only together with its object (CC-3, CC-4)."""
    case.overlap()
    async with claims.opened(threshold=T) as check_in, check_in.consume(TOPIC, "c") as consumer:
        task = asyncio.create_task(check_in.publish(TOPIC, BIG))
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await check_in.publish(TOPIC, b"last")
        while True:
            delivery = await take(consumer, "CC1")
            payload = await consumer.read(delivery)
            if payload == b"last":
                break
            same("CC4", payload, BIG, "a cancelled publish left a message without its payload")


@check("CC1")
@gauntlet(lambda limits: [{"arguments": arguments} for arguments in ((5, None), ("text", None), (b"x", 5), (b"x", {"a": 1}))])
async def what_is_no_payload_is_refused(claims: Bound[ClaimCheck], case: Case, arguments: tuple[Any, Any]) -> None:
    """What is neither bytes-like nor a stream, and headers that are no texts, raise TypeError before any effect."""
    payload, headers = arguments
    async with claims.opened(threshold=T) as check_in:
        await refused("CC1", check_in.publish(TOPIC, payload, headers), TypeError, "an argument of the wrong type is not refused")
        sent = [message for message in sent_messages(case) if not message.refused]  # the queue may be the one that refuses
        same("CC3", (await claims_there(claims), sent), (set(), []), "a refused publish left an object or a message")
