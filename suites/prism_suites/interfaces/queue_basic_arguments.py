"""queue_basic: names and headers are their text, whatever type it has; and many namespaces at a time."""

from typing import Any

from prism_suites._judging import same
from prism_suites._queue_taking import Put, is_message
from prism_suites._siblings import used_by_turns
from prism_suites._texts import SAMPLES, TEXTS
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import QueueBasic
from prism_testkit.outcomes import law


@check("queue_basic.6", "queue_basic.1")
@gauntlet(lambda limits: [{"how": how, "name": name} for how in TEXTS for name in SAMPLES])
async def a_name_may_be_any_kind_of_str(queue: QueueBasic, how: str, name: str) -> None:
    """A queue, and headers, given as instances of subclasses of ``str`` are their text (Q-28)."""
    text = TEXTS[how](name)
    with law("queue_basic.6"):
        first = Put(await queue.enqueue(text, b"1", {text: text}), b"1", {name: name})
        second = Put(await queue.enqueue(name, b"2"), b"2", {})
        is_message("queue_basic.6", await queue.peek(text), first, f"a name given as {how} is not its text")
        is_message("queue_basic.6", await queue.dequeue(name), first, f"a name given as {how} is not its text")
        is_message("queue_basic.6", await queue.dequeue(text), second, f"a name given as {how} is not its text")


@check("queue_basic.9")
async def many_namespaces_are_apart(queue: QueueBasic, case: Case) -> None:
    """However many namespaces are in use, each keeps its own messages (Q-28)."""

    async def use(slot: Any, number: int) -> None:
        for part in (0, 1):
            await slot.enqueue("q", b"%d.%d" % (number, part))

    async def look(slot: Any, number: int) -> None:
        got = await slot.dequeue("q")
        found = got and got.payload
        same("queue_basic.9", found in (b"%d.0" % number, b"%d.1" % number), True, "of many namespaces one lost a message")

    with law("queue_basic.9"):
        await used_by_turns(case, queue, use, look)
