"""One record a run, under ``.prism/runs``: what a killed run left is found, and cleaned, by the next one."""

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prism_testkit.backend import Backend
from prism_testkit.namespaces import MARK
from prism_testkit.servers import sweep
from prism_testkit.servers.processes import Identity, identify, is_running

__all__ = ["RunRecord", "clean_namespaces", "dead_runs", "record_run", "sweep_directories", "unwritable"]


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run: its process, its directory, and the backends whose servers were given to it by URL. No address is kept."""

    path: Path
    run_id: str
    owner: Identity
    directory: Path
    by_url: tuple[str, ...]

    def save(self) -> None:
        body = {
            "run_id": self.run_id,
            "pid": self.owner.pid,
            "started": self.owner.started,
            "directory": str(self.directory),
            "by_url": list(self.by_url),
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.path.with_suffix(".tmp")
        temporary.write_text(json.dumps(body))
        temporary.replace(self.path)

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)


def record_run(state: Path, run_id: str, directory: Path, by_url: Sequence[str]) -> RunRecord:
    """Write the record of this process's run, before it leaves anything behind."""
    owner = identify(os.getpid()) or Identity(os.getpid(), "")
    record = RunRecord(state / "runs" / f"{run_id}.json", run_id, owner, directory, tuple(by_url))
    record.save()
    return record


def dead_runs(state: Path) -> list[RunRecord]:
    """Return the records whose process is gone; what is no record is left alone."""
    found = []
    for path in sorted((state / "runs").glob("*.json")):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            body: dict[str, Any] = json.loads(path.read_text())
            owner = Identity(body["pid"], body["started"])
            record = RunRecord(path, body["run_id"], owner, Path(body["directory"]), tuple(body["by_url"]))
            if not is_running(owner):
                found.append(record)
    return found


def unwritable(state: Path) -> str:
    """Return why nothing can be kept in a folder, which is made if it is missing; the empty string if all is well."""
    try:
        state.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=state):
            return ""
    except OSError as error:
        return f"{state}: {error.strerror or error}"


def sweep_directories(state: Path) -> list[str]:
    """Stop servers and remove directories that killed runs left; return what was done, in words.

    A record that names a server given by URL stays until `clean_namespaces` could clean there.
    """
    done = list(sweep(state))
    for record in dead_runs(state):
        # Only a directory that carries the run's own name: a record is a file, and a file can be edited.
        if record.directory.name.startswith(f"prism-{record.run_id}-") and record.directory.is_dir():
            shutil.rmtree(record.directory, ignore_errors=True)
            done.append(f"removed the directory of the killed run {record.run_id}")
        if not record.by_url:
            record.remove()
    return done


async def clean_namespaces(state: Path, backend: Backend[Any], client: Any) -> list[str]:
    """Remove from a server given by URL what killed runs left there; return what was done, in words."""
    done = []
    for record in dead_runs(state):
        if backend.name not in record.by_url or backend.clean is None:
            continue
        await backend.clean(client, MARK + record.run_id)
        done.append(f"cleaned the namespaces of the killed run {record.run_id} from {backend.name}")
        rest = tuple(name for name in record.by_url if name != backend.name)
        if rest:
            RunRecord(record.path, record.run_id, record.owner, record.directory, rest).save()
        else:
            record.remove()
    return done
