"""What the tap can do to a call. A plan is plain data, so that it shrinks, travels in a witness and reads well in a story.

One fault is ``(actor, operation, ordinal, what)``: the ordinal-th call of that operation by that actor, both from 0. ``what`` is

* ``error before``: the call fails without effect; ``error after``: it takes effect, and its acknowledgement is lost
* ``refuse NAME``: the call is refused, without effect, with the error of that name, such as ``AccessDenied``
* ``crash before``, ``crash after``: the actor dies there; every later call of it raises `Crashed` without effect
* ``delay S``: the call begins S seconds later
* ``duplicate``: the request arrives twice
* ``cut S``: for S seconds, from this call on, no call of the actor gets through
"""

import builtins
from collections import Counter
from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

from prism_testkit.clock import Clock
from prism_testkit.interfaces import errors
from prism_testkit.interfaces.errors import BackendUnavailable, OperationTimeout
from prism_testkit.outcomes import Crashed

__all__ = ["CRASHES", "ERRORS", "Address", "Fault", "Faults", "Incarnation", "Plan", "in_words", "was_injected"]

E = TypeVar("E", bound=BaseException)

Address = tuple[int, str, int]
"""(actor, operation, ordinal of that operation by that actor, from 0)."""
Fault = tuple[int, str, int, str]
Plan = tuple[Fault, ...]

ERRORS = ("error before", "error after")
CRASHES = ("crash before", "crash after")
_WORDS = {"error", "refuse", "crash", "delay", "duplicate", "cut"}


@dataclass
class Incarnation:
    """One life of one actor. Once ``dead``, nothing that it does has an effect."""

    actor: int
    dead: bool = False
    entered: list[AbstractAsyncContextManager[Any]] = field(default_factory=list)
    """What it had entered and not left, to be ended by whoever buries it."""

    def check(self, operation: str) -> None:
        if self.dead:
            raise Crashed(f"{operation}: this incarnation is dead")

    async def bury(self) -> None:
        """End what it had entered, the newest first, as its death would: here and now, and not when the collector comes by."""
        self.dead = True
        error = Crashed("this incarnation is dead")
        while self.entered:
            with suppress(Exception, Crashed):
                await self.entered.pop().__aexit__(Crashed, error, None)


def in_words(plan: Iterable[Fault]) -> str:
    """Say what a plan does: ``crash after: call 2 of store.put by incarnation 1``; actors and calls counted from 1."""
    told = [f"{what}: call {ordinal + 1} of {operation} by incarnation {actor + 1}" for actor, operation, ordinal, what in plan]
    return "; ".join(told) or "none"


def _injected(error: E) -> E:
    error.prism_injected = True  # type: ignore[attr-defined]
    return error


def was_injected(error: BaseException | None) -> bool:
    """Say whether an error is one that a plan of faults made: the step where it came must stand in a story."""
    return getattr(error, "prism_injected", False)


class Faults:
    """A plan, the calls that passed, and which of its faults struck: one that never did makes a verdict inconclusive."""

    def __init__(self, plan: Iterable[Fault], clock: Clock) -> None:
        self.plan: dict[Address, str] = {}
        for actor, operation, ordinal, what in plan:
            if what.partition(" ")[0] not in _WORDS:
                raise ValueError(f"no fault is called {what!r}")
            self.plan[actor, operation, ordinal] = what
        self.struck: set[Address] = set()
        self.passed: list[Address] = []
        """Every call that came by, in order."""
        self.healed = False
        self._clock = clock
        self._seen: Counter[tuple[int, str]] = Counter()
        self._cut: dict[int, float] = {}

    @property
    def missed(self) -> set[Address]:
        """The addresses of the plan that no call reached."""
        return set(self.plan) - self.struck

    def heal(self) -> None:
        """From now on nothing goes wrong any more, and no call is counted."""
        self.healed = True

    def cut(self, actor: int, seconds: float) -> None:
        """From now on, and for ``seconds``, let no call of an actor through."""
        self._cut[actor] = self._clock.now_s() + seconds

    async def before(self, actor: int, operation: str, incarnation: Incarnation | None) -> str:
        """Count one call, let happen to it what happens before its effect, and return what is planned for it."""
        if self.healed:
            return ""
        address = (actor, operation, self._seen[actor, operation])
        self._seen[actor, operation] += 1
        self.passed.append(address)
        planned = self.plan.get(address, "")
        if planned:
            self.struck.add(address)
        what, _, rest = planned.partition(" ")
        if what == "delay":
            await self._clock.sleep(float(rest))
        if what == "cut":
            self.cut(actor, float(rest))
        if self._cut.get(actor, 0) > self._clock.now_s():
            raise _injected(BackendUnavailable(f"{operation}: injected: the connection is cut"))
        if planned == "error before":
            raise _injected(BackendUnavailable(f"{operation}: injected error before the effect"))
        if what == "refuse":
            refusal: type[Exception] = getattr(errors, rest, None) or getattr(builtins, rest)
            raise _injected(refusal(f"{operation}: injected refusal"))
        if planned == "crash before" and incarnation is not None:
            incarnation.dead = True
            raise _injected(Crashed(f"{operation}: injected crash before the effect"))
        return planned

    def after(self, operation: str, planned: str, incarnation: Incarnation | None) -> None:
        """Let happen what is planned after the effect."""
        if planned == "error after":
            raise _injected(OperationTimeout(f"{operation}: injected error after the effect, the acknowledgement is lost"))
        if planned == "crash after" and incarnation is not None:
            incarnation.dead = True
            raise _injected(Crashed(f"{operation}: injected crash after the effect"))
