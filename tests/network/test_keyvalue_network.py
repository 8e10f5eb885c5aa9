"""The checks of key-value over a failing network are watched failing, each on a driver that is wrong in that way."""

import pytest
from judged import judged
from wrong_keyvalue import DRIVERS

HISTORY = "calls_over_a_failing_network_are_explained"
ONCE = "a_write_whose_answer_was_lost_happens_once"
CUT_OFF = "who_is_cut_off_knows_nothing"


def test_each_wrong_driver_is_caught_where_it_is_wrong(pytester: pytest.Pytester) -> None:
    drivers = [driver for driver in DRIVERS if driver != "gives-up"]
    found = judged(pytester, "wrong_keyvalue", "keyvalue_network", drivers)
    assert found["right"] == {}
    assert found["retries"][ONCE] == "keyvalue_basic.10"
    assert found["retries-swaps"][ONCE] in ("keyvalue_cas.3", "keyvalue_cas.6")
    assert found["retries-deletes"][ONCE] in ("keyvalue_basic.4", "keyvalue_basic.10")
    assert "keyvalue_basic.13" in found["leaks"].values()
    assert found["remembers"][CUT_OFF] in ("keyvalue_basic.8", "keyvalue_basic.13")
    # What clients at work meet of it is the network's to say.
    assert found["remembers"].get(HISTORY, "keyvalue_basic.10") == "keyvalue_basic.10"
    assert found["impatient"][CUT_OFF] == "keyvalue_basic.8"
    assert found["hasty"][CUT_OFF] == "keyvalue_basic.8"
    assert found["hasty"].get(HISTORY, "keyvalue_basic.10") == "keyvalue_basic.10"


def test_one_that_never_connects_again_is_caught(pytester: pytest.Pytester) -> None:
    found = judged(pytester, "wrong_keyvalue", "keyvalue_network", ["gives-up"], "-k", CUT_OFF)
    assert found == {"gives-up": {CUT_OFF: "keyvalue_basic.13"}}
