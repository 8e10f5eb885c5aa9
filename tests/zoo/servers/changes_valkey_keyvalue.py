"""Wrong key-value drivers over a real Valkey."""

from .change import Change

__all__ = ["CHANGES"]

_DRIVER = "prism_backends.redis.keyvalue"

CHANGES = [
    Change(
        name="valkey_scan_gives_what_a_page_repeats",
        backend="valkey",
        module=_DRIVER,
        before="page = [key for key in dict.fromkeys(keys) if key not in seen]",
        after="page = list(keys)",
        promise="keyvalue_scan.4",
        also=("keyvalue_scan.3",),
        why="SCAN repeats keys only while the server's table is resized, which no small test shows",
    ),
    Change(
        name="valkey_expire_counts_whole_seconds",
        backend="valkey",
        module=_DRIVER,
        before='"PEXPIRE", at, self._milliseconds("expire", ttl_s)',
        after='"EXPIRE", at, math.ceil(self._milliseconds("expire", ttl_s) / 1000)',
        promise="keyvalue_ttl.7",
        also=("keyvalue_ttl.1", "keyvalue_ttl.2", "keyvalue_ttl.5"),
        why="EXPIRE is the better known command",
    ),
    Change(
        name="valkey_prefix_is_a_pattern",
        backend="valkey",
        module=_DRIVER,
        before="pattern = _escaped(self._prefix + prism.check_prefix(prefix, operation, self.backend_name)) + b",
        after="pattern = self._prefix + prism.check_prefix(prefix, operation, self.backend_name) + b",
        promise="keyvalue_scan.1",
        also=("keyvalue_scan.2",),
        why="the prefix is taken for text that needs no escape",
    ),
]
