"""Names that mean the same to something that guesses types: numbers, words, dates, addresses."""

import re
from collections.abc import Iterator

__all__ = ["WORDS", "numbers", "structured", "words"]

WORDS: tuple[tuple[str, ...], ...] = (
    ("null", "NULL", "None", "nil", "undefined", "void", "(null)", "\\N", "N/A", "NaN", "nan", "-", "''"),
    ("true", "True", "TRUE", "1", "on", "yes", "y", "T"),
    ("false", "False", "FALSE", "0", "off", "no", "n", "F", "-0", "0.0", "+0", "00", "0e1", "0e462097431906509019562988736854"),
    ("inf", "-inf", "Infinity", "-Infinity", "+inf", "INF", "1e999", "1e400"),
    ("__proto__", "constructor", "prototype", "toString", "hasOwnProperty", "__class__", "__dict__", "length"),
    ("CON", "con", "AUX", "aux.txt", "NUL", "nul", "COM1", "NUL.", "CON "),
    (".", "..", "...", "/", "//", "./", "../", "/.", "\\", "~", "-", "--", "../../etc/passwd"),
    ("select", "key", "value", "order", "table", "index", "default", "rowid", "oid", "_rowid_"),
    ("_id", "id", "ID", "$ref", "_meta", "meta", ".meta", "__meta__", "schema", "version", "config", "count", "keys", "ttl"),
    ("sqlite_master", "pg_catalog", "information_schema", "system", "local", "prism", "__consumer_offsets", "$SYS"),
    ("PING", "QUIT", "GET", "DEL", "FLUSHALL", "END", "EOF", "NOT_FOUND", "OK", "+OK", "-ERR", "$-1", "*1", ":0"),
    ("*", "%", "?", "_", "#", ">", "$", "**", "%%", "__", "*.*", ".*", ">>", "$1"),
    ("lock", "tmp", "data", "expires", "seq", "head", "tail", "last", "all", "self", "root", "index.html", "favicon.ico"),
)
"""Words that something in the way may take for a value, a device, a keyword or an entry of its own; each family is one group."""

_INTEGER = re.compile(r"[+-]?\d{1,60}", re.ASCII)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d{1,3})?", re.ASCII | re.IGNORECASE)
_DIGITS = re.compile(r"\d+", re.ASCII)
_DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:T.*)?", re.ASCII)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_SEXAGESIMAL = re.compile(r"(\d{1,4}):(\d{1,2})", re.ASCII)
_ADDRESS = re.compile(r"(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})", re.ASCII)


def words(name: str, max_name: int) -> Iterator[str]:
    """The other members of each family of words that the name belongs to."""
    for family in WORDS:
        if name in family:
            yield from family


def numbers(name: str, max_name: int) -> Iterator[str]:
    """The number that the name is, or holds, spelt otherwise; and those that a narrower type makes the same."""
    if _INTEGER.fullmatch(name):
        yield from _integers(name, int(name))
    elif _NUMBER.fullmatch(name):
        yield from _fractions(name)
    else:
        yield from (name + spelling for spelling in ("1", "01", "1.0", "١"))
    for match in list(_DIGITS.finditer(name))[:3]:
        before, run, after = name[: match.start()], match[0], name[match.end() :]
        yield from (
            before + other + after
            for other in (f"0{run}", f"00{run}", run.lstrip("0") or "0", f"{run}.0", f" {run}", str(int(run[:60]) + 1))
        )


def _integers(name: str, number: int) -> Iterator[str]:
    digits = str(abs(number))
    yield from (
        str(number + 1),
        str(number - 1),
        f"{float(number)!r}",
        f"{float(number):g}",
        f"{float(number):e}",
        f"{digits}abc",
        f"{digits}e1",
    )
    yield from (
        str(number),
        f"0{name}",
        f"+{digits}",
        f"-{digits}",
        f"{name}.0",
        f"{name}.",
        f"{name}e0",
        f"{name}.00",
        f" {name}",
        f"{name} ",
    )
    yield from (
        f"{number:_}",
        f"{number:,}",
        f"{number:#x}",
        f"{number:#o}",
        f"{number:#b}",
        f"{number:#X}",
        f"{number:08}",
        f"{name}L",
        f"{name}n",
    )
    yield from (
        f"{name}\n",
        f"{name}f",
        f"{name}j",
        f"0x{digits}",
        f"0{digits}",
        f"00{digits}",
        f"{name}.9",
        f"{name}e+0",
        f"{name}E0",
        f"{digits}-",
    )
    yield from ("".join(chr(zero + int(digit)) for digit in digits) for zero in (0x660, 0x966, 0xFF10, 0x1D7CE))
    yield from (str(number + 2**bits) for bits in (7, 8, 15, 16, 31, 32, 53, 63, 64))
    if number == 0:
        yield from ("0e1", "0e2", "0e0", ".0", "0.", "-0.0", "+0", "00", "0x0", "1e-400", "0b0")


def _fractions(name: str) -> Iterator[str]:
    number = float(name)
    yield from (
        repr(number),
        f"{name}0",
        f"+{name}",
        f"0{name}",
        f"{number:.17g}",
        f"{number:.20f}",
        f"{number:g}",
        f"{number:e}",
        f"{number:f}",
    )
    yield from (
        name.lstrip("0"),
        name.replace(".", ","),
        name.upper(),
        f"{name}f",
        f"{name}d",
        f" {name}",
        f"{name}00",
        name.replace("e", "e+"),
    )
    if abs(number) < 1e15:
        yield from (str(int(number)), f"{number:.1f}", f"{number:.0f}", f"{number * 100:g}%")


def structured(name: str, max_name: int) -> Iterator[str]:
    """A date, a UUID, an address, a version or a duration spelt otherwise."""
    date = _DATE.fullmatch(name)
    if date:
        year, month, day = date.groups()
        yield from (
            f"{year}{month}{day}",
            f"{year}-{int(month)}-{int(day)}",
            f"{year}-{month}-{day}T00:00:00Z",
            f"{year}-{month}-{day}T00:00:00",
        )
        yield from (
            f"{year}-{month}-{day} 00:00:00",
            f"{year}/{month}/{day}",
            f"{year}-{month}-{day}T00:00:00.000Z",
            f"{year}-{month}-{day}T00:00:00+00:00",
        )
        yield from (f"{year}-{month}-{day}", f"{month}/{day}/{year}", f"{day}.{month}.{year}", f"{year}-{month}-{day}Z")
    if _UUID.fullmatch(name):
        yield from (
            name.upper(),
            name.lower(),
            name.replace("-", ""),
            f"{{{name}}}",
            f"urn:uuid:{name}",
            name.replace("-", "").upper(),
        )
    address = _ADDRESS.fullmatch(name)
    if address:
        parts = [int(part) for part in address.groups()]
        yield from (
            ".".join(f"{part:03}" for part in parts),
            f"{parts[0]}.{parts[3]}",
            f"::ffff:{name}",
            f"{name}/32",
            f"{name}:0",
            f"{name}.",
        )
        yield from (
            str(int.from_bytes(bytes(part & 255 for part in parts), "big")),
            ".".join(f"{part:#x}" for part in parts),
            f"{name}/24",
        )
    sexagesimal = _SEXAGESIMAL.fullmatch(name)
    if sexagesimal:
        minutes, seconds = sexagesimal.groups()
        yield from (str(int(minutes) * 60 + int(seconds)), f"{name}:00", f"00:{name}", f"0{name}", name.replace(":", ""))
