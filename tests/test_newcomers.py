"""A newcomer of a case connects when it is asked for, and its connection is closed with the case."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from prism_backends.memory import memory
from prism_testkit.backend import Place
from prism_testkit.case import Case
from prism_testkit.checks import check
from prism_testkit.interfaces import KeyValueBasic
from prism_testkit.outcomes import Outcome
from tests.zoo.kill import running

CONNECTED: list[Any] = []
SEEN: list[int] = []


@asynccontextmanager
async def _counted(place: Place) -> AsyncIterator[Any]:
    async with memory.connect(place) as client:
        CONNECTED.append(client)
        try:
            yield client
        finally:
            CONNECTED.remove(client)


async def _comes_and_sees(kv: KeyValueBasic, case: Case) -> None:
    """Each newcomer has a connection of its own, and sees what is there."""
    await case.client()
    await kv.set("k", b"v")
    for _ in range(2):
        SEEN.append(len(CONNECTED))
        newcomer = await case.newcomer()
        SEEN.append(len(CONNECTED))
        assert await newcomer.get("k") == b"v"
    assert [case.history.labels[number] for number in sorted(case.history.labels)][-2:] == ["newcomer 1", "newcomer 2"]


CHECKS = (check("keyvalue_basic.1")(_comes_and_sees),)
"""Not by a name of this module's, where it would be asked of the backends that are selected."""


def test_a_newcomer_connects_when_it_is_asked_for_and_goes_with_its_case() -> None:
    with running(replace(memory, name="counted", connect=_counted), home=__name__) as runner:
        for _ in range(2):
            results = list(runner.run("here::comes_and_sees", CHECKS[0]))
            assert {each.outcome for each in results} == {Outcome.PASSED}, results
            assert len(CONNECTED) == 2
    assert SEEN == [2, 3, 3, 4] * 2
    assert not CONNECTED
