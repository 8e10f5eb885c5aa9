"""How a mistake of another project becomes a mutant: a wrong `Node`, `Remote` or `Open`, put into what is right otherwise."""

from types import new_class
from typing import Any

from prism_testkit.backend import Backend

from .declare import HOME, Mutant
from .family import Declare, declaring_family
from .history_client import Open, Remote, history
from .history_server import Node

__all__ = ["declaring_history"]


def _make(name: str, wrong: type, /, node: type[Node] = Node, **settings: Any) -> Backend[Node]:
    if issubclass(wrong, Node):
        return history(name, node=wrong, **settings)
    if not issubclass(wrong, Open):
        return history(name, wrong, node, **settings)

    def fill(body: dict[str, Any]) -> None:
        body.update(transaction_type=wrong, __module__=wrong.__module__, __doc__=wrong.__doc__)

    return history(name, new_class(wrong.__name__, (Remote,), {}, fill), node, **settings)


def declaring_history(into: list[Mutant]) -> Declare:
    """Return a decorator that appends what it is put on to ``into``; ``node`` puts a wrong server under a driver."""
    return declaring_family(into, prefix="keyvalue_", make=_make, home=HOME)
