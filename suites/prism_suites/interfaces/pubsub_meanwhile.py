"""pubsub: who waits is woken behind whatever else happened meanwhile: others that come, wait in vain, are cancelled and leave."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from functools import partial
from typing import Any

from prism_suites._judging import same
from prism_suites._waiters import WAITS_S, gives_up, the_last_is_served
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import PubSubBasic, PubSubFiltering, PubSubPersistent, PubSubWildcards
from prism_testkit.tap import offers

_DOES = ("comes and leaves", "comes and stays", "waits in vain", "is cancelled", "is given something", "leaves without reading")
_ENTER: dict[str, tuple[type, Callable[[Any], AbstractAsyncContextManager[Any]]]] = {
    "a subscription of the topic": (PubSubBasic, lambda slot: slot.subscribe("t.own")),
    "a subscription of another topic": (PubSubBasic, lambda slot: slot.subscribe("t.other")),
    "a pattern": (PubSubWildcards, lambda slot: slot.subscribe_pattern("t.*")),
    "a filter": (PubSubFiltering, lambda slot: slot.subscribe_filtered("t.own", {})),
    "a member of another name": (PubSubPersistent, lambda slot: slot.subscribe_durable("t.own", "another")),
    "a member of the same name": (PubSubPersistent, lambda slot: slot.subscribe_durable("t.own", "s")),
}


async def _does(stack: AsyncExitStack, case: Case, slot: Any, who: str, what: str) -> None:
    durable = "member" in who
    entering = _ENTER[who][1](slot)
    if what == "comes and stays":
        await stack.enter_async_context(entering)
        return
    async with entering as inner:
        receive = partial(inner.receive, 1) if durable else inner.receive
        match what:
            case "waits in vain":
                await receive(1.0 if case.clock.virtual else 0.01)
            case "is cancelled":
                await gives_up(case, receive(WAITS_S))
            case "is given something" | "leaves without reading":
                publish = slot.publish_persistent if durable else slot.publish
                await publish("t.other" if "another topic" in who else "t.elsewhere", b"x")
                if what == "is given something":
                    await receive(1.0 if case.clock.virtual else 0.01)


async def _is_woken(
    case: Case, promise: str, who: str, what: str, own: bool, entering: Callable[[Any], AbstractAsyncContextManager[Any]]
) -> None:
    if case.server and (own or what != "is cancelled"):
        return  # each wait takes its time there
    slot, other = await case.whole(), await case.client(whole=True)
    durable = "persistent" in promise
    if not offers(slot, _ENTER[who][0]) or (durable and who == "a member of the same name" and what == "comes and stays"):
        return
    async with AsyncExitStack() as stack:
        inner = await stack.enter_async_context(entering(slot))

        async def write() -> None:
            await _does(stack, case, slot if own else other, who, what)
            await (other.publish_persistent if durable else other.publish)("t.own", b"mine", {"a": "b"})

        wait: Callable[[], Awaitable[Any]] = partial(inner.receive, 1, WAITS_S) if durable else partial(inner.receive, WAITS_S)
        got = await the_last_is_served(case, promise, [wait], write)
        message = (got[0].message if got else None) if durable else got
        same(promise, message and message.payload, b"mine", f"a receive behind {who} that {what} gives another message")


def _cases() -> list[dict[str, Any]]:
    return [{"who": who, "what": what, "own": own} for who in _ENTER for what in _DOES for own in (True, False)]


@check("pubsub_basic.9", "pubsub_basic.4")
@gauntlet(lambda limits: _cases())
async def whatever_others_do_meanwhile_a_wait_is_woken(pubsub: PubSubBasic, case: Case, who: str, what: str, own: bool) -> None:
    """While a subscription waits another one comes and does this or that; then a message comes, and it is given it at once."""
    await _is_woken(case, "pubsub_basic.9", who, what, own, lambda slot: slot.subscribe("t.own"))


@check("pubsub_wildcards.9", "pubsub_wildcards.6")
@gauntlet(lambda limits: _cases())
async def whatever_others_do_meanwhile_a_pattern_is_woken(
    pubsub: PubSubWildcards, case: Case, who: str, what: str, own: bool
) -> None:
    """The same of a subscription by a pattern."""
    await _is_woken(case, "pubsub_wildcards.9", who, what, own, lambda slot: slot.subscribe_pattern("*.own"))


@check("pubsub_filtering.9", "pubsub_filtering.8")
@gauntlet(lambda limits: _cases())
async def whatever_others_do_meanwhile_a_filter_is_woken(
    pubsub: PubSubFiltering, case: Case, who: str, what: str, own: bool
) -> None:
    """The same of a filtered subscription."""
    await _is_woken(case, "pubsub_filtering.9", who, what, own, lambda slot: slot.subscribe_filtered("t.own", {"a": "b"}))


@check("pubsub_persistent.9", "pubsub_persistent.6", "pubsub_persistent.7")
@gauntlet(lambda limits: _cases())
async def whatever_others_do_meanwhile_a_member_is_woken(
    pubsub: PubSubPersistent, case: Case, who: str, what: str, own: bool
) -> None:
    """The same of a member of a durable subscription."""
    await _is_woken(case, "pubsub_persistent.9", who, what, own, lambda slot: slot.subscribe_durable("t.own", "s", "earliest"))
