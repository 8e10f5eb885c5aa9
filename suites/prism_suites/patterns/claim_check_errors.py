"""Claim check: whichever call of a store or a broker fails, and with which error: what is told as done is done, what is not may be
repeated, and an error is taken for nothing else.

Each step is done once in peace to see which calls it makes; then once for each of them and each error that it may be refused with.
"""

from contextlib import ExitStack, suppress
from typing import Any

from prism_patterns.claim_check import ClaimCheck, ClaimExpired, ClaimNotFound
from prism_suites._claims import TOPIC, T, beside, chunked, judge_markers, mode, take, worker_rests
from prism_suites._claims_refusing import ERRORS, World, each_refused
from prism_suites._judging import broken, refused, same
from prism_suites.patterns.claim_check_sweeps import LATE, listing_late
from prism_testkit.bound import Bound
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces.errors import ConfigError, PrismError

_BIG = b"z" * (T + 1)
_HOUR_S = 3600.0


@check("CC8")
async def a_failing_entry_agrees_on_nothing_less(claims: Bound[ClaimCheck], case: Case) -> None:
    """Whichever call of an entry fails: who was let in, or is let in when he tries again, has agreed; who disagrees is refused."""
    world = World(claims, case)

    async def enter(number: int, max_age_s: float) -> None:
        async with world.opened(number, cleanup="retain", max_age_s=max_age_s):
            pass

    calls = await world.calls(lambda: enter(0, 100.0), actor=0)

    async def judge(number: int, operation: str, ordinal: int, error: str) -> None:
        with world.refusing(operation, ordinal, error, actor=claims.incarnations):
            try:
                await enter(number, 100.0)
                story = "was let in"
            except PrismError:
                story = ""
        if not story:
            await enter(number, 100.0)
            story = "was let in when it tried again"
        sentence = f"one who disagrees is let in, after one {story} whose {operation} was refused by {error}"
        await refused("CC8", enter(number, 200.0), ConfigError, sentence)

    await each_refused(world, calls, judge)


@check("CC3", "CC1")
@gauntlet(lambda limits: [{"streamed": streamed} for streamed in (False, True)])
async def a_failing_publish_leaves_no_message_without_its_object(claims: Bound[ClaimCheck], case: Case, streamed: bool) -> None:
    """Whichever call of a publish fails: what was told to be published comes, and whatever comes has its payload (CC-3)."""
    world = World(claims, case)

    async def publish(check_in: ClaimCheck, number: int) -> None:
        await check_in.publish(f"{TOPIC}{number}", chunked(_BIG, b"and", _BIG) if streamed else _BIG + b"and" + _BIG)

    async with world.opened(0, cleanup="retain") as check_in:
        calls = await world.calls(lambda: publish(check_in, 0))

        async def judge(number: int, operation: str, ordinal: int, error: str) -> None:
            async with check_in.consume(f"{TOPIC}{number}", "c") as consumer:
                told = False
                with world.refusing(operation, ordinal, error), suppress(PrismError):
                    await publish(check_in, number)
                    told = True
                story = f"a publish whose {operation} was refused by {error}"
                delivery = await (take(consumer, "CC3") if told else consumer.receive(0))
                if delivery is not None:
                    try:
                        payload = await consumer.read(delivery)
                    except PrismError as wrong:
                        broken("CC3", f"the message of {story} has no payload", expected="its payload", got=wrong)
                    same("CC1", payload, _BIG + b"and" + _BIG, f"another payload comes than that of {story}")

        await each_refused(world, calls, judge)


@check("CC6", "CC5", "CC4")
@gauntlet(lambda limits: [{"chunks": chunks} for chunks in (False, True)])
async def a_failing_read_says_what_failed(claims: Bound[ClaimCheck], case: Case, chunks: bool) -> None:
    """Whichever call of a read fails: a claim that is there is not told to be gone or damaged, nor is one that is gone told to be
    of another age."""
    world = World(claims, case)
    async with world.opened(0, cleanup="retain", max_age_s=100.0) as check_in, check_in.consume(TOPIC, "c") as consumer:
        claim = (await check_in.publish(TOPIC, _BIG)).claim
        assert claim is not None
        delivery = await take(consumer)

        async def read() -> bytes:
            return b"".join([part async for part in consumer.chunks(delivery)]) if chunks else await consumer.read(delivery)

        async def there(number: int, operation: str, ordinal: int, error: str) -> None:
            with world.refusing(operation, ordinal, error):
                try:
                    same("CC1", await read(), _BIG, "a payload does not come back")
                except PrismError as got:
                    if isinstance(got, ClaimExpired | ClaimNotFound) or type(got).__name__ == "CorruptPayload":
                        sentence = f"a claim is told to be gone, or damaged, where {operation} was refused by {error}"
                        broken("CC6", sentence, expected="the store's error", got=got)
            same("CC6", await read(), _BIG, "a claim that could not be fetched once cannot be read again")

        async def try_read() -> None:
            with suppress(PrismError):
                await read()

        await each_refused(world, await world.calls(try_read), there)
        store = await claims.look("store")
        await store.delete(claim.bucket, claim.key)
        for wanted, other in ((ClaimNotFound, ClaimExpired), (ClaimExpired, ClaimNotFound)):
            if wanted is ClaimExpired:
                if not case.clock.virtual:
                    return
                await case.advance(200.0)
            for operation, ordinal in await world.calls(try_read):
                for error in ERRORS:
                    with world.refusing(operation, ordinal, error):
                        try:
                            await read()
                        except other as got:
                            sentence = f"an absent claim is told to be of another age, where {operation} was refused by {error}"
                            broken("CC6", sentence, expected=f"{wanted.__name__}, or the store's error", got=got)
                        except PrismError:
                            pass  # as the store said
                    await refused("CC6", read(), wanted, "an absent claim is not told to be absent")


@check("CC4")
async def a_failing_ack_is_no_ack(claims: Bound[ClaimCheck], case: Case) -> None:
    """Whichever call of an ack fails: who is told that it was done, or repeats it, has acked, and the claim goes when it is due."""
    if beside(case, claims, acks=True, time=True):
        return
    world = World(claims, case)
    config = {**mode(None, "c"), "retention_after_ack_s": 1.0}

    async def acked(number: int, operation: str = "", ordinal: int = 0, error: str = "") -> list[tuple[str, int]]:
        """Publish, ack, wait and sweep; return the calls of the ack in peace."""
        calls: list[tuple[str, int]] = []
        topic = f"{TOPIC}{number}"
        async with world.opened(number, **config) as check_in, check_in.consume(topic, "c") as consumer:
            await check_in.publish(topic, _BIG)
            delivery = await take(consumer)
            story = "done"
            if operation:
                with world.refusing(operation, ordinal, error):
                    try:
                        await consumer.ack(delivery)
                    except PrismError:
                        story = ""
                if not story:
                    await consumer.ack(delivery)
                    story = "done when it was repeated"
            else:
                calls = await world.calls(lambda: consumer.ack(delivery))
            await case.advance(2.0)
            await check_in.sweep()
            sentence = f"an ack is told to be {story}, and does not count, where {operation} was refused by {error}"
            same("CC4", await world.entries(number), set(), sentence)
        return calls

    async def judge(number: int, operation: str, ordinal: int, error: str) -> None:
        await acked(number, operation, ordinal, error)

    await each_refused(world, await acked(0), judge)
    judge_markers(case)


async def _laid_out(world: World, number: int, config: dict[str, Any]) -> set[str]:
    """Leave a claim that is due by its ack, markers without a claim, a claim that is not acked, and one that was acked just now;
    return what is to stay."""
    topic = f"{TOPIC}{number}"
    async with world.opened(number, **config) as check_in, check_in.consume(topic, "c") as consumer:
        for _ in range(2):
            await check_in.publish(topic, _BIG)
            await consumer.ack(await take(consumer))
        (orphan, *_) = [key for key in await world.entries(number) if ".acks/" not in key]
        await (await world.claims.look("store")).delete("claim-check", orphan)
    await world.case.advance(10.5)
    due = await world.entries(number)
    async with world.opened(number, **config) as check_in, check_in.consume(topic, "c") as consumer:
        await check_in.publish(topic, _BIG)
        await consumer.ack(await take(consumer))
        await check_in.publish(topic, _BIG)
    return await world.entries(number) - due


@check("CC7", "CC4")
async def a_failing_sweep_is_finished_by_the_next(claims: Bound[ClaimCheck], case: Case) -> None:
    """Whichever call of a sweep fails: what stays keeps its markers, what is due is gone when the sweep says so, or behind the
    next one (CC-7)."""
    if beside(case, claims, acks=True, time=True):
        return
    world = World(claims, case)
    config = {**mode(None, "c"), "retention_after_ack_s": 10.0}

    async def swept(number: int, operation: str = "", ordinal: int = 0, error: str = "") -> list[tuple[str, int]]:
        calls: list[tuple[str, int]] = []
        stay = await _laid_out(world, number, config)
        async with world.opened(number, **config) as check_in:
            await worker_rests(case)
            if not operation:
                return await world.calls(check_in.sweep)
            story = f"a sweep whose {operation} was refused by {error}"
            with world.refusing(operation, ordinal, error):
                try:
                    await check_in.sweep()
                except PrismError:
                    same("CC7", stay - await world.entries(number), set(), f"{story} removed what is not due")
                else:
                    same("CC7", await world.entries(number), stay, f"{story} says it is done, and left what is due or took more")
            await check_in.sweep()
            same("CC7", await world.entries(number), stay, f"behind {story} the next one leaves what is due, or takes more")
        return calls

    async def judge(number: int, operation: str, ordinal: int, error: str) -> None:
        await swept(number, operation, ordinal, error)

    await each_refused(world, await swept(0), judge)


_ASKS = ("store.exists", "store.metadata", "store.get", "store.get_stream")


@check("CC7", "CC4")
@gauntlet(lambda limits: [{"error": error} for error in ERRORS])
async def who_cannot_ask_for_a_claim_leaves_its_markers(claims: Bound[ClaimCheck], case: Case, error: str) -> None:
    """A listing may give the marker of a claim that it leaves out, for both are new: who looks for the claim, and is refused, does
    not know that it is gone."""
    if beside(case, claims, acks=True, time=True):
        return
    world = World(claims, case)
    config = {**mode(None, "c"), "retention_after_ack_s": 10.0}
    begun: list[bool] = []
    async with world.opened(0, **config) as check_in, check_in.consume(TOPIC, "c") as consumer:

        async def meanwhile() -> None:
            if not begun:
                begun.append(True)
                await check_in.publish(TOPIC, _BIG)
                await consumer.ack(await take(consumer))

        claims.change("store", listing_late(meanwhile, LATE["markers"]))
        async with world.opened(0, **config) as other:
            await worker_rests(case)
            with ExitStack() as refused_calls:
                for operation in _ASKS:
                    refused_calls.enter_context(world.refusing(operation, 0, error))
                with suppress(PrismError):
                    await other.sweep()
            await case.advance(11.0)
            await other.sweep()
    sentence = (
        f"a claim whose acks are old enough stays: an earlier sweep asked for it, was refused by {error}, and took its markers"
    )
    same("CC4", await world.entries(0), set(), sentence)


@check("lifecycle.4", "CC4")
@gauntlet(lambda limits: [{"error": error, "turn": turn} for error in ERRORS for turn in (0, 2)])
async def the_worker_goes_on_after_any_error(claims: Bound[ClaimCheck], case: Case, error: str, turn: int) -> None:
    """Whatever refuses a call of the background worker, and whichever call, it sweeps again within the hour."""
    if beside(case, claims, time=True):
        return
    operation = ("store.put", "store.list_objects", "store.delete")[(ERRORS.index(error) + turn) % 3]
    world = World(claims, case)
    config: dict[str, Any] = {"cleanup": "sweep", "max_age_s": 3000.0, "grace_period_s": 0.0}
    async with world.opened(0, **config):
        await worker_rests(case)
        with world.refusing(operation, turn, error):
            for hour in range(7):
                if hour < 4:  # the last is due long after the fault
                    async with world.opened(0, **config) as other:
                        await other.publish(TOPIC, _BIG)
                await case.advance(_HOUR_S)
        sentence = f"the background worker does not go on after {operation} was refused by {error}: what is due is there"
        same("lifecycle.4", await world.entries(0), set(), sentence)
