"""object_storage: whatever its place in a listing, every line is true: the size, the instant, and that the object is there at all.

What lists by the hundred has code that runs only from the second page on; what sweeps many at once ends somewhere, one too late.
"""

from prism_suites._judging import broken, refused, same, truth
from prism_suites._objects_asking import BUCKET, infos
from prism_suites._racing import together
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import Conflict, ObjectMetadata, ObjectStorage

_AT_ONCE = 50
_SOON_S, _LATE_S = 100_000.0, 1_000_000.0


def _key(kind: str, number: int) -> str:
    match kind:
        case "ending in a slash":
            return f"d{number:05}/"
        case "without zeros":
            return f"{number}"
    return f"k{number:05}"


def _size(case: Case, number: int) -> int:
    """Return the size of an object: some are empty, and no two at the same place of two pages are alike."""
    return 0 if number % 10 == 0 else min(number % 307, case.limits.max_payload)


async def _filled(store: ObjectStorage, case: Case, count: int, kind: str) -> dict[str, ObjectMetadata]:
    """Put so many objects, those of a page at different instants and of different sizes; return what each put told."""
    await store.create_bucket(BUCKET)
    told: dict[str, ObjectMetadata] = {}
    for start in range(0, count, _AT_ONCE):
        numbers = range(start, min(count, start + _AT_ONCE))
        puts = [store.put(BUCKET, _key(kind, number), bytes(_size(case, number))) for number in numbers]
        told |= zip((_key(kind, number) for number in numbers), await together(*puts), strict=True)
        if case.clock.virtual:
            await case.clock.sleep(3)
    return told


async def _lists(store: ObjectStorage, told: dict[str, ObjectMetadata], story: str, promise: str = "object_storage.8") -> None:
    """Judge that a listing gives exactly these objects, with their sizes and instants."""
    lines = await infos(store)
    found = {line.key: line for line in lines}
    missing, extra = sorted(told.keys() - found.keys()), sorted(found.keys() - told.keys())
    if missing or extra or len(found) < len(lines):
        expected = f"{len(told)} keys, each once, also {missing[:5]!a}" if missing else f"{len(told)} keys, each once"
        broken(promise, story, expected=expected, got=f"{len(lines)} lines, also {extra[:5]!a}" if extra else f"{len(lines)} lines")
    for place, line in enumerate(lines, 1):
        same("object_storage.8", line.size, told[line.key].size, f"line {place}, {line.key!a}, of {story} has not the true size")
        sentence = f"line {place}, {line.key!a}, of {story} has not the true instant"
        same("object_storage.8", line.last_modified_ms, told[line.key].last_modified_ms, sentence)


@check("object_storage.8", "object_storage.3")
@gauntlet(
    lambda limits: [
        {"count": count, "kind": kind} for count in (12, 130, 1030) for kind in ("padded", "ending in a slash", "without zeros")
    ]
)
async def every_line_of_a_listing_is_its_own(store: ObjectStorage, case: Case, count: int, kind: str) -> None:
    """Of many objects each is listed with its own size, empty ones too, and its own instant, the one its put told (OS-12)."""
    if case.server and count > 1000 and kind != "padded":
        return  # one long listing is enough there
    told = await _filled(store, case, count, kind)
    await _lists(store, told, f"a listing of {count} objects")


@check("object_storage.9", "object_storage.8")
@gauntlet(lambda limits: [{"count": count, "staying": staying} for count in (2, 12, 130, 1030) for staying in (3, 130)])
async def those_that_expire_together_expire_each(store: ObjectStorage, case: Case, count: int, staying: int) -> None:
    """Of objects that expire between two looks all are gone from a listing, wherever they stood; what is to live longer stays."""
    if not case.clock.virtual:
        return  # where time cannot be moved they expire one by one
    told = await _filled(store, case, count + staying, "padded")
    keys = sorted(told)
    longer = keys[1::2][:staying] if staying <= count else keys[count:]
    later, for_ever = longer[::2], longer[1::2]
    for key in keys:
        if key not in for_ever:
            await store.set_ttl(BUCKET, key, _SOON_S if key not in later else _LATE_S)
    await case.advance(2 * _SOON_S)
    left = {key: told[key] for key in longer}
    await _lists(store, left, f"a listing when {count} objects expired together", "object_storage.9")
    for key in longer[:5]:
        same("object_storage.9", await store.exists(BUCKET, key), True, f"an object that is to live longer than {count} others")
    sentence = f"delete_bucket is not refused, though {count} objects expired and {len(left)} did not"
    await refused("object_storage.11", store.delete_bucket(BUCKET), Conflict, sentence)
    await case.advance(2 * _LATE_S)
    await _lists(store, {key: told[key] for key in for_ever}, f"a listing when {len(later)} more expired", "object_storage.9")


@check("object_storage.11")
@gauntlet(lambda limits: [{"count": count, "staying": where} for count in (11, 130, 1030) for where in ("first", "last")])
async def one_object_holds_a_bucket(store: ObjectStorage, case: Case, count: int, staying: str) -> None:
    """A bucket whose objects have expired, or were deleted, all but one, is not empty; without that one it is."""
    if case.server and count > 1000:
        return
    told = await _filled(store, case, count, "padded")
    keys = sorted(told)
    stays = keys[0] if staying == "first" else keys[-1]
    gone = [key for key in keys if key != stays]
    for key in gone:
        await (store.set_ttl(BUCKET, key, _SOON_S) if case.clock.virtual else store.delete(BUCKET, key))
    if case.clock.virtual:
        await case.advance(2 * _SOON_S)
    sentence = f"delete_bucket is not refused, though one object of {count} is there"
    await refused("object_storage.11", store.delete_bucket(BUCKET), Conflict, sentence)
    await _lists(store, {stays: told[stays]}, f"a listing where one of {count} is left")
    await store.delete(BUCKET, stays)
    truth("object_storage.11", await store.delete_bucket(BUCKET), True, f"delete_bucket when {count} objects are gone")
    await store.create_bucket(BUCKET)
    await _lists(store, {}, f"a listing of a bucket made again that held {count}", "object_storage.11")


@check("object_storage.11")
@gauntlet(lambda limits: [{"count": count} for count in (130, 1030)])
async def all_of_a_bucket_goes_by_force(store: ObjectStorage, case: Case, count: int) -> None:
    """However many objects a bucket held that was deleted by force, none is there when it is made again."""
    if case.server and count > 1000:
        return
    told = await _filled(store, case, count, "padded")
    truth("object_storage.11", await store.delete_bucket(BUCKET, force=True), True, f"delete_bucket by force, with {count} in it")
    await store.create_bucket(BUCKET)
    await _lists(store, {}, f"a listing of a bucket made again that held {len(told)}", "object_storage.11")
