"""``prism check``: each thing it looks at is taken away, and gets a line of its own with one cure."""

from typing import Any

import pytest

from prism_testkit.interfaces import INTERFACES
from prism_testkit.signatures import methods_of

GET = "async def get(self, key):\n        return self.data.get(key)"


def lines(said: str, mark: str = "wrong") -> list[tuple[str, str]]:
    """Return (text, cure) of each line of a mark."""
    rows = said.splitlines()
    found = []
    for row, after in zip(rows, [*rows[1:], ""], strict=True):
        if row.startswith(f"  {mark:6} "):
            found.append((row[9:], after.strip() if after.startswith(" " * 9) else ""))
    return found


def test_a_right_backend_is_told_what_it_has_and_what_is_near(shell: Any) -> None:
    shell.conftest()
    said = shell.prism("check", "mine", code=0)
    assert said.startswith(f"mine, registered by {shell.path}/conftest.py\n")
    assert [text for text, _ in lines(said, "ok")] == [
        "conftest.Dict: keyvalue_basic is claimed and complete",
        "conftest.Dict: traits: as by default",
        "conftest.Dict: limits: as by default",
        "clean is given",
        "connect opened and closed, with 1 driver class(es)",
    ]
    where = f"edit conftest.py:{shell.line('class Dict')}: write them, and"
    basic = methods_of(INTERFACES["keyvalue_basic"])
    assert lines(said, "note") == [
        (
            f"conftest.Dict: {name}: missing {', '.join(m for m in methods_of(protocol) if m not in basic)}",
            f"{where} {protocol.__name__} among the bases of Dict",
        )
        for name, protocol in INTERFACES.items()
        if name == "lifecycle" or (name.startswith("keyvalue_") and name != "keyvalue_basic")
    ]
    assert not (shell.state / "runs").exists() or not list((shell.state / "runs").iterdir())


WRONG = {
    "a method": (
        GET,
        "",
        "conftest.Dict.get: KeyValueBasic is claimed, expected `async def get(self, key)`, found nothing",
        "edit conftest.py:{class Dict}: write async def get(self, key)",
    ),
    "a parameter's name": (
        "get(self, key)",
        "get(self, name)",
        "conftest.Dict.get: expected `async def get(self, key)`, found `get(self, name)`",
        "edit conftest.py:{async def get}: write async def get(self, key)",
    ),
    "async": (
        "async def get",
        "def get",
        "conftest.Dict.get: expected async def, found def",
        "edit conftest.py:{def get}: write async def",
    ),
    "the claim": (
        "class Dict(KeyValueBasic)",
        "class Dict",
        "conftest.Dict: expected a class that inherits an interface such as KeyValueBasic, found bases object",
        "edit conftest.py:{class Dict}: write a class that inherits an interface such as KeyValueBasic",
    ),
    "a class": (
        "drivers=[Dict]",
        "drivers=[Dict, 7]",
        "drivers: expected a class, found int: 7",
        "edit Backend(drivers=...) of 'mine': write a class",
    ),
    "any driver": (
        "drivers=[Dict]",
        "drivers=[]",
        "drivers: expected at least one driver class, found none",
        "edit Backend(drivers=...) of 'mine': write at least one driver class",
    ),
    "traits": (
        "clean=clean)",
        "clean=clean, traits=1)",
        "traits: expected Traits(...), found 1",
        "edit Backend(traits=...) of 'mine': write Traits(...)",
    ),
    "a driver's limits": (
        "    def __init__",
        "    limits = 3\n    def __init__",
        "conftest.Dict.limits: expected Limits(...), found 3",
        "edit conftest.py:{class Dict}: write Limits(...)",
    ),
    "a clock": (
        "clean=clean)",
        "clean=clean, clock='slow')",
        "clock: expected 'virtual', 'real' or None, found 'slow'",
        "edit Backend(clock=...) of 'mine': write 'virtual', 'real' or None",
    ),
    "a server": (
        "clean=clean)",
        "clean=clean, server='x')",
        "server: expected Server(...) or None, found 'x'",
        "edit Backend(server=...) of 'mine': write Server(...) or None",
    ),
    "connect": (
        "connect=connect",
        "connect=5",
        "connect: expected a function of a Place that returns an async context manager, found 5",
        "edit Backend(connect=...) of 'mine': write a function of a Place that returns an async context manager",
    ),
    "a context manager": (
        "@asynccontextmanager\n",
        "",
        "connect() raised TypeError: backend 'mine': connect() must return an async context manager",
        "edit conftest.py:{async def connect}: decorate it with @asynccontextmanager",
    ),
    "a connection": (
        "    yield place.shared",
        "    raise OSError('nobody there')\n    yield",
        "connect() raised OSError: nobody there",
        "edit conftest.py:{@asynccontextmanager}: mend what it raises",
    ),
    "an end of connect": (
        "    yield place.shared",
        "    await asyncio.get_running_loop().create_future()\n    yield",
        "connect() raised Deadlock",
        "edit conftest.py:{@asynccontextmanager}: mend what it raises",
    ),
    "a connect that does not block": (
        "    yield place.shared",
        "    import time\n    time.sleep(600)\n    yield",
        "connect() did not return within 0.5 s",
        "edit conftest.py:{@asynccontextmanager}: let it return, or raise, when nobody answers",
    ),
    "a way out of connect": (
        "    yield place.shared",
        "    yield place.shared\n    raise OSError('stuck')",
        "backend 'mine': leaving connect() raised OSError: stuck",
        "edit conftest.py:{@asynccontextmanager}: let what it started end",
    ),
    "a driver that opens": (
        "        self.data = client",
        "        raise OSError('no table')\n        self.data = client",
        "opening Dict raised OSError: no table",
        "edit conftest.py:{class Dict}: mend what it raises",
    ),
    "a driver that closes": (
        "    async def set(",
        "    async def close(self):\n        raise OSError('no end')\n    async def set(",
        "opening Dict raised OSError: no end",
        "edit conftest.py:{class Dict}: mend what it raises",
    ),
    "a clean that works": (
        "        del client[namespace]",
        "        pass\n    raise OSError('dirty')",
        "clean() raised OSError: dirty",
        "edit conftest.py:{async def clean}: mend what it raises",
    ),
    "a name of its own": (
        "    registry.add(mine)",
        "    registry.add(mine)\n    registry.add(mine)",
        "conftest.py: the backend 'mine' is registered twice",
        "edit its registration: as that says",
    ),
}


@pytest.mark.parametrize("what", sorted(WRONG))
def test_what_is_taken_away_gets_one_line_with_one_cure(shell: Any, what: str) -> None:
    old, new, text, cure = WRONG[what]
    shell.edit(old, new)
    for mark in ("class Dict", "async def get", "def get", "async def connect", "@asynccontextmanager", "async def clean"):
        if f"{{{mark}}}" in cure:
            cure = cure.replace(f"{{{mark}}}", str(shell.line(mark)))
    deadline = "0.5" if "0.5 s" in text else "600"  # what does return may take its time
    said = shell.prism("check", "mine", "--deadline", deadline, code=1)
    hits = [line for line in lines(said) if text in line[0]]
    assert [found for _, found in hits] == [cure], said
    shell.conftest()
    assert not lines(shell.prism("check", "mine", "--deadline", "600", code=0))


def test_a_claim_that_is_complete_but_not_made_is_noted(shell: Any) -> None:
    methods = "".join(
        f"    async def {m}(self, key, expected, new=None): ...\n" for m in ("compare_and_swap", "compare_and_delete")
    )
    shell.edit("class Dict(KeyValueBasic):\n", f"class Dict(KeyValueBasic):\n{methods}")
    found = [line for line in lines(shell.prism("check", "mine", code=0), "note") if "keyvalue_cas" in line[0]]
    assert found == [
        (
            "conftest.Dict: keyvalue_cas: every method is there, but it is not claimed, so it is not checked",
            f"edit conftest.py:{shell.line('class Dict')}: write KeyValueCas among the bases of Dict",
        )
    ]


def test_a_method_that_every_claim_needs_is_missed_once(shell: Any) -> None:
    shell.edit("(KeyValueBasic)", "(KeyValueTtl, KeyValueScan)")
    shell.edit(GET, "")
    text = (shell.path / "conftest.py").read_text().replace("(KeyValueBasic)", "(KeyValueTtl, KeyValueScan)")
    shell.conftest(text)
    said = shell.prism("check", "mine", code=1)
    assert len([text for text, _ in lines(said) if text.startswith("conftest.Dict.get:")]) == 1
    assert {text.partition(":")[0] for text, _ in lines(said)} == {
        f"conftest.Dict.{m}" for p in ("keyvalue_ttl", "keyvalue_scan") for m in methods_of(INTERFACES[p])
    } - {f"conftest.Dict.{m}" for m in ("set", "delete", "exists")}


@pytest.mark.parametrize(
    ("server", "mark", "code"), [("", "note", 0), (", server=prism.Server(url='x:{port}', ready=connect)", "wrong", 1)]
)
def test_clean_that_is_not_given_is_noted_and_wrong_for_a_server(shell: Any, server: str, mark: str, code: int) -> None:
    shell.edit("clean=clean)", f"{server.lstrip(', ')})")
    found = [line for line in lines(shell.prism("check", "mine", "--no-connect", code=code), mark) if "clean" in line[0]]
    assert len(found) == 1
    assert found[0][0].startswith("clean is not given: ")
    assert found[0][1].startswith("edit conftest.py:")
    assert found[0][1].endswith("Backend(clean=clean)")


def test_a_server_that_is_not_there_has_its_command(shell: Any) -> None:
    shell.edit(
        "clean=clean)", "clean=clean, server=prism.Server(url='x://{port}', ready=connect, binary='acme-server', command=print))"
    )
    ((text, cure),) = lines(shell.prism("check", "mine", code=1))
    assert "no acme-server on PATH" in text
    assert cure == "export PRISM_MINE_URL=x://PORT"


def test_a_backend_that_cannot_be_imported_is_told_with_the_reason(shell: Any) -> None:
    shell.env["BLOCKED"] = "redis"
    said = shell.prism("check", "redis", code=1)
    assert said == ("redis cannot be looked at: its client library is not installed (redis): pip install 'prism-testkit[redis]'\n")


@pytest.mark.parametrize("name", ["claim-check", "claim-check:prism"])
def test_a_pattern_is_told_from_a_backend(shell: Any, name: str) -> None:
    shell.conftest()
    said = shell.prism("check", name, code=4)
    assert f"'{name}' is no backend but a pattern: `prism list patterns claim-check` names its promises" in said
