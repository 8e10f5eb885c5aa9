"""Every name of every group of confusable ones, many at a time: in each place where a name may stand they are apart."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any

from prism_suites._judging import broken
from prism_testkit.case import Case
from prism_testkit.outcomes import law
from prism_testkit.strategies import name_groups
from prism_testkit.traits import Limits

__all__ = ["chunks", "each_hears_its_own", "of_chunk"]

_CHUNKS = 40
"""A fan-out may look at all who listen, so all names at once would cost the square of their number."""
_ON_A_SERVER = 12


def chunks(limits: Limits) -> list[dict[str, Any]]:
    """Return the cases of a gauntlet, of some 60 ``names`` each; those of one group are together."""
    groups = name_groups(limits.max_name)
    return [{"names": tuple(dict.fromkeys(name for group in groups[start::_CHUNKS] for name in group))} for start in range(_CHUNKS)]


def of_chunk(case: Case, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return those that are tried: all, half of them where each is written down, or on a server few."""
    return names[:: _ON_A_SERVER if case.server else 1 if case.traits.durability == "none" else 2]


async def each_hears_its_own(
    case: Case,
    promise: str,
    names: tuple[str, ...],
    listen: Callable[[str], AbstractAsyncContextManager[Any]],
    say: Callable[[str, bytes], Awaitable[Any]],
    hear: Callable[[Any], Awaitable[list[bytes] | None]],
    place: str,
) -> None:
    """Let one listen under each name, say something under each, and judge that each hears what was said under its own.

    ``hear`` gives the payloads that are there, or None if one says that it missed some; ``place`` is what the names are names of.
    """
    async with AsyncExitStack() as stack:
        with law(promise):
            ears = [await stack.enter_async_context(listen(name)) for name in names]
            for number, name in enumerate(names):
                await say(name, b"%d" % number)
        for number, (name, ear) in enumerate(zip(names, ears, strict=True)):
            with law(promise):
                heard = await hear(ear)
            if heard is not None and heard != [b"%d" % number]:
                others = [names[int(payload)] for payload in heard if payload.isdigit() and int(payload) != number]
                told = f"under {place} {name[:40]!a} is heard what was said under {others[0][:40]!a}" if others else ""
                broken(promise, told or f"under {place} {name[:40]!a} nothing is heard", expected=[b"%d" % number], got=heard)
