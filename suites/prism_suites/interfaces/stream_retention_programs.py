"""stream_retention: calls that are cancelled, and programs of appends, bounds, compactions and time against a model."""

from hypothesis import given
from hypothesis import strategies as st

from prism_suites._judging import broken, same
from prism_suites._queue_cancelling import cancelled, points
from prism_suites._stream_shared import Put, append, goes_on, read
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import StreamRetention


@check("stream_retention.13")
@gauntlet(points(("enforce_retention", "compact", "set_retention")))
async def a_cancelled_call_loses_nothing_inside(stream: StreamRetention, case: Case, kind: str, point: int) -> None:
    """Cancelled at any point it did all, a part or nothing: what is inside, and the last of each key, is there (ST-36)."""
    puts = [await append(stream, "s", b"%d" % number, "ab"[number % 2]) for number in range(6)]
    if kind == "enforce_retention":
        await stream.set_retention("s", max_records=2)
    call = stream.set_retention("s", max_records=2) if kind == "set_retention" else getattr(stream, kind)("s")
    ended, _ = await cancelled(call, point)
    offsets = [record.offset for record in await read(stream, "s")]
    wanted = [put.offset for put in puts[-2:]]
    same("stream_retention.13", [o for o in wanted if o not in offsets], [], f"a cancelled {kind} lost what is to be kept")
    if ended and kind == "enforce_retention":
        same("stream_retention.2", offsets, wanted, "what is outside is there when it was enforced")
    bounds = await stream.retention("s")
    if bounds.max_age_s is not None or bounds.max_records not in (None, 2):
        broken("stream_retention.13", f"a cancelled {kind} set other bounds", expected="those, or none", got=bounds)
    if kind == "compact" and case.traits.compaction == "immediate":
        await stream.compact("s")
        left = [record.offset for record in await read(stream, "s")]
        same("stream_retention.13", left, wanted, "a compaction behind one that was cancelled does not do its work")
    elif kind != "compact":
        await stream.set_retention("s", max_records=2)
        await stream.enforce_retention("s")
        left = [record.offset for record in await read(stream, "s")]
        same("stream_retention.13", left, wanted, f"an enforcement behind a cancelled {kind} does not do its work")
        await stream.set_retention("s", 1e6)
    await goes_on(stream, "stream_retention.13")


@check(*(f"stream_retention.{number}" for number in (1, 2, 4, 6, 7, 8)))
@given(
    script=st.lists(
        st.tuples(
            st.sampled_from(("append", "append", "append", "bounds", "enforce", "compact", "wait", "look")), st.integers(0, 11)
        ),
        min_size=5,
        max_size=40,
    ).map(tuple)
)
async def programs_match_the_model(stream: StreamRetention, case: Case, script: tuple[tuple[str, int], ...]) -> None:
    """At every look all that must be there is, in order, and nothing that was gone when it was enforced (ST-24)."""
    slots = [stream, await case.client()]
    puts: list[Put] = []
    born_s: dict[int, float] = {}
    may_go: set[int] = set()
    gone: set[int] = set()
    age_s: float | None = None
    most: int | None = None
    slack_s = max(0.001, case.limits.clock_resolution_s)
    immediate = case.traits.compaction == "immediate"

    def kept() -> list[Put]:
        return [put for put in puts if put.offset not in gone]

    def outside(late_s: float) -> set[int]:
        left, now_s = kept(), case.clock.now_s()
        old = {put.offset for put in left if age_s is not None and now_s - born_s[put.offset] > age_s + late_s}
        return old | {put.offset for put in (left[:-most] if most is not None else [])}

    for number, (step, value) in enumerate(script):
        slot = slots[value % 2]
        if step == "append":
            put = await append(slot, "s", b"%d" % number, (None, "a", "b", "a")[value % 4])
            puts.append(put)
            born_s[put.offset] = case.clock.now_s()
        elif step == "bounds":
            may_go |= outside(-slack_s)
            age_s, most = (None, 5.0, 60.0)[value % 3], (None, 1, 3, 6)[value % 4]
            await slot.set_retention("s", age_s, most)
        elif step == "wait" and case.clock.virtual:
            await case.advance((1.0, 4.9, 5.1, 30.0, 61.0)[value % 5])
        may_go |= outside(-slack_s)
        if step == "enforce":
            certain = outside(slack_s)
            await slot.enforce_retention("s")
            may_go |= outside(-slack_s)
            gone |= certain
        elif step == "compact" and immediate:
            left = kept()
            await slot.compact("s")
            last = {put.key: put.offset for put in left}
            gone |= {put.offset for put in left if put.key is not None and last[put.key] != put.offset}
        elif step == "look":
            found = [record.offset for record in await read(slot, "s")]
            may_go |= outside(-slack_s)
            must = [put.offset for put in kept() if put.offset not in may_go]
            same("stream_retention.1", [o for o in must if o not in found], [], "a record is gone that must be there")
            same("stream_retention.2", [o for o in found if o in gone], [], "a record is there that was gone")
            same("stream_retention.8", found, sorted(set(found)), "records come twice, or not in order")
        gone |= may_go - {record.offset for record in await read(slot, "s")}  # what is gone does not come back
