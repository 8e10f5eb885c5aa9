"""Logs: calls of two processes meet wherever, while the first is under way, somebody else can notice that it is."""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import product

from prism_suites._meeting import Meeting, Results, meet
from prism_suites._stream_bounds import Bounded
from prism_suites._stream_parting import Parted
from prism_testkit.case import Case
from prism_testkit.checks import check
from prism_testkit.interfaces import StreamBasic
from prism_testkit.killing import Step

_OLD, _MINE, _THEIRS, _LAST = b"old", b"mine", b"theirs", b"last"
_BOUNDS = {_MINE: (1e5, 3), _THEIRS: (1e7, 4)}
"""Nothing here is ever outside of them."""
_BEYOND = 10**30

_Kinds = Sequence[str | list[str]]


def _on(name: str, payload: bytes, there: Sequence[int]) -> dict[str, Step]:
    """Return every call on one stream, by a short name; ``there`` are the offsets of the records that it has."""
    key = payload.decode()
    return {
        "append": ("append", (name, payload, key, {"by": key})),
        "append plain": ("append", (name, payload)),
        "read": ("read", (name,)),
        "trim one": ("trim", (name, there[0] + 1 if there else 0)),
        "trim": ("trim", (name, _BEYOND)),
        "bound": ("set_retention", (name, *_BOUNDS.get(payload, (1e3, 9)))),
        "bound to two": ("set_retention", (name, None, 2)),
        "unbound": ("set_retention", (name, None, None)),
        "bounds": ("retention", (name,)),
        "enforce": ("enforce_retention", (name,)),
        "compact": ("compact", (name,)),
        "part": ("create_partitioned", (name, 2 if payload == _MINE else 3)),
        "part again": ("create_partitioned", (name, 3)),
        "parts": ("partitions", (name,)),
        "append there": ("append_to_partition", (name, 1, payload)),
        "read here": ("read_partition", (name, 0)),
        "read there": ("read_partition", (name, 1)),
        "read third": ("read_partition", (name, 2)),
        "group": ("create_group", (name, "g")),
    }


def _meetings(
    first: Sequence[str], second: _Kinds, made: Sequence[str], looks: Sequence[str] = ("read",), *, shuffled: bool = False
) -> Iterator[Meeting]:
    """Yield all pairs, over a stream for which process 1 ``made`` these calls before."""

    def called(payload: bytes, kinds: str | list[str], name: str, results: Results) -> Step | list[Step]:
        told = results or results.others
        calls = _on(name, payload, [each.result for each in told if each.op == "append"])
        return calls[kinds] if isinstance(kinds, str) else [calls[kind] for kind in kinds]

    def mine(kind: str, name: str, results: Results) -> Step:
        step = called(_MINE, kind, name, results)
        assert isinstance(step, tuple)
        return step

    def before(name: str) -> tuple[Sequence[Step], Sequence[Step]]:
        return [_on(name, b"%d" % number, ())[kind] for number, kind in enumerate(made)], ()

    def after(name: str, results: Results) -> Sequence[Step]:
        return [_on(name, _LAST, ())[look] for look in looks]

    for one, other in product(first, second):
        yield Meeting(partial(mine, one), partial(called, _THEIRS, other), before, after, shuffled=shuffled)


@check("stream_basic.12", "stream_basic.4", "stream_basic.3", "stream_basic.1", "stream_basic.7")
async def appends_of_processes_meet(stream: StreamBasic, case: Case) -> None:
    """What two processes append is there once each, in one order for all that read meanwhile and later.

    Of what is trimmed there is but one record: a trim of several may remove them one after the other.
    """
    await meet(case, "stream_basic.12", [
        *_meetings(("append",), ("append", ["append", "read"]), ()),
        *_meetings(("append", "read"), ("append", "trim one"), ("append",)),
        *_meetings(("trim",), ("append", "read"), ("append",), ("append", "read")),
        *_meetings(("trim one",), ("append", "trim one"), ("append", "append"), ("append", "read")),
    ])  # fmt: skip


@check("stream_retention.4")
async def bounds_of_processes_meet(stream: Bounded, case: Case) -> None:
    """The bounds of a stream are those that one process set, not some of each."""
    await meet(case, "stream_retention.4", [
        *_meetings(("bound",), ("bound", "bounds"), ("bound",), ("bounds",)),
        *_meetings(("bounds",), ("bound",), ("bound",), ("bounds",)),
    ])  # fmt: skip


@check("stream_retention.1", "stream_retention.2", "stream_retention.8")
async def what_is_inside_of_bounds_is_kept_by_all(stream: Bounded, case: Case) -> None:
    """Nobody enforces bounds that another process has taken away, and what is outside of both is gone."""
    await meet(case, "stream_retention.1", [
        *_meetings(("enforce",), (["unbound", "append"],), ("bound to two", "append", "append")),
        *_meetings(("append",), ("bound to two",), ("append", "append"), ("enforce", "read")),
    ])  # fmt: skip


@check("stream_retention.8", "stream_retention.6")
async def compactions_meet_appends_of_another_process(stream: Bounded, case: Case) -> None:
    """A compaction removes no record whose key did not come again, as one that another process appends meanwhile."""
    await meet(case, "stream_retention.8", [
        *_meetings(("compact",), ("append", "append plain", "compact"), ("append", "append plain"), ("read", "read")),
        *_meetings(("append",), ("compact",), ("append", "append plain"), ("read", "read")),
    ])  # fmt: skip


@check("stream_partitioning.1", "stream_partitioning.3", "stream_partitioning.4", "stream_partitioning.6")
async def streams_are_parted_by_one_process(stream: Parted, case: Case) -> None:
    """A stream is parted before another process uses it, or refuses to be; no record is where nobody reads it."""
    looks = ("parts", "read here", "read there", "read third")
    await meet(case, "stream_partitioning.1", [
        *_meetings(("part",), ("part", "append", "append there", "group"), (), looks, shuffled=True),
        *_meetings(("append", "append there", "group"), ("part",), (), looks, shuffled=True),
        *_meetings(("append there",), (["append there", "read there"],), ("part again",), looks),
    ])  # fmt: skip
