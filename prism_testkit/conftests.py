"""A conftest, imported outside pytest: as pytest does it by default, by path, with its folder first on ``sys.path``."""

import importlib.util
import sys
import traceback
from pathlib import Path
from types import ModuleType

__all__ = ["ConftestError", "load_conftest", "raised_at"]

_STANDARD = Path(traceback.__file__).parent
_HARNESS = Path(__file__).parent


class ConftestError(Exception):
    """A conftest cannot be imported. ``where`` is the file and line that raised, ``FILE:LINE``; ``__cause__`` is what it raised."""

    def __init__(self, path: Path, where: str, error: BaseException) -> None:
        super().__init__(f"{where or path}: {type(error).__name__}: {error}")
        self.path = path
        self.where = where or str(path)
        self.error = error


def load_conftest(path: Path) -> ModuleType:
    """Import the conftest at ``path`` afresh; raise `ConftestError` for whatever it raises, ``SystemExit`` included."""
    name, root = _importable(path.resolve())
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    spec = importlib.util.spec_from_file_location(name, path.resolve())
    assert spec is not None, "a .py file has a loader"
    assert spec.loader is not None, "a .py file has a loader"
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a skip of pytest's is no Exception, and nor is SystemExit
        sys.modules.pop(name, None)
        raise ConftestError(path, raised_at(error), error) from error
    return module


def raised_at(error: BaseException) -> str:
    """Return ``FILE:LINE`` of a syntax error, else of the innermost frame that is in nobody's package; empty if there is none."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith("<") and not _foreign(f.filename)]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else ""


def _foreign(filename: str) -> bool:
    path = Path(filename)
    return "site-packages" in path.parts or path.is_relative_to(_STANDARD) or path.is_relative_to(_HARNESS)


def _importable(path: Path) -> tuple[str, Path]:
    """Return the dotted name and the import root of a file: the first folder upwards that is no package."""
    parts, root = [path.stem], path.parent
    while (root / "__init__.py").exists():
        parts.insert(0, root.name)
        root = root.parent
    return ".".join(parts), root
