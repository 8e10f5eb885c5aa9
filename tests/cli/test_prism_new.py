"""``prism new backend``: what it writes runs at once, and its failures lead the author to green."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from prism_testkit.interfaces import INTERFACES, interface_model
from prism_testkit.promises import promise_text
from prism_testkit.signatures import methods_of

TOLD = re.compile(r"write (\w+)\.(\w+) in (\S+\.py): .* With a dict: (.+)$")


def messages(shell: Any) -> list[str]:
    report = json.loads((shell.path / "report.json").read_text())
    return [result["failure"]["message"] for result in report["results"] if result["failure"]]


def play_author(shell: Any, message: str) -> str:
    """Do what one failure tells: in that file, in that method, write that instead of the NotImplementedError."""
    told = TOLD.search(message)
    assert told, message
    _, method, file, code = told.groups()
    path: Path = shell.path / file
    text = path.read_text()
    begin = text.index("raise NotImplementedError(", text.index(f"    async def {method}("))
    end = text.index("\n        )\n", begin) + len("\n        )")
    path.write_text(text[:begin] + code + text[end:])
    return method


def test_failures_lead_the_author_one_by_one_to_green(shell: Any) -> None:
    shell.prism("new", "backend", "mine", code=0)
    written = []
    while True:
        said = shell.pytest("--prism-backend=mine", "--prism-json=report.json", "-q")
        failures = messages(shell)
        if not failures:
            break
        assert "error" not in {r["outcome"] for r in json.loads((shell.path / "report.json").read_text())["results"]}, said
        written.append(play_author(shell, failures[0]))
        assert len(written) <= 4, said
    assert sorted(written) == sorted(methods_of(INTERFACES["keyvalue_basic"]))
    shell.pytest("--prism-backend=mine", "-q", code=0)


def test_the_first_run_is_a_whole_run_that_quotes_the_promise(shell: Any) -> None:
    shell.prism("new", "backend", "mine", code=0)
    said = shell.pytest("--prism-backend=mine", "--prism-level=smoke", "--prism-json=report.json", code=1)
    assert json.loads((shell.path / "report.json").read_text())["complete"] is True
    assert any("write MineKeyValue.set in prism_mine.py" in message for message in messages(shell))
    assert "write MineKeyValue.set in prism_mine.py" in " ".join(said.split())
    assert all(promise_text(re.findall(r"keyvalue_basic\.\d+", m)[-1]) in m for m in messages(shell) if "NotImplemented" in m)


def first_of(model: str) -> str:
    return next(identifier for identifier in INTERFACES if interface_model(identifier) == model)


@pytest.mark.parametrize("identifier", sorted(i for i in INTERFACES if i != first_of(interface_model(i))))
def test_a_claim_that_is_uncommented_runs_at_once(shell: Any, identifier: str) -> None:
    model = interface_model(identifier)
    shell.prism("new", "backend", "mine", "--model", model, code=0)
    path = shell.path / "prism_mine.py"
    protocol = INTERFACES[identifier].__name__
    text = path.read_text().replace(f"    # {protocol},", f"    {protocol},")
    before, begin, rest = text.partition(f"    # -- {protocol}: uncomment this with the claim above\n")
    block, _, after = rest.partition("\n\n")
    assert begin
    path.write_text(before + re.sub(r"(?m)^    # ?", "    ", block) + "\n\n" + after)
    said = shell.prism("check", "mine", code=0)
    driver = re.findall(r"(?m)^class (\w+)\(", path.read_text())[0]
    assert f"ok     prism_mine.{driver}: {identifier} is claimed and complete" in said
    calls = "; ".join(f"d.{m}" for m in methods_of(INTERFACES[identifier]))
    code = f"import prism_mine; d = prism_mine.{driver}({{}}, 'n'); {calls}"
    shell.env["PYTHONPATH"] = f"{shell.site}:{shell.path}"
    shell.run(shell.python, "-c", code, code=0)
    del shell.env["PYTHONPATH"]
    shell.pytest("--prism-backend=mine", "--prism-level=smoke", "--prism-json=report.json", "-q", code=1)
    assert json.loads((shell.path / "report.json").read_text())["complete"] is True


@pytest.mark.parametrize("model", ["queue", "pubsub", "stream", "object_storage"])
def test_every_data_model_has_a_skeleton_that_says_what_to_write(shell: Any, model: str) -> None:
    shell.prism("new", "backend", "mine", "--model", model, code=0)
    said = shell.prism("check", "mine", code=0)
    assert f": {first_of(model)} is claimed and complete" in said
    driver = said.partition("prism_mine.")[2].partition(":")[0]
    shell.pytest("--prism-backend=mine", "--prism-level=smoke", "--prism-json=report.json", "-q", code=1)
    assert messages(shell)
    assert all(f"write {driver}." in message for message in messages(shell) if "NotImplementedError" in message)


def test_a_server_is_asked_for_first_and_then_its_client(shell: Any) -> None:
    shell.prism("new", "backend", "acme-x", "--server", code=0)
    said = shell.pytest("--prism-backend=acme-x", "--prism-level=smoke", code=1)
    assert "no acme-x-server on PATH" in said
    assert "ImportError" not in said
    binary = shell.site / "acme-x-server"
    binary.write_text(
        f"#!{shell.python}\nimport socket, sys\nserver = socket.create_server(('127.0.0.1', int(sys.argv[2])))\n"
        "while True: server.accept()[0].close()\n"
    )
    binary.chmod(0o755)
    shell.env["PATH"] = f"{shell.site}:/usr/bin:/bin"
    said = shell.pytest("--prism-backend=acme-x", "--prism-level=smoke", code=1)
    assert "write connect in this module" in said
    path = shell.path / "prism_acme_x.py"
    text = path.read_text()
    begin = text.index("    raise NotImplementedError(", text.index("async def connect"))
    path.write_text(text[:begin] + text[text.index("    yield\n", begin) :])
    said = shell.pytest("--prism-backend=acme-x", "--prism-level=smoke", "--prism-json=report.json", code=1)
    assert any("write AcmeXKeyValue.set in prism_acme_x.py" in message for message in messages(shell))
    assert not list((shell.state / "servers").glob("*.json"))


@pytest.mark.parametrize("existing", ["conftest.py", "prism_mine.py"])
def test_nothing_is_overwritten(shell: Any, existing: str) -> None:
    (shell.path / existing).write_text("precious\n")
    said = shell.prism("new", "backend", "mine", code=1)
    assert f"{existing} exists, and is not overwritten; nothing was written" in said
    assert (shell.path / existing).read_text() == "precious\n"
    assert sorted(path.name for path in shell.path.glob("*.py")) == [existing]


def test_a_link_that_points_nowhere_is_not_written_through(shell: Any, tmp_path: Path) -> None:
    (shell.path / "conftest.py").symlink_to(tmp_path / "elsewhere.py")
    shell.prism("new", "backend", "mine", code=1)
    assert not (tmp_path / "elsewhere.py").exists()


def test_where_there_is_a_conftest_the_module_comes_alone_with_what_to_add(shell: Any) -> None:
    shell.conftest()
    said = shell.prism("new", "backend", "yours", "--module-only", code=0)
    lines = said.partition("add to conftest.py:\n\n")[2].partition("next:")[0].replace("def prism_", "def prism_", 1)
    assert "from prism_yours import backend" in lines
    shell.conftest(lines)
    assert "yours        embedded" in shell.prism("list", "backends", "yours", code=0)


@pytest.mark.parametrize("name", ["a@b", "acme-2", "x", "class", "z--@9"])
def test_every_name_that_the_registry_allows_makes_a_backend_that_registers(shell: Any, name: str) -> None:
    shell.prism("new", "backend", name, code=0)
    assert shell.prism("list", "backends", name, code=0).startswith(f"{name:12} embedded")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Mine", "expected a name like [a-z][a-z0-9@-]*, such as 'acme', found 'Mine'"),
        ("1st", "expected a name like"),
        ("a_b", "expected a name like"),
        ("ümlaut", "expected a name like"),
        ("a/b", "expected a name like"),
        ("all", "means something else already"),
        ("embedded", "means something else already"),
        ("testkit", "means something else already"),
        ("memory", "there is a backend 'memory' already"),
    ],
)
def test_a_name_that_no_backend_may_have_is_a_usage_error(shell: Any, name: str, said: str) -> None:
    assert said in shell.prism("new", "backend", name, code=4)
    assert not list(shell.path.glob("*.py"))


@pytest.mark.parametrize(
    ("model", "checks"),
    [
        (
            "queue",
            [
                'headers = prism.check_headers(headers, "enqueue", NAME)',
                'timeout_s = prism.check_timeout(timeout_s, "dequeue", NAME)',
            ],
        ),
        ("keyvalue", ['prism.check_prefix(prefix, "scan", NAME)', 'limit = prism.check_limit(limit, "scan", NAME)']),
        ("object_storage", ['user_metadata = prism.check_headers(user_metadata, "put", NAME, room=1024)']),
    ],
)
def test_a_skeleton_checks_every_argument_that_there_is_a_check_of(shell: Any, model: str, checks: list[str]) -> None:
    shell.prism("new", "backend", "mine", "--model", model, code=0)
    lines = {line.strip(" #") for line in (shell.path / "prism_mine.py").read_text().splitlines()}
    assert set(checks) <= lines
