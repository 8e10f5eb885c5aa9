"""What the tap costs: a detached tap against the raw driver, and a recording one for comparison.

    python -m benchmarks.tap

Detached, the proxy's methods are the driver's own bound methods: there is to be no difference.
"""

import asyncio
import statistics
import time
from typing import Any

from benchmarks.per_example import Nothing
from prism_testkit.clock import RealClock
from prism_testkit.histories import History
from prism_testkit.tap import Tap, tapped

CALLS = 20_000
TURNS = 9


async def _loop(slot: Any) -> float:
    started = time.perf_counter()
    for _ in range(CALLS):
        await slot.get("a")
    return (time.perf_counter() - started) / CALLS * 1e6


def main() -> None:
    raw = Nothing(None, "")
    rows: dict[str, list[float]] = {"raw": [], "detached": [], "recording": []}
    for _ in range(TURNS):
        slots = {
            "raw": raw,
            "detached": tapped(raw, ("keyvalue_basic",), Tap()),
            "recording": tapped(raw, ("keyvalue_basic",), Tap(history=History(RealClock()))),
        }
        for name, slot in slots.items():
            rows[name].append(asyncio.run(_loop(slot)))
    base = statistics.median(rows["raw"])
    for name, values in rows.items():
        print(f"{name:10} {statistics.median(values):7.3f} us a call, {statistics.median(values) / base:5.2f} of raw")


if __name__ == "__main__":
    main()
