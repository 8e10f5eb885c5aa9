"""Hypothesis, driven by us: one call generates the cases of a check on a binding.

The database key is the check's id with its binding, so that one backend's examples are not tried on another; the seed is the
run's, mixed with that id; constants of local modules are off, so that neither ``-n`` nor a backend's source changes the data.
What Hypothesis keeps on disk (tables of characters) goes to our directory too.
What is private to Hypothesis stands in this module alone, and has a test.
"""

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
from hypothesis import HealthCheck, Phase, Verbosity, configuration
from hypothesis.database import DirectoryBasedExampleDatabase
from hypothesis.internal.cache import LRUCache
from hypothesis.internal.conjecture import providers
from hypothesis.internal.constants_ast import Constants

from prism_testkit.checks import Check

__all__ = ["generate", "mixed_seed"]


def mixed_seed(seed: int, identifier: str) -> int:
    """Mix the run's seed with a check's id: alone or among others, a check gets the same data."""
    return int.from_bytes(hashlib.blake2b(f"{seed}:{identifier}".encode(), digest_size=8).digest(), "big")


def generate(
    check: Check, case: Callable[..., object], identifier: str, examples: int, seed: int, state: Path | None, shrink: bool
) -> None:
    """Run ``case`` on stored and generated arguments; raise what the smallest failing one raised."""

    database = _Database(state / "examples") if state is not None else None

    def example(**arguments: Any) -> None:
        try:
            case(**arguments)
        except Exception:
            raise
        except BaseException:
            if database is not None:
                database.closed = True
            raise

    assert check.given is not None
    example.__name__ = check.name
    example._hypothesis_internal_add_digest = identifier.encode()  # type: ignore[attr-defined]
    phases = [Phase.reuse, Phase.generate] + ([Phase.shrink] if shrink else [])
    settings = hypothesis.settings(
        max_examples=examples,
        deadline=None,
        database=database,
        phases=phases,
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.quiet,
        report_multiple_bugs=False,
        print_blob=False,
        derandomize=False,
    )
    # Settings last: `seed` takes the database away from those that are there already.
    run = settings(hypothesis.seed(mixed_seed(seed, identifier))(hypothesis.given(**check.given)(example)))
    with _no_local_constants(), _home(state):
        run()


class _Database(DirectoryBasedExampleDatabase):
    """Failing examples. Hypothesis would store what ended without a verdict too: that closes it."""

    closed = False

    def save(self, key: bytes, value: bytes) -> None:
        if not self.closed:
            super().save(key, value)


_NONE = Constants()
_constants: LRUCache[Any, Any] = LRUCache(1024)


@contextlib.contextmanager
def _no_local_constants() -> Iterator[None]:
    provider = providers.HypothesisProvider
    before = provider.__dict__["_local_constants"], providers.CONSTANTS_CACHE
    # The cache mixes what is global with what is local: the process's other tests keep theirs, and we ours.
    provider._local_constants = property(lambda self: _NONE)  # type: ignore[method-assign, assignment]
    providers.CONSTANTS_CACHE = _constants
    try:
        yield
    finally:
        provider._local_constants, providers.CONSTANTS_CACHE = before  # type: ignore[method-assign]


@contextlib.contextmanager
def _home(state: Path | None) -> Iterator[None]:
    if state is None:
        yield
        return
    before = configuration.storage_directory(intent_to_write=False).home_directory
    configuration.set_hypothesis_home_dir(state / "hypothesis")
    try:
        yield
    finally:
        configuration.set_hypothesis_home_dir(before)
