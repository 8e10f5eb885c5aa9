"""Wrong key-value drivers over a real JetStream."""

from .change import Change

__all__ = ["CHANGES"]

_DRIVER = "prism_backends.jetstream.keyvalue"
_CELLS = "prism_backends.jetstream.cells"

CHANGES = [
    Change(
        name="jetstream_change_expects_nothing",
        backend="jetstream",
        module=_CELLS,
        before='return REPLACING | {"Nats-Expected-Last-Subject-Sequence": str(sequence)}',
        after="return dict(REPLACING)",
        promise="keyvalue_cas.6",
        also=("keyvalue_basic.4", "keyvalue_basic.10", "keyvalue_cas.1"),
        why="the value was looked at just before",
    ),
    Change(
        name="jetstream_creation_expects_nothing",
        backend="jetstream",
        module=_CELLS,
        before='return REPLACING | {"Nats-Expected-Last-Subject-Sequence": str(sequence)}',
        after='return REPLACING | ({"Nats-Expected-Last-Subject-Sequence": str(sequence)} if sequence else {})',
        promise="keyvalue_cas.6",
        also=("keyvalue_cas.2", "keyvalue_cas.1"),
        why="0 is no sequence",
    ),
    Change(
        name="jetstream_put_is_deduplicated",
        backend="jetstream",
        module=_CELLS,
        before="subject, data, dict(headers))",
        after='subject, data, dict(headers) | {"Nats-Msg-Id": f"{subject} {zlib.crc32(data)}"})',
        more=(("from collections.abc import Mapping\n", "import zlib\nfrom collections.abc import Mapping\n"),),
        promise="keyvalue_basic.1",
        also=("keyvalue_basic.8", "keyvalue_basic.10"),
        why="a repeated write does nothing, so the server may as well drop it",
    ),
    Change(
        name="jetstream_purge_has_no_bound",
        backend="jetstream",
        module=_CELLS,
        before='{"filter": subject, "seq": sequence + 1}',
        after='{"filter": subject}',
        promise="keyvalue_basic.8",
        also=("keyvalue_basic.1", "keyvalue_basic.10", "keyvalue_cas.1"),
        why="the key is gone, so all of it may go",
    ),
    Change(
        name="jetstream_purge_goes_one_too_far",
        backend="jetstream",
        module=_CELLS,
        before='{"filter": subject, "seq": sequence + 1}',
        after='{"filter": subject, "seq": sequence + 2}',
        promise="keyvalue_basic.8",
        also=("keyvalue_basic.1", "keyvalue_basic.10", "keyvalue_cas.1"),
        why="the bound is exclusive, is it not",
    ),
    Change(
        name="jetstream_set_keeps_history",
        backend="jetstream",
        module=_DRIVER,
        before='await self._cells.put(self._what("set", key), subject, _sealed(data))',
        after='await self._cells.put(self._what("set", key), subject, _sealed(data), {})',
        promise="keyvalue_scan.1",
        also=("keyvalue_scan.3", "keyvalue_basic.12"),
        why="the last message of a subject is its value anyway",
    ),
    Change(
        name="jetstream_history_of_one_in_place_of_rollup",
        backend="jetstream",
        module=_DRIVER,
        before='await self._cells.put(self._what("set", key), subject, _sealed(data))',
        after='await self._cells.put(self._what("set", key), subject, _sealed(data), {})',
        more=(
            ("allow_rollup_hdrs=True, allow_msg_ttl=True", "allow_rollup_hdrs=True, allow_msg_ttl=True, max_msgs_per_subject=1"),
        ),
        promise="keyvalue_basic.12",
        why="that is what NATS's own key-value store does",
    ),
    Change(
        name="jetstream_keyvalue_in_memory",
        backend="jetstream",
        module=_DRIVER,
        before="allow_rollup_hdrs=True, allow_msg_ttl=True",
        after='storage="memory", allow_rollup_hdrs=True, allow_msg_ttl=True',
        promise="keyvalue_basic.12",
        also=("keyvalue_ttl.12",),
        why="memory is faster",
    ),
    Change(
        name="jetstream_reclaims_in_whole_seconds",
        backend="jetstream",
        module=_DRIVER,
        before="seconds = math.ceil(ttl_ns / 1e9) + 1",
        after="seconds = max(1, int(ttl_ns / 1e9))",
        promise="keyvalue_ttl.1",
        why="the server counts seconds, and at least one",
    ),
    Change(
        name="jetstream_persist_leaves_the_reclaiming",
        backend="jetstream",
        module=_DRIVER,
        before="lambda cell: (_sealed(cell.value), {}) if cell and cell.deadline_ns",
        after="lambda cell: (_sealed(cell.value), _reclaimed(cell.ttl_ns)) if cell and cell.deadline_ns",
        promise="keyvalue_ttl.8",
        also=("keyvalue_ttl.10",),
        why="all writes of this flavour have the header",
    ),
    Change(
        name="jetstream_expire_reclaims_by_the_old_time",
        backend="jetstream",
        module=_DRIVER,
        before="return (_sealed(cell.value, ttl_ns), _reclaimed(ttl_ns)) if ttl_ns else (GONE, {})",
        after="return (_sealed(cell.value, ttl_ns), _reclaimed(cell.ttl_ns or ttl_ns)) if ttl_ns else (GONE, {})",
        promise="keyvalue_ttl.7",
        also=("keyvalue_ttl.1", "keyvalue_ttl.10"),
        why="what there was is kept",
    ),
    Change(
        name="jetstream_scan_does_not_ask_for_the_clock",
        backend="jetstream",
        module=_DRIVER,
        before="        await self._clock.read(self._cells.server, what, self._cells.stream)\n        while True:\n",
        after="        while True:\n",
        promise="keyvalue_ttl.2",
        why="it was read when the key was",
    ),
    Change(
        name="jetstream_scan_ends_with_a_short_page",
        backend="jetstream",
        module=_DRIVER,
        before="            if not page or not page[-1].ahead:\n",
        after="            if len(page) < _PAGE:\n",
        promise="keyvalue_scan.1",
        also=("keyvalue_scan.3", "keyvalue_scan.4"),
        why="a page that is not full is the last one",
    ),
    Change(
        name="jetstream_scan_gives_what_moved_again",
        backend="jetstream",
        module=_DRIVER,
        before="name.startswith(beginning) and stored.subject not in given and",
        after="name.startswith(beginning) and",
        promise="keyvalue_scan.3",
        also=("keyvalue_scan.1",),
        why="each subject has one message",
    ),
    Change(
        name="jetstream_scan_ends_where_it_was_when_it_began",
        backend="jetstream",
        module=_DRIVER,
        before="        while True:\n            page = await self._cells.server.page(",
        after=(
            "        known = await self._cells.server.info(what, self._cells.stream)\n"
            '        end = known["state"]["last_seq"] if known is not None else 0\n'
            "        while True:\n            page = await self._cells.server.page("
        ),
        more=(
            (
                "            for stored in page:\n",
                "            for stored in page:\n                if stored.sequence > end:\n                    return\n",
            ),
        ),
        promise="keyvalue_scan.3",
        why="what is written later need not appear",
    ),
    Change(
        name="jetstream_batch_get_is_one_request",
        backend="jetstream",
        module=_DRIVER,
        before=(
            'found = await all_of(self._read("batch_get", key, subject) for key, subject in subjects.items())\n'
            "        return {key: cell.value for key, cell in zip(subjects, found, strict=True) if cell is not None}"
        ),
        after=(
            'what = self._what("batch_get", "")\n'
            "        if not subjects:\n"
            "            return {}\n"
            "        await self._clock.read(self._cells.server, what, self._cells.stream)\n"
            "        every = await self._cells.server.last_of_each(what, self._cells.stream, list(subjects.values()))\n"
            "        cells = {stored.subject: self._cell(what, stored) for stored in every}\n"
            "        return {key: cell.value for key, subject in subjects.items() if (cell := cells.get(subject)) is not None}"
        ),
        promise="keyvalue_batch.4",
        also=("keyvalue_batch.2",),
        why="one round trip; the server says 413 only beyond 1,024 subjects",
    ),
    Change(
        name="jetstream_exists_counts_markers",
        backend="jetstream",
        module=_DRIVER,
        before='return await self._read("exists", key, self._subject("exists", key)) is not None',
        after='return await self._stored(self._what("exists", key), self._subject("exists", key)) is not None',
        promise="keyvalue_basic.5",
        also=("keyvalue_basic.2", "keyvalue_basic.8", "keyvalue_basic.10", "keyvalue_ttl.2"),
        why="it needs no value",
    ),
    Change(
        name="jetstream_keys_in_percents",
        backend="jetstream",
        module=_DRIVER,
        before="return self._subjects + encode_name(prism.check_name(key, operation, self.backend_name))",
        after='return self._subjects + quote(prism.check_name(key, operation, self.backend_name), safe="")',
        more=(
            ("from typing import ClassVar\n", "from typing import ClassVar\nfrom urllib.parse import quote, unquote_to_bytes\n"),
            ("decode_name(stored.subject", "unquote_to_bytes(stored.subject"),
        ),
        promise="keyvalue_basic.3",
        also=("keyvalue_basic.1", "keyvalue_scan.2"),
        why="readable subjects; that a dot needs no percent sign is not seen",
    ),
    Change(
        name="jetstream_change_is_not_tried_again",
        backend="jetstream",
        module=_DRIVER,
        before="            if sequence is None:\n                continue\n",
        after="            if sequence is None:\n                return False\n",
        promise="keyvalue_basic.10",
        also=("keyvalue_basic.4", "keyvalue_cas.6", "keyvalue_ttl.7"),
        why="somebody else was first",
    ),
    Change(
        name="jetstream_ttl_in_whole_seconds",
        backend="jetstream",
        module=_DRIVER,
        before="return min(cell.ttl_ns, cell.deadline_ns - self._clock.earliest_ns()) / 1e9",
        after="return float(min(cell.ttl_ns, cell.deadline_ns - self._clock.earliest_ns()) // 1_000_000_000)",
        promise="keyvalue_ttl.6",
        why="as TTL of Redis does",
    ),
    Change(
        name="jetstream_no_room_beside_the_value",
        backend="jetstream",
        module="prism_backends.jetstream.api",
        before='"max_msg_size": -1,',
        after='"max_msg_size": 1_000_000,',
        promise="keyvalue_basic.6",
        also=("keyvalue_basic.1",),
        why="that is the limit of a payload",
    ),
    Change(
        name="jetstream_answers_are_numbered_in_seven_bits",
        backend="jetstream",
        module="prism_backends.nats.connection",
        before="token = str(next(self._tokens))",
        after="token = str(next(self._tokens) & 0x7F)",
        promise="keyvalue_batch.1",
        also=("keyvalue_batch.2", "keyvalue_batch.3", "keyvalue_basic.8", "keyvalue_basic.10"),
        why="short subjects; nobody has so many requests in flight",
    ),
]
