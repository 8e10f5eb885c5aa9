"""Every form in which text may be handed over: instances of subclasses of ``str``, which are their code points."""

from collections.abc import Callable, Mapping
from enum import Enum, StrEnum

__all__ = ["SAMPLES", "TEXTS"]

SAMPLES = ("a", "é/%", "a\x00b", "🍣" * 12)
"""Texts, all of which there are in each form."""


class _Plain(str):
    """A text of a type of its own, as applications have."""

    __slots__ = ()


class _Marked(str):
    """Shows itself otherwise than it is, as texts do that are safe for a page, or secret."""

    __slots__ = ()

    def __str__(self) -> str:
        return "shown"

    def __repr__(self) -> str:
        return "<shown>"

    def __format__(self, how: str) -> str:
        return "shown"


class _Member(str, Enum):  # noqa: UP042 - the older kind shows itself as its name
    """Names that an application has listed, in the older way."""

    PLAIN, ODD, NUL, WIDE = SAMPLES


class _StrMember(StrEnum):
    """And in the newer one."""

    PLAIN, ODD, NUL, WIDE = SAMPLES


TEXTS: Mapping[str, Callable[[str], str]] = {
    "instance of a subclass": _Plain,
    "text that is shown otherwise": _Marked,
    "member of an Enum": _Member,
    "member of a StrEnum": _StrMember,
}
"""Ways to hand over one of the samples. The third is shown by ``str()`` and ``format()`` as the name of its member."""
