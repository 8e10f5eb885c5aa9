"""Changes of one statement, or of two in a row: dropped, swapped, moved into a lock or out of it, run once, always, never."""

import ast
import copy
from collections.abc import Container, Iterator, Sequence
from typing import TypeAlias

__all__ = ["Proposal", "of_pair", "of_statement"]

Proposal: TypeAlias = tuple[str, list[ast.stmt]]
"""What is changed, and the statements that stand there instead."""

_SOON = "__import__('asyncio').ensure_future"
_BLOCKS = (ast.If, ast.With, ast.AsyncWith, ast.For, ast.AsyncFor, ast.Try)
_SIMPLE = (ast.Expr, ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Delete)


def of_statement(node: ast.stmt, errors: Sequence[str], again: Container[str] = ()) -> Iterator[Proposal]:
    """Yield every change of this statement itself. ``errors``: the exceptions that the module knows by name.

    ``again``: names that are set more than once, so that what sets one may be left out.
    """
    told = ast.unparse(node).replace("\n", " ")[:90]
    match node:
        case ast.Expr(value=ast.Constant()):
            return
        case ast.Expr() | ast.Delete() | ast.Continue() | ast.Break():
            yield f"dropped: {told}", [ast.Pass()]
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Await):
                yield (
                    f"not waited for: {told}",
                    ast.parse(f"{_SOON}({ast.unparse(node.value.value)})").body,
                )
        case ast.AugAssign():
            yield f"dropped: {told}", [ast.Pass()]
            yield f"set anew: {told}", [ast.Assign([node.target], node.value, lineno=node.lineno)]
        case ast.Assign() if not isinstance(node.targets[0], ast.Name) or node.targets[0].id in again:
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
            if isinstance(node, ast.For):
                for what, part in (("not the first", "[1:]"), ("not the last", "[:-1]"), ("backwards", "[::-1]")):
                    other = copy.deepcopy(node)
                    other.iter = ast.parse(f"list({ast.unparse(node.iter)}){part}", mode="eval").body
                    yield f"{what}: for {ast.unparse(node.target)} in {ast.unparse(node.iter)[:60]}", [other]
            once = copy.deepcopy(node)
            once.body.append(ast.Break())
            yield f"the first only: for {ast.unparse(node.target)} in {ast.unparse(node.iter)[:60]}", [once]


def of_pair(first: ast.stmt, second: ast.stmt, *, awaits: bool) -> Iterator[Proposal]:
    """Yield every change of two statements in a row. ``awaits``: they stand in a coroutine, where others may run in between."""
    told = f"{ast.unparse(first)[:45]}; {ast.unparse(second)[:45]}".replace("\n", " ")
    if isinstance(first, _SIMPLE) and isinstance(second, _SIMPLE):
        yield f"in the other order: {told}", [second, first]
    if (isinstance(first, _SIMPLE) and isinstance(second, _BLOCKS)) or (isinstance(first, _BLOCKS) and isinstance(second, _SIMPLE)):
        yield f"a block in the other order: {told}", [second, first]
    yield from _into(first, second)
    if awaits:
        pause = ast.parse("await __import__('asyncio').sleep(0)").body
        yield f"others run in between: {told}", [first, *pause, second]


def _into(first: ast.stmt, second: ast.stmt) -> Iterator[Proposal]:
    """Yield a block that holds the statement before it, or behind it, too."""
    if isinstance(second, ast.With | ast.AsyncWith) and isinstance(first, _SIMPLE):
        larger = copy.deepcopy(second)
        larger.body = [first, *second.body]
        yield f"into with {ast.unparse(second.items[0])[:60]}: {ast.unparse(first)[:60]}", [larger]
    if isinstance(first, ast.With | ast.AsyncWith):
        larger = copy.deepcopy(first)
        larger.body = [*first.body, second]
        yield f"into with {ast.unparse(first.items[0])[:60]}: {ast.unparse(second)[:60]}", [larger]


def _of_raise(node: ast.Raise, errors: Sequence[str], told: str) -> Iterator[Proposal]:
    if isinstance(node.exc, ast.Call) and isinstance(node.exc.func, ast.Name) and node.exc.func.id in errors and len(errors) > 1:
        name = node.exc.func.id
        other = errors[(errors.index(name) + 1) % len(errors)]
        yield f"{other} instead: {told}", [ast.Raise(ast.Call(ast.Name(other), node.exc.args, node.exc.keywords), node.cause)]


def _of_with(node: ast.With | ast.AsyncWith) -> Iterator[Proposal]:
    told = ast.unparse(node.items[0])[:60]
    is_named = any(item.optional_vars is not None for item in node.items)
    if not is_named:
        yield f"without: with {told}", node.body
    if len(node.body) > 1:
        for at, inside, around in ((0, node.body[1:], "before"), (-1, node.body[:-1], "behind")):
            if is_named and at == 0:
                continue
            smaller = copy.deepcopy(node)
            smaller.body = inside
            moved = ast.unparse(node.body[at]).replace("\n", " ")[:60]
            pair: list[ast.stmt] = [node.body[0], smaller] if at == 0 else [smaller, node.body[-1]]
            yield f"{around} with {told}: {moved}", pair


def _of_try(node: ast.Try) -> Iterator[Proposal]:
    if len(node.body) > 1:
        for at, inside, around in ((0, node.body[1:], "before"), (-1, node.body[:-1], "behind")):
            smaller = copy.deepcopy(node)
            smaller.body = inside
            pair: list[ast.stmt] = [node.body[0], smaller] if at == 0 else [smaller, node.body[-1]]
            yield f"{around} try: {ast.unparse(node.body[at])[:60]}", pair
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
        if not (len(handler.body) == 1 and isinstance(handler.body[0], ast.Pass)):
            quiet = copy.deepcopy(node)
            quiet.handlers[at].body = [ast.Pass()]
            yield f"nothing in except {told}", [quiet]
        if told == "BaseException":
            narrow = copy.deepcopy(node)
            narrow.handlers[at].type = ast.Name("Exception")
            yield f"except Exception, not {told}", [narrow]
            continue
        if isinstance(handler.type, ast.Tuple):
            for left in range(len(handler.type.elts)):
                narrow = copy.deepcopy(node)
                narrow.handlers[at].type = ast.Tuple(handler.type.elts[:left] + handler.type.elts[left + 1 :], ast.Load())
                yield f"except less by {left + 1}: {told}", [narrow]
        if told and told != "Exception" and at == len(node.handlers) - 1:
            more = copy.deepcopy(node)
            more.handlers[at].type = ast.Name("Exception")
            yield f"except Exception, not {told}", [more]
