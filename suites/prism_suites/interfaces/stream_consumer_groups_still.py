"""A member whose process stands still (SIGSTOP) is as good as dead: what it held is another's, and stays so when it goes on.

While that is waited for, one that lives and is slow keeps what it holds, and a group that nobody uses rests.
"""

from collections.abc import Sequence
from typing import Annotated, Any

from prism_suites._conducted import done
from prism_suites._judging import broken
from prism_testkit.case import Case
from prism_testkit.checks import check
from prism_testkit.conducting import Player
from prism_testkit.interfaces import Conflict, RecordDelivery, StreamConsumerGroups
from prism_testkit.returned import Returned, Told
from prism_testkit.traits import Traits

_STALE = "stream_consumer_groups.8"
_COMES = "stream_consumer_groups.5"
_ACKED = "stream_consumer_groups.6"
_SLOW = "stream_consumer_groups.4"
_RESTS = "stream_consumer_groups.1"
_COUNT = 4
_PATIENCE_S = 10.0
"""How long to wait, beyond what is claimed, for what must come."""
_GLANCE_S = 0.3
_MOST_S = 60.0
"""Who claims to notice the death of a member later than this is not waited for."""

Noticing = Annotated[StreamConsumerGroups, Traits(sharing="processes", member_timeout_s=1e6)]


@check(_STALE, _COMES, _ACKED, _SLOW, _RESTS, level="standard", needs_server=True)
async def who_stood_still_holds_nothing(stream: Noticing, case: Case) -> None:
    """What it held comes to another; its own acks and nacks are refused and touch nothing, and it receives again (ST-14)."""
    _stand_still(case)


@check(_STALE, _COMES, _ACKED, _SLOW, _RESTS, level="thorough")
async def who_stood_still_beside_files_holds_nothing(stream: Noticing, case: Case) -> None:
    """The same where processes share files (ST-14)."""
    if not case.server:  # the other check is about servers
        _stand_still(case)


def _stand_still(case: Case) -> None:
    timeout_s = case.traits.member_timeout_s or 0.0
    if timeout_s > _MOST_S:
        case.inconclusive(f"the death of a member may be noticed after {timeout_s:g} s, and nothing waits that long")
    with case.conducted(2) as (sleeper, other):
        shares = case.traits.group_parallelism == "record"
        for number in range(_COUNT + shares):
            done(sleeper.call("append", "s", b"%d" % number), _COMES)
        for group in ("g", "rests"):
            done(sleeper.call("create_group", "s", group), _COMES)
        kept: list[RecordDelivery] = []
        if shares:  # else whoever joins later takes what is held
            second = done(other.call("join", "s", "g", "d"), _COMES)
            kept = _received(other, second, _PATIENCE_S, 1)
        first = done(sleeper.call("join", "s", "g", "c"), _COMES)
        held = _all(sleeper, first, _PATIENCE_S)
        sleeper.stop()
        if not shares:
            second = done(other.call("join", "s", "g", "d"), _COMES)
        taken = _all(other, second, timeout_s + _PATIENCE_S, kept)
        sleeper.resume()
        _refused(sleeper.call("join.ack", first, *held[::2]))
        _refused(sleeper.call("join.nack", first, *held[1::2]))
        if stolen := _received(sleeper, first, _GLANCE_S):
            broken(_STALE, "what one member holds came to another that had stood still", expected=[], got=stolen)
        done(other.call("join.ack", second, *taken, *kept), _STALE)
        done(other.call("join.exit", second), _COMES)
        done(sleeper.call("append", "s", b"new"), _COMES)
        again = _received(sleeper, first, timeout_s + _PATIENCE_S)
        if [bytes(delivery.record.payload) for delivery in again] != [b"new"]:
            sentence = "a member that stood still does not receive again what is new, and only that"
            broken(_STALE if not again else _ACKED, sentence, expected=[b"new"], got=again)
        _refused(sleeper.call("join.ack", first, held[0], *again))
        done(sleeper.call("join.exit", first), _COMES)
        third = done(other.call("join", "s", "g", "e"), _COMES)
        if undone := _received(other, third, _GLANCE_S):
            sentence = "of several acks at once, one of them from before its member stood still, the valid one was not done"
            broken(_STALE, sentence, expected="what was acked does not come again", got=undone)
        _rested(other, _COUNT + shares + 1)


def _received(player: Player, member: Returned, wait_s: float, most: int = _COUNT) -> list[RecordDelivery]:
    told = player.call("join.receive", member, most, wait_s)
    done(told, _STALE)
    return list(told.result)


def _all(player: Player, member: Returned, wait_s: float, kept: Sequence[RecordDelivery] = ()) -> list[RecordDelivery]:
    """Receive all records, as few at a time as the driver likes; none that this member has ``kept`` meanwhile."""
    found: dict[int, Any] = {}
    held = {delivery.record.offset for delivery in kept}
    while len(found) < _COUNT:
        got = _received(player, member, wait_s)
        if not got:
            sentence = "what a member held whose process stands still does not come to another"
            broken(_COMES, sentence, expected=f"{_COUNT} records", got=sorted(found))
        if again := [delivery for delivery in got if delivery.record.offset in held]:
            sentence = "a record that a member holds, which lives and was neither left nor asked for anything, comes again"
            broken(_SLOW, sentence, expected="it stays held", got=again)
        found |= {delivery.record.offset: delivery for delivery in got}
    return list(found.values())


def _rested(player: Player, count: int) -> None:
    """Judge that a group which nobody has used since it was made has every record."""
    member = done(player.call("join", "s", "rests", "c"), _RESTS)
    found: set[int] = set()
    while len(found) < count:
        got = _received(player, member, _PATIENCE_S, count)
        if not got:
            sentence = "a group that nobody used for some seconds does not get every record"
            broken(_RESTS, sentence, expected=f"{count} records", got=sorted(found))
        found |= {delivery.record.offset for delivery in got}
    done(player.call("join.exit", member), _RESTS)


def _refused(told: Told) -> None:
    if not isinstance(told.error, Conflict):
        got = "no error" if told.error is None else told.error
        broken(_STALE, f"{told.op} of what was taken away while the process stood still", expected="Conflict", got=got)
