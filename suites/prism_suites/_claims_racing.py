"""Lets calls of a claim check meet under a plan, and reads what is left of a topic afterwards."""

from collections.abc import Awaitable, Callable, Collection
from typing import Any

from hypothesis import given

from prism_patterns.claim_check import ClaimCheck, ClaimConsumer, ClaimDelivery
from prism_suites._judging import broken, same
from prism_suites._racing import together
from prism_testkit.case import Case
from prism_testkit.checks import gauntlet
from prism_testkit.plan import Plan
from prism_testkit.strategies.schedules import plans

__all__ = ["BIG", "Taker", "has_met", "planned", "publish_all", "raced", "rest"]

BIG = {name: name.encode() * length for name, length in (("a", 97), ("b", 65), ("c", 201))}
"""Payloads that are claimed, by the name that travels in their headers."""


def planned(steps: int) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Run a check first come, first served, and under plans for about as many choices as its race has."""

    def mark(function: Callable[..., Any]) -> Callable[..., Any]:
        return gauntlet(lambda limits: [{"plan": Plan()}])(given(plan=plans(steps=steps, dense=True))(function))

    return mark


def has_met(case: Case, since: int) -> bool:
    """Say whether two calls of implementations were under way at once, of those that began when the history was so long."""
    entries = [entry for entry in case.history.entries if entry.call >= since and entry.client >= 0 and entry.ret is not None]
    return any(one.call < other.call < (one.ret or 0) for one in entries for other in entries)


async def raced(case: Case, plan: Plan, *works: Awaitable[Any]) -> list[Any]:
    """Let works meet, each in a task of its own; the plan says who goes next. When all have ended, raise the first error."""
    since = len(case.history)
    case.schedule(plan)
    results = await together(*works)
    case.unschedule()
    if not has_met(case, since):
        case.inconclusive("no two calls overlapped")
    return results


class Taker:
    """A consumer that takes what there is, and judges each payload by the name in its headers."""

    def __init__(self, consumer: ClaimConsumer) -> None:
        self.consumer = consumer
        self.read_names: set[str] = set()
        self.names: set[str] = set()
        """Of what was read and acked."""

    async def read(self, delivery: ClaimDelivery) -> None:
        name = delivery.headers.get("name", "")
        if name not in BIG:
            broken("CC1", "a message came that nobody published", got=dict(delivery.headers))
        same("CC1", await self.consumer.read(delivery), BIG[name], "a payload is that of another message")
        self.read_names.add(name)

    async def finish(self, delivery: ClaimDelivery) -> None:
        await self.read(delivery)
        await self.consumer.ack(delivery)
        self.names.add(delivery.headers["name"])

    async def work(self, turns: int, give_back: int = -1) -> None:
        """Receive so often, and give back what comes at one turn."""
        for turn in range(turns):
            delivery = await self.consumer.receive(0)
            if delivery is None:
                continue
            if turn == give_back:
                await self.read(delivery)
                await self.consumer.nack(delivery)
            else:
                await self.finish(delivery)


_ROUNDS = 40


async def rest(case: Case, *takers: Taker, names: Collection[str] = tuple(BIG)) -> None:
    """Take what is left of a subscription that these share: which of them is given it, is the broker's affair."""
    wait_s = 1.0 if case.clock.virtual else 0.05
    for _ in range(_ROUNDS):
        for taker in takers:
            if set().union(*(each.names for each in takers)) == set(names):
                return
            delivery = await taker.consumer.receive(wait_s)
            if delivery is not None:
                await taker.finish(delivery)
    came = set().union(*(each.names for each in takers))
    same("CC4", sorted(came), sorted(names), "of messages that were taken at once not all came, or came again")


async def publish_all(check_in: ClaimCheck, topic: str) -> None:
    """Publish each payload with its name."""
    for name, payload in BIG.items():
        await check_in.publish(topic, payload, {"name": name})
