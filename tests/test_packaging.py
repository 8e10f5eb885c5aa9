"""What is published: a wheel that works where there is no checkout, and a source distribution that makes the same wheel.

Nothing is downloaded: the build has no isolation (so hatchling is a development dependency), and the new environment sees the
dependencies of this one.
"""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = {"prism_backends", "prism_patterns", "prism_suites", "prism_testkit"}
NOT_THE_SOURCE = (".git", ".venv", ".prism", ".hypothesis", "*_cache", "__pycache__", "dist", "build")


def _call(*argv: str | Path, cwd: Path, **environment: str) -> str:
    # A checkout on the path would hide what is missing from the wheel.
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHONPATH", "PYTEST_", "PRISM_"))}
    done = subprocess.run(argv, cwd=cwd, env=clean | environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkout as it is now, so that nothing changes between two builds."""
    target = tmp_path_factory.mktemp("source") / "checkout"
    shutil.copytree(ROOT, target, ignore=shutil.ignore_patterns(*NOT_THE_SOURCE))
    return target


def _built(source: Path, kind: str, target: Path) -> Path:
    _call(sys.executable, "-m", "build", "--no-isolation", f"--{kind}", "--outdir", target, ".", cwd=source)
    (built,) = target.iterdir()
    return built


@pytest.fixture(scope="module")
def wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _built(source, "wheel", tmp_path_factory.mktemp("wheel"))


def _contents(wheel: Path) -> Mapping[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_wheel_holds_every_module_and_no_generic_name(source: Path, wheel: Path) -> None:
    names = set(_contents(wheel))
    assert {name.partition("/")[0] for name in names if ".dist-info/" not in name} == PACKAGES
    expected = {
        path.relative_to(home).as_posix()
        for home in (source, *(source / top for top in ("backends", "patterns", "suites")))
        for package in PACKAGES
        for path in (home / package).rglob("*")
        if path.is_file()
    }
    assert {name for name in names if ".dist-info/" not in name} == expected
    assert "prism_testkit/py.typed" in names
    assert "prism_suites/interfaces/keyvalue_basic.py" in names
    assert sum(name.endswith("licenses/LICENSE") for name in names) == 1


def test_the_source_distribution_makes_the_same_wheel(source: Path, wheel: Path, tmp_path: Path) -> None:
    sdist = _built(source, "sdist", tmp_path / "sdist")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
        archive.extractall(tmp_path / "unpacked", filter="data")
    assert {"CHANGELOG.md", "LICENSE", "README.md", "pyproject.toml", "tests/test_packaging.py"} <= names
    (unpacked,) = (tmp_path / "unpacked").iterdir()
    assert _contents(_built(unpacked, "wheel", tmp_path / "wheel")) == _contents(wheel)


def test_the_wheel_works_outside_the_checkout(wheel: Path, tmp_path: Path) -> None:
    home = tmp_path / "venv"
    _call(sys.executable, "-m", "venv", "--without-pip", home, cwd=tmp_path)
    python = home / ("Scripts" if os.name == "nt" else "bin") / "python"
    pip = (sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index")
    _call(*pip, "--disable-pip-version-check", wheel, cwd=tmp_path)
    site = Path(_call(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=tmp_path).strip())
    # A path in a .pth file is searched last, and the .pth files in it (an editable install of ours) are not read.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    folder = tmp_path / "empty"
    folder.mkdir()
    found = _call(python, "-c", "import prism_testkit as p, prism_suites as s; print(p.__file__, s.__file__)", cwd=folder)
    assert all(Path(path).is_relative_to(site) for path in found.split())
    args = ("--prism-backend=embedded", "--prism-suite=keyvalue_basic", "--prism-level=smoke", "--prism-json=report.json")
    output = _call(python, "-m", "pytest", "-p", "no:cacheprovider", *args, cwd=folder, PYTHONDONTWRITEBYTECODE="")
    # pytest took what pip had compiled: to rewrite assertions takes every process two seconds where bytecode is not kept.
    rewritten = {path.name.partition(".")[0] for path in site.glob("prism_*/**/__pycache__/*-pytest-*.pyc")}
    assert rewritten <= {"__init__", "plugin"}
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert report["complete"], output
    statuses = {backend["name"]: backend["status"] for backend in report["backends"]}
    assert statuses == dict.fromkeys(("filesystem", "memory", "sqlite"), "available")
    assert {result["outcome"] for result in report["results"]} == {"passed"}
    assert all(result["id"].startswith("prism_suites/interfaces/keyvalue_basic.py::") for result in report["results"])
    assert sorted(path.name for path in folder.iterdir()) == [".prism", "report.json"]
    prism = python.with_name("prism")
    assert "memory" in _call(prism, "list", "backends", cwd=folder)
