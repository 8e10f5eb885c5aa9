"""Runs the steps of a program against a store, and judges each against the model."""

from collections.abc import Awaitable, Callable
from typing import Any

from prism_suites._keyvalue_judge import Judge, fail
from prism_suites._keyvalue_model import Model, Window
from prism_suites._keyvalue_transactions import run_transaction
from prism_testkit.case import Case
from prism_testkit.clock import VirtualClock
from prism_testkit.interfaces import INTERFACES, NotFound
from prism_testkit.outcomes import Violation
from prism_testkit.programs import Program, Step
from prism_testkit.tap import offers

__all__ = ["OPERATIONS", "Actor", "does", "operations", "run_program"]

OPERATIONS = {
    "keyvalue_basic": ("set", "get", "delete", "exists"),
    "keyvalue_scan": ("scan", "scan_keys", "count"),
    "keyvalue_ttl": ("set_with_ttl", "expire", "ttl", "persist", "advance"),
    "keyvalue_batch": ("batch_set", "batch_get", "batch_delete"),
    "keyvalue_cas": ("compare_and_swap", "compare_and_delete"),
    "keyvalue_transactional": ("transaction",),
}
_HOME = {op: interface for interface, ops in OPERATIONS.items() for op in ops}

# 2147484 s and 4294968 s are just over 2**31 and 2**32 milliseconds.
_VIRTUAL_TTLS = (60.0, 1.0, 0.25, 0.0, 0.001, 1.5, 3600.0, -1.0, 59.9, 0.5, 86400.0, 2147484.0, 4294968.0)
_REAL_TTLS = (3600.0, 1000.0, 0.0, 86400.0, -1.0, 2147484.0, 4294968.0, 1000.5)
_ADVANCES = (1.0, 0.25, 60.0, 0.001, 3600.0)
_TTL_EPSILON_S = 1e-5
_REAL_EPSILON_S = 0.25
"""Of two clocks, ours and a server's, one may be slewed; a wrong unit or a wrong deadline is off by far more."""


def operations(*interfaces: str) -> tuple[str, ...]:
    """Return the operations of some interfaces, the plainest first."""
    return tuple(op for interface in interfaces for op in OPERATIONS[interface])


def does(slot: Any, step: Step) -> bool:
    """Say whether a slot offers what a step asks for."""
    return offers(slot, INTERFACES[_HOME[step.op]])


async def run_program(case: Case, first: Any, program: Program) -> None:
    """Run a program on two clients of one namespace and a sibling; operations that are not offered are left out."""
    slack = round((case.limits.clock_resolution_s + case.traits.ttl_late_s) * 1e9)
    here, there = Model(slack), Model(slack)
    whole = len([i for i in OPERATIONS if offers(first, INTERFACES[i])])
    wants = whole == len(OPERATIONS) or any(_HOME[s.op] != "keyvalue_basic" for s in program.steps)
    clients = {0: first, 1: await case.client(whole=wants), 2: await case.sibling(whole=wants)}
    judges = {0: Judge(here, there), 1: Judge(here, there), 2: Judge(there, here)}
    for step in program.steps:
        if does(clients[step.client], step):
            actor = Actor(case, clients[step.client], judges[step.client], program, clients[1 - step.client % 2])
            await actor.do(step)
    for number in (0, 2):
        actor = Actor(case, clients[number], judges[number], program, clients[1])
        for index in range(len(program.names)):
            await actor.do_get(Step("get", number, index))


class Actor:
    """One client of a program, for one step."""

    def __init__(self, case: Case, slot: Any, judge: Judge, program: Program, rival: Any) -> None:
        self.case = case
        self.slot = slot
        self.judge = judge
        self.model = judge.model
        self.program = program
        self.rival = rival

    def now_ns(self) -> int:
        """Return the time, exact on a virtual clock."""
        clock = self.case.clock
        return clock.now_ns() if isinstance(clock, VirtualClock) else round(clock.now_s() * 1e9)

    async def timed(self, call: Callable[[], Awaitable[Any]]) -> tuple[Any, Window]:
        """Make a call; return what it said and when it took effect."""
        start = self.now_ns()
        result = await call()
        return result, Window(start, self.now_ns())

    async def do(self, step: Step) -> None:
        """Make the calls of a step, and judge them."""
        await getattr(self, f"do_{step.op}")(step)

    # -- keyvalue_basic --------------------------------------------------------------------------------------------------------

    async def do_set(self, step: Step) -> None:
        name, value = self.program.name(step.name), self.program.value(step.value)
        await self.slot.set(name, value)
        self.model.write(name, value, "set")

    async def do_get(self, step: Step) -> None:
        name = self.program.name(step.name)
        got, now = await self.timed(lambda: self.slot.get(name))
        self.judge.value(name, got, now, "get")

    async def do_exists(self, step: Step) -> None:
        name = self.program.name(step.name)
        got, now = await self.timed(lambda: self.slot.exists(name))
        self.judge.presence(name, got, now, "exists", "keyvalue_basic.5")

    async def do_delete(self, step: Step) -> None:
        name = self.program.name(step.name)
        got, now = await self.timed(lambda: self.slot.delete(name))
        self.judge.presence(name, got, now, "delete", "keyvalue_basic.4")
        self.model.drop(name, "delete")

    # -- keyvalue_scan ---------------------------------------------------------------------------------------------------------

    def _prefix(self, step: Step) -> str:
        name = self.program.name(step.name)
        cuts = (0, len(name), 1, len(name) // 2, len(name) - 1, 2, 0, len(name))
        return name[: cuts[step.extra % len(cuts)]]

    def _limit(self, step: Step) -> int | None:
        return (None, None, None, 1, 0, 2, 3, 1000)[step.extra // 8]

    async def do_scan(self, step: Step) -> None:
        prefix, limit = self._prefix(step), self._limit(step)

        async def scan() -> list[tuple[str, bytes]]:
            return [pair async for pair in self.slot.scan(prefix, limit)]

        got, now = await self.timed(scan)
        if len(dict(got)) != len(got):
            self.judge.listing(prefix, [name for name, _ in got], now, "scan", limit)
        self.judge.listing(prefix, dict(got), now, "scan", limit)

    async def do_scan_keys(self, step: Step) -> None:
        prefix, limit = self._prefix(step), self._limit(step)

        async def scan() -> list[str]:
            return [name async for name in self.slot.scan_keys(prefix, limit)]

        got, now = await self.timed(scan)
        self.judge.listing(prefix, got, now, "scan_keys", limit)

    async def do_count(self, step: Step) -> None:
        prefix = self._prefix(step)
        got, now = await self.timed(lambda: self.slot.count(prefix))
        try:
            self.judge.count(prefix, got, now)
        except Violation as wrong:  # which key it is, a listing may tell
            sure, maybe = self.model.certain(prefix, now)
            listed = {name async for name in self.slot.scan_keys(prefix)}
            told = [f"; a scan gives {name[:40]!a}, which is missing" for name in sorted(listed - sure.keys() - maybe.keys())[:1]]
            told += [f"; a scan leaves out {name[:40]!a}" for name in sorted(sure.keys() - listed)[:1]]
            raise Violation.of(wrong.promise, f"{wrong.message}{''.join(told)}", expected=wrong.expected, got=wrong.got) from None

    # -- keyvalue_ttl ----------------------------------------------------------------------------------------------------------

    def _ttl(self, step: Step) -> float:
        ladder = _VIRTUAL_TTLS if self.case.clock.virtual else _REAL_TTLS
        return ladder[step.extra % len(ladder)]

    async def do_set_with_ttl(self, step: Step) -> None:
        name, value, ttl_s = self.program.name(step.name), self.program.value(step.value), self._ttl(step)
        _, now = await self.timed(lambda: self.slot.set_with_ttl(name, value, ttl_s))
        self.model.write(name, value, "set_with_ttl")
        self._limited(name, now, ttl_s)

    def _limited(self, name: str, now: Window, ttl_s: float) -> None:
        if ttl_s <= 0:
            self.model.drop(name, "ttl<=0")
        else:
            self.model.limit(name, now.after(ttl_s), ttl_s)

    async def do_expire(self, step: Step) -> None:
        name, ttl_s = self.program.name(step.name), self._ttl(step)
        got, now = await self.timed(lambda: self.slot.expire(name, ttl_s))
        if self.judge.presence(name, got, now, "expire", "keyvalue_ttl.7"):
            self.model.held[name].by = "expire"
            self._limited(name, now, ttl_s)

    async def do_persist(self, step: Step) -> None:
        name = self.program.name(step.name)
        got, now = await self.timed(lambda: self.slot.persist(name))
        held = self.model.held.get(name)
        status = self.model.status(name, now)
        has = held is not None and held.deadline is not None
        if got and (status == "missing" or not has):
            promise = "keyvalue_ttl.10" if self.model.gone.get(name) == "expiry" else "keyvalue_ttl.8"
            fail(promise, "persist says that it removed an expiry where there was none", False, got)
        if not got and status == "present" and has:
            fail("keyvalue_ttl.8", "persist says that there was no expiry, but there was", True, got)
        if got and held is not None:
            held.deadline, held.freed_by = None, "persist"

    async def do_ttl(self, step: Step) -> None:
        name = self.program.name(step.name)
        try:
            got, now = await self.timed(lambda: self.slot.ttl(name))
        except NotFound:
            now = Window(self.now_ns(), self.now_ns())
            if self.model.status(name, now) == "present":
                self.judge.lost(name, "ttl")
            return
        status = self.model.status(name, now)
        if status == "missing":
            fail(
                "keyvalue_ttl.2" if self.model.gone.get(name) == "expiry" else "keyvalue_ttl.6",
                "ttl of a missing key",
                "NotFound",
                got,
            )
        self._judge_ttl(name, got, now)

    def _judge_ttl(self, name: str, got: float | None, now: Window) -> None:
        held = self.model.held[name]
        if held.deadline is None:
            if got is not None:
                fail(_freed(held.freed_by), "ttl of a key without expiry", None, got)
            return
        slack = self.model.slack_ns / 1e9 + (_TTL_EPSILON_S if self.case.clock.virtual else _REAL_EPSILON_S)
        least = (held.deadline.start - now.end) / 1e9 - slack
        most = min(held.given_s + slack, (held.deadline.end - now.start) / 1e9 + slack)
        if got is None or not least <= got <= most:
            fail("keyvalue_ttl.6", "ttl does not say the seconds that are left", f"{least:.3f} to {most:.3f}", got)

    async def do_advance(self, step: Step) -> None:
        if not self.case.clock.virtual:
            return
        ahead = [window for window in self.model.deadlines() if window.start > self.now_ns()]
        kind = step.extra % 8
        if kind < len(_ADVANCES) or not ahead:
            await self.case.advance(_ADVANCES[kind % len(_ADVANCES)])
            return
        nearest = ahead[0]
        just_before = nearest.start - max(1_000_000, round(self.case.limits.clock_resolution_s * 1e9))
        target = (just_before, nearest.end + self.model.slack_ns, nearest.end + self.model.slack_ns + 250_000_000)[
            kind - len(_ADVANCES)
        ]
        # A deadline that a 32-bit overflow brings forward needs no long wait; one that is years off is not waited for.
        distance = min(max(0, target - self.now_ns()) / 1e9, 5e6)
        await self.case.advance(distance)

    # -- keyvalue_batch --------------------------------------------------------------------------------------------------------

    def _some(self, step: Step) -> list[str]:
        return [self.program.name(step.name + offset) for offset in range(step.extra % 5)]

    async def do_batch_set(self, step: Step) -> None:
        items = {name: self.program.value(step.value + offset) for offset, name in enumerate(self._some(step))}
        await self.slot.batch_set(items)
        for name, value in items.items():
            self.model.write(name, value, "batch_set")

    async def do_batch_get(self, step: Step) -> None:
        names = self._some(step)
        got, now = await self.timed(lambda: self.slot.batch_get(names))
        if not isinstance(got, dict) or set(got) - set(names):
            fail("keyvalue_batch.2", "batch_get returned something else than the keys asked for", names, got)
        for name in dict.fromkeys(names):
            self.judge.value(name, got.get(name), now, "batch_get")

    async def do_batch_delete(self, step: Step) -> None:
        names = dict.fromkeys(self._some(step))
        got, now = await self.timed(lambda: self.slot.batch_delete(self._some(step)))
        statuses = [self.model.status(name, now) for name in names]
        least, most = statuses.count("present"), len(statuses) - statuses.count("missing")
        if not isinstance(got, int) or not least <= got <= most:
            fail("keyvalue_batch.3", "batch_delete returned another number than were present", least, got)
        for name in names:
            self.model.drop(name, "batch_delete")

    # -- keyvalue_cas ----------------------------------------------------------------------------------------------------------

    def _expected(self, name: str, step: Step) -> bytes | None:
        held = self.model.held.get(name)
        current = held.value if held is not None else None
        other = self.program.value(step.extra // 4)
        longer = ((current or b"") + b"\0")[: self.case.limits.max_payload]
        return (current, None, other, (current or b"")[:-1] if step.extra & 4 else longer)[step.extra % 4]

    async def do_compare_and_swap(self, step: Step) -> None:
        name, new = self.program.name(step.name), self.program.value(step.value)
        expected = self._expected(name, step)
        got, now = await self.timed(lambda: self.slot.compare_and_swap(name, expected, new))
        self._judge_swap(name, expected, got, now, "keyvalue_cas.2" if expected is None else "keyvalue_cas.1")
        if got:
            self.model.write(name, new, "compare_and_swap")

    async def do_compare_and_delete(self, step: Step) -> None:
        name = self.program.name(step.name)
        expected = self._expected(name, step) or b""
        got, now = await self.timed(lambda: self.slot.compare_and_delete(name, expected))
        self._judge_swap(name, expected, got, now, "keyvalue_cas.4")
        if got:
            self.model.drop(name, "compare_and_delete")

    def _judge_swap(self, name: str, expected: bytes | None, got: object, now: Window, promise: str) -> None:
        status = self.model.status(name, now)
        held = self.model.held.get(name)
        equal = held is not None and held.value == expected
        may = {"present": {equal}, "missing": {expected is None}, "either": {equal, expected is None}}[status]
        if not isinstance(got, bool | int) or bool(got) not in may:
            expired = status == "missing" and self.model.gone.get(name) == "expiry"
            fail(
                "keyvalue_ttl.2" if expired else promise,
                "a swap says the opposite of what the key's value asks for",
                sorted(may),
                got,
            )
        if status == "either":
            if bool(got) == equal and held is not None:
                return
            self.model.drop(name, "expiry")

    # -- keyvalue_transactional ------------------------------------------------------------------------------------------------

    async def do_transaction(self, step: Step) -> None:
        await run_transaction(self, step)


def _freed(by: str) -> str:
    return {"compare_and_swap": "keyvalue_ttl.4", "persist": "keyvalue_ttl.8"}.get(by, "keyvalue_ttl.3" if by else "keyvalue_ttl.6")
