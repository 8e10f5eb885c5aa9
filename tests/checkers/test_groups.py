"""The rules of consumer groups against a simulator, certain faults put into its histories, and hand-made histories."""

import random
from dataclasses import dataclass, field, replace

import pytest
from volume import CHANGED, CORRECT, generators

from prism_testkit.checkers.groups import Gone, Received, Settled, check_group
from prism_testkit.checkers.violations import explain
from prism_testkit.histories import Outcome

OK, FAILED, UNKNOWN = Outcome.OK, Outcome.FAILED, Outcome.UNKNOWN
Event = Received | Settled | Gone


@dataclass
class Group:
    """Records wait with an instant from which on they may be given, or are held by a delivery of a member."""

    rng: random.Random
    waiting: dict[int, int]
    counts: dict[int, int] = field(default_factory=dict)
    held: dict[str, tuple[int, int]] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    gone: set[int] = field(default_factory=set)

    def receive(self, member: int, call: int, now: int, ret: int) -> None:
        ready = [record for record, since in self.waiting.items() if since <= now]
        if not ready:
            return
        record = min(ready)
        del self.waiting[record]
        self.counts[record] = count = self.counts.get(record, 0) + 1
        self.held[f"{record} {count}"] = (record, member)
        self.events.append(Received(record, member, f"{record} {count}", count, call, ret))

    def settle(self, call: int, now: int, ret: int, outcome: Outcome) -> None:
        received = [event for event in self.events if isinstance(event, Received) and event.member not in self.gone]
        tokens = [event.token for event in received if event.ret is not None and event.ret <= call]
        if not tokens:
            return
        token = str(self.rng.choice(tokens[-4:]))
        delay = self.rng.choice([None, None, 0, self.rng.randint(1, 30)])
        if token in self.held and (outcome is OK or self.rng.random() < 0.5):
            record, _ = self.held.pop(token)
            if delay is not None:
                self.waiting[record] = now + delay
        self.events.append(Settled(token, delay, call, ret if outcome is OK else None, outcome))

    def leave(self, member: int, now: int) -> None:
        self.gone.add(member)
        self.events.append(Gone(member, now))
        for token, (record, holder) in list(self.held.items()):
            if holder == member:
                del self.held[token]
                self.waiting[record] = now + self.rng.randint(0, 20)


def simulate(rng: random.Random, count: int, unknown: float) -> tuple[list[Event], range]:
    """Share records among members that come and go; then one member receives all that is left, and acks it."""
    records = range(rng.randint(1, 6))
    group = Group(rng, dict.fromkeys(records, 0))
    members = [0, 1, 2][: rng.randint(1, 3)]
    now = 0
    for _ in range(count):
        now += rng.randint(1, 10)
        call, ret = now - rng.randint(0, 8), now + rng.randint(0, 8)
        choice = rng.random()
        if choice < 0.45:
            group.receive(rng.choice(members), call, now, ret)
        elif choice < 0.9:
            group.settle(call, now, ret, UNKNOWN if rng.random() < unknown else OK)
        else:
            index = rng.randrange(len(members))
            group.leave(members[index], now)
            members[index] = max(*members, *group.gone) + 1
    for member in members:
        now += 1
        group.leave(member, now)
    for _ in range(len(group.waiting)):
        now += 100
        group.receive(99, now, now, now + 1)
        token = group.events[-1].token  # type: ignore[union-attr]
        group.events.append(Settled(token, None, now + 2, now + 3))
    rng.shuffle(group.events)
    return group.events, records


def test_no_correct_history_is_refused() -> None:
    for rng in generators("groups", CORRECT):
        events, records = simulate(rng, rng.randint(1, 30), rng.choice([0, 0.2]))
        violation = check_group(events, records, drained=True, counts="exact")
        assert violation is None, (explain(violation), events)


def test_no_certain_fault_is_missed() -> None:
    found = dict.fromkeys(("skipped", "abandoned", "early", "acked", "ended", "count", "refused"), 0)
    for rng in generators("groups, faulty", CHANGED // 3):
        events, records = simulate(rng, rng.randint(1, 30), rng.choice([0, 0.2]))
        for rule, faulty in _faults(rng, events):
            violation = check_group(faulty, records, drained=True)
            assert violation is not None, (rule, faulty)
            assert violation.rule in rule, (rule, explain(violation), faulty)
            found[violation.rule] += 1
    assert min(found.values()) > CHANGED / 100, found


def _faults(rng: random.Random, events: list[Event]) -> list[tuple[str, list[Event]]]:
    """Return the history with faults that are certain: what a member got at the drain is lost, doubled, forgotten, refused."""
    last = [event for event in events if isinstance(event, Received) and event.member == 99]
    if not last:
        return []
    one = rng.choice(last)
    settled = next(event for event in events if isinstance(event, Settled) and event.token == one.token)
    others = [event for event in events if event is not one and event is not settled]
    assert one.ret is not None
    doubled = replace(one, token="again", member=98, count=one.count + 1, call=one.ret + 0.2, ret=one.ret + 0.4)
    maybe_acked = {event.token for event in others if isinstance(event, Settled) and event.delay_s is None}
    earlier = {event.token for event in others if isinstance(event, Received) and event.record == one.record}
    return [
        *([] if maybe_acked & earlier else [("skipped or abandoned", others)]),
        ("abandoned", [*others, one, replace(settled, delay_s=0)]),
        ("early", [*others, one, doubled]),
        ("ended", [*events, doubled]),
        ("acked", [*events, replace(doubled, call=one.ret + 50, ret=one.ret + 51)]),
        ("count", [*others, one, replace(one, token="again", call=one.call + 50, ret=one.ret + 50)]),
        ("refused", [*others, one, replace(settled, outcome=FAILED)]),
    ]


# Cases


def got(record: int, call: float, *, count: int = 1, member: str = "m", ret: float | None = None) -> Received:
    return Received(record, member, (record, count), count, call, call + 1 if ret is None else ret)


def ack(record: int, call: float, *, count: int = 1, outcome: Outcome = OK) -> Settled:
    return Settled((record, count), None, call, None if outcome is UNKNOWN else call + 1, outcome)


def nack(record: int, call: float, delay: float = 0, *, outcome: Outcome = OK) -> Settled:
    return Settled((record, 1), delay, call, None if outcome is UNKNOWN else call + 1, outcome)


AGAIN = [got(1, 9, count=2, member="n"), ack(1, 11, count=2)]

CASES: dict[str, tuple[str | None, list[Event]]] = {
    "acked": (None, [got(1, 0), ack(1, 2)]),
    "acked twice": (None, [got(1, 0), ack(1, 2), ack(1, 4)]),
    "an ack after a nack does nothing": (None, [got(1, 0), nack(1, 2), ack(1, 4), *AGAIN]),
    "an ack and a nack at once, and it came again": (None, [got(1, 0), ack(1, 2), nack(1, 2), *AGAIN]),
    "an ack when its member was gone, and it came again": (None, [got(1, 0), Gone("m", 3), ack(1, 2.5), *AGAIN]),
    "handed over": (None, [got(1, 0), Gone("m", 3), *AGAIN]),
    "handed over after the first time that its member was gone": (None, [got(1, 0), Gone("m", 3), Gone("m", 60), *AGAIN]),
    "an unknown nack, and it never came again": (None, [got(1, 0), nack(1, 2, outcome=UNKNOWN)]),
    "an unknown ack, and it never came again": (None, [got(1, 0), Gone("m", 9), ack(1, 2, outcome=UNKNOWN)]),
    "an unknown nack, and it came again": (None, [got(1, 0), nack(1, 2, 5, outcome=UNKNOWN), *AGAIN]),
    "held to the end": (None, [got(1, 0)]),
    "after its delay": (None, [got(1, 0), nack(1, 2, 7), *AGAIN]),
    "before its delay, but its member was gone": (None, [got(1, 0), nack(1, 2, 70), Gone("m", 5), *AGAIN]),
    "skipped": ("skipped", []),
    "abandoned after a nack": ("abandoned", [got(1, 0), nack(1, 2)]),
    "abandoned by the dead": ("abandoned", [got(1, 0), Gone("m", 3)]),
    "abandoned at the second delivery": ("abandoned", [got(1, 0), nack(1, 2), AGAIN[0], Gone("n", 20)]),
    "abandoned after a refused ack": ("abandoned", [got(1, 0), Gone("m", 3), ack(1, 4, outcome=FAILED)]),
    "held by two": ("early", [got(1, 0), *AGAIN]),
    "given to another before its member was gone": ("early", [got(1, 0), *AGAIN, Gone("m", 30), Gone("m", 40)]),
    "before its delay": ("early", [got(1, 0), nack(1, 2, 70), *AGAIN]),
    "before its delay, which a second nack does not shorten": ("early", [got(1, 0), nack(1, 2, 70), nack(1, 4), *AGAIN]),
    "after it was acked": ("acked", [got(1, 0), ack(1, 2), *AGAIN]),
    "after it was acked, and acked twice": ("acked", [got(1, 0), ack(1, 2), ack(1, 4), *AGAIN]),
    "with the same count": ("count", [got(1, 0), nack(1, 2), replace(got(1, 9), token="other")]),
    "an ack refused": ("refused", [got(1, 0), ack(1, 2, outcome=FAILED)]),
    "out of order to the only member": ("order", [got(2, 0), got(1, 2), ack(1, 4)]),
    "out of order, but at once": (None, [got(2, 0), got(1, 1), ack(1, 4)]),
    "out of order to two": (None, [got(2, 0, member="n"), got(1, 2), ack(1, 4)]),
    "out of order because it came again": (None, [got(2, 0), got(1, 2, count=2), ack(1, 4, count=2)]),
}


@pytest.mark.parametrize("name", CASES)
def test_case(name: str) -> None:
    rule, events = CASES[name]
    violation = check_group(events, [1], drained=True)
    assert (violation and violation.rule) == rule
    if rule in ("skipped", "abandoned"):
        assert check_group(events, [1], drained=False) is None


def test_exact_counts_leave_no_gap() -> None:
    events: list[Event] = [got(1, 2, count=2), ack(1, 4, count=2)]
    violation = check_group(events, drained=True, counts="exact")
    assert violation is not None
    assert violation.rule == "count"
    unknown = Received(None, "m", None, 0, 0, None, UNKNOWN)
    assert check_group([unknown, *events], drained=True, counts="exact") is None


def test_tolerance_of_clocks() -> None:
    _, events = CASES["before its delay"]
    assert check_group(events, drained=True, tolerance_s=61) is not None
    assert check_group(events, drained=True, tolerance_s=62) is None


def test_what_nobody_received_cannot_be_settled() -> None:
    with pytest.raises(ValueError, match="nobody received this delivery"):
        check_group([ack(1, 2)], drained=False)
