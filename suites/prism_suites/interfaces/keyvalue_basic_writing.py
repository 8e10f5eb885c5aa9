"""keyvalue_basic asked of every way to write: a copy is kept, bytes are counted, repeats count, sizes do not collide."""

from typing import Any

from prism_suites._judging import refused, value
from prism_suites._keyvalue_writing import WAYS, write
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import KeyValueBasic, PayloadTooLarge
from prism_testkit.strategies import patterned

_WAYS = list(WAYS)


@check("keyvalue_basic.7")
@gauntlet(lambda limits: [{"way": way, "size": size} for way in _WAYS for size in (1, 3, 700) if size <= limits.max_payload])
async def whatever_writes_keeps_a_copy(kv: KeyValueBasic, case: Case, way: str, size: int) -> None:
    """A buffer changed after any writing call, inside an open transaction too, changes nothing that is stored (KV-11)."""
    whole = await case.whole()
    data = patterned(size)
    buffer = bytearray(data)

    def scribble() -> None:
        buffer[:] = b"#" * size

    if await write(whole, way, "a", buffer, scribble):
        scribble()
        value("keyvalue_basic.7", await kv.get("a"), data, f"a buffer changed after {way} changed what is stored")


@check("keyvalue_basic.6")
@gauntlet(lambda limits: [{"way": way, "form": form} for way in _WAYS for form in ("H", "I", "Q")])
async def the_limit_counts_bytes_and_not_items(kv: KeyValueBasic, case: Case, way: str, form: str) -> None:
    """A ``memoryview`` of wide items is as large as its bytes, however few its items are (KV-10)."""
    whole = await case.whole()
    flat: Any = memoryview(bytearray(case.limits.max_payload // 8 * 8 + 8))
    wide = flat.cast(form)
    await kv.set("a", b"before")

    async def over() -> bool:
        return not await write(whole, way, "b", wide) and _refuse()

    await refused("keyvalue_basic.6", over(), PayloadTooLarge, f"{way} does not refuse a value over the limit")
    value("keyvalue_basic.6", await kv.get("a"), b"before", "a refused value changed another key")


def _refuse() -> Any:
    raise PayloadTooLarge("this way is not offered")


@check("keyvalue_basic.1")
@gauntlet(
    lambda limits: [
        {"way": way, "times": times, "fresh": fresh}
        for way in _WAYS
        for times in (1, 2, 3, 4, 5, 7, 8, 10, 16)
        for fresh in (True, False)
    ]
)
async def a_value_written_again_and_again_is_the_last_one(kv: KeyValueBasic, case: Case, way: str, times: int, fresh: bool) -> None:
    """However often a key was written with nothing between, in whatever way, it holds what was written last (KV-04)."""
    whole = await case.whole()
    if not fresh:
        await kv.set("a", b"old")
    last = b""
    for number in range(times):
        last = b"%d of %d" % (number, times)
        if not await write(whole, way, "a", last):
            return
    value("keyvalue_basic.1", await kv.get("a"), last, f"after {times} times {way} the key does not hold the last value")


@check("keyvalue_basic.1")
@gauntlet(
    lambda limits: [
        {"way": way, "size": size}
        for way in _WAYS
        for size in (1, 16, 255, 1024, 4096, 65_536, 200_000)
        if size <= limits.max_payload
    ]
)
async def values_of_one_size_are_apart(kv: KeyValueBasic, case: Case, way: str, size: int) -> None:
    """Two keys with different values of one length, equal but for one byte somewhere, keep their own (KV-02)."""
    whole = await case.whole()
    base = bytearray(patterned(size))
    values = {"a": bytes(base)}
    for name, place in (("b", 0), ("c", size // 2), ("d", size - 1)):
        changed = bytearray(base)
        changed[place] ^= 0x01
        values[name] = bytes(changed)
    for name, data in values.items():
        if not await write(whole, way, name, data):
            return
    for name, data in values.items():
        value(
            "keyvalue_basic.1", await kv.get(name), data, f"{way} of another key with a value of the same length changed this one"
        )


@check("keyvalue_basic.4")
@gauntlet(lambda limits: [{"way": way, "data": data} for way in _WAYS for data in (b"", b"x", b"0")])
async def delete_removes_however_it_was_written(kv: KeyValueBasic, case: Case, way: str, data: bytes) -> None:
    """`delete` says True once and the key is gone, whatever call wrote it (KV-06)."""
    whole = await case.whole()
    if not await write(whole, way, "a", data):
        return
    first, after, second = await kv.delete("a"), await kv.get("a"), await kv.delete("a")
    value("keyvalue_basic.4", after, None, f"delete left a key that {way} wrote")
    value(
        "keyvalue_basic.4",
        b"%d%d" % (bool(first), bool(second)),
        b"10",
        f"delete of a key that {way} wrote, twice: True, then False",
    )
