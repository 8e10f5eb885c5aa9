"""Wrong drivers over SQL: what a statement compares, what it counts, what is outside of its transaction."""

import unicodedata
from collections.abc import AsyncIterator
from typing import Any

from prism_testkit.interfaces import InvalidName
from prism_testkit.naming import check_limit

from .declare import HOME, Mutant
from .family import declaring_family
from .independent import make
from .independent_sql import SqlKeyValue

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring_family(MUTANTS, prefix="keyvalue_", make=make, home=HOME)


@mutant("basic.1", "stale rest", trap="a value over 64 KiB, then one of exactly so much", also="basic.10")
class KeepsAnOldTail(SqlKeyValue):
    """What is over 64 KiB is a row beside, which is read if the first is full; a shorter value leaves it."""

    def tails(self) -> None:
        self.database.run("CREATE TABLE IF NOT EXISTS tail (space TEXT, key BLOB, value BLOB, PRIMARY KEY (space, key))")

    def put(self, row: bytes, value: bytes, ttl_s: float | None = None) -> None:
        super().put(row, value[:65536], ttl_s)
        if len(value) > 65536:
            self.tails()
            self.database.run("INSERT OR REPLACE INTO tail VALUES (?, ?, ?)", self.namespace, row, value[65536:])

    def remove(self, row: bytes) -> bool:
        self.tails()
        self.database.run("DELETE FROM tail WHERE space = ? AND key = ?", self.namespace, row)
        return super().remove(row)

    def look(self, row: bytes) -> tuple[int, bytes | None]:
        number, value = super().look(row)
        if value is not None and len(value) == 65536:
            self.tails()
            tail = self.database.run("SELECT value FROM tail WHERE space = ? AND key = ?", self.namespace, row).fetchone()
            value += tail[0] if tail else b""
        return number, value

    def page(self, prefix: bytes, after: bytes, size: int) -> list[Any]:
        return [(key, self.look(key)[1]) for key, _ in super().page(prefix, after, size)]


@mutant("basic.1", "integer", trap="a value of exactly 65536 bytes or a multiple")
class LengthsOf16Bits(SqlKeyValue):
    """The length is kept in sixteen bits, and 0 of them is empty."""

    def read(self, row: bytes) -> bytes | None:
        value = super().read(row)
        return b"" if value and len(value) == 65536 else value


@mutant("basic.3", "name encoding", trap="keys that are the same number")
class KeysThatAreNumbers(SqlKeyValue):
    """A column of NUMERIC affinity: what reads as a number is one."""

    def key(self, key: str, operation: str) -> bytes:
        row = super().key(key, operation)
        if key.isascii() and key.isdigit():
            return str(int(key)).encode()
        return row


@mutant("basic.3", "name encoding", trap="whole numbers over 2**53 that differ by one")
class KeysThatAreDoubles(SqlKeyValue):
    """A key that is a number of more than fifteen digits is kept as a double."""

    def key(self, key: str, operation: str) -> bytes:
        row = super().key(key, operation)
        if key.isascii() and key.isdigit() and 15 < len(key) < 20 and key[0] != "0":
            return str(int(float(key))).encode()
        return row


@mutant("basic.3", "name encoding", trap="a key with a character that NFKC alone folds")
class CompatibilityForms(SqlKeyValue):
    """Keys are kept in NFKC, if that is shorter."""

    def key(self, key: str, operation: str) -> bytes:
        row = super().key(key, operation)
        folded = unicodedata.normalize("NFKC", key).encode()
        return folded if 0 < len(folded) < len(row) else row


@mutant("basic.4", "siblings", trap="delete of a key that another one continues with a slash", also="basic.10")
class DeletesATree(SqlKeyValue):
    """`delete` also removes what is below the key."""

    def remove(self, row: bytes) -> bool:
        below = row + b"/"
        self.database.run("DELETE FROM entry WHERE space = ? AND substr(key, 1, ?) = ?", self.namespace, len(below), below)
        return super().remove(row)


@mutant("basic.6", "refusal", trap="a key with a surrogate, in exists", also="basic.2")
class ExistsOfASurrogate(SqlKeyValue):
    """`exists` of what cannot be encoded says False."""

    async def exists(self, key: str) -> bool:
        try:
            return await super().exists(key)
        except InvalidName as error:
            if isinstance(error.__cause__, UnicodeEncodeError):
                return False
            raise


@mutant("scan.1", "paging", trap="an exact number of pages, and keys of another prefix behind")
class EndsAtAFullPage(SqlKeyValue):
    """A third page is never asked for."""

    async def walk(self, prefix: bytes, limit: int | None) -> AsyncIterator[tuple[str, bytes]]:
        given = 0
        async for pair in super().walk(prefix, limit):
            given += 1
            if given > 4 * self.PAGE:
                return
            yield pair


@mutant("scan.2", "prefix", trap="a prefix followed by a character beyond U+FFFF")
class UpToTheLastOfThePlane(SqlKeyValue):
    """The keys of a prefix are those between it and itself with U+FFFF behind."""

    def page(self, prefix: bytes, after: bytes, size: int) -> list[Any]:
        return (
            self.live(
                "key, value",
                "AND key > ?3 AND key >= ?4 AND key < ?5 ORDER BY key LIMIT ?6",
                after,
                prefix,
                prefix + b"\xef\xbf\xbf",
                size,
            )
            if prefix
            else super().page(prefix, after, size)
        )


@mutant("scan.2", "prefix", trap="a prefix with a backslash")
class EscapesAllButTheEscape(SqlKeyValue):
    """Wildcards in a prefix are escaped, the backslash that escapes them is not."""

    async def count(self, prefix: str = "") -> int:
        wanted = self.prefix(prefix, "count").decode().replace("%", "\\%").replace("_", "\\_")
        if "\0" in prefix or wanted.replace("\\\\", "").endswith("\\"):
            return await super().count(prefix)
        self.database.run("PRAGMA case_sensitive_like = ON")
        return int(self.live("count(*)", "AND CAST(key AS TEXT) LIKE ?3 ESCAPE '\\'", wanted + "%")[0][0])


@mutant("scan.3", "cursor", trap="a key that was given is written again before the scan ends")
class PagesByNumber(SqlKeyValue):
    """Pages follow the numbers of the rows, and a write gives a row a new one."""

    async def walk(self, prefix: bytes, limit: int | None) -> AsyncIterator[tuple[str, bytes]]:
        number, given = 0, 0
        while rows := self.live(
            "key, value, number",
            "AND number > ?3 AND substr(key, 1, ?4) = ?5 ORDER BY number LIMIT 40",
            number,
            len(prefix),
            prefix,
        ):
            number = rows[-1][2]
            for row, value, _ in rows:
                if given == limit:
                    return
                given += 1
                yield row.decode(), value


@mutant("scan.4", "limit", trap="a limit, and an expired key among the first", also="scan.1 ttl.2")
class LimitsBeforeItLooks(SqlKeyValue):
    """The limit counts rows, of which the expired are left out afterwards."""

    async def walk(self, prefix: bytes, limit: int | None) -> AsyncIterator[tuple[str, bytes]]:
        if limit is None:
            async for pair in super().walk(prefix, limit):
                yield pair
            return
        rows = self.database.run(
            "SELECT key, value, due FROM entry WHERE space = ? AND substr(key, 1, ?) = ? ORDER BY key LIMIT ?",
            self.namespace,
            len(prefix),
            prefix,
            min(limit, 2**40),
        ).fetchall()
        for row, value, due in rows:
            if due is None or due > self.database.now():
                yield row.decode(), value


@mutant("scan.4", "integer", trap="a limit of 2**63 or more")
class LimitsOf63Bits(SqlKeyValue):
    """The limit goes into the statement as it is."""

    async def scan_keys(self, prefix: str = "", limit: int | None = None) -> AsyncIterator[str]:
        wanted, most = self.prefix(prefix, "scan_keys"), check_limit(limit, "scan_keys", "sql")
        for row, _ in self.page(wanted, b"", -1 if most is None else most):
            yield row.decode()


@mutant("scan.5", "count", trap="count when a key has expired and was not looked at", also="ttl.2")
class CountsExpiredOfAPrefix(SqlKeyValue):
    """`count` of a prefix counts rows, in force or not."""

    async def count(self, prefix: str = "") -> int:
        wanted = self.prefix(prefix, "count")
        if not prefix:
            return await super().count(prefix)
        return int(
            self.database.run(
                "SELECT count(*) FROM entry WHERE space = ? AND substr(key, 1, ?) = ?", self.namespace, len(wanted), wanted
            ).fetchone()[0]
        )


@mutant("scan.6", "refusal", trap="a prefix that is too long in bytes, and not in characters, in count")
class CountsCharactersOfAPrefix(SqlKeyValue):
    """`count` measures a prefix in characters."""

    async def count(self, prefix: str = "") -> int:
        if len(prefix) <= 512 < len(prefix.encode(errors="replace")):
            return 0
        return await super().count(prefix)
