"""A member whose process stands still (SIGSTOP) is as good as dead: what it held is another's, and stays so when it goes on."""

from typing import Annotated, Any

from prism_suites._judging import broken
from prism_testkit.case import Case
from prism_testkit.checks import check
from prism_testkit.conducting import Player
from prism_testkit.interfaces import Conflict, RecordDelivery, StreamConsumerGroups
from prism_testkit.processes import Told
from prism_testkit.returned import Returned
from prism_testkit.traits import Traits

_STALE = "stream_consumer_groups.8"
_COMES = "stream_consumer_groups.5"
_ACKED = "stream_consumer_groups.6"
_COUNT = 4
_PATIENCE_S = 10.0
"""How long to wait, beyond what is claimed, for what must come."""
_GLANCE_S = 0.3
_MOST_S = 60.0
"""Who claims to notice the death of a member later than this is not waited for."""

Noticing = Annotated[StreamConsumerGroups, Traits(sharing="processes", member_timeout_s=1e6)]


@check(_STALE, _COMES, _ACKED, level="standard", needs_server=True)
async def who_stood_still_holds_nothing(stream: Noticing, case: Case) -> None:
    """What it held comes to another; its own acks and nacks are refused and touch nothing, and it receives again (ST-14)."""
    _stand_still(case)


@check(_STALE, _COMES, _ACKED, level="thorough")
async def who_stood_still_beside_files_holds_nothing(stream: Noticing, case: Case) -> None:
    """The same where processes share files (ST-14)."""
    if not case.server:  # the other check is about servers
        _stand_still(case)


def _stand_still(case: Case) -> None:
    timeout_s = case.traits.member_timeout_s or 0.0
    if timeout_s > _MOST_S:
        case.inconclusive(f"the death of a member may be noticed after {timeout_s:g} s, and nothing waits that long")
    with case.conducted(2) as (sleeper, other):
        for number in range(_COUNT):
            _done(sleeper.call("append", "s", b"%d" % number))
        _done(sleeper.call("create_group", "s", "g"))
        first = _done(sleeper.call("join", "s", "g", "c"))
        held = _all(sleeper, first, _PATIENCE_S)
        sleeper.stop()
        second = _done(other.call("join", "s", "g", "d"))
        taken = _all(other, second, timeout_s + _PATIENCE_S)
        sleeper.resume()
        _refused(sleeper.call("join.ack", first, *held[::2]))
        _refused(sleeper.call("join.nack", first, *held[1::2]))
        if stolen := _received(sleeper, first, _GLANCE_S):
            broken(_STALE, "what one member holds came to another that had stood still", expected=[], got=stolen)
        _done(other.call("join.ack", second, *taken), _STALE)
        _done(other.call("join.exit", second))
        _done(sleeper.call("append", "s", b"new"))
        again = _received(sleeper, first, timeout_s + _PATIENCE_S)
        if [bytes(delivery.record.payload) for delivery in again] != [b"new"]:
            sentence = "a member that stood still does not receive again what is new, and only that"
            broken(_STALE if not again else _ACKED, sentence, expected=[b"new"], got=again)


def _done(told: Told, promise: str = _COMES) -> Returned:
    """Return what stands for the result; no call here may raise."""
    if told.error is not None:
        broken(promise, f"{told.op} raised", expected="no error", got=told.error)
    return Returned(told.step)


def _received(player: Player, member: Returned, wait_s: float) -> list[RecordDelivery]:
    told = player.call("join.receive", member, _COUNT, wait_s)
    _done(told, _STALE)
    return list(told.result)


def _all(player: Player, member: Returned, wait_s: float) -> list[RecordDelivery]:
    """Receive all records, as few at a time as the driver likes."""
    found: dict[int, Any] = {}
    while len(found) < _COUNT:
        got = _received(player, member, wait_s)
        if not got:
            sentence = "what a member held whose process stands still does not come to another"
            broken(_COMES, sentence, expected=f"{_COUNT} records", got=sorted(found))
        found |= {delivery.record.offset: delivery for delivery in got}
    return list(found.values())


def _refused(told: Told) -> None:
    if not isinstance(told.error, Conflict):
        got = "no error" if told.error is None else told.error
        broken(_STALE, f"{told.op} of what was taken away while the process stood still", expected="Conflict", got=got)
