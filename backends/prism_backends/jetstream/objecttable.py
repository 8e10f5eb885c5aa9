"""The buckets and objects of one namespace, in one stream of the server's."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Coroutine
from contextlib import suppress
from typing import Any, Literal

from prism_backends.cancellation import begun
from prism_backends.jetstream.api import JetStream, Stored, stream_config
from prism_backends.jetstream.cells import GONE, Cells
from prism_backends.jetstream.objectrecords import Bucket, Version, bucket_of, version_of
from prism_backends.jetstream.serverclock import ServerClock
from prism_backends.objects import Target
from prism_testkit.interfaces.errors import BackendUnavailable, PrismError
from prism_testkit.naming import decode_name, encode_name

__all__ = ["ObjectTable"]

_PAGE = 100
_PAGE_BYTES = 2_000_000
_CLOSING_NS = 15_000_000_000
"""Who closes a bucket and is not heard of for so long has died over it."""
_PAUSE_S = 0.005
_PATIENCE = 2000


class ObjectTable(Cells):
    """Subjects: ``NS.o.b.BUCKET`` a bucket, ``NS.o.GENERATION.m.KEY`` what is known of an object, ``NS.o.GENERATION.c.VERSION``
    the chunks of a version, one message each."""

    def __init__(self, server: JetStream, namespace: str) -> None:
        config = stream_config(f"{namespace}_objects", f"{namespace}.o.>", allow_rollup_hdrs=True)
        super().__init__(server, config)
        self.clock = ServerClock()
        self._beginning = f"{namespace}.o."
        self._tidying: set[asyncio.Task[None]] = set()
        self._known: dict[bytes, str] = {}
        """The generation that a bucket last had, so that it is asked for together with an object."""

    def chunks(self, generation: str, version: str) -> str:
        return f"{self._beginning}{generation}.c.{version}"

    def subject(self, generation: str, key: bytes) -> str:
        return f"{self._beginning}{generation}.m.{encode_name(key)}"

    def subject_of_bucket(self, target: Target) -> str:
        return f"{self._beginning}b.{encode_name(target.bucket_bytes)}"

    async def bucket(self, target: Target) -> Bucket | None:
        """Return the bucket, None if there is none. One that is being closed is waited for."""
        for _ in range(_PATIENCE):
            what = self._what(target)
            stored = await self.server.message(what, self.stream, last_by_subj=self.subject_of_bucket(target))
            if stored is None or stored.data == GONE:
                return None
            bucket = bucket_of(stored, what)
            if not bucket.is_closing:
                self._known[target.bucket_bytes] = bucket.generation
                return bucket
            await self.clock.read(self.server, what, self.stream)
            if bucket.at_ns + _CLOSING_NS < self.clock.earliest_ns():
                await self.set_bucket(target, bucket, "open")
            await asyncio.sleep(_PAUSE_S)
        raise BackendUnavailable(f"{self._what(target)}: the bucket is being closed, and that does not end")

    async def make_bucket(self, target: Target) -> bool:
        """Make a bucket where there is none; False if another was first."""
        what, subject = self._what(target), self.subject_of_bucket(target)
        stored = await self.server.message(what, self.stream, last_by_subj=subject)
        if stored is not None and stored.data != GONE:
            return False
        data = f"{secrets.token_hex(8)} open".encode()
        return await self.change(what, subject, 0 if stored is None else stored.sequence, data) is not None

    async def set_bucket(self, target: Target, bucket: Bucket, state: Literal["open", "closing", "gone"]) -> int | None:
        """Write a new state of a bucket; return its sequence, None if another was first."""
        data = GONE if state == "gone" else f"{bucket.generation} {state}".encode()
        return await self.change(self._what(target), self.subject_of_bucket(target), bucket.sequence, data)

    async def find(self, target: Target) -> tuple[str, Version | None, int]:
        """Return the generation of the bucket, the object if it is present, and the sequence of what its key holds.

        Bucket and object are as they were at one instant. Raises `BucketNotFound`.
        """
        while True:
            generation = self._known.get(target.bucket_bytes)
            if generation is None:
                bucket = await self.bucket(target)
                if bucket is None:
                    raise target.no_bucket()
                generation = bucket.generation
            found, stored = await self._both(target, generation)
            if found is None or found.generation != generation or found.is_closing:
                self._known.pop(target.bucket_bytes, None)
                continue
            if stored is None:
                return generation, None, 0
            version = None if stored.data == GONE else version_of(stored, target.key_bytes, self._what(target))
            return generation, version if version and await self.is_present(target, version) else None, stored.sequence

    async def is_present(self, target: Target, version: Version) -> bool:
        if version.ttl_ns is None:
            return True
        await self.clock.read(self.server, self._what(target), self.stream)
        return version.is_present(self.clock.earliest_ns())

    async def held(self, target: Target, generation: str) -> Version | None:
        """Return what a key holds, present or not."""
        subject = self.subject(generation, target.key_bytes)
        stored = await self.server.message(self._what(target), self.stream, last_by_subj=subject)
        return None if stored is None or stored.data == GONE else version_of(stored, target.key_bytes, self._what(target))

    async def versions(self, target: Target, generation: str) -> AsyncIterator[Version]:
        """Iterate over the present objects of a generation, each once: what is written meanwhile is met at the end."""
        beginning = f"{self._beginning}{generation}.m."
        given: set[bytes] = set()
        async for stored in self._all(target, f"{beginning}>"):
            key = decode_name(stored.subject.removeprefix(beginning))
            if stored.data != GONE and key not in given:
                version = version_of(stored, key, self._what(target))
                if await self.is_present(target, version):
                    given.add(key)
                    yield version

    async def data(self, target: Target, generation: str, version: Version) -> AsyncIterator[bytes]:
        """Iterate over the chunks of a version; fewer than it has if it was removed meanwhile."""
        if version.inline:
            yield version.inline
        elif version.chunks:
            async for stored in self._all(target, self.chunks(generation, version.identity)):
                yield stored.data

    async def remove_all(self, target: Target, generation: str) -> None:
        """Remove what a generation held."""
        subject = f"{self._beginning}{generation}.>"
        await self.server.api(self._what(target), f"STREAM.PURGE.{self.stream}", {"filter": subject})

    def remove_chunks(self, target: Target, generation: str, version: Version | None) -> None:
        """Remove the chunks of a version that nobody sees any more, while the caller goes on."""
        if version is not None and version.chunks:
            subject = self.chunks(generation, version.identity)
            self.tidy(self.forget(self._what(target), subject, 2**62))

    def tidy(self, call: Coroutine[Any, Any, object]) -> None:
        """Do what nobody waits for; if it fails, what was to be removed stays, unseen."""

        async def do() -> None:
            with suppress(PrismError):
                await call

        tidying = begun(do())
        self._tidying.add(tidying)
        tidying.add_done_callback(self._tidying.discard)

    async def tidied(self) -> None:
        """Return when all of that is done."""
        if self._tidying:
            await asyncio.wait(self._tidying)

    async def _both(self, target: Target, generation: str) -> tuple[Bucket | None, Stored | None]:
        what = self._what(target)
        subjects = [self.subject_of_bucket(target), self.subject(generation, target.key_bytes)]
        bucket, stored = None, None
        for each in await self.server.last_of_each(what, self.stream, subjects):
            if each.subject == subjects[1]:
                stored = each
            elif each.data != GONE:
                bucket = bucket_of(each, what)
        return bucket, stored

    async def _all(self, target: Target, subject: str) -> AsyncIterator[Stored]:
        start = 0
        while True:
            page = await self.server.page(self._what(target), self.stream, start, _PAGE, _PAGE_BYTES, subject)
            for stored in page:
                yield stored
            if not page or not page[-1].ahead:
                return
            start = page[-1].sequence + 1

    def _what(self, target: Target) -> str:
        return f"{target.backend}: {target}"
