"""Compares what is left after a kill with what the ledger says, the call in flight taken either way."""

from dataclasses import dataclass
from typing import Any

from prism_suites._durable_ledger import Held, Ledger, keys_of
from prism_testkit.case import Case
from prism_testkit.interfaces import KeyValueScan, NotFound
from prism_testkit.killing import Step, Survivors
from prism_testkit.outcomes import Words
from prism_testkit.reports.text import show
from prism_testkit.tap import offers

__all__ = ["Loss", "Remains", "slack_ns"]

_LOOKS = 3
"""What was in flight may still come while we look, and then is seen in part; what is in part at the third look, is."""


@dataclass(frozen=True, slots=True)
class Loss:
    """One key that is not as it should be."""

    promise: str
    sentence: str
    expected: object
    got: object


def slack_ns(case: Case) -> int:
    """Return by how much a time may be off."""
    return round((case.limits.clock_resolution_s + case.traits.ttl_late_s + 0.001) * 1e9)


class Remains:
    """The ledger of one place over several kills. With ``lives``, that a key has no time to live is judged, too."""

    def __init__(self, case: Case, *, lives: bool = False) -> None:
        self.case = case
        self.lives = lives
        self.ledger = Ledger()
        self.names: dict[str, None] = {}
        self.pending: Step | None = None
        self.pending_ledger = self.ledger

    def killed(self, steps: list[Step], survivors: Survivors) -> None:
        """Carry out the steps that were acknowledged."""
        self.names.update(keys_of(steps))
        for number in range(survivors.acknowledged):
            self.ledger.apply(steps[number], survivors.window_ns(number))
        self.pending = steps[survivors.acknowledged] if not survivors.finished else None
        now = survivors.instants_ns[-1]
        self.pending_ledger = self.ledger.after(self.pending, (now, self.now_ns())) if self.pending is not None else self.ledger

    def now_ns(self) -> int:
        return round(self.case.clock.now_s() * 1e9)

    async def losses(self, kv: Any) -> list[Loss]:
        """Look at every key that any step names; what was in flight counts from now on as it was found."""
        found = [loss for key in self.names if key not in self._open() for loss in await self._key(kv, key)]
        found += await self._in_flight(kv)
        if not found and offers(kv, KeyValueScan):
            found += await self._phantoms(kv)
        return found

    def _open(self) -> dict[str, None]:
        return keys_of([self.pending]) if self.pending is not None else {}

    async def _key(self, kv: Any, key: str) -> list[Loss]:
        held = self.ledger.held.get(key)
        if key in self.ledger.unsure:
            return []
        start = self.now_ns()
        got = await kv.get(key)
        status = self._status(held, start, self.now_ns())
        if held is not None and held.deadline is not None:
            return await self._living(kv, key, held, got, status)
        if got != (held.value if held is not None else None):
            return [self._wrong(key, held, got)]
        if held is not None and self.lives and await kv.ttl(key) is not None:
            sentence = f"{show(key)} has a time to live after the kill, though {held.by} was acknowledged, which leaves none"
            return [Loss("keyvalue_ttl.12", sentence, None, "a number of seconds")]
        return []

    def _status(self, held: Held | None, start: int, end: int) -> str:
        if held is None or held.deadline is None:
            return "missing" if held is None else "present"
        if end < held.deadline[0]:
            return "present"
        return "missing" if start >= held.deadline[1] + slack_ns(self.case) else "either"

    async def _living(self, kv: Any, key: str, held: Held, got: object, status: str) -> list[Loss]:
        """Judge a key with a deadline: there before it, gone after it, and the seconds left between."""
        assert held.deadline is not None
        if got is None:
            if status != "present":
                return []
            return [Loss("keyvalue_ttl.12", f"{show(key)} is gone after the kill, before its deadline", held.value, None)]
        if status == "missing":
            return [Loss("keyvalue_ttl.12", f"{show(key)} is there after the kill, though its deadline has passed", None, got)]
        if got != held.value:
            return [self._wrong(key, held, got)]
        start = self.now_ns()
        try:
            left = await kv.ttl(key)
        except NotFound:
            left = 0.0
        least = (held.deadline[0] - self.now_ns() - slack_ns(self.case)) / 1e9
        most = (held.deadline[1] - start + slack_ns(self.case)) / 1e9
        if left is None or not least <= left <= max(most, 0.0):
            sentence = f"{show(key)} has another deadline after the kill than {held.by} gave it"
            return [Loss("keyvalue_ttl.12", sentence, f"{least:.3f} to {most:.3f} s left", left)]
        return []

    def _wrong(self, key: str, held: Held | None, got: object) -> Loss:
        if held is None:
            by = self.ledger.gone.get(key)
            again = f"{show(key)} is there again after the kill, though {by} was acknowledged"
            return Loss("keyvalue_basic.12", again if by else _PHANTOM.format(show(key)), None, got)
        what = "is gone" if got is None else "holds another value"
        return Loss("keyvalue_basic.12", f"{show(key)} {what} after the kill, though {held.by} was acknowledged", held.value, got)

    async def _in_flight(self, kv: Any) -> list[Loss]:
        """Judge the keys of the call in flight: each old or new, of a transaction all alike; new stays new."""
        pending, self.pending = self.pending, None
        if pending is None:
            return []
        old, new, keys = self.ledger, self.pending_ledger, keys_of([pending])
        changing = [key for key in keys if _value(old, key) != _value(new, key)]
        landed: set[str] = set()
        problems: list[Loss] = []
        for _ in range(_LOOKS):
            states = {key: await kv.get(key) for key in keys}
            landed |= {key for key in changing if states[key] == _value(new, key)}
            problems = [
                _torn(pending[0], key, old, new, got)
                for key, got in states.items()
                if got != _value(new, key) and (key in landed or got != _value(old, key)) and key not in old.unsure
            ]
            if pending[0] == "transaction" and 0 < len(landed) < len(changing):
                sentence = f"of a transaction in flight {len(landed)} of {len(changing)} writes are there after the kill"
                problems.append(Loss("keyvalue_transactional.1", sentence, "all of them or none", sorted(landed)))
            if not problems:
                break
        for key in landed:
            _take(old, new, key)
            if pending[0] == "set_with_ttl" and await kv.ttl(key) is None:
                sentence = f"{show(key)}, which set_with_ttl was writing, has the new value and no time to live"
                problems.append(Loss("keyvalue_basic.12", sentence, "both or neither", None))
        return problems

    async def _phantoms(self, kv: Any) -> list[Loss]:
        names = {key async for key in kv.scan_keys()}
        strange = sorted(names - set(self.ledger.held) - self.ledger.unsure)
        return [Loss("keyvalue_basic.12", _PHANTOM.format(show(key)), None, key) for key in strange]


_PHANTOM = "{} is there after the kill, though no acknowledged call wrote it"


def _value(ledger: Ledger, key: str) -> bytes | None:
    held = ledger.held.get(key)
    return held.value if held is not None else None


def _torn(method: str, key: str, old: Ledger, new: Ledger, got: object) -> Loss:
    expected = Words(" or ".join(dict.fromkeys(show(_value(ledger, key)) for ledger in (old, new))))
    sentence = f"{show(key)}, which {method} was writing, holds neither the old nor the new value"
    return Loss("keyvalue_basic.12", sentence, expected, got)


def _take(ledger: Ledger, other: Ledger, key: str) -> None:
    if key in other.held:
        ledger.held[key] = other.held[key]
        ledger.gone.pop(key, None)
    elif ledger.held.pop(key, None) is not None:
        ledger.gone[key] = "a call in flight"
