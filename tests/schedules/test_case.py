"""What a case schedules: every tap, whenever it was opened, from `schedule` until `unschedule`."""

import asyncio
from typing import Any

from prism_testkit.case import Case
from prism_testkit.clock import VirtualClock
from prism_testkit.gates import Gate
from prism_testkit.histories import History
from prism_testkit.plan import Plan
from prism_testkit.schedules import VirtualLoop
from prism_testkit.tap import Tap
from prism_testkit.traits import Limits, Traits
from prism_testkit.turns import Turns

PLAN = Plan((1,))


def made() -> Case:
    unused: Any = None
    return Case(
        backend="mine",
        limits=Limits(),
        traits=Traits(),
        clock=VirtualClock(),
        history=History(VirtualClock()),
        namespace="n",
        opener=unused,
        killer=unused,
        private=unused,
        processes=unused,
        conductor=unused,
        mortal=unused,
        cleaner=unused,
        crasher=unused,
        new_namespace=unused,
        server=False,
    )


async def goes_through(case: Case) -> None:
    early, late, last = Tap(), Tap(), Tap()
    case.adopt(early)
    assert not early.suspend
    case.schedule(PLAN)
    case.adopt(late)
    scheduler = case.scheduler
    assert scheduler is not None
    assert scheduler.plan == PLAN
    assert [tap.scheduler for tap in (early, late)] == [scheduler, scheduler]
    case.unschedule()
    case.adopt(last)
    case.overlap()
    assert [(tap.suspend, tap.scheduler) for tap in (early, late, last)] == [(True, None)] * 3
    assert case.scheduler is scheduler


def test_on_virtual_time_every_tap_takes_turns_until_the_end() -> None:
    case, loop = made(), VirtualLoop(VirtualClock())
    loop.run_until_complete(goes_through(case))
    assert isinstance(case.scheduler, Turns)
    assert loop.chooser is None
    loop.close()


def test_on_a_real_loop_every_tap_passes_the_gate_until_the_end() -> None:
    case = made()
    asyncio.run(goes_through(case))
    assert isinstance(case.scheduler, Gate)


def test_a_plan_that_does_not_deviate_is_plain_overlap() -> None:
    case, tap = made(), Tap()
    case.adopt(tap)
    case.schedule(Plan())
    assert (tap.suspend, tap.scheduler, case.scheduler) == (True, None, None)


def test_a_later_plan_takes_the_place_of_an_earlier_one() -> None:
    async def main() -> None:
        case, tap = made(), Tap()
        case.adopt(tap)
        case.schedule(PLAN)
        case.schedule(Plan((0, 1)))
        assert case.scheduler is not None
        assert tap.scheduler is case.scheduler
        assert case.scheduler.plan == Plan((0, 1))
        case.schedule(Plan())
        assert tap.scheduler is None

    asyncio.run(main())
