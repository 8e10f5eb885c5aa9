"""Wrong object storages over a real JetStream."""

from .change import Change

__all__ = ["CHANGES"]

_DRIVER = "prism_backends.jetstream.objects"
_TABLE = "prism_backends.jetstream.objecttable"
_RECORDS = "prism_backends.jetstream.objectrecords"

CHANGES = [
    Change(
        name="jetstream_chunks_end_with_a_short_page",
        backend="jetstream",
        module=_TABLE,
        before="if not page or not page[-1].ahead:",
        after="if len(page) < _PAGE:",
        promise="object_storage.1",
        also=("object_storage.8", "object_storage.6"),
        why="a page that is not full is the last one",
    ),
    Change(
        name="jetstream_get_gives_what_is_left",
        backend="jetstream",
        module=_DRIVER,
        before="            if len(data) == version.size:\n                return data  #",
        after="            return data  #",
        promise="object_storage.7",
        also=("object_storage.16",),
        why="what was read is what was there",
    ),
    Change(
        name="jetstream_stream_ends_where_the_chunks_end",
        backend="jetstream",
        module=_DRIVER,
        before="        if left:\n            _, now",
        after="        if left < 0:\n            _, now",
        promise="object_storage.7",
        why="there cannot be more than there is",
    ),
    Change(
        name="jetstream_etag_is_the_length",
        backend="jetstream",
        module=_RECORDS,
        before="self.description.metadata(self.size, self.identity, self.put_ns // 1_000_000)",
        after='self.description.metadata(self.size, f"{self.size:x}", self.put_ns // 1_000_000)',
        promise="object_storage.5",
        why="opaque it is",
    ),
    Change(
        name="jetstream_set_ttl_modifies_the_object",
        backend="jetstream",
        module=_RECORDS,
        before='put_ns = known["put"] or stored.at_ns',
        after="put_ns = stored.at_ns",
        promise="object_storage.5",
        also=("object_storage.8", "object_storage.9"),
        why="the server knows when it was written",
    ),
    Change(
        name="jetstream_listing_shows_what_expired",
        backend="jetstream",
        module=_TABLE,
        before="                if await self.is_present(target, version):\n                    given",
        after="                if version is not None:\n                    given",
        promise="object_storage.9",
        also=("object_storage.8", "object_storage.11"),
        why="a listing need not be exact",
    ),
    Change(
        name="jetstream_listing_shows_what_moved_again",
        backend="jetstream",
        module=_TABLE,
        before="if stored.data != GONE and key not in given:",
        after="if stored.data != GONE:",
        promise="object_storage.8",
        why="each key has one message",
    ),
    Change(
        name="jetstream_generation_is_remembered",
        backend="jetstream",
        module=_TABLE,
        before="if found is None or found.generation != generation or found.is_closing:",
        after="if found is None or found.is_closing:",
        promise="object_storage.11",
        also=("object_storage.14",),
        why="there is a bucket",
    ),
    Change(
        name="jetstream_absence_is_not_looked_at_again",
        backend="jetstream",
        module=_DRIVER,
        before="            if if_absent and found is not None:\n                return None\n            old",
        after="            old",
        promise="object_storage_conditional.2",
        also=("object_storage_conditional.1",),
        why="it was looked at before the chunks were written",
    ),
    Change(
        name="jetstream_expired_object_is_deleted_with_true",
        backend="jetstream",
        module=_DRIVER,
        before="                return version is not None\n",
        after="                return True\n",
        promise="object_storage.9",
        also=("object_storage.2", "object_storage.4"),
        why="something was removed",
    ),
    Change(
        name="jetstream_put_stream_collects",
        backend="jetstream",
        module=_DRIVER,
        before=(
            "            async for chunk in chunks:\n                for block in intake.add(chunk):\n"
            "                    await draft.add(block)\n"
        ),
        after=(
            "            for block in [block async for chunk in chunks for block in intake.add(chunk)]:\n"
            "                await draft.add(block)\n"
        ),
        promise="object_storage.18",
        why="a slow source must not leave chunks behind",
    ),
    Change(
        name="jetstream_get_stream_collects",
        backend="jetstream",
        module=_DRIVER,
        before="        async for chunk in self._table.data(target, generation, version):\n            left -= len(chunk)\n",
        after=(
            "        for chunk in [chunk async for chunk in self._table.data(target, generation, version)]:\n"
            "            left -= len(chunk)\n"
        ),
        promise="object_storage.18",
        why="a slow reader sees one version",
    ),
    Change(
        name="jetstream_a_page_of_everything",
        backend="jetstream",
        module=_TABLE,
        before="_PAGE_BYTES = 2_000_000",
        after="_PAGE_BYTES = 200_000_000",
        promise="object_storage.18",
        why="fewer round trips",
    ),
    Change(
        name="jetstream_two_make_one_bucket",
        backend="jetstream",
        module=_TABLE,
        before="return await self.change(what, subject, 0 if stored is None else stored.sequence, data) is not None",
        after="return await self.put(what, subject, data) > 0",
        promise="object_storage.11",
        also=("object_storage.14",),
        why="it was looked at just before",
    ),
    Change(
        name="jetstream_chunks_lie_under_two_digits",
        backend="jetstream",
        module=_TABLE,
        before='return f"{self._beginning}{generation}.c.{version}"',
        after='return f"{self._beginning}{generation}.c.{version[:2]}"',
        promise="object_storage.1",
        also=("object_storage.4", "object_storage.16", "object_storage.7"),
        why="shorter subjects",
    ),
]
