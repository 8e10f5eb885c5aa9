"""What a witness carries comes back as it was, and a file that is none says so."""

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prism_testkit.programs import Program, Step, programs
from prism_testkit.witness import NotEncodable, Witness, WitnessError, decode, encode, register

TEXT = st.text(st.characters()) | st.sampled_from(["", "\0", "\ud800", "a\u0301", "$bytes", "\u202e", "\x1b[2J"])
FLATS = st.none() | st.booleans() | st.integers() | st.floats() | TEXT | st.binary()
HASHABLE = st.recursive(FLATS, lambda inner: st.lists(inner, max_size=3).map(tuple), max_leaves=5)
DATA = st.recursive(
    FLATS | programs(["get", "set"], length=3),
    lambda inner: st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(HASHABLE, inner),
    max_leaves=20,
)


def _same(one: Any, other: Any) -> bool:
    """Compare with types, the sign of zero, and NaN being itself."""
    if type(one) is not type(other):
        return False
    if isinstance(one, float):
        return (math.isnan(one) and math.isnan(other)) or (one == other and math.copysign(1, one) == math.copysign(1, other))
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, dict):
        return _same(list(one.items()), list(other.items()))
    return bool(one == other)


@settings(max_examples=50)
@given(value=DATA)
def test_what_is_encoded_is_decoded_by_way_of_json(value: Any) -> None:
    assert _same(decode(json.loads(json.dumps(encode(value)))), value)


@given(program=programs(["get", "set", "delete"], length=5))
def test_a_program_comes_back(program: Program) -> None:
    assert decode(json.loads(json.dumps(encode(program)))) == program
    assert all(isinstance(step, Step) for step in decode(encode(program)).steps)


@pytest.mark.parametrize("value", [object(), {1, 2}, [1j], {"a": bytearray(b"x")}, (lambda: None,)])
def test_what_has_no_form_is_refused_with_its_type(value: Any) -> None:
    with pytest.raises(NotEncodable, match=r"^(object|set|complex|bytearray|function) has no form in a witness"):
        encode(value)


@settings(max_examples=20)
@given(arguments=st.dictionaries(TEXT, DATA, max_size=3))
def test_a_file_carries_the_whole_case(tmp_path_factory: pytest.TempPathFactory, arguments: dict[str, Any]) -> None:
    witness = _witness(arguments=arguments)
    path = witness.save(tmp_path_factory.getbasetemp() / "witnesses")
    loaded = Witness.load(path)
    assert _same(loaded.decoded(arguments), dict(sorted(arguments.items())))
    assert loaded == witness
    assert [p.suffix for p in path.parent.iterdir() if p.name.startswith(path.stem)] == [".json"], "no temporary file is left"


def _witness(**changes: Any) -> Witness:
    fields: dict[str, Any] = {
        "check": "a.py::c",
        "binding": "x",
        "backends": ("x", "y"),
        "promise": "keyvalue_basic.1",
        "seed": 1,
        "arguments": {},
    }
    return Witness.of(**fields | changes)


def test_the_same_case_is_the_same_file_whatever_the_seed(tmp_path: Path) -> None:
    assert _witness(seed=1).save(tmp_path) == _witness(seed=2).save(tmp_path)
    assert _witness(binding="y").save(tmp_path) != _witness().save(tmp_path) != _witness(arguments={"a": 1}).save(tmp_path)


GOOD = {
    "format": "prism-testkit-witness",
    "version": 1,
    "check": "a.py::c",
    "binding": "x",
    "backends": ["x"],
    "promise": "keyvalue_basic.1",
    "seed": 1,
    "arguments": {},
}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "not a witness of prism-testkit"),
        (b'{"format": "prism-testkit-report"}', "not a witness of prism-testkit"),
        (json.dumps(GOOD | {"version": 2}).encode(), "version 2, this prism-testkit reads version 1"),
        (json.dumps({k: v for k, v in GOOD.items() if k != "check"}).encode(), "incomplete: expected check to be str, found None"),
        (json.dumps(GOOD | {"check": 7}).encode(), "expected check to be str, found 7"),
        (json.dumps(GOOD | {"backends": "x y"}).encode(), "expected backends to be list, found 'x y'"),
        (json.dumps(GOOD | {"arguments": []}).encode(), "expected arguments to be dict, found []"),
    ],
)
def test_a_file_that_is_no_witness_says_which_and_why(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "w.json"
    path.write_bytes(content)
    with pytest.raises(WitnessError) as caught:
        Witness.load(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert said in str(caught.value)


def test_a_missing_file_and_a_folder_are_no_witness(tmp_path: Path) -> None:
    for path, said in ((tmp_path / "w.json", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(WitnessError, match=f"{path}: {said}"):
            Witness.load(path)


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"$object": "Missing", "fields": {}}, "it holds a 'Missing', which is not known here"),
        ({"$object": ["x"], "fields": {}}, "incomplete: TypeError"),
        ({"$object": "Step", "fields": {"x": 1}}, "incomplete: TypeError"),
        ({"$object": "Step"}, "incomplete: KeyError"),
        ({"$what": 1}, "it holds an unknown form with the keys ['$what']"),
        ({"$bytes": "a"}, "incomplete: Error"),
        ({"$bytes": 1}, "incomplete: TypeError"),
        ({"$float": "x"}, "incomplete: ValueError"),
        ({"$dict": [[[1], 2]]}, "incomplete: TypeError"),
        ({"$dict": [[1]]}, "incomplete: ValueError"),
    ],
)
def test_data_in_an_unknown_form_are_refused_when_they_are_needed(form: Any, said: str) -> None:
    witness = Witness(check="a.py::c", binding="x", backends=("x",), promise="p.1", seed=1, arguments={"a": form})
    with pytest.raises(WitnessError) as caught:
        witness.decoded(["a"])
    assert said in str(caught.value)


def test_data_of_a_check_that_takes_others_now_are_refused() -> None:
    with pytest.raises(WitnessError, match="it holds a, b, and the check now takes no data"):
        _witness(arguments={"b": 1, "a": 2}).decoded([])


def test_two_classes_of_one_name_cannot_both_travel() -> None:
    @dataclasses.dataclass
    class Step:
        """Not that of programs."""

    with pytest.raises(TypeError, match="registered under the same name"):
        register(Step)
    with pytest.raises(TypeError, match="is not a dataclass"):
        register(int)
