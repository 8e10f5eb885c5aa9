"""Claim check, promise 1: headers come back as they were given, those with the name of ours included."""

import re
from collections import ChainMap, defaultdict
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from prism_patterns.claim_check import ClaimCheck, ClaimConsumer
from prism_suites._claims import FIELD, TOPIC, T, chunked, sent_messages, take
from prism_suites._claims_sending import Upload, all_there_and_back, payload_of
from prism_suites._judging import broken, refused, same
from prism_testkit.bound import Bound
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces.errors import InvalidName, PayloadTooLarge

FIELDS = (FIELD, "x'", "Ref", "\u00e9", "x.y", "k.*", "(k)*[%s]\\", "k" * 64)
"""Names for the header that refers to a claim: with a quote at its end, in another case, of several bytes, with what means
something in a pattern, the longest."""


def _read_as_a_pattern(field: str) -> str:
    """Return a name that ours may mean if somebody takes it for a pattern."""
    return re.sub("[^0-9a-zA-Z]", "a", field)


def _named_alike(field: str) -> tuple[dict[str, str], ...]:
    """Return headers that somebody may take for ours, or for an escaped one."""
    return (
        {field: "mine"},
        {field: "a", f"{field}'": "b", f"{field}''": "c"},
        {f"{field}'": "only this"},
        {field.swapcase(): "x", f"{field.swapcase()}'": "z", field: "y"},
        {f"{field}-": "z", f"{field}s": "", f" {field}": "q", f"{field} ": "r", f"'{field}": "s", field[:-1] or "-": "t"},
        *({field: "x", each: "y"} for each in [_read_as_a_pattern(field)] if each != field),
        {field: '{"bucket":"claim-check","key":"claims/0","size":1,"checksum":"","compression":"none","stored_ms":0}'},
    )


HEADERS: tuple[dict[str, str], ...] = (
    {FIELD: "not ours, if ours has another name", f"{FIELD}'": "nor this"},
    {"x": ""},
    {"\u00e9": "\u00e9", "e\u0301": "2"},
    {"content-type": "image/png", "Content-Type": "other"},
    {"k\n": "v\n\x00"},
    {"n" * 512: "v" * 512},
    {f"h{i}": "v" * 20 for i in range(100)},
)


_TEXTS = st.one_of(
    st.text(max_size=8).filter(str.isprintable),
    st.sampled_from(["", " ", " x", "x ", "\tx\n", "\x00", "X", '"', "\\", "%41", "e\u0301"]),
)
"""Texts that something on the way may trim, fold, decode or take for nothing."""


@st.composite
def _drawn(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a name for our header, and headers some of which are named alike."""
    field = draw(st.sampled_from(FIELDS))
    alike = [_read_as_a_pattern(field), f"{_read_as_a_pattern(field)}'"]
    names = st.sampled_from([field, f"{field}'", field.swapcase(), f"{field.swapcase()}'", *alike, "a", "A", " a", "b"])
    return {"field": field, "headers": [draw(st.dictionaries(names, _TEXTS, max_size=7))]}


@check("CC1")
@gauntlet(
    lambda limits: (
        [{"sent": {"field": FIELD, "headers": [*_named_alike(FIELD), *HEADERS]}, "size": size} for size in (3, T + 1)]
        + [
            {"sent": {"field": field, "headers": [*_named_alike(field), HEADERS[0]]}, "size": (3, T + 1)[number % 2]}
            for number, field in enumerate(FIELDS[1:])
        ]
    )
)
@given(sent=_drawn(), size=st.integers(0, 2 * T))
async def headers_come_back_as_they_were(claims: Bound[ClaimCheck], case: Case, sent: dict[str, Any], size: int) -> None:
    """Every header comes back as it was, one with the name of ours included, whatever that is; a forged reference is a header
    (CC-1, CC-9)."""
    payload = payload_of(size)
    messages = [(payload, each, payload) for each in sent["headers"]]
    await all_there_and_back(claims, case, messages, claim_check_field=sent["field"])


class _Read(Mapping[str, str]):
    """Headers of which nothing is known but that they are a mapping."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = headers

    def __getitem__(self, name: str) -> str:
        return self._headers[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._headers)

    def __len__(self) -> int:
        return len(self._headers)


_MAPPINGS: dict[str, Callable[[dict[str, str]], Mapping[str, str]]] = {
    "MappingProxyType": MappingProxyType,
    "ChainMap": lambda headers: ChainMap(headers),
    "defaultdict": lambda headers: defaultdict(str, headers),
    "a mapping of one's own": _Read,
}


@check("CC1")
@gauntlet(lambda limits: [{"kind": kind, "size": size} for kind in _MAPPINGS for size in (3, T + 1)])
async def headers_may_be_any_mapping(claims: Bound[ClaimCheck], case: Case, kind: str, size: int) -> None:
    """Headers are a mapping of texts, of whatever type, empty or not; the caller's is not changed."""
    sent = [{"a": "b", FIELD: "mine", f"{FIELD}'": ""}, {"a": "c"}, {}]
    given = [_MAPPINGS[kind](dict(headers)) for headers in sent]
    await all_there_and_back(claims, case, [(payload_of(size), headers, payload_of(size)) for headers in given])
    same("CC1", [dict(headers) for headers in given], sent, "the caller's headers were changed by a publish")


@check("CC1")
@gauntlet(
    lambda limits: [
        {"room": room, "letter": letter, "streamed": streamed}
        for room, letter, streamed in ((0, "v", False), (1, "\u00e9", True), (40, "\u00e9", False), (100, "v", True))
    ]
)
async def headers_that_leave_no_room_are_refused(
    claims: Bound[ClaimCheck], case: Case, room: int, letter: str, streamed: bool
) -> None:
    """Headers that leave no room for the reference raise PayloadTooLarge before anything is stored, whatever their letters and
    however the payload is given; inline they are welcome."""
    headers = {"h": letter * ((8 * 1024 - 1 - room) // len(letter.encode()))}
    big = b"x" * (T + 1)
    async with claims.opened(threshold=T) as check_in, check_in.consume(TOPIC, "c") as consumer:
        await refused(
            "CC1",
            check_in.publish(TOPIC, chunked(big[:T], big[T:]) if streamed else big, headers),
            PayloadTooLarge,
            "headers leave no room, and are not refused",
        )
        effects = [f"{entry.op}{entry.args[:2]}" for entry in case.history.entries if Upload(entry).is_effect]
        same("CC1", effects, [], "headers that leave no room were refused after an effect")
        await check_in.publish(TOPIC, b"x", headers)
        delivery = await take(consumer)
        same("CC1", dict(delivery.headers), headers, "headers of 8 KiB do not come back")
        same("CC1", await consumer.read(delivery), b"x", "another message comes than the one that was not refused")


@check("CC1")
@gauntlet(lambda limits: [{"field": FIELDS[0]}, {"field": FIELDS[-1]}, {"field": FIELDS[0], "bucket": "€" * 100}])
async def the_room_for_a_reference_is_reckoned_to_the_byte(
    claims: Bound[ClaimCheck], case: Case, field: str, bucket: str = "claim-check"
) -> None:
    """Wherever an implementation draws the line: headers over it are refused before any effect, those within are sent."""
    over, within = 0, 4096
    config: dict[str, Any] = {"threshold": T, "claim_check_field": field, "bucket": bucket}
    async with claims.opened(**config) as check_in, check_in.consume(TOPIC, "c") as consumer:
        while within - over > 1:
            room, since = (over + within) // 2, len(case.history.entries)
            headers = {"h": "v" * (8 * 1024 - 1 - room)}
            try:
                await check_in.publish(TOPIC, b"x" * (T + 1), headers)
            except PayloadTooLarge:
                effects = [f"{entry.op}{entry.args[:2]}" for entry in case.history.entries[since:] if Upload(entry).is_effect]
                same("CC1", effects, [], f"headers that leave {room} bytes were refused after an effect")
                over = room
            else:
                same("CC1", dict((await take(consumer)).headers), headers, f"headers that leave {room} bytes do not come back")
                within = room


def _at_the_edge(field: str) -> list[dict[str, str]]:
    """Return headers with the name of ours, in which another byte would be one too many."""
    quoted = field + "'" * (512 - len(field.encode()))
    full = {field: "mine", "h": ""}
    full["h"] = "v" * (8 * 1024 - sum(len(text.encode()) for text in (*full, *full.values())))
    return [{quoted: "a"}, {quoted[:-1]: "b"}, {quoted: "a", quoted[:-1]: "b", field: "c"}, full, {**full, "h": full["h"][:-1]}]


@check("CC1")
@gauntlet(
    lambda limits: [
        {"headers": headers, "size": size, "field": field}
        for field in (FIELD, "\u20ac" * 64)
        for headers in _at_the_edge(field)
        for size in (3, T + 1)
    ]
)
async def headers_at_the_edge_come_back_or_are_refused(
    claims: Bound[ClaimCheck], case: Case, headers: dict[str, str], size: int, field: str
) -> None:
    """Headers that have no room to be escaped come back all the same, or raise PayloadTooLarge before anything is done."""
    async with claims.opened(threshold=T, claim_check_field=field) as check_in, check_in.consume(TOPIC, "c") as consumer:
        await _back_or_refused(case, check_in, consumer, headers, payload_of(size))


async def _back_or_refused(
    case: Case, check_in: ClaimCheck, consumer: ClaimConsumer, headers: Mapping[str, str], payload: bytes
) -> None:
    """Judge that a message comes back with its headers, or is too large for them before anything was done."""
    since = len(case.history.entries)
    try:
        await check_in.publish(TOPIC, payload, headers)
    except PayloadTooLarge:
        calls = [entry for entry in case.history.entries[since:] if Upload(entry).is_effect and entry.error is None]
        effects = [f"{entry.op}{entry.args[:2]}" for entry in calls]
        same("CC1", effects, [], "headers that have no room to be escaped were refused after an effect")
        return
    except InvalidName as error:
        broken("CC1", "legal headers are called illegal", expected="PayloadTooLarge, or a receipt", got=error)
    delivery = await take(consumer)
    same("CC1", dict(delivery.headers), headers, "headers with the name of ours do not come back as they were given")
    same("CC1", await consumer.read(delivery), payload, "a payload does not come back byte for byte")
    await consumer.ack(delivery)


@check("CC1")
@gauntlet(lambda limits: [{"field": field, "size": size} for field in (FIELD, "\u20ac" * 64) for size in (3, T + 1)])
async def the_longest_escaped_name_is_a_name(claims: Bound[ClaimCheck], case: Case, field: str, size: int) -> None:
    """However a header of our name is escaped: the longest names that come of it, which have no room to be escaped once more, come
    back, or raise PayloadTooLarge before anything is done."""
    async with claims.opened(threshold=T, claim_check_field=field) as check_in, check_in.consume(TOPIC, "c") as consumer:
        await _back_or_refused(case, check_in, consumer, {field: "mine"}, payload_of(size))
        told = [name for name, value in sent_messages(case)[-1].headers.items() if value == "mine" and name != field]
        before, _, after = next((name for name in told if field in name), field).partition(field)
        room, more = 512 - len(field.encode()), len((before + after).encode())
        for number in range(room // more - 1, room // more + 1) if more else ():  # it may escape otherwise
            name = before * number + field + after * number
            await _back_or_refused(case, check_in, consumer, {name: "a"}, payload_of(size))


_LEVELS = 4


@check("CC1")
@gauntlet(lambda limits: [{"size": size} for size in (3, T + 1)])
async def an_escaped_name_is_a_name(claims: Bound[ClaimCheck], case: Case, size: int) -> None:
    """However a header of our name is escaped: a user may have one of the name that comes of it, and of the one that comes of
    that, alone and beside each other (CC-1, CC-9)."""
    payload, names = payload_of(size), [FIELD]
    async with claims.opened(threshold=T) as check_in, check_in.consume(TOPIC, "c") as consumer:

        async def there_and_back(headers: dict[str, str]) -> Mapping[str, str]:
            await check_in.publish(TOPIC, payload, headers)
            delivery = await take(consumer)
            same("CC1", dict(delivery.headers), headers, "headers named as escaped ones do not come back as they were given")
            same("CC1", await consumer.read(delivery), payload, "a payload does not come back byte for byte")
            return sent_messages(case)[-1].headers

        for _ in range(_LEVELS):
            found = await there_and_back({names[-1]: "mine"})
            escaped = [name for name, value in found.items() if value == "mine" and name not in names]
            if not escaped:
                break  # it escapes otherwise than by names, or need not
            names.append(escaped[0])
        await there_and_back({name: f"of level {level}" for level, name in enumerate(names)})
