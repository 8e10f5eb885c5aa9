"""Seven more races, written before anything was tuned on them, and nothing was tuned on them since."""

import asyncio

from prism_testkit.interfaces import KeyValueCas

from .racing import Program, World, expect, number, others, together

__all__ = ["MORE"]


async def double_checked_start(world: World) -> None:
    """Check, lock, start, publish. Correct: check again under the lock."""
    lock = asyncio.Lock()
    started: list[int] = []

    async def start(client: int, late: int) -> None:
        kv = world.client(client)
        await others(kv, late)
        if await kv.exists("ready"):
            return
        async with lock:
            if world.correct and await kv.exists("ready"):
                return
            started.append(client)
            await kv.set("instance", b"%d" % client)
            await kv.set("ready", b"yes")

    await together(start(1, 0), start(2, 4))
    expect(len(started) == 1, "it was started twice", started)


async def lease_checked_then_deleted(world: World) -> None:
    """Look whether the lease is one's own, then delete it; it ran out in between. Correct: compare and delete."""
    a, b = world.client(1), world.client(2)

    async def first() -> None:
        await a.compare_and_swap("lease", None, b"a")
        await others(a, 1)
        if world.correct:
            await a.compare_and_delete("lease", b"a")
        elif await a.get("lease") == b"a":
            await a.delete("lease")

    async def second() -> None:
        await others(b, 6)
        while not await b.compare_and_swap("lease", await b.get("lease"), b"b"):
            pass
        await others(b, 2)
        expect(await b.get("lease") == b"b", "a lease that was held is gone")
        await b.compare_and_delete("lease", b"b")

    await together(first(), second())


async def refilled_without_a_lock(world: World) -> None:
    """A token bucket: takers swap, the refill reads and writes. Correct: it swaps too."""
    granted: list[int] = []
    await world.client(0).set("tokens", b"2")

    async def refill() -> None:
        kv = world.client(1)
        while True:
            held = await kv.get("tokens")
            more = b"%d" % (int(held or b"0") + 1)
            if world.correct:
                if await kv.compare_and_swap("tokens", held, more):
                    return
            else:
                await kv.set("tokens", more)
                return

    async def take(client: int) -> None:
        kv = world.client(client)
        await others(kv, 3)
        for _ in range(2):
            held = await number(kv, "tokens")
            if held and await kv.compare_and_swap("tokens", b"%d" % held, b"%d" % (held - 1)):
                granted.append(client)

    await together(refill(), take(2), take(3))
    left = await number(world.client(0), "tokens")
    expect(len(granted) + left == 3, "tokens were made of nothing, or lost", granted, left)


async def same_head_again(world: World) -> None:
    """A free list whose head is swapped: the same head again does not mean the same list. Correct: the head has a version."""
    holders: dict[bytes, list[int]] = {}
    setup = world.client(0)
    await setup.set("head", b"n1 0")
    await setup.set("n1", b"n2")
    await setup.set("n2", b"n3")
    await setup.set("n3", b"-")

    async def swap(kv: KeyValueCas, head: bytes, node: bytes) -> bool:
        version = int(head.split()[1]) + 1 if world.correct else 0
        return await kv.compare_and_swap("head", head, b"%s %d" % (node, version))

    async def pop(client: int, kv: KeyValueCas) -> bytes:
        while True:
            head = await kv.get("head") or b""
            node = head.split()[0]
            if node == b"-":
                return node
            if await swap(kv, head, await kv.get(node.decode()) or b""):
                holders.setdefault(node, []).append(client)
                expect(len(holders[node]) == 1, "two hold one node", node, holders[node])
                return node

    async def push(client: int, kv: KeyValueCas, node: bytes) -> None:
        holders[node].remove(client)
        while True:
            head = await kv.get("head") or b""
            await kv.set(node.decode(), head.split()[0])
            if await swap(kv, head, node):
                return

    async def first(kv: KeyValueCas) -> None:
        await pop(1, kv)
        await pop(1, kv)

    async def second(kv: KeyValueCas) -> None:
        await others(kv, 8)
        node = await pop(2, kv)
        await pop(2, kv)
        if node != b"-":
            await push(2, kv, node)

    await together(first(world.client(1)), second(world.client(2)))


async def bucket_checked_then_created(world: World) -> None:
    """Create a bucket if it is missing, then put into it; creating empties it. Correct: create only if absent."""

    async def put(client: int, late: int) -> None:
        kv = world.client(client)
        await others(kv, late)
        if world.correct:
            await kv.compare_and_swap("bucket", None, b"")
        elif not await kv.exists("bucket"):
            await kv.set("bucket", b"")
        while True:
            held = await kv.get("bucket") or b""
            if await kv.compare_and_swap("bucket", held, held + b"%d" % client):
                return

    await together(put(1, 0), put(2, 5))
    held = await world.client(0).get("bucket") or b""
    expect(sorted(held) == sorted(b"12"), "what was put is gone", held)


async def rebalanced_in_the_middle(world: World) -> None:
    """A partition moves to another consumer while the first has a record in hand. Correct: the offset is claimed first."""
    done: list[tuple[int, int]] = []
    setup = world.client(0)
    await setup.set("owner", b"1")
    await setup.set("offset", b"0")

    async def consume(client: int) -> None:
        kv = world.client(client)
        while (offset := await number(kv, "offset")) < 3:
            if await number(kv, "owner") != client:
                if client == 1:
                    return
                continue
            if world.correct:
                if await kv.compare_and_swap("offset", b"%d" % offset, b"%d" % (offset + 1)):
                    done.append((offset, client))
            else:
                await kv.get(f"record {offset}")
                done.append((offset, client))
                await kv.set("offset", b"%d" % (offset + 1))

    async def rebalance() -> None:
        kv = world.client(3)
        await others(kv, 15)
        await kv.set("owner", b"2")

    await together(consume(1), consume(2), rebalance())
    records = [offset for offset, _ in done]
    expect(sorted(records) == [0, 1, 2], "a record was handed out twice, or never", done)


async def subscribed_too_late(world: World) -> None:
    """A subscriber reads what there is, then registers; what comes in between is lost. Correct: register first."""
    got: set[int] = set()

    async def publish() -> None:
        kv = world.client(1)
        for message in (1, 2):
            await kv.set("latest", b"%d" % message)
            if await kv.exists("subscriber"):
                await kv.set(f"inbox {message}", b"here")

    async def subscribe() -> None:
        kv = world.client(2)
        await others(kv, 6)
        if world.correct:
            await kv.set("subscriber", b"2")
        got.update(range(1, 1 + await number(kv, "latest")))
        await kv.set("subscriber", b"2")

    await together(publish(), subscribe())
    reader = world.client(0)
    got.update([message for message in (1, 2) if await reader.exists(f"inbox {message}")])
    expect(got == {1, 2}, "a message reached nobody", got)


MORE: dict[str, Program] = {
    "double-checked start": double_checked_start,
    "lease checked, then deleted": lease_checked_then_deleted,
    "bucket refilled without a lock": refilled_without_a_lock,
    "same head again (ABA)": same_head_again,
    "bucket checked, then created": bucket_checked_then_created,
    "rebalanced in the middle": rebalanced_in_the_middle,
    "subscribed too late": subscribed_too_late,
}
