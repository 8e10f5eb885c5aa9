"""Changes of one statement, or of two that follow one another: dropped, swapped, moved out of a lock, run once, always, never."""

import ast
import copy
from collections.abc import Iterator, Sequence
from typing import TypeAlias

__all__ = ["Proposal", "of_pair", "of_statement"]

Proposal: TypeAlias = tuple[str, list[ast.stmt]]
"""What is changed, and the statements that stand there instead."""

_SIMPLE = (ast.Expr, ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Delete)


def of_statement(node: ast.stmt, errors: Sequence[str]) -> Iterator[Proposal]:
    """Yield every change of this statement itself. ``errors``: the exceptions that the module knows by name."""
    told = ast.unparse(node).replace("\n", " ")[:90]
    match node:
        case ast.Expr(value=ast.Constant()):
            return
        case ast.Expr() | ast.Delete() | ast.Continue() | ast.Break():
            yield f"dropped: {told}", [ast.Pass()]
        case ast.AugAssign():
            yield f"dropped: {told}", [ast.Pass()]
            yield f"set anew: {told}", [ast.Assign([node.target], node.value, lineno=node.lineno)]
        case ast.Assign() if not isinstance(node.targets[0], ast.Name):
            yield f"dropped: {told}", [ast.Pass()]
        case ast.Raise():
            yield f"dropped: {told}", [ast.Pass()]
            yield from _of_raise(node, errors, told)
        case ast.With() | ast.AsyncWith():
            yield from _of_with(node)
        case ast.Try():
            yield from _of_try(node)
        case ast.If() | ast.While():
            test = ast.unparse(node.test)[:80]
            never = copy.deepcopy(node)
            never.test = ast.Constant(False)
            yield f"never: {test}", [never]
            if isinstance(node, ast.If):
                always = copy.deepcopy(node)
                always.test = ast.Constant(True)
                yield f"always: {test}", [always]
            elif not node.orelse and not any(isinstance(each, ast.Break | ast.Continue) for each in ast.walk(node)):
                yield f"if, not while: {test}", [ast.If(node.test, node.body, [])]
        case ast.For() | ast.AsyncFor() if not node.orelse:
            once = copy.deepcopy(node)
            once.body.append(ast.Break())
            yield f"the first only: for {ast.unparse(node.target)} in {ast.unparse(node.iter)[:60]}", [once]


def of_pair(first: ast.stmt, second: ast.stmt, *, awaits: bool) -> Iterator[Proposal]:
    """Yield every change of two statements in a row. ``awaits``: they stand in a coroutine, where others may run in between."""
    told = f"{ast.unparse(first)[:45]}; {ast.unparse(second)[:45]}".replace("\n", " ")
    if isinstance(first, _SIMPLE) and isinstance(second, _SIMPLE):
        yield f"in the other order: {told}", [second, first]
    if awaits:
        pause = ast.parse("await __import__('asyncio').sleep(0)").body
        yield f"others run in between: {told}", [first, *pause, second]


def _of_raise(node: ast.Raise, errors: Sequence[str], told: str) -> Iterator[Proposal]:
    if isinstance(node.exc, ast.Call) and isinstance(node.exc.func, ast.Name) and node.exc.func.id in errors and len(errors) > 1:
        name = node.exc.func.id
        other = errors[(errors.index(name) + 1) % len(errors)]
        yield f"{other} instead: {told}", [ast.Raise(ast.Call(ast.Name(other), node.exc.args, node.exc.keywords), node.cause)]


def _of_with(node: ast.With | ast.AsyncWith) -> Iterator[Proposal]:
    if any(item.optional_vars is not None for item in node.items):
        return
    told = ast.unparse(node.items[0])[:60]
    yield f"without: with {told}", node.body
    if len(node.body) > 1:
        for at, inside, around in ((0, node.body[1:], "before"), (-1, node.body[:-1], "behind")):
            smaller = copy.deepcopy(node)
            smaller.body = inside
            moved = ast.unparse(node.body[at]).replace("\n", " ")[:60]
            pair: list[ast.stmt] = [node.body[0], smaller] if at == 0 else [smaller, node.body[-1]]
            yield f"{around} with {told}: {moved}", pair


def _of_try(node: ast.Try) -> Iterator[Proposal]:
    if node.finalbody:
        told = ast.unparse(node.finalbody[0]).replace("\n", " ")[:60]
        without = copy.deepcopy(node)
        without.finalbody = []
        yield f"no finally: {told}", [without] if node.handlers else node.body
        if not node.handlers:
            yield f"finally after success only: {told}", [*node.body, *node.finalbody]
    for at, handler in enumerate(node.handlers):
        told = ast.unparse(handler.type) if handler.type is not None else ""
        less = copy.deepcopy(node)
        del less.handlers[at]
        yield f"no except {told}", [less] if less.handlers or less.finalbody else [*node.body, *node.orelse]
        if told and told != "Exception" and at == len(node.handlers) - 1:
            more = copy.deepcopy(node)
            more.handlers[at].type = ast.Name("Exception")
            yield f"except Exception, not {told}", [more]
