"""What killed writers, closed drivers and failing disks leave of objects in files."""

import asyncio
import contextlib
import errno
import gc
import os
import stat
from pathlib import Path

import pytest
from object_world import Gate, World, listed, over, play, source

from prism_backends.filesystem import FilesystemObjectStorage, drafts
from prism_backends.objects import CHUNK_BYTES
from prism_testkit.interfaces.errors import AccessDenied, BackendUnavailable, QuotaExceeded

here = over("filesystem")
both_ways = over("filesystem", "filesystem-threads")


def test_what_a_killed_process_left_in_the_trash_and_among_the_drafts_is_swept(tmp_path: Path) -> None:
    root = tmp_path / "objects"
    (root / "trash" / "bucket").mkdir(parents=True)
    (root / "trash" / "bucket" / "file").write_bytes(b"x")
    (root / "drafts").mkdir()
    (root / "drafts" / "draft").write_bytes(b"x")

    async def scenario(world: World) -> None:
        assert list((root / "trash").iterdir()) == list((root / "drafts").iterdir()) == []

    play("filesystem", tmp_path, scenario)


@here
async def test_a_writer_whose_draft_a_sweeper_took_before_it_was_locked_takes_another(world: World) -> None:
    flock, taken = drafts.fcntl.flock, []

    def swept_first(descriptor: int, how: int) -> None:
        if not taken:
            (path,) = (world.place.directory / "objects" / "drafts").iterdir()
            taken.append(path)
            path.unlink()
        flock(descriptor, how)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drafts.fcntl, "flock", swept_first)
        await world.objects.put(world.bucket, "key", b"data")
    assert len(taken) == 1
    assert await world.objects.get(world.bucket, "key") == b"data"


def open_files() -> int:
    """Return how many files and folders are open; sockets and pipes are other tests', and go when their garbage is collected."""
    count = 0
    for name in os.listdir("/dev/fd"):  # noqa: PTH208  names are enough
        with contextlib.suppress(OSError):  # that of this look
            mode = os.fstat(int(name)).st_mode
            count += stat.S_ISREG(mode) or stat.S_ISDIR(mode)
    return count


@both_ways
async def test_no_file_stays_open_behind_a_call(world: World) -> None:
    await world.objects.put(world.bucket, "key", bytes(3 * CHUNK_BYTES))
    await world.settled()
    gc.collect()
    before = open_files()
    await world.objects.get(world.bucket, "key")
    await world.objects.get(world.bucket, "missing")
    await world.objects.set_ttl(world.bucket, "key", 9)
    await world.keys()
    parts = world.objects.get_stream(world.bucket, "key")
    await anext(parts)
    assert open_files() == before + 1
    await parts.aclose()  # type: ignore[attr-defined]
    gate = Gate([b"x"])
    task = asyncio.ensure_future(world.objects.put_stream(world.bucket, "new", gate))
    await gate.reached.wait()
    assert open_files() == before + 1
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await world.settled()
    assert open_files() == before
    assert await listed(world.objects.get_stream(world.bucket, "key")) == bytes(3 * CHUNK_BYTES)
    await world.settled()
    assert open_files() == before


@pytest.mark.parametrize(
    ("code", "error"), [(errno.ENOSPC, QuotaExceeded), (errno.EACCES, AccessDenied), (errno.EIO, BackendUnavailable)]
)
def test_an_error_of_the_disk_has_a_name_and_leaves_what_was_there(code: int, error: type[Exception], tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.objects.put(world.bucket, "key", b"old")

        def fails(descriptor: int) -> None:
            raise OSError(code, os.strerror(code))

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "fsync", fails)
            with pytest.raises(error, match="filesystem: put 'bucket' 'key'") as caught:
                await world.objects.put(world.bucket, "key", b"new")
            assert isinstance(caught.value.__cause__, OSError)
            with pytest.raises(error):
                await world.objects.put_stream(world.bucket, "key", source(b"new"))
        await world.settled()
        assert world.rest() == []
        assert await world.objects.get(world.bucket, "key") == b"old"

    play("filesystem", tmp_path, scenario)


@here
async def test_every_write_is_on_the_disk_before_it_returns(world: World) -> None:
    objects = world.objects
    assert isinstance(objects, FilesystemObjectStorage)
    synced: list[str] = []
    fsync = os.fsync

    def noted(descriptor: int) -> None:
        synced.append("directory" if os.path.isdir(f"/dev/fd/{descriptor}") else "file")  # noqa: PTH112
        fsync(descriptor)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", noted)
        for call, wanted in (
            (lambda: objects.put(world.bucket, "key", b""), ["file", "directory"]),
            (lambda: objects.put_stream(world.bucket, "key", source(b"")), ["file", "directory"]),
            (lambda: objects.put_if_absent(world.bucket, "new", b""), ["file", "directory"]),
            (lambda: objects.set_ttl(world.bucket, "key", 1), ["file"]),
            (lambda: objects.delete(world.bucket, "key"), ["directory"]),
            (lambda: objects.create_bucket("new"), ["directory", "directory"]),
            (lambda: objects.delete_bucket("new"), ["directory"]),
        ):
            synced.clear()
            await call()
            assert synced == wanted
