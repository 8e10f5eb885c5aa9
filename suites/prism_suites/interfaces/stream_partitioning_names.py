"""stream_partitioning: partitions of streams that are named alike, or like a partition, are apart."""

from prism_suites._judging import same
from prism_suites._stream_parting import put_in, read_part
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import StreamPartitioning
from prism_testkit.strategies import name_groups

_JOINTS = (
    "",
    "-",
    ":",
    ".",
    "/",
    "_",
    "#",
    "@",
    "|",
    "\x00",
    " ",
    "-p",
    ":partition:",
    "-partition-",
    "{}",
    "%",
    "\\",
    "$",
    ",",
    "~",
)
"""What a store may put between the name of a stream and the number of a partition."""


@check("stream_partitioning.11", "stream_partitioning.3", "stream_partitioning.6")
@gauntlet(
    lambda limits: [
        *({"names": names, "most": 4} for names in _look_alikes(limits.max_name)),
        *({"names": names, "most": most} for names in _like_partitions() for most in (1, 4)),
        *({"names": ("s", f"s{joint}1", f"1{joint}s", f"s{joint}11"), "most": 2} for joint in _JOINTS[:5]),
    ]
)
async def streams_have_partitions_of_their_own(stream: StreamPartitioning, case: Case, names: tuple[str, ...], most: int) -> None:
    """Each has as many as it was given, and in each what was put there, whatever other streams are called (PS-05)."""
    sibling = await case.sibling()
    some = names[:: 8 if case.server and len(names) > 8 else 1]
    counts = [1 + number % most if name != "s" else 12 for number, name in enumerate(some)]
    for name, count in zip(some, counts, strict=True):
        await stream.create_partitioned(name, count)
    offsets: dict[tuple[str, int], int] = {}
    for turn in (0, 1):
        for name, count in zip(some, counts, strict=True):
            place = (0, count - 1)[turn]
            if (name, place) not in offsets:
                offsets[name, place] = (await put_in(stream, name, place, f"{place} of {name}".encode()[:99])).offset
    for name, count in zip(some, counts, strict=True):
        same("stream_partitioning.11", await stream.partitions(name), count, f"{name!a} has the partitions of another stream")
        for place in {0, 1, count - 1} & set(range(count)):
            found = [(record.offset, record.payload) for record in await read_part(stream, name, place)]
            wanted = [(offsets[name, place], f"{place} of {name}".encode()[:99])] if (name, place) in offsets else []
            same("stream_partitioning.11", found, wanted, f"partition {place} of {name!a} has the records of another")
    for name in some[::7]:
        same("stream_partitioning.11", await sibling.partitions(name), 1, "a stream of another namespace has partitions")
        same("stream_partitioning.11", await read_part(sibling, name, 0), [], "a stream of another namespace has records")
        await sibling.create_partitioned(name, 5)
        same("stream_partitioning.11", await read_part(sibling, name, 1), [], "a stream of another namespace has records")


def _look_alikes(longest: int) -> list[tuple[str, ...]]:
    """Return the first and the last of each group of confusable names, several groups at a time."""
    groups = [(*group[:2], group[-1]) for group in name_groups(longest)]
    return [tuple(dict.fromkeys(name for group in groups[start::4] for name in group)) for start in range(4)]


def _like_partitions() -> list[tuple[str, ...]]:
    """Return streams, and others that are called like a partition of them."""
    names = [f"s{joint}{number}" for joint in _JOINTS for number in (0, 1, 11)]
    names += [f"{number}{joint}s" for joint in _JOINTS for number in (0, 1)]
    return [("s", *names[start::2]) for start in (0, 1)]
