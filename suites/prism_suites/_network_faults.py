"""What happens to connections and servers while clients are at work, each fault with a proof that it took effect."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from prism_suites._network import MIDST, Load, until
from prism_testkit.case import Case
from prism_testkit.private import PrivateServer, ToldProxy

__all__ = ["FAULTS", "Fault", "everything", "strike", "trouble"]

_DELAY_S = 0.005


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that happens to a network; ``happens`` does it and returns whether it took effect."""

    name: str
    happens: Callable[[ToldProxy, Load], Awaitable[bool]]


async def _reset(proxy: ToldProxy, load: Load) -> bool:
    """Reset all connections while an answer is on its way."""
    held = proxy.counts.held
    await proxy.hold("down")
    there = await until(lambda: proxy.counts.held > held)
    return await proxy.reset() > 0 and there


async def _lose_answer(proxy: ToldProxy, load: Load) -> bool:
    lost = proxy.counts.lost_answers
    await proxy.lose_answer()
    return await until(lambda: proxy.counts.lost_answers > lost)


def _cut(size: int, direction: Any) -> Callable[[ToldProxy, Load], Awaitable[bool]]:
    async def cut(proxy: ToldProxy, load: Load) -> bool:
        before = proxy.counts.cut
        await proxy.cut_after(size, direction)
        return await until(lambda: proxy.counts.cut > before)

    return cut


async def _drop(proxy: ToldProxy, load: Load) -> bool:
    """Swallow what every client says, then reset its connection."""
    dropped = proxy.counts.dropped
    await proxy.drop()
    return await until(lambda: proxy.counts.dropped > dropped)


def _half_close(direction: Any) -> Callable[[ToldProxy, Load], Awaitable[bool]]:
    async def half_close(proxy: ToldProxy, load: Load) -> bool:
        before, misses = proxy.counts, load.misses
        closed = await proxy.half_close(direction)
        # It is noticed by who reads, who connects again, or who sends and is not answered.
        noticed = lambda: (  # noqa: E731  the counts change while it waits
            (proxy.counts.connections, proxy.counts.dropped, load.misses) != (before.connections, before.dropped, misses)
        )
        return await until(noticed) and closed > 0

    return half_close


async def _delay(proxy: ToldProxy, load: Load) -> bool:
    delayed = proxy.counts.delayed
    await proxy.delay(_DELAY_S)
    return await until(lambda: proxy.counts.delayed >= delayed + 2 * MIDST)


async def _hold(proxy: ToldProxy, load: Load) -> bool:
    """Keep all back for a while, as a network does that drops packets and sends them again."""
    held = proxy.counts.held
    await proxy.hold()
    return await until(lambda: proxy.counts.held > held)


async def _refuse(proxy: ToldProxy, load: Load) -> bool:
    """End all connections and take no new ones."""
    refused = proxy.counts.refused
    await proxy.refuse()
    return await proxy.reset() > 0 and await until(lambda: proxy.counts.refused > refused)


FAULTS = (
    Fault("a reset with an answer on its way", _reset),
    Fault("a lost answer", _lose_answer),
    Fault("a request cut in two", _cut(20, "up")),
    Fault("an answer cut in two", _cut(2, "down")),
    Fault("nothing passes, then a reset", _drop),
    Fault("an end of what the server says", _half_close("down")),
    Fault("an end of what clients say", _half_close("up")),
    Fault("a delay", _delay),
    Fault("nothing passes, then all does", _hold),
    Fault("no new connection", _refuse),
    Fault("a second lost answer", _lose_answer),
)


async def strike(private: PrivateServer, load: Load, faults: Sequence[Fault] = FAULTS) -> list[str]:
    """Let one fault after another happen to clients at work, and each of them recover; return those that took no effect."""
    idle: list[str] = []
    proxy = private.proxy
    for fault in faults:
        took = await load.midst()
        load.is_calm = False
        took = await fault.happens(proxy, load) and took
        await proxy.pass_on()
        load.next_turn()
        if not took:
            idle.append(fault.name)
    await load.midst()
    return idle


async def trouble(case: Case, private: PrivateServer, load: Load, *, restarts: bool) -> list[str]:
    """Pause the server twice while every client is at work, then restart it; return what took no effect.

    One in a container that cannot be paused is not, and that is told.
    """
    idle: list[str] = []
    if not private.pausable:
        case.note("the server is in a container whose engine cannot pause it: it was not paused")
    for _ in range(2 if private.pausable else 0):
        await load.midst()
        load.is_calm = False
        if not (await private.pause() and await until(lambda: load.under_way == len(load.reached))):
            idle.append("the pause")
        await private.resume()
        load.next_turn()
    if restarts:
        await load.midst()
        load.is_calm = False
        await private.restart()
        load.next_turn()
    await load.midst()
    return idle


async def everything(case: Case, private: PrivateServer, load: Load, *, restarts: bool) -> list[str]:
    """Let every fault of the network happen, then those of the server, and end the load; return what took no effect."""
    idle = [*await strike(private, load), *await trouble(case, private, load, restarts=restarts)]
    load.is_over = True
    return idle
