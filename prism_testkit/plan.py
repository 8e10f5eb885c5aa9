"""A plan: which of several tasks goes next where the tap lets others run. Two short lists, so that it shrinks and travels.

Priorities with a few change points are the schedules of PCT (Burckhardt, Kothari, Musuvathi and Nagarakatte, "A Randomized
Scheduler with Probabilistic Guarantees of Finding Bugs", ASPLOS 2010). Drawn as two lists rather than a choice at every step, a
race shrinks to what it needs: most often one preemption.
"""

from dataclasses import dataclass

from prism_testkit.witness import register

__all__ = ["MOST_CHANGES", "MOST_PRIORITIES", "Plan"]

MOST_PRIORITIES = 8
MOST_CHANGES = 4


@register
@dataclass(frozen=True, slots=True)
class Plan:
    """Who goes next, as plain data. Without arguments: first come, first served, no deviation at all.

    ``priorities``: one whole number, 0 or more, for each task in the order in which they first come to a call; 0 for those
    beyond. The highest goes next, of equals whoever waits longest. ``changes``: (step, low). Steps count the choices, from 1;
    whoever would have gone at that step falls below all that no change has hit, and among those hit the lowest ``low`` goes last.
    Of two changes at one step the first counts. Raises ``ValueError`` for anything else.
    """

    priorities: tuple[int, ...] = ()
    changes: tuple[tuple[int, int], ...] = ()

    def __post_init__(self) -> None:
        priorities = [int(priority) for priority in self.priorities]
        changes: dict[int, int] = {}
        for step, low in self.changes:
            changes.setdefault(int(step), int(low))
        if min(priorities, default=0) < 0 or min(changes.values(), default=0) < 0 or min(changes, default=1) < 1:
            raise ValueError(f"priorities are 0 or more, changes (step from 1, low from 0); found {priorities}, {self.changes!r}")
        while priorities and not priorities[-1]:
            priorities.pop()
        object.__setattr__(self, "priorities", tuple(priorities))
        object.__setattr__(self, "changes", tuple(sorted(changes.items())))

    @property
    def deviates(self) -> bool:
        """It asks for anything but first come, first served."""
        return bool(self.priorities or self.changes)

    def __str__(self) -> str:
        """Say it in words, as far as the plan alone tells: who was preempted is known when it ran."""
        parts = [f"priorities {', '.join(map(str, self.priorities))}"] if self.priorities else []
        steps = [str(step) for step, _ in self.changes]
        if len(steps) == 1:
            parts.append(f"one preemption at step {steps[0]}")
        elif steps:
            parts.append(f"{len(steps)} preemptions, at steps {', '.join(steps[:-1])} and {steps[-1]}")
        return "; ".join(parts) or "no preemption"
