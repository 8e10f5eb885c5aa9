"""Claim check, promises 5, 6 and 8: damage is noticed, absence is told apart, and those who disagree are refused."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any

from prism_patterns.claim_check import Claim, ClaimCheck, ClaimExpired, ClaimNotFound, Receipt
from prism_suites._claims import FIELD, TOPIC, T, beside, digest, has_acks, mode, sent_messages, skewed, take, taken
from prism_suites._claims_racing import planned, raced
from prism_suites._claims_references import refers
from prism_suites._judging import broken, refused, same
from prism_testkit.bound import Bound
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces.errors import BucketNotFound, ConfigError, CorruptPayload
from prism_testkit.plan import Plan

BIG = bytes((7 * i + i // 256) % 256 for i in range(2048))
DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "truncated by one": lambda data: data[:-1],
    "truncated to half": lambda data: data[: len(data) // 2],
    "one byte longer": lambda data: data + b"\x00",
    "twice": lambda data: data + data,
    "first bit": lambda data: bytes([data[0] ^ 1]) + data[1:],
    "middle bit": lambda data: data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 16]) + data[len(data) // 2 + 1 :],
    "last bit": lambda data: data[:-1] + bytes([data[-1] ^ 128]),
    "same length": lambda data: b"\x00" * len(data),
    "swapped halves": lambda data: data[len(data) // 2 :] + data[: len(data) // 2],
    "gzip of other bytes": lambda data: gzip.compress(b"other" * 400, mtime=0),
    "gzip of as many": lambda data: gzip.compress(b"\x01" * len(BIG), mtime=0),
    "gzip of more": lambda data: gzip.compress(BIG + b"more", mtime=0),
    "gzip cut": lambda data: gzip.compress(BIG, mtime=0)[:-4],
}


@check("CC5")
@gauntlet(
    lambda limits: (
        [
            {"damage": damage, "compression": compression, "read_before": number % 2 == 1}
            for compression in ("none", "gzip", "zstd")
            for number, damage in enumerate(DAMAGES)
        ]
        + [
            {"damage": d, "compression": "none", "read_before": False, "times": t}
            for d, t in (("middle bit", 600), ("last bit", 4_800))
        ]
    )
)
async def damage_is_noticed(
    claims: Bound[ClaimCheck], case: Case, damage: str, compression: str, read_before: bool, times: int = 1
) -> None:
    """A changed, truncated or prolonged object raises CorruptPayload, of any size, from read and from chunks, and can be given
    back (CC-7)."""
    if beside(case, claims, codec=compression):
        return
    sent = BIG * times
    async with claims.opened(threshold=T, compression=compression) as check_in, check_in.consume(TOPIC, "c") as consumer:
        receipt = await check_in.publish(TOPIC, sent)
        assert receipt.claim is not None
        store = await claims.look("store")
        whole = await store.get(receipt.claim.bucket, receipt.claim.key)
        delivery = await take(consumer)
        if read_before:
            same("CC5", await consumer.read(delivery), sent, "a payload does not come back")
        await store.put(receipt.claim.bucket, receipt.claim.key, DAMAGES[damage](whole))
        await refused(
            "CC5", consumer.read(delivery), CorruptPayload, f"an object that was damaged ({damage}) is read as if nothing were"
        )
        await refused(
            "CC5", taken(consumer, delivery), CorruptPayload, f"the chunks of a damaged object ({damage}) end as if nothing were"
        )
        await store.put(receipt.claim.bucket, receipt.claim.key, whole)
        same("CC5", await consumer.read(delivery), sent, "a payload that was mended does not come back")
        await consumer.nack(delivery)


@check("CC5")
@gauntlet(lambda limits: [{"compression": c, "same_length": same} for c in ("none", "gzip", "zstd") for same in (True, False)])
async def a_swap_is_noticed(claims: Bound[ClaimCheck], case: Case, compression: str, same_length: bool) -> None:
    """The object of another claim, whole in itself, with all that the store knows of it, raises CorruptPayload (CC-7)."""
    mine = BIG * (600 if same_length and compression != "none" else 1)  # 1.2 MB
    other = mine[::-1] if same_length else BIG + BIG
    if beside(case, claims, codec=compression):
        return
    async with claims.opened(threshold=T, compression=compression) as check_in, check_in.consume(TOPIC, "c") as consumer:
        first, second = await check_in.publish(TOPIC, mine), await check_in.publish(TOPIC, other)
        assert first.claim is not None
        assert second.claim is not None
        store = await claims.look("store")
        about = await store.metadata(second.claim.bucket, second.claim.key)
        await store.put(
            first.claim.bucket,
            first.claim.key,
            await store.get(second.claim.bucket, second.claim.key),
            content_type=about.content_type,
            content_encoding=about.content_encoding,
            user_metadata=about.user_metadata,
        )
        await refused("CC5", consumer.read(await take(consumer)), CorruptPayload, "the payload of another message is read")


@check("CC5")
@gauntlet(lambda limits: [{"compression": compression} for compression in ("none", "gzip", "zstd")])
async def the_checksum_is_of_the_original(claims: Bound[ClaimCheck], case: Case, compression: str) -> None:
    """The checksum and the size are those of the payload, whatever its compression, and travel in the message (CC-7)."""
    if beside(case, claims, codec=compression):
        return
    async with claims.opened(threshold=T, compression=compression) as check_in, check_in.consume(TOPIC, "c") as consumer:
        receipt = await check_in.publish(TOPIC, BIG)
        delivery = await take(consumer)
        for claim, where in ((receipt.claim, "receipt"), (delivery.claim, "delivery")):
            assert claim is not None
            found = (claim.size, claim.checksum, claim.compression)
            same("CC5", found, (len(BIG), digest(BIG), compression), f"size, checksum or compression in the {where} are others")
        (message,) = sent_messages(case)
        if not refers(message.headers.get(FIELD, ""), digest(BIG).removeprefix("sha256:")):
            broken("CC5", "the checksum of the payload is not in the message", expected=digest(BIG), got=message.headers.get(FIELD))


_AGES_S = {100.0: (0.0, 99.0, 99.9, 100.0, 100.1, 101.0, 10_000.0), 0.9: (0.0, 0.5, 0.8, 1.0, 10.0), 1.9: (0.0, 1.5, 2.0, 2.5)}
"""By the most age: ages at which absence is asked for."""


@check("CC6")
@gauntlet(
    lambda limits: [
        {"max_age_s": max_age_s, "skew_s": skew_s, "compression": compression}
        for max_age_s, skew_s, compression in (
            (100.0, 0.0, "none"),
            (100.0, 1e6, "gzip"),
            (100.0, -1e6, "none"),
            (0.0, 0.0, "gzip"),
            (0.9, 0.0, "none"),
            (1.9, 0.0, "none"),
        )
    ]
)
async def an_absent_claim_says_how_old_it_is(
    claims: Bound[ClaimCheck], case: Case, max_age_s: float, skew_s: float, compression: str
) -> None:
    """A claim that is gone raises ClaimExpired past max_age by the store's clock, else ClaimNotFound, by name, each time it is
    read; the message comes again when it is nacked, and can be acked (CC-8)."""
    clock = skewed(claims, skew_s)
    config: dict[str, Any] = {"threshold": T, "max_age_s": max_age_s, "grace_period_s": 1e6, "compression": compression}
    if case.clock.virtual:
        await case.advance(0.6)  # it is stored in the midst of a second
    async with claims.opened(**config) as check_in, check_in.consume(TOPIC, "c") as consumer:
        receipt = await check_in.publish(TOPIC, BIG)
        assert receipt.claim is not None
        store = await claims.look("store")
        await store.delete(receipt.claim.bucket, receipt.claim.key)
        began_s = case.clock.now_s()
        for age_s in _AGES_S[max_age_s] if case.clock.virtual and max_age_s else (0.0, 1.0) if case.clock.virtual else (0.0,):
            if age_s:
                await case.advance(max(0.0, began_s + age_s - case.clock.now_s()))
            if abs(age_s - max_age_s) <= case.limits.clock_resolution_s:
                if not skew_s and case.clock.virtual:
                    delivery = await take(consumer, "CC6")
                    await _is_as_old_as_the_clock_says(store, receipt.claim, consumer.read(delivery), max_age_s)
                    await consumer.nack(delivery)
                continue
            delivery = await take(consumer, "CC6")
            wanted: type[Exception] = ClaimExpired if age_s > max_age_s else ClaimNotFound
            for fetch in (consumer.read, partial(taken, consumer)):
                await _is_absent(fetch(delivery), wanted, receipt.claim.key, f" after {age_s:g} s{clock}")
            await consumer.nack(delivery)
        delivery = await take(consumer, "CC6")
        await store.delete_bucket(receipt.claim.bucket, force=True)
        sentence = "a claim that is gone with its bucket is called neither absent nor what the store calls it"
        await refused("CC6", consumer.read(delivery), (ClaimExpired, ClaimNotFound, BucketNotFound), sentence)
        await store.create_bucket(receipt.claim.bucket)
        await consumer.ack(delivery)


async def _is_as_old_as_the_clock_says(store: Any, claim: Claim, read: Awaitable[bytes], max_age_s: float) -> None:
    """Judge what a read of an absent claim raises where its age is at its limit: by what the store's clock told the pattern."""
    told = ""
    try:
        await read
    except (ClaimExpired, ClaimNotFound) as error:
        told = type(error).__name__
    clock = await store.metadata(claim.bucket, f"{claim.key.rpartition('/')[0]}/_clock")
    if clock is None:
        return  # nobody asked what time it is
    age_ms = clock.last_modified_ms - claim.stored_ms
    wanted = "ClaimExpired" if age_ms > max_age_s * 1000 else "ClaimNotFound"
    sentence = f"a claim that is {age_ms} ms old, where {max_age_s * 1000:g} are allowed, and gone, is called otherwise"
    same("CC6", told, wanted, sentence)


_LOOKS = ("exists", "metadata", "get", "get_stream")


@check("CC6")
@gauntlet(lambda limits: [{"number": number, "compression": c} for number in range(3) for c in ("none", "gzip")])
async def a_claim_may_go_at_any_moment(claims: Bound[ClaimCheck], case: Case, number: int, compression: str) -> None:
    """A claim that is removed between two looks of a read is read whole, or absent as any other, by name (CC-8)."""
    seen = 0

    def vanishing(store: Any) -> None:
        async def look(bucket: str, key: str) -> None:
            nonlocal seen
            if receipt.claim is not None and key == receipt.claim.key:
                if seen == number:
                    await behind.delete(bucket, key)
                seen += 1

        def coming(name: str) -> Any:
            strict = getattr(store, name)

            async def asked(bucket: str, key: str) -> Any:
                await look(bucket, key)
                return await strict(bucket, key)

            async def streamed(bucket: str, key: str) -> AsyncIterator[bytes]:
                await look(bucket, key)
                async for chunk in strict(bucket, key):
                    yield chunk

            return streamed if name == "get_stream" else asked

        for name in _LOOKS:
            setattr(store, name, coming(name))

    receipt = Receipt("", None)
    behind = await claims.look("store")
    claims.change("store", vanishing)
    async with claims.opened(threshold=T, compression=compression) as check_in, check_in.consume(TOPIC, "c") as consumer:
        receipt = await check_in.publish(TOPIC, BIG)
        delivery = await take(consumer)
        seen = 0
        for fetch in (consumer.read, partial(taken, consumer)):
            try:
                same("CC6", await fetch(delivery), BIG, "a payload that was removed meanwhile is read as another")
            except ClaimNotFound as error:
                if receipt.claim is not None and receipt.claim.key not in str(error):
                    broken("CC6", "the error does not name the claim", expected=receipt.claim.key, got=str(error))
            except Exception as error:
                told = f"{type(error).__name__}: {error}"
                broken("CC6", "a claim that goes while it is read raises another error", expected="ClaimNotFound", got=told)


async def _is_absent(fetched: Awaitable[Any], wanted: type[Exception], key: str, when: str) -> None:
    """Judge that what is fetched raises this error, by the name of its claim."""
    try:
        await fetched
    except wanted as error:
        if key not in str(error):
            broken("CC6", "the error does not name the claim", expected=key, got=str(error))
    except Exception as error:
        told = f"{type(error).__name__}: {error}"
        broken("CC6", f"an absent claim raises another error{when}", expected=wanted.__name__, got=told)
    else:
        broken("CC6", f"an absent claim is read as if it were there{when}", expected=wanted.__name__)


DISAGREEMENTS: tuple[tuple[dict[str, Any], dict[str, Any]], ...] = (
    ({"compression": "gzip"}, {"compression": "none"}),
    ({"compression": "none"}, {"compression": "zstd"}),
    ({"max_age_s": 100.0}, {"max_age_s": 100.5}),
    ({"max_age_s": 100.0}, {"max_age_s": 0.0}),
    ({"max_age_s": 0.0}, {"max_age_s": 100.0}),
    ({"max_age_s": 0.0}, {"max_age_s": 0.5}),
    ({"max_age_s": 1.0}, {"max_age_s": 1.001}),
    ({}, {"max_age_s": 0.0}),
    ({}, {"max_age_s": 86_400.25}),
)


@check("CC8", "lifecycle.1")
@gauntlet(lambda limits: [{"sides": sides} for sides in DISAGREEMENTS])
async def those_who_disagree_are_refused(
    claims: Bound[ClaimCheck], case: Case, sides: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    """Over one bucket and prefix compression and max_age must agree; who comes second is told both sides, each time (CC-8)."""
    mine, theirs = sides
    if beside(case, claims, codec=theirs.get("compression")):
        return
    cleanup = mode(claims, "c") if has_acks(claims) and "max_age_s" in theirs else {"cleanup": "sweep"}
    async with claims.opened(threshold=T, **cleanup, **mine):
        pass
    name = next(iter(theirs))
    before = asyncio.all_tasks()
    for told in ("", " when he tried again", " when he tried a third time"):
        try:
            async with claims.opened(threshold=T, **cleanup, **theirs):
                pass
        except ConfigError as error:
            for side in (str(theirs[name]), *(str(value) for value in mine.values())):
                if side not in str(error):
                    broken("CC8", f"the refusal does not name both sides{told}", expected=side, got=str(error))
        else:
            broken("CC8", f"one who disagrees was let in{told}", expected="ConfigError", got="open")
    left = [each for each in asyncio.all_tasks() - before if not each.done()]
    if case.clock.virtual:  # else some may be a driver's
        same("lifecycle.1", left, [], "one who was refused left tasks running")
    async with claims.opened(threshold=2 * T, cleanup="sweep", **mine), claims.opened(threshold=T, prefix="claims/x", **theirs):
        pass  # the same again, another threshold, and another prefix are no disagreement


@check("CC8")
@planned(24)
async def of_those_who_disagree_at_once_one_is_refused(claims: Bound[ClaimCheck], case: Case, plan: Plan) -> None:
    """However two who disagree meet at their entries, a store that creates lets one of them in; where there is none that creates,
    one is refused at the next entry (CC-8)."""
    sides: tuple[dict[str, Any], ...] = ({"max_age_s": 100.0}, {"max_age_s": 200.0})

    async def enter(side: dict[str, Any]) -> bool:
        try:
            async with claims.opened(threshold=T, cleanup="retain", **side):
                return True
        except ConfigError:
            return False

    entered = await raced(case, plan, *(enter(side) for side in sides))
    again = [await enter(side) for side in sides]
    if claims.interfaces["store"] == "object_storage_conditional":
        same("CC8", sum(entered), 1, "two who disagree were entered at once, and others than one of them were let in")
        same("CC8", again, entered, "who was let in is refused at the next entry, or the other way round")
    same("CC8", sum(again), 1, "of two who disagree others than one are let in at the next entry")


@check("CC7", "CC8")
async def an_agreement_does_not_grow_old(claims: Bound[ClaimCheck], case: Case) -> None:
    """Those who disagree are refused after any time, and any number of sweeps (CC-8)."""
    if beside(case, claims, time=True):
        return
    config: dict[str, Any] = {"threshold": T, "max_age_s": 1_000.0, "grace_period_s": 1_000.0, "cleanup": "sweep"}
    async with claims.opened(**config) as check_in:
        await check_in.publish(TOPIC, BIG)
        await case.advance(10_000.0)
        await check_in.sweep()
    try:
        async with claims.opened(**{**config, "max_age_s": 2_000.0}):
            broken("CC8", "one who disagrees was let in after a time", expected="ConfigError", got="open")
    except ConfigError:
        pass  # as it must


@check("CC8")
@gauntlet(lambda limits: [{"cleanup": c, "number": n} for c in ("sweep", "retain") for n in range(3)])
async def nobody_is_asked_for_acks_who_needs_none(claims: Bound[ClaimCheck], case: Case, cleanup: str, number: int) -> None:
    """Without on_ack every queue will do, whoever is named."""
    try:
        async with claims.opened(threshold=T, cleanup=cleanup, consumers=("a", "b")[:number]):
            pass
    except ConfigError as error:
        broken("CC8", f"{cleanup} with {number} named consumers is refused", expected="open", got=error)


@check("CC8")
async def acks_are_asked_for_where_there_are_acks(claims: Bound[ClaimCheck], case: Case) -> None:
    """on_ack is refused on a queue without acks, without names on pubsub_persistent, with two names on a queue (CC-8)."""
    queue = claims.interfaces["queue"]
    allowed = {
        "pubsub_persistent": {1: True, 2: True, 0: False},
        "stream_consumer_groups": {1: True, 2: True, 0: True},
        "queue_visibility": {1: True, 2: False, 0: True},
    }.get(queue, {0: False, 1: False, 2: False})
    for number, fits in sorted(allowed.items(), key=lambda each: each[1]):
        # Who is refused has agreed to nothing: another max_age is no disagreement.
        config = {"threshold": T, "cleanup": "on_ack", "consumers": ("a", "b")[:number], "max_age_s": 200.0 if fits else 100.0}
        try:
            async with claims.opened(**config):
                opened = True
        except ConfigError:
            opened = False
        same("CC8", opened, fits, f"on_ack with {number} named consumers on {queue} is {'refused' if fits else 'let in'}")


@check("CC8")
@gauntlet(
    lambda limits: [
        {"config": config}
        for config in (
            {"threshold": -1},
            {"treshold": 10},
            {"compression": "lzma"},
            {"max_age_s": float("nan")},
            {"max_age_s": -1.0},
            {"checksum": "md5"},
            {"cleanup": "never"},
            {"grace_period_s": float("inf")},
            {"bucket": ""},
            {"consumers": ("a", "a")},
        )
    ]
)
async def a_wrong_configuration_is_refused_in_words(claims: Bound[ClaimCheck], case: Case, config: dict[str, Any]) -> None:
    """A wrong or unknown key is a ConfigError that names it (CC-8)."""
    try:
        async with claims.opened(**config):
            broken("CC8", "a wrong configuration was let in", expected="ConfigError", got=config)
    except ConfigError as error:
        if next(iter(config)) not in str(error):
            broken("CC8", "the refusal does not name the key", expected=next(iter(config)), got=str(error))
