"""A leasing queue on integer instants: a simulator of correct histories, and a search that says whether one is possible at all."""

import random
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace

from prism_testkit.checkers.leases import Ack, Event, Extend, Lapse, Receive, Release
from prism_testkit.histories import Outcome

__all__ = ["Server", "mutate", "possible", "simulate"]

OK, FAILED, UNKNOWN = Outcome.OK, Outcome.FAILED, Outcome.UNKNOWN
Call = Receive | Ack | Extend | Release


@dataclass
class Server:
    """The queue: for each message its attempts, and the lease that is open with the instant at which it will end."""

    rng: random.Random
    slack: int
    attempts: dict[str, int]
    open: dict[str, tuple[str, int]]

    def end(self, now: int, seconds: int) -> int:
        return now + seconds + self.rng.randint(0, self.slack)

    def perform(self, call: Call, now: int, lease: str) -> Call | None:
        """Return the call as it is answered; None: it found nothing."""
        if isinstance(call, Receive):
            free = [m for m in self.attempts if m not in self.open or self.open[m][1] <= now]
            if not free:
                return None
            message = self.rng.choice(free)
            self.attempts[message] += 1
            self.open[message] = (lease, self.end(now, int(call.seconds)))
            return replace(call, message=message, lease=lease, attempt=self.attempts[message], outcome=OK)
        message = next((m for m, (held, end) in self.open.items() if held == call.lease and now < end), "")
        if not message:
            return replace(call, outcome=FAILED)
        if isinstance(call, Extend):
            self.open[message] = (str(call.lease), self.end(now, int(call.seconds)))
        else:
            del self.open[message]
            if isinstance(call, Ack):
                del self.attempts[message]
        return replace(call, outcome=OK)


def simulate(rng: random.Random, clients: int, count: int, slack: int, unknown: float) -> tuple[list[Event], Server, int]:
    """Let each call take effect at a random instant while it is open; return the events, the queue after them, and the time."""
    server = Server(rng, slack, dict.fromkeys("abcdef"[: rng.randint(1, 4)], 0), {})
    events: list[Event] = []
    leases: list[str] = []
    pending: dict[int, Call] = {}
    done: dict[int, Call | None] = {}
    now = started = 0
    while started < count or pending:
        now += rng.choice([0, 0, 1, 2])
        client = rng.randrange(clients)
        if client not in pending:
            if started < count:
                started += 1
                pending[client] = _draw(rng, leases, now)
        elif client in done:
            del pending[client]
            answer = done.pop(client)
            if answer is not None:
                events.append(replace(answer, ret=now))
                leases += [str(answer.lease)] if isinstance(answer, Receive) else []
        elif rng.random() < unknown:
            if rng.random() < 0.5:
                server.perform(pending[client], now, f"unknown {now}")
            events.append(pending.pop(client))
        elif rng.random() < unknown / 2 and server.open:
            lease, _ = server.open.pop(rng.choice(sorted(server.open)))
            events.append(Lapse(lease, now))
        else:
            done[client] = server.perform(pending[client], now, f"lease {started} of {client} at {now}")
    known = set(leases)
    rng.shuffle(events)
    return [e for e in events if not isinstance(e, Lapse) or e.lease in known], server, now


def _draw(rng: random.Random, leases: Sequence[str], now: int) -> Call:
    kind = rng.choice([Receive, Receive, Receive, Ack, Extend, Release])
    if kind is Receive or not leases:
        return Receive("", "", 0, rng.randint(1, 6), now, None, UNKNOWN)
    lease = rng.choice(leases[-3:])
    if kind is Extend:
        return Extend(lease, rng.randint(1, 6), now, None, UNKNOWN)
    return Ack(lease, now, None, UNKNOWN) if kind is Ack else Release(lease, now, None, UNKNOWN)


def mutate(rng: random.Random, events: list[Event]) -> list[Event]:
    """Change one thing: an answer turned round, a call moved in time, an attempt or a message changed, a call left out."""
    events = events[:]
    index = rng.randrange(len(events))
    event = events[index]
    if isinstance(event, Lapse):
        del events[index]
        return events
    kind = rng.choice(["move", "move", "answer", "message"])
    if kind == "move" and event.ret is not None:
        by = rng.randint(-8, 8)
        events[index] = replace(event, call=event.call + by, ret=event.ret + by)
    elif kind == "answer" and not isinstance(event, Receive) and event.ret is not None:
        events[index] = replace(event, outcome=FAILED if event.outcome is OK else OK)
    elif kind == "message" and isinstance(event, Receive) and event.outcome is OK:
        changed = replace(event, message=rng.choice("ab")) if rng.random() < 0.5 else replace(event, attempt=rng.randint(0, 3))
        events[index] = changed
    return events


# message: (attempts so far, lease or None, deadline, ended, removed)
_State = tuple[tuple[str, int, Hashable, float, bool], ...]


def possible(events: Sequence[Event], slack: int) -> bool:
    """Try every order of the calls and every integer instant of each. Exponential, and plainly right."""
    calls = [e for e in events if not isinstance(e, Lapse)]
    lapses = {e.lease: e.at for e in sorted((e for e in events if isinstance(e, Lapse)), key=lambda e: -e.at)}
    messages = sorted({str(e.message) for e in calls if isinstance(e, Receive) and e.outcome is OK})
    first = min((int(e.call) for e in calls), default=0)
    last = max([int(e.call if e.ret is None else e.ret) for e in calls], default=0)
    seen: set[tuple[int, int, _State]] = set()
    stack: list[tuple[int, int, _State]] = [(0, first, tuple((m, 0, None, 0.0, False) for m in messages))]
    received = {e.lease: 1 << n for n, e in enumerate(calls) if isinstance(e, Receive) and e.outcome is OK}
    needs = [0 if isinstance(e, Receive) else received[e.lease] for e in calls]
    must = sum(1 << n for n, e in enumerate(calls) if e.outcome is not UNKNOWN)
    while stack:
        point = stack.pop()
        if point in seen:
            continue
        seen.add(point)
        done, now, state = point
        if done & must == must:
            return True
        if any(not done >> n & 1 and e.outcome is not UNKNOWN and e.ret is not None and e.ret < now for n, e in enumerate(calls)):
            continue
        if now < last:
            stack.append((done, now + 1, state))
        for number, call in enumerate(calls):
            if not done >> number & 1 and call.call <= now and done & needs[number] == needs[number]:
                stack += [(done | 1 << number, now, after) for after in _after(state, call, now, slack, lapses)]
    return False


def _after(state: _State, call: Call, now: int, slack: int, lapses: dict[Hashable, float]) -> Iterator[_State]:
    for index, (message, attempts, lease, deadline, removed) in enumerate(state):
        may_be_over = lease is None or now >= deadline or now >= lapses.get(lease, float("inf"))
        may_be_valid = lease is not None and now <= deadline + slack
        put = state[:index], state[index + 1 :]
        if isinstance(call, Receive):
            if removed or not may_be_over or (call.outcome is OK and (call.message != message or call.attempt != attempts + 1)):
                continue
            new = call.lease if call.outcome is OK else None
            yield (*put[0], (message, attempts + 1, new, now + call.seconds, False), *put[1])
        elif call.outcome is FAILED:
            if lease == call.lease and may_be_over:
                yield (*put[0], (message, attempts, None, 0.0, removed), *put[1])
        elif lease == call.lease and may_be_valid:
            if isinstance(call, Extend):
                yield (*put[0], (message, attempts, lease, now + call.seconds, removed), *put[1])
            else:
                yield (*put[0], (message, attempts, None, 0.0, isinstance(call, Ack)), *put[1])
    if call.outcome is FAILED and not any(lease == getattr(call, "lease", "") for _, _, lease, _, _ in state):
        yield state
