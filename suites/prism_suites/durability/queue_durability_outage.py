"""A server goes away and comes back: calls say so meanwhile, drivers from before work again, and nothing acknowledged is lost."""

from typing import Any

from prism_suites._judging import broken
from prism_suites._queue_outage import QueueOutage, every_call
from prism_suites._queue_taking import BASIC, HELD_S, VISIBILITY, Laws, drained
from prism_suites._racing import together
from prism_testkit.case import Case
from prism_testkit.checks import check
from prism_testkit.interfaces import QueueBasic, QueueVisibility
from prism_testkit.private import PrivateServer


@check("queue_basic.13", "queue_basic.12", needs_server=True)
async def plain_drivers_outlive_their_server(queue: QueueBasic, case: Case) -> None:
    """While the server is away calls say so; once it is back the drivers from before work again (Q-21, Q-30)."""
    await _outlive(case, "queue_basic.13", "queue_basic.12", BASIC)


@check("queue_visibility.14", "queue_visibility.13", needs_server=True)
async def leasing_drivers_outlive_their_server(queue: QueueVisibility, case: Case) -> None:
    """The same of drivers that lease; what was held may be acked afterwards, if leases are claimed to survive (Q-21, Q-30)."""
    await _outlive(case, "queue_visibility.14", "queue_visibility.13", VISIBILITY)


async def _outlive(case: Case, promise: str, durable: str, laws: Laws) -> None:
    outage = QueueOutage(promise)
    async with case.private_server() as private:
        one, other = await private.client(), await private.client()
        held: Any = None
        if hasattr(one, "receive"):
            await one.enqueue("held", b"held")
            held = await one.receive("held", HELD_S)
        await one.enqueue("kept", b"kept")
        *misses, _ = await together(outage.busy(one, 0), outage.busy(other, 1), _strike(private, outage))
        await outage.none_answered(every_call(one, held))
        await private.restart()
        for slot in (one, other):
            await outage.all_answered(every_call(slot, held))
            await slot.enqueue("new", b"new")
            found = [message.payload for message in await drained(slot, "new")]
            if found != [b"new"]:
                broken(promise, "a driver from before the outage works wrongly after it", expected=[b"new"], got=found)
        left = [message.payload for message in await drained(other, "busy")]
        _judge(case, outage, left, durable, laws)
        if case.traits.durability != "none" and not await drained(one, "kept"):
            broken(durable, "what was acknowledged before the outage is lost", expected=b"kept", got=None)
    if not all(misses):
        case.inconclusive("no call met the server while it was away")


async def _strike(private: PrivateServer, outage: QueueOutage) -> None:
    await outage.reach(60)
    await private.kill()


def _judge(case: Case, outage: QueueOutage, left: list[bytes], durable: str, laws: Laws) -> None:
    """Judge conservation: an unanswered enqueue happened once or not at all, an unanswered take took one or none."""
    if len(set(left)) < len(left):
        broken(laws.once, "around an outage a message is doubled", expected="each once", got=left)
    strange = sorted(set(left) - set(outage.attempted))
    if strange:
        broken(laws.once, "around an outage there is a message that nobody enqueued", expected=[], got=strange)
    if case.traits.durability == "none":
        return
    lost = sorted(set(outage.acknowledged) - set(left) - set(outage.taken))
    if len(lost) > outage.unknown_takes:
        broken(
            durable,
            "messages acknowledged before the outage are lost",
            expected=f"at most {outage.unknown_takes} in doubt",
            got=lost,
        )
    back = sorted(set(left) & set(outage.taken))
    if back and laws is BASIC:
        broken(durable, "a message that was taken is back after the outage", expected=[], got=back)
