"""Messages with an ordering key, of which all is promised that is promised of those without one, but for the order.

`KEYED.also` makes a check of `PubSubPersistent` one of `PubSubOrdering`: it shows it a client whose messages have keys, all
different, only every other one, or all the same, and names the promise of that interface in the place of its own. Where such a
check finds that messages of different keys change places nothing is broken, for between keys no order is promised.
"""

import dataclasses
import itertools
from collections.abc import Mapping
from typing import Any

from prism_suites._pubsub_lines import OrderingAndPersistent
from prism_testkit.checks import Check
from prism_testkit.outcomes import Violation
from prism_testkit.slots import slot_of

__all__ = ["EVERY_OTHER", "KEYED", "ONE_KEY", "Keys"]

_NUMBERS = {3: 2, 6: 8, 8: 4, 11: 7, 14: 10, 15: 9, 16: 11, 17: 12}
"""By the number of what ``pubsub_persistent`` promises, that of ``pubsub_ordering`` where it has one of its own; else 1."""
_ORDER = "pubsub_persistent.3"


@dataclasses.dataclass(frozen=True)
class Keys:
    """Which messages have a key: each ``every``-th one of its own, or all the same."""

    every: int = 1
    same: bool = False

    def also(self, check: Check, module: str) -> Check:
        """Return a check of durable subscriptions as one of messages with keys, which is found in ``module``."""

        async def judged(pubsub: Any, case: Any, **data: Any) -> None:
            count = itertools.count()
            names = {check.slots[0].name: _Slot(self, pubsub, count), check.case_parameter: _Seen(self, case, count)}
            try:
                await check.function(**names, **data)
            except Violation as violation:
                if violation.promise == _ORDER and not self.same:
                    return
                promise = _promise(violation.promise)
                raise Violation.of(promise, violation.message, expected=violation.expected, got=violation.got) from violation
            except Exception as error:
                if hasattr(error, "prism_promise"):
                    error.prism_promise = _promise(error.prism_promise)
                raise

        judged.__module__, judged.__doc__ = module, check.function.__doc__
        judged.__name__ = judged.__qualname__ = check.name
        slot = slot_of("pubsub", OrderingAndPersistent)
        assert slot is not None, "it is an interface"
        promises = tuple(dict.fromkeys(_promise(promise) for promise in check.promises if self.same or promise != _ORDER))
        return dataclasses.replace(check, function=judged, slots=(slot,), case_parameter="case", promises=promises)


def _promise(promise: str) -> str:
    interface, _, number = promise.rpartition(".")
    return f"pubsub_ordering.{_NUMBERS.get(int(number), 1)}" if interface == "pubsub_persistent" else promise


class _Slot:
    """A client whose `publish_persistent` gives each message a key, or every other one."""

    def __init__(self, keys: Keys, inner: Any, count: "itertools.count[int]") -> None:
        self._keys, self._inner, self._count = keys, inner, count

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def publish_persistent(self, topic: str, payload: Any, headers: Mapping[str, str] | None = None) -> Any:
        number = next(self._count)
        if number % self._keys.every:
            return await self._inner.publish_persistent(topic, payload, headers)
        return await self._inner.publish_ordered(topic, "k" if self._keys.same else f"k{number}", payload, headers)


class _Seen:
    """A case whose clients are seen so."""

    def __init__(self, keys: Keys, inner: Any, count: "itertools.count[int]") -> None:
        self._keys, self._inner, self._count = keys, inner, count

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def client(self, **how: bool) -> Any:
        return _Slot(self._keys, await self._inner.client(**how), self._count)

    async def sibling(self, **how: bool) -> Any:
        return _Slot(self._keys, await self._inner.sibling(**how), self._count)


KEYED = Keys()
EVERY_OTHER = Keys(every=2)
ONE_KEY = Keys(same=True)
"""For checks that ack each message before they receive the next."""
