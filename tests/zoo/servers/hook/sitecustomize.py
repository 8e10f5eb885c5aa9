"""Imported by Python itself where this folder is on its path, in child processes, too: one module gets a changed source."""

import importlib.machinery
import json
import os
import sys
from collections.abc import Sequence
from types import CodeType, ModuleType


class _Changed(importlib.machinery.SourceFileLoader):
    """Compiles the changed source, and neither reads nor writes a cache of it."""

    def get_code(self, fullname: str) -> CodeType:
        text = self.get_data(self.path).decode()
        for before, after in CHANGE["texts"]:
            found = text.count(before)
            if found != 1:
                raise ImportError(f"{fullname} has {before!r} {found} times; a change is of a text that stands there once")
            text = text.replace(before, after)
        return self.source_to_code(text.encode(), self.path)


class _Finder(importlib.machinery.PathFinder):
    """Finds the module that is changed, and leaves all others to Python."""

    @classmethod
    def find_spec(
        cls, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != CHANGE["module"]:
            return None
        spec = super().find_spec(fullname, path, target)
        if spec is not None and spec.origin is not None:
            spec.loader = _Changed(fullname, spec.origin)
            spec.cached = None
        return spec


CHANGE = json.loads(os.environ.get("PRISM_CHANGE", "null"))
if CHANGE is not None:
    sys.meta_path.insert(0, _Finder)
