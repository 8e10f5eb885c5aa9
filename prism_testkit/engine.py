"""Runs one check on one binding: the gauntlet, then generated cases, each in a namespace of its own; one result."""

import contextlib
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

from prism_testkit.bindings import Binding
from prism_testkit.causes import cause_of, judge
from prism_testkit.checks import FAULTS, Check, Level
from prism_testkit.coverage import Reached
from prism_testkit.exploring import caps_of, explore, generated, pairs, planless
from prism_testkit.faults import in_words
from prism_testkit.generation import generate, mixed_seed
from prism_testkit.interfaces.errors import BackendUnavailable, OperationTimeout
from prism_testkit.neighbours import neighbours
from prism_testkit.opening import run_case
from prism_testkit.oswatches import watch_hint
from prism_testkit.outcomes import HarnessError, Hung, Inconclusive, Outcome, Unavailable
from prism_testkit.plan import Plan
from prism_testkit.promises import promise_text
from prism_testkit.records import CaseRecord
from prism_testkit.reports.steps import A_WHILE_S, steps_of
from prism_testkit.reports.text import said, show
from prism_testkit.results import CheckResult, Failure
from prism_testkit.simplifying import simplest
from prism_testkit.strategies import current_limits
from prism_testkit.stuck import Livelock
from prism_testkit.witness import NotEncodable, Witness
from prism_testkit.worker import Worker

__all__ = ["EXAMPLES", "Settings", "run_check"]

_QUOTED = re.compile(r"'([^']+)'")
"""What a verdict names in words."""

EXAMPLES: dict[Level, int] = {"smoke": 0, "standard": 25, "thorough": 300, "soak": 300}
"""Generated cases of each check at each level; programs have 50 steps."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a run asks of every check. ``state`` is the project's ``.prism``; None keeps no examples and no witnesses. ``command``
    is what repeats the whole run."""

    level: Level = "standard"
    seed: int = 0
    state: Path | None = None
    shrink: bool = True
    replay: Mapping[str, Any] | None = None
    tries: int = 1
    command: str = ""


@dataclass
class _Run:
    """The cases of one check on one binding, as they go by."""

    worker: Worker
    check: Check
    binding: Binding
    cases: int = 0
    vacuous: int = 0
    last_vacuous: str = ""
    record: CaseRecord | None = None
    first_failure: CaseRecord | None = None
    first_at: int = 0
    no_verdicts: set[int] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        slots = {name: candidate.interfaces for name, candidate in self.binding.slots.items()}
        pattern = self.binding.pattern
        limits = next(iter(self.binding.slots.values())).offer.limits
        self.reached = Reached(slots, limits, pattern.full_name if pattern is not None else "")

    def case(self, **arguments: Any) -> CaseRecord:
        """Run one case to its end; raise what it raised, but count an inconclusive one and go on."""
        record = CaseRecord(dict(arguments))
        self.record = record
        try:
            run_case(self.worker, self.check, self.binding, record)
        except Inconclusive as reason:
            self.vacuous += 1
            self.last_vacuous = str(reason)
            self.no_verdicts.add(self.cases)
        except Exception as error:
            record.error = error
            self.worker.patience.short |= isinstance(error, Livelock)
            self._server_died(error)
            if self.first_failure is None:
                self.first_failure, self.first_at = record, self.cases
            raise
        finally:
            self.cases += 1
            self._see(record)
            self.notes += [note for note in record.notes if note not in self.notes]
        return record

    def _see(self, record: CaseRecord) -> None:
        """Count what the calls of a case were like."""
        if record.case is not None and record.case.suspends:
            self.reached.must_overlap = True
        if record.history is not None:
            self.reached.case(record.history)
        if record.faults is not None:
            self.reached.struck((actor, op, record.faults.plan[actor, op, n]) for actor, op, n in record.faults.struck)

    def _server_died(self, error: Exception) -> None:
        if not isinstance(error, BackendUnavailable | OperationTimeout):
            return
        for candidate in self.binding.slots.values():
            if not self.worker.reachable(candidate.backend):
                raise HarnessError(f"the server of {candidate.backend.name!r} is gone: {error}") from error


def run_check(worker: Worker, check: Check, binding: Binding, identifier: str, settings: Settings) -> CheckResult:
    """Run a check on a binding and say what came of it. ``identifier`` is the id with brackets, and the key of its examples."""
    started = time.perf_counter()
    run = _Run(worker, check, binding)
    limits = next(iter(binding.slots.values())).offer.limits
    token = current_limits.set(limits)
    outcome, reason, failure = Outcome.PASSED, "", None
    try:
        worker.begin()
        for candidate in binding.slots.values():
            worker.connect(worker.site(candidate.backend, binding.kind))
        patience = worker.patience.with_(_drivers(binding)) if settings.replay is None else contextlib.nullcontext()
        with worker.unheard.listening(), patience:
            _search(run, identifier, settings)
        if run.cases and run.vacuous == run.cases:
            outcome, reason = Outcome.INCONCLUSIVE, run.last_vacuous
        elif run.reached.must_overlap and not run.reached.overlapped:
            outcome, reason = Outcome.INCONCLUSIVE, f"nothing overlapped in {run.cases} cases that ask for it"
    except Unavailable as error:
        outcome, reason = Outcome.UNAVAILABLE, str(error)
    except HarnessError as error:
        outcome, reason = Outcome.ERROR, str(error)
    except (Exception, Hung) as error:
        outcome = Outcome.FAILED
        if isinstance(error, Hung | Livelock):
            worker.patience.lose(_drivers(binding))
        failure = _failure(run, _simplified(run, error, settings), identifier, settings)
        worker.reset(binding.kind)
    finally:
        current_limits.reset(token)
        worker.see_tasks(binding.kind, binding.backends)
        unheard = worker.unheard.taken()
    return CheckResult(
        id=identifier,
        check=check.name,
        says=check.says,
        suite=check.function.__module__.rpartition(".")[2],
        binding=binding.name,
        backends=binding.backends,
        interfaces=[i for slot in check.slots for i in binding.slots[slot.name].interfaces],
        pattern=binding.pattern.full_name if binding.pattern is not None else "",
        promises=list(check.promises),
        outcome=outcome,
        reason=reason,
        duration_s=time.perf_counter() - started,
        cases=run.cases,
        notes=run.notes,
        unheard=unheard if failure is None else {},
        failure=failure,
        reached=run.reached.told(),
    )


def _drivers(binding: Binding) -> frozenset[str]:
    """Name the drivers that a binding is made of."""
    return frozenset(f"{slot.offer.driver.__qualname__} of {slot.backend.name}" for slot in binding.slots.values())


def _search(run: _Run, identifier: str, settings: Settings) -> None:
    """Run every case that the level asks for; the first failing one raises."""
    check = run.check
    if settings.replay is not None:
        for _ in range(settings.tries):
            run.case(**settings.replay)
        return
    limits = current_limits.get()
    examples = generated(check, settings.level, run.binding, EXAMPLES[settings.level])
    if check.explored:
        caps = caps_of(settings.level, run.binding)
        calls = explore(lambda plan: run.case(**planless(check, plan)).faults, caps, mixed_seed(settings.seed, identifier))
        drawn = pairs(check, calls) if caps.pairs else None
        if drawn is not None:
            generate(drawn, run.case, identifier, caps.pairs, settings.seed, settings.state, settings.shrink)
        return
    if check.gauntlet is not None:
        for arguments in check.gauntlet(limits):
            run.case(**arguments)
    elif check.given is None:
        run.case()
    if check.given is not None and examples:
        generate(check, run.case, identifier, examples, settings.seed, settings.state, settings.shrink)


def _simplified(run: _Run, error: BaseException, settings: Settings) -> BaseException:
    """Let the failing case be one of a single preemption, if one fails alike."""
    record = run.record
    shrunk = settings.shrink and settings.replay is None
    if record is None or record.error is not error or not shrunk or isinstance(error, Livelock):
        return error
    with run.worker.patience.with_(_drivers(run.binding)):
        run.record, error = simplest(record, error, lambda case: run_case(run.worker, run.check, run.binding, case))
    return error


def _failure(run: _Run, error: BaseException, identifier: str, settings: Settings) -> Failure:
    record = run.record
    flaky, again = "", _whole_check(run, identifier, settings)
    if type(error).__module__.startswith("hypothesis"):
        # The same case did not fail again. The first failure is the truth; what Hypothesis says of the repeat is a remark.
        flaky = "the same case was run again and did not fail the same way: a race, or a backend that changes its answer"
        record = run.first_failure or record
    elif settings.replay is None and not _lost(run, error) and record is not None and _passes_alone(run, record):
        flaky = (
            "alone, in a place where nothing was ever written, the same case passes: it depends on what earlier cases left "
            "in other namespaces, or it is a race, or the backend changes its answer"
        )
        if settings.command and _all_pass(run, identifier, settings):
            flaky = (
                "alone, in a place where nothing was ever written, the whole check passes: it depends on what earlier checks left "
                "in other namespaces, so all of them are to be run, in this order; or it is a race"
            )
            again = settings.command
    if record is None:
        return Failure(promise="", promise_text="", message=said(error))
    cause = cause_of(record.error if record.error is not None and not isinstance(error, Hung) else error)
    promise = getattr(cause, "prism_promise", "") or getattr(cause, "promise", "") or run.check.promises[0]
    entries = record.entries
    interfaces = [name for candidate in run.binding.slots.values() for name in candidate.interfaces]
    found = judge(cause, record, interfaces, run.check.function.__code__.co_filename)
    asked = watch_hint(run.binding.slots.values(), entries) if run.binding.kind == "virtual" and not found.hint else ""
    named = (getattr(cause, "expected", None), getattr(cause, "got", None), _QUOTED.findall(found.message))
    story = record.story
    # On virtual time nothing passes by itself.
    steps, numbers = steps_of(story, named=named, least_s=0.001 if run.binding.kind == "virtual" else A_WHILE_S)
    failure = Failure(
        promise="" if found.beside else promise,
        promise_text="" if found.beside else promise_text(promise) or run.check.doc,
        message=found.message,
        expected=found.expected,
        got=found.got,
        hint=found.hint or asked,
        steps=steps,
        step_numbers=numbers,
        steps_left_out=(numbers[-1] if numbers else 0) - len(steps),
        arguments={name: _told(name, value, record) for name, value in record.arguments.items()},
        passes_with=neighbours(record.arguments, _passed(run, settings)),
        namespace=record.namespace,
        cases_before=run.first_at,
        flaky=flaky,
        traceback=found.trace,
    )
    saved = _witness(run, record, promise, identifier, settings)
    if flaky:
        # The case alone need not fail again; it is kept for a waiver, whose `tries` are for this.
        saved["command"] = again
    return failure.model_copy(update=saved)


def _passed(run: _Run, settings: Settings) -> Iterator[Mapping[str, Any]]:
    """Yield the listed cases that passed before the first that failed; they are made anew, for no run keeps all their data."""
    if run.check.gauntlet is not None and settings.replay is None:
        listed = enumerate(islice(run.check.gauntlet(current_limits.get()), run.first_at))
        yield from (arguments for number, arguments in listed if number not in run.no_verdicts)


def _lost(run: _Run, error: BaseException) -> bool:
    """Say whether a second try would cost what nobody wants to wait for."""
    patience = run.worker.patience
    return isinstance(error, Hung) or (isinstance(error, Livelock) and patience.lost(_drivers(run.binding))[0] >= patience.whole)


def _passes_alone(run: _Run, record: CaseRecord) -> bool:
    """Run a failed case once more where no earlier case can show through."""
    again = CaseRecord(dict(record.arguments))
    try:
        with run.worker.elsewhere():
            run_case(run.worker, run.check, run.binding, again)
    except (Exception, Hung, HarnessError, Unavailable):
        return False
    except Inconclusive:
        return True
    return True


def _all_pass(run: _Run, identifier: str, settings: Settings) -> bool:
    """Run a check that failed once more from its first case, where no earlier check can show through."""
    with run.worker.elsewhere():
        try:
            _search(_Run(run.worker, run.check, run.binding), identifier, replace(settings, state=None, shrink=False))
        except (Exception, Hung):
            return False
    return True


def _whole_check(run: _Run, identifier: str, settings: Settings) -> str:
    names = ",".join(run.binding.backends)
    return f"pytest --prism-backend={names} --prism-level={settings.level} --prism-seed={settings.seed} '{identifier}'"


def _told(name: str, value: Any, record: CaseRecord) -> str:
    if name == FAULTS:
        return in_words(value)
    return record.told(value) if isinstance(value, Plan) else show(value)


def _witness(run: _Run, record: CaseRecord, promise: str, identifier: str, settings: Settings) -> dict[str, str]:
    check_id = identifier.partition("[")[0]
    if settings.state is None:
        return {}
    try:
        witness = Witness.of(
            check=check_id,
            binding=run.binding.name,
            backends=tuple(run.binding.backends),
            promise=promise,
            seed=settings.seed,
            arguments=record.arguments,
        )
        path = witness.save(settings.state / "witnesses")
    except NotEncodable as error:
        return {"command": f"{_whole_check(run, identifier, settings)}  # no witness: {error}"}
    shown = path.relative_to(settings.state.parent).as_posix()
    return {"witness": shown, "command": f"pytest --prism-replay={shown}"}
