"""What a hunt through the zoo found, as plain rows, and the tables that are made of them."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from prism_testkit.promises import all_promises

from .families import FIRST_TRY, families, interface_of

__all__ = ["Row", "by_family", "by_promise"]


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one mutant."""

    family: str
    name: str
    promise: str
    kind: str
    kills: bool
    """It shows only after SIGKILL."""
    caught: bool
    check: str
    """The check that caught it, "" if none did."""
    named: str
    """The promise that the check named."""
    left_out: str
    """With the listed case that caught it left out of every gauntlet: the check that still catches it, "MISSED", or why there is
    nothing to leave out; of one that was not caught: what catches it under another promise."""
    seconds: float

    @property
    def hangs(self) -> bool:
        """Say whether it is caught by one listed case alone."""
        return self.left_out == "MISSED"


_HUNTED = ("| promise | mutants | kinds | caught by |", "|---|---|---|---|")
_LISTED = ("| promise | mutants | kinds |", "|---|---|---|")


def by_family(rows: Sequence[Row]) -> Iterator[str]:
    """Yield a table in Markdown, one line a family."""
    yield "| family | mutants | promises | unusual | first try | caught | with the case that caught it left out |"
    yield "|---|---|---|---|---|---|---|"
    for family, catalogue in families().items():
        own = [row for row in rows if row.family == family]
        if not own:
            continue
        caught, of = FIRST_TRY.get(family, (0, 0))
        first = f"{caught} of {of} ({caught / of:.0%})" if of else "not told"
        promises = len({row.promise for row in own})
        yield (f"| `{family}` | {len(own)} | {promises} | {len(catalogue.UNUSUAL)} | {first} | {_caught(own)} | {_left_out(own)} |")


def _caught(rows: Sequence[Row]) -> str:
    missed = [row.name for row in rows if not row.caught]
    return f"all but {', '.join(f'`{name}`' for name in missed)}" if missed else "all"


def _left_out(rows: Sequence[Row]) -> str:
    hanging = [row for row in rows if row.hangs]
    asked = sum(row.caught and not row.left_out.startswith("nothing") for row in rows)
    if not hanging:
        return f"all of {asked}"
    kills = sum(row.kills for row in hanging)
    names = ", ".join(f"`{row.name}`" for row in hanging if not row.kills)
    told = [f"{kills} that need a kill"] if kills else []
    return f"of {asked} all but {' and '.join([*told, *([names] if names else [])])}"


def by_promise(rows: Sequence[Row]) -> Iterator[str]:
    """Yield a table in Markdown, one line a promise: how many mutants of which kinds, and which checks caught how many.

    Of rows that were listed and not hunted, without the checks.
    """
    hunted = any(row.seconds for row in rows)
    promises = all_promises()
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[row.promise].append(row)
    interface = ""
    for promise in sorted(found, key=lambda promise: list(promises).index(promise) if promise in promises else len(promises)):
        own = found[promise]
        if interface_of(promise) != interface:
            interface = interface_of(promise)
            yield from ("", f"## {interface}", "", *(_HUNTED if hunted else _LISTED))
        kinds = ", ".join(sorted({row.kind for row in own}))
        checks = Counter(row.check.rpartition("/")[2] or "nothing" for row in own)
        caught = ", ".join(f"`{check}` {times}" for check, times in checks.most_common())
        yield f"| {promise} | {len(own)} | {kinds} |{f' {caught} |' if hunted else ''}"
