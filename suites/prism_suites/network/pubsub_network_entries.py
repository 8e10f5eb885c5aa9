"""pub/sub: a subscription is entered while what its client asks for is still on its way to the server."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any

from prism_suites._judging import broken
from prism_suites._network import PATIENCE, until
from prism_suites._pubsub_taking import patience
from prism_testkit.case import Case
from prism_testkit.checks import check
from prism_testkit.interfaces import PubSubBasic, PubSubFiltering, PubSubPersistent, PubSubWildcards

_Enter = Callable[[Any], AbstractAsyncContextManager[Any]]
_Publish = Callable[[Any, bytes], Awaitable[str]]

_HEADERS = {"kind": "this"}


@check("pubsub_basic.1", needs_server=True)
async def an_entry_waits_for_the_server(pubsub: PubSubBasic, case: Case) -> None:
    """Once a subscription is entered it receives what is published, by whoever is nearer to the server, too (PS-25)."""
    await _entered_first(case, "pubsub_basic.1", lambda slot: slot.subscribe("t"))


@check("pubsub_wildcards.1", needs_server=True)
async def an_entry_by_pattern_waits_for_the_server(pubsub: PubSubWildcards, case: Case) -> None:
    """Once a subscription by pattern is entered it receives what is published, by whoever is nearer to the server, too (PS-25)."""
    await _entered_first(case, "pubsub_wildcards.1", lambda slot: slot.subscribe_pattern("*"))


@check("pubsub_filtering.1", needs_server=True)
async def a_filtered_entry_waits_for_the_server(pubsub: PubSubFiltering, case: Case) -> None:
    """Once a subscription by headers is entered it receives what is published, by whoever is nearer to the server, too (PS-25)."""
    await _entered_first(case, "pubsub_filtering.1", lambda slot: slot.subscribe_filtered("t", _HEADERS))


@check("pubsub_persistent.1", needs_server=True)
async def a_durable_entry_waits_for_the_server(pubsub: PubSubPersistent, case: Case) -> None:
    """Once a durable subscription is entered for the first time it gets what is published, by whoever is nearer to the server, too
    (PS-25)."""
    enter: _Enter = lambda slot: slot.subscribe_durable("t", "s")  # noqa: E731
    await _entered_first(case, "pubsub_persistent.1", enter, lambda slot, data: slot.publish_persistent("t", data, _HEADERS))


async def _entered_first(
    case: Case, promise: str, enter: _Enter, publish: _Publish = lambda slot, data: slot.publish("t", data, _HEADERS)
) -> None:
    """Hold what a client sends while it enters; publish through another as soon as it says that it has; then let all pass."""
    async with case.private_server() as private, AsyncExitStack() as stack:
        one, other, proxy = await private.client(proxied=True), await private.client(), private.proxy
        await publish(one, b"warm")  # makes the connection
        await proxy.hold("up")
        entering = asyncio.ensure_future(stack.enter_async_context(enter(one)))
        await until(entering.done, PATIENCE)
        early = entering.done()
        sent = await publish(other, b"next") if early else ""
        await proxy.pass_on()
        inner = await entering
        sent = sent or await publish(other, b"next")
        got = await inner.receive(timeout_s=patience(case))
        received = [each.message.id for each in got] if isinstance(got, list) else [got.id] if got is not None else []
        if received != [sent] and not getattr(inner, "gaps", 0):
            when = "the entry had returned before its request was at the server" if early else "over a slow line"
            sentence = f"what was published after a subscription had been entered is not received ({when})"
            broken(promise, sentence, expected=[sent], got=received)
