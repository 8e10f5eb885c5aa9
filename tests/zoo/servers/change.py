"""What a change of a shipped driver is, and the hunt for it: the suites run over it in a pytest of their own."""

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..kill import SEED, all_checks

__all__ = ["Change", "Hunted", "changing", "hunt", "judge"]

_HOOK = Path(__file__).parent / "hook"
_FAMILIES = ("keyvalue", "queue", "pubsub", "stream", "object_storage", "lifecycle")


@dataclass(frozen=True, kw_only=True)
class Change:
    """One wrong driver: ``backend``'s, of whose ``module`` the text ``before``, which stands there once, is ``after``.

    ``promise`` is what that breaks most directly, ``also`` what follows or is broken as well. ``why`` is what its author thought.
    ``more``: further texts of the same module, (before, after).
    """

    name: str
    backend: str
    module: str
    before: str
    after: str
    promise: str = ""
    """Empty: the driver is right, only unusual."""
    also: tuple[str, ...] = ()
    why: str
    more: tuple[tuple[str, str], ...] = ()

    @property
    def texts(self) -> tuple[tuple[str, str], ...]:
        return ((self.before, self.after), *self.more)

    @property
    def source(self) -> str:
        """The shipped text of the module."""
        spec = importlib.util.find_spec(self.module)
        assert spec is not None
        assert spec.origin is not None
        return Path(spec.origin).read_text(encoding="utf-8")

    @property
    def changed(self) -> str:
        text = self.source
        for before, after in self.texts:
            text = text.replace(before, after)
        return text

    @property
    def family(self) -> str:
        return next(family for family in _FAMILIES if self.promise.startswith(family))


def changing(prefix: str, backend: str, usual: str) -> Callable[..., Change]:
    """Return what makes changes of one backend: their names begin with ``prefix``, and ``usual`` is the module of most."""

    def change(name: str, before: str, after: str, promise: str, why: str, *, module: str = "", **others: Any) -> Change:
        texts = {"before": before, "after": after, "promise": promise, "why": why}
        return Change(name=prefix + name, backend=backend, module=module or usual, **texts, **others)

    return change


@dataclass(frozen=True, kw_only=True)
class Hunted:
    """What became of a change: the promises that checks named, with the first check that did."""

    change: Change
    named: dict[str, str]
    ran: int
    said: str = ""
    """The end of what pytest printed, where there is no report."""

    @property
    def caught(self) -> bool:
        """A check named the promise, or one listed beside it."""
        return not self.named.keys().isdisjoint({self.change.promise, *self.change.also})

    @property
    def how(self) -> str:
        if self.said:
            return f"no report: {self.said}"
        return ", ".join(f"{promise} by {check}" for promise, check in self.named.items()) or f"survived {self.ran} checks"


def hunt(change: Change, *, anywhere: bool = False, arguments: Sequence[str] = ()) -> Hunted:
    """Run the checks that judge the promise, and those beside it, over the wrong driver; ``anywhere``: all suites of its family.

    The latter ends at the fifth failure. ``arguments`` are for pytest as they are.
    """
    if anywhere:
        chosen = [f"--prism-suite={change.family}_*,lifecycle_*", "--maxfail=5"]
    else:
        accepted = {change.promise, *change.also}
        # A pattern keeps promises of lifecycle too, and is no driver.
        mine = [(i, check) for i, check in all_checks() if "/patterns/" not in i and check.level not in ("thorough", "soak")]
        found = [i for i, check in mine if accepted & set(check.promises)]
        # By name: to pytest it is an error to be given one that the backend cannot run, for want of an interface.
        suites, names = {Path(i.partition("::")[0]).stem for i in found}, {i.partition("::")[2] for i in found}
        chosen = [f"--prism-suite={','.join(sorted(suites))}", "-k", " or ".join(sorted(names))]
    return _judged(change, [*chosen, *arguments])


def judge(change: Change, suites: str, named: str = "") -> Hunted:
    """Run the checks of ``suites`` whose names fit ``named``, as pytest's ``-k``, over a driver."""
    return _judged(change, [f"--prism-suite={suites}", "-k", named])


def _judged(change: Change, arguments: Sequence[str]) -> Hunted:
    with tempfile.TemporaryDirectory(prefix="prism-change-") as folder:
        report = Path(folder) / "report.json"
        environment = {
            **os.environ,
            "PYTHONPATH": str(_HOOK),
            "PRISM_CHANGE": json.dumps({"module": change.module, "texts": change.texts}),
        }
        ended = subprocess.run(
            [
                *(sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "-p", "no:cacheprovider", f"--rootdir={folder}"),
                *(f"--prism-backend={change.backend}", f"--prism-seed={SEED}", f"--prism-json={report}", *arguments),
            ],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if not report.exists():
            return Hunted(change=change, named={}, ran=0, said=(ended.stdout + ended.stderr)[-2000:])
        results: list[dict[str, Any]] = json.loads(report.read_text(encoding="utf-8"))["results"]
    named: dict[str, str] = {}
    for result in results:
        if result["outcome"] == "failed":
            named.setdefault(result["failure"]["promise"], f"{result['suite']}::{result['check']}")
    judged = sum(result["outcome"] in ("passed", "failed") for result in results)
    said = "" if judged else f"nothing was judged: { ({result['outcome']: result['reason'] for result in results}) }"
    return Hunted(change=change, named=named, ran=judged, said=said)
