"""Claim check, promises 4, 6 and 7: short programs of everything that can happen to a claim, judged by the store's own instants."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from prism_patterns.claim_check import ClaimCheck, ClaimConsumer, ClaimDelivery, ClaimExpired, ClaimNotFound, Swept
from prism_suites._claims import TOPIC, T, beside, pattern_of, resend
from prism_suites._judging import broken, same
from prism_testkit.bound import Bound
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces.errors import Conflict

BUCKET = "claim-check"
MAX_AGE_S, GRACE_S, RETENTION_S = 60.0, 15.0, 10.0
WAITS_S = (0.01, 5.0, RETENTION_S, GRACE_S, MAX_AGE_S)
"""Few, so that their sums meet the boundaries exactly."""
NAMES = ("a/b", "c\n é")

Program = list[tuple[str, Any]]


@dataclass(slots=True)
class _State:
    """The claims that were published, by key, and what each consumer holds."""

    payloads: dict[str, bytes] = field(default_factory=dict)
    held: list[list[ClaimDelivery]] = field(default_factory=lambda: [[], []])


class _Run:
    """One program over one binding. What is due is told from the store's listing and clock alone."""

    def __init__(self, claims: Bound[ClaimCheck], case: Case, cleanup: str, store: Any) -> None:
        self.claims, self.case, self.cleanup, self.store = claims, case, cleanup, store
        self.names = NAMES if pattern_of(claims) != "queue" else NAMES[:1]
        self.state = _State()

    @property
    def config(self) -> dict[str, Any]:
        return {
            "threshold": T,
            "cleanup": self.cleanup,
            "consumers": self.names,
            "max_age_s": MAX_AGE_S,
            "grace_period_s": GRACE_S,
            "retention_after_ack_s": RETENTION_S,
        }

    async def now_ms(self) -> int:
        instant: int = (await self.store.put(BUCKET, "probe", b"")).last_modified_ms
        return instant

    async def listed(self) -> dict[str, int]:
        listing = self.store.list_objects(BUCKET, "claims/")
        return {info.key: info.last_modified_ms async for info in listing if not info.key.startswith("claims/_")}

    def due(self, key: str, listed: dict[str, int], now_ms: int) -> bool:
        """Say whether promise 4 has a claim removed at an instant."""
        if self.cleanup == "retain":
            return False
        if now_ms - listed[key] > (MAX_AGE_S + GRACE_S) * 1000:
            return True
        acks = [listed.get(f"{key}.acks/{name}") for name in self.names]
        instants = [instant for instant in acks if instant is not None]
        whole = self.cleanup == "on_ack" and len(instants) == len(acks)
        return whole and now_ms - max(instants) > RETENTION_S * 1000

    async def publish(self, check_in: ClaimCheck) -> None:
        payload = b"%03d" % len(self.state.payloads) * T
        receipt = await check_in.publish(TOPIC, payload)
        if receipt.claim is None:
            broken("CC1", "a payload over the threshold is not claimed")
        self.state.payloads[receipt.claim.key] = payload

    async def take(self, consumer: ClaimConsumer, held: list[ClaimDelivery]) -> None:
        delivery = await consumer.receive(0)
        if delivery is not None:
            held.append(delivery)

    async def read(self, consumer: ClaimConsumer, delivery: ClaimDelivery) -> None:
        """A claim that is there is read, however old; one that is gone says how old it is."""
        if delivery.claim is None:
            broken("CC1", "the delivery of a claimed payload has no claim")
        key, stored_ms = delivery.claim.key, delivery.claim.stored_ms
        there, before_ms = await self.store.exists(BUCKET, key), await self.now_ms()
        try:
            payload = await consumer.read(delivery)
        except (ClaimExpired, ClaimNotFound) as error:
            same("CC4", there, False, "a claim that is there is said to be absent")
            edge_ms = stored_ms + MAX_AGE_S * 1000
            if isinstance(error, ClaimExpired) and await self.now_ms() <= edge_ms:
                broken("CC6", "a claim that is not older than max_age_s is called expired", expected="ClaimNotFound", got=error)
            if isinstance(error, ClaimNotFound) and before_ms > edge_ms:
                broken("CC6", "a claim that is older than max_age_s is not called expired", expected="ClaimExpired", got=error)
        else:
            same("CC1", payload, self.state.payloads.get(key), "a payload does not come back byte for byte")

    async def ack(self, consumer: ClaimConsumer, delivery: ClaimDelivery, name: str) -> None:
        before, before_ms = await self.listed(), await self.now_ms()
        try:
            await consumer.ack(delivery)
        except Conflict:  # the message is not this one's any more
            same("CC4", await self.listed(), before, "an ack that the broker refused changed what is stored")
            return
        if self.cleanup == "on_ack" and delivery.claim is not None:
            marked_ms = (await self.listed()).get(f"{delivery.claim.key}.acks/{name}")
            if marked_ms is None or marked_ms < before_ms:
                broken("CC4", "an ack did not put the marker of its consumer", expected=f">= {before_ms}", got=marked_ms)

    async def sweep(self, check_in: ClaimCheck) -> None:
        before, early_ms = await self.listed(), await self.now_ms()
        swept = await check_in.sweep()
        after, late_ms = await self.listed(), await self.now_ms()
        known = [key for key in before if ".acks/" not in key]
        for key in known:
            if key in after and self.due(key, before, early_ms):
                broken("CC4", "a sweep left a claim that is due", expected="removed", got=before)
            if key not in after and not self.due(key, before, late_ms):
                broken("CC4", "a sweep removed a claim that is not due", expected="kept", got=before)
        self.judge_markers(before, after, swept)

    def judge_markers(self, before: dict[str, int], after: dict[str, int], swept: Swept) -> None:
        if self.cleanup == "retain":
            same("CC7", (after, swept), (before, Swept()), "a sweep removed something under retain")
        left = [key for key in after if ".acks/" in key and key.partition(".acks/")[0] not in after]
        if self.cleanup != "retain":
            same("CC7", left, [], "a sweep left the markers of a claim that is gone")
        lost = [key for key in set(before) - set(after) if ".acks/" in key and key.partition(".acks/")[0] in after]
        same("CC7", lost, [], "a sweep removed the marker of a claim that is there")
        gone = set(before) - set(after)
        markers = sum(".acks/" in key for key in gone)
        # The background worker may have removed the rest of it, at the same time.
        if swept.expired + swept.acked > len(gone) - markers or swept.markers > markers:
            broken("CC7", "a sweep counts more than was removed", expected=(len(gone) - markers, markers), got=swept)

    async def step(self, check_in: ClaimCheck, consumers: list[ClaimConsumer], what: str, value: Any) -> None:
        who = value % len(consumers) if isinstance(value, int) else 0
        consumer, held = consumers[who], self.state.held[who]
        if what == "publish":
            await self.publish(check_in)
        elif what == "wait":
            await self.case.advance(value)
        elif what == "sweep":
            await self.sweep(check_in)
        elif what == "again":
            await resend(self.claims, self.case, value)
        elif what == "lose" and self.state.payloads:
            await self.store.delete(BUCKET, list(self.state.payloads)[value % len(self.state.payloads)])
        elif what == "take":
            await self.take(consumer, held)
        elif held and what == "read":
            await self.read(consumer, held[0])
        elif held and what == "nack":
            with suppress(Conflict):  # the message is not this one's any more
                await consumer.nack(held.pop(0))
        elif held and what == "ack":
            await self.ack(consumer, held.pop(0), self.names[who])


def _actions() -> st.SearchStrategy[tuple[str, Any]]:
    plain = st.tuples(
        st.sampled_from(["publish", "take", "take", "read", "nack", "ack", "ack", "again", "lose"]), st.integers(0, 1)
    )
    return st.one_of(plain, st.tuples(st.just("wait"), st.sampled_from(WAITS_S)), st.just(("sweep", 0)))


def _edges(edges: Sequence[tuple[float, float]]) -> Iterator[Program]:
    """Yield the life of one claim, sent twice, by what happens to it and how long that takes: up to each edge, and just over."""
    for lost_or_acked in ([], [("ack", 0), ("ack", 1)], [("ack", 1)], [("lose", 0)]):
        for first_s, then_s in edges:
            yield [
                ("publish", 0),
                ("again", 0),
                ("wait", first_s),
                *[("take", 0), ("take", 1)],
                *lost_or_acked,
                ("wait", then_s),
                ("read", 0),
                ("sweep", 0),
                *[("take", 0), ("ack", 0), ("wait", then_s), ("sweep", 0)],
            ]


_EDGE_S = MAX_AGE_S + GRACE_S
_EDGES_S = (
    (0.0, RETENTION_S),
    (0.0, RETENTION_S + 0.01),
    (MAX_AGE_S - 5, 5.0),
    (MAX_AGE_S - 5, 5.01),
    (_EDGE_S - 5, 5.0),
    (_EDGE_S - 5, 5.01),
)


@check("CC4", "CC6", "CC7")
@gauntlet(
    lambda limits: [
        {"cleanup": cleanup, "program": program}
        for cleanup, edges in (("on_ack", _EDGES_S), ("sweep", _EDGES_S), ("retain", _EDGES_S[1::4]))
        for program in _edges(edges)
    ]
)
@given(cleanup=st.sampled_from(["on_ack", "sweep", "retain"]), program=st.lists(_actions(), max_size=16))
async def programs_leave_what_is_not_due(claims: Bound[ClaimCheck], case: Case, cleanup: str, program: Program) -> None:
    """Whatever is published, taken, read, acked, lost or sent again: each sweep removes what is due at its instant, and no more."""
    if beside(case, claims, acks=True, time=True):
        return
    run = _Run(claims, case, cleanup, await claims.look("store"))
    async with claims.opened(**run.config) as check_in:
        first = check_in.consume(TOPIC, run.names[0])
        second = check_in.consume(TOPIC, run.names[-1])
        async with first as one, second as two:
            consumers = [one, two] if len(run.names) > 1 else [one]
            for what, value in program:
                await run.step(check_in, consumers, what, value)
            await run.sweep(check_in)
