"""keyvalue_basic.9 and cleaning: what `Backend.clean` removes, and what it must leave to others."""

from prism_testkit.case import Case
from prism_testkit.checks import check
from prism_testkit.interfaces import KeyValueBasic
from prism_testkit.outcomes import Violation

_NAMES = ("a", "b", "a/b", "é")


@check("keyvalue_basic.9")
async def cleaning_a_namespace_leaves_every_other(kv: KeyValueBasic, case: Case) -> None:
    """A backend's ``clean`` removes all of one namespace and nothing of another, whoever it belongs to (X-08)."""
    sibling, other = await case.sibling(), await case.sibling()
    for name in _NAMES:
        await kv.set(name, b"mine")
        await sibling.set(name, b"cleaned")
        await other.set(name, b"theirs")
    cleaned = await case.clean(sibling)
    if cleaned is None:
        return
    for name in _NAMES:
        for slot, value in ((kv, b"mine"), (other, b"theirs")):
            if (got := await slot.get(name)) != value:
                raise Violation.of("keyvalue_basic.9", "cleaning one namespace removed from another", expected=value, got=got)
        if (got := await cleaned.get(name)) is not None:
            raise Violation.of("keyvalue_basic.9", "cleaning a namespace left something in it", expected=None, got=got)
    await cleaned.set("a", b"again")
    if (got := await cleaned.get("a")) != b"again":
        raise Violation.of("keyvalue_basic.9", "a cleaned namespace cannot be used again", expected=b"again", got=got)
