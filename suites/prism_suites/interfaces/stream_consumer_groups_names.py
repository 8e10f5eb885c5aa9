"""stream_consumer_groups: streams, groups and consumers alias only if equal in every code point, and do not mix."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any

from hypothesis import given

from prism_suites._judging import broken, refused, same
from prism_suites._queue_shared import BAD_HEADERS, some_names
from prism_suites._stream_shared import COMMANDS, GROUPS, NO_NAMES, NO_PAYLOADS, append, fill, numbered, refused_everywhere
from prism_suites._stream_taking import gets, nothing_comes, patience_s, receive, take
from prism_suites.interfaces.keyvalue_basic_limits import bad_names, longest_names
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import AlreadyExists, GroupNotFound, PayloadTooLarge, StreamConsumerGroups
from prism_testkit.outcomes import law
from prism_testkit.strategies import joined_pairs, name_groups, over, patterned, universes

_ALIAS = "stream_consumer_groups.13"
Pairs = Sequence[tuple[str, str]]


async def _groups_are_apart(slot: Any, case: Case, pairs: Pairs) -> None:
    """Judge that each (stream, group) is a group of its own: made, given its stream's records, and acked alone."""
    pairs = list(dict.fromkeys(pairs))
    streams = enumerate(dict.fromkeys(name for name, _ in pairs))
    puts = {name: await append(slot, name, b"stream %d" % number, name, laws=GROUPS) for number, name in streams}
    for name, group in pairs:
        with law(_ALIAS):
            await slot.create_group(name, group)
    for number, (name, group) in enumerate(pairs):
        async with slot.join(name, group, group) as member:
            got = await receive(member, 2, patience_s(case))
            if [delivery.record.payload for delivery in got] != [puts[name].payload]:
                sentence = f"group {group[:40]!a} of stream {name[:40]!a} is not given the record of its stream alone"
                broken(_ALIAS, sentence, expected=puts[name], got=got)
            if number % 2:
                await member.ack(*got)
    for number, (name, group) in enumerate(pairs):
        got = await slot.group_info(name, group)
        same(_ALIAS, (got.members, got.pending), (0, 1 - number % 2), f"what happened to another group changed {group[:40]!a}")


@check("stream_consumer_groups.13", "stream_consumer_groups.9")
@gauntlet(lambda limits: [{"names": names} for names in name_groups(limits.max_name)])
@given(names=universes())
async def every_name_is_a_group_of_its_own(stream: StreamConsumerGroups, case: Case, names: tuple[str, ...]) -> None:
    """Names that differ in any code point are groups of their own, of one stream and of as many streams."""
    chosen = some_names(case, names, 24) if case.server else (names[0], *names[1::5])
    await _groups_are_apart(stream, case, [*(("s", name) for name in chosen), *((name, "g") for name in chosen[:6])])


def _pairs(limits: Any) -> list[dict[str, Any]]:
    pairs = joined_pairs("a", "b", "c", limits.max_name)
    found = [
        {"pairs": tuple(dict.fromkeys(part for pair in pairs[start : start + 4] for part in pair))}
        for start in range(0, len(pairs), 4)
    ]
    return [*found, {"pairs": (("a", "b"), ("b", "a"), ("a", "a"), ("b", "b"), ("ab", "a"), ("a", "ba"))}]


@check("stream_consumer_groups.13", "stream_consumer_groups.9")
@gauntlet(_pairs)
async def streams_and_groups_do_not_mix(stream: StreamConsumerGroups, case: Case, pairs: Pairs) -> None:
    """A stream and a group whose names are one text when joined are not another stream and group."""
    await _groups_are_apart(stream, case, [(first, second) for first, second in pairs])


@check("stream_consumer_groups.13", "stream_consumer_groups.4")
@gauntlet(lambda limits: [{"names": names} for names in name_groups(limits.max_name)[::7]])
@given(names=universes(max_size=5))
async def consumers_are_only_labels(stream: StreamConsumerGroups, case: Case, names: tuple[str, ...]) -> None:
    """Whatever members are called, also like a stream or a group, what one holds is no other's."""
    names = some_names(case, names, 8)[:12]
    await stream.create_group("s", names[0])
    puts = await fill(stream, "s", numbered(1), laws=GROUPS)
    async with AsyncExitStack() as stack:
        holder = await stack.enter_async_context(stream.join("s", names[0], names[0]))
        held = await gets(case, holder, puts)
        others = [await stack.enter_async_context(stream.join("s", names[0], name)) for name in (*names, "s")]
        await nothing_comes(
            case, others, "stream_consumer_groups.4", "a member is given what one with a similar label holds", wait_s=0
        )
        same(
            "stream_consumer_groups.11",
            (await stream.group_info("s", names[0])).members,
            len(names) + 2,
            "members are taken for one",
        )
        await holder.ack(*held)


@check("stream_consumer_groups.13")
@gauntlet(lambda limits: [{"text": text} for text in COMMANDS])
async def text_that_looks_like_a_command_is_only_text(stream: StreamConsumerGroups, case: Case, text: str) -> None:
    """SQL, patterns, protocol lines and paths stand for themselves as streams, groups, consumers, keys and headers."""
    put = await append(stream, text, text.encode(), text, {text: text}, laws=GROUPS)
    await stream.create_group(text, text)
    await stream.create_group(text, "g", "latest")
    async with stream.join(text, text, text) as member:
        held = await gets(case, member, [put], promise=_ALIAS)
        await member.nack(*held)
        await gets(case, member, [put], promise=_ALIAS, times=2)
    async with stream.join(text, "g", text) as member:
        await nothing_comes(case, member, _ALIAS, "a group is given what is another's", wait_s=0)
    for name, group in (("abc", text), (text, "abc")):
        await refused(_ALIAS, stream.group_info(name, group), GroupNotFound, "a group is found under another name")


def _calls(stream: StreamConsumerGroups, name: Any, near: str) -> dict[str, Callable[[], Awaitable[Any]]]:
    return {
        "append": lambda: stream.append(name, b"x"),
        "append of a key": lambda: stream.append(near, b"x", name if name is not None else ""),
        "read": lambda: _first(stream.read(name)),
        "create_group of a stream": lambda: stream.create_group(name, "g"),
        "create_group of a group": lambda: stream.create_group(near, name),
        "join of a stream": lambda: _joined(stream, name, "g", "c"),
        "join of a group": lambda: _joined(stream, near, name, "c"),
        "join of a consumer": lambda: _joined(stream, near, "there", name),
        "group_info of a stream": lambda: stream.group_info(name, "g"),
        "group_info of a group": lambda: stream.group_info(near, name),
    }


async def _first(records: Any) -> Any:
    async for record in records:
        return record
    return None


async def _joined(stream: StreamConsumerGroups, name: str, group: str, consumer: str) -> None:
    async with stream.join(name, group, consumer):
        pass


@check("stream_consumer_groups.13")
@gauntlet(lambda limits: [{"name": name, "near": near} for name, near in bad_names(limits.max_name)])
async def a_bad_name_is_refused_by_every_method(stream: StreamConsumerGroups, case: Case, name: str, near: str) -> None:
    """A stream, group, consumer or key that is no legal name raises `InvalidName`; nothing is appended, made or joined."""
    await stream.create_group(near, "there")
    puts = await fill(stream, near, [b"near"], laws=GROUPS)
    await refused_everywhere(_ALIAS, _calls(stream, name, near))
    for group in ("g", near):
        await refused(_ALIAS, stream.group_info(near, group), GroupNotFound, "a refused name made a group")
    same(_ALIAS, (await stream.group_info(near, "there")).members, 0, "a refused name joined a group")
    async with stream.join(near, "there", "c") as member:
        await gets(case, member, puts, promise=_ALIAS, story="after refused names")


@check("stream_consumer_groups.13")
@gauntlet(lambda limits: [{"name": name} for name in longest_names(limits.max_name)])
async def names_at_the_limit_are_accepted(stream: StreamConsumerGroups, case: Case, name: str) -> None:
    """Names of exactly as many bytes as are allowed may be streams, groups, consumers and keys, all at once."""
    twin = name[:-1] + "~" if name[-1].isascii() else name[:-1]
    with law(_ALIAS):
        await _groups_are_apart(stream, case, [(name, name), (name, twin), (twin, name), (twin, twin)])


@check("stream_consumer_groups.13")
@gauntlet(lambda limits: [{"name": name} for name in NO_NAMES])
async def what_is_no_text_is_no_name(stream: StreamConsumerGroups, case: Case, name: Any) -> None:
    """What is not ``str`` raises ``TypeError`` as a name of anything."""
    near = str(name)
    await stream.create_group(near, "there")
    calls = _calls(stream, name, near)
    if name is None:
        del calls["append of a key"]
    await refused_everywhere(_ALIAS, calls, TypeError)
    async with stream.join(near, "there", "c") as member:
        await nothing_comes(case, member, _ALIAS, "a refused name appended a record", wait_s=0)


@check("stream_consumer_groups.13")
@gauntlet(lambda limits: [{"number": number} for number in range(0, len(BAD_HEADERS), 3)])
async def a_refused_append_comes_to_nobody(stream: StreamConsumerGroups, case: Case, number: int) -> None:
    """What is over a limit, or of the wrong type, is refused before any effect: nothing comes, and what comes next is whole."""
    headers, errors = BAD_HEADERS[number]
    data = NO_PAYLOADS[number % len(NO_PAYLOADS)]
    await stream.create_group("s", "g")
    await refused(_ALIAS, stream.append("s", b"x", None, headers), errors, "illegal headers are not refused")
    await refused(_ALIAS, stream.append("s", data), TypeError, "a payload that is not bytes-like is not refused")
    for size in over(case.limits.max_payload)[:1]:
        await refused(_ALIAS, stream.append("s", bytes(size)), PayloadTooLarge, "a payload over the limit is not refused")
    puts = await fill(
        stream, "s", [patterned(case.limits.max_payload) if not number else b"x"], "k", {"h": "v" * 8000}, laws=GROUPS
    )
    async with stream.join("s", "g", "c") as member:
        await gets(case, member, puts, promise=_ALIAS, story="after refused appends")
        await nothing_comes(case, member, _ALIAS, "a refused append appended a record", wait_s=0)


@check("stream_consumer_groups.13", "stream_consumer_groups.11")
async def namespaces_are_apart(stream: StreamConsumerGroups, case: Case) -> None:
    """Records, groups, members and acks of one namespace are none of another, under the same names."""
    other = await case.sibling()
    await stream.create_group("s", "g")
    here = await fill(stream, "s", numbered(3, "here"), laws=GROUPS)
    await refused(_ALIAS, other.group_info("s", "g"), GroupNotFound, "a group is seen in another namespace")
    await refused(_ALIAS, _joined(other, "s", "g", "c"), GroupNotFound, "a group is joined in another namespace")
    try:
        await other.create_group("s", "g")
    except AlreadyExists:
        broken(_ALIAS, "a group of another namespace counts as there", expected="it is made", got="AlreadyExists")
    async with other.join("s", "g", "c") as beside:
        await nothing_comes(case, beside, _ALIAS, "a record comes in another namespace", wait_s=0)
        there = await fill(other, "s", numbered(2, "there"), laws=GROUPS)
        async with stream.join("s", "g", "c") as member:
            held = await gets(case, member, here, promise=_ALIAS)
            await gets(case, beside, there, promise=_ALIAS)
            await member.ack(*held)
            same(_ALIAS, (await other.group_info("s", "g")).members, 1, "members of another namespace count")
    async with other.join("s", "g", "c") as beside:
        again = await take(case, beside, 2)
        same(_ALIAS, len(again), 2, "acks in one namespace count in another")
    async with stream.join("s", "g", "c") as member:
        await nothing_comes(case, member, _ALIAS, "leaving a member gave back records of another namespace")
