"""What was acknowledged survives SIGKILL: of the process that wrote it, and of the server."""

from typing import Annotated, Any

from prism_suites._durable_judge import Loss, Remains, slack_ns
from prism_suites._durable_plans import AHEAD, fitting, keepsakes, lives, quiet, reads, writes
from prism_suites._judging import broken, truth, value
from prism_suites._keyvalue_outage import KeyValueOutage, every_call
from prism_suites._racing import together
from prism_testkit.case import Case
from prism_testkit.checkers.linearizability import KeyValueModel, check_history, explain, worst
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import KeyValueBasic, KeyValueTtl
from prism_testkit.killing import Step, Survivors, Target
from prism_testkit.private import PrivateServer
from prism_testkit.traits import Traits

_QUIET = 0
"""As a number of acknowledged calls: a few whose last ones are of one sort, and then no more writes until the kill."""
_KINDS = ("set", "delete", "batch_set", "batch_delete", "compare_and_swap", "compare_and_delete", "transaction")


async def _kill(
    case: Case,
    remains: Remains,
    steps: list[Step],
    acknowledged: int,
    target: Target,
    after: Survivors | None = None,
    down_s: float = 0,
) -> Survivors:
    """Kill once; what was acknowledged is in ``remains`` then."""
    with case.law("keyvalue_basic.12"):  # a store that does not open again has lost everything
        survivors = await case.kill(steps, acknowledged, target, after=after, down_s=down_s)
    remains.killed(steps, survivors)
    return survivors


def _judge(losses: list[Loss], survivors: Survivors, target: Target) -> None:
    for loss in losses[:1]:
        more = f" (and {len(losses) - 1} more keys)" if len(losses) > 1 else ""
        told = f"{loss.sentence}{more}; the {target} was killed after {survivors.acknowledged} acknowledged calls"
        broken(loss.promise, told, expected=loss.expected, got=loss.got)


async def _goes_on(kv: Any, limit: int) -> None:
    """Judge that what was reopened can be written."""
    after = fitting(b"after", limit)
    for key in ("key-1", "after the kill"):
        await kv.set(key, after)
        value("keyvalue_basic.12", await kv.get(key), after, "after the kill a new write is not read")
        truth("keyvalue_basic.12", await kv.delete(key), True, "after the kill a delete does not find what was written")
        value("keyvalue_basic.12", await kv.get(key), None, "after the kill a delete has no effect")


@check("keyvalue_basic.12", "keyvalue_transactional.1")
@gauntlet(lambda limits: [{"kills": [400, 60, 50, *(_QUIET,) * 2]}])
async def acknowledged_writes_survive_the_writer(kv: KeyValueBasic, case: Case, kills: list[int]) -> None:
    """Every acknowledged write of every kind is there after SIGKILL of the writer, again and again in one place; the one in
    flight whole or absent (KV-53). Of a backend that claims no durability it is told what is lost."""
    claims = case.traits.durability != "none"
    await _survive(case, kills if claims else kills[:1], "writer", claims)


@check("keyvalue_basic.12", "keyvalue_transactional.1", level="thorough")
@gauntlet(
    lambda limits: [
        *({"kills": [1 + 97 * number, 30 + number, 40 + 3 * number]} for number in range(8)),
        {"kills": [30, *(_QUIET,) * 8]},
    ]
)
async def acknowledged_writes_survive_many_kills(
    kv: Annotated[KeyValueBasic, Traits(durability="process")], case: Case, kills: list[int]
) -> None:
    """The same, after many more kills at other moments."""
    await _survive(case, kills, "writer", True)


@check("keyvalue_basic.12", "keyvalue_transactional.1", needs_server=True)
@gauntlet(lambda limits: [{"kills": [300]}])
async def acknowledged_writes_survive_the_server(kv: KeyValueBasic, case: Case, kills: list[int]) -> None:
    """Every acknowledged write is there after SIGKILL of the server and its restart (KV-53). Of a backend that claims no
    durability it is told what is lost."""
    await _survive(case, kills, "server", case.traits.durability != "none")


async def _survive(case: Case, kills: list[int], target: Target, claims: bool) -> None:
    methods = [kind for kind in _KINDS if hasattr(await case.whole(), kind)]
    remains = Remains(case)
    survivors: Survivors | None = None
    middle = False
    for number, acknowledged in enumerate(kills):
        first = keepsakes(case.limits) if not number else []
        if acknowledged == _QUIET:
            steps = quiet(case.limits, methods, number - 1)
            acknowledged = len(steps) - AHEAD
        else:
            steps = [*first, *writes(case.limits, methods, acknowledged, number)]
        survivors = await _kill(case, remains, steps, len(first) + acknowledged, target, survivors)
        middle = middle or not survivors.finished
        losses = await remains.losses(survivors.slot)
        if not claims:
            _tell_losses(case, target, len(losses), len(remains.ledger.held) + len(remains.ledger.gone))
            return
        _judge(losses, survivors, target)
        await _goes_on(survivors.slot, case.limits.max_payload)
        remains.ledger.apply(("batch_delete", (["key-1", "after the kill"],)), (0, 0))
    if not middle:
        case.inconclusive("the writer had finished before it was killed")


def _tell_losses(case: Case, target: Target, lost: int, acknowledged: int) -> None:
    if lost:
        case.note(
            f"claims no durability, and is shown to lose {lost} of {acknowledged} acknowledged writes when the {target} is killed"
        )
    else:
        case.note(f"claims no durability, though it did not lose here what was acknowledged when the {target} was killed")


Ttl = Annotated[KeyValueTtl, Traits(durability="process")]


@check("keyvalue_ttl.12")
async def deadlines_survive_the_writer(kv: Ttl, case: Case) -> None:
    """Deadlines are after SIGKILL of the writer what they were: given, replaced, taken away; time that passes meanwhile counts
    (KV-39)."""
    await _live_on(case, "writer")


@check("keyvalue_ttl.12", needs_server=True)
async def deadlines_survive_the_server(kv: Ttl, case: Case) -> None:
    """Deadlines are after SIGKILL of the server and its restart what they were, also those that passed while it was down
    (KV-39)."""
    await _live_on(case, "server")


async def _live_on(case: Case, target: Target) -> None:
    virtual = case.clock.virtual
    # A second is long enough to be written, and short enough to be waited for. No deadline is to fall on a whole second.
    short_s, long_s = (50_000.37, 1e7 + 0.731) if virtual else (0.5, 1e6 + 0.731)
    remains = Remains(case, lives=True)
    methods = [kind for kind in _KINDS if hasattr(await case.whole(), kind)]
    survivors: Survivors | None = None
    for number, down_s in enumerate((short_s / 4, short_s * 2) if virtual else (short_s * 1.1,)):
        plan = lives(short_s, long_s, number, case.limits.max_payload, methods)
        filler: list[Step] = [
            ("set_with_ttl", (f"filler-{index % 20}", fitting(b"%d of %d" % (index, number), case.limits.max_payload), long_s))
            for index in range(AHEAD)
        ]
        if number or not virtual:  # killed with nothing written behind the plan, or amidst writes
            steps, acknowledged = plan + reads(["long-0", "persisted last"]), len(plan)
        else:
            steps, acknowledged = plan + filler, len(plan) + 20
        survivors = await _kill(case, remains, steps, acknowledged, target, survivors, down_s)
        _judge(await remains.losses(survivors.slot), survivors, target)
        if virtual:
            await case.advance(short_s + slack_ns(case) / 1e9)
            _judge(await remains.losses(survivors.slot), survivors, target)


@check("keyvalue_basic.13", "keyvalue_basic.12", needs_server=True)
async def a_driver_outlives_its_server(kv: KeyValueBasic, case: Case) -> None:
    """While the server is away calls say so; once it is back the drivers from before work again, and nothing acknowledged is
    lost that was to be kept (KV-53, KV-55, KV-56)."""
    outage = KeyValueOutage(case.limits.max_payload)
    before, after = (fitting(text, case.limits.max_payload) for text in (b"before", b"after"))
    async with case.private_server() as private:
        one, other = await private.client(), await private.client()
        await one.set("kept", before)
        *misses, _ = await together(outage.busy(one, 0), outage.busy(other, 1), _strike(private, outage))
        await outage.none_answered(every_call(one))
        await private.restart()
        for slot in (one, other):
            await outage.all_answered(every_call(slot))
            await slot.set("new", after)
            value("keyvalue_basic.13", await slot.get("new"), after, "a driver from before the outage reads wrongly after it")
        if case.traits.durability != "none":
            value("keyvalue_basic.12", await other.get("kept"), before, "what was acknowledged before the outage is lost")
            for key in ("k0", "k1", "k0"):
                await other.get(key)
            _judge_history(case)
    if not all(misses):
        case.inconclusive("no call met the server while it was away")


async def _strike(private: PrivateServer, outage: KeyValueOutage) -> None:
    await outage.reach(60)
    await private.kill()


def _judge_history(case: Case) -> None:
    """Judge all plain calls around the outage, those that were not answered taken either way."""
    verdict = worst(check_history(case.history.operations(KeyValueBasic), KeyValueModel))
    if verdict.kind == "violation":
        broken(
            "keyvalue_basic.12",
            f"no order of the calls around an outage explains what they returned. {explain(verdict, case.history.step)}",
        )
    if verdict.kind == "undecided":
        case.inconclusive(explain(verdict))
