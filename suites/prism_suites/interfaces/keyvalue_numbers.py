"""Whole numbers and seconds may be of a class of their own: what inherits from ``int`` or ``float`` is one."""

from prism_suites._judging import same, truth, value
from prism_suites._own_numbers import Amount, Seconds, own
from prism_testkit.checks import check
from prism_testkit.interfaces import KeyValueScan, KeyValueTtl
from prism_testkit.outcomes import law


@check("keyvalue_scan.4")
async def limits_may_have_names(kv: KeyValueScan) -> None:
    """A limit is what it is equal to, as a constant of an application too."""
    for name in ("a", "b", "c"):
        await kv.set(name, b"x")
    with law("keyvalue_scan.4"):
        for limit in Amount:
            wanted = min(limit, 3)
            same("keyvalue_scan.4", len([key async for key in kv.scan_keys("", limit)]), wanted, f"scan_keys of {limit!r}")
            same("keyvalue_scan.4", len([pair async for pair in kv.scan("", limit)]), wanted, f"scan of {limit!r}")


@check("keyvalue_ttl.1", "keyvalue_ttl.7")
async def seconds_may_be_of_a_class(kv: KeyValueTtl) -> None:
    """So is a time to live."""
    with law("keyvalue_ttl.1"):
        await kv.set_with_ttl("a", b"x", Seconds(1e6))
        await kv.set_with_ttl("b", b"y", own(1_000_000))
        truth("keyvalue_ttl.7", await kv.expire("a", Seconds(2e6)), True, "expire of a present key")
        value("keyvalue_ttl.1", await kv.get("a"), b"x", "a key whose time is of a class of its own")
        value("keyvalue_ttl.1", await kv.get("b"), b"y", "a key whose time is a number with a name")
