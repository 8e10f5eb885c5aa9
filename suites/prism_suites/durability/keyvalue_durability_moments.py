"""A process that keeps files dies in the middle of a call, behind each write that the call makes to them."""

from collections.abc import Awaitable, Callable, Iterator
from typing import Annotated, Any

from prism_suites._durable_plans import fitting
from prism_suites._judging import broken, same
from prism_suites._moments import MANY, at_every_write, keeps_files, when_power_is_lost
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import KeyValueBasic, KeyValueBatch, KeyValueCas, KeyValueScan, KeyValueTransactional, KeyValueTtl
from prism_testkit.tap import offers
from prism_testkit.traits import Limits, Traits

_LAW = "keyvalue_basic.12"
_TTL_S = 50_000.4
_LONG = 70_000
"""What a store keeps in a file, or in rows, of its own: the old one goes, or stays, with the rest of the call."""
_OFTEN = f"{MANY} times set"
_KEYS = ("a", "b", "new", "timed", "other")
Durable = Annotated[KeyValueBasic, Traits(durability="process")]
Powerful = Annotated[KeyValueBasic, Traits(durability="power")]
_State = dict[str, tuple[bytes | None, float | None]]
"""Of each key its value and the seconds it has left."""
_Call = Callable[[Any, bytes], Awaitable[Any]]


async def _commit(slot: Any, value: bytes) -> None:
    async with slot.transaction() as transaction:
        await transaction.set("a", value)
        await transaction.delete("b")
        await transaction.set("new", value)
        await transaction.set("timed", b"")


async def _swap(slot: Any, value: bytes) -> None:
    await slot.compare_and_swap("b", await slot.get("b"), value)


async def _drop(slot: Any, value: bytes) -> None:
    await slot.compare_and_delete("b", await slot.get("b"))


async def _often(slot: Any, value: bytes) -> None:
    for _ in range(MANY):
        await slot.set("a", value)
    await slot.set("new", value)  # so that what was last is not what was before


_CALLS: dict[str, tuple[type, _Call]] = {
    "set": (KeyValueBasic, lambda slot, value: slot.set("a", value)),
    "set of a new key": (KeyValueBasic, lambda slot, value: slot.set("new", value)),
    "delete": (KeyValueBasic, lambda slot, value: slot.delete("a")),
    "set_with_ttl": (KeyValueTtl, lambda slot, value: slot.set_with_ttl("a", value, 7000.4)),
    "set of a key with a deadline": (KeyValueTtl, lambda slot, value: slot.set("timed", value)),
    "expire": (KeyValueTtl, lambda slot, value: slot.expire("a", 7000.4)),
    "persist": (KeyValueTtl, lambda slot, value: slot.persist("timed")),
    "batch_set": (KeyValueBatch, lambda slot, value: slot.batch_set(dict.fromkeys(("a", "new", "timed"), value))),
    "batch_delete": (KeyValueBatch, lambda slot, value: slot.batch_delete(["a", "b", "timed"])),
    "compare_and_swap": (KeyValueCas, _swap),
    "compare_and_swap of a new key": (KeyValueCas, lambda slot, value: slot.compare_and_swap("new", None, value)),
    "compare_and_delete": (KeyValueCas, _drop),
    "a commit": (KeyValueTransactional, _commit),
    _OFTEN: (KeyValueBasic, _often),
}
_WITHOUT_VALUE = ("delete", "expire", "persist", "batch_delete", "compare_and_delete")


def _cases(limits: Limits) -> Iterator[dict[str, Any]]:
    for call in _CALLS:
        for size in (20,) if call in (*_WITHOUT_VALUE, _OFTEN) else (0, 20, 5000):  # shorter than what was there, as long, longer
            yield {"call": call, "size": size, "held": 20}
        if call != _OFTEN:
            yield {"call": call, "size": _LONG, "held": _LONG}


async def _state(slot: Any) -> _State:
    found: _State = {}
    for key in _KEYS:
        data = await slot.get(key)
        left_s = await slot.ttl(key) if data is not None and offers(slot, KeyValueTtl) else None
        found[key] = data, left_s
    if offers(slot, KeyValueScan):
        listed = {key: value async for key, value in slot.scan()}
        same(_LAW, listed, {k: v for k, (v, _) in found.items() if v is not None}, "after the kill a listing shows something else")
    return found


async def _contents(slot: Any) -> dict[str, tuple[bytes | None, bool]]:
    return {key: (data, left_s is not None) for key, (data, left_s) in (await _state(slot)).items()}


def _alike(one: tuple[bytes | None, float | None], other: tuple[bytes | None, float | None], slack_s: float) -> bool:
    (data, left_s), (expected, expected_s) = one, other
    if left_s is None or expected_s is None:
        return data == expected and left_s == expected_s
    return data == expected and abs(left_s - expected_s) <= slack_s


@check(_LAW, "keyvalue_transactional.1", "keyvalue_ttl.12")
@gauntlet(_cases)
async def a_call_that_dies_between_its_writes_is_whole_or_absent(kv: Durable, case: Case, call: str, size: int, held: int) -> None:
    """Whatever a call had written to files when its process was killed, it has its effect or none, and nothing else changed.

    Of files only: servers have other checks (KV-53, KV-54).
    """
    if keeps_files(case):
        await _dies(case, call, size, held, power=False)


@check(_LAW, "keyvalue_transactional.1", "keyvalue_ttl.12")
@gauntlet(_cases)
async def what_was_acknowledged_is_there_when_power_was_lost(kv: Powerful, case: Case, call: str, size: int, held: int) -> None:
    """With ``durability="power"`` so it is of a loss of power, of which files keep what was synced (KV-53)."""
    await _dies(case, call, size, held, power=True)


async def _dies(case: Case, call: str, size: int, held: int, *, power: bool) -> None:
    interface, act = _CALLS[call]
    if not offers(await case.whole(), interface):
        return
    states: list[_State] = []
    slack_s = 2 * (0.5 + case.limits.clock_resolution_s)

    async def prepare(slot: Any) -> None:
        times = min(held, case.limits.max_payload) // 20
        await slot.set("a", b"old a" * 4 * times)
        await slot.set("b", b"old b" * times)
        await slot.set("other", b"")
        if offers(slot, KeyValueTtl):
            await slot.set_with_ttl("timed", b"with a deadline" * times, _TTL_S)
        states.append(await _state(slot))

    async def done(slot: Any) -> None:
        states.append(await _state(slot))

    async def judged(slot: Any, told: str) -> None:
        found = await _state(slot)
        sides = [{key for key in _KEYS if _alike(found[key], side[key], slack_s)} for side in states]
        for key in sorted({*_KEYS} - sides[0] - sides[1])[:1]:
            sentence = f"killed {told}, {key!r} has neither its old value nor its new one"
            broken(_LAW, sentence, expected=[side[key] for side in states], got=found[key])
        if call == "a commit" and len(_KEYS) not in map(len, sides):
            broken("keyvalue_transactional.1", f"killed {told}, a part of it is there", expected=states, got=found)
        for key in _KEYS:
            await slot.set(key, b"again")
        again = dict.fromkeys(_KEYS, (b"again", None))
        same(_LAW, await _state(slot), again, f"killed {told}, the store is not written as any other")

    data, only_turns = fitting(b"v" * size, case.limits.max_payload), call == _OFTEN
    if power:
        await when_power_is_lost(
            case,
            _LAW,
            call,
            lambda slot: act(slot, data),
            judged,
            prepare=prepare,
            seen=_contents,
            done=done,
            only_turns=only_turns,
        )
        return
    again = _state if size in (20, 5000) else None
    await at_every_write(
        case, _LAW, call, lambda slot: act(slot, data), judged, prepare=prepare, done=done, only_turns=only_turns, again=again
    )
