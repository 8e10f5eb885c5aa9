"""pubsub_wildcards: which topics a pattern matches."""

import dataclasses
import itertools
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any, Protocol

from hypothesis import given
from hypothesis import strategies as st

from prism_suites._judging import broken, same
from prism_suites._pubsub_parts import BY_PATTERN, Step, all_get_theirs, matched, playing, steps
from prism_suites._pubsub_selecting import WILDCARDS
from prism_suites._pubsub_shared import COMMANDS, PADDED, SEPARATED, differing
from prism_suites._pubsub_taking import BASIC, Ear, hears, numbered, send
from prism_suites._racing import clients, together
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import PubSubBasic, PubSubWildcards
from prism_testkit.strategies import name_groups

_UNREAD = 14
"""So many lie unread at once: every buffer takes them."""

_TOKENS = ("", "a", "*", ">")


def _spelled(tokens: Sequence[str], most: int) -> list[str]:
    """Return every name of up to so many of these tokens."""
    every = (".".join(parts) for count in range(1, most + 1) for parts in itertools.product(tokens, repeat=count))
    return [name for name in dict.fromkeys(every) if name]


_TOPICS = _spelled(_TOKENS, 3)
_PATTERNS = [pattern for pattern in _TOPICS if ">" not in pattern.split(".")[:-1]]
_TABLES: list[tuple[Sequence[str], Sequence[str]]] = [
    (("a.*", "a.>", "*", ">", "*.b", "a", "a.b"), ("a", "a.b", "a.", "a.*", "a.>", "a.b.c", ".b", "b", ".", "..", "ab")),
    (
        ("a*", "*a", "**", ">>", "a>", ">a", "*>", "a.b*", "a.**", "a.>>", "*.*", "*.>"),
        ("a", "ab", "ba", "**", "a.b", "a.bc", ">>"),
    ),
    (("a*", "**", ">>", "a>", "*>", "a.*>", "a.>>"), ("a*", "**", ">>", "a>", "*>", "a.*>", "a.>>", "ab", "a.b", "xx", "a.xx")),
    (("a.*.c", "*.*.*", "a.*.>", "*.b.*", "*.>"), ("a.b.c", "a..c", "a.b.c.d", "a.b", "a.*.c", "..", "...", "a.b.b", ".b.")),
    (("A.*", "a.*", "é.*", "e\u0301.*", " a.*", "a .*"), ("a.x", "A.x", "é.x", "e\u0301.x", " a.x", "a .x", "a. x", "á.x")),
    (
        ("a.*", "a.>", "*", ">"),
        ("a.\n", "a.\n\n", "\n", "a.\x00", "\x00", "a.\x00.b", "a\n.b", "a.\r\nb", "a.🦜", "🦜", "a.\u2028"),
    ),
    (("a.*", "a\uff0e*", "a\u2024*", "a\u3002*"), ("a.b", "a\uff0eb", "a\u2024b", "a\u3002b", "a\uff0e*")),
    (("a.*", "a/*", "a:*", "a*", "a.>", "a/>"), ("a/b", "a:b", "a.b/c", "a/b.c", "a.b", "a/*", "a", "a/", "ab")),
    (
        ("[ab].*", "a?.*", "\\*.x", "a\\.b", "{a,b}.*", ".*", "(a|b)", "^a.*"),
        ("a.x", "ab.x", "b.x", "*.x", "\\*.x", "a\\.b", "[ab].x", ".x"),
    ),
    (("#", "+", "a.#", "a.+", "$.*", "%.*", "_.>"), ("a", "a.b", "#", "+", "a.#", "a.+", "$.a", "%.a", "_.a", "b.a")),
    *((tuple(f"{name}.*" for name in names), tuple(f"{name}.x" for name in names)) for names in (SEPARATED, PADDED, differing(60))),
    (("a.*", "aa.*", "a.a.*", "ab.>"), ("a.a", "aa.a", "a.aa", "a.a.a", "aaa.a", "ab.a", "ab", "abc.a", "a.ab")),
    (("0.*", "00.*", "1.>", "-1.*", "1e0.*"), ("0.0", "00.0", "0.00", "1.0", "1e0.0", "-1.0", "1")),
    (
        ("*.*.*.*.*.*.*.*", "a.*.a.*.a.*.a.*", "*.*.*.*.*.*.*.>", "........"),
        ("a.b.a.b.a.b.a.b", ".......", "........", "a.b.a.b.a.b.a"),
    ),
]


class BasicAndWildcards(PubSubBasic, PubSubWildcards, Protocol):
    """Subscriptions to a topic and to a pattern."""


@check("pubsub_wildcards.3", "pubsub_wildcards.1", "pubsub_wildcards.2", "pubsub_wildcards.4")
@gauntlet(
    lambda limits: [
        *({"patterns": patterns, "topics": topics} for patterns, topics in _TABLES),
        *({"patterns": _PATTERNS[start::4], "topics": _TOPICS[start % 2 :: 2]} for start in range(4)),
    ]
)
@given(
    patterns=st.lists(
        st.lists(st.sampled_from(("a", "*", "", "b", "a*", "A")), min_size=1, max_size=4), min_size=1, max_size=5
    ).map(lambda lists: tuple(".".join(tokens) or ">" for tokens in lists)),
    topics=st.lists(st.lists(st.sampled_from(("a", "b", "", "*", ">", "A")), min_size=1, max_size=4), min_size=1, max_size=8).map(
        lambda lists: tuple(".".join(tokens) or "a" for tokens in lists)
    ),
)
async def patterns_match_what_they_should(
    pubsub: PubSubWildcards, case: Case, patterns: tuple[str, ...], topics: tuple[str, ...]
) -> None:
    """Each subscription gets every message of every topic that its pattern matches, once, in order, and no other (PS-13)."""
    await all_get_theirs(case, pubsub, BY_PATTERN, patterns, [(topic, {"for": topic}) for topic in topics])


@check(
    "pubsub_wildcards.3",
    "pubsub_wildcards.1",
    "pubsub_wildcards.2",
    "pubsub_wildcards.5",
    "pubsub_wildcards.6",
    "pubsub_wildcards.8",
)
@gauntlet(
    lambda limits: [
        {"script": script, "patterns": ("a.*", ">", "*.b", "a.b"), "topics": ("a.b", "a", "x.b", "a.b.c", "*", "a.*")}
        for script in _SCRIPTS
    ]
)
@given(
    script=steps(),
    patterns=st.lists(st.sampled_from(("*", ">", "a.*", "a.>", "*.b", "a.b", "*.*", "a", ".", "a*")), min_size=1, max_size=4).map(
        tuple
    ),
    topics=st.lists(st.sampled_from(("a.b", "a", "x.b", "a.b.c", "*", "a.*", ".", "a.", "a*")), min_size=1, max_size=5).map(tuple),
)
async def programs_match_the_model(
    pubsub: PubSubWildcards, case: Case, script: tuple[Step, ...], patterns: tuple[str, ...], topics: tuple[str, ...]
) -> None:
    """Whoever enters, publishes, receives and leaves in whatever order: each gets what is its own (PS-05, PS-06, PS-13, PS-35)."""
    async with playing(case, pubsub, BY_PATTERN) as game:
        await game.play(patterns, [(topic, None) for topic in topics], script)


_SCRIPTS: list[tuple[Step, ...]] = [
    (("enter", 0, 0), ("enter", 1, 0), ("publish", 0, 0), ("leave", 0, 0), ("publish", 1, 0), ("enter", 0, 1), ("publish", 0, 2)),
    (("publish", 0, 0), ("enter", 0, 1), ("publish", 2, 0), ("enter", 2, 1), ("publish", 2, 1), ("publish", 1, 3), ("hear", 0, 0)),
    tuple(("enter", 0, number) for number in range(4)) + tuple(("publish", number % 2, number) for number in range(12)),
    (("enter", 0, 3), ("enter", 0, 0), ("publish", 0, 0), ("leave", 0, 1), ("publish", 0, 0), ("enter", 0, 2), ("publish", 0, 0)),
    (("enter", 0, 1), ("leave", 0, 0), ("publish", 0, 0), ("enter", 0, 1), ("publish", 1, 4), ("publish", 1, 5), ("leave", 0, 0)),
]


@check("pubsub_wildcards.4", "pubsub_wildcards.3")
@gauntlet(lambda limits: [{"text": text} for text in COMMANDS])
async def text_that_looks_like_a_command_is_only_text(pubsub: PubSubWildcards, case: Case, text: str) -> None:
    """SQL, other patterns, protocol lines and paths stand for themselves in a pattern, but for its own wildcards (PS-13)."""
    patterns = [text, f"{text}.*", f"*.{text}", f"{text}.>"]
    valid = [pattern for pattern in patterns if ">" not in pattern.split(".")[:-1]]
    topics = [text, "a", "abc", "a.b", f"{text}.a", f"a.{text}", f"x{text}", f"{text}.a.b", "a.abc", "abc.a"]
    await all_get_theirs(case, pubsub, BY_PATTERN, valid, [(topic, {text: text}) for topic in topics])


@check("pubsub_wildcards.4", "pubsub_wildcards.1")
@gauntlet(lambda limits: [{"names": names, "last": last} for names in _look_alikes(limits.max_name - 2) for last in (False, True)])
async def tokens_are_equal_in_every_code_point_only(
    pubsub: PubSubWildcards, case: Case, names: tuple[str, ...], last: bool
) -> None:
    """Names that differ in any code point are tokens of their own, before others and at the end (PS-05)."""
    if last:
        patterns = [f"*.{name}" for name in names if ">" not in name.split(".")[:-1]]
    else:
        patterns = [f"{name}.*" for name in names if ">" not in name.split(".")]
    topics = [f"x.{name}" if last else f"{name}.x" for name in names]
    await all_get_theirs(case, pubsub, BY_PATTERN, patterns, [(topic, None) for topic in topics])


@check("pubsub_wildcards.4", "pubsub_wildcards.2")
@gauntlet(lambda limits: [{"pattern": pattern} for pattern in ("a", "a.*", "a.>", "*.a", "*", "a.b", "b.*.a")])
async def a_topic_matches_as_a_whole(pubsub: PubSubWildcards, case: Case, pattern: str) -> None:
    """Nothing may stand before or behind what matches, not the end of a line either (PS-05)."""
    plain = pattern.replace("*", "b").replace(">", "b")
    ends = ("", "\n", "\r\n", "\n\n", "\x00", " ", "\u2028", "\n.a", ".", "\n" + plain)
    topics = [(text, None) for text in dict.fromkeys([*(plain + end for end in ends), *(end + plain for end in ends)])]
    await all_get_theirs(case, pubsub, BY_PATTERN, [pattern], topics)


def _look_alikes(longest: int) -> list[tuple[str, ...]]:
    """Return some of each group of confusable names, several groups at a time."""
    groups = [group[:: max(1, (len(group) - 1) // 2)] for group in name_groups(longest)]
    return [tuple(dict.fromkeys(name for group in groups[start::12] for name in group)) for start in range(6)]


@check("pubsub_wildcards.4", "pubsub_wildcards.6", "pubsub_basic.5")
async def a_plain_subscription_knows_no_pattern(pubsub: BasicAndWildcards, case: Case) -> None:
    """`subscribe` to what looks like a pattern is to that topic alone; both kinds get what is theirs, side by side (PS-13)."""
    names = ("a.*", "*", ">", "a.>", "a.b", "a")
    plain_laws = dataclasses.replace(BASIC, once="pubsub_wildcards.4", lost="pubsub_wildcards.6")
    async with AsyncExitStack() as stack:
        plain = {name: await stack.enter_async_context(pubsub.subscribe(name)) for name in names}
        by_pattern = {name: await stack.enter_async_context(pubsub.subscribe_pattern(name)) for name in names}
        sents = [(await send(pubsub, name, [name.encode()], WILDCARDS))[0] for name in names]
        for name in names:
            with case.law("pubsub_basic.5"):
                await hears(Ear(case, plain[name], plain_laws), [s for s in sents if s.topic == name], "beside patterns")
            await hears(Ear(case, by_pattern[name], WILDCARDS), [s for s in sents if matched(name, s.topic)], "beside topics")


@check("pubsub_wildcards.5", "pubsub_wildcards.1")
@gauntlet(lambda limits: [{"topics": topics, "on": on} for topics in (2, 20, 101) for on in ("same client", "another")])
async def messages_of_many_topics_keep_their_order(pubsub: PubSubWildcards, case: Case, topics: int, on: str) -> None:
    """What one publisher sends to many topics by turns is received in that order (PS-30)."""
    slot = await case.client() if on == "another" else pubsub
    async with pubsub.subscribe_pattern("t.>") as inner, pubsub.subscribe_pattern(">") as every:
        places = [*(number * number // 3 % min(topics, 7) for number in range(40)), *range(topics)]  # runs and turns of some first
        ears = [Ear(case, each, WILDCARDS) for each in (inner, every)]
        for first in range(0, len(places), _UNREAD):
            sents = []
            for number, place in enumerate(places[first : first + _UNREAD], first):
                sents += await send(slot, f"t.{place}", [b"%d" % number], WILDCARDS)
            for ear in ears:
                await hears(ear, sents, f"{topics} topics", more=first + _UNREAD < len(places))


@check("pubsub_wildcards.5", "pubsub_wildcards.1", "pubsub_wildcards.2")
@gauntlet(lambda limits: [{"publishers": publishers} for publishers in (2, 5)])
async def publishers_at_once_keep_each_their_order(pubsub: PubSubWildcards, case: Case, publishers: int) -> None:
    """Of several that publish at once to several topics each one's messages come in its order (PS-08, PS-30)."""
    slots = await clients(pubsub, case, list(range(publishers)))
    async with pubsub.subscribe_pattern("*.t") as inner:
        case.overlap()

        async def run(slot: Any, number: int) -> list[str]:
            return [(await send(slot, f"{n % 3}.t", [b"%d" % number], WILDCARDS))[0].id for n in range(8)]

        await together(*(run(slot, number) for number, slot in enumerate(slots)))
        told: dict[bytes, list[str]] = {}
        if inner.gaps:
            return
        for _ in range(8 * publishers):
            got = await inner.receive(500.0 if case.clock.virtual else 10.0)
            if got is None:
                broken("pubsub_wildcards.1", "of messages published at once one is lost", expected=8 * publishers, got=told)
            told.setdefault(got.payload, []).append(got.topic)
        for payload, topics in told.items():
            same(
                "pubsub_wildcards.5",
                topics,
                [f"{n % 3}.t" for n in range(8)],
                f"the messages of publisher {payload!r} change places",
            )


@check("pubsub_wildcards.6", "pubsub_wildcards.1", "pubsub_wildcards.2")
@gauntlet(lambda limits: [{"count": count} for count in (2, 16, 65)])
async def many_patterns_are_as_good_as_one(pubsub: PubSubWildcards, case: Case, count: int) -> None:
    """However many patterns are subscribed to, alike or not, each subscription gets its messages, once (PS-06)."""
    count = min(count, 12) if case.server else count
    patterns = [("t.*", f"t.{number}", ">", f"*.{number}", "t.>")[number % 5] for number in range(count)]
    publications = [(f"t.{number}", None) for number in range(min(count, 12))]
    await all_get_theirs(case, pubsub, BY_PATTERN, patterns, publications, publisher=1)


_LONGER = (("a.b.c", "a.b.c"), ("a.b.*", "a.b.c"), ("a.b.>", "a.b.c.d"), ("a", "a"))
"""A pattern and a topic of it: what begins like it, or is its beginning, is left meanwhile."""


@check("pubsub_wildcards.1", "pubsub_wildcards.6")
async def a_left_pattern_leaves_the_others(pubsub: PubSubWildcards, case: Case) -> None:
    """Of two subscriptions to one pattern, or to patterns that overlap or begin alike, the one that stays goes on (PS-35)."""
    overlapping = itertools.product(("a.*", "a.>", ">", "a.b"), ((stays, "a.b") for stays in ("a.*", ">", "a.b")))
    longer = itertools.product(("a", "a.b", "a.*", "a.b.c", "a.b.c.d", "a.b.>", "*.b", "a.c"), _LONGER)
    for left, (stays, topic) in itertools.chain(overlapping, longer):
        async with pubsub.subscribe_pattern(stays) as inner:
            async with pubsub.subscribe_pattern(left):
                sents = await send(pubsub, topic, numbered(1), WILDCARDS)
            sents += await send(pubsub, topic, numbered(2, "after"), WILDCARDS)
            await hears(Ear(case, inner, WILDCARDS), sents, f"{left!a} was left", lost="pubsub_wildcards.6")
