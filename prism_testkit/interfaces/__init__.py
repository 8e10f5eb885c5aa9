"""The thin interfaces: what a driver implements, a pattern uses and a suite checks.

Standard library only. `INTERFACES` maps each id (``keyvalue_ttl``) to its Protocol (`KeyValueTtl`).
"""

import re

from prism_testkit.interfaces import (
    errors,
    keyvalue,
    lifecycle,
    object_storage,
    pubsub,
    pubsub_filtering,
    pubsub_ordering,
    pubsub_wildcards,
    queue,
    stream,
    stream_partitioning,
    stream_replay,
    stream_retention,
)
from prism_testkit.interfaces.errors import *  # noqa: F403  re-exported whole; errors.__all__ is the list
from prism_testkit.interfaces.keyvalue import *  # noqa: F403  re-exported whole; keyvalue.__all__ is the list
from prism_testkit.interfaces.lifecycle import *  # noqa: F403  likewise
from prism_testkit.interfaces.object_storage import *  # noqa: F403  likewise
from prism_testkit.interfaces.pubsub import *  # noqa: F403  likewise
from prism_testkit.interfaces.pubsub_filtering import *  # noqa: F403  likewise
from prism_testkit.interfaces.pubsub_ordering import *  # noqa: F403  likewise
from prism_testkit.interfaces.pubsub_wildcards import *  # noqa: F403  likewise
from prism_testkit.interfaces.queue import *  # noqa: F403  likewise
from prism_testkit.interfaces.stream import *  # noqa: F403  likewise
from prism_testkit.interfaces.stream_partitioning import *  # noqa: F403  likewise
from prism_testkit.interfaces.stream_replay import *  # noqa: F403  likewise
from prism_testkit.interfaces.stream_retention import *  # noqa: F403  likewise

__all__ = [
    *errors.__all__,
    *keyvalue.__all__,
    *lifecycle.__all__,
    *object_storage.__all__,
    *pubsub.__all__,
    *pubsub_filtering.__all__,
    *pubsub_ordering.__all__,
    *pubsub_wildcards.__all__,
    *queue.__all__,
    *stream.__all__,
    *stream_partitioning.__all__,
    *stream_replay.__all__,
    *stream_retention.__all__,
    "BESIDE",
    "INTERFACES",
    "interface_id",
    "interface_model",
]


def interface_id(protocol: type) -> str:
    """Return the id of a Protocol: ``KeyValueTtl`` is ``keyvalue_ttl``, ``ObjectStorage`` ``object_storage``."""
    name = protocol.__name__
    for camel, model in _MODELS.items():
        if name.startswith(camel):
            flavour = re.sub(r"(?=[A-Z])", "_", name[len(camel) :]).lower()
            return model + flavour
    raise ValueError(f"{name} is not an interface: no data model begins its name")


def interface_model(identifier: str) -> str:
    """Return the data model of an interface id: ``keyvalue`` of ``keyvalue_ttl``, ``object_storage`` of itself."""
    return next((m for m in _MODELS.values() if identifier == m or identifier.startswith(f"{m}_")), identifier.partition("_")[0])


_MODELS = {
    "KeyValue": "keyvalue",
    "Queue": "queue",
    "PubSub": "pubsub",
    "Stream": "stream",
    "ObjectStorage": "object_storage",
}

INTERFACES: dict[str, type] = {
    interface_id(protocol): protocol
    for protocol in (
        keyvalue.KeyValueBasic,
        keyvalue.KeyValueScan,
        keyvalue.KeyValueTtl,
        keyvalue.KeyValueTransactional,
        keyvalue.KeyValueBatch,
        keyvalue.KeyValueCas,
        queue.QueueBasic,
        queue.QueueVisibility,
        queue.QueueDeadLetter,
        queue.QueuePriority,
        queue.QueueDelayed,
        pubsub.PubSubBasic,
        pubsub_wildcards.PubSubWildcards,
        pubsub.PubSubPersistent,
        pubsub_filtering.PubSubFiltering,
        pubsub_ordering.PubSubOrdering,
        stream.StreamBasic,
        stream.StreamConsumerGroups,
        stream_replay.StreamReplay,
        stream_retention.StreamRetention,
        stream_partitioning.StreamPartitioning,
        object_storage.ObjectStorage,
        object_storage.ObjectStorageConditional,
    )
}

BESIDE: dict[str, type] = {"lifecycle": lifecycle.Lifecycle}
"""Those that are no data model of their own: a driver claims them beside its model, and a pattern may have them too."""

INTERFACES |= BESIDE
