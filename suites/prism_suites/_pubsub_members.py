"""Members of durable subscriptions: receiving and holding, and judging what comes, what comes again, and what must not."""

import asyncio
import contextlib
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any

from prism_suites._judging import broken
from prism_suites._pubsub_taking import Sent, is_message, patience, quiet
from prism_testkit.case import Case
from prism_testkit.interfaces import Conflict, Delivery

__all__ = [
    "HELD_S",
    "WAYS",
    "comes_again",
    "counted",
    "gets",
    "leave",
    "lenient",
    "nothing",
    "promptly",
    "received",
    "without_effect",
]

HELD_S = 1.0
"""So long, at least, a message is held; after that an acknowledgement deadline may be over, whose length nobody says."""
_LOOKS = 40
"""How often one looks for what is there: a driver may need a few turns to notice, but no time."""
WAYS = ("plainly", "by an error", "by a cancellation")


async def received(case: Case, member: Any, most: int = 1, timeout_s: float | None = None) -> list[Delivery]:
    """Receive up to ``most``, waiting for the first; judge that it is a list of deliveries, not too many."""
    got = await member.receive(most, patience(case) if timeout_s is None else timeout_s)
    if not isinstance(got, list) or not all(isinstance(each, Delivery) for each in got):
        broken("pubsub_persistent.9", "receive gives no list of deliveries", expected="a list", got=got)
    if len(got) > most:
        broken("pubsub_persistent.9", f"receive gives more than {most} deliveries", expected=most, got=len(got))
    return got


async def promptly(case: Case, member: Any, most: int = 1) -> list[Delivery]:
    """Receive what is there already: where time is virtual without letting any pass, else as `received` does."""
    if not case.clock.virtual:
        return await received(case, member, most)
    for _ in range(_LOOKS):
        if got := await received(case, member, most, 0):
            return got
        await asyncio.sleep(0)
    return []


def counted(case: Case, delivery: Delivery, before: int) -> None:
    """Judge a delivery count, given that of the delivery before (0: there was none)."""
    got = delivery.delivery_count
    if isinstance(got, bool) or not isinstance(got, int) or got <= before:
        broken("pubsub_persistent.4", "delivery_count does not rise", expected=f"more than {before}", got=got)
    if case.traits.delivery_count == "exact" and got != before + 1:
        broken("pubsub_persistent.4", "delivery_count does not rise by one", expected=before + 1, got=got)


async def gets(
    case: Case,
    member: Any,
    sents: Sequence[Sent],
    *,
    batch: int = 1,
    story: str = "",
    lost: str = "pubsub_persistent.13",
) -> list[Delivery]:
    """Receive messages for the first time, as the only member, in the order of their one publisher; hold them."""
    told = f" ({story})" if story else ""
    taken: list[Delivery] = []
    while len(taken) < len(sents):
        got = await received(case, member, min(batch, len(sents) - len(taken)))
        if not got:
            broken(lost, f"a message is not received{told}", expected=sents[len(taken)], got=[])
        for delivery in got:
            _in_turn(delivery, taken, sents, told, lost)
            counted(case, delivery, 0)
            taken.append(delivery)
    return taken


def _in_turn(delivery: Delivery, taken: Sequence[Delivery], sents: Sequence[Sent], told: str, lost: str) -> None:
    message, sent = delivery.message, sents[len(taken)]
    if message.id != sent.id:
        if any(message.id == earlier.message.id for earlier in taken):
            sentence = f"a message that is held, or was acked, is received again{told}"
            broken("pubsub_persistent.7", sentence, expected=sent, got=delivery)
        if any(message.id == other.id for other in sents):
            sentence = f"a message comes before one that was published earlier, which comes later or never{told}"
            promise = lost if lost != "pubsub_persistent.13" else "pubsub_persistent.3"
            broken(promise, sentence, expected=sent, got=delivery)
        sentence = f"another message is received than the next that was published for this subscription{told}"
        broken("pubsub_persistent.1", sentence, expected=sent, got=delivery)
    is_message("pubsub_persistent.2", message, sent, f"a message is not received as it was published{told}")


async def comes_again(
    case: Case,
    member: Any,
    sents: Sequence[Sent],
    before: Mapping[str, int],
    *,
    promise: str = "pubsub_persistent.4",
    story: str = "",
    batch: int = 3,
) -> list[Delivery]:
    """Receive exactly these messages, in any order, each once; ``before`` has the last count of those delivered before."""
    told = f" ({story})" if story else ""
    waiting = {sent.id: sent for sent in sents}
    taken: list[Delivery] = []
    while waiting:
        got = await received(case, member, min(batch, len(waiting)))
        if not got:
            broken(promise, f"a message does not come again{told}", expected=list(waiting.values()), got=[])
        for delivery in got:
            sent = waiting.pop(delivery.message.id, None)
            if sent is None:
                again = any(delivery.message.id == other.message.id for other in taken)
                broken(
                    "pubsub_persistent.7" if again else _never(delivery, before, promise),
                    f"a message is received that is held, acked, or not for this subscription{told}",
                    expected=list(waiting.values()),
                    got=delivery,
                )
            is_message("pubsub_persistent.2", delivery.message, sent, f"a message comes again changed{told}")
            counted(case, delivery, before.get(sent.id, 0))
            taken.append(delivery)
    return sorted(taken, key=lambda delivery: [sent.id for sent in sents].index(delivery.message.id))


def _never(delivery: Delivery, before: Mapping[str, int], promise: str) -> str:
    if delivery.message.id not in before:
        return "pubsub_persistent.1"
    return promise if promise != "pubsub_persistent.4" else "pubsub_persistent.5"


async def nothing(case: Case, member: Any, promise: str, sentence: str, *, held_since_s: float | None = None) -> None:
    """Judge that nothing comes. ``held_since_s``: something is held since then, which may come again after a while."""
    got = await received(case, member, 10, quiet(case))
    if got and (held_since_s is None or case.clock.now_s() - held_since_s < HELD_S):
        broken(promise, sentence, expected=[], got=got)


async def lenient(call: Awaitable[Any]) -> None:
    """Await what must change nothing: it does nothing, or raises `Conflict`."""
    with contextlib.suppress(Conflict):
        await call


async def without_effect(case: Case, promise: str, call: Awaitable[Any], what: str) -> None:
    """Await what must change nothing, and name the promise if it raises anything but `Conflict`."""
    with case.law(promise):
        try:
            await lenient(call)
        except Exception as error:
            broken(promise, f"{what} raises", expected="nothing, or Conflict", got=f"{type(error).__name__}: {error}")


async def leave(manager: Any, way: str = "plainly") -> None:
    """Leave a context in one of `WAYS`."""
    if way == "plainly":
        await manager.__aexit__(None, None, None)
        return
    error: BaseException = KeyError("of the user") if way == "by an error" else asyncio.CancelledError()
    with contextlib.suppress(type(error)):
        await manager.__aexit__(type(error), error, None)
