"""Changes of one expression: operators, constants, arguments, copies, orders, slices, and the terms of an SQL statement."""

import ast
import copy
import re
from collections.abc import Iterator
from typing import TypeAlias

__all__ = ["Proposal", "of_expression"]

Proposal: TypeAlias = tuple[str, ast.expr]
"""What is changed, and what stands there instead."""

_OTHER: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_SQL = re.compile(r"\b(SELECT|INSERT|UPDATE|DELETE|WHERE|ORDER BY)\b|= [:?]")
_IN_SQL = (
    (r"<=", "<"),
    (r">=", ">"),
    (r"(?<![<>=])<(?![=>])", "<="),
    (r"(?<![<>=-])>(?!=)", ">="),
    (r"\bDESC\b", "ASC"),
    (r"\bORDER BY (\w+)\b(?! DESC)", r"ORDER BY \1 DESC"),
    (r"\bAND\b [^()]*?(?=\bAND\b|\bORDER\b|\bLIMIT\b|\)|$)", ""),
    (r"\+ 1", ""),
    (r"OR REPLACE", "OR IGNORE"),
)
_COPIES = ("list", "tuple", "dict", "set", "frozenset", "bytes", "reversed", "deepcopy", "copy")


def of_expression(node: ast.expr) -> Iterator[Proposal]:
    """Yield every change of this node itself; those of its parts are theirs."""
    told = ast.unparse(node).replace("\n", " ")[:90]
    match node:
        case ast.Compare():
            for at, operator in enumerate(node.ops):
                changed = copy.deepcopy(node)
                changed.ops[at] = _OTHER[type(operator)]()
                yield f"the other comparison: {told}", changed
        case ast.BoolOp():
            yield f"and <-> or: {told}", ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
            for at in range(len(node.values)):
                left = node.values[:at] + node.values[at + 1 :]
                yield f"without its term {at + 1}: {told}", left[0] if len(left) == 1 else ast.BoolOp(node.op, left)
        case ast.UnaryOp(op=ast.Not()):
            yield f"without not: {told}", node.operand
        case ast.IfExp():
            yield f"always the first: {told}", node.body
            yield f"always the last: {told}", node.orelse
        case ast.BinOp(op=ast.Add() | ast.Sub()):
            yield f"+ <-> -: {told}", ast.BinOp(node.left, ast.Sub() if isinstance(node.op, ast.Add) else ast.Add(), node.right)
        case ast.Constant():
            yield from _of_constant(node, told)
        case ast.Call():
            yield from _of_call(node, told)
        case ast.Subscript(slice=ast.Slice() as part):
            if part.lower is not None:
                yield f"from the beginning: {told}", ast.Subscript(node.value, ast.Slice(None, part.upper, part.step), node.ctx)
            if part.upper is not None:
                yield f"to the end: {told}", ast.Subscript(node.value, ast.Slice(part.lower, None, part.step), node.ctx)


def _of_constant(node: ast.Constant, told: str) -> Iterator[Proposal]:
    value = node.value
    if isinstance(value, bool):
        yield f"the other: {told}", ast.Constant(not value)
    elif isinstance(value, int | float):
        yield f"one more: {told}", ast.Constant(value + 1)
        if value > 0:
            yield f"one less: {told}", ast.Constant(value - 1)
    elif isinstance(value, str) and _SQL.search(value):
        for pattern, instead in _IN_SQL:
            for found in re.finditer(pattern, value):
                changed = value[: found.start()] + found.expand(instead) + value[found.end() :]
                around = value[max(0, found.start() - 30) : found.end() + 30]
                yield f"SQL {found.group()!r} -> {found.expand(instead)!r}: {around!r}", ast.Constant(changed)


def _of_call(node: ast.Call, told: str) -> Iterator[Proposal]:
    name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr if isinstance(node.func, ast.Attribute) else ""
    plain = isinstance(node.func, ast.Name)
    if name in ("min", "max") and plain:
        yield f"min <-> max: {told}", ast.Call(ast.Name("max" if name == "min" else "min"), node.args, node.keywords)
    if name == "sorted" and plain:
        yield f"unsorted: {told}", ast.Call(ast.Name("list"), node.args[:1], [])
    if name in _COPIES and len(node.args) == 1 and not node.keywords:
        yield f"no copy: {told}", node.args[0]
    if name == "copy" and not node.args and isinstance(node.func, ast.Attribute):
        yield f"no copy: {told}", node.func.value
    if name == "notify_all" and isinstance(node.func, ast.Attribute):
        yield f"wakes one: {told}", ast.Call(ast.Attribute(node.func.value, "notify"), [], [])
    if name in ("get", "pop", "setdefault") and len(node.args) == 2:
        yield f"without a default: {told}", ast.Call(node.func, node.args[:1], node.keywords)
    for at, keyword in enumerate(node.keywords):
        if keyword.arg is not None:
            yield f"without {keyword.arg}=: {told}", ast.Call(node.func, node.args, node.keywords[:at] + node.keywords[at + 1 :])
    for at in range(len(node.args) - 1):
        if not any(isinstance(argument, ast.Starred) for argument in node.args[at : at + 2]):
            swapped = [*node.args[:at], node.args[at + 1], node.args[at], *node.args[at + 2 :]]
            yield f"arguments {at + 1} and {at + 2} swapped: {told}", ast.Call(node.func, swapped, node.keywords)
