"""The script that proves containers in CI: where there are none it says so and is content, and it runs nothing then."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / ".ci" / "containers"

pytestmark = [
    pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not here"),
    pytest.mark.skipif(not SCRIPT.is_file(), reason="a source distribution is without it"),
]


def script(**environ: str) -> "subprocess.CompletedProcess[str]":
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PRISM_", "PYTEST_"))}
    given = {**inherited, "BIN": str(Path(sys.executable).parent), **environ}
    return subprocess.run([SCRIPT], env=given, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("ci", ["", "true"], ids=["at home", "in CI"])
def test_an_engine_that_is_named_and_away_is_told_of_in_one_line(tmp_path: Path, ci: str) -> None:
    """None is installed in its place: whoever names one means that one."""
    done = script(DOCKER_HOST=f"unix://{tmp_path}/none.sock", CI=ci)
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    assert line.startswith(f"no containers here: no container engine answers: unix://{tmp_path}/none.sock: ")


def test_it_is_well_formed_and_may_be_run() -> None:
    assert os.access(SCRIPT, os.X_OK)
    subprocess.run(["bash", "-n", SCRIPT], check=True)
    subprocess.run(["sh", "-n", ROOT / "tests/images/kafka.sh"], check=True)
    subprocess.run(["sh", "-n", ROOT / "tests/images/postgres.sh"], check=True)
