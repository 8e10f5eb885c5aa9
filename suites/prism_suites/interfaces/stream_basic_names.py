"""stream_basic: names alias only if all their code points are equal; what is illegal is refused before any effect."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from hypothesis import given

from prism_suites._full_headers import FULL_HEADERS
from prism_suites._judging import broken, refused, same
from prism_suites._queue_shared import BAD_HEADERS, some_names
from prism_suites._stream_shared import (
    BASIC,
    COMMANDS,
    NO_NAMES,
    NO_PAYLOADS,
    Put,
    append,
    fill,
    in_turns,
    numbered,
    read,
    reads,
    refused_everywhere,
)
from prism_suites.interfaces.keyvalue_basic_limits import bad_names, longest_names
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import InvalidName, PayloadTooLarge, StreamBasic
from prism_testkit.outcomes import law
from prism_testkit.strategies import name_groups, over, patterned, universes

_NO_OFFSETS: tuple[Any, ...] = ("0", "$", b"0", 0.5, [0], "earliest")


async def _apart(slot: Any, names: Sequence[str], rounds: int = 2) -> None:
    """Judge that each name is a stream of its own: what went in under it is read under it, and nothing else."""
    puts: dict[str, list[Put]] = {name: [] for name in names}
    with law("stream_basic.8"):
        for name, payload in in_turns(names, rounds):
            puts[name].append(await append(slot, name, payload, name))
    for name in reversed(names):
        got = await read(slot, name)
        found, wanted = [record.payload for record in got], [put.payload for put in puts[name]]
        if found != wanted:
            broken(
                "stream_basic.8", f"stream {name[:40]!a} does not give what was appended to it alone", expected=wanted, got=found
            )
        same("stream_basic.8", [record.key for record in got], [name] * rounds, "a key is not given back as it was appended")
        same("stream_basic.8", await slot.latest_offset(name), puts[name][-1].offset, "latest_offset is that of another stream")


@check("stream_basic.8")
@gauntlet(lambda limits: [{"names": names} for names in name_groups(limits.max_name)])
@given(names=universes())
async def every_name_is_a_stream_of_its_own(stream: StreamBasic, case: Case, names: tuple[str, ...]) -> None:
    """Names that differ in any code point are streams of their own, and keys as they are (ST-02)."""
    await _apart(stream, some_names(case, names, 12) if case.server else (names[0], *names[1::2]), 1 + (not case.server))


@check("stream_basic.8", "stream_basic.7")
@gauntlet(lambda limits: [{"names": names} for names in name_groups(limits.max_name)])
@given(names=universes())
async def a_look_alike_is_empty(stream: StreamBasic, case: Case, names: tuple[str, ...]) -> None:
    """A stream that was never used is empty, whatever is in those with similar names; trimming it trims none of them."""
    first, *others = some_names(case, names, 20) if case.server else (names[0], *names[1::2])
    puts = await fill(stream, first, [b"first", b"second"], first)
    for number, other in enumerate(others):
        sentence = f"a stream that was never used, {other[:40]!a}, shows another"
        if number % 3 == 0:
            same("stream_basic.8", await stream.latest_offset(other), None, sentence)
        elif number % 3 == 1:
            same("stream_basic.8", await read(stream, other), [], sentence)
        else:
            await stream.trim(other, puts[-1].offset + 1)
    await reads(stream, first, puts, story="after looks at similar names", loss="stream_basic.8")


@check("stream_basic.8")
@gauntlet(lambda limits: [{"part": part} for part in range(2)])
async def all_names_together_are_apart(stream: StreamBasic, case: Case, part: int) -> None:
    """Every name of every group in one namespace: no two of them meet, however they are hashed, cut or encoded."""
    names = list(dict.fromkeys(name for group in name_groups(case.limits.max_name) for name in group))
    await _apart(stream, names[part::16] if case.server else names[part::2], rounds=1)


@check("stream_basic.8", "stream_basic.2")
@gauntlet(lambda limits: [{"text": text} for text in COMMANDS])
async def text_that_looks_like_a_command_is_only_text(stream: StreamBasic, text: str) -> None:
    """SQL, patterns, protocol lines and paths stand for themselves as names, keys, payloads and headers."""
    beside = await fill(stream, "abc", [b"1", b"2"])
    same("stream_basic.8", await read(stream, text), [], "a name with syntax shows another stream")
    puts = await fill(stream, text, [text.encode(), b""], text, {text: text})
    await reads(stream, text, puts, story="syntax everywhere", loss="stream_basic.8")
    await stream.trim(text, puts[0].offset + 1)
    await reads(stream, text, puts[1:], story="syntax everywhere", loss="stream_basic.8")
    await reads(stream, "abc", beside, story="after a stream with syntax in its name was used", loss="stream_basic.8")


def _calls(stream: StreamBasic, name: Any) -> dict[str, Callable[[], Awaitable[Any]]]:
    return {
        "append": lambda: stream.append(name, b"x"),
        "append with a key": lambda: stream.append(name, b"x", "k", {"a": "b"}),
        "read": lambda: read(stream, name),
        "latest_offset": lambda: stream.latest_offset(name),
        "trim": lambda: stream.trim(name, 10**6),
    }


async def _unchanged(slot: StreamBasic, stream: str, puts: Sequence[Put], story: str) -> None:
    """Judge that refusals left nothing in a stream, and took no offset that it tells."""
    found = [record.offset for record in await read(slot, stream)]
    same("stream_basic.9", found, [put.offset for put in puts], f"a stream holds other records {story}")
    await reads(slot, stream, puts, story=story, loss="stream_basic.9")
    told = await slot.latest_offset(stream)
    same("stream_basic.9", told, puts[-1].offset if puts else None, f"latest_offset is another {story}")


@check("stream_basic.9")
@gauntlet(lambda limits: [{"name": name, "near": near} for name, near in bad_names(limits.max_name)])
async def a_bad_name_is_refused_by_every_method(stream: StreamBasic, name: str, near: str) -> None:
    """A name that is empty, too long or holds a surrogate raises `InvalidName`; nothing is appended or trimmed."""
    await refused_everywhere("stream_basic.9", _calls(stream, name))
    same("stream_basic.9", await read(stream, near), [], "a refused name appended a record")
    puts = await fill(stream, near, [b"near"])
    await refused_everywhere("stream_basic.9", _calls(stream, name))
    await _unchanged(stream, near, puts, "after refused names")


@check("stream_basic.8", "stream_basic.9")
@gauntlet(lambda limits: [{"key": key} for key, _ in bad_names(limits.max_name)])
async def a_bad_key_is_refused(stream: StreamBasic, key: str) -> None:
    """A key that is empty, too long or holds a surrogate raises `InvalidName`; nothing is appended. Empty is not None."""
    puts = await fill(stream, "s", [b"before"])
    for name in ("s", "fresh"):
        promise = "stream_basic.9" if key else "stream_basic.8"
        await refused(promise, stream.append(name, b"x", key), InvalidName, "a bad key is not refused by InvalidName")
    await _unchanged(stream, "s", puts, "after a refused key")
    await _unchanged(stream, "fresh", [], "that was refused its first record")


@check("stream_basic.9")
@gauntlet(lambda limits: [{"name": name} for name in longest_names(limits.max_name)])
async def a_name_at_the_limit_is_accepted(stream: StreamBasic, name: str) -> None:
    """The limit counts bytes of UTF-8; a name of exactly so many is a stream, and a key, like any other."""
    twin = name[:-1] + "~" if name[-1].isascii() else name[:-1]
    with law("stream_basic.9"):
        await _apart(stream, (name, twin))


@check("stream_basic.9")
@gauntlet(lambda limits: [{"name": name} for name in NO_NAMES])
async def what_is_no_text_is_no_name(stream: StreamBasic, name: Any) -> None:
    """A stream or key that is not ``str`` raises ``TypeError``, before any effect."""
    near = str(name)
    puts = await fill(stream, near, [b"1"])
    await refused_everywhere("stream_basic.9", _calls(stream, name), TypeError)
    if name is not None:
        await refused("stream_basic.9", stream.append(near, b"x", name), TypeError, "a key that is no text is not refused")
    await _unchanged(stream, near, puts, "after refused names")


@check("stream_basic.9")
@gauntlet(lambda limits: [{"data": data} for data in NO_PAYLOADS])
async def what_is_no_bytes_is_no_payload(stream: StreamBasic, data: Any) -> None:
    """A payload that is not bytes-like raises ``TypeError`` before any effect; a number is not so many NULs."""
    puts = await fill(stream, "s", [b"before"])
    for name in ("s", "fresh"):
        await refused("stream_basic.9", stream.append(name, data), TypeError, "a payload that is not bytes-like is not refused")
    await _unchanged(stream, "s", puts, "after a refused payload")
    await _unchanged(stream, "fresh", [], "that was refused its first record")


@check("stream_basic.9")
@gauntlet(lambda limits: [{"offset": offset} for offset in _NO_OFFSETS])
async def what_is_no_int_is_no_offset(stream: StreamBasic, offset: Any) -> None:
    """A start, limit or bound that is not ``int`` raises ``TypeError`` (or ``ValueError``) and removes nothing."""
    puts = await fill(stream, "s", numbered(2))
    for call in (read(stream, "s", offset), read(stream, "s", 0, offset), stream.trim("s", offset)):
        await refused("stream_basic.9", call, (TypeError, ValueError), "what is no number is not refused as an offset")
    await _unchanged(stream, "s", puts, "after refused offsets")


@check("stream_basic.9")
@gauntlet(lambda limits: [{"number": number} for number in range(len(BAD_HEADERS))])
async def bad_headers_are_refused(stream: StreamBasic, number: int) -> None:
    """Headers that are illegal or over their limit are refused, each with its error, before any effect."""
    headers, errors = BAD_HEADERS[number]
    puts = await fill(stream, "s", [b"before"], None, {"a": "b"})
    for name in ("s", "fresh"):
        await refused("stream_basic.9", stream.append(name, b"x", "k", headers), errors, "illegal headers are not refused")
    await _unchanged(stream, "s", puts, "after refused headers")
    await _unchanged(stream, "fresh", [], "that was refused its first record")


@check("stream_basic.9")
@gauntlet(lambda limits: [{"size": size} for size in over(limits.max_payload)])
async def a_payload_over_the_limit_is_refused(stream: StreamBasic, case: Case, size: int) -> None:
    """One byte more than ``max_payload`` raises `PayloadTooLarge` in every kind of buffer; nothing is appended (ST-30)."""
    puts = await fill(stream, "s", [b"before"])
    for data in (bytes(size), bytearray(size), memoryview(bytes(size))):
        for name in ("s", "fresh"):
            await refused("stream_basic.9", stream.append(name, data), PayloadTooLarge, "a payload over the limit is not refused")
    puts += await fill(stream, "s", [b"x" * case.limits.max_payload])
    await _unchanged(stream, "s", puts, "after refusals")
    await _unchanged(stream, "fresh", [], "that was refused its first record")


@check("stream_basic.9", "stream_basic.2")
@gauntlet(
    lambda limits: [
        {"size": size, "form": form}
        for number, form in enumerate(FULL_HEADERS)
        for size in ((limits.max_payload - 1, limits.max_payload) if number == 0 else (1,))
    ]
)
async def everything_at_its_limit_is_accepted(stream: StreamBasic, case: Case, size: int, form: str) -> None:
    """The largest payload with the largest headers and key in the stream with the longest name is a record (ST-30).

    Headers are as large as their bytes in UTF-8, whatever a store makes of them.
    """
    name, headers = "n" * case.limits.max_name, FULL_HEADERS[form]
    with law("stream_basic.9"):
        puts = await fill(stream, name, [patterned(size), patterned(size, seed=1)], name, headers)
        await reads(stream, name, puts, story="the largest records")


@check("stream_basic.10")
async def what_is_stored_is_a_copy(stream: StreamBasic) -> None:
    """A buffer or a mapping changed after the call changes nothing that is stored."""
    kept = {"a": "1", "b": "2"}
    buffer, source, headers = bytearray(b"first payload"), bytearray(b"second payload"), dict(kept)
    puts = [await append(stream, "s", buffer, None, headers)]
    buffer[:] = b"X" * len(buffer)
    headers["a"] = "changed"
    headers["c"] = "new"
    puts.append(await append(stream, "s", memoryview(source)[:6], "k", headers))
    source[:3] = b"XXX"
    headers.clear()
    puts.append(await append(stream, "s", memoryview(b"abcdefgh")[1:7:2], None, kept))
    buffer = bytearray(b"grows")
    puts.append(await append(stream, "s", buffer))
    buffer.extend(b" and grows")
    with law("stream_basic.10"):
        got = await read(stream, "s")
        told = [(record.payload, dict(record.headers)) for record in got]
        wanted = [(put.payload, dict(put.headers)) for put in puts]
        same("stream_basic.10", told, wanted, "a buffer or a mapping that was changed after the call changed a record")


@check("stream_basic.10", "stream_basic.4")
async def what_was_read_is_a_copy(stream: StreamBasic) -> None:
    """Changing the headers that a read gave changes nothing that is stored."""
    puts = await fill(stream, "s", [b"x", b"y"], "k", {"a": "b"})
    for _ in range(2):
        for record in await reads(stream, "s", puts, story="after what was read was changed", loss="stream_basic.10"):
            try:
                record.headers.clear()  # type: ignore[attr-defined]
            except (AttributeError, TypeError):
                continue  # what cannot be changed is as good as a copy
    for record in await read(stream, "s"):
        same("stream_basic.10", dict(record.headers), {"a": "b"}, "headers of a record changed with those that a read had given")


@check("stream_basic.11", "stream_basic.6")
async def namespaces_are_apart(stream: StreamBasic, case: Case) -> None:
    """Nothing appended in one namespace is read, counted or trimmed through another."""
    other = await case.sibling()
    here = await fill(stream, "s", numbered(3, "here"))
    same("stream_basic.11", await read(other, "s"), [], "a record is read through another namespace")
    same("stream_basic.11", await other.latest_offset("s"), None, "latest_offset is that of another namespace")
    there = await fill(other, "s", numbered(2, "there"))
    await reads(stream, "s", here, BASIC, "beside another namespace", loss="stream_basic.11")
    await reads(other, "s", there, BASIC, "beside another namespace", loss="stream_basic.11")
    await other.trim("s", there[-1].offset + 10**6)
    await reads(stream, "s", here, BASIC, "after a trim in another namespace", loss="stream_basic.11")
    same("stream_basic.11", await stream.latest_offset("s"), here[-1].offset, "latest_offset is that of another namespace")
