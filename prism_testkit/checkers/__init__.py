"""Verdicts over histories. A checker sees what clients asked and were told, and never the thing that it judges."""

__all__: list[str] = []
