"""object_storage: what was acknowledged survives SIGKILL of the process that wrote it, and of the server."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from prism_suites._judging import broken, truth, value
from prism_suites._objects_asking import BUCKET, creates, drained, expect_object, signed, source, streamed
from prism_suites._objects_durable import Ledger, Loss, beginning, losses, plan
from prism_suites._racing import together
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import BackendUnavailable, Conflict, ObjectNotFound, ObjectStorage, OperationTimeout
from prism_testkit.killing import Step, Survivors, Target
from prism_testkit.private import PrivateServer
from prism_testkit.traits import Traits

_PROMISE = "object_storage.19"
_AWAY = "object_storage.20"
Durable = Annotated[ObjectStorage, Traits(durability="process")]


def _judge(found: list[Loss], survivors: Survivors, target: Target) -> None:
    for loss in found[:1]:
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        told = f"{loss.sentence}{more}; the {target} was killed after {survivors.acknowledged} acknowledged calls"
        broken(_PROMISE, told, expected=loss.expected, got=loss.got)


async def _goes_on(slot: Any) -> None:
    """Judge that what was reopened can be written, and the bucket removed."""
    await slot.create_bucket("after the kill")
    await slot.put("after the kill", "k", b"one", **signed("one").keywords)
    await slot.put_stream("after the kill", "k", source([b"tw", b"o"]), **signed("two").keywords)
    await expect_object(_PROMISE, slot, "k", b"two", "a new object after the kill", signed("two"), "after the kill")
    truth(_PROMISE, await slot.delete("after the kill", "k"), True, "delete of a new object after the kill")
    truth(_PROMISE, await slot.delete_bucket("after the kill"), True, "delete_bucket of an empty bucket after the kill")


@check(_PROMISE)
@gauntlet(lambda limits: [{"kills": [250, 40, 50]}])
async def acknowledged_objects_survive_the_writer(store: ObjectStorage, case: Case, kills: list[int]) -> None:
    """Every acknowledged write is there after SIGKILL of the writer, data, metadata and deadline; the one in flight whole or
    absent, and nothing else is listed (OS-55, OB-2). Of a backend that claims no durability it is told what is lost."""
    claims = case.traits.durability != "none"
    await _survive(case, kills if claims else kills[:1], "writer", claims)


@check(_PROMISE, level="thorough")
@gauntlet(lambda limits: [{"kills": [21 + 31 * number, 30 + number, 40 + 3 * number]} for number in range(8)])
async def acknowledged_objects_survive_many_kills(store: Durable, case: Case, kills: list[int]) -> None:
    """The same, after many more kills at other moments."""
    await _survive(case, kills, "writer", True)


@check(_PROMISE, needs_server=True)
@gauntlet(lambda limits: [{"kills": [200]}])
async def acknowledged_objects_survive_the_server(store: Durable, case: Case, kills: list[int]) -> None:
    """Every acknowledged write is there after SIGKILL of the server and its restart (OS-56)."""
    await _survive(case, kills, "server", True)


async def _survive(case: Case, kills: list[int], target: Target, claims: bool) -> None:
    creating = creates(await case.whole())
    ledger = Ledger()
    survivors: Survivors | None = None
    middle = False
    for number, acknowledged in enumerate(kills):
        first: list[Step] = [] if number else beginning()
        steps = [*first, *plan(case.limits, creating, acknowledged, number)]
        with case.law(_PROMISE):  # a store that does not open again has lost everything
            survivors = await case.kill(steps, len(first) + acknowledged, target, after=survivors)
        ledger.killed(steps, survivors)
        middle = middle or not survivors.finished
        done = survivors.acknowledged
        flying = None if survivors.finished else steps[done]
        last = survivors.instants_ns[-1]
        with case.law(_PROMISE):
            found = await losses(case, survivors.slot, ledger, flying, (last, last + 60_000_000_000))
        if not claims:
            _note(case, len(found), len(ledger.kept))
            return
        _judge(found, survivors, target)
        await _goes_on(survivors.slot)
    if not middle:
        case.inconclusive("the writer had finished before it was killed")


def _note(case: Case, lost: int, acknowledged: int) -> None:
    if lost:
        told = f"is shown to lose {lost} of {acknowledged} acknowledged objects when the writer is killed"
        case.note(f"claims no durability, and {told}")
    else:
        case.note("claims no durability, though it did not lose here what was acknowledged when the writer was killed")


@check(_PROMISE, "object_storage.9")
async def deadlines_survive_the_writer(store: Durable, case: Case) -> None:
    """Deadlines pass after SIGKILL of the writer as they were given, those that passed meanwhile too; puts cleared theirs."""
    virtual = case.clock.virtual
    short_s, down_s = (50_000.37, 20_000.0) if virtual else (0.5, 0.6)
    held = b"held"
    steps: list[Step] = [("create_bucket", (BUCKET,))]
    for key, ttl_s in (("short", short_s), ("long", 1e8), ("cleared", short_s), ("replaced", short_s), ("at once", 0.0)):
        steps += [("put", (BUCKET, key, held, signed(key).keywords)), ("set_ttl", (BUCKET, key, ttl_s))]
    steps += [("put", (BUCKET, "cleared", held, signed("cleared").keywords)), ("set_ttl", (BUCKET, "replaced", 1e8))]
    filler: list[Step] = [("put", (BUCKET, f"filler-{number % 20}", b"%d" % number, {})) for number in range(900)]
    survivors = await case.kill([*steps, *filler], len(steps) + 25, "writer", down_s=down_s)
    slot = survivors.slot
    slack_s = case.limits.clock_resolution_s + case.traits.ttl_late_s
    if virtual:
        value("object_storage.9", await slot.get(BUCKET, "short"), held, "an object before its deadline, after a kill")
        await case.advance(short_s - down_s + slack_s + 1)
    else:
        await case.clock.sleep(slack_s)
    for key in ("short", "at once"):
        value("object_storage.9", await slot.get(BUCKET, key), None, f"an object past its deadline, after a kill: {key}")
        truth("object_storage.9", await slot.exists(BUCKET, key), False, f"an object past its deadline, after a kill: {key}")
    for key in ("long", "cleared", "replaced"):
        lives = key != "cleared"
        await expect_object(_PROMISE, slot, key, held, f"after a kill: {key}", signed(key), lives=lives)


_TRIES = 200
_MISSES = 3
_BETWEEN_S = 0.02


class _Outage:
    """Makes calls of which some meet no server; counts the answers."""

    def __init__(self) -> None:
        self.answers = 0
        self.enough = asyncio.Event()

    async def answered(self, what: str, call: Awaitable[Any]) -> bool:
        """Make one call; return whether it was answered. Any error but those that say that the server is away breaks 20."""
        try:
            await call
        except (BackendUnavailable, OperationTimeout):
            return False
        except (Conflict, ObjectNotFound):
            return True
        except Exception as error:
            sentence = f"{what}, around an outage of the server, raised an error that does not say so"
            got = f"{type(error).__name__}: {error}"
            broken(_AWAY, sentence, expected="BackendUnavailable or OperationTimeout", got=got)
        self.answers += 1
        if self.answers >= 60:
            self.enough.set()
        return True

    async def busy(self, slot: Any, number: int) -> int:
        """Write and read until some calls were not answered; return how many."""
        misses = 0
        for index in range(3000):
            call = slot.get(BUCKET, "b") if index % 3 == 2 else slot.put(BUCKET, "b", b"%d.%d" % (number, index))
            misses += not await self.answered("a call", call)
            if misses == _MISSES:
                break
        self.enough.set()
        return misses


def _calls(slot: Any) -> dict[str, Callable[[], Awaitable[Any]]]:
    return {
        "put": lambda: slot.put(BUCKET, "p", b"v"),
        "put_stream": lambda: slot.put_stream(BUCKET, "p", source([b"a", b"b"])),
        "get": lambda: slot.get(BUCKET, "p"),
        "get_stream": lambda: streamed(slot, "kept"),
        "exists": lambda: slot.exists(BUCKET, "p"),
        "metadata": lambda: slot.metadata(BUCKET, "p"),
        "set_ttl": lambda: slot.set_ttl(BUCKET, "p", 1e6),
        "delete": lambda: slot.delete(BUCKET, "p"),
        "list_objects": lambda: drained(slot.list_objects(BUCKET)),
        "create_bucket": lambda: slot.create_bucket("another"),
        "bucket_exists": lambda: slot.bucket_exists("another"),
        "delete_bucket": lambda: slot.delete_bucket("another"),
    } | ({"put_if_absent": lambda: slot.put_if_absent(BUCKET, "a", b"v")} if creates(slot) else {})


@check(_AWAY, _PROMISE, needs_server=True)
async def a_driver_outlives_its_server(store: ObjectStorage, case: Case) -> None:
    """While the server is away calls say so; once it is back the drivers from before work again, and nothing acknowledged is
    lost that was to be kept (OS-56)."""
    outage = _Outage()
    async with case.private_server() as private:
        one, other = await private.client(), await private.client()
        await one.create_bucket(BUCKET)
        await one.put(BUCKET, "kept", b"before", **signed("before").keywords)
        *misses, _ = await together(outage.busy(one, 0), outage.busy(other, 1), _strike(private, outage))
        for what, make in _calls(one).items():
            if await outage.answered(what, make()):
                sentence = f"{what} was answered, though the server is away"
                broken(_AWAY, sentence, expected="BackendUnavailable or OperationTimeout", got="an answer")
        await private.restart()
        durable = case.traits.durability != "none"
        for slot in (one, other):
            await _back(outage, slot, durable)
        if durable:
            await expect_object(_PROMISE, other, "kept", b"before", "acknowledged before the outage", signed("before"))
    if not all(misses):
        case.inconclusive("no call met the server while it was away")


async def _strike(private: PrivateServer, outage: _Outage) -> None:
    await outage.enough.wait()
    await private.kill()


async def _back(outage: _Outage, slot: Any, durable: bool) -> None:
    """Make every call, each until it is answered: the server is back."""
    for _ in range(_TRIES):
        if await outage.answered("create_bucket", slot.create_bucket(BUCKET)):
            break
        await asyncio.sleep(_BETWEEN_S)
    for what, make in _calls(slot).items():
        for _ in range(_TRIES):
            if await outage.answered(what, make()):
                break
            await asyncio.sleep(_BETWEEN_S)
        else:
            sentence = f"the server is back, and {what} of a driver from before the outage still fails"
            broken(_AWAY, sentence, expected=f"an answer within {_TRIES} tries", got="it is away, each time")
    await slot.put(BUCKET, "new", b"after", **signed("after").keywords)
    await expect_object(_AWAY, slot, "new", b"after", "put by a driver from before the outage", signed("after"))
