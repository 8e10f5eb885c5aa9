"""stream_consumer_groups: members of one group in several processes, each with what it holds."""

from typing import Annotated

from prism_suites._conducted import done
from prism_suites._judging import broken, same
from prism_testkit.case import Case
from prism_testkit.checks import check
from prism_testkit.conducting import Player
from prism_testkit.interfaces import RecordDelivery, StreamConsumerGroups
from prism_testkit.returned import Returned
from prism_testkit.traits import Traits

_HOLDS = "stream_consumer_groups.4"
_TOLD = "stream_consumer_groups.11"
_PATIENCE_S = 10.0
_COUNT = 5


@check(_HOLDS, _TOLD, "stream_consumer_groups.6", level="standard")
async def what_a_member_of_another_process_holds_is_its_own(
    stream: Annotated[StreamConsumerGroups, Traits(sharing="processes")], case: Case
) -> None:
    """Members of two processes look again and again, and each is given what the other does not hold; all of it is acked (ST-11)."""
    if case.traits.group_parallelism != "record":
        case.note("a member that joins may take what another holds where a group shares partitions")
        return
    with case.conducted(2) as (one, two):
        for number in range(_COUNT):
            done(one.call("append", "s", b"%d" % number), _HOLDS)
        done(one.call("create_group", "s", "g"), _HOLDS)
        members = [(player, done(player.call("join", "s", "g", "c"), _HOLDS)) for player in (one, two)]
        held: list[list[RecordDelivery]] = [[], []]
        for turn in range(4):
            for place, (player, member) in enumerate(members):
                left = _COUNT - sum(map(len, held))
                got = _received(player, member, min(left, 2) or 1, _PATIENCE_S if left else 0.0)
                offsets = {each.record.offset for each in [*held[0], *held[1]]}
                if twice := [each for each in got if each.record.offset in offsets]:
                    sentence = "a record comes that a member holds, which lives and was neither left nor asked for anything"
                    broken(_HOLDS, f"{sentence} (look {turn + 1})", expected="it stays held", got=twice)
                held[place] += got
        same(_HOLDS, sum(map(len, held)), _COUNT, "members of two processes do not get every record, one or the other")
        info = one.call("group_info", "s", "g")
        done(info, _TOLD)
        told = (info.result.members, info.result.pending)
        same(_TOLD, told, (2, _COUNT), "how many members of two processes, and how many records of both, group_info tells")
        for (player, member), mine in zip(members, held, strict=True):
            done(player.call("join.ack", member, *mine), _HOLDS)
            done(player.call("join.exit", member), _HOLDS)
        last = done(one.call("join", "s", "g", "d"), _HOLDS)
        again = _received(one, last, _COUNT, 0.0)
        same("stream_consumer_groups.6", again, [], "what members of two processes acked comes again")


def _received(player: Player, member: Returned, most: int, wait_s: float) -> list[RecordDelivery]:
    told = player.call("join.receive", member, most, wait_s)
    done(told, _HOLDS)
    return list(told.result)
