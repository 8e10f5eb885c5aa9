"""What both kinds of subscription promise of contents, names, refusals, copies and namespaces."""

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any

from prism_suites._judging import broken, refused, same
from prism_suites._pubsub_taking import Laws, Sent, hears, is_message, listening, publish, send, silent
from prism_testkit.case import Case
from prism_testkit.interfaces import PayloadTooLarge
from prism_testkit.outcomes import law
from prism_testkit.strategies import name_groups

__all__ = [
    "COMMANDS",
    "NO_NAMES",
    "NO_NUMBERS",
    "NO_PAYLOADS",
    "NO_TRUTH",
    "PADDED",
    "SEPARATED",
    "contents_come_out",
    "differing",
    "headers_come_out",
    "names_are_apart",
    "nothing_shared_by_reference",
    "over_limits_are_refused",
    "payloads_refused",
    "siblings_are_apart",
    "some_names",
    "syntax_is_text",
]

NO_NAMES: tuple[Any, ...] = (b"a", None, 1, 0, 1.5, True, ("a",), ["a"])
NO_NUMBERS: tuple[Any, ...] = ("1", None, b"1", [1], {})
NO_PAYLOADS: tuple[Any, ...] = ("text", "", None, 5, 0, 1.5, True, [97], (97, 98), {"a": 1})
COMMANDS = (
    *(
        "'; DROP TABLE topic; --",
        "x' OR '1'='1",
        "%",
        "_",
        "*",
        "?",
        "[a-z]*",
        ".*",
        "a|b",
        "\\*",
        "$SYS",
        "$share/g/a",
        "{a}",
        "%s",
    ),
    *(
        "a\r\nFLUSHALL\r\n",
        "*1\r\n$7\r\nFLUSHDB\r\n",
        "../abc",
        "/etc/passwd",
        "#",
        "+",
        "a/+",
        "a/#",
        "/#",
        "a.*",
        "a.>",
        ">",
        "*.*",
    ),
    *("__keyspace@0__:*", "__proto__", "<abc>", "&abc;", "--help"),
)
NO_TRUTH = ("0", "00", "-1", "None", "none", "null", "nil", "false", "False", "undefined", "default", "[]", "{}", " ", "\x00")
"""Texts that are nothing, or false, to somebody who turns them into something else."""
SEPARATED = ("a-b", "a_b", "a.b", "a b", "a/b", "a:b", "a,b", "a;b", "a=b", "a\tb", "a+b", "a%b", "a%20b", "ab", "aB")
"""Two words joined in ways that somebody makes one."""
PADDED = ("a", "a\0", "a\0\0", "\0a", "a\n", "\na", "a ", " a", "a\t", "a\u200b", "\ufeffa", "a\u00ad", "a\u0301", "a.", ".a", "a/")
"""A name, and what is behind or before it in others."""
_TOGETHER = 12
"""Messages that lie unread at once, at most: a buffer may have a bound, which is for other checks."""


def some_names(case: Case, names: Sequence[str], embedded: int, server: int) -> tuple[str, ...]:
    """Return the first name and every so-manieth of the others: on a server each costs a connection."""
    return (names[0], *names[1 :: server if case.server else embedded])


def differing(length: int) -> tuple[str, ...]:
    """Return texts of so many characters that differ in one place each: the first, the last, and some between."""
    places = dict.fromkeys((0, 1, length // 4, length // 2, length * 3 // 4, length - 2, length - 1))
    return ("v" * length, *("v" * place + "w" + "v" * (length - place - 1) for place in places))


async def contents_come_out(
    case: Case, slot: Any, payloads: Sequence[bytes], laws: Laws, headers: Mapping[str, str] | None = None
) -> None:
    """Publish payloads and receive them, by the same and by another client: each is bytes, whole, in order, under its id."""
    other = await case.client()
    sents: list[Sent] = []
    with law(laws.content):
        async with listening(case, slot, "t", laws, "a") as ear, listening(case, other, "t", laws, "b") as another:
            ears = (ear,) if case.server and not laws.plain else (ear, another)  # each ack is a round trip
            for start in range(0, len(payloads), _TOGETHER):
                part = await send(slot, "t", payloads[start : start + _TOGETHER], laws, headers)
                sents += part
                for each in ears:
                    await hears(each, part, more=True)
            for each in ears:
                await silent(each, laws.once, "a subscription that was given everything gives another message")
    same(laws.content, len({sent.id for sent in sents}), len(sents), "two messages of one topic have the same id")


async def headers_come_out(case: Case, slot: Any, headers: Mapping[str, str], laws: Laws) -> None:
    """Headers are received as they were published, of an empty payload and of others, between messages that have none."""
    with law(laws.content):
        async with listening(case, slot, "t", laws) as ear:
            sents = await send(slot, "t", [b"plain"], laws)
            sents += await send(slot, "t", [b"", b"with headers"], laws, headers)
            sents += await send(slot, "t", [b"", b"plain again"], laws)
            await hears(ear, sents)


async def names_are_apart(case: Case, slot: Any, names: Sequence[str], laws: Laws) -> None:
    """Each name is a topic of its own: listeners of all get what was published under their own name, and nothing else."""
    async with AsyncExitStack() as stack:
        with law(laws.alias):
            ears = [await stack.enter_async_context(listening(case, slot, name, laws)) for name in names]
            sents = [(await send(slot, name, [b"%d" % number], laws))[0] for number, name in enumerate(names)]
            for ear, sent in zip(ears, sents, strict=True):
                got = await ear.next()
                if got is None or got.payload != sent.payload:
                    sentence = f"topic {sent.topic[:40]!a} gives what was published to another, or nothing"
                    broken(laws.alias, sentence, expected=sent, got=got)
                is_message(laws.content, got, sent, "a message is not received as it was published")
            for ear, sent in zip(ears, sents, strict=True):
                got = await ear.next(0)
                if got is not None:
                    broken(laws.alias, f"topic {sent.topic[:40]!a} gives what was published to another", expected=None, got=got)


async def syntax_is_text(case: Case, slot: Any, text: str, laws: Laws) -> None:
    """Text that looks like a command or a pattern stands for itself as topic, payload and header."""
    topics = ("a", "abc", "a.b", "a/b", text)
    async with AsyncExitStack() as stack:
        with law(laws.alias):
            ears = [await stack.enter_async_context(listening(case, slot, name, laws)) for name in topics]
        for name, ear in zip(reversed(topics), reversed(ears), strict=True):
            with law(laws.alias):
                sents = await send(slot, name, [text.encode(), b"2"], laws, {text: text})
                await hears(ear, sents, "a topic with syntax in its name is in use")
        for name, ear in zip(topics, ears, strict=True):
            await silent(ear, laws.alias, f"topic {name!a} gives what was published to another")


async def payloads_refused(case: Case, slot: Any, laws: Laws, datas: Sequence[Any], error: type[Exception], why: str) -> None:
    """Payloads that are refused in each topic, whether somebody listens or not; nothing is received of them."""
    async with listening(case, slot, "t", laws) as ear:
        call = publish(slot, laws)
        for data in datas:
            for topic in ("t", "fresh"):
                await refused(laws.refusal, call(topic, data), error, f"{why} is not refused")
        with law(laws.refusal):
            await hears(ear, await send(slot, "t", [b"after"], laws), "after a refused payload", lost=laws.refusal)
    if not laws.plain:
        got = await slot.last_message_id("fresh")
        same(laws.refusal, got, None, "a refused payload left a message")


async def over_limits_are_refused(case: Case, slot: Any, laws: Laws, size: int) -> None:
    """A payload over the limit raises `PayloadTooLarge` in every kind of buffer, before any effect."""
    datas = (bytes(size), bytearray(size), memoryview(bytes(size)))
    await payloads_refused(case, slot, laws, datas, PayloadTooLarge, "a payload over the limit")


async def nothing_shared_by_reference(case: Case, slot: Any, laws: Laws) -> None:
    """Buffers and mappings that change after the call, and headers that one receiver changes, change nothing that is received."""
    kept = {"a": "1", "b": "2"}
    call = publish(slot, laws)
    async with listening(case, slot, "t", laws, "a") as ear, listening(case, slot, "t", laws, "b") as second:
        buffer, source, headers = bytearray(b"first payload"), bytearray(b"second payload"), dict(kept)
        sents = [Sent(await call("t", buffer, headers), "t", b"first payload", kept)]
        buffer[:] = b"X" * len(buffer)
        headers["a"] = "changed"
        headers["c"] = "new"
        told = {"a": "changed", "b": "2", "c": "new"}
        sents.append(Sent(await call("t", memoryview(source)[:6], headers), "t", b"second", told))
        source[:3] = b"XXX"
        headers.clear()
        sents.append(Sent(await call("t", memoryview(b"abcdefgh")[1:7:2], kept), "t", b"bdf", dict(kept)))
        grows = bytearray(b"grows")
        sents.append(Sent(await call("t", grows), "t", b"grows"))
        grows.extend(b" and grows")
        empty: dict[str, str] = {}
        sents.append(Sent(await call("t", b"no headers", empty), "t", b"no headers"))
        empty["late"] = "added"
        for each in (ear, second):
            for sent in sents:
                got = await each.next()
                is_message(laws.copy, got, sent, "a buffer or a mapping that was changed changed a message")
                try:
                    got.headers["added"] = "by a receiver"  # type: ignore[union-attr,index]
                except TypeError:
                    continue  # what cannot be changed is as good as a copy


_DELIMITERS = (".", "..", "/", ":", "*")
"""Names that are nothing once they are cut at what often joins the parts of a name."""


async def siblings_are_apart(case: Case, slot: Any, laws: Laws) -> None:
    """What is published in one namespace is not received in another, under the same names, be they short, long or odd."""
    other = await case.sibling()
    groups = [name for group in name_groups(case.limits.max_name) for name in group]
    names = ["t", "n" * case.limits.max_name, "a:b", "a/b", "a.b", *_DELIMITERS, *groups[:: 120 if case.server else 13]]
    for name in dict.fromkeys(names):
        with law(laws.namespace):
            await _apart(case, slot, other, name, laws)


async def _apart(case: Case, slot: Any, other: Any, name: str, laws: Laws) -> None:
    async with listening(case, slot, name, laws) as here, listening(case, other, name, laws) as there:
        ours = await send(slot, name, [b"ours 1", b"ours 2"], laws)
        theirs = await send(other, name, [b"theirs 1"], laws)
        for ear, sents in ((there, theirs), (here, ours)):
            for sent in sents:
                got = await ear.next()
                if got is None or got.payload != sent.payload:
                    broken(laws.namespace, "a message is received in another namespace, or lost", expected=sent, got=got)
        for ear in (there, here):
            await silent(ear, laws.namespace, "a message is received in another namespace")
