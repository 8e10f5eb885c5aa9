"""queue_visibility: contents, names, refusals, copies and namespaces are those of a plain queue."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from prism_suites._full_headers import FULL_HEADERS
from prism_suites._judging import refused, same
from prism_suites._queue_shared import (
    BAD_HEADERS,
    all_are_apart,
    chunks,
    contents_come_out,
    headers_come_out,
    headers_gauntlet,
    is_second,
    look_alikes_are_empty,
    names_are_apart,
    nothing_shared_by_reference,
    over_limits_are_refused,
    refused_everywhere,
    siblings_are_apart,
    some_names,
)
from prism_suites._queue_taking import HELD_S, VISIBILITY, drains, empty, fill, is_message, numbered, spoil
from prism_suites.interfaces.keyvalue_basic_limits import bad_names, longest_names
from prism_suites.interfaces.queue_basic_names import NO_NAMES, NO_PAYLOADS
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import InvalidName, QueueVisibility
from prism_testkit.outcomes import law
from prism_testkit.strategies import name_groups, over, patterned, payload_pools, universes


@check("queue_visibility.1", "queue_visibility.11")
@gauntlet(chunks)
@given(payloads=payload_pools(min_size=1, max_size=8))
async def payloads_come_out_as_they_went_in(queue: QueueVisibility, case: Case, payloads: tuple[bytes, ...]) -> None:
    """Every payload, the empty one too, is received byte for byte, in order, under its id (Q-28, Q-08)."""
    if len(payloads) > 8 and await is_second(queue, case):
        payloads = payloads[::6]
    await contents_come_out(queue, payloads, VISIBILITY)


@check("queue_visibility.1", "queue_visibility.15")
@gauntlet(lambda limits: [*headers_gauntlet(limits)][::2])
@given(
    headers=st.dictionaries(st.text("aAé :=\x00\n🍣", min_size=1, max_size=6), st.text("aAé \x00\r\n🍣", max_size=6), max_size=6)
)
async def headers_come_out_as_they_went_in(queue: QueueVisibility, headers: dict[str, str]) -> None:
    """Names and values of headers are kept code point by code point, also where there are none (Q-28)."""
    await headers_come_out(queue, headers, VISIBILITY)


@check("queue_visibility.1", "queue_visibility.7")
@gauntlet(
    lambda limits: [
        {"payload": payload}
        for payload in (b"", b"\x00", b"\xff\x00\n", patterned(limits.max_payload), patterned(min(4097, limits.max_payload)))
    ]
)
async def contents_stay_through_many_deliveries(queue: QueueVisibility, case: Case, payload: bytes) -> None:
    """However often a message is delivered, by whomever, payload, headers and id are those of its enqueue (Q-03)."""
    slots = (queue, await case.client())
    headers: Mapping[str, str] = {"a": "", "é\x00": "\r\n", "attempt": "7"}
    if len(payload) == case.limits.max_payload:
        headers = FULL_HEADERS["what is escaped"]
    put = (await fill(queue, "q", [payload], headers))[0]
    for attempt in range(1, 6):
        got = await slots[attempt % 2].receive("q", HELD_S)
        with law("queue_visibility.1"):
            assert got is not None, "a message is not available after a release"
            is_message("queue_visibility.1", got.message, put, f"delivery {attempt} is not as it was enqueued")
            same(
                "queue_visibility.1" if attempt == 1 else "queue_visibility.7",
                got.attempt,
                attempt,
                "attempts are not counted from 1",
            )
        await slots[1].release(got)
        if hasattr(got.message.headers, "clear"):
            got.message.headers.clear()  # what a holder does with its copy is its own affair
        spoil(got.message)
    await drains(queue, "q", [put], VISIBILITY, "after many deliveries")


@check("queue_visibility.1", "queue_visibility.11")
@gauntlet(lambda limits: [{"payload": payload} for payload in (b"", b"same")])
async def equal_payloads_are_messages_of_their_own(queue: QueueVisibility, payload: bytes) -> None:
    """A payload enqueued so many times is leased so many times, each under an id of its own (Q-10)."""
    puts = await fill(queue, "q", [payload] * 12, {"same": "headers"})
    same("queue_visibility.15", len({put.id for put in puts}), 12, "equal payloads have equal ids")
    held = [await queue.receive("q", HELD_S) for _ in puts]
    same("queue_visibility.1", [item.message.id for item in held if item], [put.id for put in puts], "equal payloads are mixed up")
    for item in [*held[1::2], *held[::2]]:
        assert item is not None
        await queue.ack(item)
    await empty(queue, "q", "queue_visibility.4", "a message is given again after its ack")


@check("queue_visibility.1", "queue_visibility.11")
async def a_long_queue_keeps_its_order(queue: QueueVisibility, case: Case) -> None:
    """No page, cap or number of digits ends a queue: many messages are received in order (Q-08, Q-31)."""
    await drains(
        queue,
        "q",
        await fill(queue, "q", numbered(130 if case.server or await is_second(queue, case) else 600)),
        VISIBILITY,
        "a long queue, by two clients",
        beside=await case.client(),
    )


@check("queue_visibility.15")
@gauntlet(lambda limits: [{"names": names} for names in name_groups(limits.max_name)[4::16]])
@given(names=universes())
async def every_name_is_a_queue_of_its_own(queue: QueueVisibility, case: Case, names: tuple[str, ...]) -> None:
    """Names that differ in any code point are queues of their own (Q-27)."""
    await names_are_apart(queue, some_names(case, names, 12), VISIBILITY)


@check("queue_visibility.15")
@gauntlet(lambda limits: [{"names": names} for names in name_groups(limits.max_name)[1::16]])
async def a_look_alike_is_empty(queue: QueueVisibility, case: Case, names: tuple[str, ...]) -> None:
    """A queue that was never used is empty, whatever is in those with similar names (Q-27)."""
    await look_alikes_are_empty(queue, some_names(case, names, 12), VISIBILITY)


@check("queue_visibility.15", "queue_visibility.1")
async def all_names_together_are_apart(queue: QueueVisibility, case: Case) -> None:
    """Every name of every group in one namespace: no two of them meet, however they are hashed, cut or encoded."""
    every = 1 if not await is_second(queue, case) else 6
    await all_are_apart(queue, name_groups(case.limits.max_name), max(every, 12 if case.server else 1), VISIBILITY)


def _calls(queue: QueueVisibility, name: Any) -> dict[str, Callable[[], Awaitable[Any]]]:
    return {
        "enqueue": lambda: queue.enqueue(name, b"x"),
        "receive": lambda: queue.receive(name, 30.0),
        "receive with a timeout": lambda: queue.receive(name, 30.0, 5.0),
    }


@check("queue_visibility.15")
@gauntlet(lambda limits: [{"name": name, "near": near} for name, near in bad_names(limits.max_name)])
async def a_bad_name_is_refused_by_every_method(queue: QueueVisibility, name: str, near: str) -> None:
    """A name that is empty, too long or holds a surrogate raises `InvalidName`; nothing is enqueued or leased."""
    await refused_everywhere(queue, "queue_visibility.15", _calls(queue, name), InvalidName, "a bad name")
    await empty(queue, near, "queue_visibility.15", "a refused name enqueued a message")
    puts = await fill(queue, near, [b"near"])
    await refused_everywhere(queue, "queue_visibility.15", _calls(queue, name), InvalidName, "a bad name")
    await drains(queue, near, puts, VISIBILITY, "after refused names")


@check("queue_visibility.15")
@gauntlet(lambda limits: [{"name": name} for name in longest_names(limits.max_name)])
async def a_name_at_the_limit_is_accepted(queue: QueueVisibility, name: str) -> None:
    """The limit counts bytes of UTF-8; a name of exactly so many is a queue like any other."""
    twin = name[:-1] + "~" if name[-1].isascii() else name[:-1]
    await names_are_apart(queue, (name, twin), VISIBILITY)


@check("queue_visibility.15")
@gauntlet(lambda limits: [{"name": name} for name in NO_NAMES])
async def what_is_no_text_is_no_name(queue: QueueVisibility, name: Any) -> None:
    """A queue that is not ``str`` raises ``TypeError`` in every method, before any effect."""
    await refused_everywhere(queue, "queue_visibility.15", _calls(queue, name), TypeError, "what is no text")


@check("queue_visibility.15")
@gauntlet(lambda limits: [{"data": data} for data in NO_PAYLOADS])
async def what_is_no_bytes_is_no_payload(queue: QueueVisibility, data: Any) -> None:
    """A payload that is not bytes-like raises ``TypeError`` before any effect."""
    await refused("queue_visibility.15", queue.enqueue("q", data), TypeError, "a payload that is not bytes-like is not refused")
    await empty(queue, "q", "queue_visibility.15", "a refused payload left a message")


@check("queue_visibility.15")
@gauntlet(lambda limits: [{"number": number} for number in range(len(BAD_HEADERS))])
async def bad_headers_are_refused(queue: QueueVisibility, number: int) -> None:
    """Headers that are illegal or over their limit are refused, each with its error, before any effect (Q-28)."""
    headers, errors = BAD_HEADERS[number]
    await refused("queue_visibility.15", queue.enqueue("q", b"x", headers), errors, "illegal headers are not refused")
    await empty(queue, "q", "queue_visibility.15", "refused headers left a message")


@check("queue_visibility.15")
@gauntlet(lambda limits: [{"size": size} for size in over(limits.max_payload)[:3]])
async def a_payload_over_the_limit_is_refused(queue: QueueVisibility, case: Case, size: int) -> None:
    """One byte more than ``max_payload`` raises `PayloadTooLarge`; the largest is a message (Q-28)."""
    await over_limits_are_refused(queue, case, VISIBILITY, [size])


@check("queue_visibility.15")
async def what_is_stored_is_a_copy(queue: QueueVisibility) -> None:
    """A buffer or a mapping changed after the call changes nothing that is stored."""
    await nothing_shared_by_reference(queue, VISIBILITY)


@check("queue_visibility.15")
async def namespaces_are_apart(queue: QueueVisibility, case: Case) -> None:
    """Nothing enqueued in one namespace is seen or leased through another."""
    await siblings_are_apart(queue, case, VISIBILITY)
