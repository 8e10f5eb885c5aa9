"""Patterns in a user's project: an implementation of one's own beside ours, selected, shown, caught and replayed."""

import re
from typing import Any

import pytest

CONFTEST = """
import prism_testkit as prism
from prism_patterns.claim_check import ClaimCheckConfig, PrismClaimCheck
from prism_patterns.claim_check.channels import channel_of
from prism_testkit.interfaces import ObjectStorage, QueueVisibility


class Mine(PrismClaimCheck):
    def __init__(self, *, queue: QueueVisibility, store: ObjectStorage, config: ClaimCheckConfig, clock: prism.Clock) -> None:
        super().__init__(queue=queue, store=store, config=config, clock=clock)


class Leaky(Mine):
    async def _publish_claim(self, topic, chunks, headers):
        self._channel.publish, real = self._refused, self._channel.publish
        try:
            return await super()._publish_claim(topic, chunks, headers)
        finally:
            self._channel.publish = real

    async def _refused(self, topic, payload, headers):
        try:
            return await channel_of(self._queue, self._clock).publish(topic, payload, headers)
        except Exception as error:
            raise RuntimeError(str(error)) from error


@prism.hookimpl
def prism_register_patterns(registry):
    registry.add(prism.Pattern(kind="claim-check", name="mine", implementation=Mine))
    registry.add(prism.Pattern(kind="claim-check", name="leaky", implementation=Leaky))
"""
ORDER = "prism_suites/patterns/claim_check_order.py"


@pytest.fixture
def project(folder: Any) -> Any:
    (folder.path / "conftest.py").write_text(CONFTEST)
    return folder


def test_implementations_stand_side_by_side(project: Any) -> None:
    result = project.run("--prism-backend=memory", "--prism-level=smoke", "-k", "illegal_topic", ORDER, "-q")
    text = result.stdout.str()
    assert re.search(r"claim-check +leaky +mine +prism\n", text), text
    row = re.search(r"queue=memory.queue_visibility,store=memory +✓ 1 +✓ 1 +·", text)
    assert row is not None or "queue=memory.queue_visibility,store=memory" in text
    report = project.report()
    assert {r["pattern"] for r in report["results"]} == {"claim-check:mine", "claim-check:leaky", "claim-check:prism"}
    assert all(r["interfaces"] == [] and r["promises"] == ["CC3"] for r in report["results"])
    assert f"{ORDER}::an_illegal_topic_leaves_nothing[claim-check:mine[queue=memory,store=memory]]" in {
        r["id"] for r in report["results"]
    }


def test_one_implementation_is_selected_by_name(project: Any) -> None:
    project.run("--prism-backend=memory", "--prism-level=smoke", "--prism-pattern=claim-check:mine", "-k", "illegal_topic")
    assert {r["pattern"] for r in project.report()["results"]} == {"claim-check:mine"}


def test_an_unknown_pattern_is_refused_with_the_closest(project: Any) -> None:
    result = project.run("--prism-backend=memory", "--prism-pattern=claim-chek")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--prism-pattern: nothing matches 'claim-chek' (did you mean 'claim-check'?)*"])


def test_a_suite_of_a_pattern_named_as_one_of_an_interface_is_told_how_it_is_chosen(project: Any) -> None:
    result = project.run("--prism-backend=memory", "--prism-suite=claim_check_acks")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--prism-suite: nothing matches 'claim_check_acks'*chosen by --prism-pattern*"])


def test_a_wrong_one_is_caught_named_and_repeated(project: Any) -> None:
    wanted = ("--prism-backend=memory", "--prism-level=smoke", "--prism-pattern=claim-check:leaky", "-k", "after_a_refusal")
    result = project.run(*wanted)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    (found,) = project.report()["results"]
    failure = found["failure"]
    assert (failure["promise"], found["pattern"]) == ("CC3", "claim-check:leaky")
    assert failure["promise_text"].startswith("The object is there before its message is published.")
    assert any("claim-check:leaky: store.put(" in step for step in failure["steps"]), failure["steps"]
    command = failure["command"].split()[1:]
    assert project.run(*command).ret == pytest.ExitCode.TESTS_FAILED
    assert [r["id"] for r in project.report()["results"]] == [found["id"]]


def test_a_known_failure_of_a_pattern_is_waived(project: Any) -> None:
    project.run("--prism-backend=memory", "--prism-level=smoke", "--prism-pattern=claim-check:leaky", "-k", "after_a_refusal")
    witness = project.report()["results"][0]["failure"]["witness"]
    waiver = f'prism.Waiver(promise="CC3", kind="todo", reason="mended soon", witness="{witness}")'
    text = CONFTEST.replace("implementation=Leaky)", f"implementation=Leaky, waivers=[{waiver}])")
    (project.path / "conftest.py").write_text(text)
    result = project.run(
        "--prism-backend=memory", "--prism-level=smoke", "--prism-pattern=claim-check:leaky", "-k", "after_a_refusal"
    )
    assert result.ret == pytest.ExitCode.OK
    assert [r["outcome"] for r in project.report()["results"]] == ["waived"]


@pytest.mark.parametrize(
    ("annotation", "said"),
    [
        ("queue: int", "queue: expected a slot annotated with interfaces"),
        ("queue: 'Nowhere'", "an annotation cannot be resolved"),
        ("config: ClaimCheckConfig", "expected at least one parameter annotated with an interface"),
    ],
)
def test_a_pattern_that_nobody_could_fill_is_refused(project: Any, annotation: str, said: str) -> None:
    text = CONFTEST.replace(
        "queue: QueueVisibility, store: ObjectStorage, config: ClaimCheckConfig, clock: prism.Clock", annotation, 1
    )
    (project.path / "conftest.py").write_text(text)
    result = project.run("--prism-backend=memory", "--prism-level=smoke", "-k", "illegal_topic", ORDER)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert said in " ".join(result.stdout.str().split())


KIND = """
import prism_testkit as prism
from prism_testkit.interfaces import KeyValueBasic
from kinds import {name}


class Simple:
    def __init__(self, *, state: KeyValueBasic) -> None: ...
    async def __aenter__(self): return self
    async def __aexit__(self, *raised): return None


@prism.hookimpl
def prism_register_patterns(registry: prism.Registry) -> None:
    registry.add(prism.Pattern(kind="{kind}", name="simple", implementation=Simple))


@prism.hookimpl
def prism_register_suites(registry: prism.Registry) -> None:
    registry.add(prism.Suite(package="acme_suites"))
"""
CHECK = """
import prism_testkit as prism
from kinds import {name}

@prism.check("{promises}1")
async def it_opens(box: prism.Bound[{name}]) -> None:
    async with box.opened() as opened:
        assert opened
"""


def _own_kind(folder: Any, where: str, name: str, promises: str, check: str = CHECK) -> None:
    kind = name.lower()
    (folder.path / "conftest.py").write_text(KIND.format(name=name, kind=kind))
    protocol = (
        f'@prism.kind("{kind}", promises="{promises}")\nclass {name}(Protocol):\n    """It opens.\n\n    1. It opens.\n    """\n'
    )
    (folder.path / "kinds.py").write_text(f"from typing import Protocol\nimport prism_testkit as prism\n\n{protocol}")
    path = folder.path / "acme_suites" / where
    path.parent.mkdir(parents=True)
    (folder.path / "acme_suites" / "__init__.py").touch()
    path.write_text(check.format(name=name, promises=promises))


def test_a_suite_in_a_package_of_patterns_is_found_by_its_kind(folder: Any) -> None:
    _own_kind(folder, "patterns/casket_opening.py", "Casket", "TCA")
    assert folder.run("--prism-backend=memory", "--prism-pattern=casket").ret == pytest.ExitCode.OK
    assert [r["check"] for r in folder.report()["results"]] == ["it_opens"]


@pytest.mark.parametrize(
    ("where", "found"),
    [("coffer_opening.py", "found acme_suites.coffer_opening, which is in none"), ("patterns/opening.py", "found none")],
)
def test_a_kind_without_a_suite_is_told_where_one_is_looked_for(folder: Any, where: str, found: str) -> None:
    _own_kind(folder, where, "Coffer", "TCO")
    result = folder.run("--prism-backend=memory", "--prism-pattern=coffer")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    said = result.stderr.str()
    assert "no suite judges coffer: expected a module coffer_*.py in a package `patterns` of a registered suite" in said
    assert found in said
    assert "pytest --prism-pattern=coffer test_coffer.py" in said


def test_what_a_check_raises_itself_is_told_as_that(folder: Any) -> None:
    _own_kind(folder, "patterns/chest_opening.py", "Chest", "TCH", CHECK.replace("assert opened", "opened.lid"))
    assert folder.run("--prism-backend=memory", "--prism-pattern=chest").ret == pytest.ExitCode.TESTS_FAILED
    failure = folder.report()["results"][0]["failure"]
    assert failure["message"].startswith("the check met AttributeError")
    assert failure["hint"].startswith("a line of the check itself raised it")


def test_an_implementation_without_a_method_is_refused_at_once(folder: Any) -> None:
    _own_kind(folder, "patterns/trunk_opening.py", "Trunk", "TTR")
    with (folder.path / "kinds.py").open("a") as kinds:
        kinds.write("\n    async def __aenter__(self): ...\n    async def lift(self) -> None: ...\n    def _inner(self): ...\n")
    result = folder.run("--prism-backend=memory", "--prism-pattern=trunk")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    said = result.stderr.str()
    assert "--prism-pattern: nothing matches 'trunk'" in said
    assert "perhaps because of this: conftest.py: pattern 'trunk:simple' is refused: conftest.Simple: " in said
    assert "expected the methods of Trunk, found no lift" in said


def test_a_promise_that_the_kind_does_not_make_is_refused(folder: Any) -> None:
    _own_kind(folder, "patterns/crate_opening.py", "Crate", "TCR", CHECK.replace("{promises}1", "{promises}12"))
    result = folder.run("--prism-backend=memory", "--prism-pattern=crate")
    assert result.ret != pytest.ExitCode.OK
    assert "it_opens: Crate has no promise TCR12 in its docstring" in result.stdout.str() + result.stderr.str()


def test_a_refused_pattern_costs_itself_and_not_what_is_registered_after_it(folder: Any) -> None:
    _own_kind(folder, "patterns/coffin_opening.py", "Coffin", "TCN")
    conftest = folder.path / "conftest.py"
    made = re.search(r"( +)registry\.add\((?:prism\.)?Pattern\(.*", conftest.read_text())
    assert made is not None
    wrong = made[0].replace("implementation=Simple", "implementation=object()").replace('name="simple"', 'name="wrong"')
    conftest.write_text(conftest.read_text().replace(made[0], f"{wrong}\n{made[0]}\n{made[0]}"))
    result = folder.run("--prism-backend=memory,-sqlite", "--prism-pattern=coffin")
    report = folder.report()
    assert [(r["pattern"], r["outcome"]) for r in report["results"]] == [("coffin:simple", "passed")]
    assert report["problems"][:2] == [
        next(text for text in report["problems"] if "'coffin:wrong': expected a class, found <object" in text),
        "conftest.py: the pattern 'coffin:simple' is registered twice",
    ]
    assert result.ret == pytest.ExitCode.TESTS_FAILED
