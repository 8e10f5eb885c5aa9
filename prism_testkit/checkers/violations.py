"""What a checker found wrong: one sentence, and the operations that show it."""

from dataclasses import dataclass

from prism_testkit.reports.text import show

__all__ = ["SHOWN", "Violation", "explain"]

SHOWN = 20
"""No more operations than this are told of one violation."""


@dataclass(frozen=True, slots=True)
class Violation:
    """A history breaks a rule.

    ``rule`` is the rule's name, one of those that the checker's documentation lists; ``sentence`` says what is wrong;
    ``operations`` are those of the history that suffice to show it, in the order in which to read them.
    """

    rule: str
    sentence: str
    operations: tuple[object, ...]


def explain(violation: Violation) -> str:
    """Say in a few lines what is wrong and which operations show it: the first `SHOWN` of them."""
    lines = [f"{violation.rule}: {violation.sentence}:"]
    lines += [f"  {show(operation)}" for operation in violation.operations[:SHOWN]]
    more = len(violation.operations) - SHOWN
    return "\n".join(lines + ([f"  ... {more} more"] if more > 0 else []))
