"""Changes of one SQL statement, or of a part of one: a term, a boundary, an order, a limit, a column that is set, a key."""

import re
from collections.abc import Iterator
from itertools import pairwise

__all__ = ["is_sql", "of_sql"]

_SQL = re.compile(
    r"\b(SELECT|INSERT|REPLACE|UPDATE|DELETE|CREATE) |\b(WHERE|ORDER BY|VALUES)\b|= [:?]|\bIS (NOT )?NULL\b|^(BEGIN|PRAGMA) "
)
_VERB = re.compile(r"\b(SELECT|INSERT|REPLACE|UPDATE|DELETE|CREATE|PRAGMA|BEGIN|VALUES)\b")
_ENDS = re.compile(r"\b(ORDER BY|LIMIT|GROUP BY|RETURNING|WHERE|ON CONFLICT|HAVING)\b|;")
_PLAIN = (
    (r"<=", "<"),
    (r">=", ">"),
    (r"(?<![<>=])<(?![=>])", "<="),
    (r"(?<![<>=-])>(?!=)", ">="),
    (r"<>", "="),
    (r"\bIS NULL\b", "IS NOT NULL"),
    (r"\bIS NOT NULL\b", "IS NULL"),
    (r"\((?P<one>[^()]*) OR [^()]*\)", r"(\g<one>)"),
    (r"\([^()]* OR (?P<two>[^()]*)\)", r"(\g<two>)"),
    (r"\bDESC\b", "ASC"),
    (r" [-+] (:?\w+)", ""),
    (r"\b(?i:min)\(", "max("),
    (r"\b(?i:max)\(", "min("),
    (r"\b(?i:coalesce)\(([^(),]+),[^()]*\)", r"\1"),
    (r"\bDISTINCT ", ""),
    (r"\bLEFT JOIN\b", "JOIN"),
    (r"\bNOT EXISTS\b", "EXISTS"),
    (r"(?<!NOT )\bEXISTS\b", "NOT EXISTS"),
    (r"\bOR REPLACE\b", "OR IGNORE"),
    (r"\bOR IGNORE\b", "OR REPLACE"),
    (r"\bREPLACE INTO\b", "INSERT OR IGNORE INTO"),
    (r"\bINSERT INTO\b", "INSERT OR IGNORE INTO"),
    (r"\bINSERT INTO\b", "REPLACE INTO"),
    (r"\bON CONFLICT DO NOTHING\b", ""),
    (r"\bCREATE UNIQUE INDEX\b", "CREATE INDEX"),
    (r" AUTOINCREMENT\b", ""),
    (r"\bBEGIN (IMMEDIATE|EXCLUSIVE)\b", "BEGIN"),
    (r"= FULL\b", "= OFF"),
)


def is_sql(text: str) -> bool:
    """Say whether a text is SQL, or a part of it."""
    return _SQL.search(text) is not None


def of_sql(text: str) -> Iterator[tuple[str, str]]:
    """Yield what is changed, and the changed text. What an f-string fills in is one word of it."""
    for pattern, instead in _PLAIN:
        for found in re.finditer(pattern, text):
            new = found.expand(instead)
            yield _told(f"SQL {found.group()!r} -> {new!r}", text, found.start()), _with(text, found.start(), found.end(), new)
    if not _VERB.search(text):
        yield from _terms(text, 0, 0)
    for found in re.finditer(r"\s*\b(WHERE|HAVING|ON(?! CONFLICT))\b ?", text):
        yield from _terms(text, found.start(), found.end())
    for found in re.finditer(r"\bSET ", text):
        yield from _listed(text, found.end(), "SQL not set")
    for found in re.finditer(r"\s*\bORDER BY ", text):
        yield from _order(text, found.start(), found.end())
    for found in re.finditer(r"\bLIMIT ([^\s)]+)", text):
        for what, new in (("no limit", ""), ("limit one more", f"{found.group()} + 1"), ("limit one less", f"{found.group()} - 1")):
            yield _told(f"SQL {what}", text, found.start()), _with(text, found.start(), found.end(), new)
    for found in re.finditer(r"\b(PRIMARY KEY|UNIQUE|ON CONFLICT|USING|UNIQUE INDEX \w+ ON \w+) \(", text):
        yield from _listed(text, found.end(), "SQL a key without")
    for found in re.finditer(r"\bVALUES\s*\(", text):
        yield from _swapped(text, found.end(), "SQL values swapped")


def _terms(text: str, clause: int, start: int) -> Iterator[tuple[str, str]]:
    parts = _split(text, start, _end(text, start), r"\s*\bAND\b\s*")
    for at, (begin, end) in enumerate(parts):
        told = _told("SQL without a term", text, begin)
        if len(parts) == 1:
            if clause < start:
                yield told, _with(text, clause, end, "")
        elif at == 0:
            yield told, _with(text, begin, parts[1][0], "")
        else:
            yield told, _with(text, parts[at - 1][1], end, "")


def _listed(text: str, start: int, what: str) -> Iterator[tuple[str, str]]:
    parts = _split(text, start, _end(text, start), r",\s*")
    for at, (begin, end) in enumerate(parts):
        if len(parts) > 1:
            new = _with(text, begin, parts[1][0], "") if at == 0 else _with(text, parts[at - 1][1], end, "")
            yield _told(what, text, begin), new


def _order(text: str, clause: int, start: int) -> Iterator[tuple[str, str]]:
    end = _end(text, start)
    # By chance, not by nothing: an index may give the same order, and who reads the change cannot tell.
    yield _told("SQL any order", text, clause), _with(text, start, end, "random()")
    for begin, stop in _split(text, start, end, r",\s*"):
        if not re.search(r"\b(DESC|ASC)\b", text[begin:stop]):
            yield _told("SQL order reversed", text, begin), _with(text, stop, stop, " DESC")
    yield from _listed(text, start, "SQL not ordered by")
    yield from _swapped(text, start, "SQL order swapped")


def _swapped(text: str, start: int, what: str) -> Iterator[tuple[str, str]]:
    parts = _split(text, start, _end(text, start), r",\s*")
    for (begin, stop), (first, last) in pairwise(parts):
        new = text[:begin] + text[first:last] + text[stop:first] + text[begin:stop] + text[last:]
        yield _told(what, text, begin), new


def _end(text: str, start: int) -> int:
    """Return where the clause that begins at ``start`` ends: before what comes next, or the bracket around it."""
    depth = 0
    for at in range(start, len(text)):
        if text[at] == ")" and depth == 0:
            return at
        depth += {"(": 1, ")": -1}.get(text[at], 0)
        if depth == 0 and at > start and _ENDS.match(text, at):
            return start + len(text[start:at].rstrip())
    return len(text.rstrip())


def _split(text: str, start: int, end: int, between: str) -> list[tuple[int, int]]:
    """Return where the parts stand that are split outside of brackets."""
    parts, begin = [], start
    for found in re.compile(between).finditer(text, start, end):
        if text.count("(", begin, found.start()) == text.count(")", begin, found.start()):
            parts.append((begin, found.start()))
            begin = found.end()
    return [*parts, (begin, end)]


def _with(text: str, start: int, end: int, new: str) -> str:
    return text[:start] + new + text[end:]


def _told(what: str, text: str, at: int) -> str:
    return f"{what}: {' '.join(text[max(0, at - 30) : at].split())!r} | {' '.join(text[at : at + 50].split())!r}"
