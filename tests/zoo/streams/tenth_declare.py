"""The decorator that declares a mutant of the streams in documents: of the driver, its member or its shelf."""

from types import new_class
from typing import Any

from prism_testkit.backend import Backend
from tests.zoo.declare import Mutant
from tests.zoo.family import Declare, declaring_family

from .declare import HOME
from .tenth_documents import FileShelf, Shelf, document_backend
from .tenth_members import DocumentMember
from .tenth_streams import DocumentStreams

__all__ = ["declaring_tenth"]


def _make(name: str, wrong: type, /, **settings: Any) -> Backend[Any]:
    """Put what is wrong where it belongs in a right driver; ``kept`` puts it over files."""
    name = f"zoo-stream-tenth-{name}"
    kind = FileShelf if settings.pop("kept", False) else Shelf
    if issubclass(wrong, Shelf):
        return document_backend(name, DocumentStreams, wrong, **settings)
    if issubclass(wrong, DocumentMember):
        part = wrong
        wrong = new_class(
            part.__name__, (DocumentStreams,), {}, lambda body: body.update(member_type=part, __module__=part.__module__)
        )
    return document_backend(name, wrong, kind, **settings)


def declaring_tenth(into: list[Mutant]) -> Declare:
    """Return a decorator that appends what it is put on to ``into``; promises are given without ``stream_``."""
    return declaring_family(into, prefix="stream_", make=_make, home=HOME)
