"""Wrong drivers over files: a lock that is left out somewhere, or let go too early. In one process nobody comes between."""

from .change import changing

__all__ = ["CHANGES"]

_change = changing("filesystem_", "filesystem", "prism_backends.filesystem.buckets")
_BY_NAME = "A file that has its name is complete, so nobody needs a lock here."
_NONE = "with suppress():"

CHANGES = [
    _change(
        "create_takes_no_turn",
        """        with self._locked(sync=True):
            try:
                self._file.hardlink_to(draft.path)
""",
        f"""        {_NONE}
            try:
                self._file.hardlink_to(draft.path)
""",
        "object_storage_conditional.2",
        _BY_NAME,
    ),
    _change(
        "delete_takes_no_turn",
        """        with self._locked(sync=True):
            present = self._is_present(self._file)
""",
        f"""        {_NONE}
            present = self._is_present(self._file)
""",
        "object_storage.10",
        _BY_NAME,
        also=("object_storage.16", "object_storage.4", "object_storage.14", "object_storage_conditional.2"),
    ),
    _change(
        "reap_takes_no_turn",
        "        with suppress(BucketNotFound), self._locked():\n            version = self._version(path)\n",
        "        with suppress(BucketNotFound, FileNotFoundError):\n            version = self._version(path)\n",
        "object_storage.10",
        "What has expired is nobody's.",
        also=("object_storage_conditional.2",),
    ),
    _change(
        "reap_does_not_look_again",
        """            version = self._version(path)
            if version is not None and version.is_expired(self._now_s()):
                path.unlink()
""",
        "            path.unlink(missing_ok=True)\n",
        "object_storage.10",
        "It has been found expired already.",
        also=("object_storage_conditional.2",),
    ),
    _change(
        "put_takes_no_turn",
        """        with self._locked(sync=True):
            draft.path.replace(self._file)
""",
        f"""        {_NONE}
            try:
                draft.path.replace(self._file)
            except FileNotFoundError as error:
                raise self._target.no_bucket() from error
""",
        "object_storage.10",
        _BY_NAME,
        also=("object_storage.16", "object_storage.11", "object_storage.8", "object_storage_conditional.2"),
    ),
    _change(
        "bucket_is_removed_without_a_turn",
        "        with self._locked():\n            if not force and any(",
        f"        {_NONE}\n            if not force and any(",
        "object_storage.11",
        "An empty bucket is nobody's.",
        also=("object_storage.14",),
    ),
    _change(
        "bucket_is_looked_at_before_its_turn",
        """        with self._locked():
            if not force and any(self._is_present(path) for path in self.path.iterdir()):
                return False
            discard(self.path)
""",
        """        with self._locked():
            if not force and any(self._is_present(path) for path in self.path.iterdir()):
                return False
        with self._locked():
            discard(self.path)
""",
        "object_storage.11",
        "It was empty a moment ago.",
        also=("object_storage.14",),
    ),
    _change(
        "writers_share_their_turn",
        "    def _locked(self, how: int = fcntl.LOCK_EX, sync",
        "    def _locked(self, how: int = fcntl.LOCK_SH, sync",
        "object_storage_conditional.2",
        "A shared lock keeps removers away.",
        also=("object_storage.10", "object_storage.16", "object_storage.11", "object_storage.14"),
    ),
    _change(
        "create_shares_its_turn",
        """        with self._locked(sync=True):
            try:
                self._file.hardlink_to(draft.path)
""",
        """        with self._locked(fcntl.LOCK_SH, sync=True):
            try:
                self._file.hardlink_to(draft.path)
""",
        "object_storage_conditional.2",
        "A link is made by one, whoever holds the lock as well.",
        also=("object_storage_conditional.1",),
    ),
    _change(
        "create_replaces_behind_its_turn",
        """                if self._is_present(self._file):
                    return False
                draft.path.replace(self._file)
        return True
""",
        """                if self._is_present(self._file):
                    return False
        if draft.path.stat().st_nlink == 1:
            draft.path.replace(self._file)
        return True
""",
        "object_storage_conditional.2",
        "What has expired is nobody's.",
        also=("object_storage_conditional.1", "object_storage.10"),
    ),
    _change(
        "delete_removes_behind_its_turn",
        """            self._file.unlink(missing_ok=True)
        return present
""",
        """            pass
        self._file.unlink(missing_ok=True)
        return present
""",
        "object_storage.16",
        "Whether it was present is known.",
        also=("object_storage.4", "object_storage.14", "object_storage.10"),
    ),
    _change(
        "reap_removes_behind_its_turn",
        """            version = self._version(path)
            if version is not None and version.is_expired(self._now_s()):
                path.unlink()
""",
        """            version = self._version(path)
        if version is not None and version.is_expired(self._now_s()):
            path.unlink(missing_ok=True)
""",
        "object_storage.10",
        "It has been found expired behind the lock.",
        also=("object_storage_conditional.2",),
    ),
    _change(
        "put_replaces_behind_its_turn",
        """        with self._locked(sync=True):
            draft.path.replace(self._file)
""",
        """        with self._locked(sync=True):
            pass
        draft.path.replace(self._file)
""",
        "object_storage.11",
        "The bucket is there, and locked.",
        also=("object_storage.10", "object_storage.14", "object_storage.16"),
    ),
    _change(
        "removers_share_their_turn",
        "        with self._locked():\n            if not force and any(",
        "        with self._locked(fcntl.LOCK_SH):\n            if not force and any(",
        "object_storage.11",
        "Who puts is kept away.",
    ),
]
