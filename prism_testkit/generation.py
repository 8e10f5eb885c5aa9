"""Hypothesis, driven by us: one call generates the cases of a check on a binding.

The database key is the check's id with its binding, so that one backend's examples are not tried on another; the seed is the
run's, mixed with that id; constants of local modules are off, so that neither ``-n`` nor a backend's source changes the data.
What is private to Hypothesis stands in this module alone, and has a test.
"""

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
from hypothesis import HealthCheck, Phase, Verbosity
from hypothesis.database import DirectoryBasedExampleDatabase
from hypothesis.internal.conjecture.providers import HypothesisProvider

from prism_testkit.checks import Check

__all__ = ["generate", "mixed_seed"]


def mixed_seed(seed: int, identifier: str) -> int:
    """Mix the run's seed with a check's id: alone or among others, a check gets the same data."""
    return int.from_bytes(hashlib.blake2b(f"{seed}:{identifier}".encode(), digest_size=8).digest(), "big")


def generate(
    check: Check, case: Callable[..., None], identifier: str, examples: int, seed: int, state: Path | None, shrink: bool
) -> None:
    """Run ``case`` on stored and generated arguments; raise what the smallest failing one raised."""

    def example(**arguments: Any) -> None:
        case(**arguments)

    assert check.given is not None
    example.__name__ = check.name
    example._hypothesis_internal_add_digest = identifier.encode()  # type: ignore[attr-defined]
    phases = [Phase.reuse, Phase.generate] + ([Phase.shrink] if shrink else [])
    settings = hypothesis.settings(
        max_examples=examples,
        deadline=None,
        database=DirectoryBasedExampleDatabase(state / "examples") if state is not None else None,
        phases=phases,
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.quiet,
        report_multiple_bugs=False,
        print_blob=False,
        derandomize=False,
    )
    run = hypothesis.seed(mixed_seed(seed, identifier))(settings(hypothesis.given(**check.given)(example)))
    with _no_local_constants():
        run()


@contextlib.contextmanager
def _no_local_constants() -> Iterator[None]:
    before = HypothesisProvider.__dict__["_local_constants"]
    empty = type(HypothesisProvider(None)._local_constants)()
    HypothesisProvider._local_constants = property(lambda self: empty)  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        HypothesisProvider._local_constants = before  # type: ignore[method-assign]
