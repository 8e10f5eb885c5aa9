"""What came to nothing is nothing behind a kill, too: it was never written down."""

from typing import Annotated, Any

from prism_suites._behind import comes_to_nothing, named
from prism_suites._judging import broken
from prism_suites._keyvalue_bulk import drained
from prism_suites._keyvalue_looks import seconds_left
from prism_suites._keyvalue_refusals import REFUSALS
from prism_suites._moments import keeps_files
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import KeyValueBasic, KeyValueScan, KeyValueTtl
from prism_testkit.tap import offers
from prism_testkit.traits import Traits

_KEYS = ("cut", "mortal", "cut b", "cut c", "cut t", "missing", "beside")


async def _state(kv: Any) -> dict[str, Any]:
    found: dict[str, Any] = {key: await kv.get(key) for key in _KEYS}
    if offers(kv, KeyValueTtl):
        found |= {f"deadline of {key}": isinstance(await seconds_left(kv, key), float | int) for key in _KEYS}
    if offers(kv, KeyValueScan):
        found["scan"] = sorted(await drained(kv.scan_keys()))
    return found


@check("keyvalue_basic.12")
@gauntlet(named(REFUSALS))
async def what_came_to_nothing_is_nothing_behind_a_kill(
    kv: Annotated[KeyValueBasic, Traits(durability="process")], case: Case, refused: str
) -> None:
    """A call is refused, conflicts or fails, everybody is killed, and what is there is what was there (KV-53). Of files only."""
    if not keeps_files(case):
        return
    place = case.mortal()
    namespace = place.new_namespace()
    slot = await place.client(0, namespace)
    await slot.set("cut", b"kept")
    if offers(slot, KeyValueTtl):
        await slot.set_with_ttl("mortal", b"mortal", 1e6)
        await slot.set_with_ttl("cut", b"kept", 1e6)
    if not await comes_to_nothing(slot, None, REFUSALS[refused]):
        return
    before = await _state(slot)
    await place.kill()
    after = await _state(await place.client(1, namespace))
    if after != before:
        changed = {name: value for name, value in after.items() if value != before[name]}
        sentence = f"killed behind a call that came to nothing ({refused}), what is there is not what was there"
        broken("keyvalue_basic.12", sentence, expected={name: before[name] for name in changed}, got=changed)
