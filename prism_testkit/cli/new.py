"""``prism new backend NAME``: a skeleton in the current folder that runs at once. Nothing is ever overwritten."""

import argparse
import importlib.util
import re
from pathlib import Path

from prism_testkit.cli._console import Parser, UsageError, complain, say
from prism_testkit.cli._project import Project
from prism_testkit.cli._skeleton import MODELS, conftest_text, module_text
from prism_testkit.registry import NAME, environment_name
from prism_testkit.selection import closest

__all__ = ["parser", "run"]

_KINDS = ("backend",)
_WORDS = ("all", "embedded")
"""What --prism-backend takes for something else than a name."""


def parser() -> argparse.ArgumentParser:
    """Return the parser of ``prism new``."""
    made = Parser("new", "Write prism_NAME.py and a conftest.py that registers it into the current folder; overwrite nothing.")
    made.add_argument("kind", help="backend")
    made.add_argument("name", metavar="NAME", help="lower-case letters, digits, - and @, such as acme or acme-cluster@2")
    made.add_argument("--model", choices=MODELS, default=MODELS[0], help="the data model of the driver; one class serves one")
    made.add_argument("--server", action="store_true", help="for a store that is a server which the harness starts")
    made.add_argument("--module-only", action="store_true", help="leave conftest.py alone, and say what to add to it")
    return made


def run(options: argparse.Namespace) -> int:
    """Write the files; 1 if one of them exists, and then none is written."""
    if options.kind not in _KINDS:
        raise UsageError(f"prism new: no {options.kind!r}{closest(options.kind, _KINDS)}; there is: {', '.join(_KINDS)}")
    name, module = options.name, _module(options.name)
    files = {Path(f"{module}.py"): module_text(name, module, options.server, options.model)}
    if not options.module_only:
        files[Path("conftest.py")] = conftest_text(name, module)
    for path in files:
        if path.exists() or path.is_symlink():
            complain(_refusal(path, name))
            return 1
    for path, text in files.items():
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
        say(f"wrote {path}")
    if options.module_only:
        say(f"add to conftest.py:\n\n{conftest_text(name, module).partition(chr(10) * 2)[2]}")
    say(f"next: pytest --prism-backend={name}     (its failures say what to write)")
    return 0


def _module(name: str) -> str:
    """Return the name of the module; raise `UsageError` for a name that no backend may have, or that is taken."""
    if not NAME.fullmatch(name):
        raise UsageError(f"prism new backend: expected a name like {NAME.pattern}, such as 'acme', found {name!r}")
    module = f"prism_{re.sub(r'[^a-z0-9]', '_', name)}"
    if name in _WORDS or (not Path(f"{module}.py").exists() and importlib.util.find_spec(module) is not None):
        raise UsageError(f"prism new backend: {name!r} means something else already; take another name")
    # The registry tells names apart by the variable that holds the server's address.
    for other in Project.here().backends:
        if environment_name(other) == environment_name(name) and not Path(f"{module}.py").exists():
            raise UsageError(f"prism new backend: there is a backend {other!r} already; take another name")
    return module


def _refusal(path: Path, name: str) -> str:
    if path.name == "conftest.py":
        return f"conftest.py exists, and is not overwritten; nothing was written: prism new backend {name} --module-only"
    return f"{path} exists, and is not overwritten; nothing was written: move it away, or take another name"
