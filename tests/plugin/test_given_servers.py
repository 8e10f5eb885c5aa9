"""A server that is given by URL keeps nothing of a run: its cases clean up, and each worker once more at its end."""

from pathlib import Path
from typing import Any

import pytest

TOLD = """
async def ready(url):
    pass

async def told(client, prefix):
    with open(FILE, "a") as file:
        file.write(prefix + "\\n")
    if FAILS and len(prefix) < 24:
        raise OSError("it is gone")
    await clean(client, prefix)

SERVER = prism.Server(url="mine://joe:hocuspocus@host:{port}", ready=ready)
BACKENDS = [prism.Backend(name="mine", connect=connect, clean=told, drivers=[Dict], server=SERVER, clock="virtual")]
"""


@pytest.mark.parametrize(("workers", "least"), [((), 1), (("-n2",), 2)], ids=["alone", "xdist"])
def test_each_worker_cleans_all_of_its_own_at_its_end(
    folder: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: tuple[str, ...], least: int
) -> None:
    monkeypatch.setenv("PRISM_MINE_URL", "mine://joe:hocuspocus@host:1")
    folder.backends(f"FILE, FAILS = {str(tmp_path / 'told')!r}, False\n{TOLD}")
    folder.checks()
    assert folder.run("--prism-backend=mine", *workers, "test_checks.py").ret == 0
    prefixes = (tmp_path / "told").read_text().split()
    whole = {prefix for prefix in prefixes if len(prefix) == 16}
    assert len(whole) >= least
    assert {prefix[:16] for prefix in prefixes if len(prefix) == 24} <= whole


def test_what_cannot_be_cleaned_at_the_end_is_a_problem_in_words(
    folder: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRISM_MINE_URL", "mine://joe:hocuspocus@host:1")
    folder.backends(f"FILE, FAILS = {str(tmp_path / 'told')!r}, True\n{TOLD}")
    folder.checks()
    result = folder.run("--prism-backend=mine", "test_checks.py")
    result.stdout.fnmatch_lines(["*backend 'mine': clean(client, 'prism*') raised OSError: it is gone*"])
    assert "hocuspocus" not in result.stdout.str()
