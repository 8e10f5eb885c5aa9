"""Appending to streams and reading them, and judging what came: the records, whole, in order, each once.

Offsets may be sparse and begin anywhere: an oracle knows them only from what `append` returned.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from prism_suites._judging import broken, refused, same
from prism_suites._keyvalue_deadlines import Times
from prism_testkit.case import Case
from prism_testkit.interfaces import InvalidName, Record
from prism_testkit.interfaces.keyvalue import Bytes
from prism_testkit.outcomes import law
from prism_testkit.strategies import gauntlet_payloads
from prism_testkit.traits import Limits

__all__ = [
    "ADJUSTED_MS",
    "BASIC",
    "COMMANDS",
    "FOREIGN_MS",
    "GROUPS",
    "NO_NAMES",
    "NO_PAYLOADS",
    "PAGE_PART",
    "PAGE_PARTS",
    "Laws",
    "Put",
    "append",
    "chunks",
    "fill",
    "goes_on",
    "in_turns",
    "increase",
    "is_record",
    "mixed",
    "numbered",
    "read",
    "reads",
    "refused_everywhere",
    "timed",
]


NO_NAMES: tuple[Any, ...] = (b"a", None, 1, 0, 1.5, True, ("a",), ["a"])
NO_PAYLOADS: tuple[Any, ...] = ("text", "", None, 5, 0, 1.5, True, [97], (97, 98), {"a": 1})
COMMANDS = (
    *("'; DROP TABLE records; --", "x' OR '1'='1", "%", "_", "*", "?", "[a-z]", ".*", "a|b", "\\a", "$", "+", ">", "-", "0-0"),
    *("a\r\nFLUSHALL\r\n", "*1\r\n$7\r\nFLUSHDB\r\n", "../abc", "/etc/passwd", "--help", "{abc}", "%s", "&abc;", "a.*", "a.>"),
)
"""Names that mean something to a store or a shell."""

PAGE_PART, PAGE_PARTS = 450_000, 20
"""Records of such a size, so many of them: nine megabytes, more than a driver brings at once, of more than a few records."""


@dataclass(frozen=True, slots=True)
class Laws:
    """Which promise of an interface says what every stream promises."""

    whole: str
    content: str
    order: str
    alias: str
    refusal: str
    copy: str
    namespace: str
    clients: str


BASIC = Laws(
    "stream_basic.1",
    "stream_basic.2",
    "stream_basic.3",
    "stream_basic.8",
    "stream_basic.9",
    "stream_basic.10",
    "stream_basic.11",
    "stream_basic.12",
)
GROUPS = Laws(
    "stream_consumer_groups.1",
    "stream_consumer_groups.3",
    "stream_consumer_groups.3",
    "stream_consumer_groups.13",
    "stream_consumer_groups.13",
    "stream_consumer_groups.3",
    "stream_consumer_groups.13",
    "stream_consumer_groups.1",
)


@dataclass(frozen=True, slots=True)
class Put:
    """What was appended, as every reader must see it."""

    offset: int
    payload: bytes
    key: str | None
    headers: Mapping[str, str]


async def append(
    slot: Any, stream: str, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None, *, laws: Laws = BASIC
) -> Put:
    """Append a record, and judge that what is returned is an offset."""
    content, kept = bytes(payload), dict(headers or {})
    offset = await slot.append(stream, payload, key, headers)
    if not isinstance(offset, int) or isinstance(offset, bool) or offset < 0:
        broken(laws.order, "append returned no offset", expected="an int of 0 or more", got=offset)
    return Put(offset, content, key, kept)


async def fill(
    slot: Any,
    stream: str,
    payloads: Iterable[bytes],
    key: str | None = None,
    headers: Mapping[str, str] | None = None,
    *,
    laws: Laws = BASIC,
) -> list[Put]:
    """Append payloads one after another; their offsets must increase."""
    puts = [await append(slot, stream, payload, key, headers, laws=laws) for payload in payloads]
    increase(puts, laws)
    return puts


_KINDS: tuple[tuple[str | None, Mapping[str, str]], ...] = (("k", {"h": "v"}), (None, {}), ("key", {"a": "b", "c": ""}))


async def mixed(slot: Any, stream: str, payloads: Sequence[bytes], *, laws: Laws = BASIC) -> list[Put]:
    """Append payloads one after another, with keys and headers of different numbers by turns."""
    kinds = [_KINDS[number % len(_KINDS)] for number in range(len(payloads))]
    puts = [await append(slot, stream, each, *kind, laws=laws) for each, kind in zip(payloads, kinds, strict=True)]
    increase(puts, laws)
    return puts


def increase(puts: Sequence[Put], laws: Laws = BASIC) -> None:
    """Judge that offsets increase in the order of appends."""
    for first, second in pairwise(puts):
        if second.offset <= first.offset:
            sentence = "an append returned an offset that is not above that of an earlier append"
            broken(laws.order, sentence, expected=f"above {first.offset}", got=second.offset)


def numbered(count: int, mark: str = "r") -> list[bytes]:
    """Return payloads that are all different."""
    return [b"%s-%d" % (mark.encode(), number) for number in range(count)]


async def read(slot: Any, stream: str, start: int = 0, limit: int | None = None) -> list[Any]:
    """Read to the end."""
    return [record async for record in slot.read(stream, start, limit)]


def is_record(promise: str, got: Any, put: Put, sentence: str) -> None:
    """Judge that a record is the one that was appended: bytes, key, headers and offset."""
    if not isinstance(got, Record):
        broken(promise, sentence, expected=put, got=got)
    if got.offset != put.offset or not isinstance(got.offset, int):
        broken(promise, f"{sentence}: its offset is not what append returned", expected=put.offset, got=got.offset)
    if got.payload != put.payload or not isinstance(got.payload, bytes):
        broken(promise, sentence, expected=put.payload, got=got.payload)
    if got.key != put.key or not (got.key is None or isinstance(got.key, str)):
        broken(promise, f"{sentence}: its key is another", expected=put.key, got=got.key)
    if not isinstance(got.headers, Mapping) or dict(got.headers) != dict(put.headers):
        broken(promise, f"{sentence}: its headers are not those that were appended", expected=dict(put.headers), got=got.headers)


async def reads(
    slot: Any,
    stream: str,
    puts: Sequence[Put],
    laws: Laws = BASIC,
    story: str = "",
    *,
    start: int = 0,
    limit: int | None = None,
    loss: str = "",
) -> list[Record]:
    """Read and judge that it gives exactly these records, in order; ``loss`` names the promise of one that is missing."""
    told = f" ({story})" if story else ""
    got = await read(slot, stream, start, limit)
    wanted, found = [put.offset for put in puts], [record.offset if isinstance(record, Record) else None for record in got]
    if limit is not None and len(found) > limit:
        broken("stream_basic.5", f"a read gives more records than its limit{told}", expected=limit, got=len(found))
    if found != wanted:
        _other_offsets(found, wanted, laws, told, loss or laws.whole)
    for record, put in zip(got, puts, strict=True):
        is_record(laws.content, record, put, f"a record is not given as it was appended{told}")
    return got


def _other_offsets(found: list[Any], wanted: list[int], laws: Laws, told: str, loss: str) -> None:
    if len(set(found)) < len(found):
        broken(laws.whole, f"a read gives a record twice{told}", expected=wanted, got=found)
    if [offset for offset in found if offset in wanted] != [offset for offset in wanted if offset in found]:
        broken(laws.whole, f"a read does not give the records in the order of offsets{told}", expected=wanted, got=found)
    missing = [offset for offset in wanted if offset not in found]
    if missing:
        broken(loss, f"a read leaves out a record that is kept{told}", expected=wanted, got=found)
    broken(laws.whole, f"a read gives a record that was not to be given{told}", expected=wanted, got=found)


def chunks(limits: Limits, size: int = 60) -> Iterator[dict[str, Any]]:
    """Yield the payloads of the gauntlet, so many a case, the large ones few."""
    part: list[bytes] = []
    weight = 0
    for payload in gauntlet_payloads(limits.max_payload):
        part.append(payload)
        weight += len(payload)
        if len(part) == size or weight > 4_000_000:
            yield {"payloads": tuple(part)}
            part, weight = [], 0
    if part:
        yield {"payloads": tuple(part)}


def in_turns(names: Sequence[str], rounds: int) -> Iterator[tuple[str, bytes]]:
    """Yield (name, payload), each name in each round, the payloads all different."""
    for turn in range(rounds):
        for number, name in enumerate(names):
            yield name, b"%d.%d" % (turn, number)


async def refused_everywhere(promise: str, calls: Mapping[str, Any], error: type[Exception] = InvalidName) -> None:
    """Make each call, which must be refused."""
    for method, call in calls.items():
        await refused(promise, call(), error, f"{method} is not refused by {error.__name__}")


FOREIGN_MS, ADJUSTED_MS = 10_000, 20
"""By how much a server's clock, which is its own, may differ from ours, and by how much any is adjusted meanwhile."""


async def timed(case: Case, slot: Any, stream: str, payload: bytes) -> tuple[Put, int, int]:
    """Append; return the record and the milliseconds between which the store's clock stood at its append."""
    times = Times(case)
    put, now = await times.during(append(slot, stream, payload))
    # Cut or rounded to a millisecond and the resolution.
    coarse_ms = 1 + round(case.limits.clock_resolution_s * 1000)
    slack_ms = coarse_ms + (0 if times.virtual else FOREIGN_MS if case.server else ADJUSTED_MS)
    return put, now.start // 1_000_000 - slack_ms, -(-now.end // 1_000_000) + slack_ms


async def goes_on(slot: Any, promise: str, stream: str = "next", laws: Laws = BASIC) -> None:
    """Judge that a driver still works."""
    with law(promise):
        before = await read(slot, stream)
        puts = await fill(slot, stream, [b"goes", b"on"], laws=laws)
        got = await read(slot, stream, puts[0].offset)
        same(promise, [record.payload for record in got], [b"goes", b"on"], "a driver does not go on")
        same(promise, len(await read(slot, stream)), len(before) + 2, "a driver does not go on")
