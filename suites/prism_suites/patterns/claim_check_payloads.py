"""Claim check, promises 1 and 2: what is published comes back, inline or claimed, and messages stay small."""

import gzip
import tempfile
import tracemalloc
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from prism_patterns.claim_check import ClaimCheck
from prism_suites._buffers import BUFFERS
from prism_suites._claims import TOPIC, T, beside, chunked, pieces, sent_messages, take
from prism_suites._claims_sending import all_there_and_back, payload_of, there_and_back
from prism_suites._judging import broken, same
from prism_suites._tracing import traced
from prism_testkit.bound import Bound
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.traits import Limits

SIZES = (0, 1, T - 1, T, T + 1, 2 * T, 255, 256, 4096, 65535, 65537, 262143, 262144, 1_000_001, 15 * 2**18 + 1)
"""The last are one byte over multiples of most lengths to cut by: of thousands, of powers of two, and of 3 or 5 times those."""
_MOST = 8 * 1024 * 1024
"""The longest chunk."""
_PACKED = gzip.compress(bytes(range(100)), mtime=0)
LOOKS = (
    b"\x1f\x8b" + b"0" * 70,
    b"\x28\xb5\x2f\xfd" + b"1" * 70,
    b"\x28\xb5\x2f\xfd\x24\x50\x81\x02\x00" + b"z" * 80,
    b'{"bucket":"b","key":"k"}' * 3,
    b"\x00" * 80,
    bytes(range(256)),
    _PACKED,
    gzip.compress(_PACKED, mtime=0),
)
"""Beginnings of what is packed, references, and what is packed indeed, once and twice."""


@check("CC1", "CC5")
@gauntlet(
    lambda limits: (
        [{"size": size, "compression": "none"} for size in SIZES]
        + [{"size": size, "compression": c} for c in ("gzip", "zstd") for size in (T, T + 1, 262145)]
        + [{"size": 2**21 + 1, "compression": c, "alike": True} for c in ("gzip", "zstd")]
    )
)
async def a_payload_of_every_size_comes_back(
    claims: Bound[ClaimCheck], case: Case, size: int, compression: str, alike: bool = False
) -> None:
    """A payload comes back byte for byte, claimed if it is longer than the threshold, with every compression, also if it comes to
    next to nothing (CC-1, CC-2)."""
    if beside(case, claims, codec=compression):
        return
    payload = bytes(size) if alike else payload_of(size)
    await there_and_back(claims, case, payload, {"a": "b"}, payload, compression=compression)


@check("CC1")
@gauntlet(lambda limits: [{"payloads": [*LOOKS, *[look[:T] for look in LOOKS]], "compression": c} for c in ("gzip", "none")])
@given(payloads=st.tuples(st.binary(max_size=3 * T)).map(list), compression=st.sampled_from(["gzip", "none"]))
async def a_payload_may_look_like_anything(claims: Bound[ClaimCheck], case: Case, payloads: list[bytes], compression: str) -> None:
    """What is compressed, or looks so, or like a reference, is a payload like any other (CC-9, CC-11)."""
    await all_there_and_back(claims, case, [(payload, {}, payload) for payload in payloads], compression=compression)


@check("CC1")
@gauntlet(lambda limits: [{"threshold": min(limits.max_payload, threshold)} for threshold in (0, 1, 2, 100, 200_001)])
async def a_threshold_may_be_any_number(claims: Bound[ClaimCheck], case: Case, threshold: int) -> None:
    """What is longer than the threshold is claimed, and nothing else, also where it is 0; what was given back comes again as it
    was (CC-1)."""
    headers = {"n": "v" * 100}
    async with claims.opened(threshold=threshold) as check_in, check_in.consume(TOPIC, "c") as consumer:
        for size in sorted({0, max(0, threshold - 1), threshold, threshold + 1}):
            payload = payload_of(size)
            receipt = await check_in.publish(TOPIC, payload, headers)
            same("CC1", receipt.claim is not None, size > threshold, f"{size} bytes over a threshold of {threshold}: claimed?")
            for turn in ("", " a second time"):
                delivery = await take(consumer)
                same("CC1", await consumer.read(delivery), payload, f"a payload does not come back{turn}")
                same("CC1", dict(delivery.headers), headers, f"headers do not come back{turn}")
                if not turn:
                    await consumer.nack(delivery)
            await consumer.ack(delivery)


def _chunkings(limits: Limits) -> list[dict[str, Any]]:
    whole = payload_of(3 * T)
    return [
        {"parts": parts, "form": tuple(BUFFERS)[number % len(BUFFERS)]}
        for number, parts in enumerate(
            (
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
                pieces(payload_of(700_000), 262_144),
                pieces(payload_of(300_000), 299_999),
                pieces(whole[: T + 1], T),
            )
        )
    ] + [{"parts": [whole[:size]], "form": "memoryview of words"} for size in (T, T + 2)]


@check("CC1", "CC2")
@gauntlet(_chunkings)
@given(parts=st.lists(st.binary(max_size=T), max_size=5), form=st.sampled_from(list(BUFFERS)))
async def a_stream_is_published_like_its_bytes(claims: Bound[ClaimCheck], case: Case, parts: list[bytes], form: str) -> None:
    """An async iterator is the concatenation of its chunks, however they are cut, and whatever kind of bytes they are."""
    await there_and_back(claims, case, b"".join(parts), {"h": ""}, chunked(*map(BUFFERS[form], parts)))


@check("CC1")
@gauntlet(
    lambda limits: [
        {"parts": pieces(payload_of(size), cut)}
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

    await there_and_back(claims, case, b"".join(parts), {}, source())


_VIEWS: Mapping[str, Callable[[bytearray], Any]] = {
    "bytearray": lambda buffer: buffer,
    "memoryview": memoryview,
    "memoryview of words": lambda buffer: memoryview(buffer).cast("H"),
    "every other byte": lambda buffer: memoryview(buffer)[::2],
}


@check("CC1")
@gauntlet(lambda limits: [{"kind": kind, "size": size} for kind in _VIEWS for size in (T, T + 2)])
async def the_callers_buffer_is_the_callers(claims: Bound[ClaimCheck], case: Case, kind: str, size: int) -> None:
    """A bytes-like payload is its bytes, not its items, taken as it is at the call; changed afterwards it changes nothing, and
    published again it is the same."""
    buffer = bytearray(payload_of(size) if kind != "every other byte" else payload_of(2 * size))
    payload = bytes(_VIEWS[kind](buffer))
    async with claims.opened(threshold=T) as check_in, check_in.consume(TOPIC, "c") as consumer:
        view = _VIEWS[kind](buffer)
        for told in ("", ", published again,"):
            receipt = await check_in.publish(TOPIC, view)
            same("CC1", bytes(view), payload, f"the caller's buffer{told} was changed by a publish")
        buffer[:] = b"\xff" * len(buffer)
        for _ in range(2):
            delivery = await take(consumer)
            same("CC1", await consumer.read(delivery), payload, "a payload changed with the caller's buffer")
            await consumer.ack(delivery)
        same("CC1", receipt.claim is not None, size > T, f"{size} bytes over a threshold of {T}, given as {kind}: claimed?")


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


def _is_small(case: Case, own: Mapping[str, str]) -> None:
    """Judge that the last message that was sent is under 2 KiB besides the user's headers."""
    *_, message = sent_messages(case)
    overhead = len(message.payload) + _reference_size(message.headers, own)
    if overhead >= 2048:
        broken("CC2", "the message of a claim is not under 2 KiB", expected="< 2048", got=overhead)


def _longest(limits: Limits) -> tuple[str, str]:
    """Return a bucket and a prefix of as many letters of two bytes as a configuration and the store take."""
    return "\u00e9" * (min(limits.max_name, 512) // 2), "\u00e9" * (min(limits.max_name - 200, 298) // 2)


@check("CC2")
@gauntlet(
    lambda limits: [
        {"bucket": bucket, "prefix": prefix, "size": size}
        for bucket, prefix in (("claim-check", "claims"), _longest(limits), ("é\n\x00", "a/b/c"), ("b", "\U0001f600" * 10))
        for size in (T + 1, 300_000)
    ]
)
async def the_message_of_a_claim_is_small(claims: Bound[ClaimCheck], case: Case, bucket: str, prefix: str, size: int) -> None:
    """The message of a claimed payload is under 2 KiB besides the user's headers, whatever the size."""
    own = {"user": "u" * 1000}
    async with claims.opened(threshold=T, bucket=bucket, prefix=prefix) as check_in, check_in.consume(TOPIC, "c") as consumer:
        await check_in.publish(TOPIC, payload_of(size), own)
        _is_small(case, own)
        same("CC1", await consumer.read(await take(consumer)), payload_of(size), "a payload does not come back")


@check("CC2")
async def the_message_of_the_last_of_many_is_small(claims: Bound[ClaimCheck], case: Case) -> None:
    """However many claims one instance has published, the next message is as small as the first."""
    async with claims.opened(threshold=T) as check_in:
        for _ in range(20 if case.server else 300):
            await check_in.publish(TOPIC, payload_of(T + 1))
        _is_small(case, {})


@check("CC2")
@gauntlet(lambda limits: [{"compression": compression} for compression in ("none", "zstd")])
async def a_stream_is_never_held_whole(claims: Bound[ClaimCheck], case: Case, compression: str) -> None:
    """A stream is uploaded as it comes, or put aside elsewhere, but not gathered in memory, also if compression makes it no
    smaller; what was passed on is not kept (CC-2). The store keeps it in files here, so that memory tells."""
    if beside(case, claims, codec=compression):
        return
    parts, size = 40, 256 * 1024
    kept = given = 0  # what the store gave stands in the history
    files: dict[str, Any] = {}

    def measure() -> None:
        nonlocal kept
        kept = max(kept, tracemalloc.get_traced_memory()[0] - start - given)

    async def source() -> AsyncIterator[bytes]:
        for number in range(parts):
            measure()
            yield bytes([number]) * size if compression == "none" else Random(number).randbytes(size)
        measure()

    def hollow(store: Any) -> None:
        put_stream, metadata, get_stream = store.put_stream, store.metadata, store.get_stream

        async def counted(bucket: str, key: str, chunks: Any, *, size: int | None = None, **told: Any) -> Any:
            file = files[key] = kept_open.enter_context(tempfile.TemporaryFile())  # noqa: SIM115  they are closed together
            async for chunk in chunks:
                file.write(chunk)
                measure()
            return replace(await put_stream(bucket, key, chunked(), **told), size=file.tell())

        async def from_file(key: str) -> AsyncIterator[bytes]:
            nonlocal given
            files[key].seek(0)
            while chunk := files[key].read(size):
                given += len(chunk)
                yield chunk

        async def told_of(bucket: str, key: str) -> Any:
            found = await metadata(bucket, key)
            return replace(found, size=files[key].tell()) if found is not None and key in files else found

        store.put_stream, store.metadata = counted, told_of
        store.get_stream = lambda bucket, key: from_file(key) if key in files else get_stream(bucket, key)

    claims.change("store", hollow)
    with ExitStack() as kept_open:
        async with claims.opened(threshold=T, compression=compression) as check_in:
            with traced():
                start = tracemalloc.get_traced_memory()[0]
                await check_in.publish(TOPIC, source())
        if kept > _MOST + 2 * size:
            sentence = "a stream was gathered in memory, before it was uploaded or while it was"
            broken("CC2", sentence, expected="at most 8 MiB and two chunks", got=f"{kept} of {parts * size} bytes")


@check("CC2")
@gauntlet(lambda limits: [{"compression": codec, "noise": noise} for codec, noise in (("gzip", 0), ("zstd", 16), ("zstd", 128))])
async def what_is_compressed_is_never_held_whole(claims: Bound[ClaimCheck], case: Case, compression: str, noise: int) -> None:
    """A stream goes through compression and back as it comes: of one of 12 MiB, which comes to few, or to 4, nobody holds more
    than some chunks at any time. ``noise`` is how many KiB of each chunk become no smaller."""
    if beside(case, claims, codec=compression):
        return
    parts, size = 48, 256 * 1024
    held = at = given = 0  # what the store gave stands in the history

    async def source() -> AsyncIterator[bytes]:
        nonlocal held
        for number in range(parts):
            # Libraries for zstd give all that stands in a few bytes at once, so there the most stands in many.
            random = b"" if number < parts // 3 else Random(number).randbytes(noise * 1024)
            yield random + bytes(size - len(random))
            held = max(held, tracemalloc.get_traced_memory()[0] - start)

    def counted(store: Any) -> None:
        get_stream = store.get_stream

        async def counting(bucket: str, key: str) -> AsyncIterator[bytes]:
            nonlocal given
            async for chunk in get_stream(bucket, key):
                given += len(chunk)
                yield chunk

        store.get_stream = counting

    claims.change("store", counted)
    async with claims.opened(threshold=T, compression=compression) as check_in, check_in.consume(TOPIC, "c") as consumer:
        with traced():
            start = tracemalloc.get_traced_memory()[0]
            await check_in.publish(TOPIC, source())
            if held > (parts - 4) * size:
                told = f"{held // 1024} KiB, when {parts * size // 1024} had been given"
                broken("CC2", "a stream was gathered before it was compressed", expected="some chunks of it in memory", got=told)
            _is_small(case, {})
            delivery = await take(consumer)
            start, since = tracemalloc.get_traced_memory()[0], len(case.history.entries)
            given = 0
            async for chunk in consumer.chunks(delivery):
                at += len(chunk)
                if len(chunk) > _MOST:
                    broken("CC2", "a chunk is over 8 MiB", expected="at most 8 MiB", got=len(chunk))
                held = tracemalloc.get_traced_memory()[0] - start - len(chunk) - given
                if held > max(parts * size - at - 4 * size, _MOST + 4 * size):
                    told = f"{held // 1024} KiB beside the first {at // 1024} of {parts * size // 1024}"
                    broken(
                        "CC2", "a claim was unpacked whole before it was given", expected="some chunks of it in memory", got=told
                    )
        same("CC1", at, parts * size, "a stream comes back with another length")
        if noise > 100:  # a small object may be fetched whole
            _not_fetched_whole(case, since)


def _not_fetched_whole(case: Case, since: int) -> None:
    """Judge what was asked of the store while a large claim was read in chunks."""
    gets = [e for e in case.history.entries[since:] if e.op == "store.get" and "/_" not in e.args[1]]
    same("CC2", gets, [], "a claim that is read in chunks was fetched whole")


@check("CC2", "CC5")
async def a_claim_is_never_held_whole(claims: Bound[ClaimCheck], case: Case) -> None:
    """A claim is read without being gathered in memory, and no chunk is large. Who goes after the first may, and comes again.
    What is read comes from files, whatever was stored, for a history that keeps what a store gave would be told as memory."""
    parts, size = 12, 1024 * 1024
    files: dict[tuple[str, str], Path] = {}
    with tempfile.TemporaryDirectory() as folder:

        def from_files(store: Any) -> None:
            get_stream = store.get_stream

            async def fresh(bucket: str, key: str) -> AsyncIterator[bytes]:
                path = files.get((bucket, key))
                if path is None:
                    path = files[bucket, key] = Path(folder, str(len(files)))
                    with path.open("wb") as file:  # noqa: ASYNC230  a few megabytes, once
                        async for chunk in get_stream(bucket, key):
                            file.write(chunk)
                with path.open("rb") as file:  # noqa: ASYNC230  a few megabytes, once
                    while chunk := file.read(size):
                        yield chunk

            store.get_stream = lambda bucket, key: get_stream(bucket, key) if "/_" in key else fresh(bucket, key)

        claims.change("store", from_files)
        await _read_in_chunks(claims, case, parts, size)


async def _read_in_chunks(claims: Bound[ClaimCheck], case: Case, parts: int, size: int) -> None:
    """Publish so many parts and read them, twice, judging what is held meanwhile."""
    async with claims.opened(threshold=T) as check_in, check_in.consume(TOPIC, "c") as consumer:
        await check_in.publish(TOPIC, chunked(*[bytes(size)] * parts))
        at, delivery = 0, await take(consumer)
        early = consumer.chunks(delivery)
        while not await anext(early):  # a first piece of nothing may come before the store is asked
            pass
        if isinstance(early, AsyncGenerator):
            try:
                await early.aclose()
            except Exception as error:
                broken("CC5", "whoever leaves the chunks of a claim early is told of damage that is none", expected=None, got=error)
        since, kept = len(case.history.entries), 0
        with traced():
            start = tracemalloc.get_traced_memory()[0]
            async for chunk in consumer.chunks(delivery):
                kept = max(kept, tracemalloc.get_traced_memory()[0] - start)
                at += len(chunk)
                if len(chunk) > _MOST:
                    broken("CC2", "a chunk is over 8 MiB", expected="at most 8 MiB", got=len(chunk))
        if kept > _MOST + 2 * size:
            told = f"{kept} of {parts * size} bytes"
            broken("CC2", "a claim was gathered in memory", expected="at most 8 MiB and two chunks", got=told)
        same("CC1", at, parts * size, "a stream comes back with another length")
        _not_fetched_whole(case, since)
