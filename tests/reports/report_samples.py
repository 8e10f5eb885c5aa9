"""Reports to test with: one builder for results with defaults, and strategies for any report at all."""

from typing import Any

from hypothesis import strategies as st

from prism_testkit.histories import Entry
from prism_testkit.outcomes import Outcome
from prism_testkit.results import BackendReport, CheckResult, Failure, NotRun, Report

TEXT = st.text(max_size=20)
NUMBERS = st.floats(min_value=0, max_value=1e9)
COUNTS = st.integers(min_value=0, max_value=10**9)
NAMES = st.sampled_from(["memory", "valkey", "redis-aof", "acme"])
INTERFACES = st.sampled_from(["keyvalue_basic", "keyvalue_ttl", "keyvalue_transactional", "stream_basic", "acme_thing"])
LINES = st.lists(TEXT, max_size=3)
KINDS = st.sampled_from(["real server", "embedded", "fake", "unknown"])

failures = st.builds(
    Failure,
    promise=TEXT,
    promise_text=TEXT,
    message=TEXT,
    expected=st.none() | TEXT,
    got=st.none() | TEXT,
    steps=LINES,
    step_numbers=st.lists(COUNTS, max_size=3),
    steps_left_out=COUNTS,
    arguments=st.dictionaries(TEXT, TEXT, max_size=3),
    namespace=TEXT,
    cases_before=COUNTS,
    flaky=TEXT,
    traceback=TEXT,
    witness=TEXT,
    command=TEXT,
)
results = st.builds(
    CheckResult,
    id=TEXT,
    check=TEXT,
    suite=TEXT,
    binding=TEXT,
    backends=st.lists(NAMES, min_size=1, max_size=2),
    interfaces=st.lists(INTERFACES, min_size=1, max_size=2),
    promises=LINES,
    outcome=st.sampled_from(Outcome),
    reason=TEXT,
    duration_s=NUMBERS,
    cases=COUNTS,
    notes=LINES,
    failure=st.none() | failures,
)
backends = st.builds(
    BackendReport,
    name=NAMES,
    kind=KINDS,
    status=st.sampled_from(["available", "unavailable", "refused"]),
    reason=TEXT,
    origin=TEXT,
    version=TEXT,
    interfaces=st.lists(INTERFACES, max_size=4, unique=True),
    traits=st.dictionaries(TEXT, st.none() | TEXT | NUMBERS, max_size=3),
    required=st.booleans(),
)
reports = st.builds(
    Report,
    complete=st.booleans(),
    exit_code=st.none() | st.integers(min_value=0, max_value=255),
    started=TEXT,
    duration_s=NUMBERS,
    seed=st.integers(min_value=0, max_value=2**64),
    level=TEXT,
    versions=st.dictionaries(TEXT, TEXT, max_size=3),
    backends=st.lists(backends, max_size=4, unique_by=lambda backend: backend.name),
    results=st.lists(results, max_size=6),
    not_run=st.lists(st.builds(NotRun, what=TEXT, reason=TEXT), max_size=3),
    problems=LINES,
    unfinished=LINES,
)


def result(outcome: Outcome = Outcome.PASSED, **changes: Any) -> CheckResult:
    """Return a result of one check on valkey; ``changes`` replace fields."""
    check, binding = changes.get("check", "plain_set_clears_ttl"), changes.get("binding", "valkey")
    fields: dict[str, Any] = {
        "id": f"prism_suites/interfaces/keyvalue_ttl.py::{check}[{binding}]",
        "check": check,
        "suite": "keyvalue_ttl",
        "binding": binding,
        "backends": [binding],
        "interfaces": ["keyvalue_ttl"],
        "promises": ["keyvalue_ttl.3"],
        "outcome": outcome,
    }
    return CheckResult(**(fields | changes))


def backend(name: str, *interfaces: str, **changes: Any) -> BackendReport:
    """Return an available embedded backend that claims ``interfaces``; ``changes`` replace fields."""
    return BackendReport(**({"name": name, "kind": "embedded", "status": "available", "interfaces": list(interfaces)} | changes))


def entry(number: int, op: str, *args: Any, client: int = 0, ret: int | None = -1, label: str = "", **changes: Any) -> Entry:
    """Return the call that began as event ``number``, and returned at once unless ``ret`` says when, or None for never."""
    fields = {"label": label or f"client {client}", "called_s": 0.0, "kwargs": {}} | changes
    return Entry(client=client, op=op, args=args, call=number, ret=number + 1 if ret == -1 else ret, **fields)
