"""pubsub_persistent: members of one subscription in several processes, of which one dies: the others keep what they hold."""

import time
from typing import Annotated

from prism_suites._conducted import done
from prism_suites._judging import broken, same
from prism_suites._pubsub_members import HELD_S
from prism_testkit.case import Case
from prism_testkit.checks import check
from prism_testkit.conducting import Player
from prism_testkit.interfaces import Delivery, PubSubPersistent
from prism_testkit.returned import Returned
from prism_testkit.traits import Traits

_HOLDS = "pubsub_persistent.7"
_COMES = "pubsub_persistent.4"
_PATIENCE_S = 10.0
"""How long to wait, beyond what is claimed, for what must come."""
_MOST_S = 60.0
"""Who claims to notice the death of a member later than this is not waited for."""
_GLANCE_S = 0.05
_HELD = 2

Noticing = Annotated[PubSubPersistent, Traits(sharing="processes", member_timeout_s=1e6)]


@check(_HOLDS, _COMES, "pubsub_persistent.5", level="standard")
async def who_lives_keeps_what_it_holds(pubsub: Noticing, case: Case) -> None:
    """What a killed process held comes to a member in another, which goes on with what it holds itself (PS-24)."""
    if case.server:
        case.note("where a server has to notice it, the death of one member beside another is played at thorough")
        return
    _beside_the_dead(case)


@check(_HOLDS, _COMES, "pubsub_persistent.5", level="thorough", needs_server=True)
async def who_lives_keeps_what_it_holds_on_a_server(pubsub: Noticing, case: Case) -> None:
    """The same where a server has to notice that a process died (PS-24)."""
    _beside_the_dead(case)


def _beside_the_dead(case: Case) -> None:
    timeout_s = case.traits.member_timeout_s or 0.0
    if timeout_s > _MOST_S:
        case.inconclusive(f"the death of a member may be noticed after {timeout_s:g} s, and nothing waits that long")
    with case.conducted(2) as (living, dying):
        for number in range(2 * _HELD):
            done(living.call("publish_persistent", "t", b"%d" % number), _HOLDS)
        first, second = (done(player.call("subscribe_durable", "t", "s", "earliest"), _HOLDS) for player in (living, dying))
        since_s = time.monotonic()
        mine = _receive(living, first, _HELD)
        theirs = _apart(mine, _receive(dying, second, _HELD), since_s)
        dying.kill()
        again = _apart(mine, _receive(living, first, len(theirs), timeout_s + _PATIENCE_S), since_s)
        same(_COMES, _payloads(again), _payloads(theirs), "what a killed process held does not come to who lives")
        done(living.call("publish_persistent", "t", b"new"), _HOLDS)
        new = _apart([*mine, *again], _receive(living, first, 1), since_s)
        same(_HOLDS, bool(new), True, "a member does not go on after one in another process was killed")
        done(living.call("subscribe_durable.ack", first, *mine, *again, *new), _HOLDS)
        done(living.call("subscribe_durable.exit", first), _HOLDS)
        if time.monotonic() - since_s < HELD_S:
            last = done(living.call("subscribe_durable", "t", "s"), _HOLDS)
            left = living.call("subscribe_durable.receive", last, 10, _GLANCE_S)
            same("pubsub_persistent.5", _payloads(left.result), [], "what was acked comes again after another's death")


def _receive(player: Player, member: Returned, count: int, wait_s: float = _PATIENCE_S) -> list[Delivery]:
    """Receive so many, as few at a time as the driver likes; less if no more come."""
    found: list[Delivery] = []
    while len(found) < count:
        told = player.call("subscribe_durable.receive", member, count - len(found), wait_s)
        done(told, _HOLDS)
        if not told.result:
            break
        found += told.result
    return found


def _apart(held: list[Delivery], got: list[Delivery], since_s: float) -> list[Delivery]:
    """Return what came and is not held; nothing that is may come before there may be a deadline."""
    ids = {delivery.message.id for delivery in held}
    if time.monotonic() - since_s < HELD_S and (twice := [each for each in got if each.message.id in ids]):
        sentence = "what a member holds comes again, while it lives beside members in other processes, of which one dies"
        broken(_HOLDS, sentence, expected="it stays held", got=twice)
    return [each for each in got if each.message.id not in ids]


def _payloads(deliveries: list[Delivery]) -> list[bytes]:
    return sorted(bytes(delivery.message.payload) for delivery in deliveries)
