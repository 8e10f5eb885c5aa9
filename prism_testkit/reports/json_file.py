"""The JSON report on disk: whole at every moment, so that a killed run leaves what it knew."""

import contextlib
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic_core import PydanticSerializationError

if TYPE_CHECKING:
    from prism_testkit.results import Report

__all__ = ["JsonFile"]

_STALE_S = 60.0
_SHARE = 20  # writing takes at most a twentieth of the time of a run


class JsonFile:
    """Writes a report again and again to one path, each time atomically: readers see an old whole file or a new whole file.

    The temporary file stands beside the target, hidden, and is moved over it; a symbolic link is followed. A run that is
    killed while writing leaves one temporary file, which `check_writable` of a later run removes.
    """

    def __init__(self, path: str | Path, min_interval_s: float = 1.0) -> None:
        self.path = Path(path)
        self.problem = ""
        """Why the latest `offer` that was due wrote nothing; empty if it did. `finish` raises instead."""
        self._min_interval_s = min_interval_s
        self._due_s = float("-inf")

    def check_writable(self) -> None:
        """Raise ``ValueError``, naming the path, if a report could not be written there. Called before a run."""
        target = self._target()
        if not target.parent.is_dir():
            raise ValueError(f"{self.path}: the directory {target.parent} does not exist; make it, or give another path")
        if target.exists() and not target.is_file():
            raise ValueError(f"{self.path}: is not a regular file; a report replaces the file, so give the path of one")
        self._remove_stale(target)
        try:
            with _temporary(target):
                pass
        except OSError as error:
            raise ValueError(f"{self.path}: cannot be written: {error.strerror or error}") from error

    @property
    def is_due(self) -> bool:
        """Whether ``min_interval_s`` has passed since the last write, and twenty times as long as that write took."""
        return time.monotonic() >= self._due_s

    def offer(self, report: "Report") -> None:
        """Write the report with ``complete: false`` if it `is_due`; else do nothing, at the cost of looking at the clock.

        Never raises for a full disk: `problem` says so, and the run goes on.
        """
        if not self.is_due:
            return
        now = time.monotonic()
        partial = report if not report.complete else report.model_copy(update={"complete": False})
        try:
            self._write(partial)
            self.problem = ""
        except OSError as error:
            self.problem = f"{self.path}: the report could not be written: {error.strerror or error}"
        ended = time.monotonic()
        self._due_s = ended + max(self._min_interval_s, _SHARE * (ended - now))

    def finish(self, report: "Report") -> None:
        """Write the report as it is, whatever was written when; ``complete`` is the caller's word. Raises ``OSError``."""
        self._write(report)

    def _target(self) -> Path:
        return Path(os.path.realpath(self.path))

    def _write(self, report: "Report") -> None:
        target = self._target()
        data = _serialised(report)
        with _temporary(target) as temporary:
            temporary.write_bytes(data)
            os.replace(temporary, target)  # noqa: PTH105  the same, and the name says what happens to the target

    def _remove_stale(self, target: Path) -> None:
        for left in target.parent.glob(f".{_escaped(target.name)}.*.tmp"):
            # A write takes milliseconds: what is older belongs to nobody.
            with contextlib.suppress(OSError):
                if time.time() - left.stat().st_mtime > _STALE_S:
                    left.unlink()


def _escaped(name: str) -> str:
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)


@contextlib.contextmanager
def _temporary(target: Path) -> Iterator[Path]:
    """Make a new file beside ``target``, with ordinary permissions, and remove it if it is still there at the end."""
    path = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def _serialised(report: "Report") -> bytes:
    try:
        return report.model_dump_json(indent=1).encode() + b"\n"
    except PydanticSerializationError:
        # A lone surrogate, out of somebody's message: no JSON that others can read holds one.
        return type(report).model_validate(_encodable(report.model_dump())).model_dump_json(indent=1).encode() + b"\n"


def _encodable(data: Any) -> Any:
    if isinstance(data, str):
        return data.encode("utf-8", "backslashreplace").decode()
    if isinstance(data, dict):
        return {_encodable(name): _encodable(item) for name, item in data.items()}
    return [_encodable(item) for item in data] if isinstance(data, list) else data
