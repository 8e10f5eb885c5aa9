"""object_storage: calls of two processes meet wherever, while the first is under way, somebody else can notice that it is."""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import product

from prism_suites._meeting import Meeting, Results, meet
from prism_testkit.case import Case
from prism_testkit.checks import check
from prism_testkit.interfaces import Conflict, ObjectNotFound, ObjectStorage, ObjectStorageConditional
from prism_testkit.killing import Step

_OLD, _MINE, _THEIRS = b"o", b"m", b"t"
_SIZES = {_OLD: 20, _MINE: 9_000, _THEIRS: 300}
_LONG_S, _SHORT_S = 1e6, 0.002
_COARSE_S = 0.05
"""Where a deadline may be later than this it is not waited for at every point of a call."""
_KEYS = tuple("abc")
_EXPIRED = (("k", "put"), ("last", "put"), ("k", "expired"), ("last", "expired"))
_READS = frozenset(("get", "get_stream"))
_Kinds = Sequence[str | list[str]]
_Sharing = ObjectStorage


def _on(name: str, key: str, mark: bytes, most: int) -> dict[str, Step]:
    """Return calls on one object, by a short name; ``mark`` is what its data and its description are made of."""
    data = mark * min(most, _SIZES[mark])
    told = {"content_type": mark.decode(), "user_metadata": {"by": mark.decode()}}
    return {
        "put": ("put", (name, key, data, told)),
        "put_stream": ("put_stream", (name, key, [data[:7], data[7:]], told)),
        "put_if_absent": ("put_if_absent", (name, key, data, told)),
        "delete": ("delete", (name, key)),
        "keep": ("set_ttl", (name, key, _LONG_S)),
        "expired": ("set_ttl", (name, key, _SHORT_S)),
        "get": ("get", (name, key)),
        "get_stream": ("get_stream", (name, key)),
        "metadata": ("metadata", (name, key)),
        "list": ("list_objects", (name,)),
        "make": ("create_bucket", (name,)),
        "drop": ("delete_bucket", (name,)),
        "drop all": ("delete_bucket", (name, {"force": True})),
    }


def _meetings(case: Case, first: Sequence[str], second: _Kinds, present: Sequence[str] = ("put", "")) -> Iterator[Meeting]:
    """Yield all pairs on an object in a bucket of its own: present, missing (""), or "expired"; or where there is "no bucket"."""
    most = case.limits.max_payload
    if case.limits.clock_resolution_s + case.traits.ttl_late_s > _COARSE_S:
        present = [there for there in present if there != "expired"]

    def call(kind: str, name: str, results: Results) -> Step:
        return _on(name, "k", _MINE, most)[kind]

    def calls(kinds: str | list[str], name: str, results: Results) -> list[Step]:
        found = _on(name, "k", _THEIRS, most)
        return [found[kind] for kind in ([kinds] if isinstance(kinds, str) else kinds)]

    def before(there: str, name: str) -> tuple[Sequence[Step], Sequence[Step]]:
        if there == "no bucket":
            return (), ()
        written = {"": (), "put": (("k", "put"),), "expired": _EXPIRED}[there]
        return [("create_bucket", (name,)), *(_on(name, key, _OLD, most)[kind] for key, kind in written)], ()

    def after(name: str, results: Results) -> Sequence[Step]:
        return [(look, (name, "k")) for look in ("get", "metadata")]

    for one, other, there in product(first, second, present):
        expired = (lambda name: ("exists", (name, "last"))) if there == "expired" else None
        kinds = (one, other) if isinstance(other, str) else (one, *other)
        allowed = (Conflict, ObjectNotFound) if _READS.intersection(kinds) else ()
        yield Meeting(partial(call, one), partial(calls, other), partial(before, there), after, expired, allowed)


@check("object_storage.16", "object_storage.14", "object_storage.10")
async def writes_of_processes_meet(store: _Sharing, case: Case) -> None:
    """Of writes of one object by two processes one is left, data and description together, and none is lost (O-07)."""
    await meet(case, "object_storage.16", [
        *_meetings(case, ("put", "put_stream", "keep"), ("put",), ("put",)),
        *_meetings(case, ("put", "keep"), ("delete",), ("put",)),
        *_meetings(case, ("delete",), ("put",), ("",)),
    ])  # fmt: skip


@check("object_storage.7", "object_storage.14")
async def reads_meet_writes_of_another_process(store: _Sharing, case: Case) -> None:
    """A read beside a write of another process gives one version whole, or says that it could not."""
    await meet(case, "object_storage.7", [
        *_meetings(case, ("get", "get_stream"), ("put",), ("put",)),
        *_meetings(case, ("get_stream",), ("delete",), ("put",)),
        *_meetings(case, ("put",), (["get", "metadata"],), ("put",)),
        *_meetings(case, ("put_stream",), (["get"],), ("put",)),
    ])  # fmt: skip


@check("object_storage.10", "object_storage.9", "object_storage.14")
async def who_finds_an_object_expired_meets_who_puts_it_again(store: _Sharing, case: Case) -> None:
    """Whoever comes upon an expired object, and removes it by the way, does not remove what another process puts meanwhile."""
    await meet(case, "object_storage.10", [*_meetings(case, ("get", "list", "keep", "delete"), ("put",), ("expired",))])


@check("object_storage.11", "object_storage.14")
async def removals_of_buckets_meet_puts(store: _Sharing, case: Case) -> None:
    """A bucket that is removed takes no object with it that another process was told it had put, but by force."""
    await meet(case, "object_storage.11", [
        *_meetings(case, ("drop",), ("put", "drop"), ("",)),
        *_meetings(case, ("put",), ("drop",), ("",)),
        *_meetings(case, ("drop all",), (["make", "put"],), ("put",)),
        *_meetings(case, ("put",), (["drop all", "make"],), ("",)),
    ])  # fmt: skip


@check("object_storage.11")
async def one_process_makes_a_bucket(store: _Sharing, case: Case) -> None:
    """Of two processes that make one bucket one is told that it is new, and what is put into it stays there."""
    await meet(case, "object_storage.11", [*_meetings(case, ("make",), ("make", ["make", "put"]), ("no bucket",))])


@check("object_storage.8")
async def listings_meet_writes_of_another_process(store: _Sharing, case: Case) -> None:
    """What is there throughout a listing is listed once, whatever another process puts, replaces or deletes meanwhile."""
    most = case.limits.max_payload

    def before(name: str) -> tuple[Sequence[Step], Sequence[Step]]:
        return [("create_bucket", (name,)), *(_on(name, key, _OLD, most)["put"] for key in _KEYS)], ()

    def lists(name: str, results: Results) -> Step:
        return "list_objects", (name,)

    def writes(kind: str, key: str, name: str, results: Results) -> Step:
        return _on(name, key, _THEIRS, most)[kind]

    writing = (("put", "b"), ("put", "f"), ("delete", "c"))
    await meet(case, "object_storage.8", [Meeting(lists, partial(writes, kind, key), before) for kind, key in writing])


@check("object_storage_conditional.2", "object_storage_conditional.1")
async def creations_of_processes_meet(store: ObjectStorageConditional, case: Case) -> None:
    """An object is created by one of two processes, and only where there is none, wherever they meet."""
    creates = ("put_if_absent",)
    await meet(case, "object_storage_conditional.2", [
        *_meetings(case, creates, creates, ("", "expired")),
        *_meetings(case, creates, ("put",), ("",)),
        *_meetings(case, creates, ("delete",), ("put",)),
        *_meetings(case, ("delete",), creates, ("put",)),
    ])  # fmt: skip
