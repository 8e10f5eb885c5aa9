"""keyvalue_basic: every kind of buffer is accepted as a value, ``bytes`` are returned, and the store keeps a copy."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from prism_suites._buffers import ANY_BUFFERS
from prism_suites._judging import value
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import KeyValueBasic
from prism_testkit.outcomes import law
from prism_testkit.strategies import patterned
from prism_testkit.strategies.hypothesis_strategies import payloads

_SAMPLES = (b"", b"a", b"\x00\xff", b"abcdefgh", bytes(range(256)), patterned(5000))


@check("keyvalue_basic.1")
@gauntlet(
    lambda limits: [{"kind": kind, "data": data} for kind in ANY_BUFFERS for data in _SAMPLES if len(data) <= limits.max_payload]
)
@given(kind=st.sampled_from(list(ANY_BUFFERS)), data=payloads())
async def every_kind_of_buffer_is_accepted(kv: KeyValueBasic, kind: str, data: bytes) -> None:
    """``bytes``, ``bytearray`` and ``memoryview`` store their bytes alike; `get` returns ``bytes`` (KV-02)."""
    await kv.set("a", b"before")
    await kv.set("a", ANY_BUFFERS[kind](data))
    value("keyvalue_basic.1", await kv.get("a"), data, f"the bytes of a {kind} are not read as they were written")


def _scribble(buffer: bytearray) -> None:
    for place in range(len(buffer)):
        buffer[place] ^= 0xFF


def _resize(buffer: bytearray) -> None:
    _scribble(buffer)
    buffer.extend(b"more")
    buffer.clear()


@check("keyvalue_basic.7")
@gauntlet(lambda limits: [{"data": data} for data in _SAMPLES if 0 < len(data) <= limits.max_payload])
@given(data=payloads())
async def a_buffer_changed_after_the_call_changes_nothing(kv: KeyValueBasic, case: Case, data: bytes) -> None:
    """What is done to a ``bytearray`` once `set` has returned is not seen by any client (KV-11)."""
    other = await case.client()
    buffer = bytearray(data)
    await kv.set("a", buffer)
    _scribble(buffer)
    await kv.set("b", buffer)
    flipped = bytes(buffer)
    with law("keyvalue_basic.7"):
        _resize(buffer)
    for client in (kv, other):
        value("keyvalue_basic.7", await client.get("a"), data, "changing a buffer after the call changed what was stored")
        value("keyvalue_basic.7", await client.get("b"), flipped, "changing a buffer after the call changed what was stored")


@check("keyvalue_basic.7")
@gauntlet(lambda limits: [{"data": data} for data in _SAMPLES if 0 < len(data) <= limits.max_payload])
@given(data=payloads())
async def a_view_changed_after_the_call_changes_nothing(kv: KeyValueBasic, data: bytes) -> None:
    """The memory behind a ``memoryview`` may be changed, and the view released, once `set` has returned (KV-11)."""
    buffer = bytearray(b"<<" + data + b">>")
    with law("keyvalue_basic.7"), memoryview(buffer) as whole, whole[2:-2] as view:
        await kv.set("a", view)
        _scribble(buffer)
        value("keyvalue_basic.7", await kv.get("a"), data, "changing the memory behind a view changed what was stored")
    with law("keyvalue_basic.7"):
        value("keyvalue_basic.7", await kv.get("a"), data, "releasing a view after the call changed what was stored")


@check("keyvalue_basic.7", "keyvalue_basic.1")
async def a_value_that_was_read_is_the_readers(kv: KeyValueBasic, case: Case) -> None:
    """A value read before a write stays as it was, and what is written back from it is a value of its own (KV-11)."""
    await kv.set("a", bytearray(b"one"))
    first: Any = await kv.get("a")
    await kv.set("b", first)
    await kv.set("a", b"two!")
    await kv.delete("b")
    value("keyvalue_basic.7", first, b"one", "a value that was read changed when its key was written again")
    value("keyvalue_basic.1", await kv.get("a"), b"two!", "get does not return the latest value of the key")
