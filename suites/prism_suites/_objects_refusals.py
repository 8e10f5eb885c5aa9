"""Calls of an object store that come to nothing, as a table: what stands behind them is as if they had not been."""

import math
from collections.abc import AsyncIterator

from prism_suites._behind import Refusal
from prism_suites._objects_asking import BUCKET, signed, source
from prism_suites._using_up import left_early
from prism_testkit.interfaces import ObjectStorageConditional

__all__ = ["PARTS", "REFUSALS", "SAID"]

SAID = signed("cut").keywords
PARTS = (b"cancelled ", b"in its ", b"midst")


async def _fails() -> AsyncIterator[bytes]:
    for part in PARTS:
        yield part
    raise ValueError("the source fails")


REFUSALS: dict[str, Refusal] = {
    "put without a bucket": Refusal(object, "object_storage.11", lambda o, held: o.put("missing", "k", b"refused", **SAID)),
    "put under no name": Refusal(object, "object_storage.12", lambda o, held: o.put(BUCKET, "", b"refused", **SAID)),
    "put of a text": Refusal(object, "object_storage.12", lambda o, held: o.put(BUCKET, "cut", "text", **SAID)),
    "put_stream without a bucket": Refusal(
        object, "object_storage.11", lambda o, held: o.put_stream("missing", "k", source(PARTS), **SAID)
    ),
    "put_stream of another size": Refusal(
        object, "object_storage.6", lambda o, held: o.put_stream(BUCKET, "cut", source(PARTS), size=7, **SAID)
    ),
    "put_stream that fails": Refusal(object, "object_storage.6", lambda o, held: o.put_stream(BUCKET, "cut", _fails(), **SAID)),
    "get of nothing": Refusal(object, "object_storage.2", lambda o, held: o.get(BUCKET, "missing")),
    "get_stream of nothing": Refusal(object, "object_storage.2", lambda o, held: left_early(o.get_stream(BUCKET, "missing"))),
    "delete of nothing": Refusal(object, "object_storage.2", lambda o, held: o.delete(BUCKET, "missing")),
    "set_ttl of nothing": Refusal(object, "object_storage.2", lambda o, held: o.set_ttl(BUCKET, "missing", 0.5)),
    "set_ttl for NaN": Refusal(object, "object_storage.9", lambda o, held: o.set_ttl(BUCKET, "there", math.nan)),
    "listing without a bucket": Refusal(object, "object_storage.11", lambda o, held: left_early(o.list_objects("missing"))),
    "listing that is left": Refusal(object, "object_storage.8", lambda o, held: left_early(o.list_objects(BUCKET))),
    "get_stream that is left": Refusal(object, "object_storage.17", lambda o, held: left_early(o.get_stream(BUCKET, "there"))),
    "delete_bucket of what is not empty": Refusal(object, "object_storage.11", lambda o, held: o.delete_bucket(BUCKET)),
    "create_bucket of what is there": Refusal(object, "object_storage.11", lambda o, held: o.create_bucket(BUCKET)),
    "put_if_absent of what is there": Refusal(
        ObjectStorageConditional, "object_storage_conditional.1", lambda o, held: o.put_if_absent(BUCKET, "there", b"r", **SAID)
    ),
}
