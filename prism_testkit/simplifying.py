"""Looks for the one preemption that a failure needs, where shrinking came to rest at more.

Hypothesis shrinks by leaving out and by making smaller, and stops where neither fails: at two change points, say, of which each
alone is harmless, though one at a later step would do. Steps are few and cases of virtual time are cheap, so all of them are tried.
"""

from collections.abc import Callable, Iterator
from typing import Any

from prism_testkit.causes import cause_of
from prism_testkit.outcomes import HarnessError, Hung, Inconclusive, Unavailable
from prism_testkit.plan import Plan
from prism_testkit.records import CaseRecord
from prism_testkit.stuck import Livelock
from prism_testkit.turns import Turns

__all__ = ["simplest"]

MOST_STEPS = 100
"""Steps at which a preemption is tried."""


def simplest(record: CaseRecord, error: BaseException, run: Callable[[CaseRecord], None]) -> tuple[CaseRecord, BaseException]:
    """Return the case, and what it raised, whose plan preempts once if one like it fails for the same reason.

    Else return what was given. ``run`` runs a case to its end and raises what it raised. The same reason: an exception of the same
    type that names the same promise. Of several steps the first. Cases that are not of virtual time are left alone.
    """
    for arguments in _simpler(record):
        found = CaseRecord(arguments)
        try:
            run(found)
        except (HarnessError, Unavailable, Inconclusive):
            continue
        except (Hung, Livelock):
            return record, error  # each more would be waited for as long
        except Exception as again:
            found.error = again
            if _reason(again) == _reason(error):
                return found, again
    return record, error


def _simpler(record: CaseRecord) -> Iterator[dict[str, Any]]:
    """Yield the arguments with each plan of one preemption in the place of one of several, at each step that was reached."""
    scheduler = record.case.scheduler if record.case is not None else None
    if not isinstance(scheduler, Turns):
        return
    for name, plan in record.arguments.items():
        if isinstance(plan, Plan) and plan == scheduler.plan and (plan.priorities or len(plan.changes) > 1):
            for step in range(1, min(scheduler.steps, MOST_STEPS) + 1):
                yield {**record.arguments, name: Plan(changes=((step, 0),))}


def _reason(error: BaseException) -> tuple[type, str]:
    cause = cause_of(error)
    return type(cause), getattr(cause, "prism_promise", "") or getattr(cause, "promise", "")
