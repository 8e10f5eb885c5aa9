"""pubsub: refused, failed and empty calls use nothing up, however many there were."""

from typing import Any

from prism_suites._pubsub_taking import BASIC, PERSISTENT, Laws, hears, listening, numbered, send
from prism_suites._using_up import never_entered, uses_nothing_up
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import InvalidName, PubSubBasic, PubSubPersistent

_FAILURES = (InvalidName, ValueError, TypeError, ZeroDivisionError)
_KINDS = ("body raises", "no number", "empty", "name", "come and go", "not entered")


async def _judge(slot: Any, case: Case, kind: str, laws: Laws, promise: str) -> None:
    def entered(topic: str) -> Any:
        return slot.subscribe(topic) if laws is BASIC else slot.subscribe_durable(topic, "s")

    async def listen() -> None:
        if kind == "not entered":
            await never_entered(entered("t"))
            return
        async with entered("" if kind == "name" else "t") as inner:
            if kind == "body raises":
                raise ZeroDivisionError
            if kind in ("no number", "empty"):
                await inner.receive(timeout_s=float("nan") if kind == "no number" else 0.0)

    async def goes_on() -> None:
        async with listening(case, slot, "after", laws) as ear:
            await hears(ear, await send(slot, "after", numbered(3), laws), f"after many that failed ({kind})", lost=promise)

    await uses_nothing_up(promise, f"a subscription that fails ({kind})", listen, _FAILURES, goes_on)


@check("pubsub_basic.11", "pubsub_basic.9", "pubsub_basic.6")
@gauntlet(lambda limits: [{"kind": kind} for kind in _KINDS])
async def what_fails_uses_nothing_up(pubsub: PubSubBasic, case: Case, kind: str) -> None:
    """After many subscriptions that were left by an error, refused, or heard nothing, the driver goes on (PS-25)."""
    promise = "pubsub_basic." + {"no number": "9", "empty": "9", "name": "6"}.get(kind, "11")
    await _judge(pubsub, case, kind, BASIC, promise)


@check("pubsub_persistent.14", "pubsub_persistent.9", "pubsub_persistent.11")
@gauntlet(lambda limits: [{"kind": kind} for kind in _KINDS])
async def members_that_fail_use_nothing_up(pubsub: PubSubPersistent, case: Case, kind: str) -> None:
    """So do durable subscriptions go on (PS-25)."""
    promise = "pubsub_persistent." + {"no number": "9", "empty": "9", "name": "11"}.get(kind, "14")
    await _judge(pubsub, case, kind, PERSISTENT, promise)
