"""Runs the acceptance suites again and again over correct backends: ``python -m tests.soak [--runs 20] [--backends NAMES]``.

Each run has a seed of its own. What is looked for: a failure (there is to be none), and anything left behind: a process, a
directory under the temporary folders, a record under ``.prism``. ``--keep FOLDER`` keeps the report of each clean run there, for
``python -m tests.floors --kept FOLDER``.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from prism_testkit.reaper import in_use

__all__ = ["main"]


def leftovers(project: Path) -> list[str]:
    """Return what a finished run should have removed; what another run on this machine is using is not left behind."""
    folders = [Path("/dev/shm"), Path(tempfile.gettempdir())]
    there = [path for folder in folders if folder.is_dir() for path in folder.glob("prism-*") if path.is_dir()]
    busy = {_run(path) for path in there if in_use(path)}
    found = [str(path) for path in there if _run(path) not in busy]
    found += [str(path) for kind in ("runs", "servers") for path in (project / ".prism" / kind).glob("*.json")]
    shown = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    return found + [line for line in shown.splitlines() if "/prism-" in line and "valkey-server" in line]


def _run(directory: Path) -> str:
    return directory.name.split("-")[1]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--backends", default="embedded,valkey")
    parser.add_argument("--keep", type=Path, default=None)
    arguments = parser.parse_args()
    bad = 0
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        project = Path(name)
        before = set(leftovers(project))
        for number in range(arguments.runs):
            started = time.perf_counter()
            command = [sys.executable, "-m", "pytest", "-q", "-n4", f"--prism-backend={arguments.backends}", "--prism-json=r.json"]
            done = subprocess.run([*command, f"--prism-seed={number}"], cwd=project, capture_output=True, text=True, check=False)
            report = json.loads((project / "r.json").read_text())
            left = sorted(set(leftovers(project)) - before)
            failed = [r["id"] for r in report["results"] if r["outcome"] not in ("passed", "inconclusive")]
            doubtful = sum(r["outcome"] == "inconclusive" for r in report["results"])
            bad += bool(done.returncode or left)
            if arguments.keep is not None and not done.returncode:
                arguments.keep.mkdir(parents=True, exist_ok=True)
                (project / "r.json").replace(arguments.keep / f"{number}.json")
            summary = (
                f"exit code {done.returncode}, {len(report['results'])} results, {doubtful} inconclusive, {len(failed)} not passed"
            )
            print(f"run {number:3}: {summary}, {len(left)} left behind, {time.perf_counter() - started:.1f} s", flush=True)
            for line in [*failed, *report["problems"], *left]:
                print(f"         {line}", flush=True)
            if done.returncode:
                print(done.stdout[-4000:], flush=True)
    print(f"{arguments.runs - bad} of {arguments.runs} runs clean")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
