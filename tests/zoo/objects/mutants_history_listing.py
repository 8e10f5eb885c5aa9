"""Mistakes of listings that real stores and their clients shipped, over the gateway."""

import re
from collections.abc import Iterator
from typing import Any

from prism_testkit.interfaces import ObjectInfo
from tests.zoo.declare import Mutant

from .history import declaring_history
from .history_client import GatewayObjects
from .history_gateway import PAGE, Bucket, Facts, Gateway, Head, Page, Upload

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring_history(MUTANTS)

KIND = "listings"


@mutant("8", KIND, trap="more than a page under a prefix that is no key")
class TokenIsTheNextKey(Gateway):
    """Where a listing begins at what is no key, its first token is the next key, and goes on behind it (minio/minio#21463)."""

    def page(self, space: str, name: str, prefix: str, token: str | None) -> Page:
        rows, more = super().page(space, name, prefix, token)
        bucket = self.bucket(space, name)
        if token is None and more is not None and prefix and prefix not in bucket.heads:
            more = next(self.listed(bucket, prefix, more))[0]
        return rows, more


@mutant("8", KIND, trap="a page that is full where a folder ends")
class PageEndsWithItsFolder(Gateway):
    """Folders are walked one by one; a page that is full just where one ends is told to be the last (seaweedfs/seaweedfs#10652)."""

    def page(self, space: str, name: str, prefix: str, token: str | None) -> Page:
        rows, more = super().page(space, name, prefix, token)
        if more is not None and "/" in more:
            following = next(self.listed(self.bucket(space, name), prefix, more))[0]
            if not following.startswith(more.rpartition("/")[0] + "/"):
                more = None
        return rows, more


@mutant("8", KIND, trap="more keys than are looked at in one go, most of them without the prefix")
class LooksAtAPageOfKeys(Gateway):
    """A page looks at so many keys; the one at which it stops is left out, as it goes on behind it (scality/Arsenal#2176)."""

    def page(self, space: str, name: str, prefix: str, token: str | None) -> Page:
        bucket = self.bucket(space, name)
        rows: list[tuple[str, Head]] = []
        behind = [key for key in sorted(bucket.heads) if token is None or key > token]
        for key in behind[:PAGE]:
            if self.matches(key, prefix) and self.present(bucket.heads[key]):
                rows.append((key, bucket.heads[key]))
        return rows, behind[PAGE] if len(behind) > PAGE else None


@mutant("8", KIND, trap="the last key of a page is deleted while a listing is open")
class BeginsAgainWithoutItsMarker(Gateway):
    """The next page begins behind where its token stands; where that was deleted, at the first key (faiscadev/fakecloud#2406)."""

    def listed(self, bucket: Bucket, prefix: str, token: str | None) -> Iterator[tuple[str, Head]]:
        rows = list(super().listed(bucket, prefix, None))
        places = [place for place, (key, _) in enumerate(rows) if key == token]
        yield from rows[places[0] + 1 :] if places else rows


@mutant("8", KIND, trap="as many deleted keys in a row as fill a page")
class EndsAtABarePage(Gateway):
    """Pages count what was deleted, and leave it out; one of which nothing is left ends a listing (madisoft/s3-pit-restore#26)."""

    def gone(self, bucket: Bucket) -> set[str]:
        found: set[str] = self.notes.setdefault(("gone", bucket.number), set())
        return found

    def store(self, bucket: Bucket, key: str, head: Head) -> Head:
        self.gone(bucket).discard(key)
        return super().store(bucket, key, head)

    def remove(self, bucket: Bucket, key: str) -> None:
        super().remove(bucket, key)
        self.gone(bucket).add(key)

    def page(self, space: str, name: str, prefix: str, token: str | None) -> Page:
        bucket = self.bucket(space, name)
        behind = [key for key in sorted({*bucket.heads, *self.gone(bucket)}) if token is None or key > token]
        behind = [key for key in behind if self.matches(key, prefix)]
        rows = [(key, bucket.heads[key]) for key in behind[:PAGE] if key in bucket.heads and self.present(bucket.heads[key])]
        return rows, behind[PAGE - 1] if len(behind) > PAGE and rows else None


@mutant("8", KIND, trap="a prefix that is a key")
class LeavesOutThePrefixItself(Gateway):
    """A listing goes on behind its prefix, and leaves out the key that equals it (exoscale/pithos#125)."""

    def matches(self, key: str, prefix: str) -> bool:
        return super().matches(key, prefix) and not (prefix and key == prefix)


@mutant("8", KIND, trap="a prefix with an underscore or a percent sign")
class PrefixesArePatterns(Gateway):
    """The prefix is put into a LIKE as it is (supabase/storage#882)."""

    def matches(self, key: str, prefix: str) -> bool:
        pattern = "".join({"_": ".", "%": ".*"}.get(character, re.escape(character)) for character in prefix)
        return re.match(pattern, key, re.DOTALL) is not None


@mutant("8", KIND, trap="the prefix 0")
class ZeroIsNoPrefix(GatewayObjects):
    """The prefix ``0`` is taken for none at all (thephpleague/flysystem#1882)."""

    async def list_objects(self, bucket: str, prefix: str = ""):  # type: ignore[no-untyped-def]
        async for info in super().list_objects(bucket, "" if prefix == "0" else prefix):
            yield info


@mutant("14", "caches", trap="a creation between two listings", also="8 conditional.1 conditional.3")
class CreationsLeaveListingsCached(Gateway):
    """Listings are kept until something is written; one kind of write was forgotten (fsspec/s3fs#903)."""

    def kept(self, bucket: Bucket) -> dict[str, list[tuple[str, Head]]]:
        found: dict[str, list[tuple[str, Head]]] = self.notes.setdefault(("listings", bucket.number), {})
        return found

    def store(self, bucket: Bucket, key: str, head: Head) -> Head:
        self.kept(bucket).clear()
        return super().store(bucket, key, head)

    def remove(self, bucket: Bucket, key: str) -> None:
        self.kept(bucket).clear()
        super().remove(bucket, key)

    def create(self, space: str, name: str, key: str, data: bytes, facts: Facts) -> Head | None:
        kept = self.kept(self.bucket(space, name))
        before = dict(kept)
        head = super().create(space, name, key, data, facts)
        kept.update(before)
        return head

    def listed(self, bucket: Bucket, prefix: str, token: str | None) -> Iterator[tuple[str, Head]]:
        kept = self.kept(bucket)
        if prefix not in kept:
            kept[prefix] = list(super().listed(bucket, prefix, None))
        return iter([(key, head) for key, head in kept[prefix] if (token is None or key > token) and self.present(head)])


@mutant("8", KIND, trap="an object that was not put on a whole second", also="5")
class ListingsCountSeconds(GatewayObjects):
    """Listings cut instants to seconds, where metadata are of milliseconds (pycontribs/pyrax#337)."""

    def info(self, key: str, head: Head) -> ObjectInfo:
        return ObjectInfo(key, len(head.data), head.at_ms // 1000 * 1000)


@mutant("6", KIND, trap="a listing while an upload has sent a part", also="8")
class PartsOfUploadsAreListed(Gateway):
    """Parts wait in the bucket under names of their own, and nothing filters them out of listings (chimera-nas/chimera#1383)."""

    def names(self, upload: Upload) -> list[str]:
        return [f"._part_{upload.number}_{number}" for number in upload.parts]

    def part(self, upload: Upload, number: int, data: bytes) -> None:
        super().part(upload, number, data)
        for name in self.names(upload):
            upload.bucket.heads[name] = self.made("", data, upload.facts)

    def abort(self, upload: Upload) -> None:
        super().abort(upload)
        for name in self.names(upload):
            upload.bucket.heads.pop(name, None)


@mutant("14", "caches", trap="a key that was listed, then overwritten by another client with more", also="1 7")
class SizesAreOfTheListing(GatewayObjects):
    """A stream ends after as many bytes as the last listing of this client told (fsspec/s3fs#424)."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.sizes: dict[Any, int] = {}

    async def list_objects(self, bucket: str, prefix: str = ""):  # type: ignore[no-untyped-def]
        async for info in super().list_objects(bucket, prefix):
            self.sizes[bucket, info.key] = info.size
            yield info

    def names(self, operation: str, bucket: str, key: str) -> tuple[str, str, str]:
        if operation in ("put", "put_stream", "put_if_absent", "delete"):
            self.sizes.pop((bucket, key), None)
        return super().names(operation, bucket, key)

    async def piece(self, names: tuple[str, str, str], head: Head, start: int) -> bytes:
        piece = await super().piece(names, head, start)
        return piece[: max(0, self.sizes.get(names[1:], len(head.data)) - start)]
