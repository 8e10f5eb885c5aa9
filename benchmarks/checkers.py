"""What the checkers cost: processor time an operation, and how it grows with the history, which is to stay near linear.

    python -m benchmarks.checkers

Each judges a correct history of 25,000 operations with ten calls open at a time, and one four times as long, in turns; the slope
is the exponent of the growth, 1.00 if four times the operations take four times as long. A search over all orders gives up at
the smaller one.
"""

import gc
import math
import random
import statistics
import time
from collections import deque
from collections.abc import Callable, Iterator

from prism_testkit.checkers import conservation, fifo, groups, leases, logs, zones
from prism_testkit.checkers.violations import Violation

SIZE, GROWTH, TURNS = 25_000, 4, 5
LIMIT = 1.3


def spans(count: int) -> Iterator[tuple[int, int, int]]:
    """Yield (call, instant of the effect, return) in the order of effects; about ten are open at a time."""
    rng = random.Random(count)
    for number in range(count):
        yield 10 * number - rng.randrange(50), 10 * number, 10 * number + 1 + rng.randrange(50)


def register(count: int) -> Callable[[], Violation | None]:
    history: list[zones.Write | zones.Read] = []
    value = None
    for number, (call, _, ret) in enumerate(spans(count)):
        if number % 3 == 0:
            value = number
            history.append(zones.Write(value, call, ret))
        else:
            history.append(zones.Read(value, call, ret))
    return lambda: zones.check_register(history)


def queue(count: int) -> Callable[[], Violation | None]:
    rng = random.Random(count)
    history: list[fifo.Enqueue | fifo.Dequeue] = []
    inside: deque[int] = deque()
    for number, (call, _, ret) in enumerate(spans(count)):
        if rng.random() < 0.5:
            inside.append(number)
            history.append(fifo.Enqueue(number, call, ret))
        else:
            history.append(fifo.Dequeue(inside.popleft() if inside else None, call, ret))
    return lambda: fifo.check_fifo(history)


def leasing(count: int) -> Callable[[], Violation | None]:
    """Each message is received twice, and acked the second time."""
    history: list[leases.Event] = []
    for number, (call, now, ret) in enumerate(spans(count // 3)):
        history.append(leases.Receive(number, (number, 1), 1, 500, call, ret))
        history.append(leases.Receive(number, (number, 2), 2, 500, now + 600, now + 610))
        history.append(leases.Ack((number, 2), now + 620, now + 630))
    return lambda: leases.check_leases(history)


def sharing(count: int) -> Callable[[], Violation | None]:
    """Each record comes twice, and is acked the second time."""
    history: list[groups.Received | groups.Settled | groups.Gone] = []
    for number, (call, now, ret) in enumerate(spans(count // 4)):
        history.append(groups.Received(number, number % 7, (number, 1), 1, call, ret))
        history.append(groups.Settled((number, 1), 5, now + 60, now + 70))
        history.append(groups.Received(number, number % 5, (number, 2), 2, now + 80, now + 90))
        history.append(groups.Settled((number, 2), None, now + 95, now + 99))
    return lambda: groups.check_group(history, range(count // 4), drained=True)


def passing(count: int) -> Callable[[], Violation | None]:
    history: list[conservation.Put | conservation.Delivery] = []
    for number, (call, now, ret) in enumerate(spans(count // 2)):
        history.append(conservation.Put(number, call, ret))
        history.append(conservation.Delivery(number, now + 60, now + 70))
    return lambda: conservation.check_conservation(history, drained=True)


def log(count: int) -> Callable[[], Violation | None]:
    """Half are appends, the others reads of ten records, or of a hundred up to the end, and trims to some hundred."""
    history: list[logs.Append | logs.Read | logs.Trim] = []
    records: list[tuple[int, object]] = []
    for number, (call, now, ret) in enumerate(spans(count)):
        if number % 2 == 0 or len(records) < 100:
            records.append((number, number))
            history.append(logs.Append(number, number, call, ret))
        elif number % 20 == 1:
            history.append(logs.Read(tuple(records[-100:]), call, ret, start=records[-100:][0][0]))
        elif number % 20 == 3:
            history.append(logs.Trim(number - 500, now, ret, max(0, number - 500)))
        else:
            tail = tuple(records[-40:-30])
            history.append(logs.Read(tail, call, ret, start=tail[0][0], limit=10))
    return lambda: logs.check_log(history)


CHECKERS = {"zones": register, "fifo": queue, "leases": leasing, "groups": sharing, "conservation": passing, "logs": log}


def _seconds(check: Callable[[], Violation | None]) -> float:
    gc.collect()
    started = time.process_time()
    violation = check()
    taken = time.process_time() - started
    assert violation is None, violation
    return taken


def main() -> None:
    for name, make in CHECKERS.items():
        small, large = make(SIZE), make(SIZE * GROWTH)
        turns = [(_seconds(small), _seconds(large)) for _ in range(TURNS)]
        short, long = (statistics.median(turn[i] for turn in turns) for i in (0, 1))
        slope = math.log(long / short, GROWTH)
        print(f"{name:13} {long / SIZE / GROWTH * 1e6:6.2f} us an operation, slope {slope:5.2f}, to stay under {LIMIT}")


if __name__ == "__main__":
    main()
