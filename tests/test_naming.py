"""Argument checks of patterns and attributes: what they give back, and what they refuse."""

import inspect
import re
from pathlib import Path
from typing import Any

import pytest

import prism_testkit as prism
from prism_testkit.interfaces.errors import InvalidName, PayloadTooLarge


@pytest.mark.parametrize(
    ("pattern", "tokens"),
    [
        ("a", ("a",)),
        ("*", ("*",)),
        (">", (">",)),
        ("a.>", ("a", ">")),
        (".", ("", "")),
        ("a..>", ("a", "", ">")),
        (">>.b", (">>", "b")),
        ("a>.b", ("a>", "b")),
        ("." * 512, ("",) * 513),
    ],
)
def test_a_pattern_is_cut_at_every_dot(pattern: str, tokens: tuple[str, ...]) -> None:
    assert prism.check_pattern(pattern, "subscribe_pattern", "acme") == tokens


@pytest.mark.parametrize("pattern", ["", "." * 513, "a\ud800", ">.", ">.a", "a.>.b", ">.>", "*.>.>"])
def test_a_pattern_that_is_no_name_or_goes_on_after_its_rest_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidName):
        prism.check_pattern(pattern, "subscribe_pattern", "acme")


def test_a_pattern_keeps_to_the_limits_of_its_store() -> None:
    assert prism.check_pattern("." * 64, "subscribe_pattern", "acme", prism.Limits(max_name=64))
    with pytest.raises(InvalidName):
        prism.check_pattern("." * 65, "subscribe_pattern", "acme", prism.Limits(max_name=64))


def test_attributes_are_a_private_copy() -> None:
    asked = {"a": "", " B": "é"}
    copy = prism.check_attributes(asked, "subscribe_filtered", "acme")
    assert copy == asked
    assert copy is not asked


@pytest.mark.parametrize(
    ("attributes", "error"),
    [
        (None, TypeError),
        ([("a", "b")], TypeError),
        ({"a": 1}, TypeError),
        ({"": "b"}, InvalidName),
        ({"a" * 513: "b"}, InvalidName),
        ({"a": "\ud800"}, ValueError),
        ({"a": "b" * 8192}, PayloadTooLarge),
    ],
)
def test_attributes_are_refused_as_headers_are_and_none_is_no_mapping(attributes: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        prism.check_attributes(attributes, "subscribe_filtered", "acme")


@pytest.mark.parametrize("limit", [0.5, "1", b"1"])
def test_a_limit_that_is_no_whole_number_is_a_type_error(limit: object) -> None:
    with pytest.raises(TypeError, match=type(limit).__name__):
        prism.check_limit(limit, "read", "mine")  # type: ignore[arg-type]
    assert [prism.check_limit(each, "read", "mine") for each in (None, 0, 7)] == [None, 0, 7]


def test_the_documentation_names_every_check_of_arguments_with_its_parameters() -> None:
    text = (Path(__file__).parents[1] / "docs" / "backends.md").read_text(encoding="utf-8")
    told = dict(re.findall(r"^\| `prism\.(check_\w+)\(([^)]*)\)`", text, re.MULTILINE))
    functions = {name for name in prism.__all__ if name.startswith("check_")}
    assert told.keys() == functions
    for name, parameters in told.items():
        given = [parameter.partition("=")[0] for parameter in parameters.split(", ")]
        assert given == [*inspect.signature(getattr(prism, name)).parameters]
