"""keyvalue_basic: names alias only if all their code points are equal, for every method.

On a server, where each call is a round trip, the later checks ask of each name one question instead of all.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from hypothesis import given

from prism_suites._judging import broken, truth, value
from prism_suites._keyvalue_bulk import holds, numbered, reads, set_all, store
from prism_suites._texts import SAMPLES, TEXTS
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import KeyValueBasic
from prism_testkit.outcomes import law
from prism_testkit.strategies import TRANSFORMATIONS, name_groups, patterned, universes
from prism_testkit.traits import Limits

_COMMANDS = (
    *(
        "'; DROP TABLE kv; --",
        "x' OR '1'='1",
        "1; DELETE FROM kv",
        "\"; DELETE FROM kv WHERE ''=\"",
        "a') ON CONFLICT DO NOTHING --",
    ),
    *("*", "**", "?", "[a-z]", "%", "_", "a%", "a_c", "a*c", "a?c", "^a.*c$", ".*", "{a,b}", "a|b", "\\a"),
    *("a\r\nFLUSHALL\r\n", "*1\r\n$7\r\nFLUSHDB\r\n", "KEYS *", "DEL abc", "get abc", "set abc 0 0 1\r\nx\r\n", "EVAL 'x' 0"),
    *(
        "$(touch x)",
        "`id`",
        "| cat",
        "; ls",
        "&& true",
        "${HOME}",
        "~",
        "$abc",
        "#{1+1}",
        "{{7*7}}",
        "<%= 1 %>",
        "%s%n",
        "{0}",
        "%(a)s",
    ),
    *("../abc", "/etc/passwd", "C:\\abc", "file:///abc", "--help", "-rf", "@abc", "<script>", "<!--", "]]>", "&abc;", "__proto__"),
)


def _some(case: Case, names: tuple[str, ...], every: int) -> tuple[str, ...]:
    """Return all names, or on a server the first and every so-manieth."""
    return (names[0], *names[1::every]) if case.server else names


@check("keyvalue_basic.3")
@gauntlet(lambda limits: [{"names": names} for names in name_groups(limits.max_name)])
@given(names=universes())
async def every_name_is_a_key_of_its_own(kv: KeyValueBasic, case: Case, names: tuple[str, ...]) -> None:
    """Names that differ in any code point hold values of their own, also when overwritten (KV-07, KV-08)."""
    items = numbered(_some(case, names, 2))
    with law("keyvalue_basic.3"):
        await set_all(kv, items)
        await holds(kv, items, "keyvalue_basic.3", "writing other names changed what a key holds")
        if case.server:
            return
        again = numbered(names[::2], "again ")
        await set_all(kv, again)
        await holds(kv, items | again, "keyvalue_basic.3", "overwriting other names changed what a key holds")
        for name in names:
            truth("keyvalue_basic.5", await kv.exists(name), True, "exists does not find a key that get finds")


@check("keyvalue_basic.3", "keyvalue_basic.4", "keyvalue_basic.5")
@gauntlet(lambda limits: [{"names": names} for names in name_groups(limits.max_name)])
@given(names=universes())
async def a_missing_name_is_not_taken_for_its_partner(kv: KeyValueBasic, case: Case, names: tuple[str, ...]) -> None:
    """Of look-alikes only the one that was set is found or deleted (KV-08)."""
    first, *others = _some(case, names, 3)
    await kv.set(first, b"first")
    for number, other in enumerate(others):
        if not case.server or number % 3 == 0:
            value("keyvalue_basic.3", await kv.get(other), None, "get of a name that was never set gives the value of another")
        if not case.server or number % 3 == 1:
            truth("keyvalue_basic.3", await kv.exists(other), False, "exists takes a name that was never set for another")
        if not case.server or number % 3 == 2:
            truth("keyvalue_basic.3", await kv.delete(other), False, "delete takes a name that was never set for another")
        if not case.server or other == others[-1]:
            value("keyvalue_basic.4", await kv.get(first), b"first", "delete of a name that was never set removed another")


@check("keyvalue_basic.4", "keyvalue_basic.3", "keyvalue_basic.5")
@gauntlet(lambda limits: [{"names": names} for names in name_groups(limits.max_name)])
@given(names=universes())
async def deleting_a_name_leaves_its_partners(kv: KeyValueBasic, case: Case, names: tuple[str, ...]) -> None:
    """Look-alikes are deleted one by one, each once, and those that are left hold what they held."""
    names = _some(case, names, 3)
    items = numbered(names)
    await store(case, kv, items)
    for name in names[::3] if case.server else names:
        truth("keyvalue_basic.4", await kv.delete(name), True, "delete does not find a key, after others were deleted")
        del items[name]
        following = next(iter(items), None)
        if following is not None and not case.server:
            value("keyvalue_basic.4", await kv.get(following), items[following], "deleting one name changed another")
            truth("keyvalue_basic.5", await kv.exists(name), False, "exists finds a name that was deleted")
    await reads(case, kv, items, "keyvalue_basic.4", "deleting some names changed another")
    if not case.server:
        for name in names:
            value("keyvalue_basic.4", await kv.get(name), None, "get finds a name that was deleted")


@check("keyvalue_basic.3", "keyvalue_basic.1")
async def all_names_together_are_apart(kv: KeyValueBasic, case: Case) -> None:
    """Every name of every group in one namespace: no two of them meet, however they are hashed, cut or encoded."""
    items = numbered(dict.fromkeys(name for group in name_groups(case.limits.max_name) for name in group))
    with law("keyvalue_basic.3"):
        await store(case, kv, items)
        await reads(case, kv, items, "keyvalue_basic.3", f"of {len(items)} names one does not hold its value")


@check("keyvalue_basic.3", "keyvalue_basic.8")
@gauntlet(lambda limits: [{"names": names[:6]} for names in name_groups(limits.max_name)[::12]])
@given(names=universes())
async def names_are_the_same_to_every_client(kv: KeyValueBasic, case: Case, names: tuple[str, ...]) -> None:
    """What one client wrote under a name another reads, finds and deletes under that name, and under no other."""
    other = await case.client()
    items = numbered(names)
    await set_all(kv, items)
    await holds(other, items, "keyvalue_basic.8", "a second client does not read what the first wrote")
    truth("keyvalue_basic.8", await other.delete(names[0]), True, "a second client cannot delete what the first wrote")
    for client in (kv, other):
        for name in names:
            truth("keyvalue_basic.8", await client.exists(name), name != names[0], "a client does not see which keys are left")


@check("keyvalue_basic.3", "keyvalue_basic.1", "keyvalue_basic.4")
@gauntlet(lambda limits: [{"text": text} for text in _COMMANDS])
async def text_that_looks_like_a_command_is_only_text(kv: KeyValueBasic, text: str) -> None:
    """SQL, patterns, protocol lines and shell syntax stand for themselves, in names and in values (KV-12)."""
    beside = {"abc": b"1", "a": b"2"}
    await set_all(kv, beside)
    with law("keyvalue_basic.3"):
        value("keyvalue_basic.3", await kv.get(text), None, "get of a name that was never set finds something")
        truth("keyvalue_basic.3", await kv.delete(text), False, "delete of a name that was never set finds something")
        await kv.set(text, text.encode())
        value("keyvalue_basic.1", await kv.get(text), text.encode(), "get returned something else than was set")
        await holds(kv, beside, "keyvalue_basic.3", "a name with syntax in it changed another key")
        truth("keyvalue_basic.4", await kv.delete(text), True, "delete says that a present key was missing")
        await holds(kv, beside, "keyvalue_basic.4", "deleting a name with syntax in it changed another key")


def _bookkeeping(limits: Limits) -> Iterator[Mapping[str, Any]]:
    """Names that a store may give to the parts or the description of a value, beside one that needs them."""
    made = next(transformation for transformation in TRANSFORMATIONS if transformation.title == "bookkeeping")
    parts = [f"a{separator}{part}" for separator in ":./#_-\x00" for part in ("0", "1", "n", "size", "chunk0", "part1")]
    names = tuple(dict.fromkeys((*made.apply("a", limits.max_name), *parts)))
    for size in (100, 70_000, limits.max_payload):
        yield {"names": names, "size": min(size, limits.max_payload)}


@check("keyvalue_basic.3", "keyvalue_basic.4", "keyvalue_basic.1")
@gauntlet(_bookkeeping)
async def a_large_value_takes_no_other_names(kv: KeyValueBasic, case: Case, names: tuple[str, ...], size: int) -> None:
    """However a value is kept, in parts or with a description, no other name is used up by it, written or removed with it."""
    large, items = patterned(size), numbered(names)
    await kv.set("a", large)
    for name in names:
        value("keyvalue_basic.3", await kv.get(name), None, "a name that was never set holds a part of a large value")
    await store(case, kv, items)
    value("keyvalue_basic.3", await kv.get("a"), large, "writing another name changed a large value")
    await reads(case, kv, items, "keyvalue_basic.3", "a name beside a large value does not hold its value")
    await kv.set("a", b"small")
    await kv.set("a", large)
    for name in names[::2]:
        truth("keyvalue_basic.4", await kv.delete(name), True, "delete does not find a name beside a large value")
        del items[name]
    value("keyvalue_basic.4", await kv.get("a"), large, "deleting another name changed a large value")
    truth("keyvalue_basic.4", await kv.delete("a"), True, "delete says that a present key was missing")
    await reads(case, kv, items, "keyvalue_basic.4", "deleting a large value changed another key")


@check("keyvalue_basic.3")
@gauntlet(lambda limits: [{"how": how, "name": name} for how in TEXTS for name in SAMPLES])
async def a_name_may_be_any_kind_of_str(kv: KeyValueBasic, how: str, name: str) -> None:
    """An instance of a subclass of ``str`` is the key of its text."""
    text = TEXTS[how](name)
    with law("keyvalue_basic.3"):
        await kv.set(text, b"x")
        value("keyvalue_basic.3", await kv.get(name), b"x", f"a key given as {how} is not that of its text")
        if await kv.get(text) != b"x" or not await kv.exists(text) or not await kv.delete(text):
            broken("keyvalue_basic.3", f"a key given as {how} is not that of its text")
    value("keyvalue_basic.4", await kv.get(name), None, "a deleted key is still read")
