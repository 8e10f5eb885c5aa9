"""Claim check, promises 1 and 2: what is published comes back, inline or claimed, and messages stay small."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from prism_patterns.claim_check import ClaimCheck, ClaimConsumer
from prism_suites._claims import FIELD, SENDS, TOPIC, T, chunked, claims_there, pieces, sent_messages, take, taken
from prism_suites._judging import broken, refused, same, truth
from prism_testkit.bound import Bound
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces.errors import PayloadTooLarge
from prism_testkit.traits import Limits

SIZES = (0, 1, T - 1, T, T + 1, 2 * T, 255, 256, 4096, 65535, 65537, 262143, 262144, 262145, 600_001)
_BLOCK = bytes((7 * i + i // 251) % 256 for i in range(65_521))
"""Its length is prime, so that no chunk is like another."""
LOOKS = (b"\x1f\x8b" + b"0" * 70, b"\x28\xb5\x2f\xfd" + b"1" * 70, b'{"bucket":"b","key":"k"}' * 3, b"\x00" * 80, bytes(range(256)))


def _payload(size: int) -> bytes:
    return (_BLOCK * (size // len(_BLOCK) + 1))[:size]


async def _there_and_back(
    claims: Bound[ClaimCheck], case: Case, payload: bytes, headers: Mapping[str, str], given: Any, **config: Any
) -> None:
    await _all_there_and_back(claims, case, [(payload, headers, given)], **config)


async def _all_there_and_back(
    claims: Bound[ClaimCheck], case: Case, sent: Sequence[tuple[bytes, Mapping[str, str], Any]], **config: Any
) -> None:
    """Publish each and take it back; what is listed goes one after another through one instance, which is quicker to open."""
    async with claims.opened(threshold=T, **config) as check_in, check_in.consume(TOPIC, "c") as consumer:
        claimed_before = 0
        for number, (payload, headers, given) in enumerate(sent):
            await _one_there_and_back(claims, case, check_in, consumer, payload, headers, given, number, claimed_before)
            claimed_before += len(payload) > T


async def _one_there_and_back(
    claims: Bound[ClaimCheck],
    case: Case,
    check_in: ClaimCheck,
    consumer: ClaimConsumer,
    payload: bytes,
    headers: Mapping[str, str],
    given: Any,
    number: int,
    claimed_before: int,
) -> None:
    receipt = await check_in.publish(TOPIC, given, headers)
    delivery = await take(consumer)
    same("CC1", await consumer.read(delivery), payload, "a payload does not come back byte for byte")
    same("CC1", await taken(consumer, delivery), payload, "the chunks of a payload are not the payload")
    same("CC1", dict(delivery.headers), dict(headers), "the headers do not come back as they were given")
    same("CC1", (delivery.topic, delivery.message_id), (TOPIC, receipt.message_id), "topic or id of a delivery are others")
    claimed = len(payload) > T
    truth("CC1", receipt.claim is not None, claimed, "the receipt says otherwise than the threshold, whether it is claimed")
    truth("CC1", delivery.claim is not None, claimed, "the delivery says otherwise than the threshold, whether it is claimed")
    message = sent_messages(case)[number]
    truth("CC1", FIELD in message.headers, claimed, "the header of a claim is not on exactly the messages that are claimed")
    same(
        "CC1",
        len(await claims_there(claims)),
        claimed_before + claimed,
        "the number of stored objects is another than that of claims",
    )
    if claimed:
        same("CC1", message.payload, b"", "the message of a claim carries a payload")
    await consumer.ack(delivery)


@check("CC1", "CC5")
@gauntlet(
    lambda limits: (
        [{"size": size, "compression": "none"} for size in SIZES]
        + [{"size": size, "compression": c} for c in ("gzip", "zstd") for size in (T, T + 1, 262145)]
    )
)
async def a_payload_of_every_size_comes_back(claims: Bound[ClaimCheck], case: Case, size: int, compression: str) -> None:
    """A payload comes back byte for byte, claimed if it is longer than the threshold, with every compression (CC-1, CC-2)."""
    payload = _payload(size)
    await _there_and_back(claims, case, payload, {"a": "b"}, payload, compression=compression)


@check("CC1")
@gauntlet(lambda limits: [{"payloads": [*LOOKS, *[look[:T] for look in LOOKS]]}])
@given(payloads=st.tuples(st.binary(max_size=3 * T)).map(list))
async def a_payload_may_look_like_anything(claims: Bound[ClaimCheck], case: Case, payloads: list[bytes]) -> None:
    """What looks compressed, or like a reference, is a payload like any other (CC-9, CC-11)."""
    await _all_there_and_back(claims, case, [(payload, {}, payload) for payload in payloads], compression="gzip")


def _chunkings(limits: Limits) -> list[dict[str, Any]]:
    whole = _payload(3 * T)
    return [
        {"parts": parts}
        for parts in (
            [],
            [b""],
            [b"", b"", b"x"],
            [whole[:T]],
            [whole[:T], b""],
            [whole[:T], b"y"],
            pieces(whole, 1),
            pieces(whole, 0, 7),
            [whole],
            [b"", whole, b""],
            pieces(_payload(700_000), 262_144),
            pieces(_payload(300_000), 299_999),
            pieces(whole[: T + 1], T),
        )
    ]


@check("CC1", "CC2")
@gauntlet(_chunkings)
@given(parts=st.lists(st.binary(max_size=T), max_size=5))
async def a_stream_is_published_like_its_bytes(claims: Bound[ClaimCheck], case: Case, parts: list[bytes]) -> None:
    """An async iterator is the concatenation of its chunks, however they are cut."""
    await _there_and_back(claims, case, b"".join(parts), {"h": ""}, chunked(*parts))


@check("CC1")
@gauntlet(
    lambda limits: [
        {"parts": pieces(_payload(size), cut)}
        for size, cut in ((T, T // 2), (T, T + 1), (3 * T, T // 2), (3 * T, T + 1), (300_000, 4 * T + 1), (300_000, 65_536))
    ]
)
async def a_stream_may_use_one_buffer_again_and_again(claims: Bound[ClaimCheck], case: Case, parts: list[bytes]) -> None:
    """A chunk is taken before the next one is asked for: whoever reads into one buffer is served like anybody."""

    async def source() -> AsyncIterator[bytearray]:
        buffer = bytearray(max(map(len, parts)))
        for part in parts:
            buffer[:] = part
            yield buffer
            buffer[:] = b"\xff" * len(part)

    await _there_and_back(claims, case, b"".join(parts), {}, source())


HEADERS: tuple[dict[str, str], ...] = (
    {FIELD: "mine"},
    {FIELD: "a", f"{FIELD}'": "b", f"{FIELD}''": "c"},
    {f"{FIELD}'": "only this"},
    {FIELD.upper(): "x", FIELD: "y"},
    {f"{FIELD}-": "z", f"{FIELD}s": "", f" {FIELD}": "q", f"{FIELD} ": "r"},
    {"x": ""},
    {"é": "é", "e\u0301": "2"},
    {"content-type": "image/png", "Content-Type": "other"},
    {"k\n": "v\n\x00"},
    {"n" * 512: "v" * 512},
    {FIELD: '{"bucket":"claim-check","key":"claims/0","size":1,"checksum":"","compression":"none","stored_ms":0}'},
    {f"h{i}": "v" * 20 for i in range(100)},
)


_TEXTS = st.one_of(
    st.text(max_size=8).filter(str.isprintable),
    st.sampled_from(["", " ", " x", "x ", "\tx\n", "\x00", "X", '"', "\\", "%41", "e\u0301"]),
)
"""Texts that something on the way may trim, fold, decode or take for nothing."""


@check("CC1")
@gauntlet(lambda limits: [{"headers": list(HEADERS), "size": size} for size in (3, T + 1)])
@given(
    headers=st.tuples(
        st.dictionaries(st.sampled_from([FIELD, f"{FIELD}'", FIELD.upper(), "a", "A", " a", "b"]), _TEXTS, max_size=7)
    ).map(list),
    size=st.integers(0, 2 * T),
)
async def headers_come_back_as_they_were(claims: Bound[ClaimCheck], case: Case, headers: list[dict[str, str]], size: int) -> None:
    """Every header comes back as it was, one with the name of ours included; a forged reference is a header (CC-1, CC-9)."""
    payload = _payload(size)
    await _all_there_and_back(claims, case, [(payload, each, payload) for each in headers])


@check("CC1")
@gauntlet(lambda limits: [{"room": room} for room in (0, 1, 40, 100)])
async def headers_that_leave_no_room_are_refused(claims: Bound[ClaimCheck], case: Case, room: int) -> None:
    """Headers that leave no room for the reference raise PayloadTooLarge before anything is stored; inline they are welcome."""
    headers = {"h": "v" * (8 * 1024 - 1 - room)}
    async with claims.opened(threshold=T) as check_in, check_in.consume(TOPIC, "c") as consumer:
        await refused(
            "CC1", check_in.publish(TOPIC, b"x" * (T + 1), headers), PayloadTooLarge, "headers leave no room, and are not refused"
        )
        effects = [f"{entry.op}{entry.args[:2]}" for entry in case.history.entries if _Upload(entry).is_effect]
        same("CC1", effects, [], "headers that leave no room were refused after an effect")
        await check_in.publish(TOPIC, b"x", headers)
        delivery = await take(consumer)
        same("CC1", dict(delivery.headers), headers, "headers of 8 KiB do not come back")
        same("CC1", await consumer.read(delivery), b"x", "another message comes than the one that was not refused")


@check("CC1")
@gauntlet(lambda limits: [{"kind": kind, "size": size} for kind in ("bytearray", "memoryview") for size in (T, T + 1)])
async def the_callers_buffer_is_the_callers(claims: Bound[ClaimCheck], case: Case, kind: str, size: int) -> None:
    """A bytes-like payload is taken as it is at the call, and changed afterwards changes nothing."""
    buffer = bytearray(_payload(size))
    async with claims.opened(threshold=T) as check_in, check_in.consume(TOPIC, "c") as consumer:
        await check_in.publish(TOPIC, buffer if kind == "bytearray" else memoryview(buffer))
        buffer[:] = b"\xff" * size
        same("CC1", await consumer.read(await take(consumer)), _payload(size), "a payload changed with the caller's buffer")


@check("CC1", "CC4")
@gauntlet(lambda limits: [{"payloads": [b"a" * 100, b"a" * 100, b"b" * 100, b"a" * 3, b"a" * 3]}])
@given(payloads=st.lists(st.sampled_from([b"a" * 100, b"a", b"b" * 100, b"", b"c" * 65]), min_size=2, max_size=6))
async def every_message_has_its_own_payload(claims: Bound[ClaimCheck], case: Case, payloads: list[bytes]) -> None:
    """Equal payloads are messages of their own, each with an object of its own (CC-10)."""
    async with claims.opened(threshold=T) as check_in, check_in.consume(TOPIC, "c") as consumer:
        receipts = [await check_in.publish(TOPIC, payload, {"n": str(n)}) for n, payload in enumerate(payloads)]
        keys = [receipt.claim.key for receipt in receipts if receipt.claim is not None]
        same("CC4", len(set(keys)), len(keys), "two claims share an object")
        found = {}
        for _ in payloads:
            delivery = await take(consumer)
            found[delivery.headers["n"]] = await consumer.read(delivery)
            await consumer.ack(delivery)
        same("CC1", found, {str(n): payload for n, payload in enumerate(payloads)}, "messages came with the payloads of others")
        same("CC1", await consumer.receive(0), None, "more came than was published")


def _reference_size(headers: Mapping[str, str], own: Mapping[str, str]) -> int:
    size = sum(len(name.encode()) + len(value.encode()) for name, value in headers.items())
    return size - sum(len(name.encode()) + len(value.encode()) for name, value in own.items())


@check("CC2")
@gauntlet(
    lambda limits: [
        {"bucket": bucket, "prefix": prefix, "size": size}
        for bucket, prefix in (("claim-check", "claims"), ("b" * 60, "p" * 60), ("é\n\x00", "a/b/c"), ("b", "\U0001f600" * 10))
        for size in (T + 1, 300_000)
    ]
)
async def the_message_of_a_claim_is_small(claims: Bound[ClaimCheck], case: Case, bucket: str, prefix: str, size: int) -> None:
    """The message of a claimed payload is under 2 KiB besides the user's headers, whatever the size."""
    own = {"user": "u" * 1000}
    async with claims.opened(threshold=T, bucket=bucket, prefix=prefix) as check_in, check_in.consume(TOPIC, "c") as consumer:
        await check_in.publish(TOPIC, _payload(size), own)
        (message,) = sent_messages(case)
        overhead = len(message.payload) + _reference_size(message.headers, own)
        if overhead >= 2048:
            broken("CC2", "the message of a claim is not under 2 KiB", expected="< 2048", got=overhead)
        same("CC1", await consumer.read(await take(consumer)), _payload(size), "a payload does not come back")


@check("CC2")
async def a_stream_is_never_held_whole(claims: Bound[ClaimCheck], case: Case) -> None:
    """An upload begins when the threshold is passed, not when the stream has ended, and goes on as chunks come (CC-2)."""
    parts, size = 40, 256 * 1024
    began: list[int] = []

    async def source() -> AsyncIterator[bytes]:
        for number in range(parts):
            entries = case.history.entries
            if any(entry.op == "store.put_stream" and not entry.key_is_own for entry in map(_Upload, entries)):
                began.append(number)
            yield bytes([number]) * size

    async with claims.opened(threshold=T) as check_in, check_in.consume(TOPIC, "c") as consumer:
        await check_in.publish(TOPIC, source())
        first = began[0] if began else parts
        if first * size > 8 * 1024 * 1024:
            broken(
                "CC2",
                "a stream was gathered before its upload began",
                expected="an upload within 8 MiB",
                got=f"after {first * size} bytes",
            )
        delivery = await take(consumer)
        at = 0
        async for chunk in consumer.chunks(delivery):
            if len(chunk) > 8 * 1024 * 1024:
                broken("CC2", "a chunk is over 8 MiB", expected="at most 8 MiB", got=len(chunk))
            at += len(chunk)
        same("CC1", at, parts * size, "a stream comes back with another length")
        own = {"_config", "_clock"}
        gets = [e for e in case.history.entries if e.op == "store.get" and e.args[1].rpartition("/")[2] not in own]
        same("CC2", gets, [], "a claim that is read in chunks was fetched whole")


@check("CC2")
@gauntlet(lambda limits: [{"compression": compression} for compression in ("none", "gzip", "zstd")])
async def a_claim_is_never_held_whole(claims: Bound[ClaimCheck], case: Case, compression: str) -> None:
    """The first chunk is given before the object was fetched whole, and none is large, though much may stand in a few bytes."""
    parts, size = 9, 1024 * 1024
    async with claims.opened(threshold=T, compression=compression) as check_in, check_in.consume(TOPIC, "c") as consumer:
        await check_in.publish(TOPIC, chunked(*[bytes(size)] * parts))
        at = 0
        async for chunk in consumer.chunks(await take(consumer)):
            fetched = [entry.returned for entry in case.history.entries if entry.op == "store.get_stream"]
            if not at and compression == "none" and any(fetched):
                broken("CC2", "a claim was fetched whole before its first chunk was given")
            at += len(chunk)
            if len(chunk) > 8 * size:
                broken("CC2", "a chunk is over 8 MiB", expected="at most 8 MiB", got=len(chunk))
        same("CC1", at, parts * size, "a stream comes back with another length")


class _Upload:
    """A call as far as it may be the upload of a claim."""

    def __init__(self, entry: Any) -> None:
        self.op = entry.op
        key = entry.args[1] if len(entry.args) > 1 else entry.kwargs.get("key", "")
        self.key_is_own = str(key).rpartition("/")[2].startswith("_")

    @property
    def is_effect(self) -> bool:
        """Something was stored that is not the pattern's own, or sent."""
        return self.op in SENDS or (self.op.startswith("store.put") and not self.key_is_own)
