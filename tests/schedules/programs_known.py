"""Seven races, by their names in the literature of this project: rebuilt from one line each."""

import asyncio

from prism_testkit.interfaces import KeyValueCas

from .racing import Program, World, expect, number, others, together

__all__ = ["KNOWN"]


async def lost_update(world: World) -> None:
    """Two workers read, add one and write; the second is busy elsewhere at first."""

    async def add(kv: KeyValueCas, late: int) -> None:
        await others(kv, late)
        while True:
            old = await kv.get("count")
            new = b"%d" % (int(old or b"0") + 1)
            if not world.correct:
                await kv.set("count", new)
                return
            if await kv.compare_and_swap("count", old, new):
                return

    await together(add(world.client(1), 0), add(world.client(2), 3))
    expect(await number(world.client(0), "count") == 2, "an update is lost")


async def _fill_cache(world: World, kv: KeyValueCas) -> None:
    """Read through a cache: a miss reads the database and fills the cache. Correct: only if nobody invalidated meanwhile."""
    lease = b"lease"
    if world.correct:
        if await kv.compare_and_swap("cache", None, lease):
            await kv.compare_and_swap("cache", lease, await kv.get("database") or b"")
    elif await kv.get("cache") is None:
        await kv.set("cache", await kv.get("database") or b"")


async def _expect_fresh(kv: KeyValueCas) -> None:
    cached = await kv.get("cache")
    expect(cached in (None, await kv.get("database")), "the cache is stale", cached)


async def stale_set(world: World) -> None:
    """A reader fills the cache while a writer changes the database and invalidates."""
    kv, writer = world.client(0), world.client(2)
    await kv.set("database", b"old")

    async def write() -> None:
        await writer.set("database", b"new")
        await writer.delete("cache")

    await together(_fill_cache(world, world.client(1)), write())
    await _expect_fresh(kv)


async def stale_set_and_double_delete(world: World) -> None:
    """As before, but the writer deletes before, after, and once more after a while."""
    kv, writer = world.client(0), world.client(2)
    await kv.set("database", b"old")

    async def write() -> None:
        await writer.delete("cache")
        await writer.set("database", b"new")
        await writer.delete("cache")
        await others(writer, 4)
        await writer.delete("cache")

    await together(_fill_cache(world, world.client(1)), write())
    await _expect_fresh(kv)


async def gap_in_a_sequence(world: World) -> None:
    """Writers take an id, then write their row; a poller goes on from the highest row it sees. Correct: it stops at a gap."""
    done = asyncio.Event()
    seen: list[int] = []

    async def write(kv: KeyValueCas) -> None:
        while not await kv.compare_and_swap("id", *_next(old := await kv.get("id"))):
            pass
        await kv.set(f"row {int(old or b'0') + 1}", b"row")

    async def poll(kv: KeyValueCas) -> None:
        last = 0
        while not done.is_set() or len(seen) < 2:
            finished = done.is_set()
            await kv.get("id")
            rows = [row for row in range(last + 1, 3) if await kv.exists(f"row {row}")]
            if world.correct:
                rows = [row for place, row in enumerate(rows, last + 1) if row == place]
            seen.extend(rows)
            last = max([last, *rows])
            expect(not finished or len(seen) == 2, "the poller passed a row over", seen)

    async def writers() -> None:
        await together(write(world.client(1)), write(world.client(2)))
        done.set()

    await together(writers(), poll(world.client(3)))


def _next(old: bytes | None) -> tuple[bytes | None, bytes]:
    return old, b"%d" % (int(old or b"0") + 1)


async def two_dispatchers(world: World) -> None:
    """Both send what is pending and mark it; the second starts late. Correct: whoever claims it sends it."""
    sent: list[int] = []
    await world.client(0).set("entry", b"pending")

    async def dispatch(client: int, turns: int) -> None:
        kv = world.client(client)
        for _ in range(turns):
            await asyncio.sleep(0)
        if await kv.get("entry") != b"pending":
            return
        if world.correct and not await kv.compare_and_swap("entry", b"pending", b"claimed"):
            return
        await kv.set("sent", b"%d" % client)
        sent.append(client)
        await kv.set("entry", b"done")

    await together(dispatch(1, 0), dispatch(2, 12))
    expect(len(sent) == 1, "one entry was sent twice", sent)


async def offset_overtaken(world: World) -> None:
    """Three workers of one partition commit what each has done; a late commit takes the offset back. Correct: only forwards."""

    async def work(offset: int) -> None:
        kv = world.client(offset)
        await kv.get(f"record {offset}")
        while True:
            held = await kv.get("offset") if world.correct else None
            if held is not None and int(held) >= offset:
                return
            if not world.correct:
                await kv.set("offset", b"%d" % offset)
                return
            if await kv.compare_and_swap("offset", held, b"%d" % offset):
                return

    await together(*(work(offset) for offset in (1, 2, 3)))
    expect(await number(world.client(0), "offset") == 3, "the committed offset went back")


async def narrow_window(world: World) -> None:
    """Two states that hold for one call each, seen by others in turn, among four tasks. Correct: nobody shows the first one."""
    a, b, c, d = map(world.client, (1, 2, 3, 4))

    async def show() -> None:
        await others(a, 2)
        if not world.correct:
            await a.set("x", b"1")
        await a.set("x", b"0")

    async def follow() -> None:
        await others(b, 4)
        if await b.get("x") == b"1":
            await b.set("y", b"1")
            await b.set("y", b"0")

    async def look() -> None:
        await others(c, 1)
        expect(await c.get("y") != b"1", "somebody saw what nobody should")

    await together(show(), follow(), look(), others(d, 6))


KNOWN: dict[str, Program] = {
    "lost update, late start": lost_update,
    "cache, stale set": stale_set,
    "stale set, double delete": stale_set_and_double_delete,
    "gap in a sequence": gap_in_a_sequence,
    "two dispatchers, late start": two_dispatchers,
    "offset overtaken": offset_overtaken,
    "narrow window": narrow_window,
}
