"""pubsub_filtering: which messages have all attributes that a subscription asks for."""

import dataclasses
import itertools
from collections import ChainMap, OrderedDict, UserDict, defaultdict
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from types import MappingProxyType
from typing import Any, Protocol

from hypothesis import given
from hypothesis import strategies as st

from prism_suites._judging import refused
from prism_suites._pubsub_parts import BY_ATTRIBUTES, Publication, Step, all_get_theirs, playing, steps
from prism_suites._pubsub_selecting import FILTERING
from prism_suites._pubsub_shared import COMMANDS, NO_NAMES, PADDED, SEPARATED, differing, some_names
from prism_suites._pubsub_taking import BASIC, Ear, hears, numbered, send
from prism_suites._queue_shared import BAD_HEADERS
from prism_suites.interfaces.keyvalue_basic_limits import bad_names
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import InvalidName, PubSubBasic, PubSubFiltering
from prism_testkit.outcomes import law
from prism_testkit.strategies import name_groups, patterned

Headers = Mapping[str, str]

_VALUES = ("", "b", "B", "b ", " b", "bb", "*", "b*", "%", "é", "e\u0301", "b\x00", "b\n", "0", "00", "null")
_NAMES = ("a", "A", "a ", " a", "aa", "*", "é", "e\u0301", "a\x00", "a=b", "a:b", "_a")
_PLACES = ((), ("a",), ("c",), ("a", "c"))
_MIXED: list[Headers] = [
    *(dict.fromkeys(names, value) for names in _PLACES for value in ("b", "", "d")),
    *({"a": first, "c": second} for first in ("b", "d") for second in ("b", "d")),
    *({"a": "c", "c": "a"}, {"b": "a"}, {"a": "b=c"}, {"a=b": "c"}, {"a": "b;c=d"}, {"a": "b,c"}, {"a": "b\nc: d"}),
]
_MANY: list[Headers] = [
    {f"h{number}": str(number) for number in range(count) if number != missing}
    for count in (1, 9, 40)
    for missing in (-1, 0, count - 1)
]
_LONG: list[Headers] = [{"a" * size + end: "v"} for size in (63, 64, 255, 256, 500) for end in ("", "x", "y")]
_LONG_VALUES: list[Headers] = [{"a": value} for size in (63, 255, 1024, 4000) for value in differing(size)]
_ALIKE: list[Headers] = [headers for name in (*SEPARATED, *PADDED, *differing(300)) for headers in ({name: "b"}, {"a": name})]
_JOINED: list[Headers] = [
    headers for mark in "\0\n=:;,/ |\x1f&" for headers in ({"a": f"b{mark}c"}, {f"a{mark}b": "c"}, {"a": "b", "b": "c"})
]
"""A name and a value that are alike once they are put together with something in between."""
_TABLES: dict[str, list[Headers]] = {
    "values": [{"a": value} for value in _VALUES],
    "names": [{name: "b"} for name in _NAMES],
    "mixed": _MIXED,
    "many": _MANY,
    "long": _LONG,
    "long values": _LONG_VALUES,
    "separated": _ALIKE,
    "joined": _JOINED,
}
_small = st.dictionaries(st.sampled_from(("a", "A", "c")), st.sampled_from(("", "b", "B")), max_size=3)


class BasicAndFiltering(PubSubBasic, PubSubFiltering, Protocol):
    """Subscriptions to all messages of a topic and to some."""


@check("pubsub_filtering.1", "pubsub_filtering.2", "pubsub_filtering.3", "pubsub_filtering.4", "pubsub_filtering.5")
@gauntlet(lambda limits: [{"table": table} for table in _TABLES.values()])
@given(table=st.lists(_small, min_size=1, max_size=6))
async def attributes_match_what_they_should(pubsub: PubSubFiltering, case: Case, table: list[Headers]) -> None:
    """Each subscription gets every message that has all its attributes, whole, in order, and no other (PS-03, PS-05)."""
    table = table[:: max(1, len(table) // 20)] if case.server else table  # there each costs a round trip, or a connection
    asked = [("t", attributes) for attributes in (*table, {})]
    publications: list[Publication] = [("t", headers) for headers in (*table, {}, None)]
    publications += [("t", {"more": "v", **dict(reversed(list(headers.items())))}) for headers in table]
    publications += [("t", {**headers, "Empty": ""}) for headers in table]
    await all_get_theirs(case, pubsub, BY_ATTRIBUTES, asked, publications)


_SCRIPTS: list[tuple[Step, ...]] = [
    (("enter", 0, 0), ("enter", 1, 0), ("publish", 0, 0), ("leave", 0, 0), ("publish", 1, 0), ("enter", 0, 1), ("publish", 0, 1)),
    (("publish", 0, 0), ("enter", 0, 1), ("publish", 2, 0), ("enter", 2, 1), ("publish", 2, 1), ("publish", 1, 3), ("hear", 0, 0)),
    tuple(("enter", 0, number) for number in range(4)) + tuple(("publish", number % 2, number) for number in range(12)),
    (("enter", 0, 3), ("enter", 0, 0), ("publish", 0, 0), ("leave", 0, 1), ("publish", 0, 0), ("enter", 0, 2), ("publish", 0, 0)),
    (("enter", 0, 1), ("leave", 0, 0), ("publish", 0, 0), ("enter", 0, 1), ("publish", 1, 4), ("publish", 1, 5), ("leave", 0, 0)),
]
_FOUR: tuple[tuple[str, Headers], ...] = (("t", {"a": "b"}), ("t", {}), ("t", {"c": ""}), ("u", {"a": "b"}))
_FIVE: tuple[Publication, ...] = (("t", {"a": "b"}), ("t", None), ("t", {"a": "b", "c": ""}), ("u", {"a": "b"}), ("t", {"a": ""}))
_asked = st.tuples(st.sampled_from(("t", "t", "u")), _small)


@check("pubsub_filtering.1", "pubsub_filtering.2", "pubsub_filtering.4", "pubsub_filtering.8", "pubsub_filtering.10")
@gauntlet(lambda limits: [{"script": script, "asked": _FOUR, "publications": _FIVE} for script in _SCRIPTS])
@given(
    script=steps(),
    asked=st.lists(_asked, min_size=1, max_size=4).map(tuple),
    publications=st.lists(_asked, min_size=1, max_size=5).map(tuple),
)
async def programs_match_the_model(
    pubsub: PubSubFiltering,
    case: Case,
    script: tuple[Step, ...],
    asked: tuple[tuple[str, Headers], ...],
    publications: tuple[Publication, ...],
) -> None:
    """Whoever enters, publishes, receives and leaves in whatever order: each gets what is its own (PS-05, PS-06, PS-35)."""
    async with playing(case, pubsub, BY_ATTRIBUTES) as game:
        await game.play(asked, publications, script)


@check("pubsub_filtering.5", "pubsub_filtering.1")
@gauntlet(lambda limits: [{"text": text} for text in COMMANDS])
async def text_that_looks_like_a_command_is_only_text(pubsub: PubSubFiltering, case: Case, text: str) -> None:
    """SQL, patterns, protocol lines and paths stand for themselves as topics, names and values (PS-13)."""
    table: list[Headers] = [{"a": text}, {text: "a"}, {"a": "abc"}, {"abc": "a"}, {text: text}, {"a": f"{text}x"}, {"a": "x"}]
    asked = [(topic, attributes) for topic in ("t", text) for attributes in table[:5]]
    publications = [(topic, headers) for topic in ("t", text) for headers in table]
    await all_get_theirs(case, pubsub, BY_ATTRIBUTES, asked, publications)


@check("pubsub_filtering.2", "pubsub_filtering.1", "pubsub_filtering.5")
@gauntlet(lambda limits: [{"names": names} for names in _look_alikes(limits.max_name)])
async def look_alikes_are_told_apart(pubsub: PubSubFiltering, case: Case, names: tuple[str, ...]) -> None:
    """Topics, and names and values of attributes, that differ in any code point are different (PS-03, PS-05)."""
    some = some_names(case, names, 1, 4)
    topics: list[Publication] = [(name, {"a": "b"}) for name in some]
    values: list[Publication] = [("t", {"a": name}) for name in some]
    others: list[Publication] = [("t", {name: "b"}) for name in some]
    for part in (topics, values, others):
        await all_get_theirs(case, pubsub, BY_ATTRIBUTES, part, part)


def _look_alikes(longest: int) -> list[tuple[str, ...]]:
    """Return some of each group of confusable names, several groups at a time."""
    groups = [group[:: max(1, (len(group) - 1) // 2)] for group in name_groups(longest)]
    return [tuple(dict.fromkeys(name for group in groups[start::18] for name in group)) for start in range(6)]


@check("pubsub_filtering.6", "pubsub_filtering.1")
async def attributes_at_their_limit_are_accepted(pubsub: PubSubFiltering, case: Case) -> None:
    """8 KiB of attributes in all, names of 512 bytes, the largest payload and the longest topic are legal, and match (PS-02)."""
    topic = "n" * case.limits.max_name
    largest = {"h" * 512: "v" * (8192 - 512)}
    many = {f"{number:04d}": "v" * 12 for number in range(512)}
    with law("pubsub_filtering.6"):
        for headers in (largest, many, {"é" * 256: "é" * 3840}):
            shorter = {name: value[:-1] for name, value in headers.items()}
            async with pubsub.subscribe_filtered(topic, headers) as inner:
                await send(pubsub, topic, [b"shorter"], FILTERING, shorter)
                sents = await send(pubsub, topic, [b"", patterned(case.limits.max_payload)], FILTERING, headers)
                await hears(Ear(case, inner, FILTERING), sents, "attributes at their limit")


async def _enter(pubsub: PubSubFiltering, topic: Any, attributes: Any) -> str:
    async with pubsub.subscribe_filtered(topic, attributes):
        return "it was entered"


async def _goes_on(case: Case, pubsub: PubSubFiltering) -> None:
    with law("pubsub_filtering.6"):
        async with pubsub.subscribe_filtered("t", {"a": "b"}) as inner:
            sents = await send(pubsub, "t", numbered(2), FILTERING, {"a": "b"})
            await hears(Ear(case, inner, FILTERING), sents, "after a refused entry", lost="pubsub_filtering.6")


@check("pubsub_filtering.6")
@gauntlet(lambda limits: [{"number": number} for number in range(len(BAD_HEADERS))])
async def bad_attributes_are_refused(pubsub: PubSubFiltering, case: Case, number: int) -> None:
    """Attributes that would be no headers are refused at the entry, each with its error, and so are such headers (PS-03)."""
    attributes, errors = BAD_HEADERS[number]
    await refused("pubsub_filtering.6", _enter(pubsub, "t", attributes), errors, "illegal attributes are not refused")
    async with pubsub.subscribe_filtered("t", {}) as inner:
        await refused("pubsub_filtering.6", pubsub.publish("t", b"x", attributes), errors, "illegal headers are not refused")
        await hears(Ear(case, inner, FILTERING), await send(pubsub, "t", [b"after"], FILTERING), "after refused headers")
    await _goes_on(case, pubsub)


@check("pubsub_filtering.6")
@gauntlet(
    lambda limits: [{"attributes": attributes} for attributes in (None, (), [], "", "a", 1, [("a", "b")], {"a"}, {"a": None})]
)
async def what_is_no_mapping_of_text_is_refused(pubsub: PubSubFiltering, case: Case, attributes: Any) -> None:
    """``TypeError``, for None too: who wants all messages asks for no attributes."""
    await refused("pubsub_filtering.6", _enter(pubsub, "t", attributes), TypeError, f"attributes {attributes!r} are not refused")
    await _goes_on(case, pubsub)


@check("pubsub_filtering.6")
@gauntlet(lambda limits: [{"name": name} for name, _ in bad_names(limits.max_name)])
async def a_bad_topic_is_refused(pubsub: PubSubFiltering, case: Case, name: str) -> None:
    """A topic that is empty, too long or holds a surrogate raises `InvalidName`, whatever is asked for."""
    for attributes in ({}, {"a": "b"}):
        await refused("pubsub_filtering.6", _enter(pubsub, name, attributes), InvalidName, "a bad topic is not refused")
    await _goes_on(case, pubsub)


@check("pubsub_filtering.6")
@gauntlet(lambda limits: [{"name": name} for name in NO_NAMES])
async def what_is_no_text_is_no_topic(pubsub: PubSubFiltering, case: Case, name: Any) -> None:
    """A topic that is not ``str`` raises ``TypeError``."""
    await refused("pubsub_filtering.6", _enter(pubsub, name, {}), TypeError, "what is no text is not refused as a topic")
    await _goes_on(case, pubsub)


_MAPPINGS: dict[str, Callable[[dict[str, str]], Mapping[str, str]]] = {
    "proxy": MappingProxyType,
    "user": UserDict,
    "chain": lambda pairs: ChainMap({}, pairs),
    "ordered": OrderedDict,
    "default": lambda pairs: defaultdict(str, pairs),
    "str": lambda pairs: {_Text(name): _Text(value) for name, value in pairs.items()},
}


class _Text(str):
    """Text of a class of its own."""

    __slots__ = ()


@check("pubsub_filtering.6", "pubsub_filtering.1", "pubsub_filtering.2")
@gauntlet(lambda limits: [{"how": how} for how in _MAPPINGS])
async def attributes_may_be_any_mapping(pubsub: PubSubFiltering, case: Case, how: str) -> None:
    """Attributes, and headers, are mappings of whatever class, and so may texts be of a class of their own."""
    made = _MAPPINGS[how]
    asked = [("t", made(attributes)) for attributes in ({"a": "b"}, {"a": "b", "c": "d"}, {})]
    publications = [("t", made(headers)) for headers in ({"a": "b"}, {"a": "c"}, {"c": "d", "a": "b"}, {"e": ""})]
    laws = dataclasses.replace(FILTERING, lost="pubsub_filtering.6", once="pubsub_filtering.6")
    with law("pubsub_filtering.6"):
        await all_get_theirs(case, pubsub, dataclasses.replace(BY_ATTRIBUTES, laws=laws), asked, publications)


@check("pubsub_filtering.2", "pubsub_filtering.1", "pubsub_filtering.5")
@gauntlet(lambda limits: [{"text": text} for text in ("abcd", "a=bc", "a:a:", "aaaa")])
async def what_runs_together_is_apart(pubsub: PubSubFiltering, case: Case, text: str) -> None:
    """Topic, name and value are three: whatever text they make together, another cut of it is something else (PS-05)."""
    cuts = [(text[:i], {text[i:j]: text[j:]}) for i, j in itertools.combinations(range(1, len(text) + 1), 2)]
    await all_get_theirs(case, pubsub, BY_ATTRIBUTES, cuts, list(cuts))


@check("pubsub_filtering.7")
async def attributes_are_a_copy(pubsub: PubSubFiltering, case: Case) -> None:
    """A mapping that is changed, emptied or filled after the entry changes nothing of what is received."""
    laws = dataclasses.replace(FILTERING, once="pubsub_filtering.7")
    attributes: dict[str, str] = {}
    for asked, changed in (({"a": "b"}, {"a": "c"}), ({"a": "b"}, {}), ({}, {"a": "c"}), ({"a": "b"}, {"a": "b", "c": "d"})):
        attributes.clear()
        attributes.update(asked)
        async with AsyncExitStack() as stack:
            inner = await stack.enter_async_context(pubsub.subscribe_filtered("t", attributes))
            attributes.clear()
            attributes.update(changed)
            # The same mapping, entered again, stands for what it holds then.
            again = await stack.enter_async_context(pubsub.subscribe_filtered("t", attributes))
            attributes.clear()
            attributes.update({"a": "c", "x": "y"})
            sents = [
                *await send(pubsub, "t", [b"1"], FILTERING, {"a": "b"}),
                *await send(pubsub, "t", [b"2"], FILTERING, {"a": "c"}),
                *await send(pubsub, "t", [b"3"], FILTERING),
                *await send(pubsub, "t", [b"4"], FILTERING, {"a": "b", "c": "d"}),
            ]
            with law("pubsub_filtering.7"):
                for each, held in ((inner, asked), (again, changed)):
                    mine = [sent for sent in sents if set(held.items()) <= set(sent.headers.items())]
                    await hears(Ear(case, each, laws), mine, "the attributes were changed", lost="pubsub_filtering.7")


@check("pubsub_filtering.8", "pubsub_filtering.1", "pubsub_filtering.2")
async def subscriptions_side_by_side_are_apart(pubsub: BasicAndFiltering, case: Case) -> None:
    """A plain subscription gets all, filtered ones theirs, alike or not; leaving one takes nothing from others (PS-06, PS-35)."""
    every: list[Headers] = [{"a": "b"}, {}, {"a": "c"}, {"a": "b"}]
    for left, stays in itertools.product(every, every[:3]):
        async with pubsub.subscribe("t") as plain, pubsub.subscribe_filtered("t", stays) as inner:
            async with pubsub.subscribe_filtered("t", left):
                sents = await send(pubsub, "t", numbered(1), FILTERING, {"a": "b", "x": "y"})
            sents += await send(pubsub, "t", numbered(2, "after"), FILTERING, {"a": "c"})
            sents += await send(pubsub, "t", numbered(2, "last"), FILTERING, {"a": "b"})
            mine = [sent for sent in sents if set(stays.items()) <= set(sent.headers.items())]
            await hears(Ear(case, inner, FILTERING), mine, f"{left!a} was left", lost="pubsub_filtering.8")
            with law("pubsub_filtering.8"):
                await hears(Ear(case, plain, BASIC), sents, f"{left!a} was left", lost="pubsub_filtering.8")


@check("pubsub_filtering.9", "pubsub_filtering.1")
@gauntlet(lambda limits: [{"others": others} for others in (1, 15, 130, 1030)])
async def what_does_not_match_is_in_nobodys_way(pubsub: PubSubFiltering, case: Case, others: int) -> None:
    """However many messages of others lie between, what matches comes, and nothing of it is missed (PS-42)."""
    others = min(others, 300) if case.server else others
    async with pubsub.subscribe_filtered("t", {"a": "b"}) as inner:
        for number in range(others):
            await pubsub.publish("t", b"other", {"a": "c", "n": str(number)})
        sents = await send(pubsub, "t", numbered(2), FILTERING, {"a": "b"})
        if not inner.gaps:  # a bounded buffer is legal, as long as it says so
            await hears(Ear(case, inner, FILTERING), sents, f"{others} others lie between", lost="pubsub_filtering.9")


@check("pubsub_filtering.10")
async def namespaces_are_apart(pubsub: PubSubFiltering, case: Case) -> None:
    """Nothing published in one namespace is received in another, whatever is asked for."""
    names = ["t", "n" * case.limits.max_name, "a:b", "a/b", "a.b"]
    for name in names:
        async with playing(case, pubsub, BY_ATTRIBUTES) as game:
            await game.enter(0, (name, {}))
            await game.enter(2, (name, {}))
            await game.enter(1, (name, {"a": "b"}))
            await game.enter(2, (name, {"a": "b"}))
            for number in range(6):
                await game.publish(number % 3, (name, {"a": "b"} if number % 2 else None))
