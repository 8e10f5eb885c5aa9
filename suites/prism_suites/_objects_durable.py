"""What a process writes to object storage until it is killed, what must be there afterwards, and how to see whether it is."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from random import Random
from typing import Any

from prism_suites._objects_asking import Given, infos, made, signed, streamed, thirds
from prism_testkit.case import Case
from prism_testkit.interfaces import BucketNotFound, ObjectNotFound
from prism_testkit.killing import Step, Survivors
from prism_testkit.outcomes import Words
from prism_testkit.strategies import name_groups
from prism_testkit.traits import Limits

__all__ = ["BUCKETS", "Ledger", "Loss", "beginning", "losses", "plan"]

BUCKETS = ("bucket", "other/bucket")
"""Buckets that are there throughout."""
_PASSING = tuple(f"passing-{number}" for number in range(6))
"""Buckets that are made, filled and removed: so many that at any moment some were made last, and others removed."""
AHEAD = 900
"""Steps behind the planned kill: more than a writer gets ahead before it is stopped."""
_LARGE = 150_000
_LARGE_STEPS = 12
"""From the second step behind the planned kill on they are large, so that it comes in the middle of one."""
_LIKE = 20
"""So many steps before it there is a large one, too, from which the writer learns how long they take."""
_IN_FLIGHT = ("put", "put_stream", "overwrite")
_LIFE_S = 1e6 + 0.5


def _names(limits: Limits) -> list[str]:
    return [f"key-{number}" for number in range(40)] + [group[-1] for group in name_groups(limits.max_name)][:80:4]


def beginning() -> list[Step]:
    """Return the steps that make the buckets."""
    return [("create_bucket", (bucket,)) for bucket in BUCKETS]


def _data(number: int, seed: int, size: int, limits: Limits) -> bytes:
    own = b"%d of %d " % (number, seed)
    return (own + made(max(0, size - len(own)), number % 900))[: limits.max_payload]


def plan(limits: Limits, creates: bool, acknowledged: int, seed: int) -> list[Step]:
    """Return steps of every kind over one set of names, the large ones just behind ``acknowledged``."""
    random = Random(seed)
    names = _names(limits)
    kinds = ["put", "put", "put", "put_stream", "put_stream", "delete", "set_ttl", "make", "make", "remove", "remove"] + [
        "put_if_absent"
    ] * creates
    steps: list[Step] = []
    there: dict[str, None] = {}
    for number in range(acknowledged + AHEAD):
        large = number == acknowledged - _LIKE or 2 <= number - acknowledged < _LARGE_STEPS
        kind = _IN_FLIGHT[seed % 3] if large else random.choice(kinds)
        bucket, key = random.choice(BUCKETS), names[0] if kind == "overwrite" else random.choice(names)
        if kind in ("make", "remove"):
            bucket = random.choice(_PASSING)
            there = {other: None for other in there if other != bucket} | ({bucket: None} if kind == "make" else {})
        elif there and not large and random.random() < 0.2:
            bucket, key = random.choice(list(there)), names[number % 3]
        data = _data(number, seed, _LARGE if large else random.choice((0, 1, 60, 700, 5000)), limits)
        steps.append(_step(kind, bucket, key, data, f"{seed}.{number}" if number % 4 else ""))
    return steps


def _step(kind: str, bucket: str, key: str, data: bytes, mark: str) -> Step:
    keywords = signed(mark).keywords if mark else {}
    match kind:
        case "put_stream" | "overwrite":
            return "put_stream", (bucket, key, thirds(data), keywords | {"size": len(data)})
        case "delete":
            return "delete", (bucket, key)
        case "set_ttl":
            return "set_ttl", (bucket, key, _LIFE_S)
        case "make":
            return "create_bucket", (bucket,)
        case "remove":
            return "delete_bucket", (bucket, {"force": True})
    return kind, (bucket, key, data, keywords)


_OF_BUCKETS = ("create_bucket", "delete_bucket")


@dataclass(frozen=True, slots=True)
class Kept:
    """An object: its data, what was said of it, and between which instants (nanoseconds) it ends."""

    data: bytes
    given: Given
    ends: tuple[int, int] | None = None


class Ledger:
    """What must be there after steps that were acknowledged: computed from the steps alone."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], Kept] = {}
        self.named: dict[tuple[str, str], None] = {}
        self.passing = dict.fromkeys(_PASSING, False)

    def apply(self, step: Step, when: tuple[int, int]) -> None:
        """Carry an acknowledged step out."""
        method, arguments = step
        if method in _OF_BUCKETS:
            if arguments[0] in self.passing:
                self.passing[arguments[0]] = method == "create_bucket"
            if method == "delete_bucket":
                self.kept = {place: kept for place, kept in self.kept.items() if place[0] != arguments[0]}
            return
        place = arguments[0], arguments[1]
        self.named[place] = None
        found = self.after(step, when)
        if found is None:
            self.kept.pop(place, None)
        else:
            self.kept[place] = found

    def after(self, step: Step, when: tuple[int, int]) -> Kept | None:
        """Return what one more step leaves of its object."""
        method, arguments = step
        before = self.kept.get((arguments[0], arguments[1]))
        if method == "delete" or (method == "put_if_absent" and before is not None):
            return None if method == "delete" else before
        if method == "set_ttl":
            life = round(arguments[2] * 1e9)
            return None if before is None else Kept(before.data, before.given, (when[0] + life, when[1] + life))
        data = b"".join(arguments[2]) if isinstance(arguments[2], list) else arguments[2]
        said = arguments[3]
        return Kept(data, Given(said.get("content_type"), said.get("content_encoding"), said.get("user_metadata", {})))

    def killed(self, steps: list[Step], survivors: Survivors) -> None:
        """Apply what was acknowledged before a kill."""
        for number in range(survivors.acknowledged):
            self.apply(steps[number], survivors.window_ns(number))


@dataclass(frozen=True, slots=True)
class Loss:
    """One thing that is not as it must be."""

    sentence: str
    expected: object
    got: object


async def losses(case: Case, slot: Any, ledger: Ledger, flying: Step | None, when: tuple[int, int]) -> list[Loss]:
    """Look at everything that was ever named, and at the listings; ``flying`` is the step that may have happened, whole."""
    found = [loss async for loss in _buckets(slot, ledger, flying, when)]
    may: dict[tuple[str, str], Kept | None] = {}
    if flying is not None and flying[0] not in _OF_BUCKETS:
        place = flying[1][0], flying[1][1]
        ledger.named[place] = None
        may[place] = ledger.after(flying, when)
    listings: dict[str, dict[str, int]] = {}
    for bucket in (*BUCKETS, *_PASSING):
        try:
            listings[bucket] = {line.key: line.size for line in await infos(slot, "", bucket)}
        except BucketNotFound:
            listings[bucket] = {}
    for place in ledger.named:
        allowed = [ledger.kept.get(place), *([may[place]] if place in may else [])]
        got = await _look(slot, *place)
        lines = listings[place[0]].pop(place[1], None)
        fits = [kept for kept in allowed if _fits(case, kept, got, lines)]
        if not fits:
            what = "the object in flight is neither as it was nor as it was to be" if len(allowed) > 1 else "an acknowledged write"
            told = " or ".join(_tell(kept) for kept in allowed)
            found.append(
                Loss(f"{what}: {place[1][:40]!a} in {place[0]!a}", Words(told), Words(f"{_short(got)}, listed size {lines}"))
            )
        elif place in may and fits[0] == may[place] and fits[0] != ledger.kept.get(place):
            ledger.apply(flying or ("", ()), when)
    for bucket, more in listings.items():
        if more:
            found.append(Loss(f"in {bucket!a} something is listed that nobody put", "nothing else", sorted(more)[:5]))
    return found


async def _buckets(slot: Any, ledger: Ledger, flying: Step | None, when: tuple[int, int]) -> AsyncIterator[Loss]:
    for bucket in BUCKETS:
        if not await slot.bucket_exists(bucket):
            yield Loss(f"the bucket {bucket!a} is gone", True, False)
    changing = flying[1][0] if flying is not None and flying[0] in _OF_BUCKETS else None
    for bucket, expected in ledger.passing.items():
        there = await slot.bucket_exists(bucket)
        if there != expected and bucket != changing:
            told = "a bucket that was made is gone" if expected else "a bucket that was removed is back"
            yield Loss(f"{told}: {bucket!a}", expected, there)
        elif there != expected and flying is not None:
            ledger.apply(flying, when)


async def _look(slot: Any, bucket: str, key: str) -> tuple[bytes | None, Any]:
    """Return (data, metadata) of an object; data that two ways to read do not agree upon are joined, and so fit nothing."""
    try:
        data, known = await slot.get(bucket, key), await slot.metadata(bucket, key)
        stream = await streamed(slot, key, bucket)
    except (BucketNotFound, ObjectNotFound):
        return (None, None) if not await _there(slot, bucket, key) else (b"get_stream finds nothing", None)
    return data if data == stream else b"get and get_stream differ", known


async def _there(slot: Any, bucket: str, key: str) -> bool:
    try:
        present: bool = await slot.exists(bucket, key)
        data: bytes | None = await slot.get(bucket, key)
    except BucketNotFound:
        return False
    return present or data is not None


def _fits(case: Case, kept: Kept | None, got: tuple[bytes | None, Any], listed: int | None) -> bool:
    data, known = got
    if kept is None or data is None or known is None:
        return kept is None and data is None and known is None and listed is None
    said = (known.content_type, known.content_encoding, dict(known.user_metadata))
    if (data, known.size, listed) != (kept.data, len(kept.data), len(kept.data)):
        return False
    if said != (kept.given.content_type, kept.given.content_encoding, dict(kept.given.user_metadata)):
        return False
    if kept.ends is None or known.expires_at_ms is None:
        return kept.ends is None and known.expires_at_ms is None
    slack_ms = (case.limits.clock_resolution_s + case.traits.ttl_late_s) * 1e3 + 1 + (0 if case.clock.virtual else 1000)
    ends_ms: int = known.expires_at_ms
    return kept.ends[0] / 1e6 - slack_ms <= ends_ms <= kept.ends[1] / 1e6 + slack_ms


def _tell(kept: Kept | None) -> str:
    if kept is None:
        return "missing"
    ends = "" if kept.ends is None else f", ends at {kept.ends[0] // 1_000_000}"
    return f"{len(kept.data)} bytes {kept.data[:12]!r}, {kept.given.content_type}{ends}"


def _short(got: tuple[bytes | None, Any]) -> str:
    data, known = got
    if data is None:
        return "missing" if known is None else f"no data, {known}"
    return f"{len(data)} bytes {data[:24]!r}, {known}"
