"""pubsub: who waits is woken by what another process publishes, as by what his own does; one that is killed stops nobody."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated, Any

from prism_suites._conducted import done
from prism_suites._judging import broken, same
from prism_testkit.case import Case
from prism_testkit.checks import check
from prism_testkit.conducting import Player
from prism_testkit.interfaces import PubSubBasic, PubSubPersistent
from prism_testkit.traits import Traits

_ROUNDS = 4
"""So many receives, for one may come upon its message before it waits."""
_WAITS_S = 120.0
_PATIENCE_S = 15.0
"""Far less than a receive waits, and far more than it takes to be woken."""


async def _woken(promise: str, receive: Callable[[float], Awaitable[Any]], player: Player, publish: str, story: str) -> None:
    """Judge that a receive that waits gives what another process publishes meanwhile."""
    for number in range(_ROUNDS):
        payload = b"%d" % number
        waiting = asyncio.ensure_future(receive(_WAITS_S))
        told = await asyncio.to_thread(player.call, publish, "t", payload)
        if told.error is not None:
            waiting.cancel()
            broken(promise, f"{publish}, of another process, raised", expected="no error", got=told.error)
        done, _ = await asyncio.wait({waiting}, timeout=_PATIENCE_S)
        if not done:
            waiting.cancel()
            await asyncio.wait({waiting})
            sentence = f"{story} is not woken by what another process publishes, and would wait for {_WAITS_S:g} s"
            broken(promise, sentence, expected=payload, got=f"nothing for {_PATIENCE_S:g} s")
        got = waiting.result()
        if got != payload:
            broken(promise, f"{story}: it gives something else than another process published", expected=payload, got=got)


@check("pubsub_basic.9", "pubsub_basic.1", level="standard", needs_server=True)
async def a_subscription_hears_another_process(pubsub: Annotated[PubSubBasic, Traits(sharing="processes")], case: Case) -> None:
    """A receive that waits returns what another process publishes, long before its time is over (PS-01)."""
    with case.conducted(1) as (player,):
        async with pubsub.subscribe("t") as subscription:

            async def receive(timeout_s: float) -> Any:
                message = await subscription.receive(timeout_s)
                return None if message is None else message.payload

            await _woken("pubsub_basic.9", receive, player, "publish", "a receive that waits")


@check("pubsub_persistent.9", "pubsub_persistent.1", level="standard", needs_server=True)
async def a_member_hears_another_process(pubsub: Annotated[PubSubPersistent, Traits(sharing="processes")], case: Case) -> None:
    """The same of a member of a durable subscription (PS-01)."""
    with case.conducted(1) as (player,):
        async with pubsub.subscribe_durable("t", "s") as member:

            async def receive(timeout_s: float) -> Any:
                got = await member.receive(1, timeout_s)
                await member.ack(*got)
                return got[0].message.payload if got else None

            await _woken("pubsub_persistent.9", receive, player, "publish_persistent", "a receive of a member that waits")


_PUBLISHES = 110
"""More than a driver may send before it looks who still listens."""
_done = partial(done, promise="pubsub_basic.4", beside=" beside a killed subscriber")


@check("pubsub_basic.4", "pubsub_basic.1", "pubsub_basic.2", level="standard")
async def a_killed_subscriber_stops_nobody(pubsub: Annotated[PubSubBasic, Traits(sharing="processes")], case: Case) -> None:
    """Who listens beside a process that is killed, or from then on, receives what is published, in order, each once (PS-02)."""
    with case.conducted(2) as (living, dying):
        for topic in ("t", "u"):
            _done(dying.call("subscribe", topic))
        first = _done(living.call("subscribe", "t"))
        _done(living.call("publish", "t", b"before"))
        dying.kill()
        second = _done(living.call("subscribe", "t"))
        sent = [b"%d" % number for number in range(_PUBLISHES)]
        for payload in sent:
            _done(living.call("publish", "t", payload))
        for member, wanted, story in ((first, [b"before", *sent], "beside a process"), (second, sent, "after a process")):
            found: list[bytes] = []
            while len(found) <= len(wanted):
                told = living.call("subscribe.receive", member, _PATIENCE_S if len(found) < len(wanted) else 0.0)
                _done(told)
                if told.result is None:
                    break
                found.append(bytes(told.result.payload))
            same("pubsub_basic.4", found, wanted, f"what is received by who subscribed {story} that was killed listening")
            _done(living.call("subscribe.exit", member))
