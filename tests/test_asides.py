"""What a story tells beside the calls that passed the tap: a pattern's user, and whoever was killed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol

import pytest

from prism_testkit.asides import WRITER, Aside, Said, overheard
from prism_testkit.clock import VirtualClock
from prism_testkit.histories import History
from prism_testkit.reports.steps import steps_of
from prism_testkit.tap import Tap


class Reader(Protocol):
    """What is entered."""

    async def read(self, name: str) -> bytes: ...


class Desk(Protocol):
    """A pattern."""

    async def send(self, name: str, data: bytes) -> str: ...

    def parts(self, name: str) -> AsyncIterator[bytes]: ...

    def reading(self, topic: str) -> AbstractAsyncContextManager[Reader]: ...


for _protocol, _names in ((Reader, ("read",)), (Desk, ("send", "parts", "reading"))):
    _protocol.__abstractmethods__ = frozenset(_names)  # type: ignore[attr-defined]


class Made:
    """An implementation, whose calls of a store pass a tap."""

    kept = "its own"

    def __init__(self, history: History) -> None:
        self._tap = Tap(history=history, suspend=True)

    async def _put(self, name: str) -> None:
        async def put(name: str) -> None:
            return None

        await self._tap.call("store.put", put, (name,), {})

    async def send(self, name: str, data: bytes) -> str:
        await self._put(name)
        if not data:
            raise ValueError("no data")
        return name

    async def parts(self, name: str) -> AsyncIterator[bytes]:
        yield name.encode()

    async def read(self, name: str) -> bytes:
        return b"x" * 5000

    @asynccontextmanager
    async def reading(self, topic: str) -> AsyncIterator["Made"]:
        yield self


def heard(history: History) -> Any:
    def begin(op: str, args: tuple[Any, ...], kwargs: Any) -> Aside:
        return history.aside(2_000_000, "user", op, args, kwargs)

    return overheard(Made(history), Desk, begin, history.answered)


def told(history: History) -> list[str]:
    return steps_of(history.told)[0]


def test_what_a_pattern_is_asked_stands_in_the_story_before_what_it_does_for_it() -> None:
    async def use(desk: Any) -> None:
        assert await desk.send("a", b"x" * 5000) == "a"
        with pytest.raises(ValueError, match="no data"):
            await desk.send("b", b"")
        assert [part async for part in desk.parts("a")] == [b"a"]
        async with desk.reading("t") as reader:
            assert len(await reader.read("a")) == 5000
        assert desk.kept == "its own"

    history = History(VirtualClock())
    asyncio.run(use(heard(history)))
    assert told(history) == [
        "user: send('a', <5,000 bytes>) -> 'a' (overlaps step 2)",
        "client 0: store.put('a') -> None",
        "user: send('b', b'') raises ValueError(no data) (overlaps step 4)",
        "client 0: store.put('b') -> None",
        "user: parts('a') -> an iterator",
        "user: reading('t') -> <Made>",
        "user: reading.read('a') -> <5,000 bytes>",
    ]
    assert [entry.op for entry in history.entries] == ["store.put", "store.put"], "checks and coverage see the tap alone"
    assert len(history) == 4


def test_contexts_of_a_pattern_that_a_user_has_open_at_once_are_told_apart() -> None:
    async def use(desk: Any) -> None:
        for _ in range(2):
            async with desk.reading("t") as reader:
                await reader.read("a")

    async def use_both(desk: Any) -> None:
        async with desk.reading("t") as reader, desk.reading("u") as another:
            await another.read("a")
            await reader.read("b")

    history = History(VirtualClock())
    asyncio.run(use(heard(history)))
    assert told(history) == ["user: reading('t') -> <Made>", "user: reading.read('a') -> <5,000 bytes>"] * 2
    history = History(VirtualClock())
    asyncio.run(use_both(heard(history)))
    assert told(history) == [
        "user: reading('t') -> <Made #1>",
        "user: reading('u') -> <Made #2>",
        "user: reading#2.read('a') -> <5,000 bytes>",
        "user: reading#1.read('b') -> <5,000 bytes>",
    ]


def test_of_what_is_asked_at_once_each_call_says_for_which_it_was_made() -> None:
    async def use(desk: Any) -> None:
        await asyncio.gather(desk.send("a", b"1"), desk.send("b", b"2"))

    history = History(VirtualClock())
    asyncio.run(use(heard(history)))
    steps = told(history)
    puts = {step.partition("'")[2][0]: step for step in steps if "store.put" in step}
    asked = {step.partition("'")[2][0]: number for number, step in enumerate(steps, 1) if "send" in step}
    assert all(f"(for step {asked[name]})" in puts[name] for name in "ab")


def test_what_a_process_did_stands_before_its_kill_and_its_last_calls_stay() -> None:
    history = History(VirtualClock())
    history.respond(history.invoke(0, "before", (), {}), None)
    kill = history.invoke(-1, "kill", ("writer",), {})
    for number in range(60):
        ended = None if number == 59 else 1.0 + number
        aside = Aside(WRITER, "writer", "set" if number % 2 else "delete", (f"k{number}",), {}, 0, 1.0, None, ended, Said("ok"))
        history.done_before(kill, aside)
    history.respond(kill, "59 acknowledged")
    for _ in range(30):
        history.respond(history.invoke(0, "get", ("k",), {}), None)
        history.respond(history.invoke(0, "exists", ("k",), {}), None)
    steps, numbers = steps_of(history.told)
    assert steps[0] == "client 0: before() -> None"
    assert steps[1] == "writer: delete('k0') -> ok"
    place = next(index for index, step in enumerate(steps) if "kill('writer')" in step)
    assert numbers[place] == 62
    assert [step.partition("(")[2][:5] for step in steps[place - 3 : place]] == ["'k57'", "'k58'", "'k59'"]
    assert "has not ended" in steps[place - 1]
