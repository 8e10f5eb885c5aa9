"""Whole numbers and seconds may be of a class of their own: what inherits from ``int`` or ``float`` is one."""

from prism_suites._judging import truth, value
from prism_suites._objects_asking import BUCKET, source
from prism_suites._own_numbers import Amount, Seconds, own
from prism_testkit.checks import check
from prism_testkit.interfaces import ObjectStorage
from prism_testkit.outcomes import law


@check("object_storage.6", "object_storage.9")
async def numbers_may_have_names(store: ObjectStorage) -> None:
    """A size and a time to live are what they are equal to, as constants of an application too."""
    await store.create_bucket(BUCKET)
    with law("object_storage.6"):
        await store.put_stream(BUCKET, "k", source([b"ab", b"c"]), size=Amount.THREE)
        value("object_storage.6", await store.get(BUCKET, "k"), b"abc", "a stream whose size is a number with a name")
    with law("object_storage.9"):
        truth("object_storage.9", await store.set_ttl(BUCKET, "k", Seconds(1e6)), True, "set_ttl of a present object")
        value("object_storage.9", await store.get(BUCKET, "k"), b"abc", "an object whose time is of a class of its own")
        truth("object_storage.9", await store.set_ttl(BUCKET, "k", own(1_000_000)), True, "set_ttl of a present object")
        value("object_storage.9", await store.get(BUCKET, "k"), b"abc", "an object whose time is a number with a name")
