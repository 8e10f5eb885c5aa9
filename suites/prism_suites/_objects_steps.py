"""Runs the steps of a program against object storage, and judges each answer against the model."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from prism_suites._judging import broken
from prism_suites._keyvalue_model import Window
from prism_suites._mortal import Clients, play, run_with_kills
from prism_suites._objects_asking import NOTHING, Given, creates, listed, source, streamed
from prism_suites._objects_judge import Judge
from prism_suites._objects_model import Kept, Namespace
from prism_testkit.case import Case
from prism_testkit.clock import VirtualClock
from prism_testkit.interfaces import BucketNotFound, Conflict, ObjectNotFound
from prism_testkit.programs import Program, Step

__all__ = ["BUCKET_STEPS", "CONDITIONAL_STEPS", "LIFE_STEPS", "PLAIN_STEPS", "run_mortal", "run_program"]

PLAIN_STEPS = ("put", "get", "put_stream", "delete", "metadata", "exists", "get_stream", "list_objects", "failing_stream")
LIFE_STEPS = ("set_ttl", "advance")
BUCKET_STEPS = ("create_bucket", "delete_bucket", "bucket_exists")
CONDITIONAL_STEPS = ("put_if_absent",)

_VIRTUAL_TTLS = (60.0, 1.0, 0.25, 0.0, 0.001, 1.5, 3600.0, -1.0, 59.9, 0.5, 86400.0, 2147484.0, 4294968.0, 1e9)
_REAL_TTLS = (3600.0, 1000.0, 0.0, 86400.0, -1.0, 2147484.0, 4294968.0, 1000.5, 1e9)
_AT_ONCE_NS = 1_000_000
"""Where no more slack is claimed, what has no time to live is missing at once."""
_ADVANCES = (1.0, 0.25, 60.0, 0.001, 3600.0)
_SAID = (
    NOTHING,
    NOTHING,
    Given("text/plain"),
    Given(None, "gzip"),
    Given(None, None, {"a": "1"}),
    Given("Text/Plain; q=1", "br", {"A": " 2 ", "b": ""}),
    Given("", "", {"é": "🍣"}),
    Given("x/y", None, {"a": "2", "content-type": "own"}),
)


_KEYS = (0, 0, 0, 0, 1, 1, 2, 3)
"""Which name a step's number stands for: few, and one above all, so that calls meet."""


class _SourceFailed(Exception):
    """What a source of a program raises."""


async def run_program(case: Case, first: Any, program: Program) -> None:
    """Run a program on two clients of one namespace and a sibling, over two buckets that are named like the first two keys."""
    slack = round((case.limits.clock_resolution_s + case.traits.ttl_late_s) * 1e9)
    here, there = Namespace(slack), Namespace(slack)
    whole = creates(first)
    clients = {0: first, 1: await case.client(whole=whole), 2: await case.sibling(whole=whole)}
    judges = {0: Judge(case, here, there), 1: Judge(case, here, there), 2: Judge(case, there, here)}
    for number in (0, 2):
        await Actor(case, clients[number], judges[number], program).begin()
    for step in program.steps:
        await Actor(case, clients[step.client], judges[step.client], program).do(step)
    for number in (1, 2):
        await Actor(case, clients[number], judges[number], program).look_around()


async def run_mortal(case: Case, program: Program) -> None:
    """Run a program with its kills, and say of a wrong answer whether they are to blame."""
    await run_with_kills(case, partial(_run_mortal, program=program), lambda promise: "object_storage.19")


async def _run_mortal(case: Any, clients: Clients, program: Program) -> None:
    slack = round((case.limits.clock_resolution_s + case.traits.ttl_late_s) * 1e9) + _AT_ONCE_NS
    here, there = Namespace(slack), Namespace(slack)
    judges = (Judge(case, here, there), Judge(case, here, there), Judge(case, there, here))
    await clients.open()

    def actor(number: int) -> Actor:
        return Actor(case, clients.slots[number], judges[number], program)

    for number in (0, 2):
        await actor(number).begin()
    await play(
        clients,
        program.steps,
        lambda step: actor(step.client).do(step),
        lambda number: actor(number).look_around(),
        at_once=lambda step: step.value % 8 == 7,
        away=lambda step: case.advance(_ADVANCES[step.name % len(_ADVANCES)]),
    )


class Actor:
    """One client of a program, for one step."""

    def __init__(self, case: Case, slot: Any, judge: Judge, program: Program) -> None:
        self.case = case
        self.slot = slot
        self.judge = judge
        self.model = judge.model
        self.program = program

    async def do(self, step: Step) -> None:
        """Make the calls of a step, and judge them."""
        await getattr(self, f"do_{step.op}")(step)

    async def begin(self) -> None:
        """Create both buckets."""
        for bucket in self.program.names[:2]:
            await self.do_create_bucket(Step("create_bucket", extra=3 * self.program.names.index(bucket)))

    async def look_around(self) -> None:
        """Look at all that may be there."""
        for place in range(2):
            for index in (0, 4, 6, 7):
                await self.do_get(Step("get", name=index, extra=3 * place))
                await self.do_metadata(Step("metadata", name=index, extra=3 * place))
            await self.do_list_objects(Step("list_objects", extra=3 * place))

    def _place(self, step: Step) -> tuple[str, str]:
        return self._bucket(step), self.program.name(_KEYS[step.name % len(_KEYS)])

    def _bucket(self, step: Step) -> str:
        return self.program.name(step.extra % 4 == 3)

    async def _made(self, step: Step, call: Callable[[], Awaitable[Any]], known: tuple[type[Exception], ...] = ()) -> Any:
        """Make a call in a bucket; return (answer, when), or None where it rightly said that there is no bucket."""
        bucket = self._bucket(step)
        start = self.judge.now_ns()
        try:
            got = await call()
        except BucketNotFound:
            if bucket in self.model.buckets:
                broken(
                    "object_storage.11",
                    f"{step.op} does not find a bucket that is there",
                    expected="an answer",
                    got="BucketNotFound",
                )
            return None
        except known as error:
            got = error
        if bucket not in self.model.buckets:
            broken("object_storage.11", f"{step.op} without the bucket", expected="BucketNotFound", got=got)
        return got, Window(start, self.judge.now_ns())

    # -- writes ----------------------------------------------------------------------------------------------------------------

    async def do_put(self, step: Step) -> None:
        await self._write(step, lambda bucket, key, data, said: self.slot.put(bucket, key, data, **said.keywords))

    async def do_put_stream(self, step: Step) -> None:
        cut = (1, 3, 100, 65536)[step.extra // 16]

        def call(bucket: str, key: str, data: bytes, said: Given) -> Awaitable[Any]:
            chunks = [data[start : start + cut] for start in range(0, len(data), max(cut, len(data) // 40 + 1))]
            if cut < len(data) // 40 + 1:
                chunks = [data[: len(data) // 2], b"", data[len(data) // 2 :]]
            size = len(data) if step.extra & 8 else None
            got: Awaitable[Any] = self.slot.put_stream(bucket, key, source(chunks), size=size, **said.keywords)
            return got

        await self._write(step, call)

    async def _write(self, step: Step, call: Callable[[str, str, bytes, Given], Awaitable[Any]]) -> None:
        bucket, key = self._place(step)
        data, said = self.program.value(step.value), _SAID[step.extra // 4 % len(_SAID)]
        made = await self._made(step, lambda: call(bucket, key, data, said))
        if made is None:
            return
        got, now = made
        kept = Kept(data, said, now)
        self.model.write(bucket, key, kept)
        self.judge.told(bucket, key, kept, got, now, step.op)

    async def do_put_if_absent(self, step: Step) -> None:
        if not creates(self.slot):
            return
        bucket, key = self._place(step)
        data, said = self.program.value(step.value), _SAID[step.extra // 4 % len(_SAID)]
        made = await self._made(step, lambda: self.slot.put_if_absent(bucket, key, data, **said.keywords))
        if made is None:
            return
        got, now = made
        status = self.model.status(bucket, key, now)
        self.judge.answer("object_storage_conditional.1", "put_if_absent", got, {"present": False, "missing": True}.get(status))
        if got:
            self.model.write(bucket, key, Kept(data, said, now))

    async def do_failing_stream(self, step: Step) -> None:
        bucket, key = self._place(step)
        data = self.program.value(step.value)
        if bucket not in self.model.buckets:
            return  # either error may be told

        async def chunks() -> Any:
            yield data
            raise _SourceFailed("the source of the chunks failed, as planned")

        size = min(len(data) + 1, self.case.limits.max_payload) if step.extra & 8 else None
        content = source([data[: size - 1]]) if size else chunks()
        call = self.slot.put_stream(bucket, key, content, size=size, content_type="never/stored")
        made = await self._made(step, lambda: call, (_SourceFailed, ValueError))
        if made is not None and not isinstance(made[0], _SourceFailed | ValueError):
            broken("object_storage.6", "a stream that failed or was too short was stored", expected="an error", got=made[0])

    async def do_delete(self, step: Step) -> None:
        bucket, key = self._place(step)
        made = await self._made(step, lambda: self.slot.delete(bucket, key))
        if made is not None:
            self.judge.presence(bucket, key, made[0], made[1], "delete", "object_storage.4")
            self.model.drop(bucket, key, "delete")

    async def do_set_ttl(self, step: Step) -> None:
        bucket, key = self._place(step)
        ladder = _VIRTUAL_TTLS if self.case.clock.virtual else _REAL_TTLS
        ttl_s = ladder[step.extra // 4 % len(ladder)]
        made = await self._made(step, lambda: self.slot.set_ttl(bucket, key, ttl_s))
        if made is None or not self.judge.presence(bucket, key, made[0], made[1], "set_ttl", "object_storage.9"):
            return
        if ttl_s <= 0 and self.model.slack_ns <= _AT_ONCE_NS:
            self.model.drop(bucket, key, "expiry")
            return
        kept = self.model.buckets[bucket][key]
        kept.deadline, kept.touched, kept.freed = made[1].after(max(ttl_s, 0.0)), True, False

    # -- reads -----------------------------------------------------------------------------------------------------------------

    async def do_get(self, step: Step) -> None:
        bucket, key = self._place(step)
        made = await self._made(step, lambda: self.slot.get(bucket, key))
        if made is not None:
            self.judge.data(bucket, key, made[0], made[1], "get")

    async def do_get_stream(self, step: Step) -> None:
        bucket, key = self._place(step)
        made = await self._made(step, lambda: streamed(self.slot, key, bucket), (ObjectNotFound,))
        if made is not None:
            got = None if isinstance(made[0], ObjectNotFound) else made[0]
            self.judge.data(bucket, key, got, made[1], "get_stream")

    async def do_exists(self, step: Step) -> None:
        bucket, key = self._place(step)
        made = await self._made(step, lambda: self.slot.exists(bucket, key))
        if made is not None:
            self.judge.presence(bucket, key, made[0], made[1], "exists", "object_storage.2")

    async def do_metadata(self, step: Step) -> None:
        bucket, key = self._place(step)
        made = await self._made(step, lambda: self.slot.metadata(bucket, key))
        if made is None or not self.judge.presence(bucket, key, made[0] is not None, made[1], "metadata", "object_storage.2"):
            return
        self.judge.told(bucket, key, self.model.buckets[bucket][key], made[0], made[1], "metadata")

    async def do_list_objects(self, step: Step) -> None:
        bucket, key = self._place(step)
        prefix = key[: (0, 0, len(key), 1, len(key) // 2, len(key) - 1)[step.extra // 4 % 6]]
        made = await self._made(step, lambda: listed(self.slot, prefix, bucket))
        if made is not None:
            self.judge.listing(bucket, prefix, made[0], made[1])

    # -- buckets and time ------------------------------------------------------------------------------------------------------

    async def do_create_bucket(self, step: Step) -> None:
        bucket = self._bucket(step)
        got = await self.slot.create_bucket(bucket)
        self.judge.answer("object_storage.11", "create_bucket", got, bucket not in self.model.buckets)
        self.model.buckets.setdefault(bucket, {})

    async def do_bucket_exists(self, step: Step) -> None:
        bucket = self._bucket(step)
        self.judge.answer("object_storage.11", "bucket_exists", await self.slot.bucket_exists(bucket), bucket in self.model.buckets)

    async def do_delete_bucket(self, step: Step) -> None:
        bucket, force = self._bucket(step), step.extra >= 24
        start = self.judge.now_ns()
        try:
            got = await self.slot.delete_bucket(bucket, force=force)
        except Conflict:
            got = "Conflict"
        now = Window(start, self.judge.now_ns())
        if bucket not in self.model.buckets:
            self.judge.answer("object_storage.11", "delete_bucket", got, False)
            return
        statuses = self.model.statuses(bucket, now).values()
        if got == "Conflict" and (force or not statuses):
            broken("object_storage.11", "delete_bucket of a bucket that is empty, or by force", expected=True, got=got)
        if got != "Conflict":
            self.judge.answer("object_storage.11", "delete_bucket", got, True)
            if "present" in statuses and not force:
                broken("object_storage.11", "delete_bucket without force, of a bucket with objects", expected="Conflict", got=got)
            self.model.remove(bucket)

    async def do_advance(self, step: Step) -> None:
        if not isinstance(self.case.clock, VirtualClock):
            return
        now = self.judge.now_ns()
        ahead = [window for window in self.model.deadlines() if window.start > now]
        kind = step.extra % 8
        if kind < len(_ADVANCES) or not ahead:
            await self.case.advance(_ADVANCES[kind % len(_ADVANCES)])
            return
        resolution = max(1_000_000, round(self.case.limits.clock_resolution_s * 1e9))
        past = ahead[0].end + self.model.slack_ns
        target = (ahead[0].start - resolution, past, past + 250_000_000)[kind - len(_ADVANCES)]
        # What a 32-bit overflow brings forward needs no long wait; what is years off is not waited for.
        await self.case.advance(min(max(0, target - now) / 1e9, 5e6))
