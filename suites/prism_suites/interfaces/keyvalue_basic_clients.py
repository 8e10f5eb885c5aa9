"""keyvalue_basic: all clients of a namespace see one set of keys, and a write that returned is seen by all."""

import asyncio
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from prism_suites._judging import truth, value
from prism_suites._keyvalue_bulk import holds, numbered, set_all
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import KeyValueBasic
from prism_testkit.outcomes import law

_STEPS = tuple(
    f"{client} {operation} {name}"
    for operation in ("get", "exists", "set", "delete", "empty")
    for client in range(3)
    for name in ("a", "b", "ab")
)


def _after_each(*writes: str) -> tuple[str, ...]:
    """Let all three clients look before the first write and after each."""
    look = tuple(f"{client} {operation} a" for client in range(3) for operation in ("get", "exists"))
    return (*look, *(step for write in writes for step in (write, *look)))


_SCRIPTS = (
    ("0 set a", "1 get a", "1 exists a"),
    ("1 get a", "0 set a", "1 get a", "0 set a", "1 get a", "0 delete a", "1 get a"),
    ("1 exists a", "0 set a", "1 exists a", "0 delete a", "1 exists a"),
    ("0 set a", "1 delete a", "0 get a", "0 delete a", "1 set a", "0 delete a", "1 delete a"),
    ("0 set a", "1 set a", "0 get a", "0 set a", "1 get a", "2 get a"),
    ("0 set a", "0 get a", "1 empty a", "0 get a", "0 exists a", "2 delete a", "0 get a"),
    ("0 delete a", "1 set a", "0 get a", "1 set b", "1 delete a", "0 get b", "0 exists a"),
    _after_each("0 set a", "1 set a", "2 delete a", "0 set a", "0 delete a", "1 empty a", "0 set a", "2 delete a", "2 set a"),
)


@check("keyvalue_basic.8")
@gauntlet(lambda limits: [{"script": script} for script in _SCRIPTS])
@given(script=st.lists(st.sampled_from(_STEPS), min_size=2, max_size=24).map(tuple))
async def every_client_sees_every_write(kv: KeyValueBasic, case: Case, script: tuple[str, ...]) -> None:
    """Of three clients each sees at once what any of them wrote or deleted, whatever it saw before (KV-04, KV-05)."""
    clients: list[KeyValueBasic] = [kv, await case.client(), await case.client()]
    model: dict[str, bytes] = {}
    for number, step in enumerate(script):
        who, operation, name = step.split()
        await _step(clients[int(who)], operation, name, b"" if operation == "empty" else b"%d" % number, model)
    for client in clients:
        for name in ("a", "b", "ab"):
            value("keyvalue_basic.8", await client.get(name), model.get(name), "a client does not see what was written last")


async def _step(client: KeyValueBasic, operation: str, name: str, data: bytes, model: dict[str, bytes]) -> None:
    if operation == "get":
        value("keyvalue_basic.8", await client.get(name), model.get(name), "a client does not see what was written last")
    elif operation == "exists":
        truth("keyvalue_basic.8", await client.exists(name), name in model, "exists of one client does not see what another did")
    elif operation == "delete":
        truth("keyvalue_basic.8", await client.delete(name), name in model, "delete of one client does not see what another did")
        model.pop(name, None)
    else:
        await client.set(name, data)
        model[name] = data


@check("keyvalue_basic.8")
async def a_client_that_comes_late_sees_everything(kv: KeyValueBasic, case: Case) -> None:
    """Opening a client changes nothing, and it sees what was written and deleted before it came (KV-05)."""
    items = numbered("abcdef")
    await set_all(kv, items)
    await kv.delete("c")
    del items["c"]
    late = await case.client()
    for client in (late, kv):
        await holds(client, items, "keyvalue_basic.8", "after another client was opened a key does not read as its value")
        value("keyvalue_basic.8", await client.get("c"), None, "after another client was opened a deleted key is back")
    await late.set("c", b"late")
    value("keyvalue_basic.8", await kv.get("c"), b"late", "a client does not see what one that came later wrote")


@check("keyvalue_basic.8")
async def a_long_run_of_writes_is_seen_one_by_one(kv: KeyValueBasic, case: Case) -> None:
    """Nothing is held back: after every single write and deletion the other client sees it."""
    other = await case.client()
    for number in range(60 if case.server else 260):
        await kv.set(f"k{number}", b"%d" % number)
        value("keyvalue_basic.8", await other.get(f"k{number}"), b"%d" % number, "a client does not see what another just wrote")
        if number % 2:
            await other.delete(f"k{number - 1}")
            value("keyvalue_basic.8", await kv.get(f"k{number - 1}"), None, "a client still sees what another just deleted")


@check("keyvalue_basic.8", "keyvalue_basic.1")
async def ten_clients_open_an_empty_namespace_at_once(kv: KeyValueBasic, case: Case) -> None:
    """They all succeed, and what each writes all read (KV-57)."""
    with law("keyvalue_basic.8"):
        clients: list[Any] = [*await asyncio.gather(*(case.client() for _ in range(9))), kv]
        case.overlap()
        await asyncio.gather(*(client.set(f"k{number}", b"%d" % number) for number, client in enumerate(clients)))
        items = numbered(f"k{number}" for number in range(len(clients)))
        for client in clients:
            await holds(client, items, "keyvalue_basic.8", "of ten clients one does not see what another wrote")
        await asyncio.gather(*(client.delete(f"k{number - 1}") for number, client in enumerate(clients) if number))
        for client in clients:
            value("keyvalue_basic.8", await client.get("k0"), None, "of ten clients one still sees what another deleted")
            value("keyvalue_basic.8", await client.get("k9"), b"9", "of ten clients one does not see what another wrote")


@check("keyvalue_basic.1", "keyvalue_basic.8", "keyvalue_basic.4")
async def calls_at_the_same_time_do_not_disturb_each_other(kv: KeyValueBasic, case: Case) -> None:
    """Many calls at once on one driver, each on a key of its own, do what they would do one by one."""
    case.overlap()
    items = {f"k{number}": b"%d" % number * (1 + number % 20) for number in range(30)}
    await asyncio.gather(*(kv.set(name, data) for name, data in items.items()))
    for name, got in zip(items, await asyncio.gather(*map(kv.get, items)), strict=True):
        value("keyvalue_basic.1", got, items[name], "a get among others at the same time gives something else than was set")
    gone = list(items)[::2]
    writes = (kv.set(name, b"new") for name in list(items)[1::2])
    for said in (await asyncio.gather(*map(kv.delete, gone), *writes))[: len(gone)]:
        truth("keyvalue_basic.4", said, True, "a delete among other calls at the same time says that a present key was missing")
    await holds(kv, dict.fromkeys(list(items)[1::2], b"new"), "keyvalue_basic.1", "a set among other calls was lost")
    for name in gone:
        value("keyvalue_basic.4", await kv.get(name), None, "a delete among other calls at the same time was lost")
