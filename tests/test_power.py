"""What a loss of power leaves of files."""

import os
import sqlite3
from os import fsync as synced_by_another_name
from pathlib import Path

import pytest

from prism_testkit.power import Disk, Remains
from tests.zoo.syncing import sync


def left(remains: Remains, to: Path) -> dict[str, bytes]:
    to.mkdir()
    remains.write(to)
    return {str(path.relative_to(to)): path.read_bytes() for path in to.rglob("*") if path.is_file()}


def test_what_was_there_before_is_there_and_what_was_not_synced_is_not(tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    (place / "old").write_bytes(b"old")
    with Disk(place) as disk:
        (place / "old").write_bytes(b"newer")
        (place / "new").write_bytes(b"new")
        nothing, names, contents = disk.losses()
    assert left(nothing, tmp_path / "1") == {"old": b"old"}
    assert left(names, tmp_path / "2") == {"old": b"old", "new": b""}
    assert left(contents, tmp_path / "3") == {"old": b"newer"}


def test_a_file_is_synced_apart_from_its_name(tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    (place / "a").write_bytes(b"before")
    with Disk(place) as disk:
        with (place / "draft").open("wb") as file:
            file.write(b"after")
            file.flush()
            synced_by_another_name(file.fileno())
        (place / "draft").rename(place / "a")
        assert left(disk.losses()[0], tmp_path / "1") == {"a": b"before"}
        sync(place)
        (remains,) = disk.losses()
    assert left(remains, tmp_path / "2") == {"a": b"after"}


def test_what_is_written_through_is_synced(tmp_path: Path) -> None:
    with Disk(tmp_path) as disk:
        descriptor = os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT | os.O_DSYNC)
        sync(tmp_path)
        os.write(descriptor, b"record")
        (remains,) = disk.losses()
        os.close(descriptor)
    assert [content[0] for content in remains.files.values() if isinstance(content, tuple)] == [b"record"]


def test_each_state_within_is_kept_once(tmp_path: Path) -> None:
    with Disk(tmp_path) as disk, disk.recording() as found:
        with (tmp_path / "a").open("wb", buffering=0) as file:
            file.write(b"1")
            os.fsync(file.fileno())
        sync(tmp_path)
    assert len({remains.known_by for remains in found}) == len(found) >= 3


def test_what_a_library_writes_is_told(tmp_path: Path) -> None:
    with Disk(tmp_path) as disk:
        connection = sqlite3.connect(tmp_path / "data")
        connection.execute("CREATE TABLE t (x)")
        connection.commit()
        connection.close()
        disk.losses()
    assert "sqlite3." in disk.unseen


def test_everything_is_put_back_as_it_was(tmp_path: Path) -> None:
    before = os.fsync

    def fails() -> None:
        with Disk(tmp_path):
            assert os.fsync is not before
            raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        fails()
    assert os.fsync is before
    assert synced_by_another_name is before
