"""The examples run as their first lines say, over real stores and in processes of their own."""

import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

IMAGES = Path(__file__).parents[1] / "examples" / "images.py"


def png(width: int, height: int) -> bytes:
    """Return a true PNG of noise that does not compress."""

    def part(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + bytes((x * y * 7 + x * x) % 256 for x in range(3 * width)) for y in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", header) + part(b"IDAT", zlib.compress(rows, 0)) + part(b"IEND", b"")


def run(folder: Path, *arguments: str) -> str:
    command = [sys.executable, str(IMAGES), *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "small.png").write_bytes(png(10, 10))
    (tmp_path / "large.png").write_bytes(png(200, 300))
    return tmp_path


def test_images_go_through_the_queue_and_come_once(folder: Path) -> None:
    said = run(folder, "send", "small.png", "large.png")
    assert "sent small.png" in said
    assert "inline" in said.splitlines()[0]
    assert "claimed, " in said.splitlines()[1]
    worked = run(folder, "work", "--patience", "0")
    assert "small.png: PNG 10 x 10" in worked
    assert "large.png: PNG 200 x 300" in worked
    assert run(folder, "work", "--patience", "0") == ""


def test_the_application_in_the_documentation_runs_as_it_stands_without_pytest(tmp_path: Path) -> None:
    text = (IMAGES.parents[1] / "docs" / "patterns.md").read_text(encoding="utf-8")
    code = text.partition("```python\n")[2].partition("```")[0] + "\nimport sys\nprint('pytest' in sys.modules)\n"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Claim(bucket='claim-check', ")
    assert done.stdout.endswith("\nFalse\n")
