"""Writers that are forked: each as new as a process that was started, and gone when it is killed or nobody is there any more."""

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from prism_testkit.forking import ForkServer, Writer
from prism_testkit.outcomes import HarnessError
from prism_testkit.servers.processes import identify

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere each writer is a new interpreter")

MODULE = """
import json, os, secrets, signal, sys
told = {"pid": os.getpid(), "directory": os.getcwd(), "identity": secrets.token_hex(8), "set": os.environ["PRISM_SAMPLE"]}
print("to the log", file=sys.stderr, flush=True)
print(json.dumps(told), flush=True)
signal.pause()
"""


@pytest.fixture
def writers(tmp_path: Path) -> Iterator[ForkServer]:
    (tmp_path / "paused_writer.py").write_text(MODULE)
    made = ForkServer(tmp_path)
    yield made
    made.close()


def told_by(writer: Writer, path: Path, value: str) -> dict[str, str]:
    """Let a writer import the module that says who it is, and waits; return what it said."""
    order = {"path": [str(path), *sys.path], "environment": {"PRISM_SAMPLE": value}, "origin": ["module", "paused_writer"]}
    writer.orders.write(json.dumps(order).encode() + b"\n")
    writer.orders.close()
    told: dict[str, str] = json.loads(writer.said.readline())
    return told


def test_every_writer_is_a_new_one_in_its_own_directory(writers: ForkServer, tmp_path: Path) -> None:
    seen = []
    for name in ("a", "b"):
        place = tmp_path / name
        place.mkdir()
        writer = writers.start(place, tmp_path / f"{name}.log")
        told = told_by(writer, tmp_path, name)
        assert (told["directory"], told["set"]) == (str(place), name)
        seen.append(told)
        writer.close()
        assert (tmp_path / f"{name}.log").read_text() == "to the log\n"
    assert seen[0]["identity"] != seen[1]["identity"], "what is made at import was made before the fork"
    assert seen[0]["pid"] != seen[1]["pid"]


def test_a_writer_that_was_killed_is_gone_and_what_it_said_is_not(writers: ForkServer, tmp_path: Path) -> None:
    writer = writers.start(tmp_path, tmp_path / "log")
    told = told_by(writer, tmp_path, "x")
    writer.kill()
    assert identify(int(told["pid"])) is None
    assert writer.said.read() == b""
    writer.kill()
    writer.close()


def test_no_writer_outlives_who_started_it(writers: ForkServer, tmp_path: Path) -> None:
    writer = writers.start(tmp_path, tmp_path / "log")
    told = told_by(writer, tmp_path, "x")
    writers.close()
    assert identify(int(told["pid"])) is None
    writer.close()


def test_it_begins_anew_after_its_own_end(writers: ForkServer, tmp_path: Path) -> None:
    writers.start(tmp_path, tmp_path / "log").close()
    assert writers._process is not None
    os.kill(writers._process.pid, signal.SIGKILL)
    with pytest.raises(HarnessError, match="the process that forks writers has ended: it said nothing"):
        writers.start(tmp_path, tmp_path / "log")
    writer = writers.start(tmp_path, tmp_path / "log")
    assert told_by(writer, tmp_path, "x")["set"] == "x"
    writer.close()
