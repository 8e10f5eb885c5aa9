"""Every change of a driver over a real server, and those that leave it right."""

from . import (
    changes_filesystem_meetings,
    changes_filesystem_power,
    changes_jetstream_keyvalue,
    changes_jetstream_objects,
    changes_jetstream_pubsub,
    changes_jetstream_queue,
    changes_jetstream_stream,
    changes_kafka_groups,
    changes_kafka_stream,
    changes_minio_object_storage,
    changes_minio_transfers,
    changes_nats_missed,
    changes_nats_pubsub,
    changes_postgres_appending,
    changes_postgres_deadletter,
    changes_postgres_durable,
    changes_postgres_groups,
    changes_postgres_keyvalue,
    changes_postgres_members,
    changes_postgres_missed,
    changes_postgres_pubsub,
    changes_postgres_queue,
    changes_postgres_stream,
    changes_postgres_transactions,
    changes_sqlite_meetings,
    changes_sqlite_meetings_objects,
    changes_sqlite_meetings_pubsub,
    changes_sqlite_meetings_queue,
    changes_sqlite_meetings_stream,
    changes_sqlite_members,
    changes_valkey_keyvalue,
    changes_valkey_keyvalue_calls,
    changes_valkey_pubsub,
    changes_valkey_pubsub_durable,
    changes_valkey_queue,
    changes_valkey_stream,
    changes_valkey_stream_groups,
)
from .change import Change

__all__ = ["CHANGES", "MISSED", "UNUSUAL"]

CHANGES: list[Change] = [
    *changes_filesystem_meetings.CHANGES,
    *changes_filesystem_power.CHANGES,
    *changes_jetstream_keyvalue.CHANGES,
    *changes_jetstream_objects.CHANGES,
    *changes_jetstream_pubsub.CHANGES,
    *changes_jetstream_queue.CHANGES,
    *changes_jetstream_stream.CHANGES,
    *changes_kafka_groups.CHANGES,
    *changes_kafka_stream.CHANGES,
    *changes_minio_object_storage.CHANGES,
    *changes_minio_transfers.CHANGES,
    *changes_nats_pubsub.CHANGES,
    *changes_postgres_appending.CHANGES,
    *changes_postgres_deadletter.CHANGES,
    *changes_postgres_durable.CHANGES,
    *changes_postgres_groups.CHANGES,
    *changes_postgres_keyvalue.CHANGES,
    *changes_postgres_members.CHANGES,
    *changes_postgres_pubsub.CHANGES,
    *changes_postgres_queue.CHANGES,
    *changes_postgres_stream.CHANGES,
    *changes_postgres_transactions.CHANGES,
    *changes_sqlite_meetings.CHANGES,
    *changes_sqlite_meetings_objects.CHANGES,
    *changes_sqlite_meetings_pubsub.CHANGES,
    *changes_sqlite_meetings_queue.CHANGES,
    *changes_sqlite_meetings_stream.CHANGES,
    *changes_sqlite_members.CHANGES,
    *changes_valkey_keyvalue.CHANGES,
    *changes_valkey_keyvalue_calls.CHANGES,
    *changes_valkey_pubsub.CHANGES,
    *changes_valkey_pubsub_durable.CHANGES,
    *changes_valkey_queue.CHANGES,
    *changes_valkey_stream.CHANGES,
    *changes_valkey_stream_groups.CHANGES,
]

MISSED: list[Change] = [
    *changes_nats_missed.CHANGES,
    *changes_postgres_missed.CHANGES,
]
"""Those that nothing catches: they need seconds of a hang, tens of megabytes, or a window of microseconds."""

UNUSUAL: list[tuple[Change, str, str]] = [
    (
        Change(
            name="nats_subscribes_again_late",
            backend="nats",
            module="prism_backends.nats.listening",
            before="        wait_s = _FIRST_RETRY_S\n",
            after="        wait_s = _FIRST_RETRY_S\n        await asyncio.sleep(0.2 * next(_AGAIN))\n",
            more=(
                ("import asyncio\n", "import asyncio\nimport itertools\n"),
                ("_BUFFER_BYTES = ", "_AGAIN = itertools.count(1)\n_BUFFER_BYTES = "),
            ),
            why="each subscription takes longer than the one before it; what is published until then passes by, and gaps tells it",
        ),
        "pubsub_*",
        "subscriptions_outlive_their_server",
    ),
]
"""Right drivers, the suites that they are run against, and the checks, as pytest's ``-k``."""
