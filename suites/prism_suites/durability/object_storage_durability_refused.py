"""What came to nothing is nothing behind a kill, too: it was never written down."""

from typing import Annotated, Any

from prism_suites._behind import comes_to_nothing, named
from prism_suites._judging import broken
from prism_suites._moments import keeps_files
from prism_suites._objects_asking import BUCKET, listed
from prism_suites._objects_refusals import REFUSALS
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import ObjectStorage
from prism_testkit.traits import Traits


async def _state(store: Any) -> dict[str, Any]:
    names = sorted(await listed(store, "", BUCKET))
    found: dict[str, Any] = {"objects": names, "bucket": await store.bucket_exists("missing")}
    for name in names:
        known = await store.metadata(BUCKET, name)
        found[name] = (
            await store.get(BUCKET, name),
            known and (known.content_type, known.expires_at_ms, dict(known.user_metadata)),
        )
    return found


@check("object_storage.19")
@gauntlet(named(REFUSALS))
async def what_came_to_nothing_is_nothing_behind_a_kill(
    store: Annotated[ObjectStorage, Traits(durability="process")], case: Case, refused: str
) -> None:
    """A call is refused or fails, everybody is killed, and what is there is what was there (OS-61). Of files only."""
    if not keeps_files(case):
        return
    place = case.mortal()
    namespace = place.new_namespace()
    slot = await place.client(0, namespace)
    await slot.create_bucket(BUCKET)
    for key in ("there", "cut"):
        await slot.put(BUCKET, key, key.encode(), content_type="text/plain")
    await slot.set_ttl(BUCKET, "there", 1e6)
    if not await comes_to_nothing(slot, None, REFUSALS[refused]):
        return
    before = await _state(slot)
    await place.kill()
    after = await _state(await place.client(1, namespace))
    if after != before:
        changed = {name: after.get(name) for name in {**before, **after} if after.get(name) != before.get(name)}
        sentence = f"killed behind a call that came to nothing ({refused}), what is there is not what was there"
        broken("object_storage.19", sentence, expected={name: before.get(name) for name in changed}, got=changed)
