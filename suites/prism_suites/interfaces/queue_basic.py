"""queue_basic: what goes in comes out, once, whole and in order; looking takes nothing; an empty queue says so."""

import math
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from prism_suites._buffers import lengthened
from prism_suites._judging import broken, refused, same
from prism_suites._queue_shared import chunks, contents_come_out, headers_come_out, headers_gauntlet
from prism_suites._queue_taking import BASIC, Put, drains, empty, fill, is_message, numbered
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import QueueBasic, QueuePriority
from prism_testkit.outcomes import law
from prism_testkit.strategies import counts, patterned, payload_pools, sizes
from prism_testkit.strategies.hypothesis_strategies import payloads as any_payload
from prism_testkit.tap import offers

_SPANS_S = (0.001, 1.0, 59.0, 3600.0, 43_200.0, 86_400.0, 604_801.0, 2_592_001.0, 31_536_000.0)
_MEGABYTES = 24_000_000


@check("queue_basic.1", "queue_basic.2", "queue_basic.3")
@gauntlet(chunks)
@given(payloads=payload_pools(min_size=1, max_size=8))
async def payloads_come_out_as_they_went_in(queue: QueueBasic, payloads: tuple[bytes, ...]) -> None:
    """Every payload, the empty one too, is given byte for byte, in order, under the id of its enqueue (Q-28, Q-08)."""
    await contents_come_out(queue, payloads, BASIC)


@check("queue_basic.1")
@gauntlet(headers_gauntlet)
@given(
    headers=st.dictionaries(st.text("aAé :=\x00\n🍣", min_size=1, max_size=6), st.text("aAé \x00\r\n🍣", max_size=6), max_size=6)
)
async def headers_come_out_as_they_went_in(queue: QueueBasic, headers: dict[str, str]) -> None:
    """Names and values of headers are kept code point by code point, also where there are none (Q-28)."""
    await headers_come_out(queue, headers, BASIC)


@check("queue_basic.1")
@given(payload=any_payload(), headers=st.dictionaries(st.sampled_from(["a", "A", "id", "é"]), st.text("a \x00é", max_size=4)))
async def payload_and_headers_do_not_mix(queue: QueueBasic, payload: bytes, headers: dict[str, str]) -> None:
    """A payload that looks like headers, or like the store's own form, stays apart from them."""
    await contents_come_out(queue, [payload, b"", lengthened(payload)], BASIC, headers)


@check("queue_basic.2", "queue_basic.1")
@gauntlet(
    lambda limits: [{"payload": payload, "count": 12} for payload in (b"", b"same", patterned(min(5000, limits.max_payload)))]
)
async def equal_payloads_are_messages_of_their_own(queue: QueueBasic, case: Case, payload: bytes, count: int) -> None:
    """A payload enqueued so many times is given so many times, each under an id of its own; none is a repeat (Q-10)."""
    puts = await fill(queue, "q", [payload] * count, {"same": "headers"})
    same("queue_basic.2", len({put.id for put in puts}), count, "equal payloads have equal ids")
    await drains(queue, "q", puts, BASIC, "equal payloads")
    again = await fill(queue, "q", [payload], {"same": "headers"})
    same("queue_basic.2", again[0].id in {put.id for put in puts}, False, "an id is used again after its message was taken")
    await drains(queue, "q", again, BASIC, "a payload that was taken before")


@check("queue_basic.3", "queue_basic.2")
@gauntlet(lambda limits: [{"count": count} for count in (*counts(20)[1:], 31, 32, 33, 64, 100, 101, 128)])
async def so_many_come_out_in_order(queue: QueueBasic, case: Case, count: int) -> None:
    """Whatever their number, messages are given in the order in which they were enqueued, and none is missing (Q-08)."""
    if case.server and count not in (1, 2, 9, 10, 11, 100, 101):
        count = 3
    await drains(queue, "q", await fill(queue, "q", numbered(count)), BASIC, f"{count} messages")


@check("queue_basic.3", "queue_basic.2", "queue_priority.1")
async def a_long_queue_keeps_its_order(queue: QueueBasic, case: Case) -> None:
    """No page, cap or number of digits ends a queue: over a thousand messages are given in order, to two clients (Q-08, Q-31)."""
    puts, whole = await fill(queue, "q", numbered(300 if case.server else 1030)), await case.whole()
    if offers(whole, QueuePriority):
        high = Put(await whole.enqueue_with_priority("q", b"high", priority=1), b"high", {})
        is_message(
            "queue_priority.1", await queue.dequeue("q"), high, "behind many messages one of a higher priority is not the first"
        )
    await drains(queue, "q", puts, BASIC, "a long queue, by two clients", beside=await case.client())


@check("queue_basic.1", "queue_basic.2", "queue_basic.5")
async def several_messages_of_the_largest_size_are_kept(queue: QueueBasic, case: Case) -> None:
    """The largest payload is the limit of one message, not of a queue."""
    size = case.limits.max_payload
    count = min(8, max(2, (_MEGABYTES // 3 if case.server else _MEGABYTES) // size))
    with law("queue_basic.1"):
        puts = await fill(queue, "q", [patterned(size, seed=number) for number in range(count)], {"n": "v" * 8000})
        got = await queue.peek("q")
        is_message("queue_basic.5", got, puts[0], "peek of a large message")
        await drains(queue, "q", puts, BASIC, "large messages")


_SCRIPTS = (
    "eededd",
    "edededdd",
    "eeedeedddd",
    "pepdpp",
    "epepdpdp",
    "eeppddp",
    "deepdd",
    "eeeeeeeeddddddddeeeeeeeedddddddd",
    "edpdedpdeedpdpdp" * 3,
)


@check("queue_basic.3", "queue_basic.2", "queue_basic.5", "queue_basic.4")
@gauntlet(lambda limits: [{"script": script, "queues": queues} for script in _SCRIPTS for queues in (1, 2)])
@given(script=st.text("edpw", min_size=1, max_size=40), queues=st.integers(1, 3))
async def every_step_is_that_of_a_list(queue: QueueBasic, case: Case, script: str, queues: int) -> None:
    """Enqueues, takes and looks by two clients, on queues by turns, do what they would do to a list."""
    clients: list[Any] = [queue, await case.client()]
    model: dict[str, list[Any]] = {f"q{number}": [] for number in range(queues)}
    for number, step in enumerate(script):
        name, client = f"q{number * 7 // 3 % queues}", clients[number // 2 % 2]
        held = model[name]
        if step == "e":
            held += await fill(client, name, [b"%d" % number])
        elif step == "w":
            if case.clock.virtual:
                await case.advance(1.0)
        else:
            await _first(client, name, held, step)
    for name, held in model.items():
        await drains(clients[1], name, held, BASIC)


async def _first(client: Any, name: str, held: list[Any], step: str) -> None:
    got = await (client.peek(name) if step == "p" else client.dequeue(name))
    promise = "queue_basic.5" if step == "p" else "queue_basic.3"
    what = "peek" if step == "p" else "dequeue"
    if not held:
        same("queue_basic.5" if step == "p" else "queue_basic.2", got, None, f"{what} of an empty queue gives a message")
        return
    is_message(promise, got, held[0], f"{what} does not give the first message")
    if step == "d":
        held.pop(0)


@check("queue_basic.5", "queue_basic.2", "queue_basic.3")
@gauntlet(lambda limits: [{"times": times} for times in (1, 2, 3, 10, 40)])
async def looking_takes_nothing(queue: QueueBasic, case: Case, times: int) -> None:
    """However often and by whomever, `peek` shows the first message and changes neither it nor the order (Q-32)."""
    other = await case.client()
    puts = await fill(queue, "q", numbered(3), {"h": "v"})
    while puts:
        for number in range(times):
            got = await (other if number % 2 else queue).peek("q")
            is_message("queue_basic.5", got, puts[0], "peek does not show the message that comes next")
            if case.clock.virtual and number % 3 == 2:
                await case.advance(40.0)
        got = await (queue if len(puts) % 2 else other).dequeue("q")
        is_message("queue_basic.5", got, puts.pop(0), "a dequeue does not give what peek showed")
    for client in (queue, other):
        same("queue_basic.5", await client.peek("q"), None, "peek of an empty queue shows a message")
    await empty(queue, "q", "queue_basic.5", "after peeks a message is given twice")


@check("queue_basic.4", "queue_basic.5")
@gauntlet(lambda limits: [{"timeout_s": timeout_s} for timeout_s in (0, 0.0, -0.0, -1, -0.5, -1e9, 1e-3, 0.02)])
async def an_empty_queue_gives_nothing(queue: QueueBasic, case: Case, timeout_s: float) -> None:
    """A queue that was never used, and one that was drained, gives None; a negative timeout is none (Q-11)."""
    with law("queue_basic.4"):
        for name in ("never used", "drained"):
            if name == "drained":
                await fill(queue, name, [b"x"])
                await queue.dequeue(name)
            same("queue_basic.5", await queue.peek(name), None, "peek of an empty queue shows a message")
            began_s = case.clock.now_s()
            same("queue_basic.4", await queue.dequeue(name, timeout_s), None, "dequeue of an empty queue gives a message")
            _waited(case, case.clock.now_s() - began_s, timeout_s)
            same("queue_basic.4", await queue.dequeue(name), None, "dequeue of an empty queue gives a message")


@check("queue_basic.4")
@gauntlet(lambda limits: [{"timeout_s": timeout_s} for timeout_s in (0.25, 0.999, 1, 1.5, 10.0, 59.9, 3600.0)])
async def an_empty_queue_is_waited_for(queue: QueueBasic, case: Case, timeout_s: float) -> None:
    """`dequeue` of an empty queue does not return before its timeout has passed (Q-11)."""
    if not case.clock.virtual:
        timeout_s = min(timeout_s / 1000, 0.05)
    began_s = case.clock.now_s()
    same("queue_basic.4", await queue.dequeue("q", timeout_s=timeout_s), None, "dequeue of an empty queue gives a message")
    _waited(case, case.clock.now_s() - began_s, timeout_s)
    await fill(queue, "q", [b"x"])
    began_s = case.clock.now_s()
    got = await queue.dequeue("q", timeout_s)
    if got is None:
        broken("queue_basic.4", "a dequeue that may wait does not give the message that is there", expected=b"x", got=None)


def _waited(case: Case, passed_s: float, timeout_s: float) -> None:
    # On a real clock ours and the server's may differ a little.
    least = timeout_s * 0.8 - 0.01 if not case.clock.virtual else timeout_s - 1e-4
    if passed_s < least:
        sentence = "dequeue of an empty queue returned before its timeout had passed"
        broken("queue_basic.4", sentence, expected=f"{timeout_s:g} s", got=f"{passed_s:g} s")


@check("queue_basic.4", "queue_basic.2")
@gauntlet(lambda limits: [{"timeout_s": bad} for bad in (math.nan, math.inf, -math.inf)])
async def a_timeout_that_is_no_number_is_refused(queue: QueueBasic, timeout_s: float) -> None:
    """NaN and infinities raise ``ValueError``, whether a message is there or not, and take nothing."""
    await refused("queue_basic.4", queue.dequeue("empty", timeout_s), ValueError, f"a timeout of {timeout_s} is not refused")
    puts = await fill(queue, "q", numbered(2))
    await refused("queue_basic.4", queue.dequeue("q", timeout_s), ValueError, f"a timeout of {timeout_s} is not refused")
    await drains(queue, "q", puts, BASIC, "after a refused take")


@check("queue_basic.2", "queue_basic.3")
async def a_message_does_not_age(queue: QueueBasic, case: Case) -> None:
    """A message waits as long as it must, on a clock that can be moved; on others it is there at once (Q-31)."""
    puts = await fill(queue, "q", numbered(3))
    for seconds in _SPANS_S if case.clock.virtual else ():
        await case.advance(seconds)
        is_message("queue_basic.2", await queue.peek("q"), puts[0], "after some time peek does not show the first message")
        puts += await fill(queue, "q", [b"%g" % seconds])
    await drains(queue, "q", puts, BASIC, "after some time")


@check("queue_basic.1", "queue_basic.3", "queue_basic.5")
async def arguments_may_be_given_by_name(queue: QueueBasic) -> None:
    """Every method takes its arguments by keyword too, as the interface names them."""
    with law("queue_basic.1"):
        first = await queue.enqueue(queue="q", payload=b"x", headers={"a": "b"})
        second = await queue.enqueue(payload=b"y", queue="q")
        third = await queue.enqueue("q", b"z", None)
        got = [await queue.peek(queue="q"), *[await queue.dequeue(queue="q", timeout_s=0) for _ in range(3)]]
    same(
        "queue_basic.1", [m.id for m in got if m], [first, first, second, third], "a call with named arguments does something else"
    )
    same("queue_basic.1", [dict(m.headers) for m in got[1:] if m], [{"a": "b"}, {}, {}], "None for headers is not the same as none")


@check("queue_basic.1", "queue_basic.3")
@gauntlet(lambda limits: [{"sizes": tuple(part)} for part in (sizes(limits.max_payload)[::3], sizes(limits.max_payload)[1::3])])
async def sizes_by_turns_do_not_disturb_each_other(queue: QueueBasic, sizes: tuple[int, ...]) -> None:
    """Large and small messages lie behind each other, and each is given as it is, in order."""
    ordered = [size for pair in zip(sizes, reversed(sizes), strict=True) for size in pair]
    puts = await fill(queue, "q", [patterned(size, seed=number) for number, size in enumerate(ordered)])
    await drains(queue, "q", puts, BASIC, "large and small messages by turns")
