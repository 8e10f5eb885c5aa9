"""stream_partitioning: partitions of streams that are named alike, or like a partition, are apart."""

from prism_suites._judging import same
from prism_suites._stream_parting import Parted, put_in, read_part
from prism_suites._stream_shared import append, read
from prism_suites._stream_taking import take
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

    def content(name: str, place: int) -> bytes:
        return f"{place} of {some.index(name)}: {name}".encode()[: min(99, case.limits.max_payload)]

    for name, count in zip(some, counts, strict=True):
        await stream.create_partitioned(name, count)
    offsets: dict[tuple[str, int], int] = {}
    for turn in (0, 1):
        for name, count in zip(some, counts, strict=True):
            place = (0, count - 1)[turn]
            if (name, place) not in offsets:
                offsets[name, place] = (await put_in(stream, name, place, content(name, place))).offset
    for name, count in zip(some, counts, strict=True):
        same("stream_partitioning.11", await stream.partitions(name), count, f"{name!a} has the partitions of another stream")
        for place in {0, 1, count - 1} & set(range(count)):
            found = [(record.offset, record.payload) for record in await read_part(stream, name, place)]
            wanted = [(offsets[name, place], content(name, place))] if (name, place) in offsets else []
            same("stream_partitioning.11", found, wanted, f"partition {place} of {name!a} has the records of another")
    for name in some[::7]:
        same("stream_partitioning.11", await sibling.partitions(name), 1, "a stream of another namespace has partitions")
        same("stream_partitioning.11", await read_part(sibling, name, 0), [], "a stream of another namespace has records")
        await sibling.create_partitioned(name, 5)
        same("stream_partitioning.11", await read_part(sibling, name, 1), [], "a stream of another namespace has records")


@check("stream_partitioning.11", "stream_partitioning.10")
@gauntlet(lambda limits: [{"partitioned": name} for name in ("a", "s", "z")])
async def what_stands_beside_partitions_is_ordinary(stream: Parted, case: Case, partitioned: str) -> None:
    """Streams before and behind a partitioned one are read, trimmed and told of as wholes, and their groups have positions."""
    other, names = await case.client(), ("a", "s", "z")
    puts = {}
    for name in names:
        if name == partitioned:
            await stream.create_partitioned(name, 3)
        puts[name] = [await append(stream, name, b"%d of %s" % (number, name.encode())) for number in range(4)]
        await stream.create_group(name, "g")
        async with stream.join(name, "g", "c") as member:
            await member.ack(*await take(case, member, 3))
    same(
        "stream_partitioning.10", (await other.group_info(partitioned, "g")).position, 0, "the position of a group over partitions"
    )
    for name in (name for name in names if name != partitioned):
        told = f"of {name!a}, an ordinary stream beside a partitioned one"
        with case.law("stream_partitioning.11"):
            info = await other.group_info(name, "g")
            latest = await other.latest_offset(name)
            lowest = await other.trim(name, puts[name][1].offset)
            found = [record.payload for record in await read(other, name)]
            await other.create_group(name, "from an offset", puts[name][2].offset)
        delivered = sum(put.offset < info.position for put in puts[name])
        same("stream_partitioning.11", delivered, 3, f"group_info tells of a position behind so many records {told}")
        same("stream_partitioning.11", latest, puts[name][-1].offset, f"latest_offset {told}")
        same("stream_partitioning.11", lowest, puts[name][1].offset, f"what trim tells {told}")
        same("stream_partitioning.11", found, [put.payload for put in puts[name][1:]], f"what is kept {told}")


def _look_alikes(longest: int) -> list[tuple[str, ...]]:
    """Return the first and the last of each group of confusable names, several groups at a time."""
    groups = [(*group[:2], group[-1]) for group in name_groups(longest)]
    return [tuple(dict.fromkeys(name for group in groups[start::4] for name in group)) for start in range(4)]


def _like_partitions() -> list[tuple[str, ...]]:
    """Return streams, and others that are called like a partition of them."""
    names = [f"s{joint}{number}" for joint in _JOINTS for number in (0, 1, 11)]
    names += [f"{number}{joint}s" for joint in _JOINTS for number in (0, 1)]
    return [("s", *names[start::2]) for start in (0, 1)]
