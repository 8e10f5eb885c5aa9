"""Claim check under errors, crashes, crashes in recovery and pairs of them: nothing is lost, and at the end nothing is left."""

from contextlib import suppress
from typing import Any

from prism_patterns.claim_check import ClaimCheck, ClaimConsumer, ClaimDelivery
from prism_suites._claims import FIELD, TOPIC, T, beside, claims_there, entries_there, has_acks, judge_markers, sent_messages
from prism_suites._claims_references import refers
from prism_suites._judging import broken, same
from prism_suites._racing import together
from prism_testkit.bound import Bound
from prism_testkit.case import Case
from prism_testkit.checks import check, explored
from prism_testkit.faults import Plan
from prism_testkit.interfaces.errors import BackendUnavailable, Conflict, OperationTimeout
from prism_testkit.plan import Plan as Schedule

UNKNOWN = (BackendUnavailable, OperationTimeout)
PAYLOADS = {"0": b"first " * 40, "1": b"inline", "2": b"second " * 40}
_PATIENCE = 11
"""Receives without a delivery, after 2 s, 4 s and so on, an hour in all, after which there are none to come: a message may be
leased for long. On a real clock what the dead held is not waited for."""


class _Ledger:
    """What was asked and told: the payloads, and of each whether its publish was acknowledged."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.acknowledged: set[str] = set()
        self.received: list[str] = []
        self.acked: set[str] = set()

    async def publish(self, claims: ClaimCheck) -> None:
        """Publish each payload once, one after another."""
        for name in PAYLOADS:
            await self.publish_one(claims, name)

    async def publish_at_once(self, claims: ClaimCheck) -> None:
        await together(*(self.publish_one(claims, name) for name in PAYLOADS))

    async def publish_one(self, claims: ClaimCheck, name: str) -> None:
        """Publish a payload once; nobody repeats one whose outcome is unknown."""
        if name not in self.begun:
            self.begun.append(name)
            with suppress(*UNKNOWN):
                await claims.publish(TOPIC, PAYLOADS[name], {"name": name})
                self.acknowledged.add(name)

    async def read(self, consumer: ClaimConsumer, delivery: ClaimDelivery, *, healed: bool) -> None:
        """Fetch a payload, which must be there and be the right one."""
        name = delivery.headers.get("name", "")
        self.received.append(name)
        if name not in self.begun:
            broken("CC1", "a message came that nobody published", got=dict(delivery.headers))
        try:
            payload = await consumer.read(delivery)
        except UNKNOWN:
            if healed:
                raise
        except Exception as error:
            broken("CC4", "a delivered message has no payload", expected=PAYLOADS[name], got=f"{type(error).__name__}: {error}")
        else:
            same("CC1", payload, PAYLOADS[name], "a message came with another payload than its own")


def _config(cleanup: str) -> dict[str, Any]:
    return {
        "threshold": T,
        "cleanup": cleanup,
        "consumers": ("c",),
        "retention_after_ack_s": 5_000.0,
        "max_age_s": 10_000.0,
        "grace_period_s": 100.0,
    }


async def _consume(ledger: _Ledger, check_in: ClaimCheck) -> None:
    """Take what there is: give the first back once, ack the others."""
    async with check_in.consume(TOPIC, "c") as consumer:
        for turn in range(len(PAYLOADS) + 2):
            try:
                delivery = await consumer.receive(0)
                if delivery is None:
                    return
                await ledger.read(consumer, delivery, healed=False)
                if turn == 0:
                    await consumer.nack(delivery)
                else:
                    await consumer.ack(delivery)
                    ledger.acked.add(delivery.headers["name"])
            except (*UNKNOWN, Conflict):
                continue


async def _drain(claims: Bound[ClaimCheck], case: Case, ledger: _Ledger, config: dict[str, Any]) -> None:
    """With all faults over, take and ack everything that is still to come."""
    patience, wait_s = (_PATIENCE, 2.0) if case.clock.virtual else (2, 0.05)
    async with claims.opened(**config) as check_in, check_in.consume(TOPIC, "c") as consumer:
        idle = 0
        while idle < patience and (ledger.acknowledged | set(ledger.received)) - ledger.acked:
            delivery = await consumer.receive(0 if case.clock.virtual else wait_s)
            if delivery is None:
                idle += 1
                if case.clock.virtual:
                    await case.clock.sleep(wait_s * 2 ** (idle - 1))  # a receive that waits may ask many times
                continue
            await ledger.read(consumer, delivery, healed=True)
            await consumer.ack(delivery)
            ledger.acked.add(delivery.headers["name"])


async def _life(claims: Bound[ClaimCheck], case: Case, cleanup: str, plan: Schedule | None = None) -> None:
    """Publish, consume and sweep, under a plan two consumers and the sweep at once."""
    ledger, config = _Ledger(), _config(cleanup)
    live = claims.interfaces["queue"] == "pubsub_basic"

    async def work(check_in: ClaimCheck) -> None:
        await ledger.publish(check_in)
        if plan is not None:
            await together(_consume(ledger, check_in), _consume(ledger, check_in), check_in.sweep())
            return
        if not live:
            await _consume(ledger, check_in)
        await check_in.sweep()

    if plan is not None:
        case.schedule(plan)
    while True:
        try:
            await claims.survive(work, **config)
            break
        except UNKNOWN:
            continue
    case.unschedule()
    claims.heal()
    claims.struck()
    if has_acks(claims):  # where there are none an ack is its marker alone
        judge_markers(case)
    if not live:
        await _drain(claims, case, ledger, config)
    if case.clock.virtual:
        lost = [] if live else sorted(ledger.acknowledged - set(ledger.received))
        same("CC4", lost, [], "acknowledged messages were lost")
        await case.advance(12_000.0)
        async with claims.opened(**config) as check_in:
            await check_in.sweep()
        same("CC7", await entries_there(claims), set(), "with time objects are left that nobody will ever remove")


@check("CC1", "CC3", "CC4", "CC7")
@explored
async def whatever_happens_nothing_is_lost_or_left(claims: Bound[ClaimCheck], case: Case, faults: Plan) -> None:
    """Errors and crashes at every call, while claims wait for their age: no payload is lost, no object is left (CC-3 to CC-6)."""
    await _life(claims, case, "sweep")


@check("CC1", "CC3", "CC4", "CC7")
@explored
async def whatever_happens_acks_remove_what_they_should(
    claims: Bound[ClaimCheck], case: Case, faults: Plan, plan: Schedule
) -> None:
    """The same while claims are removed on acks, and two consumers meet each other and sweeps (CC-4, CC-5, CC-6)."""
    if beside(case, claims, acks=True):
        return
    await _life(claims, case, "on_ack", plan)


@check("CC3")
@explored
async def every_message_has_its_object(claims: Bound[ClaimCheck], case: Case, faults: Plan, plan: Schedule) -> None:
    """At whatever call producers die or fail, each message that left them has its object in the store (CC-3)."""
    ledger, config = _Ledger(), _config("sweep")
    case.schedule(plan)
    while True:
        try:
            await claims.survive(ledger.publish_at_once, **config)
            break
        except UNKNOWN:
            continue
    case.unschedule()
    claims.heal()
    claims.struck()
    there = {key.rpartition("/")[2] for key in await claims_there(claims)}
    for message in sent_messages(case):
        reference = message.headers.get(FIELD)
        if reference is not None and not any(refers(reference, name) for name in there):
            broken("CC3", "a message was handed to the queue whose object is not in the store", got=reference)
