"""What is drawn keeps to the limits of the bound backend, is distinct, and shrinks to the short and plain."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from prism_testkit.strategies._limits import current_limits
from prism_testkit.strategies.hypothesis_strategies import names, payload_pools, payloads, prefixes, ttls, universes
from prism_testkit.strategies.payloads import CHEAP
from prism_testkit.strategies.transformations import legal
from prism_testkit.traits import Limits

_NAMES, _UNIVERSES, _PAYLOADS, _POOLS = names(), universes(), payloads(), payload_pools()
_FIND = settings(max_examples=5000, database=None, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
_DRAW = settings(max_examples=300, database=None, derandomize=True, deadline=None, phases=[Phase.generate])


@pytest.fixture(params=[Limits(), Limits(max_name=64, max_payload=64), Limits(max_name=100, max_payload=70), Limits(max_name=2048)])
def limits(request: pytest.FixtureRequest) -> Iterator[Limits]:
    token = current_limits.set(request.param)
    yield request.param
    current_limits.reset(token)


def test_names_are_legal(limits: Limits) -> None:
    @_DRAW
    @given(_NAMES)
    def check(name: str) -> None:
        assert legal(name, limits.max_name)

    check()


def test_universes_are_distinct_and_legal(limits: Limits) -> None:
    lengths = set()

    @_DRAW
    @given(_UNIVERSES)
    def check(universe: tuple[str, ...]) -> None:
        lengths.add(len(universe))
        assert len(set(universe)) == len(universe)
        assert all(legal(name, limits.max_name) for name in universe)

    check()
    assert lengths == set(range(2, 9))


def test_universes_have_the_sizes_asked_for(limits: Limits) -> None:
    @_DRAW
    @given(universes(min_size=3, max_size=4), universes(min_size=20, max_size=40))
    def check(few: tuple[str, ...], many: tuple[str, ...]) -> None:
        assert 3 <= len(set(few)) <= 4
        assert 20 <= len(set(many)) <= 40

    check()


def test_payloads_keep_to_the_limit_and_are_cheap(limits: Limits) -> None:
    @_DRAW
    @given(_PAYLOADS)
    def check(payload: bytes) -> None:
        assert len(payload) <= min(limits.max_payload, CHEAP)

    check()


def test_pools_are_distinct_and_keep_to_the_limit(limits: Limits) -> None:
    @_DRAW
    @given(_POOLS)
    def check(pool: tuple[bytes, ...]) -> None:
        assert 2 <= len(set(pool)) == len(pool) <= 6
        assert all(len(payload) <= limits.max_payload for payload in pool)

    check()


def test_prefixes_are_legal_or_empty_and_often_match(limits: Limits) -> None:
    matched = [0, 0]

    @_DRAW
    @given(_UNIVERSES.flatmap(lambda universe: st.tuples(st.just(universe), prefixes(universe))))
    def check(drawn: tuple[tuple[str, ...], str]) -> None:
        universe, prefix = drawn
        assert prefix == "" or legal(prefix, limits.max_name)
        matched[any(name.startswith(prefix) for name in universe)] += 1

    check()
    assert min(matched) > 30


def test_prefixes_of_an_empty_universe_are_legal() -> None:
    @_DRAW
    @given(prefixes(()))
    def check(prefix: str) -> None:
        assert prefix == "" or legal(prefix, 512)

    check()


def test_times_to_live_keep_to_the_bounds_asked_for() -> None:
    @_DRAW
    @given(ttls(), ttls(-1.0, 60.0), ttls(59.95, 59.96))
    def check(any_time: float, short: float, only: float) -> None:
        assert 0.001 <= any_time <= 1e10
        assert -1.0 <= short <= 60.0
        assert 59.95 <= only <= 59.96

    check()
    assert find(ttls(-1.0), lambda seconds: seconds <= 0, settings=_FIND) in (0.0, -0.001, -1.0)


def test_everything_shrinks_to_the_plainest() -> None:
    assert find(_NAMES, lambda _: True, settings=_FIND) == "a"
    assert find(_UNIVERSES, lambda _: True, settings=_FIND) == ("a", "b")
    assert find(universes(min_size=4), lambda _: True, settings=_FIND) == ("a", "b", "aa", "ab")
    assert find(_PAYLOADS, lambda _: True, settings=_FIND) == b""
    assert find(prefixes(("a", "b")), lambda _: True, settings=_FIND) == ""
    assert find(ttls(), lambda _: True, settings=_FIND) == 1.0


def test_a_pair_that_differs_in_case_is_all_that_is_left_of_a_universe() -> None:
    found = find(_UNIVERSES, lambda names: len({name.lower() for name in names}) < len(names), settings=_FIND)
    assert len(found) == 2
    assert max(map(len, found)) <= 2


def test_a_pair_that_differs_behind_255_characters_and_at_most_what_they_were_made_from_is_left() -> None:
    found = find(_UNIVERSES, lambda names: len({name[:255] for name in names}) < len(names), settings=_FIND)
    assert len(found) <= 3


def test_a_third_name_goes_when_the_first_and_the_last_are_enough() -> None:
    found = find(_UNIVERSES, lambda names: any(name.strip() == names[0] for name in names[1:]), settings=_FIND)
    assert len(found) == 2
    assert found[0] == "a"
    assert found[1].strip() == "a"


def test_long_payloads_shrink_to_the_shortest_that_is_cut() -> None:
    assert len(find(_PAYLOADS, lambda payload: len(payload) > 100, settings=_FIND)) <= 255
    assert len(find(_PAYLOADS, lambda payload: b"\xff" in payload, settings=_FIND)) <= 300


def test_payload_pools_shrink_to_a_pair() -> None:
    found = find(_POOLS, lambda pool: len({payload.rstrip(b"\0") for payload in pool}) < len(pool), settings=_FIND)
    assert len(found) == 2
    assert max(map(len, found)) <= 2


def test_the_limits_are_read_when_drawing_not_when_building() -> None:
    token = current_limits.set(Limits(max_name=64, max_payload=64))
    try:
        with pytest.raises(NoSuchExample):
            find(_NAMES, lambda name: len(name.encode()) > 64, settings=settings(_FIND, max_examples=300))
    finally:
        current_limits.reset(token)
    assert len(find(_NAMES, lambda name: len(name.encode()) > 64, settings=_FIND).encode()) > 64
