"""pubsub: a payload is its bytes, in whatever kind of buffer it is published."""

from typing import Any

from prism_suites._buffers import ANY_BUFFERS, payloads_are_their_bytes
from prism_suites._pubsub_taking import BASIC, PERSISTENT, Laws, listening, publish
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import PubSubBasic, PubSubPersistent


async def _kept(slot: Any, case: Case, kind: str, laws: Laws, kept: str) -> None:
    call = publish(slot, laws)
    async with listening(case, slot, "t", laws) as ear:

        async def heard() -> Any:
            got = await ear.next()
            return got and got.payload

        await payloads_are_their_bytes(kind, case.limits, lambda data: call("t", data), heard, kept, laws.refusal)


@check("pubsub_basic.1", "pubsub_basic.6")
@gauntlet(lambda limits: [{"kind": kind} for kind in ANY_BUFFERS])
async def a_payload_may_be_any_buffer(pubsub: PubSubBasic, case: Case, kind: str) -> None:
    """What is received is ``bytes``, those of the buffer, and no more of what lies behind a view of a part (PS-02)."""
    await _kept(pubsub, case, kind, BASIC, "pubsub_basic.1")


@check("pubsub_persistent.2", "pubsub_persistent.11")
@gauntlet(lambda limits: [{"kind": kind} for kind in ANY_BUFFERS])
async def a_stored_payload_may_be_any_buffer(pubsub: PubSubPersistent, case: Case, kind: str) -> None:
    """So is what is delivered (PS-02)."""
    await _kept(pubsub, case, kind, PERSISTENT, "pubsub_persistent.2")
