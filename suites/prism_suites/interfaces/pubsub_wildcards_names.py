"""pubsub_wildcards: patterns that are refused, patterns at their limit, and namespaces."""

from contextlib import AsyncExitStack
from typing import Any

from prism_suites._judging import refused
from prism_suites._pubsub_parts import BY_PATTERN, all_get_theirs, playing
from prism_suites._pubsub_selecting import WILDCARDS
from prism_suites._pubsub_shared import NO_NAMES, NO_PAYLOADS
from prism_suites._pubsub_taking import Ear, hears, numbered, send
from prism_suites._queue_shared import BAD_HEADERS
from prism_suites.interfaces.keyvalue_basic_limits import bad_names, longest_names
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import InvalidName, PayloadTooLarge, PubSubWildcards
from prism_testkit.outcomes import law
from prism_testkit.strategies import joined_pairs, name_groups, over
from prism_testkit.traits import Limits

_NOT_LAST = (">.", ">.a", "a.>.b", ">.>", "*.>.>", ">.*", "a.>.", ".>.", ">.a.>", "a.>..")


_LOOK_ILLEGAL = (
    ">>",
    ">>.a",
    "a>.b",
    ">a.b",
    "a.>b.c",
    ".>>",
    ">>.>",
    "a>.>",
    ".",
    "..",
    ".a",
    "a.",
    "a..>",
    " ",
    " .*",
    "**.a",
    "*a.b",
)


async def _enter(pubsub: PubSubWildcards, pattern: Any) -> str:
    async with pubsub.subscribe_pattern(pattern):
        return "it was entered"


async def _goes_on(case: Case, pubsub: PubSubWildcards) -> None:
    with law("pubsub_wildcards.7"):
        async with pubsub.subscribe_pattern("a.*") as inner:
            await hears(
                Ear(case, inner, WILDCARDS),
                await send(pubsub, "a.b", numbered(2), WILDCARDS),
                "after a refused pattern",
                lost="pubsub_wildcards.7",
            )


@check("pubsub_wildcards.7")
@gauntlet(lambda limits: [{"name": name} for name, _ in bad_names(limits.max_name)])
async def a_bad_pattern_is_refused(pubsub: PubSubWildcards, case: Case, name: str) -> None:
    """A pattern that is empty, too long or holds a surrogate raises `InvalidName`, and so does such a topic."""
    await refused("pubsub_wildcards.7", _enter(pubsub, name), InvalidName, "a bad pattern is not refused")
    await refused("pubsub_wildcards.7", pubsub.publish(name, b"x"), InvalidName, "publish to a bad name is not refused")
    await _goes_on(case, pubsub)


@check("pubsub_wildcards.7")
@gauntlet(lambda limits: [{"pattern": pattern} for pattern in _NOT_LAST])
async def what_follows_the_rest_is_refused(pubsub: PubSubWildcards, case: Case, pattern: str) -> None:
    """A token ``>`` that is not the last raises `InvalidName` at the entry; as a topic the same text is legal (PS-13)."""
    await refused("pubsub_wildcards.7", _enter(pubsub, pattern), InvalidName, f"the pattern {pattern!a} is not refused")
    async with pubsub.subscribe_pattern(">") as inner:
        with law("pubsub_wildcards.4"):
            await hears(Ear(case, inner, WILDCARDS), await send(pubsub, pattern, [b"x"], WILDCARDS), "wildcards in a topic")
    await _goes_on(case, pubsub)


@check("pubsub_wildcards.7", "pubsub_wildcards.4")
@gauntlet(lambda limits: [{"pattern": pattern} for pattern in _LOOK_ILLEGAL])
async def what_looks_illegal_is_accepted(pubsub: PubSubWildcards, case: Case, pattern: str) -> None:
    """Only a whole token ``>`` has to be the last; empty tokens, blanks and wildcards within tokens are legal (PS-13)."""
    with law("pubsub_wildcards.7"):
        async with pubsub.subscribe_pattern(pattern) as inner:
            topics = [pattern.removesuffix(">") + "x"] if pattern.endswith(".>") else [pattern]
            sents = [(await send(pubsub, topic, [b"x"], WILDCARDS))[0] for topic in topics]
            await hears(Ear(case, inner, WILDCARDS), sents, f"the pattern {pattern!a}")


@check("pubsub_wildcards.7")
@gauntlet(lambda limits: [{"pattern": pattern} for pattern in NO_NAMES])
async def what_is_no_text_is_no_pattern(pubsub: PubSubWildcards, case: Case, pattern: Any) -> None:
    """A pattern that is not ``str`` raises ``TypeError``."""
    await refused("pubsub_wildcards.7", _enter(pubsub, pattern), TypeError, "what is no text is not refused as a pattern")
    await _goes_on(case, pubsub)


@check("pubsub_wildcards.7", "pubsub_wildcards.2")
@gauntlet(lambda limits: [{"size": size} for size in over(limits.max_payload)])
async def what_is_refused_is_received_by_no_pattern(pubsub: PubSubWildcards, case: Case, size: int) -> None:
    """Publishes that are refused, for their payload or headers, reach nobody (PS-03, PS-04)."""
    async with pubsub.subscribe_pattern(">") as inner:
        await refused(
            "pubsub_wildcards.7", pubsub.publish("a.b", bytes(size)), PayloadTooLarge, "a payload over the limit is taken"
        )
        for data in NO_PAYLOADS:
            await refused("pubsub_wildcards.7", pubsub.publish("a.b", data), TypeError, "what is no payload is taken")
        for headers, errors in BAD_HEADERS:
            await refused("pubsub_wildcards.7", pubsub.publish("a.b", b"x", headers), errors, "illegal headers are taken")
        await hears(Ear(case, inner, WILDCARDS), await send(pubsub, "a.b", [b"after"], WILDCARDS), "after refused publishes")


def _longest(limit: int) -> list[tuple[str, ...]]:
    """Return patterns of the largest size: of one token, of as many as fit, with wildcards at either end."""
    dots, stars = "." * limit, "*" + ".*" * ((limit - 1) // 2)
    return [
        (dots, "." * (limit - 1) + ">", "." * (limit - 2) + "*"),
        (stars, "*." * ((limit - 1) // 2) + ">"),
        ("n" * limit, "n" * (limit - 2) + ".*", "n" * (limit - 2) + ".>", "*." + "n" * (limit - 2)),
        tuple(name for name in longest_names(limit) if ">" not in name.split(".")[:-1]),
    ]


@check("pubsub_wildcards.7", "pubsub_wildcards.3")
@gauntlet(lambda limits: [{"patterns": patterns} for patterns in _longest(limits.max_name)])
async def a_pattern_at_the_limit_is_accepted(pubsub: PubSubWildcards, case: Case, patterns: tuple[str, ...]) -> None:
    """The limit counts bytes of UTF-8, not tokens: patterns of exactly so many match what they should."""
    limit = case.limits.max_name
    topics = ["." * limit, "." * (limit - 1), "n" * limit, "n" * (limit - 2) + ".x", "x." + "n" * (limit - 2), "a", *patterns]
    topics.append("a" + ".a" * ((limit - 1) // 2))
    with law("pubsub_wildcards.7"):
        await all_get_theirs(case, pubsub, BY_PATTERN, patterns, [(topic, None) for topic in dict.fromkeys(topics)])


@check("pubsub_wildcards.3", "pubsub_wildcards.7", "pubsub_wildcards.1", "pubsub_wildcards.2")
@gauntlet(lambda limits: [{"count": count + more} for count in (16, 64, 128, 256) for more in (-1, 0, 1, 2)])
async def any_number_of_tokens_is_matched(pubsub: PubSubWildcards, case: Case, count: int) -> None:
    """However many tokens a topic has, a pattern of as many, of one less, and one that ends with the rest match alike."""
    count = min(count, case.limits.max_name // 2)
    patterns = ("a.>", "*.>", ">", ".".join(["*"] * count), ".".join(["*"] * (count - 1)), ".".join(["*"] * (count - 1)) + ".>")
    topics = [".".join(["a"] * number) for number in (count - 2, count - 1, count, count + 1) if number * 2 <= case.limits.max_name]
    await all_get_theirs(case, pubsub, BY_PATTERN, patterns, [(topic, None) for topic in topics])


@check("pubsub_wildcards.8")
async def namespaces_are_apart(pubsub: PubSubWildcards, case: Case) -> None:
    """No pattern reaches into another namespace, however wide it is and whatever the topics are."""
    groups = [name for group in name_groups(case.limits.max_name) for name in group]
    names = ["t", "n" * case.limits.max_name, "a:b", "a/b", "a.b", ".", *groups[:: 60 if case.server else 9]]
    async with playing(case, pubsub, BY_PATTERN) as game:
        for number, pattern in enumerate((">", "*", "*.*", "a.>")):
            await game.enter((0, 2)[number % 2], pattern)
        await game.enter(2, ">")
        for number, name in enumerate(dict.fromkeys(names)):
            await game.publish(number % 3, (name, None))


def _alike(limits: Limits) -> list[tuple[str, str, str]]:
    """Return (topic, strange pattern, strange topic): written behind or before ``*``, the topic reads as the strange two."""
    behind = [(topic, strange, last) for (strange, last), (_, topic) in joined_pairs("*", "a", "b", limits.max_name)]
    before = [(topic, strange, last) for (topic, _), (last, strange) in joined_pairs("a", "b", "*", limits.max_name)]
    return [found for found in (*behind, *before) if "." not in found[0]]


@check("pubsub_wildcards.4", "pubsub_wildcards.2", "pubsub_wildcards.1")
@gauntlet(lambda limits: [{"first": first} for first in ("what matches", "what does not")])
async def a_pattern_and_its_topic_are_two_texts(pubsub: PubSubWildcards, case: Case, first: str) -> None:
    """That a pattern matched a topic, or did not, says nothing of two others that read alike when they are joined."""
    alike = _alike(case.limits)
    topics, lasts = dict.fromkeys(topic for topic, _, _ in alike), dict.fromkeys(last for _, _, last in alike)
    async with AsyncExitStack() as stack:
        every = Ear(case, await stack.enter_async_context(pubsub.subscribe_pattern("*")), WILDCARDS)
        strange = dict.fromkeys(pattern for _, pattern, _ in alike)
        ears = {
            pattern: Ear(case, await stack.enter_async_context(pubsub.subscribe_pattern(pattern)), WILDCARDS) for pattern in strange
        }
        order = [*topics, *lasts] if first == "what matches" else [*lasts, *topics]
        with law("pubsub_wildcards.4"):
            for topic in order:  # each at once, for a buffer may be small
                await hears(every, await send(pubsub, topic, [b"x"], WILDCARDS), "every topic without a dot", more=True)
            for pattern, ear in ears.items():
                sents = await send(pubsub, pattern, [b"y"], WILDCARDS)
                await hears(every, sents, "every topic without a dot", more=True)
                await hears(ear, sents, f"the pattern {pattern!a}", more=True)
            for pattern, ear in {"*": every, **ears}.items():
                await hears(ear, [], f"the pattern {pattern!a}")
