"""Changes of one expression: operators, constants, arguments, copies, orders, slices, slots, and the terms of an SQL statement."""

import ast
import copy
import re
from collections.abc import Iterator
from typing import TypeAlias

from .statements_sql import is_sql, of_sql

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
_MARK = "\x01"
_FILL = f"{_MARK}(\\d+){_MARK}"
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
        case ast.BinOp(op=ast.BitOr() | ast.Mult() | ast.FloorDiv() | ast.Mod()):
            yield f"the first operand only: {told}", node.left
            yield f"the second operand only: {told}", node.right
        case ast.UnaryOp(op=ast.USub()):
            yield f"without minus: {told}", node.operand
        case ast.Constant():
            yield from _of_constant(node, told)
        case ast.JoinedStr():
            yield from _of_joined(node)
        case ast.Dict(keys=[None, *_]) if len(node.keys) == 1:
            yield f"no copy: {told}", node.values[0]
        case ast.Tuple(ctx=ast.Load()):
            for at in range(len(node.elts) - 1):
                slots = [*node.elts[:at], node.elts[at + 1], node.elts[at], *node.elts[at + 2 :]]
                yield f"slots {at + 1} and {at + 2} swapped: {told}", ast.Tuple(slots, node.ctx)
        case ast.Call():
            yield from _of_call(node, told)
        case ast.Subscript(slice=ast.Tuple() as key):
            for at in range(len(key.elts)):
                fewer = ast.Tuple(key.elts[:at] + key.elts[at + 1 :], key.ctx)
                yield f"a key without its field {at + 1}: {told}", ast.Subscript(node.value, fewer, node.ctx)
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
    elif isinstance(value, str) and is_sql(value):
        for what, changed in of_sql(value):
            yield what, ast.Constant(changed)


def _of_joined(node: ast.JoinedStr) -> Iterator[Proposal]:
    """Yield the changes of SQL in an f-string; of what is filled in each is a word, which a change drops or leaves."""
    fills = [part for part in node.values if isinstance(part, ast.FormattedValue)]
    order = iter(range(len(fills)))
    text = "".join(f"{_MARK}{next(order)}{_MARK}" if part in fills else _text_of(part) for part in node.values)
    if is_sql(text):
        for what, changed in of_sql(text):
            told = what.replace(repr(_MARK)[1:-1], _MARK)
            told = re.sub(_FILL, lambda found: f"{{{ast.unparse(fills[int(found.group(1))].value)}}}", told)
            yield told, ast.JoinedStr([_filled(piece, at, fills) for at, piece in enumerate(re.split(_FILL, changed))])


def _filled(piece: str, at: int, fills: list[ast.FormattedValue]) -> ast.expr:
    return fills[int(piece)] if at % 2 else ast.Constant(piece)


def _text_of(part: ast.expr) -> str:
    return str(part.value) if isinstance(part, ast.Constant) else ""


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
    if name == "shield" and len(node.args) == 1:
        yield f"no shield: {told}", node.args[0]
    if name == "suppress":
        yield f"suppresses any Exception: {told}", ast.Call(node.func, [ast.Name("Exception")], [])
        for at in range(len(node.args)):
            yield f"suppresses less by {at + 1}: {told}", ast.Call(node.func, node.args[:at] + node.args[at + 1 :], [])
    if name in ("get", "pop", "setdefault") and len(node.args) == 2:
        yield f"without a default: {told}", ast.Call(node.func, node.args[:1], node.keywords)
    for at, keyword in enumerate(node.keywords):
        if keyword.arg is not None:
            yield f"without {keyword.arg}=: {told}", ast.Call(node.func, node.args, node.keywords[:at] + node.keywords[at + 1 :])
    for at in range(len(node.args) - 1):
        if not any(isinstance(argument, ast.Starred) for argument in node.args[at : at + 2]):
            swapped = [*node.args[:at], node.args[at + 1], node.args[at], *node.args[at + 2 :]]
            yield f"arguments {at + 1} and {at + 2} swapped: {told}", ast.Call(node.func, swapped, node.keywords)
