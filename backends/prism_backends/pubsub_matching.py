"""Which messages a subscription wants that is not to one whole topic. The stores that cannot tell by themselves ask here."""

from collections.abc import Mapping

__all__ = ["carries", "matches"]


def matches(tokens: tuple[str, ...], topic: str) -> bool:
    """Tell whether a pattern (its tokens, as `check_pattern` returns them) matches a topic."""
    parts = topic.split(".")
    if tokens[-1] == ">":
        tokens = tokens[:-1]
        if len(parts) <= len(tokens):
            return False
    elif len(parts) != len(tokens):
        return False
    return all(token in ("*", part) for token, part in zip(tokens, parts, strict=False))


def carries(headers: Mapping[str, str], attributes: Mapping[str, str]) -> bool:
    """Tell whether headers hold every attribute."""
    return all(headers.get(name) == value for name, value in attributes.items())
