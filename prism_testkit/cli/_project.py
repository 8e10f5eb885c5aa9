"""Where the commands look: the current folder's conftest, and the ``.prism`` folder of pytest's runs."""

import configparser
import tomllib
from dataclasses import dataclass
from pathlib import Path

from prism_testkit.cli._console import UsageError
from prism_testkit.conftests import ConftestError, load_conftest
from prism_testkit.discovery import Discovered, Discovery
from prism_testkit.selection import BackendSelection, SelectionError, closest
from prism_testkit.servers.images import with_images

__all__ = ["Project", "project_root"]


@dataclass
class Project:
    """What was found from the current folder: everything that registers, and why some of it does not."""

    root: Path
    discovery: Discovery
    found: Discovered
    conftest: Path | None = None
    """The conftest of the current folder, if there is one."""
    conftest_error: ConftestError | None = None
    hook_error: SelectionError | None = None

    @property
    def state(self) -> Path:
        """Where runs keep examples, witnesses and records. It need not exist."""
        return self.root / ".prism"

    @classmethod
    def here(cls, *names: str) -> "Project":
        """Discover what ``names`` need, or everything; what is wrong is kept, never raised."""
        folder = Path.cwd()
        discovery = Discovery()
        path = folder / "conftest.py"
        conftest = path if path.is_file() else None
        import_error: ConftestError | None = None
        hook_error: SelectionError | None = None
        if conftest is not None:
            try:
                discovery.take("conftest.py", load_conftest(conftest))
            except ConftestError as error:
                import_error = error
            except SelectionError as error:
                hook_error = error
        words = [name for name in names if name in discovery.backend_points]
        # A name that is no entry point's is the conftest's, which registers whatever is selected.
        selection = BackendSelection(tuple(words) if words else ("embedded",) if names else ("all",))
        found = discovery.find(selection)
        found.registry.backends = with_images(found.registry.backends)
        return cls(project_root(folder), discovery, found, conftest, import_error, hook_error)

    @property
    def backends(self) -> list[str]:
        """Every name that is a backend's: usable, refused, or not importable."""
        return sorted({*self.found.registry.seen, *self.discovery.backend_points})

    def unknown(self, name: str) -> UsageError:
        """Return the error for a name that is no backend's, with what may be the reason."""
        pattern = next((known for known in self.found.registry.patterns if name in (known, *known.split(":"))), "")
        if pattern:
            kind = pattern.partition(":")[0]
            return UsageError(
                f"{name!r} is no backend but a pattern: `prism list patterns {kind}` names its promises, "
                f"`pytest --prism-pattern={pattern}` judges it"
            )
        text = f"there is no backend {name!r}{closest(name, self.backends)}; there are: {', '.join(self.backends)}"
        wrong = [str(error) for error in (self.conftest_error, self.hook_error) if error is not None]
        wrong += [reason for who, reason in self.found.refused.items() if who not in self.backends]
        return UsageError("\n".join([text, *(f"perhaps because of this: {reason}" for reason in wrong)]))


def project_root(folder: Path) -> Path:
    """Return what pytest, started in ``folder``, takes for its rootdir.

    The rules are pytest's ("Finding the rootdir"): the nearest folder upwards with a configuration of pytest, else the nearest
    pyproject.toml, else the nearest setup.py, else ``folder``.
    """
    upwards = [folder, *folder.parents]
    for wanted in (_configures_pytest, lambda f: (f / "pyproject.toml").is_file(), lambda f: (f / "setup.py").is_file()):
        for candidate in upwards:
            if wanted(candidate):
                return candidate
    return folder


def _configures_pytest(folder: Path) -> bool:
    if any((folder / name).is_file() for name in ("pytest.toml", ".pytest.toml", "pytest.ini", ".pytest.ini")):
        return True
    sections = (("tox.ini", "pytest"), ("setup.cfg", "tool:pytest"))
    return _toml_configures(folder / "pyproject.toml") or any(_ini_configures(folder / name, section) for name, section in sections)


def _toml_configures(path: Path) -> bool:
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return bool(tables.get("tool", {}).get("pytest"))


def _ini_configures(path: Path, section: str) -> bool:
    reader = configparser.ConfigParser(interpolation=None)
    try:
        reader.read(path, encoding="utf-8")
    except (configparser.Error, ValueError):
        return False
    return reader.has_section(section)
