"""``prism keep``: a witness moves into the project, and nothing is overwritten."""

from pathlib import Path
from typing import Any

import pytest

from prism_testkit.witness import Witness


@pytest.fixture
def witness(shell: Any) -> Path:
    made = Witness.of(
        check="acme_suites/x.py::one",
        binding="mine",
        backends=("mine",),
        promise="keyvalue_basic.1",
        seed=1,
        arguments={"key": "a"},
    )
    return made.save(shell.path / ".prism" / "witnesses").relative_to(shell.path)


def test_a_witness_is_kept_with_its_command_and_its_waiver(shell: Any, witness: Path) -> None:
    said = shell.prism("keep", str(witness), code=0)
    kept = shell.path / "witnesses" / witness.name
    assert kept.read_bytes() == (shell.path / witness).read_bytes()
    assert f"pytest --prism-replay=witnesses/{witness.name}" in said
    assert f'promise="keyvalue_basic.1", kind="todo", reason="...", witness="witnesses/{witness.name}"' in said
    assert shell.prism("keep", str(witness), code=0) == said


def test_another_file_of_that_name_stays(shell: Any, witness: Path) -> None:
    kept = shell.path / "elsewhere" / witness.name
    kept.parent.mkdir()
    kept.write_text("precious")
    assert "holds something else; nothing was written" in shell.prism("keep", str(witness), "--to", "elsewhere", code=1)
    assert kept.read_text() == "precious"


@pytest.mark.parametrize(
    ("text", "said"),
    [("{}", "not a witness"), ("", "not JSON"), ('{"format": "prism-testkit-witness", "version": 0}', "version 0")],
)
def test_what_is_no_witness_of_this_version_is_not_kept(shell: Any, text: str, said: str) -> None:
    (shell.path / "odd.json").write_text(text)
    assert said in shell.prism("keep", "odd.json", code=1)
    assert not (shell.path / "witnesses").exists()
