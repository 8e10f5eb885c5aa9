"""Lets a process that keeps files die in the middle of a call, behind each write that the call makes to them."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from prism_suites._judging import same
from prism_testkit.case import Case

__all__ = ["MANY", "Entered", "at_every_write", "fresh_client", "keeps_files", "when_power_is_lost"]

MANY = 140
"""So many writes that a store which writes all of it anew now and then, as logs and snapshots do, does it in between."""


class Entered:
    """Memberships that are left when the call has been made, by a client that is still there; who was killed leaves none."""

    def __init__(self) -> None:
        self._managers: list[Any] = []

    async def enter(self, manager: Any) -> Any:
        """Enter one."""
        self._managers.append(manager)
        return await manager.__aenter__()

    async def leave(self, slot: Any = None) -> None:
        """Leave all of them."""
        while self._managers:
            await self._managers.pop().__aexit__(None, None, None)


def keeps_files(case: Case) -> bool:
    """Say whether a backend can be killed so: without a server, on virtual time. Servers have other checks."""
    return case.clock.virtual and not case.server


async def fresh_client(case: Case) -> Any:
    """Return a client, with every interface, of a store that nobody has used; for backends that keep files."""
    place = case.mortal()
    return await place.client(0, place.new_namespace(), told=False)


async def at_every_write(
    case: Case,
    law: str,
    call: str,
    act: Callable[[Any], Awaitable[Any]],
    judged: Callable[[Any, str], Awaitable[None]],
    *,
    prepare: Callable[[Any], Awaitable[Any]],
    done: Callable[[Any], Awaitable[Any]] | None = None,
    only_turns: bool = False,
    again: Callable[[Any], Awaitable[object]] | None = None,
    frees: Callable[[Any], Awaitable[bool]] | None = None,
) -> None:
    """Prepare a place, make a call in it to its end, and be ``done``; then judge, by a new client, what each write in it left.

    A store that cannot be opened or read then breaks ``law``. ``only_turns``: of many writes those behind which a file is new, gone
    or shorter, for a store that writes anew what it has does so now and then. ``again``: what that function says of the place, when
    it was judged and used, is the same after a further kill; and a write that goes over the end of a page of its file is cut there,
    too, for the system writes page by page, and looks in between whether the process was killed. ``frees`` says whether, in a place
    where nothing is under way, what a killed member held comes to another one. The killed process is this one, which goes on: a
    driver that knows its members by the number of their process is right to find them alive. Then only kills can tell.
    """
    place = case.mortal()
    namespace = place.new_namespace()
    slot = await place.client(0, namespace)
    await prepare(slot)
    before, *moments = await place.moments(act(slot))
    if done is not None:
        await done(slot)
    if not moments:
        case.note(f"{call}: it wrote to no file in the thread that called, so it could not be killed between two writes")

    async def dies(moment: Path, where: str) -> None:
        told = f"{where} in {call}"
        with case.law(law):
            await place.kill_at(moment, where)
            client = await place.client(0, namespace)
            await judged(client, told)
            if again is not None:
                left = await again(client)
                await place.kill()
                found = await again(await place.client(0, namespace))
                same(law, found, left, f"killed {told}, and used and killed again, it has lost something")

    if frees is not None:
        await place.kill_at(before if call != "receive" or not moments else moments[-1], "between two calls")
        if not await frees(await place.client(0, namespace)):
            case.inconclusive("what the killed member held stays with it: who knows its process by number finds it alive in a copy")
    for number, moment in _turns(moments) if only_turns else enumerate(moments, 1):
        await dies(moment, f"behind write {number} of {len(moments)}")
        if again is not None and not only_turns and _cut(moments[number - 2] if number > 1 else before, moment):
            await dies(moment, f"within write {number} of {len(moments)}, at the end of a page of the file,")


async def when_power_is_lost(
    case: Case,
    law: str,
    call: str,
    act: Callable[[Any], Awaitable[Any]],
    judged: Callable[[Any, str], Awaitable[None]],
    *,
    prepare: Callable[[Any], Awaitable[Any]],
    seen: Callable[[Any], Awaitable[object]],
    done: Callable[[Any], Awaitable[Any]] | None = None,
    only_turns: bool = False,
) -> None:
    """Judge, by a new client each, what a loss of power leaves in the middle of a call, behind all that was acknowledged before it.

    And behind the call, when it has returned: what is ``seen`` then is what is seen after SIGKILL, which loses nothing that was
    handed over. ``only_turns``: of many writes those that make or remove names of files. Not shown, and so inconclusive, is what a
    server or a library writes: whether it is on the disk cannot be seen from here.
    """
    if not keeps_files(case):
        case.inconclusive("durability='power' is claimed, not shown: what a server has written is not seen to reach its disk")
    place = case.mortal()
    namespace = place.new_namespace()
    with place.disk() as disk:
        slot = await place.client(0, namespace)
        await prepare(slot)
        with disk.recording(only_names=only_turns) as during:
            await act(slot)
        behind, everything = disk.losses(), disk.everything()
        library = disk.unseen
        if done is not None:
            await done(slot)
    if library:
        case.inconclusive(
            f"durability='power' is claimed, not shown: {library} writes files itself, and whether it syncs is not seen"
        )
    if not everything.files:
        case.inconclusive("durability='power' is claimed, not shown: nothing was written to place.directory")
    for remains in during:
        told = f"by a loss of power in {call} ({remains.how})"
        with case.law(law):
            await place.kill_at(place.keep(remains), told)
            await judged(await place.client(0, namespace), told)
    with case.law(law):
        await place.kill_at(place.keep(everything), f"behind {call}")
        expected = await seen(await place.client(0, namespace))
        for remains in behind:
            await place.kill_at(place.keep(remains), f"by a loss of power behind {call} ({remains.how})")
            found = await seen(await place.client(0, namespace))
            told = f"{call} had returned, and after a loss of power ({remains.how}) the store is not what it was"
            same(law, found, expected, told)


def _cut(before: Path, after: Path) -> bool:
    """Cut what was added to a file at the first end of a page in it; say whether there was one, and nothing else was changed.

    What was not there before was linked or renamed, and so it is whole: a file that is made is empty first.
    """
    was, now = ({path.relative_to(top): path.read_bytes() for path in top.rglob("*") if path.is_file()} for top in (before, after))
    changed = [path for path in was.keys() | now.keys() if was.get(path) != now.get(path)]
    if (
        len(changed) != 1
        or changed[0] not in was
        or not (grown := now.get(changed[0], b"")).startswith(old := was.get(changed[0], b""))
    ):
        return False
    end = (len(old) // _PAGE + 1) * _PAGE
    if not len(old) < end < len(grown):
        return False
    (after / changed[0]).write_bytes(grown[:end])
    return True


_PAGE = 4096


def _turns(moments: Sequence[Path]) -> Iterator[tuple[int, Path]]:
    before: dict[Path, int] = {}
    for number, moment in enumerate(moments, 1):
        sizes = {path.relative_to(moment): path.stat().st_size for path in moment.rglob("*") if path.is_file()}
        if number > 1 and (sizes.keys() != before.keys() or any(sizes[path] < size for path, size in before.items())):
            yield number, moment
        before = sizes
