"""What every queue promises of contents, names, refusals, copies and namespaces, judged by whichever way a slot takes."""

import asyncio
from collections import ChainMap, OrderedDict, UserDict, defaultdict
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from types import MappingProxyType
from typing import Any

from prism_suites._judging import broken, refused, same
from prism_suites._queue_taking import Laws, Put, drains, empty, fill, is_message, numbered, spoil, take
from prism_testkit.case import Case
from prism_testkit.interfaces import InvalidName, PayloadTooLarge, QueueBasic
from prism_testkit.outcomes import law
from prism_testkit.strategies import gauntlet_payloads, name_groups
from prism_testkit.tap import offers
from prism_testkit.traits import Limits

__all__ = [
    "BAD_HEADERS",
    "all_are_apart",
    "chunks",
    "contents_come_out",
    "headers_come_out",
    "headers_gauntlet",
    "is_second",
    "look_alikes_are_empty",
    "names_are_apart",
    "nothing_shared_by_reference",
    "over_limits_are_refused",
    "refused_everywhere",
    "siblings_are_apart",
    "some_names",
]

_HEADERS_BYTES = 8192
_ODD = (
    *("", " ", "a ", " a", "\n", "\r\n", "\x00", "a\x00b", "é", "e\u0301", "🍣", "\U0010ffff", "\ufeff", "ÿ", "%41", "a=b", "a:b"),
    *("a,b", "a;b", '"', "'", "\\", "null", "None", "true", "1", "01", "1.0", "[]", "{}", "ß", "SS", "İ", "\u200b", "\x7f", "~"),
)


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


async def contents_come_out(slot: Any, payloads: Sequence[bytes], laws: Laws, headers: Mapping[str, str] | None = None) -> None:
    """Enqueue payloads and take them again: each is bytes, whole, in order, under its id; ids are all different."""
    with law(laws.content):
        puts = await fill(slot, "q", payloads, headers)
        same(laws.once, len({put.id for put in puts}), len(puts), "two messages of one queue have the same id")
        await drains(slot, "q", puts, laws)


def headers_gauntlet(limits: Limits) -> Iterator[dict[str, Any]]:
    """Yield headers that a store may fold, trim, cut, join, sort or drop, and those that just fit."""
    yield {"headers": {}}
    yield {"headers": {f"n{number}": text for number, text in enumerate(_ODD)}}
    yield {"headers": {text: f"v{number}" for number, text in enumerate(_ODD) if text}}
    yield {"headers": dict.fromkeys(("a", "A", "ａ", "á", "a ", "a\x00", "a\u200b"), "same")}
    internal = (
        "id",
        "payload",
        "headers",
        "attempt",
        "attempts",
        "priority",
        "token",
        "queue",
        "delay",
        "deadline",
        "data",
        "body",
    )
    yield {"headers": {name: f"<{name}>" for name in internal}}
    yield {"headers": {"a": "b", "ab": "", "a=b": "c", "a:b": "c"}}
    yield {"headers": {"n" * 512: "v", "é" * 256: "w", "🍣" * 128: ""}}
    yield {"headers": {"n": "v" * (_HEADERS_BYTES - 1)}}
    yield {"headers": {"n": "é" * ((_HEADERS_BYTES - 2) // 2), "m": ""}}
    yield {"headers": {f"{number:04}": "wxyz" for number in range(_HEADERS_BYTES // 8)}}
    yield {"headers": {f"{number:03}x": "" for number in range(_HEADERS_BYTES // 4)[:900]}}
    for group in name_groups(512)[::9]:
        fitting: dict[str, str] = {}
        for number, name in enumerate(group):
            if sum(len(key.encode()) + len(value) for key, value in fitting.items()) + len(name.encode()) < _HEADERS_BYTES - 8:
                fitting[name] = str(number)
        yield {"headers": fitting}


async def headers_come_out(slot: Any, headers: Mapping[str, str], laws: Laws) -> None:
    """Headers are given as they were enqueued, of an empty payload and of others, between messages that have none."""
    with law(laws.content):
        plain = await fill(slot, "q", [b"plain"])
        rich = await fill(slot, "q", [b"", b"with headers"], headers)
        none = await fill(slot, "q", [b"", b"plain again"])
        await drains(slot, "q", [*plain, *rich, *none], laws)


def some_names(case: Case, names: Sequence[str], every: int) -> tuple[str, ...]:
    """Return all names, or on a server the first and every so-manieth: each is a few round trips."""
    return (names[0], *names[1::every]) if case.server else tuple(names)


async def names_are_apart(slot: Any, names: Sequence[str], laws: Laws) -> None:
    """Each name is a queue of its own: what went in under it comes out under it, in its order, and nothing else."""
    with law(laws.alias):
        puts: dict[str, list[Put]] = {name: [] for name in names}
        for turn in range(2 if len(names) < 9 else 1):
            for number, name in enumerate(names):
                puts[name] += await fill(slot, name, [b"%d.%d" % (turn, number)])
        for name in reversed(names):
            for put in puts[name]:
                got = await take(slot, name)
                if got is None or got.payload != put.payload:
                    broken(laws.alias, f"queue {name[:40]!a} gives what was put into another", expected=put, got=got)
                is_message(laws.content, got, put, "a message is not given as it was enqueued")


async def is_second(slot: Any, case: Case) -> bool:
    """Tell whether the driver has plain takes besides: their checks judge there what both have in common, at length."""
    return not offers(slot, QueueBasic) and offers(await case.whole(), QueueBasic)


async def all_are_apart(slot: Any, groups: Sequence[Sequence[str]], every: int, laws: Laws) -> None:
    """All names of all groups in one namespace: while only the first of each group was used the others are empty; then each is
    a queue of its own. ``every``: of those others only each so-manieth."""
    firsts = list(dict.fromkeys(group[0] for group in groups))
    others = [name for name in dict.fromkeys(name for group in groups for name in group) if name not in set(firsts)][::every]
    with law(laws.alias):
        before = [(name, (await fill(slot, name, [b"first %d" % number]))[0]) for number, name in enumerate(firsts)]
        for other in others:
            got = await take(slot, other)
            if got is not None:
                broken(
                    laws.alias, f"a queue that was never used, {other[:40]!a}, gives a message of another", expected=None, got=got
                )
        behind = [(name, (await fill(slot, name, [b"other %d" % number]))[0]) for number, name in enumerate(others)]
        for name, put in reversed([*before, *behind]):
            got = await take(slot, name)
            if got is None or got.payload != put.payload:
                broken(laws.alias, f"queue {name[:40]!a} gives what was put into another", expected=put, got=got)
            is_message(laws.content, got, put, "a message is not given as it was enqueued")


async def look_alikes_are_empty(slot: Any, names: Sequence[str], laws: Laws) -> None:
    """Of look-alikes only the queue that was used has a message; looking at the others leaves it there."""
    first, *others = names
    with law(laws.alias):
        puts = await fill(slot, first, [b"first"])
        for number, other in enumerate(others):
            if number % 2 and offers(slot, QueueBasic):
                got = await slot.peek(other)
            else:
                got = await take(slot, other)
            if got is not None:
                broken(
                    laws.alias, f"a queue that was never used, {other[:40]!a}, gives a message of another", expected=None, got=got
                )
        got = await take(slot, first)
        is_message(laws.alias, got, puts[0], "a take of a queue that was never used changed another")


async def over_limits_are_refused(slot: Any, case: Case, laws: Laws, sizes: Sequence[int]) -> None:
    """A payload over the limit raises `PayloadTooLarge` in every kind of buffer; nothing is enqueued."""
    before = await fill(slot, "q", [b"before"])
    for size in sizes:
        for data in (bytes(size), bytearray(size), memoryview(bytes(size))):
            for queue in ("q", "fresh"):
                await refused(laws.refusal, slot.enqueue(queue, data), PayloadTooLarge, "a payload over the limit is not refused")
    equal = 2 if case.limits.max_payload + 1 in sizes else 1  # each of two equal ones is one of its own
    after = await fill(slot, "q", [b"x" * case.limits.max_payload] * equal)
    with law(laws.refusal):
        await empty(slot, "fresh", laws.refusal, "a refused payload left a message")
        await drains(slot, "q", [*before, *after], laws, "after refusals")


BAD_HEADERS: tuple[tuple[Any, type[Exception] | tuple[type[Exception], ...]], ...] = (
    ({"": "v"}, InvalidName),
    ({"n" * 513: "v"}, InvalidName),
    ({"é" * 257: "v"}, InvalidName),
    ({"\ud800": "v"}, InvalidName),
    ({"a": "b", "c\udfff": "v"}, InvalidName),
    ({"a": "\ud800"}, ValueError),
    ({"a": "x\udc00y"}, ValueError),
    ({"n": "v" * _HEADERS_BYTES}, PayloadTooLarge),
    ({"n": "é" * (_HEADERS_BYTES // 2)}, PayloadTooLarge),
    ({f"{number:04}": "wxyz" for number in range(_HEADERS_BYTES // 8 + 1)}, PayloadTooLarge),
    ({"n": "v" * 70_000}, PayloadTooLarge),
    ({"a": 1}, TypeError),
    ({"a": None}, TypeError),
    ({"a": b"v"}, TypeError),
    ({1: "v"}, TypeError),
    ({b"a": "v"}, TypeError),
    ([("a", "b")], TypeError),
    ("a", TypeError),
    (b"a", TypeError),
    (5, TypeError),
    ({f"é{number:03}": "€€" for number in range(_HEADERS_BYTES // 11 + 1)}, PayloadTooLarge),
    ({f"€{number:03}": "v" for number in range(_HEADERS_BYTES // 7)} | {"n": "é"}, PayloadTooLarge),
)


async def refused_everywhere(slot: Any, promise: str, calls: Mapping[str, Any], error: type[Exception], why: str) -> None:
    """Make each call, which must be refused."""
    for method, call in calls.items():
        await refused(promise, call(), error, f"{method} of {why} is not refused by {error.__name__}")


async def nothing_shared_by_reference(slot: Any, laws: Laws) -> None:
    """Buffers and mappings that change after the call, and what a take gave, are not what the queue keeps."""
    kept = {"a": "1", "b": "2", **{f"header {number}": str(number) for number in range(6)}}
    buffer, source, headers = bytearray(b"first payload"), bytearray(b"second payload"), dict(kept)
    behind = dict(kept)
    puts = [Put(await slot.enqueue("q", buffer, headers), b"first payload", kept)]
    buffer[:] = b"X" * len(buffer)
    headers["a"] = "changed"
    headers["c"] = "new"
    puts.append(Put(await slot.enqueue("q", memoryview(source)[:6], headers), b"second", {**kept, "a": "changed", "c": "new"}))
    source[:3] = b"XXX"
    headers.clear()
    for view in (MappingProxyType(behind), ChainMap({}, behind), UserDict(kept), OrderedDict(kept), defaultdict(str, kept)):
        puts.append(Put(await slot.enqueue("q", b"in another mapping", view), b"in another mapping", kept))
        if isinstance(view, MutableMapping) and not isinstance(view, ChainMap):
            view["a"] = "changed"
    behind.clear()
    part = memoryview(b"abcdefgh")[1:7:2]
    puts.append(Put(await slot.enqueue("q", part, kept), b"bdf", dict(kept)))
    buffer = bytearray(b"grows")
    puts.append(Put(await slot.enqueue("q", buffer), b"grows", {}))
    buffer.extend(b" and grows")
    puts += await fill(slot, "q", numbered(3))
    puts += await fill(slot, "q", numbered(2, "n"), kept)
    with law(laws.copy):
        for put in puts:
            got = await take(slot, "q")
            is_message(laws.copy, got, put, "a buffer or a mapping that was changed after the call changed a message")
            spoil(got)


async def siblings_are_apart(slot: Any, case: Case, laws: Laws) -> None:
    """What is enqueued in one namespace is neither seen nor taken through another, under the same names."""
    other = await case.sibling()
    with law(laws.namespace):
        here = await fill(slot, "q", numbered(3, "here"))
        await empty(other, "q", laws.namespace, "a message is taken through another namespace")
        there = await fill(other, "q", numbered(2, "there"))
        if offers(slot, QueueBasic):
            for client, put in ((slot, here[0]), (other, there[0])):
                got = await client.peek("q")
                is_message(laws.namespace, got, put, "peek shows another namespace")
        for client, puts in ((other, there), (slot, here)):
            for put in puts:
                got = await take(client, "q")
                if got is None or got.payload != put.payload:
                    broken(laws.namespace, "a message is seen or taken through another namespace", expected=put, got=got)
        await asyncio.sleep(0)
        await empty(slot, "q", laws.namespace, "a namespace gives more than was enqueued in it")
