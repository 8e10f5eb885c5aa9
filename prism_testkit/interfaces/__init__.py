"""The thin interfaces: what a driver implements, a pattern uses and a suite checks.

Standard library only. `INTERFACES` maps each id (``keyvalue_ttl``) to its Protocol (`KeyValueTtl`).
"""

import re

from prism_testkit.interfaces import errors, keyvalue
from prism_testkit.interfaces.errors import *  # noqa: F403  re-exported whole; errors.__all__ is the list
from prism_testkit.interfaces.keyvalue import *  # noqa: F403  re-exported whole; keyvalue.__all__ is the list

__all__ = [*errors.__all__, *keyvalue.__all__, "INTERFACES", "interface_id", "interface_model"]


def interface_id(protocol: type) -> str:
    """Return the id of a Protocol: ``KeyValueTtl`` is ``keyvalue_ttl``; the model is one word."""
    name = protocol.__name__
    for camel, word in _MODELS.items():
        if name.startswith(camel):
            return f"{word}_{re.sub(r'(?<!^)(?=[A-Z])', '_', name[len(camel) :]).lower()}"
    raise ValueError(f"{name} is not an interface: no data model begins its name")


def interface_model(identifier: str) -> str:
    """Return the data model of an interface id: ``keyvalue`` of ``keyvalue_ttl``."""
    return identifier.partition("_")[0]


_MODELS = {"KeyValue": "keyvalue"}

INTERFACES: dict[str, type] = {
    interface_id(protocol): protocol
    for protocol in (
        keyvalue.KeyValueBasic,
        keyvalue.KeyValueScan,
        keyvalue.KeyValueTtl,
        keyvalue.KeyValueTransactional,
        keyvalue.KeyValueBatch,
        keyvalue.KeyValueCas,
    )
}
