"""keyvalue_basic: what is refused, with which error, and that a refusal comes before any effect; at the limit nothing is."""

from collections.abc import Awaitable, Iterator, Mapping
from typing import Any

from prism_suites._judging import refused, truth, value
from prism_suites._keyvalue_bulk import holds, set_all
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import InvalidName, KeyValueBasic, PayloadTooLarge
from prism_testkit.outcomes import law
from prism_testkit.strategies import over, patterned
from prism_testkit.traits import Limits

__all__ = ["bad_names", "longest_names"]

_WIDE = ("a", "é", "中", "🍣")
_SURROGATES = ("\ud800", "\udfff", "a\ud800", "\udc00a", "a\udcffb", "\ud83d\ude00", "\ude00\ud83d")


def _filled(character: str, size: int) -> str:
    """Return text of exactly ``size`` bytes in UTF-8, of one character as far as it fits."""
    width = len(character.encode())
    return character * (size // width) + "x" * (size % width)


def longest_names(max_name: int) -> list[str]:
    """Return names of exactly ``max_name`` bytes, and of one less, in characters of 1 to 4 bytes."""
    return [_filled(character, size) for size in (max_name, max_name - 1) for character in _WIDE]


def bad_names(max_name: int) -> list[tuple[str, str]]:
    """Return pairs of a name that must be refused and a legal one that a store may make of it."""
    pairs = [("", "a")]
    for character in _WIDE:
        pairs += [(_filled(character, size), _filled(character, max_name)) for size in (max_name + 1, 2 * max_name)]
        # One more than fits, although it is short in characters.
        pairs.append((character * (max_name // len(character.encode()) + 1), character * (max_name // len(character.encode()))))
    pairs += [(_filled("a", size), _filled("a", max_name)) for size in (max_name + 256, max_name + 65_536)]
    pairs += [(name, name.encode(errors="replace").decode()) for name in _SURROGATES]
    pairs += [("a\ud800b", near) for near in ("ab", "a\ufffdb", "a\\ud800b")] + [("\ud83d\ude00", "😀")]
    return list(dict.fromkeys(pairs))


@check("keyvalue_basic.6")
@gauntlet(lambda limits: [{"name": name, "near": near} for name, near in bad_names(limits.max_name)])
async def a_bad_name_is_refused_by_every_method(kv: KeyValueBasic, name: str, near: str) -> None:
    """A name that is empty, too long or holds a surrogate raises `InvalidName`; nothing is written or removed (KV-09)."""
    await set_all(kv, {near: b"near", "b": b"beside"})
    await refused("keyvalue_basic.6", kv.set(name, b"x"), InvalidName, "set of a bad name is not refused by InvalidName")
    await refused("keyvalue_basic.6", kv.get(name), InvalidName, "get of a bad name is not refused by InvalidName")
    await refused("keyvalue_basic.6", kv.exists(name), InvalidName, "exists of a bad name is not refused by InvalidName")
    await refused("keyvalue_basic.6", kv.delete(name), InvalidName, "delete of a bad name is not refused by InvalidName")
    await holds(kv, {near: b"near", "b": b"beside"}, "keyvalue_basic.6", "a refused name changed another key")
    await kv.set("b", b"after")
    value("keyvalue_basic.6", await kv.get("b"), b"after", "after a refusal the driver does not work")
    await kv.delete(near)
    await refused("keyvalue_basic.6", kv.set(name, b"x"), InvalidName, "set of a bad name is not refused by InvalidName")
    value("keyvalue_basic.6", await kv.get(near), None, "a refused name created a key")


@check("keyvalue_basic.6")
@gauntlet(lambda limits: [{"name": name} for name in longest_names(limits.max_name)])
async def a_name_at_the_limit_is_accepted(kv: KeyValueBasic, name: str) -> None:
    """The limit counts bytes of UTF-8; a name of exactly so many is a key like any other."""
    twin = name[:-1] + "~" if name[-1].isascii() else name[:-1]
    with law("keyvalue_basic.6"):
        await set_all(kv, {name: b"x", twin: b"y"})
        await holds(kv, {name: b"x", twin: b"y"}, "keyvalue_basic.6", "a name of the largest size does not hold its value")
        truth("keyvalue_basic.6", await kv.exists(name), True, "exists does not find a name of the largest size")
        truth("keyvalue_basic.6", await kv.delete(name), True, "delete does not find a name of the largest size")
        value("keyvalue_basic.6", await kv.get(name), None, "a name of the largest size is still there after its deletion")
        value("keyvalue_basic.6", await kv.get(twin), b"y", "deleting a name of the largest size changed another")


def _kinds(size: int) -> Iterator[tuple[str, bytes | bytearray | memoryview]]:
    yield "bytes", patterned(size)
    yield "bytearray", bytearray(size)
    yield "memoryview", memoryview(patterned(size))


@check("keyvalue_basic.6")
@gauntlet(lambda limits: [{"size": size} for size in over(limits.max_payload)])
async def a_value_over_the_limit_is_refused(kv: KeyValueBasic, size: int) -> None:
    """`PayloadTooLarge` comes before any effect: the old value, a missing key and all others stay (KV-10)."""
    await set_all(kv, {"a": b"old", "b": b"beside", "e": b""})
    for kind, data in _kinds(size):
        for name in ("a", "new", "e"):
            sentence = f"a {kind} over the limit is not refused by PayloadTooLarge"
            await refused("keyvalue_basic.6", kv.set(name, data), PayloadTooLarge, sentence)
    await holds(kv, {"a": b"old", "b": b"beside", "e": b""}, "keyvalue_basic.6", "a refused value changed what was stored")
    value("keyvalue_basic.6", await kv.get("new"), None, "a refused value created a key")
    truth("keyvalue_basic.6", await kv.exists("new"), False, "a refused value created a key")
    await kv.set("new", b"x")
    value("keyvalue_basic.6", await kv.get("new"), b"x", "after a refusal the driver does not work")
    truth("keyvalue_basic.6", await kv.delete("a"), True, "after a refusal a key that was there cannot be deleted")


@check("keyvalue_basic.6", "keyvalue_basic.1")
@gauntlet(
    lambda limits: [{"size": size, "long": long} for size in (limits.max_payload - 1, limits.max_payload) for long in (False, True)]
)
async def a_value_at_the_limit_is_accepted(kv: KeyValueBasic, case: Case, size: int, long: bool) -> None:
    """Exactly ``max_payload`` bytes are stored whole, also under the longest name, and may replace each other (KV-02)."""
    name = "n" * (case.limits.max_name if long else 1)
    with law("keyvalue_basic.6"):
        for data in (patterned(size), patterned(size, seed=1)):
            await kv.set(name, data)
            value("keyvalue_basic.1", await kv.get(name), data, "a value of the largest size is not read as it was written")
            truth("keyvalue_basic.5", await kv.exists(name), True, "exists does not find a key with a value of the largest size")
        truth("keyvalue_basic.4", await kv.delete(name), True, "delete does not find a key with a value of the largest size")


_NO_NAMES: tuple[object, ...] = (b"a", None, 1, 0, 1.5, True, ("a",), ["a"])
_NO_VALUES: tuple[object, ...] = ("text", "", None, 5, 0, 1.5, True, [97], (97, 98), {"a": 1})


@check("keyvalue_basic.6")
@gauntlet(lambda limits: [{"name": name} for name in _NO_NAMES])
async def what_is_no_text_is_no_name(kv: KeyValueBasic, name: Any) -> None:
    """A key that is not ``str`` raises ``TypeError`` in every method, before any effect."""
    stored = {"a": b"1", "1": b"2", "None": b"3", "b'a'": b"4", "0": b"5", "True": b"6"}
    await set_all(kv, stored)
    for method, call in _calls(kv, name):
        await refused("keyvalue_basic.6", call, TypeError, f"{method} of a key that is not text is not refused by TypeError")
    await holds(kv, stored, "keyvalue_basic.6", "a refused key changed another")


def _calls(kv: KeyValueBasic, name: Any) -> Iterator[tuple[str, Awaitable[Any]]]:
    yield "set", kv.set(name, b"x")
    yield "get", kv.get(name)
    yield "exists", kv.exists(name)
    yield "delete", kv.delete(name)


@check("keyvalue_basic.6")
@gauntlet(lambda limits: [{"data": data} for data in _NO_VALUES])
async def what_is_no_bytes_is_no_value(kv: KeyValueBasic, data: Any) -> None:
    """A value that is not bytes-like raises ``TypeError`` before any effect; a number is not so many NULs."""
    await set_all(kv, {"a": b"old", "b": b"beside"})
    for name in ("a", "new"):
        await refused(
            "keyvalue_basic.6", kv.set(name, data), TypeError, "a value that is not bytes-like is not refused by TypeError"
        )
    await holds(kv, {"a": b"old", "b": b"beside"}, "keyvalue_basic.6", "a refused value changed what was stored")
    value("keyvalue_basic.6", await kv.get("new"), None, "a refused value created a key")


def _bad_pairs(limits: Limits) -> Iterator[Mapping[str, Any]]:
    for name in ("", "a" * (limits.max_name + 1), "a\ud800"):
        yield {"name": name, "size": limits.max_payload + 1}


@check("keyvalue_basic.6")
@gauntlet(_bad_pairs)
async def a_call_wrong_twice_is_refused_too(kv: KeyValueBasic, name: str, size: int) -> None:
    """A bad name with a value over the limit raises one of the two errors, and nothing is written."""
    await kv.set("a", b"old")
    errors = (InvalidName, PayloadTooLarge)
    await refused("keyvalue_basic.6", kv.set(name, bytes(size)), errors, "a bad name with a value over the limit is not refused")
    value("keyvalue_basic.6", await kv.get("a"), b"old", "a refused call changed what was stored")
