"""What the object storage drivers share, by itself: streams in blocks, deadlines in milliseconds, and no limit of size."""

import itertools
import math
from fractions import Fraction

import pytest

import prism_testkit as prism
from prism_backends.objects import LIMITS, Intake, Target, deadline_after, expires_at_ms
from prism_testkit import strategies
from prism_testkit.interfaces.errors import InvalidName
from prism_testkit.strategies.payloads import WIDEST
from prism_testkit.traits import NO_LIMIT

NOW_S = prism.VirtualClock.START_S


def intake(size: int | None = None, block_bytes: int = 8) -> Intake:
    return Intake(Target("mine", "put_stream", "bucket", "key"), size, block_bytes)


@pytest.mark.parametrize("lengths", [(), (0,), (1,), (8,), (9,), (100,), (7, 1), (7, 2), (3, 0, 30, 8, 5), (1,) * 17, (16, 16)])
def test_chunks_of_any_length_become_blocks_of_one_length(lengths: tuple[int, ...]) -> None:
    data = strategies.patterned(sum(lengths))
    ends = list(itertools.accumulate(lengths, initial=0))
    taking = intake(len(data))
    full = [block for start, end in itertools.pairwise(ends) for block in taking.add(bytearray(data[start:end]))]
    rest = list(taking.end())
    assert {len(block) for block in full} <= {8}
    assert [len(block) for block in rest] == ([len(data) % 8] if len(data) % 8 else [])
    assert b"".join(full + rest) == data
    assert taking.total == len(data)


def test_a_block_is_given_before_the_next_is_made_of_the_same_chunk() -> None:
    taking = intake()
    blocks = taking.add(bytes(80))
    next(blocks)
    assert len(taking._held) <= 8


@pytest.mark.parametrize(("size", "chunks"), [(0, [1]), (7, [8]), (8, [8, 1]), (8, [4, 5])])
def test_more_than_was_announced_is_refused_with_the_chunk_that_has_it(size: int, chunks: list[int]) -> None:
    taking = intake(size)
    for length in chunks[:-1]:
        list(taking.add(bytes(length)))
    with pytest.raises(ValueError, match=f"mine: put_stream 'bucket' 'key'.* more than the {size} bytes"):
        list(taking.add(bytes(chunks[-1])))


def test_less_than_was_announced_is_refused_at_the_end() -> None:
    taking = intake(9)
    list(taking.add(bytes(8)))
    with pytest.raises(ValueError, match="ended after 8 of 9 bytes"):
        list(taking.end())


@pytest.mark.parametrize("key", [(), ("key",)])
def test_an_error_names_the_operation_the_names_and_the_backend(key: tuple[str, ...]) -> None:
    target = Target("mine", "get", "bucket", *key)
    names = " ".join(repr(name) for name in ("bucket", *key))
    assert str(target.no_bucket()) == f"mine: get {names}: there is no such bucket"
    assert str(target.no_object()) == f"mine: get {names}: there is no such object"


def test_none_and_the_empty_name_are_refused_as_keys() -> None:
    with pytest.raises(TypeError):
        Target("mine", "get", "bucket", None)  # type: ignore[arg-type]
    with pytest.raises(InvalidName):
        Target("mine", "get", "bucket", "")


@pytest.mark.parametrize("ttl_s", [0.001, 0.0015, 0.1, 1.0, 9.999, 60.0, 1234.5678, 86400.0, 1e9, 1e10])
@pytest.mark.parametrize("now_s", [float(NOW_S), NOW_S + 0.001, NOW_S + 0.123456789, NOW_S + 1e9])
def test_a_deadline_is_never_early_and_told_to_the_millisecond(ttl_s: float, now_s: float) -> None:
    exact = Fraction(now_s) + Fraction(ttl_s)
    deadline_s = deadline_after(ttl_s, now_s)
    assert exact <= Fraction(deadline_s) < exact + Fraction(1, 10_000)
    told = Fraction(expires_at_ms(deadline_s), 1000)
    # Rounded up, and up to the errors of a float: 2e-6 s.
    assert exact - Fraction(4, 1_000_000) <= told < exact + Fraction(1, 1000)


def test_whole_milliseconds_are_told_as_they_are() -> None:
    assert expires_at_ms(deadline_after(10.0, NOW_S)) == (NOW_S + 10) * 1000
    assert expires_at_ms(deadline_after(0.1, NOW_S + 0.007)) == NOW_S * 1000 + 107


@pytest.mark.parametrize("ttl_s", [0.0, -0.0, -1.0, -1e300])
def test_no_time_to_live_has_ended_on_every_clock(ttl_s: float) -> None:
    assert deadline_after(ttl_s, NOW_S) == 0
    assert expires_at_ms(0.0) == 0


def test_the_longest_time_to_live_can_be_told() -> None:
    assert math.isfinite(deadline_after(1e308, NOW_S))
    assert expires_at_ms(deadline_after(1e308, NOW_S)) > 10**15


def test_without_a_limit_nothing_is_over_it_and_no_strategy_makes_gigabytes() -> None:
    assert LIMITS.max_payload == NO_LIMIT
    assert strategies.over(NO_LIMIT) == []
    longest = max(len(payload) for payload in strategies.gauntlet_payloads(NO_LIMIT))
    assert longest == WIDEST > 8 * 1024 * 1024
    assert max(len(payload) for pair in strategies.gauntlet_pairs(NO_LIMIT, most=5000) for payload in pair) <= 5000
