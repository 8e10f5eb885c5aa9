"""keyvalue_batch: any mapping and any sequence will do, is left as it was, and what is stored or returned is a copy."""

from collections import ChainMap, OrderedDict, UserDict, UserList, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from hypothesis import given

from prism_suites._buffers import ANY_BUFFERS
from prism_suites._judging import broken, same, value
from prism_suites._keyvalue_bulk import holds, numbered
from prism_suites.interfaces.keyvalue_batch import gives, removes
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import KeyValueBatch
from prism_testkit.outcomes import law
from prism_testkit.strategies import payload_pools, universes


class _OnlyMapping(Mapping[str, bytes]):
    """A mapping that is no dict, and has nothing but what a mapping must have."""

    def __init__(self, items: Mapping[str, bytes]) -> None:
        self._items = dict(items)

    def __getitem__(self, name: str) -> bytes:
        return self._items[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)


class _OnlySequence(Sequence[str]):
    """A sequence that is no list, and has nothing but what a sequence must have."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = tuple(names)

    def __getitem__(self, place: Any) -> Any:
        return self._names[place]

    def __len__(self) -> int:
        return len(self._names)


class _Dict(dict[str, bytes]):
    """A dict of a type of its own."""


_MAPPINGS: Mapping[str, Callable[[dict[str, bytes]], Mapping[str, bytes]]] = {
    "dict": dict,
    "subclass of dict": _Dict,
    "OrderedDict": OrderedDict,
    "defaultdict": lambda items: defaultdict(bytes, items),
    "MappingProxyType": MappingProxyType,
    "UserDict": UserDict,
    "ChainMap": lambda items: ChainMap({}, items),
    "nothing but a Mapping": _OnlyMapping,
}

_SEQUENCES: Mapping[str, Callable[[list[str]], Sequence[str]]] = {
    "list": list,
    "tuple": tuple,
    "UserList": UserList,
    "nothing but a Sequence": _OnlySequence,
}


_ITEMS = {"a": b"1", "b": b"", "é%": b"\x00\xff"}
_MANY = 300
"""Items more, where a store may take a batch in pieces."""


def _items(more: int) -> dict[str, bytes]:
    return _ITEMS | {f"more {number}": b"%d" % number for number in range(more)}


@check("keyvalue_batch.1")
@gauntlet(lambda limits: [{"kind": kind, "more": more} for kind in _MAPPINGS for more in (0, _MANY)])
async def every_kind_of_mapping_is_accepted(kv: KeyValueBatch, kind: str, more: int) -> None:
    """`batch_set` takes whatever is a ``Mapping``, and leaves it as it was."""
    items = _items(more)
    given_items = _MAPPINGS[kind](dict(items))
    with law("keyvalue_batch.1"):
        await kv.batch_set(given_items)
    same("keyvalue_batch.1", dict(given_items), items, f"batch_set changed the {kind} that it was given")
    await gives(kv, list(items), items, f"the items of a {kind} are not stored")


@check("keyvalue_batch.2", "keyvalue_batch.3")
@gauntlet(lambda limits: [{"kind": kind, "more": more} for kind in _SEQUENCES for more in (0, _MANY)])
async def every_kind_of_sequence_is_accepted(kv: KeyValueBatch, kind: str, more: int) -> None:
    """`batch_get` and `batch_delete` take whatever is a ``Sequence``, repeats included, and leave it as it was."""
    items = _items(more)
    await kv.batch_set(items | {"beside": b"x"})
    asked = [*items, "a", "missing", "b", "missing"]
    names = _SEQUENCES[kind](list(asked))
    with law("keyvalue_batch.2"):
        await gives(kv, names, items, f"of the names in a {kind} a present one is left out or wrong")
    with law("keyvalue_batch.3"):
        await removes(kv, names, len(items))
    same("keyvalue_batch.3", list(names), asked, f"a batch changed the {kind} that it was given")
    value("keyvalue_batch.3", await kv.get("beside"), b"x", "batch_delete removed another key")


@check("keyvalue_batch.1")
@gauntlet(lambda limits: [{"values": (b"", b"a", bytes(range(60)))}])
@given(values=payload_pools(1, 4))
async def every_kind_of_buffer_is_accepted_in_a_batch(kv: KeyValueBatch, values: tuple[bytes, ...]) -> None:
    """``bytes``, ``bytearray`` and ``memoryview`` values store their bytes alike, mixed in one batch (KV-02)."""
    items = {f"{kind} {number}": data for kind in ANY_BUFFERS for number, data in enumerate(values)}
    with law("keyvalue_batch.1"):
        await kv.batch_set({name: ANY_BUFFERS[name.rpartition(" ")[0]](data) for name, data in items.items()})
    await gives(kv, list(items), items, "the bytes of a buffer are not read as they were written")


@check("keyvalue_basic.7", "keyvalue_batch.1")
@gauntlet(lambda limits: [{"values": (b"abc", b"\x00\xff", b"x" * 60)}])
@given(values=payload_pools(1, 4))
async def values_changed_after_a_batch_change_nothing(kv: KeyValueBatch, case: Case, values: tuple[bytes, ...]) -> None:
    """Buffers, and the mapping itself, may be changed once `batch_set` has returned (KV-11)."""
    other: KeyValueBatch = await case.client()
    items = {f"k{number}": data for number, data in enumerate(values)}
    buffers = {name: bytearray(data) for name, data in items.items()}
    views = {f"v{name}": memoryview(buffer) for name, buffer in buffers.items()}
    batch: dict[str, Any] = {**buffers, **views}
    items |= {f"v{name}": data for name, data in items.items()}
    await kv.batch_set(batch)
    batch.clear()
    batch["new"] = b"new"
    with law("keyvalue_basic.7"):
        for buffer, view in zip(buffers.values(), views.values(), strict=True):
            view.release()
            buffer.reverse()
            buffer.extend(b"more")
    for client in (kv, other):
        await holds(client, items, "keyvalue_basic.7", "changing a buffer after batch_set changed what was stored")
        value("keyvalue_basic.7", await client.get("new"), None, "what was put in the mapping after batch_set is stored")


@check("keyvalue_basic.7", "keyvalue_batch.2")
async def an_answer_that_is_changed_changes_nothing(kv: KeyValueBatch) -> None:
    """The dict that `batch_get` returned is the caller's, and so are the names that it was given (KV-11)."""
    items = {"a": b"1", "b": b"2"}
    names = ["a", "b"]
    await kv.batch_set(items)
    answer = await kv.batch_get(names)
    answer["a"] = b"changed"
    answer["new"] = b"new"
    del answer["b"]
    names.append("new")
    await gives(kv, ["a", "b", "new"], items, "changing an answer of batch_get changed what is stored")
    await holds(kv, items, "keyvalue_basic.7", "changing an answer of batch_get changed what is stored")
    again = await kv.batch_get(["a", "b"])
    if again is answer or again != items:
        broken("keyvalue_basic.7", "batch_get returns the dict that it returned before", expected=items, got=again)


@check("keyvalue_batch.1", "keyvalue_batch.2", "keyvalue_batch.3")
@given(names=universes(3, 8))
async def the_order_of_a_batch_does_not_matter(kv: KeyValueBatch, case: Case, names: tuple[str, ...]) -> None:
    """The same items in any order store, read and delete the same."""
    items = numbered(names)
    for order in (names, names[::-1], tuple(sorted(names)), names[1:] + names[:1]):
        await kv.batch_set({name: items[name] for name in order})
        await gives(kv, order, items, "a key does not hold what the batch gave it")
        await gives(kv, order[::-1], items, "a key does not hold what the batch gave it")
        await removes(kv, order[::2], len(order[::2]))
        await removes(kv, order[::-1], len(order) - len(order[::2]))
