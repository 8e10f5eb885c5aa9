"""All changes of a module, and the same module with a probe before each statement, which tells who reaches what."""

import ast
import copy
import random
import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import TypeAlias

from .change import Change, Place, Text
from .expressions import of_expression
from .statements import of_pair, of_statement

__all__ = ["PROBE", "changes", "drawn", "probed", "used_by"]

PROBE = "_prism_reached_"
"""The name in ``builtins`` that a probed module calls with the line of each statement; what has none is not told."""

_Where: TypeAlias = frozenset[int] | None
_Proposal: TypeAlias = tuple[int, _Where, str, Place, ast.expr | list[ast.stmt]]
"""The line, the statements that hold or use it, what it says, where it goes and what."""

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def changes(text: str, only: str = "") -> Iterator[Change]:
    """Yield every change of a module; two that come to the same text count once. ``only`` is in what each says of itself."""
    module = Text(text)
    yield from _made(module, [proposal for proposal in _proposals(module) if only in proposal[2]])


def drawn(text: str, seed: int, only: str = "") -> Iterator[Change]:
    """Yield every change of a module in an order that is drawn: of a kind that is ten times as frequent three times as many."""
    module = Text(text)
    proposals = [proposal for proposal in _proposals(module) if only in proposal[2]]
    dice = random.Random(seed)
    dice.shuffle(proposals)
    sizes = Counter(_kind(what) for _, _, what, _, _ in proposals)
    ranks: Counter[str] = Counter()
    keyed = []
    for proposal in proposals:
        kind = _kind(proposal[2])
        keyed.append(((ranks[kind] + dice.random()) / sizes[kind] ** 0.5, proposal))
        ranks[kind] += 1
    keyed.sort(key=lambda pair: pair[0])
    yield from _made(module, [proposal for _, proposal in keyed])


def _made(module: Text, proposals: list[_Proposal]) -> Iterator[Change]:
    seen: set[str] = set()
    for line, statements, what, place, new in proposals:
        changed = module.put(place, new)
        if changed is not None and changed not in seen:
            seen.add(changed)
            yield Change(line=line, statements=statements, what=what, text=changed)


def _kind(what: str) -> str:
    return re.sub(r"\d+", "", what.partition(":")[0])


def probed(text: str) -> str:
    """Return the module with a probe before each statement of its functions."""
    tree = ast.parse(text)
    for function in ast.walk(tree):
        if isinstance(function, _FUNCTIONS):
            _probe(function)
    head = 0
    while head < len(tree.body) and _is_head(tree.body[head]):
        head += 1
    tree.body[head:head] = ast.parse(f"import builtins\n{PROBE} = getattr(builtins, {PROBE!r}, lambda line: None)").body
    return ast.unparse(ast.fix_missing_locations(tree))


def _is_head(statement: ast.stmt) -> bool:
    return (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)) or (
        isinstance(statement, ast.ImportFrom) and statement.module == "__future__"
    )


def _probe(node: ast.AST) -> None:
    for field in ("body", "orelse", "finalbody"):
        statements = getattr(node, field, None)
        if not isinstance(statements, list):
            continue
        together: list[ast.stmt] = []
        for statement in statements:
            if not _is_text(statement):
                together += ast.parse(f"{PROBE}({statement.lineno})").body
            together.append(statement)
            if not isinstance(statement, (*_FUNCTIONS, ast.ClassDef)):
                _probe(statement)
        setattr(node, field, together)
    for part in [*getattr(node, "handlers", []), *getattr(node, "cases", [])]:
        _probe(part)


def _is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant) and isinstance(statement.value.value, str)


def _proposals(module: Text) -> Iterator[_Proposal]:
    errors, again, uses = _errors(module.tree), _set_again(module.tree), used_by(module.tree)
    for top in module.tree.body:
        name = _private_name(top)
        everywhere = uses.get(name) if name else None
        for node, statement, awaits in _walk(ast.Module([top], []), 0, False):
            where = frozenset({statement}) if statement else everywhere
            if isinstance(node, ast.expr):
                for what, new in of_expression(node):
                    yield node.lineno, where, what, module.place(node), new
            elif isinstance(node, ast.stmt):
                for what, body in of_statement(node, errors, again):
                    yield node.lineno, where, what, module.place(node), copy.deepcopy(body)
            if statement:
                yield from _of_blocks(module, node, awaits)


def _of_blocks(module: Text, node: ast.AST, awaits: bool) -> Iterator[_Proposal]:
    for field in ("body", "orelse", "finalbody"):
        block = getattr(node, field, None)
        if isinstance(block, list):
            for first, second in pairwise(block):
                if not _is_text(first):
                    for what, body in of_pair(first, second, awaits=awaits):
                        lines = frozenset({first.lineno, second.lineno})
                        yield second.lineno, lines, what, module.place(first, second), copy.deepcopy(body)


def _walk(node: ast.AST, statement: int, awaits: bool) -> Iterator[tuple[ast.AST, int, bool]]:
    """Yield every node that may be changed, with the line of the statement it is a part of, and whether a coroutine runs it."""
    for part in _parts(node):
        within, inside = statement, awaits
        if isinstance(part, _FUNCTIONS):
            within, inside = part.body[0].lineno, isinstance(part, ast.AsyncFunctionDef)
            for default in [*part.args.defaults, *(each for each in part.args.kw_defaults if each is not None)]:
                yield default, 0, False
                yield from _walk(default, 0, False)
        elif isinstance(part, ast.stmt) and statement:
            within = part.lineno
        if isinstance(part, ast.expr | ast.stmt):
            yield part, within, inside
        yield from _walk(part, within, inside)


def _parts(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the parts of a node but annotations, decorators, bases, messages of errors, imports and texts in braces."""
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            yield from node.body
        case ast.ClassDef():
            yield from node.body
        case ast.AnnAssign():
            if node.value is not None:
                yield node.value
        case ast.Assign(targets=[ast.Name(id="__all__" | "__slots__")]):
            return
        case ast.Raise() | ast.JoinedStr() | ast.Import() | ast.ImportFrom() | ast.Assert():
            return
        case _:
            yield from ast.iter_child_nodes(node)


def used_by(tree: ast.Module) -> dict[str, _Where]:
    """Return for each private name that the module sets once the lines of the statements that use it; None: it may be any."""
    names = {name for name in map(_private_name, tree.body) if name}
    lines: dict[str, set[int]] = {name: set() for name in names}
    within: dict[str, set[str]] = {name: set() for name in names}
    anywhere: set[str] = set()
    for top in tree.body:
        owner = _private_name(top)
        for name, line in _names(top, 0):
            if name not in names or name == owner:
                continue
            if line:
                lines[name].add(line)
            elif owner:
                within[name].add(owner)
            else:
                anywhere.add(name)
    for _ in names:  # long enough for the longest chain
        for name in names:
            for owner in within[name]:
                lines[name] |= lines[owner]
                if owner in anywhere:
                    anywhere.add(name)
    return {name: None if name in anywhere else frozenset(lines[name]) for name in names}


def _names(node: ast.AST, line: int) -> Iterator[tuple[str, int]]:
    if isinstance(node, ast.Name):
        yield node.id, line
    for part in ast.iter_child_nodes(node):
        inside = line
        if isinstance(node, _FUNCTIONS):
            inside = part.lineno if isinstance(part, ast.stmt) else line
        elif line and isinstance(part, ast.stmt):
            inside = part.lineno
        yield from _names(part, inside)


def _private_name(statement: ast.stmt) -> str:
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            return name if name.startswith("_") and not name.startswith("__") else ""
    return ""


def _set_again(tree: ast.Module) -> set[str]:
    counts = Counter(node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store))
    return {name for name, count in counts.items() if count > 1}


def _errors(tree: ast.Module) -> list[str]:
    """Return the names of exceptions that are raised by name, in the order of the alphabet."""
    return sorted(
        {
            node.exc.func.id
            for node in ast.walk(tree)
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and isinstance(node.exc.func, ast.Name)
        }
    )
