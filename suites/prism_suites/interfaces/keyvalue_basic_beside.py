"""keyvalue_basic: a read is its own, whatever older reads of its key are under way."""

from functools import partial

from prism_suites._beside import BESIDE, is_its_own
from prism_suites._keyvalue_looks import LOOKS
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import INTERFACES, KeyValueBasic
from prism_testkit.tap import offers


@check("keyvalue_basic.8", "keyvalue_basic.11", "keyvalue_basic.10")
@gauntlet(lambda limits: BESIDE)
async def a_read_is_its_own(kv: KeyValueBasic, case: Case, turns: int, ending: str) -> None:
    """It gives what was written before it began, and is not cancelled with another one, whatever method it is (KV-60)."""
    promise = "keyvalue_basic.8" if ending == "answered" else "keyvalue_basic.11"
    whole = await case.whole()
    for key, look in LOOKS.items():
        # Transactions side by side may lose against each other, and a look that writes is none of these.
        if look.writes or look.interface == "keyvalue_transactional":
            continue
        if key not in ("get", "exists") and (not offers(whole, INTERFACES[look.interface]) or (case.server and turns % 2)):
            continue
        run = partial(look.run, whole, key, b"v")
        for change, expected in ((partial(whole.set, key, b"v"), look.present), (partial(whole.delete, key), look.missing)):
            await is_its_own(promise, turns, ending, run, change, partial(expected, key, b"v"), story=f"{key}: ")
