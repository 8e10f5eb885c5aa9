"""The linearizability checker against a simulator, a brute-force checker and the classic cases."""

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from keyvalue_cases import CORRECT, VIOLATIONS, call
from keyvalue_histories import apply, arbitrary, brute_force, simulate

from prism_testkit.checkers.linearizability import KeyValueModel, Model, Verdict, check_history, explain, worst
from prism_testkit.histories import Operation, Outcome

OK, FAILED, UNKNOWN = Outcome.OK, Outcome.FAILED, Outcome.UNKNOWN


def judge(operations: Sequence[Operation], **options: Any) -> Verdict:
    return worst(check_history(operations, KeyValueModel, **options))


# Random histories


@pytest.mark.parametrize("seed", range(10))
def test_no_correct_history_is_refused(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(1000):
        history = simulate(
            rng, clients=rng.randint(1, 6), count=rng.randint(1, 25), unknown=rng.choice([0, 0.1]), values=rng.choice([2, 1000])
        )
        verdict = judge(history)
        assert verdict.kind == "linearizable", explain(verdict)


@pytest.mark.parametrize("seed", range(6))
def test_small_histories_are_judged_as_by_brute_force(seed: int) -> None:
    rng = random.Random(seed)
    kinds = {"linearizable": 0, "violation": 0}
    for _ in range(1500):
        history = arbitrary(rng)
        expected = "linearizable" if brute_force(history) else "violation"
        kinds[expected] += 1
        rng.shuffle(history)
        assert [v.kind for v in check_history(history, KeyValueModel)] == [expected], history
    assert min(kinds.values()) > 300


@pytest.mark.parametrize("seed", range(4))
def test_one_changed_output_is_judged_as_by_brute_force(seed: int) -> None:
    rng = random.Random(seed)
    wrong = 0
    for _ in range(1000):
        history = simulate(rng, clients=3, count=6, unknown=0.15, values=2)
        told = [index for index, operation in enumerate(history) if operation.outcome is OK and operation.op != "set"]
        if not told:
            continue
        index = rng.choice(told)
        output = history[index].output
        history[index] = replace(history[index], output=not output if isinstance(output, bool) else rng.choice([None, b"0", b"1"]))
        expected = brute_force(history)
        wrong += not expected
        assert (judge(history).kind == "linearizable") is expected, history
    assert wrong > 200


@pytest.mark.parametrize("seed", range(3))
def test_a_value_from_nowhere_is_found_in_a_long_history(seed: int) -> None:
    rng = random.Random(seed)
    history = simulate(rng, clients=8, count=1000, unknown=0.01, values=10**6)
    reads = [index for index, o in enumerate(history) if o.op == "get" and o.outcome is OK]
    index = reads[len(reads) * 3 // 4]
    history[index] = replace(history[index], output=b"nobody wrote this")

    verdict = judge(history)

    assert verdict.kind == "violation"
    assert len(verdict.prefix) > 500
    assert history[index] in verdict.stuck


# Classic cases


@pytest.mark.parametrize("name", VIOLATIONS)
def test_classic_violation(name: str) -> None:
    assert judge(VIOLATIONS[name]).kind == "violation"
    assert not brute_force(VIOLATIONS[name])


@pytest.mark.parametrize("name", CORRECT)
def test_classic_correct_history(name: str) -> None:
    assert judge(CORRECT[name]).kind == "linearizable"
    assert brute_force(CORRECT[name])


# Keys, budgets, models


def test_each_key_is_judged_alone_in_the_order_of_first_calls() -> None:
    good, bad = CORRECT["an unknown delete explains a miss"], VIOLATIONS["stale read"]
    history = [replace(o, key="bad") for o in bad] + [
        replace(o, key="good", call=o.call + 10, ret=o.ret and o.ret + 10) for o in good
    ]

    verdicts = check_history(reversed(history), KeyValueModel)

    assert [(verdict.key, verdict.kind) for verdict in verdicts] == [("bad", "violation"), ("good", "linearizable")]
    assert worst(reversed(verdicts)).key == "bad"


def test_nothing_recorded_is_no_pass() -> None:
    assert check_history([], KeyValueModel) == []
    with pytest.raises(ValueError, match="nothing to judge"):
        worst([])


def test_a_spent_budget_is_undecided_and_says_so() -> None:
    history = simulate(random.Random(1), clients=8, count=200, unknown=0, values=1000)
    assert judge(history).kind == "linearizable"

    verdict = judge(history, step_budget=50)

    assert verdict.kind == "undecided"
    assert verdict.steps > 50
    assert "undecided after" in explain(verdict)
    good = judge(CORRECT["unknown reads say nothing"])
    bad = judge(VIOLATIONS["stale read"])
    assert worst([good, verdict]).kind == "undecided"
    assert worst([good, verdict, bad]).kind == "violation"


def test_a_violation_found_within_the_budget_is_none_beyond_it() -> None:
    verdict = judge(VIOLATIONS["stale read"])
    assert judge(VIOLATIONS["stale read"], step_budget=verdict.steps).kind == "violation"
    assert judge(VIOLATIONS["stale read"], step_budget=verdict.steps - 1).kind == "undecided"


def test_operations_of_unknown_outcome_do_not_multiply() -> None:
    nowhere = call(99, "get", (50, 51), b"nobody wrote this")
    lost_reads = [call(index, "get", (index, None), outcome=UNKNOWN) for index in range(20)]
    assert judge([*lost_reads, nowhere]).steps == judge([nowhere]).steps

    lost_writes = [call(index, f"set {index}", (index, None), outcome=UNKNOWN) for index in range(20)]
    assert judge([*lost_writes, nowhere], step_budget=2000).kind == "violation"  # of 2**20 subsets


def test_a_linearizable_verdict_holds_an_order_that_makes_sense() -> None:
    rng = random.Random(7)
    for _ in range(200):
        history = simulate(rng, clients=4, count=20, unknown=0.1, values=3)
        verdict = judge(history)
        value: bytes | None = None
        for position, operation in enumerate(verdict.prefix):
            value, output = apply(value, operation.op, operation.arguments)
            assert operation.outcome is UNKNOWN or output == operation.output
            assert all(later.ret is None or later.ret > operation.call for later in verdict.prefix[position:])
        assert verdict.state == value
        assert {o for o in history if o.outcome is OK} <= set(verdict.prefix) <= set(history)
        assert verdict.stuck == ()


def test_a_model_may_leave_several_states() -> None:
    class Coin:
        """``flip`` leaves either side; ``look`` tells which."""

        initial = "heads"

        def only_reads(self, operation: Operation) -> bool:
            return operation.op == "look"

        def step(self, state: str, operation: Operation) -> tuple[str, ...]:
            if operation.op == "flip":
                return ("heads", "tails")
            return (state,) if operation.output == state else ()

    model: Model[str] = Coin()
    flip, look = call(1, "flip", (0, 1)), call(2, "look", (2, 3), "tails")
    assert worst(check_history([flip, look], lambda: model)).kind == "linearizable"
    changed = call(2, "look", (4, 5), "heads")
    assert worst(check_history([flip, look, changed], lambda: model)).kind == "violation"


def test_an_initial_value_can_be_given() -> None:
    history = [call(1, "get", (0, 1), b"a")]
    assert worst(check_history(history, lambda: KeyValueModel(b"a"))).kind == "linearizable"


def test_what_cannot_be_judged_is_an_error() -> None:
    with pytest.raises(ValueError, match="does not know 'set_with_ttl' of 'k'"):
        judge([call(1, "set_with_ttl a", (0, 1))])
    with pytest.raises(ValueError, match="returns after it was called"):
        judge([call(1, "get", (3, 2))])


# Explanations


def test_explain_tells_the_order_the_state_and_what_does_not_fit() -> None:
    assert explain(judge(VIOLATIONS["an unknown write seen, then vanished"])).splitlines() == [
        "key 'k' is not linearizable. The longest order of its calls that makes sense:",
        "  client 1: set(b'a') -> None  [0..1]",
        "  client 1: set(b'b') -> unknown  [2..]",
        "  client 2: get() -> b'b'  [3..4]",
        "The state is then b'b', and none of these, one of which would have to be next, can follow:",
        "  client 2: get() -> b'a'  [5..6]",
    ]


def test_explain_names_calls_as_the_story_does() -> None:
    lines = explain(judge(VIOLATIONS["an unknown write seen, then vanished"]), lambda event: f"step {event + 1}").splitlines()
    assert [line for line in lines if line.startswith("  ")] == [
        "  step 1: set(b'a') -> None",
        "  step 3: set(b'b') -> unknown",
        "  step 4: get() -> b'b'",
        "  step 6: get() -> b'a'",
    ]


def test_explain_shows_at_most_twenty_operations_and_no_page_of_bytes() -> None:
    history = [call(1, "set a", (2 * index, 2 * index + 1)) for index in range(50)]
    history += [replace(call(client, "get", (200 + client, 400 + client)), output=bytes(5000)) for client in range(30)]

    text = explain(judge(history))

    assert len(text) < 4000
    assert text.count("client") == 20
    assert "... 40 before" in text
    assert "none of these 30" in text


def test_explain_a_pass() -> None:
    assert explain(judge(CORRECT["unknown reads say nothing"])) == "key 'k': linearizable, 1 operations in 1 steps"
