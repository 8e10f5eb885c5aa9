"""The result model: one schema for every report. `SCHEMA_VERSION` rises when a field changes its meaning or goes."""

from collections import Counter
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from prism_testkit.outcomes import Outcome

__all__ = ["SCHEMA_VERSION", "BackendReport", "CheckResult", "Covered", "Failure", "NotRun", "Report"]

SCHEMA_VERSION = 1


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", ser_json_bytes="base64")


class Failure(_Model):
    """Why a check failed, told so that a stranger can repeat it."""

    promise: str = Field(description="Id of the promise that broke, such as keyvalue_ttl.5; empty if none could be named")
    promise_text: str = Field(description="The promise in its own words")
    message: str = Field(description="What is wrong, in a sentence")
    expected: str | None = None
    got: str | None = None
    hint: str = Field(default="", description="What is likely the cause, if something beside the verdict tells")
    steps: list[str] = Field(default_factory=list, description="The calls of the failing case with their results, in order")
    step_numbers: list[int] = Field(default_factory=list, description="Which of all calls those are, from 1; empty: all of them")
    steps_left_out: int = Field(default=0, description="How many steps stand before or between those shown")
    arguments: dict[str, str] = Field(default_factory=dict, description="The data of the case, shortened")
    passes_with: dict[str, list[str]] = Field(
        default_factory=dict,
        description="Other values of one argument with which, all others being the same, a case before this one passed",
    )
    namespace: str = ""
    cases_before: int = Field(default=0, description="Cases that passed before this one")
    flaky: str = Field(default="", description="Non-empty if the same case did not fail again: what happened instead")
    traceback: str = Field(default="", description="Where an unexpected exception came from")
    witness: str = Field(default="", description="File that holds the case")
    command: str = Field(default="", description="The one command that repeats exactly this case")


class CheckResult(_Model):
    """One check on one binding."""

    id: str = Field(description="prism_suites/<path>::<check>[<binding>]")
    check: str
    says: str = Field(default="", description="What the check holds to be so, in a sentence of its own")
    suite: str = Field(description="Name of the suite: its module")
    binding: str
    backends: list[str]
    interfaces: list[str] = Field(description="The interfaces that the check's slots need")
    pattern: str = Field(default="", description="kind:name of the implementation that is judged; empty for an interface")
    promises: list[str]
    outcome: Outcome
    reason: str = Field(default="", description="Why it is waived, inconclusive, unavailable or an error")
    waived_for: str = Field(default="", description="The backend or pattern whose waiver it is; empty unless it is waived")
    witness: str = Field(default="", description="The waiver's witness, beside that one's registration; empty unless it is waived")
    duration_s: float = 0.0
    cases: int = Field(default=0, description="Cases that ran: gauntlet and generated")
    notes: list[str] = Field(
        default_factory=list, description="What was observed beyond the verdict, such as a loss that is not promised against"
    )
    unheard: dict[str, int] = Field(
        default_factory=dict,
        description="Errors of tasks, callbacks and threads of a driver's own that no call told, and how often; empty if it failed",
    )
    failure: Failure | None = None
    reached: dict[str, dict[str, int]] = Field(
        default_factory=dict, exclude=True, description="How often its calls reached each cell; summed up in the report's coverage"
    )


class BackendReport(_Model):
    """One backend as this run found it."""

    name: str
    kind: Literal["real server", "embedded", "fake", "unknown"]
    status: Literal["available", "unavailable", "refused"] = Field(description="refused: its registration is wrong")
    reason: str = ""
    origin: str = Field(default="", description="url, native, wheel, container; empty without a server")
    version: str = ""
    interfaces: list[str] = Field(default_factory=list)
    traits: dict[str, str | float | None] = Field(default_factory=dict, description="Claims other than the defaults")
    required: bool = Field(default=False, description="Named explicitly or by --prism-require: unavailable then fails the run")


class NotRun(_Model):
    """Something selected that did not run, and why."""

    what: str
    reason: str


class Covered(_Model):
    """What the checks of one run reached on one backend, or of one pattern: operation x argument class x fault x state."""

    who: str = Field(description="The backend, or kind:name of the pattern")
    interface: str = Field(description="The interface, or kind:name of the pattern")
    cells: dict[str, int] = Field(description="Calls of each kind, such as `set(value: empty), overlapping`")
    missing: list[str] = Field(default_factory=list, description="Cells that the suites are known to reach, and this run did not")


class Report(_Model):
    """A whole run. `complete` is False until its last line is written, and stays so after Ctrl-C or a crashed worker."""

    format: Literal["prism-testkit-report"] = "prism-testkit-report"
    version: int = SCHEMA_VERSION
    complete: bool = False
    exit_code: int | None = None
    started: str = Field(default="", description="ISO 8601, UTC")
    duration_s: float = 0.0
    seed: int = 0
    level: str = ""
    versions: dict[str, str] = Field(default_factory=dict)
    backends: list[BackendReport] = Field(default_factory=list)
    results: list[CheckResult] = Field(default_factory=list)
    not_run: list[NotRun] = Field(default_factory=list)
    problems: list[str] = Field(
        default_factory=list, description="What is wrong beside the checks: a refused registration, a leaked task"
    )
    coverage: list[Covered] = Field(default_factory=list, description="Written at the end of a run")
    unfinished: list[str] = Field(default_factory=list, description="Ids that were to run and have no result")

    def counts(self) -> Counter[Outcome]:
        """Return how many results have each outcome."""
        return Counter(result.outcome for result in self.results)
