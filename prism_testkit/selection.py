"""What the options ask for, before anything is imported: which backends, which suites, how."""

import difflib
import fnmatch
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

__all__ = ["BackendSelection", "SelectionError", "closest", "split"]


class SelectionError(Exception):
    """An option names what does not exist; exit code 4."""


def split(values: Iterable[str]) -> list[str]:
    """Take repeated, comma-separated options apart."""
    return [part.strip() for value in values for part in value.split(",") if part.strip()]


def closest(name: str, known: Iterable[str]) -> str:
    """Return `` (did you mean 'x'?)``, or nothing."""
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" (did you mean {found[0]!r}?)" if found else ""


@dataclass(frozen=True, slots=True)
class BackendSelection:
    """Names, ``embedded``, ``all``, ``-name`` and ``-embedded``, as typed."""

    words: tuple[str, ...]

    @property
    def explicit(self) -> list[str]:
        """The backends typed by name, in order."""
        return [word for word in dict.fromkeys(self.words) if word not in ("all", "embedded") and not word.startswith("-")]

    @property
    def excluded(self) -> set[str]:
        return {word[1:] for word in self.words if word.startswith("-")}

    @property
    def everything(self) -> bool:
        """``all``, or nothing but exclusions."""
        return "all" in self.words or all(word.startswith("-") for word in self.words)

    @property
    def embedded(self) -> bool:
        return "embedded" in self.words

    def check(self, known: Sequence[str]) -> None:
        """Raise `SelectionError` for a name that nobody registered."""
        if "all" in self.excluded:
            raise SelectionError("--prism-backend: -all takes out every backend: name those to leave out, as -redis, or -embedded")
        for name in [*self.explicit, *sorted(self.excluded - {"embedded"})]:
            if name not in known:
                raise SelectionError(
                    f"--prism-backend: no backend {name!r}{closest(name, [*known, 'all', 'embedded'])}; "
                    f"there are: {', '.join(known) or 'none'}, and the words embedded and all"
                )


_MANY = 40


def _there_are(names: Sequence[str]) -> str:
    """Name all, unless it fills the screen that says what is wrong."""
    if len(names) <= _MANY:
        return f"there are: {', '.join(names) or 'none'}"
    return f"there are {len(names)}: prism list suites names them"


def matching(globs: Sequence[str], names: Sequence[str], option: str) -> list[str]:
    """Return the names that some glob matches; raise `SelectionError` for a glob that matches none."""
    for glob in globs:
        if not fnmatch.filter(names, glob):
            raise SelectionError(f"{option}: nothing matches {glob!r}{closest(glob, names)}; {_there_are(names)}")
    return [name for name in names if any(fnmatch.fnmatchcase(name, glob) for glob in globs)]
