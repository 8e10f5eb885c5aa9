"""pubsub_basic: however many messages there are: each once, in order, under an id of its own, by receives and by iteration."""

from prism_suites._judging import broken, same
from prism_suites._pubsub_taking import BASIC, is_message, listening, numbered, patience, send
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import PubSubBasic

_AT_ONCE = 10
"""So many are published before they are received, for a buffer may be small, where it counts what it drops."""


@check("pubsub_basic.1", "pubsub_basic.2", "pubsub_basic.3", "pubsub_basic.9")
@gauntlet(lambda limits: [{"count": count, "how": how} for count in (300, 1100) for how in ("receive", "iterate")])
async def any_number_of_messages_is_received(pubsub: PubSubBasic, case: Case, count: int, how: str) -> None:
    """No page, cap or number of digits ends what a subscription gets, and no id comes twice (PS-30)."""
    if case.server and count > 300:
        return  # each is two round trips
    ids: set[str] = set()
    async with listening(case, pubsub, "t", BASIC) as ear:
        for start in range(0, count, _AT_ONCE):
            sents = await send(pubsub, "t", numbered(_AT_ONCE, f"{start}"), BASIC)
            for sent in sents:
                try:
                    got = await (ear.inner.receive(patience(case)) if how == "receive" else anext(ear.inner))
                except StopAsyncIteration:
                    broken("pubsub_basic.9", "an iteration ends while its subscription goes on", expected=sent, got=len(ids))
                is_message("pubsub_basic.1", got, sent, f"one of {count} messages")
                ids.add(sent.id)
            same("pubsub_basic.1", len(ids), start + _AT_ONCE, "a message has the id of an earlier one of its topic")
        same("pubsub_basic.12", ear.inner.gaps, 0, "gaps where nothing was missed")
