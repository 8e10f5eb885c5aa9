"""What `generation` and `checks` take from inside Hypothesis does here what it is used for: a new Hypothesis fails here first."""

import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import configuration, example, given, settings
from hypothesis import strategies as st
from hypothesis.internal.conjecture import providers
from hypothesis.internal.constants_ast import Constants

from prism_testkit.checks import Check, check
from prism_testkit.generation import generate, mixed_seed
from prism_testkit.interfaces import KeyValueBasic
from prism_testkit.outcomes import HarnessError, Hung, Inconclusive, Unavailable


class Broke(Exception):
    """What a case of these tests fails with."""


def _check(strategy: Any) -> Check:
    @check("keyvalue_basic.1")
    @given(value=strategy)
    async def drawn(kv: KeyValueBasic, value: Any) -> None:
        """A check that is never called: `generate` is handed its own cases."""

    return drawn


def _generate(
    case: Callable[[Any], None],
    state: Path | None = None,
    *,
    strategy: Any = None,
    identifier: str = "x.py::drawn[a]",
    examples: int = 25,
    seed: int = 1,
    shrink: bool = True,
) -> list[Any]:
    """Generate, and return every value that the case was called with."""
    seen: list[Any] = []

    def recorded(value: Any) -> None:
        seen.append(value)
        case(value)

    drawn = _check(st.integers(0, 10_000_000) if strategy is None else strategy)
    try:
        generate(drawn, recorded, identifier, examples, seed, state, shrink)
    except Broke:
        seen.append("broke")
    return seen


def _breaks_above(limit: int) -> Callable[[int], None]:
    def case(value: int) -> None:
        if value > limit:
            raise Broke

    return case


def _anything(value: Any) -> None:
    """Accept every value."""


def test_a_given_keeps_its_function_and_its_strategies() -> None:
    strategy = st.integers()

    @given(value=strategy)
    async def drawn(kv: KeyValueBasic, value: int) -> None: ...

    handle = drawn.hypothesis  # type: ignore[attr-defined]
    assert handle.inner_test.__name__ == "drawn"
    assert handle.inner_test is not drawn
    assert handle._given_kwargs == {"value": strategy}
    assert check("keyvalue_basic.1")(drawn).function is handle.inner_test


def test_a_seed_gives_the_same_data_and_another_seed_or_check_gives_other_data() -> None:
    one = _generate(_anything)
    assert len(one) == 25
    assert _generate(_anything) == one
    assert _generate(_anything, seed=2) != one
    assert _generate(_anything, identifier="x.py::drawn[b]") != one
    assert mixed_seed(1, "a") != mixed_seed(1, "b")


def test_as_many_examples_run_as_were_asked_for_whatever_the_profile_says() -> None:
    settings.register_profile("frugal", max_examples=3, derandomize=True, database=None)
    before = settings.get_current_profile_name()
    settings.load_profile("frugal")
    try:
        assert len(_generate(_anything)) == 25
        assert _generate(_anything, seed=2) != _generate(_anything)
    finally:
        settings.load_profile(before)


def test_a_failing_example_is_shrunk_stored_and_tried_first_next_time(tmp_path: Path) -> None:
    found = _generate(_breaks_above(1000), tmp_path)
    assert found[-2:] == [1001, "broke"]
    assert _generate(_breaks_above(1000), tmp_path, seed=2)[0] == 1001


def test_without_shrinking_the_first_failing_example_is_the_one() -> None:
    found = _generate(_breaks_above(1000), shrink=False)
    assert found[-1] == "broke"
    first = next(value for value in found if value > 1000)
    assert set(found[found.index(first) : -1]) == {first}


def test_a_stored_example_of_one_binding_is_not_tried_on_another(tmp_path: Path) -> None:
    _generate(_breaks_above(1000), tmp_path, identifier="x.py::drawn[a]")
    assert 1001 not in _generate(_anything, tmp_path, identifier="x.py::drawn[b]")
    assert _generate(_anything, tmp_path, identifier="x.py::drawn[a]")[0] == 1001


@pytest.mark.parametrize("kind", [HarnessError, Hung, Inconclusive, Unavailable, KeyboardInterrupt])
def test_what_is_no_verdict_ends_at_once_and_is_neither_shrunk_nor_stored(tmp_path: Path, kind: type[BaseException]) -> None:
    seen: list[int] = []

    def case(value: int) -> None:
        seen.append(value)
        if len(seen) == 3:
            raise kind("no verdict")

    with pytest.raises(kind, match="no verdict"):
        _generate(case, tmp_path)
    assert len(seen) == 3
    assert not [path for path in (tmp_path / "examples").rglob("*") if path.is_file()]


@pytest.fixture
def local_constants(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Constants as Hypothesis would find them in a local module."""
    numbers = [7_654_321 + number for number in range(50)]
    found = Constants(integers=numbers)
    monkeypatch.setattr(providers, "_get_local_constants", lambda: found)
    monkeypatch.setattr(providers, "CONSTANTS_CACHE", type(providers.CONSTANTS_CACHE)(1024))
    return numbers


def _plainly() -> set[int]:
    """Return what Hypothesis draws by itself."""
    seen: set[int] = set()

    @settings(max_examples=1000, database=None)
    @given(st.integers(0, 10_000_000))
    @example(0)
    def draw(value: int) -> None:
        seen.add(value)

    draw()
    return seen


def test_local_constants_are_drawn_by_hypothesis_and_not_by_us(local_constants: list[int]) -> None:
    assert _plainly() & set(local_constants), "Hypothesis has changed: is what generation.py turns off still there?"
    assert not set(_generate(_anything, examples=1000)) & set(local_constants), "after a cache that holds them"
    assert _plainly() & set(local_constants), "what was turned off is on again"


def test_nothing_is_written_outside_our_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere, state = tmp_path / "elsewhere", tmp_path / ".prism"
    monkeypatch.setattr(configuration, "__hypothesis_home_directory", elsewhere)
    # A local module with constants, and text, whose tables of characters Hypothesis keeps on disk.
    (tmp_path / "local_module.py").write_text("CONSTANT = 7654321\n")
    module = types.ModuleType("local_module")
    module.__file__ = str(tmp_path / "local_module.py")
    monkeypatch.setitem(sys.modules, "local_module", module)
    monkeypatch.setattr(providers, "_sys_modules_len", 0)
    monkeypatch.setattr("hypothesis.internal.charmap._charmap", None)
    _generate(_anything, state, strategy=st.text(), examples=200)
    assert not elsewhere.exists()
    assert configuration.storage_directory(intent_to_write=False).home_directory == elsewhere
