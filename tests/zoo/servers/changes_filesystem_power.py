"""Wrong drivers over files: something is not waited for until it is on the disk. A loss of power shows that, SIGKILL does not."""

from .change import changing

__all__ = ["CHANGES"]

_buckets = changing("filesystem_", "filesystem", "prism_backends.filesystem.buckets")
_drafts = changing("filesystem_", "filesystem", "prism_backends.filesystem.drafts")
_client = changing("filesystem_", "filesystem", "prism_backends.filesystem.client")
_LAW = "object_storage.19"
_RENAMED = "A rename is atomic, so there is nothing to wait for."

CHANGES = [
    _drafts(
        "drafts_are_not_synced",
        """        seal(self._descriptor, self._head, last_modified_ms, self.size)
        os.fsync(self._descriptor)
""",
        "        seal(self._descriptor, self._head, last_modified_ms, self.size)\n",
        _LAW,
        "What is written is written.",
    ),
    _drafts(
        "drafts_are_synced_before_they_are_complete",
        """        seal(self._descriptor, self._head, last_modified_ms, self.size)
        os.fsync(self._descriptor)
""",
        """        os.fsync(self._descriptor)
        seal(self._descriptor, self._head, last_modified_ms, self.size)
""",
        _LAW,
        "The data is what has to be on the disk.",
    ),
    _buckets(
        "names_are_not_synced",
        "                os.fsync(descriptor)\n",
        "                pass\n",
        _LAW,
        _RENAMED,
    ),
    _buckets(
        "put_does_not_sync_the_name",
        """        with self._locked(sync=True):
            draft.path.replace(self._file)
""",
        """        with self._locked():
            draft.path.replace(self._file)
""",
        _LAW,
        _RENAMED,
    ),
    _buckets(
        "put_if_absent_does_not_sync_the_name",
        """        with self._locked(sync=True):
            try:
                self._file.hardlink_to(draft.path)
""",
        """        with self._locked():
            try:
                self._file.hardlink_to(draft.path)
""",
        _LAW,
        "A link of a synced file is synced.",
    ),
    _buckets(
        "delete_does_not_sync",
        """        with self._locked(sync=True):
            present = self._is_present(self._file)
""",
        """        with self._locked():
            present = self._is_present(self._file)
""",
        _LAW,
        "What is removed needs no care.",
    ),
    _buckets(
        "deadlines_are_not_synced",
        "            reader.sync()\n",
        "            pass\n",
        _LAW,
        "A few bytes within one block.",
    ),
    _buckets(
        "new_buckets_are_not_synced",
        """        sync_directory(self._space)
        sync_directory(self._space.parent)
        return True
""",
        "        return True\n",
        _LAW,
        "mkdir is a call of the system.",
    ),
    _buckets(
        "new_spaces_are_not_synced",
        """        sync_directory(self._space)
        sync_directory(self._space.parent)
        return True
""",
        "        sync_directory(self._space)\n        return True\n",
        _LAW,
        "A directory that is synced is there.",
    ),
    _buckets(
        "removed_buckets_are_not_synced",
        """            discard(self.path)
        sync_directory(self._space)
""",
        "            discard(self.path)\n",
        _LAW,
        "What is removed needs no care.",
    ),
    _client(
        "what_is_made_first_is_not_synced",
        "            sync_directory(path)  # or a loss of power takes what was put into these, synced or not\n",
        "            pass\n",
        _LAW,
        "It is made once.",
    ),
]
