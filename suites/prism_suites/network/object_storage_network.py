"""object_storage: connections are reset, cut, held and refused, answers lost, and the server pauses, while clients are at work."""

from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from prism_suites._judging import broken, same
from prism_suites._network import Load, at_work, cut_off, passes
from prism_suites._network_faults import everything
from prism_suites._network_losing import ANSWERS, AnswersLost, Fate, answered, says_so_and_comes_back
from prism_suites._objects_asking import BUCKET, creates, drained, signed, source, streamed
from prism_testkit.case import Case
from prism_testkit.checks import check
from prism_testkit.interfaces import Conflict, ObjectNotFound, ObjectStorage, ObjectStorageConditional
from prism_testkit.private import PrivateServer

_AWAY = "object_storage.20"
_OLD, _NEW, _THEIRS = b"old", b"new", b"theirs"


@dataclass
class _Ledger:
    """What may be under one key: the last write that was acknowledged, or one that was not answered. None: nothing."""

    last: bytes | None = None
    unknown: list[bytes | None] = field(default_factory=list)

    @property
    def possible(self) -> list[bytes | None]:
        return [self.last, *self.unknown]


_Ledgers = defaultdict[str, _Ledger]


@check("object_storage.14", "object_storage.5", "object_storage.16", _AWAY, needs_server=True)
async def objects_outlive_a_failing_network(store: ObjectStorage, case: Case) -> None:
    """Around every fault of a network, pauses of the server and a restart clients recover by themselves; under each key is what was
    acknowledged last, or, whole and with its metadata, what was not answered (OS-52)."""
    load, ledgers = Load(_AWAY), _Ledgers(_Ledger)
    async with case.private_server() as private:
        slots = [await private.client(proxied=True), await private.client(proxied=True), await private.client()]
        await slots[-1].create_bucket(BUCKET)
        for slot in slots[:2]:
            await _passes(case, private, slot)
        steps = [_worker(load, slot, ledgers) for slot in slots]
        idle = await at_work(load, steps, everything(case, private, load, restarts=case.traits.durability != "none"))
        for key, ledger in ledgers.items():
            await _judge(slots[-1], key, ledger)
        await _listed(slots[-1], ledgers)
    if idle:
        case.inconclusive(f"took no effect: {', '.join(idle)}")


def _worker(load: Load, slot: Any, ledgers: _Ledgers) -> Callable[[int, int], Awaitable[bool]]:
    """Write, read and delete keys that nobody else writes."""

    async def write(key: str, what: str, call: Awaitable[Any], data: bytes | None) -> bool:
        there, _ = await load.call(what, call)
        if there:
            ledgers[key].last = data
        else:
            ledgers[key].unknown.append(data)
        return there

    async def step(number: int, index: int) -> bool:
        key = f"{number}/{load.turn}"
        data = b"%d.%d" % (number, index)
        given = signed(data.decode()).keywords
        match index % 6:
            case 1 | 4:
                there, got = await load.call("get", slot.get(BUCKET, key))
                if there and got not in ledgers[key].possible:
                    sentence = "around a fault of the network an object is read that was neither acknowledged nor in doubt"
                    broken("object_storage.14", sentence, expected=ledgers[key].possible, got=got)
                return there
            case 2:
                chunks = source([data[:1], data[1:]])
                return await write(key, "put_stream", slot.put_stream(BUCKET, key, chunks, **given), data)
            case 5 if index % 12 == 5:
                return await write(key, "delete", slot.delete(BUCKET, key), None)
        return await write(key, "put", slot.put(BUCKET, key, data, **given), data)

    return step


async def _judge(slot: Any, key: str, ledger: _Ledger) -> None:
    found = await slot.get(BUCKET, key)
    if found not in ledger.possible:
        sentence = "an object is neither what was acknowledged last nor what was in doubt around a fault of the network"
        broken("object_storage.14", sentence, expected=ledger.possible, got=found)
    if found is None:
        return
    metadata = await slot.metadata(BUCKET, key)
    told = None if metadata is None else dict(metadata.user_metadata)
    same("object_storage.16", told, signed(found.decode()).user_metadata, "the metadata of an object are those of another write")


async def _listed(slot: Any, ledgers: _Ledgers) -> None:
    """Judge that a listing names what can be read, and nothing that was left half written."""
    listed = sorted(line.key for line in await drained(slot.list_objects(BUCKET)))
    there = sorted([key for key in ledgers if await slot.exists(BUCKET, key)] + ["warm"])
    same("object_storage.14", listed, there, "after faults of the network a listing does not name the objects that are there")


@dataclass(frozen=True, slots=True)
class _Loss:
    """A call, what its key holds before it and after it, and what another client makes of the key between that and a second
    effect: its data, or None for nothing."""

    what: str
    make: Callable[[Any, str], Awaitable[Any]]
    before: bytes | None
    after: bytes | None
    between: bytes | None
    once: str
    told: str = ""
    """The promise that says what the call returns: whether it did anything."""


_LOSSES = (
    _Loss("put", lambda slot, key: slot.put(BUCKET, key, _NEW), _OLD, _NEW, _THEIRS, "object_storage.14"),
    _Loss("put_stream", lambda slot, key: slot.put_stream(BUCKET, key, source([_NEW])), _OLD, _NEW, _THEIRS, "object_storage.14"),
    # What delete says is advisory among concurrent deletes, and another one may be what was sent twice.
    _Loss("delete", lambda slot, key: slot.delete(BUCKET, key), _OLD, None, _THEIRS, "object_storage.14"),
)
_CREATES = _Loss(
    "put_if_absent",
    lambda slot, key: slot.put_if_absent(BUCKET, key, _NEW),
    None,
    _NEW,
    None,
    "object_storage_conditional.1",
    "object_storage_conditional.1",
)


@check("object_storage.14", _AWAY, needs_server=True)
async def an_object_whose_answer_was_lost_is_written_once(store: ObjectStorage, case: Case) -> None:
    """The server does what it was asked, its answer is swallowed, another client sees the effect and writes, and then the
    connection is reset: the object stays what the other wrote (OS-52)."""
    await _once(case, list(_LOSSES))


@check("object_storage_conditional.1", _AWAY, needs_server=True)
async def an_object_whose_answer_was_lost_is_created_once(store: ObjectStorageConditional, case: Case) -> None:
    """The same of a creation; one that is answered does not say that somebody else was first (OS-52)."""
    await _once(case, [_CREATES])


async def _once(case: Case, losses: list[_Loss]) -> None:
    load = Load(_AWAY)
    async with case.private_server() as private:
        one, other = await private.client(proxied=True), await private.client()
        await other.create_bucket(BUCKET)
        await _passes(case, private, one)
        losing = AnswersLost(private.proxy, load)
        for loss in losses:
            for after, acts in [(after, acts) for after in range(ANSWERS) for acts in (True, False)]:
                if await _lost(losing, load, loss, after, acts, one, other):
                    break
    if not losing.effects:
        case.inconclusive("no call took effect before its answer was lost")


async def _lost(losing: AnswersLost, load: Load, loss: _Loss, after: int, acts: bool, one: Any, other: Any) -> bool:
    """Lose the answers of one call; return whether it ended before one was lost."""
    key = f"{loss.what}/{after}/{acts}"

    async def make_it(data: bytes | None) -> None:
        await (other.delete(BUCKET, key) if data is None else other.put(BUCKET, key, data))

    async def happened() -> bool:
        return bool(await other.get(BUCKET, key) == loss.after)

    if loss.before is not None:
        await make_it(loss.before)
    await answered(load, "put", lambda: one.put(BUCKET, "warm", b"v"))
    fate = await losing.lose(loss.what, loss.make(one, key), after, happened, (lambda: make_it(loss.between)) if acts else None)
    _judge_loss(loss, fate, await other.get(BUCKET, key))
    return fate.finished


def _judge_loss(loss: _Loss, fate: Fate, found: bytes | None) -> None:
    what = f"{loss.what}, whose answer was lost,"
    if fate.acted:
        if found != loss.between:
            broken(loss.once, f"{what} takes effect again after another client's write", expected=loss.between, got=found)
        return
    if found not in (loss.before, loss.after) or (fate.seen and found != loss.after):
        broken(loss.once, f"{what} leaves neither what was there nor what it wrote", expected=[loss.before, loss.after], got=found)
    if not fate.answered or isinstance(fate.got, Conflict):
        return
    if loss.told and bool(fate.got) != (found == loss.after):
        broken(loss.told, f"{what} says {fate.got}, and the object tells otherwise", expected=loss.after, got=found)
    if not loss.told and found != loss.after:
        broken(loss.once, f"{what} is acknowledged, and has no effect", expected=loss.after, got=found)


@check("object_storage.14", _AWAY, needs_server=True)
async def who_is_cut_off_stores_nothing(store: ObjectStorage, case: Case) -> None:
    """No put is acknowledged while nothing passes between a client and its server; while its connections are refused every call
    says so; afterwards every call works."""
    load = Load(_AWAY)
    async with case.private_server() as private:
        one, other = await private.client(proxied=True), await private.client()
        await other.create_bucket(BUCKET)
        await _passes(case, private, one)

        async def is_there() -> bool:
            return bool(await other.exists(BUCKET, "mine"))

        met = await cut_off(load, private.proxy, one.put(BUCKET, "mine", b"v"), is_there, "object_storage.14")
        met = await says_so_and_comes_back(load, private.proxy, _calls(one)) and met
    if not met:
        case.inconclusive("the client was not cut off")


def _calls(slot: Any) -> dict[str, Callable[[], Awaitable[Any]]]:
    return {
        "put": lambda: slot.put(BUCKET, "p", b"v"),
        "put_stream": lambda: slot.put_stream(BUCKET, "p", source([b"a", b"b"])),
        "get": lambda: slot.get(BUCKET, "p"),
        "get_stream": lambda: _read(slot),
        "exists": lambda: slot.exists(BUCKET, "p"),
        "metadata": lambda: slot.metadata(BUCKET, "p"),
        "set_ttl": lambda: slot.set_ttl(BUCKET, "p", 1e6),
        "delete": lambda: slot.delete(BUCKET, "p"),
        "list_objects": lambda: drained(slot.list_objects(BUCKET)),
        "create_bucket": lambda: slot.create_bucket("another"),
        "bucket_exists": lambda: slot.bucket_exists("another"),
        "delete_bucket": lambda: slot.delete_bucket("another"),
    } | ({"put_if_absent": lambda: slot.put_if_absent(BUCKET, "a", b"v")} if creates(slot) else {})


async def _read(slot: Any) -> None:
    try:
        await streamed(slot, "warm")
    except ObjectNotFound:
        return


async def _passes(case: Case, private: PrivateServer, slot: Any) -> None:
    await passes(case, private, lambda: slot.put(BUCKET, "warm", b"v"), lambda: slot.exists(BUCKET, "unseen"))
