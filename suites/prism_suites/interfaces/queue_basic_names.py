"""queue_basic: names alias only if all their code points are equal; what is illegal is refused before any effect."""

from collections.abc import Awaitable, Callable
from typing import Any

from hypothesis import given

from prism_suites._full_headers import FULL_HEADERS, SWELLING
from prism_suites._judging import refused, same
from prism_suites._queue_shared import (
    BAD_HEADERS,
    all_are_apart,
    look_alikes_are_empty,
    names_are_apart,
    nothing_shared_by_reference,
    over_limits_are_refused,
    refused_everywhere,
    siblings_are_apart,
    some_names,
)
from prism_suites._queue_taking import BASIC, HELD_S, drains, empty, fill, is_message
from prism_suites.interfaces.keyvalue_basic_limits import bad_names, longest_names
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import InvalidName, QueueBasic, QueueDelayed, QueueVisibility
from prism_testkit.outcomes import law
from prism_testkit.strategies import name_groups, over, patterned, universes
from prism_testkit.tap import offers

__all__ = ["COMMANDS", "NO_NAMES", "NO_PAYLOADS"]

NO_NAMES: tuple[Any, ...] = (b"a", None, 1, 0, 1.5, True, ("a",), ["a"])
NO_PAYLOADS: tuple[Any, ...] = ("text", "", None, 5, 0, 1.5, True, [97], (97, 98), {"a": 1})
COMMANDS = (
    *("'; DROP TABLE queue; --", "x' OR '1'='1", "%", "_", "*", "?", "[a-z]", ".*", "a|b", "\\a", "$abc", "{a}", "{}", "{0}", "%s"),
    *(
        "a\r\nFLUSHALL\r\n",
        "*1\r\n$7\r\nFLUSHDB\r\n",
        "../abc",
        "/etc/passwd",
        "--help",
        "<script>",
        "&abc;",
        "__proto__",
        "a.*",
        "a.>",
    ),
)


@check("queue_basic.6")
@gauntlet(lambda limits: [{"names": names} for names in name_groups(limits.max_name)[::8]])
@given(names=universes())
async def every_name_is_a_queue_of_its_own(queue: QueueBasic, case: Case, names: tuple[str, ...]) -> None:
    """Names that differ in any code point are queues of their own (Q-27)."""
    await names_are_apart(queue, some_names(case, names, 8), BASIC)


@check("queue_basic.6", "queue_basic.4", "queue_basic.5")
@gauntlet(lambda limits: [{"names": names} for names in name_groups(limits.max_name)[3::8]])
@given(names=universes())
async def a_look_alike_is_empty(queue: QueueBasic, case: Case, names: tuple[str, ...]) -> None:
    """A queue that was never used is empty, whatever is in those with similar names (Q-27)."""
    await look_alikes_are_empty(queue, some_names(case, names, 8), BASIC)


@check("queue_basic.6", "queue_basic.3")
async def all_names_together_are_apart(queue: QueueBasic, case: Case) -> None:
    """Every name of every group in one namespace: no two of them meet, however they are hashed, cut or encoded."""
    await all_are_apart(queue, name_groups(case.limits.max_name), 8 if case.server else 1, BASIC)


_PARTS = (
    *("delayed", "scheduled", "leased", "unacked", "processing", "inflight", "priority", "wait", "ready", "meta", "id"),
    *("messages", "dead", "dlq", "failed", "retry", "lock", "events", "9"),
)
_JOINED = ("{0}:{1}", "{1}:{0}", "{0}.{1}", "{0}_{1}", "{0}-{1}", "{0}/{1}", "{0}{1}")


@check("queue_basic.6")
@gauntlet(lambda limits: [{"joined": joined} for joined in _JOINED])
async def names_made_of_another_are_queues_of_their_own(queue: QueueBasic, case: Case, joined: str) -> None:
    """Nor does a queue hold what another one keeps beside its messages, under a name made of its own and a word for that (Q-27)."""
    whole = await case.whole()
    names = [joined.format("q", part) for part in _PARTS]
    puts = await fill(queue, "q", [b"held", b"plain"], {"h": "v"})
    if offers(whole, QueueVisibility):
        await whole.receive("q", HELD_S)
        puts = puts[1:]
    if offers(whole, QueueDelayed):
        await whole.enqueue_delayed("q", b"delayed", delay_s=1e6)
    for name in names:
        await empty(queue, name, "queue_basic.6", f"{name!r}, which was never used, gives a message of another queue")
    if not case.server or joined == _JOINED[0]:
        there = [await fill(queue, name, [name.encode()]) for name in names]
        if offers(whole, QueueDelayed):
            same("queue_delayed.2", await whole.scheduled_count("q"), 1, "scheduled_count counts what is in another queue")
        with law("queue_basic.6"):
            await drains(queue, "q", puts, BASIC, "after queues with names made of its own were used")
            for name, put in zip(names, there, strict=True):
                await drains(queue, name, put, BASIC, "beside a queue of whose name its own is made")


@check("queue_basic.6")
@gauntlet(lambda limits: [{"text": text} for text in COMMANDS])
async def text_that_looks_like_a_command_is_only_text(queue: QueueBasic, text: str) -> None:
    """SQL, patterns, protocol lines and paths stand for themselves as names, payloads and headers (Q-27)."""
    beside = await fill(queue, "a", [b"1"]) + await fill(queue, "a", [b"2"])
    await look_alikes_are_empty(queue, ("abc", text), BASIC)
    puts = await fill(queue, text, [text.encode()], {text: text})
    await drains(queue, text, puts, BASIC)
    await drains(queue, "a", beside, BASIC, "after a queue with syntax in its name was used")


def _calls(queue: QueueBasic, name: Any) -> dict[str, Callable[[], Awaitable[Any]]]:
    return {
        "enqueue": lambda: queue.enqueue(name, b"x"),
        "dequeue": lambda: queue.dequeue(name),
        "dequeue with a timeout": lambda: queue.dequeue(name, 5.0),
        "peek": lambda: queue.peek(name),
    }


@check("queue_basic.7")
@gauntlet(lambda limits: [{"name": name, "near": near} for name, near in bad_names(limits.max_name)])
async def a_bad_name_is_refused_by_every_method(queue: QueueBasic, name: str, near: str) -> None:
    """A name that is empty, too long or holds a surrogate raises `InvalidName`; nothing is enqueued or taken."""
    await refused_everywhere(queue, "queue_basic.7", _calls(queue, name), InvalidName, "a bad name")
    await empty(queue, near, "queue_basic.7", "a refused name enqueued a message")
    puts = await fill(queue, near, [b"near"])
    await refused_everywhere(queue, "queue_basic.7", _calls(queue, name), InvalidName, "a bad name")
    await drains(queue, near, puts, BASIC, "after refused names")


@check("queue_basic.7")
@gauntlet(lambda limits: [{"name": name} for name in longest_names(limits.max_name)])
async def a_name_at_the_limit_is_accepted(queue: QueueBasic, name: str) -> None:
    """The limit counts bytes of UTF-8; a name of exactly so many is a queue like any other."""
    twin = name[:-1] + "~" if name[-1].isascii() else name[:-1]
    with law("queue_basic.7"):
        await names_are_apart(queue, (name, twin), BASIC)
        await look_alikes_are_empty(queue, (twin, name), BASIC)


@check("queue_basic.7")
@gauntlet(lambda limits: [{"name": name} for name in NO_NAMES])
async def what_is_no_text_is_no_name(queue: QueueBasic, name: Any) -> None:
    """A queue that is not ``str`` raises ``TypeError`` in every method, before any effect."""
    near = str(name)
    puts = await fill(queue, near, [b"1"]) if near else []
    await refused_everywhere(queue, "queue_basic.7", _calls(queue, name), TypeError, "what is no text")
    await drains(queue, near, puts, BASIC, "after refused names")


@check("queue_basic.7")
@gauntlet(lambda limits: [{"data": data} for data in NO_PAYLOADS])
async def what_is_no_bytes_is_no_payload(queue: QueueBasic, data: Any) -> None:
    """A payload that is not bytes-like raises ``TypeError`` before any effect; a number is not so many NULs."""
    puts = await fill(queue, "q", [b"before"])
    for name in ("q", "fresh"):
        await refused("queue_basic.7", queue.enqueue(name, data), TypeError, "a payload that is not bytes-like is not refused")
    await drains(queue, "q", puts, BASIC, "after a refused payload")
    await empty(queue, "fresh", "queue_basic.7", "a refused payload left a message")


@check("queue_basic.7")
@gauntlet(lambda limits: [{"number": number} for number in range(len(BAD_HEADERS))])
async def bad_headers_are_refused(queue: QueueBasic, number: int) -> None:
    """Headers that are illegal or over their limit are refused, each with its error, before any effect (Q-28)."""
    headers, errors = BAD_HEADERS[number]
    puts = await fill(queue, "q", [b"before"], {"a": "b"})
    for name in ("q", "fresh"):
        await refused("queue_basic.7", queue.enqueue(name, b"x", headers), errors, "illegal headers are not refused")
    await drains(queue, "q", puts, BASIC, "after refused headers")
    await empty(queue, "fresh", "queue_basic.7", "refused headers left a message")


@check("queue_basic.7", "queue_basic.1", "queue_basic.2")
@gauntlet(lambda limits: [{"size": size} for size in over(limits.max_payload)])
async def a_payload_over_the_limit_is_refused(queue: QueueBasic, case: Case, size: int) -> None:
    """One byte more than ``max_payload`` raises `PayloadTooLarge`; headers do not count against it (Q-28)."""
    await over_limits_are_refused(queue, case, BASIC, [size])


@check("queue_basic.7", "queue_basic.1")
@gauntlet(
    lambda limits: [
        {"size": limits.max_payload - 1, "form": SWELLING[0]},
        *({"size": limits.max_payload, "form": f} for f in SWELLING),
    ]
)
async def everything_at_its_limit_is_accepted(queue: QueueBasic, case: Case, size: int, form: str) -> None:
    """The largest payload with the largest headers in the queue with the longest name is a message (Q-28)."""
    name, headers = "n" * case.limits.max_name, FULL_HEADERS[form]
    with law("queue_basic.7"):
        puts = await fill(queue, name, [patterned(size), patterned(size, seed=1)], headers)
        is_message("queue_basic.5", await queue.peek(name), puts[0], "peek of the largest message")
        await drains(queue, name, puts, BASIC, "the largest messages")


@check("queue_basic.8")
async def what_is_stored_is_a_copy(queue: QueueBasic) -> None:
    """A buffer or a mapping changed after the call changes nothing that is stored."""
    await nothing_shared_by_reference(queue, BASIC)


@check("queue_basic.8", "queue_basic.5")
async def what_was_shown_is_a_copy(queue: QueueBasic) -> None:
    """Changing the headers that `peek` gave changes nothing that is stored."""
    puts = await fill(queue, "q", [b"x", b"x"], dict.fromkeys("abcdef", "b"))
    for _ in range(2):
        got = await queue.peek("q")
        is_message("queue_basic.8", got, puts[0], "headers of a message changed with those that peek had given")
        try:
            got.headers.clear()  # type: ignore[union-attr]
        except (AttributeError, TypeError):
            break  # what cannot be changed is as good as a copy
    await drains(queue, "q", puts, BASIC, "after what peek gave was changed")


@check("queue_basic.9")
async def namespaces_are_apart(queue: QueueBasic, case: Case) -> None:
    """Nothing enqueued in one namespace is seen or taken through another."""
    await siblings_are_apart(queue, case, BASIC)
