"""keyvalue_basic: a map from keys to values."""

from prism_testkit.checks import check
from prism_testkit.interfaces import KeyValueBasic
from prism_testkit.outcomes import Violation


@check("keyvalue_basic.1")
async def what_is_set_is_read(kv: KeyValueBasic) -> None:
    """`get` returns what the latest `set` stored."""
    await kv.set("a", b"x")
    if (got := await kv.get("a")) != b"x":
        raise Violation.of("keyvalue_basic.1", "get returned another value than was set", expected=b"x", got=got)
