"""Cleaning up after runs that were killed before they could."""

import signal
from pathlib import Path

from prism_testkit.servers.directories import remove_directory
from prism_testkit.servers.engines import EngineAway, remove_container
from prism_testkit.servers.pausing import signal_all
from prism_testkit.servers.processes import Identity, is_running, kill_group, wait_for
from prism_testkit.servers.records import Record, locked, records
from prism_testkit.servers.segments import remove_segments
from prism_testkit.servers.templates import sweep_templates

__all__ = ["leftovers", "sweep"]


def sweep(state: Path, *, kept: bool = False) -> list[str]:
    """Stop the servers and remove the directories that killed runs left under ``state``; return what was done, in words.

    Never touched: what belongs to a run that still lives, and what another machine recorded. A kept server is left alone while
    it runs, unless ``kept`` is True and no run uses it; the remains of a kept server that died are removed.
    """
    with locked(state):
        done = [text for record in records(state) if (text := _sweep(record, state, kept))]
    return done + sweep_templates(state)


def leftovers(state: Path, *, kept: bool = False) -> list[Record]:
    """Return the servers on record that `sweep` would end or whose remains it would remove."""
    return [record for record in records(state) if _is_left(record, kept)]


def _is_left(record: Record, kept: bool) -> bool:
    return record.is_local and not record.living_owners and (kept or not (record.kept and record.is_alive))


def _sweep(record: Record, state: Path, kept: bool) -> str:
    if not _is_left(record, kept):
        return ""
    if record.container:
        return _sweep_container(record, state)
    stopped = record.process is not None and _end(record.process)
    # Children in sessions of their own do not die with their parent, and those that are stopped do not notice that it died.
    signal_all(record.paused, signal.SIGKILL)
    wait_for(record.paused)
    if record.process is not None:
        remove_segments(record.process)
    what = f"{record.name} of run {record.run_id}"
    if not remove_directory(record.directory) and record.directory.exists():
        return f"{what}: could not remove {record.directory}"
    record.remove(state)
    return f"{what}: {'stopped the server and removed' if stopped else 'removed'} {record.directory}"


def _sweep_container(record: Record, state: Path) -> str:
    what = f"{record.name} of run {record.run_id}"
    try:
        there = remove_container(record.engine, record.container)
    except EngineAway as error:
        return f"{what}: could not remove the container {record.container}: {error.reason}"
    record.remove(state)
    return f"{what}: removed {'the container' if there else 'the record of a container that is gone,'} {record.container}"


def _end(process: Identity) -> bool:
    """Kill the process if it still runs; True if it did. Waits until it is gone, for what it would write comes back otherwise."""
    if not is_running(process):
        return False
    wait_for([process, *kill_group(process)])
    return True
