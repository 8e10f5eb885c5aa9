"""Records what the shipped suites come to: ``python -m tests.floors [--runs 4] [--backends embedded,valkey]``.

Each run has a seed of its own; the least of them, less a margin, is written to ``suites/prism_suites/floors.json``. ``--kept
FOLDER``: the reports at ``standard`` that ``python -m tests.soak`` kept there stand for such runs of this one. Look at the
difference before it is committed: a number that fell without a reason is what floors are for.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prism_testkit.floors import dump, record

__all__ = ["main"]

PLACE = Path(__file__).parents[1] / "suites" / "prism_suites" / "floors.json"


def _run(folder: Path, options: list[str]) -> dict[str, Any]:
    # What is under the floors of before is no reason to stop: they are about to be replaced.
    command = [sys.executable, "-m", "pytest", "-q", "-n4", "-p", "no:cacheprovider", "--prism-json=report.json", *options]
    subprocess.run(command, cwd=folder, capture_output=True, check=False)
    report: dict[str, Any] = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    return report


def _origins(report: Mapping[str, Any]) -> dict[str, str]:
    backends = {each["name"]: f"prism_backends.{each['name']}" for each in report["backends"]}
    return backends | {result["pattern"]: "prism_patterns.registration" for result in report["results"] if result["pattern"]}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.floors", description=__doc__)
    parser.add_argument("--runs", type=int, default=4)
    parser.add_argument("--backends", default="embedded,valkey")
    parser.add_argument("--kept", type=Path, default=None)
    arguments = parser.parse_args()
    kept = (
        [json.loads(path.read_text(encoding="utf-8")) for path in sorted(arguments.kept.glob("*.json"))] if arguments.kept else []
    )
    reports: list[tuple[Mapping[str, Any], Mapping[str, str]]] = [(report, _origins(report)) for report in kept]
    together, alone = [f"--prism-backend={arguments.backends}"], ["--prism-backend=memory", "--prism-pattern=*"]
    with tempfile.TemporaryDirectory(prefix="floors-") as name:
        for level in ("smoke", "standard"):
            for seed in range(1, arguments.runs + 1):
                for choice in [alone] if kept and level == "standard" else [together, alone]:
                    report = _run(Path(name), [*choice, f"--prism-level={level}", f"--prism-seed={seed}"])
                    wrong = [r["id"] for r in report["results"] if r["outcome"] not in ("passed", "inconclusive")]
                    if wrong or not report["complete"]:
                        print(f"{level}, seed {seed}: not recorded: {wrong[:5] or report['problems'][:5]}")
                        return 1
                    print(f"{' '.join(choice)} {level}, seed {seed}: {len(report['results'])} results", flush=True)
                    reports.append((report, _origins(report)))
    PLACE.write_text(dump(record(reports)), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
