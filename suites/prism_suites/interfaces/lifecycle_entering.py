"""Closing a driver while something is being entered: it is not entered, or it is left with its driver."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from prism_suites._judging import broken, refused, same
from prism_suites._lifecycle import ENDED, ENDINGS, Living, end, in_vain, quiet, turns
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import (
    AlreadyExists,
    Closed,
    KeyValueTransactional,
    PubSubBasic,
    PubSubFiltering,
    PubSubPersistent,
    PubSubWildcards,
    StreamConsumerGroups,
)
from prism_testkit.tap import offers

_Enters = Callable[[Any], Any]
_CONTEXTS: dict[str, tuple[type, _Enters]] = {
    "transaction": (KeyValueTransactional, lambda slot: slot.transaction()),
    "subscribe": (PubSubBasic, lambda slot: slot.subscribe("t")),
    "subscribe_pattern": (PubSubWildcards, lambda slot: slot.subscribe_pattern("t.*")),
    "subscribe_filtered": (PubSubFiltering, lambda slot: slot.subscribe_filtered("t", {"a": "b"})),
    "subscribe_durable": (PubSubPersistent, lambda slot: slot.subscribe_durable("t", "n", "earliest")),
    "join": (StreamConsumerGroups, lambda slot: slot.join("t", "g", "c")),
}


@check("lifecycle.2")
@gauntlet(lambda limits: [{"after": after, "how": how} for after in (0, 1, 2, 3, 4, 6, 9, 14) for how in ENDINGS])
async def what_is_being_entered_is_left_with_its_driver(slot: Living, case: Case, after: int, how: str) -> None:
    """Closed so many turns after an entry began, a driver leaves nothing of it running, whatever the entry said (PS-36)."""
    if offers(slot, StreamConsumerGroups):
        groups: Any = slot
        with suppress(AlreadyExists):
            await groups.create_group("t", "g")
    for name, (interface, enters) in _CONTEXTS.items():
        if not offers(slot, interface):
            continue
        warm = await case.whole()  # its connection begins what it begins for the first one
        async with enters(warm):
            await turns(1)
        before = asyncio.all_tasks()
        living = await case.whole()
        manager = enters(living)
        entering = asyncio.ensure_future(manager.__aenter__())
        await turns(after)
        await end(living, how)
        entered: Any = (await asyncio.gather(entering, return_exceptions=True))[0]
        if isinstance(entered, BaseException):
            if not isinstance(entered, ENDED):
                told = f"{name}, which was being entered when its driver was {how}, ended with another error"
                broken("lifecycle.2", told, expected="Closed", got=repr(entered))
        else:
            call = entered.get("k") if name == "transaction" else entered.receive()
            await refused("lifecycle.2", call, Closed, f"{name} was being entered when its driver was {how}: its calls go on")
            if name == "transaction":
                sentence = "a transaction whose driver was closed ends without Closed"
                await refused("lifecycle.2", manager.__aexit__(None, None, None), Closed, sentence)
            else:
                await in_vain("lifecycle.2", manager.__aexit__(None, None, None), f"leaving {name} behind a close raises an error")
        left = [task.get_name() for task in await quiet(case, before)]
        same("lifecycle.2", left, [], f"{name} was being entered when its driver was {how}: tasks of it run on")
