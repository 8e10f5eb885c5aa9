"""The decorator that declares a wrong part of the independent drivers, and puts it into a right one."""

from types import new_class
from typing import Any

from prism_testkit.backend import Backend
from tests.zoo.declare import Mutant
from tests.zoo.family import Declare, declaring_family

from .independent_ledger import Hand, LedgerPubSub, Reader, Shelf, ledger_backend
from .independent_lines import Library
from .independent_office import Office
from .independent_post import Addressee, Box, FilePost, MemoryPost, Post, post_backend
from .independent_tree import Nest, Tree, TreePubSub, tree_backend

__all__ = ["INDEPENDENT", "declaring_independent"]

INDEPENDENT: tuple[Backend[Any], ...] = (
    ledger_backend("zoo-pubsub-ledger"),
    post_backend("zoo-pubsub-post"),
    post_backend("zoo-pubsub-post-file", FilePost),
    tree_backend("zoo-pubsub-tree"),
)
"""Right ones, of architectures of their own: no check may fail on them."""

_SLOTS: dict[type, tuple[str, type]] = {
    Reader: ("reader_type", LedgerPubSub),
    Hand: ("hand_type", LedgerPubSub),
    Shelf: ("shelf_type", LedgerPubSub),
    Box: ("box_type", MemoryPost),
    Addressee: ("addressee_type", MemoryPost),
    Nest: ("nest_type", TreePubSub),
    Tree: ("tree_type", TreePubSub),
}


def _driver_of(part: type) -> type:
    slot, base = next(found for kind, found in _SLOTS.items() if issubclass(part, kind))

    def fill(body: dict[str, Any]) -> None:
        body.update({slot: part, "__module__": part.__module__, "__doc__": part.__doc__})

    return new_class(part.__name__, (base,), {}, fill)


def _make(name: str, wrong: type, /, **settings: Any) -> Backend[Any]:
    name = f"zoo-pubsub-{name}"
    if issubclass(wrong, Library):
        return ledger_backend(name, library=wrong)
    if issubclass(wrong, Office):
        return post_backend(name, settings.get("driver", MemoryPost), wrong)
    if not issubclass(wrong, LedgerPubSub | Post | TreePubSub):
        wrong = _driver_of(wrong)
    if issubclass(wrong, LedgerPubSub):
        return ledger_backend(name, wrong)
    if issubclass(wrong, TreePubSub):
        return tree_backend(name, wrong)
    return post_backend(name, wrong)


def declaring_independent(into: list[Mutant], home: str) -> Declare:
    """Return a decorator that appends what it is put on to ``into``; promises are given without ``pubsub_``."""
    return declaring_family(into, prefix="pubsub_", make=_make, home=home)
