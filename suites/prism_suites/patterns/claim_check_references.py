"""Claim check, promises 1, 5 and 6: what a reader makes of messages that are not as a publish made them, and where it begins."""

import json
import re
from collections.abc import Iterator
from contextlib import AsyncExitStack, suppress
from typing import Any

from prism_patterns.claim_check import ClaimCheck, ClaimConsumer, ClaimDelivery, ClaimExpired, ClaimNotFound
from prism_suites._claims import FIELD, TOPIC, T, befall, has_acks, pattern_of, sent_messages, take, taken
from prism_suites._claims_references import behind, damaged
from prism_suites._judging import broken, same
from prism_testkit.bound import Bound
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces.errors import CorruptPayload, PrismError

BIG = bytes((11 * i + i // 256) % 256 for i in range(T + 40))
_CANNOT_BE_HAD = (CorruptPayload, ClaimNotFound, ClaimExpired)
_ODD: tuple[Any, ...] = (None, -1, "", "x", [], {"a": 1}, True, 1.5, 10**30)
_RUN = re.compile(r"[0-9A-Za-z]+")


def _others(value: Any) -> Iterator[Any]:
    """Yield what may stand in the place of a value: others of its type and of others, its text, its number."""
    yield from _ODD
    yield str(value) if isinstance(value, int) else [value]


def _mangled(text: str) -> Iterator[str]:
    """Yield texts that are nearly a reference: cut, doubled, of another version, without a field, with fields of other types; and
    so what it is the base64 of, if it is."""
    if (binary := behind(text)) is not None:
        data, written = binary
        with suppress(ValueError):
            json.loads(data)
            yield from (written(other.encode()) for other in _mangled(data.decode()))
            return
        yield from map(written, damaged(data))
    yield from (
        "",
        "x",
        "0",
        "null",
        "[]",
        "{}",
        '"x"',
        text[:-1],
        text[1:],
        text[: len(text) // 2],
        text + "x",
        text + text,
    )
    try:
        fields = json.loads(text)
    except ValueError:
        fields = None
    if isinstance(fields, dict):
        for name, value in fields.items():
            yield json.dumps({other: kept for other, kept in fields.items() if other != name})
            yield from (json.dumps({**fields, name: other}) for other in _others(value))
    elif isinstance(fields, list):
        for at, value in enumerate(fields):
            yield json.dumps(fields[:at] + fields[at + 1 :])
            yield from (json.dumps([*fields[:at], other, *fields[at + 1 :]]) for other in _others(value))
    else:
        for run in _RUN.finditer(text):
            yield from (text[: run.start()] + other + text[run.end() :] for other in ("", "-1", "x", "1.5", "9" * 30))


async def _send(claims: Bound[ClaimCheck], payload: bytes, headers: dict[str, str]) -> None:
    """Send a message past the implementation, as somebody else on the topic does."""
    queue = await claims.look("queue")
    plain = "publish" if claims.interfaces["queue"] == "pubsub_basic" else "publish_persistent"
    send = {"queue": "enqueue", "stream": "append", "pubsub": plain}[pattern_of(claims)]
    await getattr(queue, send)(TOPIC, payload, headers=headers)


def _refused_by_the_store(case: Case, since: int) -> bool:
    """Say whether a store refused a call: for a bucket of None, say, and its word may be passed on."""
    return any(entry.op.startswith("store.") and entry.error is not None for entry in case.history.entries[since:])


@check("CC5", "CC6")
@gauntlet(lambda limits: [{"part": part, "parts": 2} for part in range(2)])
async def a_reference_that_nobody_can_read_harms_nobody(claims: Bound[ClaimCheck], case: Case, part: int, parts: int) -> None:
    """A message whose reference is none is received like any other, its payload cannot be had, and the next one comes.

    The object is damaged meanwhile, so that no reference is right by accident.
    """
    async with claims.opened(threshold=T) as check_in, check_in.consume(TOPIC, "c") as consumer:
        receipt = await check_in.publish(TOPIC, BIG)
        assert receipt.claim is not None
        await take(consumer)
        (message,) = sent_messages(case)
        store = await claims.look("store")
        await store.put(receipt.claim.bucket, receipt.claim.key, BIG[:-1] + b"?")
        for number, text in enumerate(list(_mangled(message.headers[FIELD]))[part::parts]):
            await _send(claims, message.payload, {**message.headers, FIELD: text})
            try:
                delivery = await take(consumer, "CC5")
            except Exception as error:
                broken(
                    "CC5",
                    "a reference that nobody can read is raised at the receive, for ever",
                    expected=f"a delivery for {text[:300]!r}",
                    got=error,
                )
            since = len(case.history.entries)
            try:
                data = await (taken(consumer, delivery) if number % 2 else consumer.read(delivery))
            except _CANNOT_BE_HAD:
                pass
            except Exception as error:
                if _refused_by_the_store(case, since):
                    continue
                told = f"a payload that cannot be had raises another error, for the reference {text[:300]!r}"
                broken("CC5", told, expected="CorruptPayload", got=error)
            else:
                broken("CC5", f"data is read by a reference that is none: {text[:300]!r}", expected="CorruptPayload", got=data)
            if delivery.claim is None:
                try:
                    await consumer.ack(delivery)
                except PrismError as error:
                    broken("CC6", "a message whose payload cannot be had is not acked", got=error)
        await check_in.publish(TOPIC, BIG)
        same("CC5", await consumer.read(await take(consumer, "CC5")), BIG, "behind references that are none no payload comes back")


_FETCHES = ("store.get_stream", "store.get", "store.metadata", "store.exists")


@check("CC6", "CC5", "CC4")
@gauntlet(
    lambda limits: [
        {"what": what, "chunks": chunks} for what in ("error before", "refuse AccessDenied") for chunks in (False, True)
    ]
)
async def what_cannot_be_fetched_now_is_not_gone(claims: Bound[ClaimCheck], case: Case, what: str, chunks: bool) -> None:
    """A store that does not answer, or denies, says nothing of a claim: its error is raised, or the fetch tried again. The message
    stays whose it was, and comes again when it is given back."""
    async with claims.opened(threshold=T) as check_in, check_in.consume(TOPIC, "c") as consumer:
        await check_in.publish(TOPIC, BIG)
        delivery = await take(consumer)
        befall(claims, what, *_FETCHES)
        try:
            same("CC1", await (taken if chunks else _read)(consumer, delivery), BIG, "a payload does not come back")
        except _CANNOT_BE_HAD as error:
            broken(
                "CC6",
                "a claim that cannot be fetched for now is told to be gone, or damaged",
                expected="the store's error",
                got=error,
            )
        except PrismError:
            pass  # as the store said
        claims.heal()
        same("CC6", await consumer.read(delivery), BIG, "a claim that could not be fetched once cannot be read again")
        await consumer.nack(delivery)
        same("CC4", await consumer.read(await take(consumer, "CC6")), BIG, "a message comes again without its payload")


async def _read(consumer: ClaimConsumer, delivery: ClaimDelivery) -> bytes:
    return await consumer.read(delivery)


async def _left(consumer: Any) -> list[bytes]:
    """Return what comes, read and acked."""
    found = []
    while (delivery := await consumer.receive(0)) is not None:
        found.append(await consumer.read(delivery))
        await consumer.ack(delivery)
    return found


@check("CC1", "CC4")
async def a_consumer_begins_where_its_queue_does(claims: Bound[ClaimCheck], case: Case) -> None:
    """The first to come begins with the oldest message, who comes again behind what it acked; without acks each time with the
    oldest, or where nothing is kept with the next. Where a message has several consumers, so it is for each of them."""
    kept, acks = claims.interfaces["queue"] != "pubsub_basic", has_acks(claims)
    sent = [BIG, b"inline", BIG[::-1]]
    async with claims.opened(threshold=T) as check_in:
        for turn, payload in enumerate(sent):
            await check_in.publish(TOPIC, payload)
            async with AsyncExitStack() as stack:
                names = ("c",) if pattern_of(claims) == "queue" else ("c", "d")
                for consumer in [await stack.enter_async_context(check_in.consume(TOPIC, name)) for name in names]:
                    delivery = await take(consumer) if kept else await consumer.receive(0)
                    if delivery is None or not kept:
                        same("CC1", delivery, None, "a message came that was published before anybody listened")
                        continue
                    told = f"entered for the {turn + 1}. time a consumer begins elsewhere"
                    same("CC1", await consumer.read(delivery), sent[turn] if acks else sent[0], told)
                    await consumer.ack(delivery)
                    rest = [] if acks else sent[1 : turn + 1]
                    same("CC1", await _left(consumer), rest, "behind the first message other ones come than were published")
