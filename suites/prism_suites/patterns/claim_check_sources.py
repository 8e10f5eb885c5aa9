"""Claim check, promise 1: whatever a payload is read from, and whichever topic it is for, it comes back as it was published."""

from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack

from prism_patterns.claim_check import ClaimCheck
from prism_suites._claims import TOPIC, T, chunked, pieces, take, taken
from prism_suites._claims_sending import payload_of, there_and_back
from prism_suites._judging import same
from prism_testkit.bound import Bound
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet


class _Iterator:
    """An asynchronous iterator that can do nothing but go on."""

    def __init__(self, parts: list[bytes]) -> None:
        self._left = iter(parts)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        for part in self._left:
            return part
        raise StopAsyncIteration


class _Iterable:
    """What can do nothing but be iterated over, each time from the beginning."""

    def __init__(self, iterator: Callable[[], AsyncIterator[bytes]]) -> None:
        self._iterator = iterator

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._iterator()


_STREAMS: Mapping[str, Callable[[list[bytes]], AsyncIterable[bytes]]] = {
    "an iterator": _Iterator,
    "an iterable": lambda parts: _Iterable(lambda: _Iterator(parts)),
    "an iterable of generators": lambda parts: _Iterable(lambda: chunked(*parts)),
}


@check("CC1")
@gauntlet(
    lambda limits: [
        {"kind": kind, "parts": pieces(payload_of(size), cut)}
        for kind in _STREAMS
        for size, cut in ((0, 1), (T, T // 2), (T + 1, T), (3 * T, T // 2), (3 * T, 3 * T), (300_000, 65_536))
    ]
)
async def a_stream_may_be_of_every_kind(claims: Bound[ClaimCheck], case: Case, kind: str, parts: list[bytes]) -> None:
    """Whatever can be iterated over asynchronously is taken whole, and once: with no other method than that needs, an iterator or
    not, and though it would begin anew if it were asked again."""
    await there_and_back(claims, case, b"".join(parts), {}, _STREAMS[kind](parts))


@check("CC1")
@gauntlet(lambda limits: [{"size": size} for size in (3, T + 1, 4096)])
async def topics_of_one_instance_mix_nothing(claims: Bound[ClaimCheck], case: Case, size: int) -> None:
    """Messages of several topics, whose numbers in a queue may be equal, are each read as what was published there (CC-10)."""
    topics, turns = (TOPIC, f"{TOPIC}2", "others"), 3
    async with claims.opened(threshold=T) as check_in, AsyncExitStack() as stack:
        consumers = {topic: await stack.enter_async_context(check_in.consume(topic, "c")) for topic in topics}
        for turn in range(turns):
            for topic in topics:
                await check_in.publish(topic, f"{topic} {turn}".encode() + payload_of(size), {"topic": topic, "turn": str(turn)})
        for _ in range(turns):  # in whatever order
            held = [(topic, await take(consumer)) for topic, consumer in consumers.items()]
            for topic, delivery in held:
                number = delivery.headers.get("turn", "")
                given = {"topic": topic, "turn": number}
                same("CC1", dict(delivery.headers), given, "a message came with the headers of another")
                expected = f"{topic} {number}".encode() + payload_of(size)
                for payload in (await consumers[topic].read(delivery), await taken(consumers[topic], delivery)):
                    same("CC1", payload, expected, "a message came with the payload of another one")
                await consumers[topic].ack(delivery)
