"""pubsub: calls of two processes meet wherever, while the first is under way, somebody else can notice that it is."""

from typing import Protocol

from prism_suites._meeting import meet
from prism_suites._pubsub_meeting import meeting
from prism_testkit.case import Case
from prism_testkit.checks import check
from prism_testkit.interfaces import PubSubBasic, PubSubOrdering, PubSubPersistent

_Durable = PubSubPersistent


class PersistentAndOrdering(PubSubPersistent, PubSubOrdering, Protocol):
    """Messages with a key, and others beside them."""


_Ordered = PersistentAndOrdering
_HELD = ("publish, enter, receive, publish", "enter")
_KEYED = ("publish k, publish k, enter, receive, publish", "enter")
_DONE = "nothing, nothing, leave, leave"


@check("pubsub_persistent.7", "pubsub_persistent.5", "pubsub_persistent.4", "pubsub_persistent.13")
async def receives_of_members_meet(pubsub: _Durable, case: Case) -> None:
    """Each message is held by a member of one process or of the other, whatever that does meanwhile, and none is lost (PS-24)."""
    await meet(case, "pubsub_persistent.7", [
        meeting(case, ("publish, publish, enter", "enter"), "receive", "receive", _DONE),
        meeting(case, ("publish, publish, enter, receive, leave, enter", "enter"), "receive", "receive", _DONE),
        meeting(case, ("publish, enter", "enter"), "receive", "publish", f"receive, {_DONE}"),
        meeting(case, ("enter", "enter"), "nothing", "publish", "last, leave, receive, last, leave"),
        meeting(case, _HELD, "ack", "receive", "nothing, leave, nothing, last, leave"),
    ])  # fmt: skip


@check("pubsub_persistent.4", "pubsub_persistent.7", "pubsub_persistent.8")
async def what_a_member_gives_back_meets_another(pubsub: _Durable, case: Case) -> None:
    """What is nacked, or left by its member, comes again once, and not before its delay, to a member of another process."""
    await meet(case, "pubsub_persistent.4", [
        meeting(case, _HELD, "nack", "receive", f"receive, {_DONE}"),
        meeting(case, _HELD, "leave", "receive", "receive, last, nothing, last, leave"),
    ])  # fmt: skip
    await meet(
        case, "pubsub_persistent.8", [meeting(case, ("publish, enter, receive", "enter"), "nack for later", "nothing", _DONE)]
    )


@check("pubsub_persistent.13", "pubsub_persistent.1", "pubsub_persistent.2", "pubsub_persistent.7")
async def publishes_of_processes_meet(pubsub: _Durable, case: Case) -> None:
    """What two processes publish at once is received by every subscription, once and whole, whoever receives meanwhile."""
    looks = "receive, receive, nothing, receive, leave, leave"
    await meet(case, "pubsub_persistent.13", [meeting(case, ("enter", "enter other"), "publish", "publish, receive", looks)])


@check("pubsub_persistent.1", "pubsub_persistent.7", "pubsub_persistent.13")
async def first_entries_of_processes_meet(pubsub: _Durable, case: Case) -> None:
    """Who enters a subscription that another process is making joins it: there is one, and it does not begin again."""
    await meet(case, "pubsub_persistent.1", [
        meeting(case, ("publish, publish", "last"), "enter", "enter, receive", f"last, receive, {_DONE}"),
        meeting(case, ("publish", "last"), "enter new", "enter new, publish", f"receive, {_DONE}"),
    ])  # fmt: skip


@check("pubsub_ordering.3", "pubsub_ordering.4", "pubsub_ordering.5", "pubsub_persistent.7")
async def keys_are_held_by_one_process(pubsub: _Ordered, case: Case) -> None:
    """Of a key one message is held, by one of two processes, until it is acked; then the next one comes, to either of them."""
    await meet(case, "pubsub_ordering.3", [
        meeting(case, ("publish k, publish k, publish, enter", "enter"), "receive", "receive", _DONE),
        meeting(case, _KEYED, "nack", "receive", f"receive, {_DONE}"),
        meeting(case, _KEYED, "leave", "receive", "receive, last, nothing, last, leave"),
    ])  # fmt: skip
    await meet(case, "pubsub_ordering.5", [meeting(case, _KEYED, "ack", "receive", f"receive, {_DONE}")])


@check("pubsub_ordering.2", "pubsub_ordering.3", "pubsub_persistent.13")
async def messages_of_a_key_have_one_order(pubsub: _Ordered, case: Case) -> None:
    """Messages of one key that two processes publish at once have one order, which is that of every subscription."""
    looks = "ack, receive, receive, ack, last, receive, leave, leave"
    before = ("enter", "enter other")
    await meet(case, "pubsub_ordering.2", [meeting(case, before, "publish k", "publish k, receive", looks, shuffled=False)])


@check("pubsub_basic.1", "pubsub_basic.4")
async def what_processes_publish_is_heard_by_all(pubsub: PubSubBasic, case: Case) -> None:
    """Whoever listens hears what another process publishes, beside publishes of his own, and beside others who leave (PS-02)."""
    looks = "hear, hear, hear nothing, hear, go, go"
    await meet(case, "pubsub_basic.1", [
        meeting(case, ("subscribe", "subscribe"), "say", "say, hear", looks),
        meeting(case, ("subscribe", "subscribe"), "go", "say", "hear, say, hear, say, go"),
        meeting(case, ("subscribe", "say"), "go", "subscribe, say", "hear, say, hear, say, go"),
    ])  # fmt: skip
