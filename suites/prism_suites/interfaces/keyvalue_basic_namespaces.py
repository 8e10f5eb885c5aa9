"""keyvalue_basic: nothing written in one namespace is seen or removed through another."""

from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from prism_suites._judging import truth, value
from prism_suites._keyvalue_bulk import holds, set_all
from prism_suites._siblings import used_by_turns
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import KeyValueBasic
from prism_testkit.strategies import name_groups, universes

_SEPARATORS = ("", ":", "/", ".", "-", "_", "|", "\x00", "\n", " ", "#", ";", "::", "{}", "=")


async def _sees_nothing(kv: KeyValueBasic, names: Sequence[str], sentence: str) -> None:
    for name in names:
        value("keyvalue_basic.9", await kv.get(name), None, sentence)
        truth("keyvalue_basic.9", await kv.exists(name), False, sentence)
        truth("keyvalue_basic.9", await kv.delete(name), False, sentence)


@check("keyvalue_basic.9")
@gauntlet(lambda limits: [{"names": names[:3]} for names in (("a", "b", "ab"), *name_groups(limits.max_name)[::30])])
@given(names=universes(2, 4))
async def namespaces_do_not_see_each_other(kv: KeyValueBasic, case: Case, names: tuple[str, ...]) -> None:
    """The same names hold values of their own in each namespace, and are deleted in one alone (KV-60)."""
    sibling, third = await case.sibling(), await case.sibling()
    here = {name: b"here %d" % number for number, name in enumerate(names)}
    there = {name: b"there %d" % number for number, name in enumerate(names)}
    await set_all(kv, here)
    await _sees_nothing(sibling, names, "a key of one namespace is seen through another")
    await holds(kv, here, "keyvalue_basic.9", "asking in one namespace changed another")
    await set_all(sibling, there)
    await holds(kv, here, "keyvalue_basic.9", "writing in one namespace changed another")
    await holds(sibling, there, "keyvalue_basic.9", "a namespace does not hold what was written in it")
    await kv.delete(names[0])
    value("keyvalue_basic.9", await sibling.get(names[0]), there[names[0]], "deleting in one namespace removed from another")
    truth("keyvalue_basic.9", await sibling.exists(names[0]), True, "deleting in one namespace removed from another")
    value("keyvalue_basic.9", await kv.get(names[0]), None, "a deleted key shines through from another namespace")
    truth("keyvalue_basic.9", await kv.exists(names[0]), False, "a deleted key shines through from another namespace")
    await _sees_nothing(third, names, "a key of one namespace is seen through another")


@check("keyvalue_basic.9")
@gauntlet(lambda limits: [{"separator": text, "name": name} for text in _SEPARATORS for name in ("a", text + "a", "a:")])
async def a_namespace_and_a_name_are_not_joined_into_another(kv: KeyValueBasic, case: Case, separator: str, name: str) -> None:
    """A name that begins or ends like another namespace is still only a name of its own namespace."""
    sibling = await case.sibling()
    joined = f"{case.namespace}{separator}{name}"
    await kv.set(name, b"here")
    await sibling.set(joined, b"there")
    await sibling.set(f"{name}{separator}{case.namespace}", b"behind")
    value("keyvalue_basic.9", await kv.get(name), b"here", "a name that looks like a namespace and a name wrote into the other")
    value("keyvalue_basic.9", await sibling.get(name), None, "a name that looks like a namespace and a name is read as the other")
    await kv.set(joined, b"own")
    value("keyvalue_basic.9", await sibling.get(joined), b"there", "writing in one namespace changed another")
    truth("keyvalue_basic.9", await sibling.delete(joined), True, "a namespace does not hold what was written in it")
    value("keyvalue_basic.9", await kv.get(name), b"here", "deleting in one namespace removed from another")
    value("keyvalue_basic.9", await kv.get(joined), b"own", "deleting in one namespace removed from another")


@check("keyvalue_basic.9")
async def opening_a_namespace_changes_no_other(kv: KeyValueBasic, case: Case) -> None:
    """Further namespaces begin empty and leave what was written before as it is."""
    await set_all(kv, {"a": b"1", "b": b"2"})
    for _ in range(3):
        sibling = await case.sibling()
        await _sees_nothing(sibling, ["a", "b"], "a new namespace is not empty")
        await holds(kv, {"a": b"1", "b": b"2"}, "keyvalue_basic.9", "opening a namespace changed another")
        await sibling.set("a", b"3")
    second = await case.client()
    await holds(second, {"a": b"1", "b": b"2"}, "keyvalue_basic.9", "a second client sees the keys of another namespace")


@check("keyvalue_basic.9")
async def many_namespaces_are_apart(kv: KeyValueBasic, case: Case) -> None:
    """However many namespaces are in use, each keeps its own keys (KV-60)."""

    async def use(slot: Any, number: int) -> None:
        await slot.set("a", b"%d" % number)

    async def look(slot: Any, number: int) -> None:
        value("keyvalue_basic.9", await slot.get("a"), b"%d" % number, "of many namespaces one does not hold its own value")

    await used_by_turns(case, kv, use, look)


_STEPS = tuple(f"{where} {what} {name}" for what in ("get", "exists", "set", "delete") for where in range(3) for name in range(3))


@check("keyvalue_basic.9")
@given(names=universes(1, 3), steps=st.lists(st.sampled_from(_STEPS), min_size=2, max_size=20).map(tuple))
async def calls_in_several_namespaces_do_not_mix(
    kv: KeyValueBasic, case: Case, names: tuple[str, ...], steps: tuple[str, ...]
) -> None:
    """Whatever is written and deleted in three namespaces in turn, each answers as if it were alone (KV-60)."""
    spaces: list[KeyValueBasic] = [kv, await case.sibling(), await case.sibling()]
    models: list[dict[str, bytes]] = [{}, {}, {}]
    for number, step in enumerate(steps):
        where, operation, index = step.split()
        name = names[int(index) % len(names)]
        await _step(spaces[int(where)], operation, name, b"%d" % number, models[int(where)])
    for space, model in zip(spaces, models, strict=True):
        for name in names:
            value("keyvalue_basic.9", await space.get(name), model.get(name), "a namespace does not hold what was written in it")


async def _step(kv: KeyValueBasic, operation: str, name: str, data: bytes, model: dict[str, bytes]) -> None:
    if operation == "set":
        await kv.set(name, data)
        model[name] = data
    elif operation == "delete":
        truth("keyvalue_basic.9", await kv.delete(name), name in model, "delete answers for another namespace")
        model.pop(name, None)
    elif operation == "get":
        value("keyvalue_basic.9", await kv.get(name), model.get(name), "get answers for another namespace")
    else:
        truth("keyvalue_basic.9", await kv.exists(name), name in model, "exists answers for another namespace")
