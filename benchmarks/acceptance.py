"""The run of ``make acceptance``, as a whole process: to stay under 30 s on two cores.

python -m benchmarks.acceptance
"""

import subprocess
import sys
import tempfile
import time

RUNS = {"one process": [], "two workers": ["-n2"]}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name, extra in RUNS.items():
            started = time.perf_counter()
            command = [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "--prism-backend=embedded,valkey", *extra]
            done = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)
            last = done.stdout.strip().splitlines()[-1]
            print(f"{name:12} {time.perf_counter() - started:6.1f} s, exit code {done.returncode}: {last}")


if __name__ == "__main__":
    main()
