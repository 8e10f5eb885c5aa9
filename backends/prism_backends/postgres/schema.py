"""What a database holds: one schema, named after its own text, so that two versions of this never meet in one.

Every table has a ``namespace``, by which the rows of one case are found and removed. Names are bytea: a text cannot hold NUL, and
its collation may order, or compare, as people do. The schema stays when a run is over, without rows.
"""

import hashlib
import re

from prism_backends.postgres.keyvalue_sql import KEYVALUE
from prism_backends.postgres.pubsub_sql import PUBSUB
from prism_backends.postgres.queue_sql import QUEUE
from prism_backends.postgres.stream_sql import STREAM

__all__ = ["IS_MADE", "NAME", "SCHEMA", "lock_of", "namespaces"]

_NAMESPACE_WIDTH = 24
_MODELS = KEYVALUE + QUEUE + STREAM + PUBSUB
_TABLES = re.findall(r"^CREATE TABLE (\w+)", _MODELS, re.MULTILINE)
_CLEAN = "\n".join(f"DELETE FROM {table} WHERE namespace >= low AND namespace < high;" for table in _TABLES)
_ALL = f"""{_MODELS}
CREATE FUNCTION clean(low bytea, high bytea) RETURNS void LANGUAGE plpgsql AS $$ BEGIN
{_CLEAN}
END $$;
CREATE VIEW complete AS SELECT true;
"""

NAME = f"prism_{hashlib.sha256(_ALL.encode()).hexdigest()[:12]}"
SCHEMA = f"CREATE SCHEMA {NAME};\nSET LOCAL search_path = {NAME};\n{_ALL}"
"""To be run in one transaction. ``complete`` is there when all else is."""
# Not to_regclass, which after a wait still gives what this connection knew before it.
IS_MADE = f"""SELECT 1 FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
  WHERE n.nspname = '{NAME}' AND c.relname = 'complete'"""


def namespaces(prefix: str) -> tuple[bytes, bytes]:
    """Return the lowest namespace that begins with ``prefix``, and what is above all of them."""
    if not re.fullmatch(rf"[0-9a-z]{{1,{_NAMESPACE_WIDTH}}}", prefix):
        raise ValueError(f"clean: expected 1 to {_NAMESPACE_WIDTH} digits of base 36, found {prefix!r}")
    data = prefix.encode()
    return data, data[:-1] + bytes([data[-1] + 1])


def lock_of(model: str, namespace: bytes, name: bytes) -> int:
    """Return the number of the advisory lock on something of a namespace. Two that share a number wait for each other, no more."""
    return int.from_bytes(hashlib.blake2b(b"%s.%s.%s" % (model.encode(), namespace, name), digest_size=8).digest(), signed=True)
