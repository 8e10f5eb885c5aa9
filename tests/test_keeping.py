"""What a story keeps of a value is a copy of its own."""

from dataclasses import dataclass, field
from typing import Any, Self

import pytest

from prism_testkit.keeping import kept


@dataclass(frozen=True, slots=True)
class Slotted:
    body: Any
    headers: dict[str, str]


@dataclass(frozen=True)
class Plain:
    body: Any
    headers: dict[str, str]


@dataclass(frozen=True)
class Derived(Slotted):
    more: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Numbered(Plain):
    def __copy__(self) -> Self:
        return type(self)(b"by its own __copy__", self.headers)


@dataclass(frozen=True)
class Single(Plain):
    """There is one object of it, and no second can be made."""

    def __new__(cls, *args: Any) -> Self:
        if hasattr(cls, "only"):
            raise RuntimeError("there is one already")
        return super().__new__(cls)


@pytest.mark.parametrize("kind", [Slotted, Plain, Derived])
def test_a_frozen_dataclass_is_kept_as_a_copy_down_to_its_maps(kind: Any) -> None:
    value = kind(bytearray(b"x"), {"a": "b"})
    twin = kept(value)
    value.body[:] = b"changed"
    value.headers["a"] = "changed"
    assert type(twin) is kind
    assert twin is not value
    assert (twin.body, twin.headers) == (b"x", {"a": "b"})


def test_what_is_no_field_is_kept_too() -> None:
    value = Plain(b"x", {})
    vars(value)["lease"] = 5
    assert vars(kept(value))["lease"] == 5


def test_a_class_that_knows_how_it_is_copied_is_asked() -> None:
    assert kept(Numbered(b"x", {"a": "b"})) == Numbered(b"by its own __copy__", {"a": "b"})


def test_what_cannot_be_copied_is_kept_itself() -> None:
    value = Single(b"x", {})
    Single.only = True  # type: ignore[attr-defined]
    assert kept(value) is value
    unset = object.__new__(Slotted)
    assert kept(unset) is unset, "a field has no value"
