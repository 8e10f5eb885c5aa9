"""keyvalue: what was looked at before tells nothing of now, be it that time passed or that another client wrote, however often."""

from collections.abc import Awaitable, Callable
from typing import Any

from prism_suites._judging import same, value
from prism_suites._keyvalue_bulk import drained
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import KeyValueBasic, KeyValueBatch, KeyValueScan, KeyValueTtl
from prism_testkit.tap import offers

_LOOKS: dict[str, tuple[type, Callable[[Any], Awaitable[Any]]]] = {
    "get": (KeyValueBasic, lambda kv: kv.get("k")),
    "exists": (KeyValueBasic, lambda kv: kv.exists("k")),
    "batch_get": (KeyValueBatch, lambda kv: kv.batch_get(["k", "missing"])),
    "count": (KeyValueScan, lambda kv: kv.count("k")),
    "count of all": (KeyValueScan, lambda kv: kv.count()),
    "scan": (KeyValueScan, lambda kv: drained(kv.scan("k"))),
    "scan_keys": (KeyValueScan, lambda kv: drained(kv.scan_keys("k"))),
}


@check("keyvalue_ttl.2", "keyvalue_scan.5", "keyvalue_scan.1")
@gauntlet(lambda limits: [{"look": look} for look in _LOOKS])
async def a_look_before_a_deadline_tells_nothing_behind_it(kv: KeyValueTtl, case: Case, look: str) -> None:
    """The same look at a key, with nothing between the two but time: it finds the key, and then it does not."""
    whole = await case.whole()
    interface, call = _LOOKS[look]
    if not case.clock.virtual or not offers(whole, interface):
        return
    for slot in (whole, await case.client(whole=True)):
        await kv.set_with_ttl("k", b"held", 60.0)
        found = [bool(await call(slot)) for _ in range(2)]
        same("keyvalue_ttl.1", found, [True, True], f"{look} does not find a key before its deadline")
        await case.advance(120.0)
        got = await call(slot)
        same("keyvalue_ttl.2", bool(got), False, f"{look} finds a key behind its deadline, as it did before (it gave {got!r})")


@check("keyvalue_basic.8")
async def however_often_another_client_wrote(kv: KeyValueBasic, case: Case) -> None:
    """A client that has read a key reads what another one wrote since, after any number of writes up to 257.

    All values have one length, so a store that writes anew what it keeps has the same size again after some number of them.
    """
    other = await case.client()
    await kv.set("k", b"%08d" % 0)
    for often in (*range(1, 65), 100, 128, 255, 256, 257) if not case.server else (3, 256):
        value("keyvalue_basic.8", await kv.get("k"), b"%08d" % 0, "a key does not hold what was set")
        for number in range(1, often + 1):
            await other.set("k", b"%08d" % number)
        got = await kv.get("k")
        sentence = f"a client that has read a key does not see the last of {often} sets by another one"
        value("keyvalue_basic.8", got, b"%08d" % often, sentence)
        await kv.set("k", b"%08d" % 0)
