"""pubsub_basic: topics alias only if all their code points are equal; what is illegal is refused before any effect."""

from typing import Any

from hypothesis import given

from prism_suites._full_headers import FULL_HEADERS, SWELLING
from prism_suites._judging import refused
from prism_suites._pubsub_shared import (
    COMMANDS,
    NO_NAMES,
    NO_NUMBERS,
    NO_PAYLOADS,
    names_are_apart,
    nothing_shared_by_reference,
    over_limits_are_refused,
    payloads_refused,
    siblings_are_apart,
    some_names,
    syntax_is_text,
)
from prism_suites._pubsub_taking import BASIC, hears, listening, send, silent
from prism_suites._queue_shared import BAD_HEADERS
from prism_suites.interfaces.keyvalue_basic_limits import bad_names, longest_names
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import InvalidName, PubSubBasic
from prism_testkit.outcomes import law
from prism_testkit.strategies import name_groups, over, patterned, universes


@check("pubsub_basic.5", "pubsub_basic.1")
@gauntlet(lambda limits: [{"names": names} for names in name_groups(limits.max_name)])
@given(names=universes())
async def every_name_is_a_topic_of_its_own(pubsub: PubSubBasic, case: Case, names: tuple[str, ...]) -> None:
    """Topics that differ in any code point are topics of their own, and none is a pattern for others (PS-05, PS-13)."""
    await names_are_apart(case, pubsub, some_names(case, names, 3, 16), BASIC)


@check("pubsub_basic.5")
@gauntlet(lambda limits: [{"names": names} for names in name_groups(limits.max_name)])
@given(names=universes())
async def a_look_alike_is_not_heard(pubsub: PubSubBasic, case: Case, names: tuple[str, ...]) -> None:
    """Who listens to one topic gets nothing of those with similar names (PS-05)."""
    first, *others = some_names(case, names, 2, 6)
    async with listening(case, pubsub, first, BASIC) as ear:
        for number, other in enumerate(others):
            await send(pubsub, other, [b"%d" % number], BASIC)
        with law("pubsub_basic.5"):
            await hears(ear, await send(pubsub, first, [b"own"], BASIC), "its look-alikes are in use")


@check("pubsub_basic.5")
async def all_names_together_are_apart(pubsub: PubSubBasic, case: Case) -> None:
    """Names of every group in one namespace: no two of them meet, however they are hashed, cut or encoded."""
    names = list(dict.fromkeys(name for group in name_groups(case.limits.max_name) for name in group))
    await names_are_apart(case, pubsub, names[:: 40 if case.server else 1], BASIC)


@check("pubsub_basic.5")
@gauntlet(lambda limits: [{"text": text} for text in COMMANDS])
async def text_that_looks_like_a_command_is_only_text(pubsub: PubSubBasic, case: Case, text: str) -> None:
    """SQL, patterns, wildcards, protocol lines and paths stand for themselves as topics, payloads and headers (PS-13)."""
    await syntax_is_text(case, pubsub, text, BASIC)


@check("pubsub_basic.6")
@gauntlet(lambda limits: [{"name": name, "near": near} for name, near in bad_names(limits.max_name)])
async def a_bad_name_is_refused_by_every_method(pubsub: PubSubBasic, case: Case, name: str, near: str) -> None:
    """A topic that is empty, too long or holds a surrogate raises `InvalidName`; nothing is received."""
    async with listening(case, pubsub, near, BASIC) as ear:
        await _refused_name(pubsub, name, InvalidName)
        with law("pubsub_basic.6"):
            await hears(ear, await send(pubsub, near, [b"near"], BASIC), "after refused names")


async def _refused_name(pubsub: PubSubBasic, name: Any, error: type[Exception]) -> None:
    await refused("pubsub_basic.6", pubsub.publish(name, b"x"), error, "publish to a bad name is not refused")
    await refused("pubsub_basic.6", _enter(pubsub, name), error, "subscribe to a bad name is not refused")


async def _enter(pubsub: PubSubBasic, name: Any) -> str:
    async with pubsub.subscribe(name):
        return "it was entered"


@check("pubsub_basic.6", "pubsub_basic.5")
@gauntlet(lambda limits: [{"name": name} for name in longest_names(limits.max_name)])
async def a_name_at_the_limit_is_accepted(pubsub: PubSubBasic, case: Case, name: str) -> None:
    """The limit counts bytes of UTF-8; a name of exactly so many is a topic like any other."""
    twin = name[:-1] + "~" if name[-1].isascii() else name[:-1]
    with law("pubsub_basic.6"):
        await names_are_apart(case, pubsub, (name, twin), BASIC)


@check("pubsub_basic.6")
@gauntlet(lambda limits: [{"name": name} for name in NO_NAMES])
async def what_is_no_text_is_no_name(pubsub: PubSubBasic, case: Case, name: Any) -> None:
    """A topic that is not ``str`` raises ``TypeError`` in every method, before any effect."""
    async with listening(case, pubsub, str(name), BASIC) as ear:
        await _refused_name(pubsub, name, TypeError)
        await silent(ear, "pubsub_basic.6", "a refused name is published to")


@check("pubsub_basic.6")
@gauntlet(lambda limits: [{"data": data} for data in NO_PAYLOADS])
async def what_is_no_bytes_is_no_payload(pubsub: PubSubBasic, case: Case, data: Any) -> None:
    """A payload that is not bytes-like raises ``TypeError`` before any effect; a number is not so many NULs."""
    await payloads_refused(case, pubsub, BASIC, [data], TypeError, "a payload that is not bytes-like")


@check("pubsub_basic.6")
@gauntlet(lambda limits: [{"number": number} for number in range(len(BAD_HEADERS))])
async def bad_headers_are_refused(pubsub: PubSubBasic, case: Case, number: int) -> None:
    """Headers that are illegal or over their limit are refused, each with its error, before any effect (PS-03)."""
    headers, errors = BAD_HEADERS[number]
    async with listening(case, pubsub, "t", BASIC) as ear:
        for topic in ("t", "fresh"):
            await refused("pubsub_basic.6", pubsub.publish(topic, b"x", headers), errors, "illegal headers are not refused")
        with law("pubsub_basic.6"):
            await hears(ear, await send(pubsub, "t", [b"after"], BASIC), "after refused headers", lost="pubsub_basic.6")


@check("pubsub_basic.6")
@gauntlet(lambda limits: [{"size": size} for size in over(limits.max_payload)])
async def a_payload_over_the_limit_is_refused(pubsub: PubSubBasic, case: Case, size: int) -> None:
    """One byte more than ``max_payload`` raises `PayloadTooLarge`; nothing of it is received (PS-04)."""
    await over_limits_are_refused(case, pubsub, BASIC, size)


@check("pubsub_basic.6", "pubsub_basic.1")
@gauntlet(
    lambda limits: [
        {"size": limits.max_payload - 1, "form": SWELLING[0]},
        *({"size": limits.max_payload, "form": f} for f in SWELLING),
    ]
)
async def everything_at_its_limit_is_accepted(pubsub: PubSubBasic, case: Case, size: int, form: str) -> None:
    """The largest payload with the largest headers to the topic with the longest name is a message (PS-02)."""
    name, headers = "n" * case.limits.max_name, FULL_HEADERS[form]
    with law("pubsub_basic.6"):
        async with listening(case, pubsub, name, BASIC) as ear:
            await hears(ear, await send(pubsub, name, [patterned(size), patterned(size, seed=1)], BASIC, headers))


@check("pubsub_basic.7")
async def what_is_received_is_a_copy(pubsub: PubSubBasic, case: Case) -> None:
    """A buffer or a mapping changed after the call, by the publisher or by another receiver, changes nothing."""
    await nothing_shared_by_reference(case, pubsub, BASIC)


@check("pubsub_basic.8")
async def namespaces_are_apart(pubsub: PubSubBasic, case: Case) -> None:
    """Nothing published in one namespace is received in another."""
    await siblings_are_apart(case, pubsub, BASIC)


@check("pubsub_basic.9")
@gauntlet(lambda limits: [{"timeout_s": bad} for bad in NO_NUMBERS])
async def a_timeout_of_the_wrong_type_is_refused(pubsub: PubSubBasic, case: Case, timeout_s: Any) -> None:
    """What is no number raises ``TypeError``, whether a message is there or not, and takes nothing."""
    async with listening(case, pubsub, "t", BASIC) as ear:
        await refused("pubsub_basic.9", ear.inner.receive(timeout_s), TypeError, f"a timeout of {timeout_s!r} is not refused")
        sents = await send(pubsub, "t", [b"1", b"2"], BASIC)
        await refused("pubsub_basic.9", ear.inner.receive(timeout_s), TypeError, f"a timeout of {timeout_s!r} is not refused")
        await hears(ear, sents, "after a refused receive")
