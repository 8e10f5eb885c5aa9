"""Names that become one when encoded or decoded once too often, or in the wrong charset."""

import base64
import codecs
import hashlib
import html
import json
import quopri
import re
import unicodedata
import urllib.parse
import zlib
from collections.abc import Callable, Iterator

from prism_testkit.naming import decode_name, encode_name, hash_name
from prism_testkit.strategies._characters import SEPARATORS

__all__ = ["charsets", "code_units", "digests", "escapes", "markup", "percent", "text_encodings", "tokens"]

_SHORT_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "a": "\a", "e": "\x1b"}


def _attempts(name: str, *functions: Callable[[str], object]) -> Iterator[str]:
    """Yield what each function makes of the name, where it can and it is text."""
    for function in functions:
        try:
            result = function(name)
        except (ValueError, RecursionError):
            continue
        if isinstance(result, str):
            yield result


def _each(name: str, spell: Callable[[int], str]) -> str:
    return "".join(spell(ord(character)) for character in name)


def _bytes_spelt(name: str, spell: str) -> str:
    return "".join(spell.format(byte) for byte in name.encode())


def percent(name: str, max_name: int) -> Iterator[str]:
    """Percent-encoded in full, in part, twice, in lower case, as a form; and decoded."""
    full = _bytes_spelt(name, "%{:02X}")
    yield from (urllib.parse.unquote(name), urllib.parse.unquote_plus(name), name.replace(" ", "+"), name.replace("+", " "))
    yield from (urllib.parse.quote(name), urllib.parse.quote(name, safe=""), urllib.parse.quote_plus(name), full, full.lower())
    yield from (full[:3] + name[1:] if name[:1].isascii() else full, name[:-1] + _bytes_spelt(name[-1:], "%{:02x}"))
    yield from (urllib.parse.quote(full), name.replace("%", "%25"), name.replace("%25", "%"))
    yield from (urllib.parse.quote(name[:1] + end) for end in "/ +%?#é&=")
    yield from (name[:1] + end for end in "/ +%?#é&=")
    yield from (name + "%", name + "%zz", name + "%2", name + "%00", name + "%20", name + "%2F", name + "%2f", name + "%C3%A9")
    yield _each(name, lambda code: f"%u{code:04x}")


def markup(name: str, max_name: int) -> Iterator[str]:
    """HTML and XML: entities by name and number, and decoded."""
    yield from (html.unescape(name), html.unescape(html.unescape(name)), html.escape(name))
    yield from (_each(name, lambda code: f"&#{code};"), _each(name, lambda code: f"&#x{code:x};"))
    yield name.encode("ascii", "xmlcharrefreplace").decode()
    yield from (name + spelling for spelling in ("é", "&#233;", "&#xe9;", "&eacute;"))
    for character, entity in (
        ("&", "&amp;"),
        ("<", "&lt;"),
        ("'", "&#39;"),
        ('"', "&quot;"),
        ("\xa0", "&nbsp;"),
        ("é", "&eacute;"),
    ):
        yield from (name + character, name + entity)
    yield from (f"<b>{name}</b>", f"<{name}/>", f"{name}<!-- -->", f"{name}<br>", f"{name}&", f"{name}&#0;", f"{name}&zwj;")


def escapes(name: str, max_name: int) -> Iterator[str]:
    """Backslash escapes of JSON, Python, C and the shell, with and without quotes; and decoded."""
    yield from _attempts(name, json.loads, _unescape)
    yield from (name + spelling for spelling in ("é", "\\xe9", "\\u00e9", "\\303\\251"))
    spelt = json.dumps(name)
    yield from (spelt, spelt[1:-1], json.dumps(name, ensure_ascii=False)[1:-1], repr(name), ascii(name)[1:-1], repr(name.encode()))
    yield from (name.encode("unicode_escape").decode(), f'"{name}"', f"'{name}'", f"'{name}", f"b'{name}'")
    yield from (
        _each(name, spell) for spell in (lambda code: f"\\u{code:04x}", lambda code: f"\\x{code:02x}", lambda code: f"\\{code:03o}")
    )
    yield from (
        _each(name, lambda code: f"U+{code:04X}"),
        _each(name, lambda code: f"\\u{{{code:x}}}"),
        _each(name, "\\U{:08x}".format),
    )
    for character, escape in (
        ("\n", "\\n"),
        ("\t", "\\t"),
        ("\x00", "\\0"),
        ("\r", "\\r"),
        ("\\", "\\\\"),
        ("\x1b", "\\e"),
        ("'", "\\'"),
    ):
        yield from (name + character, name + escape, name.replace(character, escape), name.replace(escape, character))
    yield from (
        name.encode("ascii", "namereplace").decode(),
        name.encode("ascii", "backslashreplace").decode(),
        name + "\\x00",
        name + "\\",
    )


def tokens(name: str) -> Iterator[str]:
    """Every separator as an escape character and what stands for it, by one who did not escape that character itself."""
    for character in dict.fromkeys(character for character in name if character in SEPARATORS):
        spelt = (f"{ord(character):02x}", f"{ord(character):02X}", f"{ord(character)}", unicodedata.name(character, "?")[0])
        for escape in "_~-$=.!":
            yield from (name.replace(character, escape + token) for token in spelt)
        yield from (name.replace(character, form) for form in (f"_x{ord(character):04x}_", f"__{ord(character):02x}__", "__", "~1"))


def _unescape(text: str) -> str:
    # Not the unicode_escape codec: it warns of escapes that it does not know.
    return re.sub(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|([0-7]{1,3})|(.))", _unescape_one, text, flags=re.DOTALL)


def _unescape_one(match: re.Match[str]) -> str:
    code = match[1] or match[2]
    if code or match[3]:
        return chr(int(code, 16) if code else int(match[3], 8))
    return _SHORT_ESCAPES.get(match[4], match[4])


def text_encodings(name: str, max_name: int) -> Iterator[str]:
    """Hex, base64, base32 and other spellings of bytes as text; and decoded."""
    yield from _attempts(
        name,
        lambda text: bytes.fromhex(text).decode(),
        lambda text: base64.b64decode(text, validate=True).decode(),
        lambda text: decode_name(text).decode(),
        lambda text: text.encode("ascii").decode("utf-7"),
        lambda text: text.removeprefix("xn--").encode("ascii").decode("punycode"),
        lambda text: quopri.decodestring(text.encode()).decode(),
    )
    data = name.encode()
    plain = base64.b64encode(data).decode()
    yield from (data.hex(), plain, plain.rstrip("="))
    yield from (data.hex().upper(), "0x" + data.hex(), f"\\x{data.hex()}", data.hex(" "), data.hex(":"))
    yield _each(name, lambda code: f"+{base64.b64encode(chr(code).encode('utf-16-be')).decode().rstrip('=')}-")
    yield from (
        plain,
        plain.rstrip("="),
        plain.swapcase(),
        base64.urlsafe_b64encode(data).decode(),
        plain + "\n",
        "=?utf-8?B?" + plain + "?=",
    )
    yield from (
        base64.b32encode(data).decode(),
        base64.b32encode(data).decode().lower(),
        base64.b85encode(data).decode(),
        encode_name(data),
    )
    yield from (quopri.encodestring(data).decode(), _bytes_spelt(name, "={:02X}"), codecs.encode(name, "rot13"))
    yield from (name.encode("utf-7").decode(), name.encode("punycode").decode(), "xn--" + name.encode("punycode").decode())
    yield from (
        _bytes_spelt(name, "{:08b}"),
        _bytes_spelt(name, "{} ").strip(),
        _bytes_spelt(name, "_{:02x}"),
        _bytes_spelt(name, "\\{:03o}"),
    )
    yield from (_bytes_spelt(name, "_x{:04X}_"), f"{len(data)}:{name}", f"${len(data)}", str(len(name)))


def digests(name: str, max_name: int) -> Iterator[str]:
    """What a store that hashes long names may have written in their place."""
    data = name.encode()
    yield from (hash_name(data), hashlib.md5(data).hexdigest(), hashlib.sha1(data).hexdigest(), hashlib.sha256(data).hexdigest())
    yield from (
        hashlib.sha256(data).hexdigest()[:16],
        f"{zlib.crc32(data):08x}",
        str(zlib.crc32(data)),
        f"sha256:{hashlib.sha256(data).hexdigest()}",
    )


def charsets(name: str, max_name: int) -> Iterator[str]:
    """UTF-8 read as another charset and back; what a smaller charset leaves out or replaces."""
    yield from _attempts(
        name,
        lambda text: text.encode().decode("latin-1"),
        lambda text: text.encode().decode("cp1252"),
        lambda text: text.encode("latin-1").decode(),
        lambda text: text.encode("cp1252").decode(),
        lambda text: text.encode("utf-16-le").decode("latin-1"),
        lambda text: text.encode("utf-16-be").decode("latin-1"),
        lambda text: text.encode("utf-16-le").decode("utf-16-be"),
        lambda text: "\ufeff" + text,
        lambda text: text.encode("latin-1").decode("cp437"),
    )
    for charset in ("ascii", "latin-1", "cp1252", "shift_jis", "gb2312", "euc_kr"):
        for handling in ("ignore", "replace"):
            yield name.encode(charset, handling).decode(charset, "replace")
    yield "".join(character if character.isascii() else "_" for character in name)
    yield "".join(character if character <= "\uffff" else "?" for character in name)
    yield "".join(character if character <= "\uffff" else "\ufffd" for character in name)
    yield "".join(character for character in name if character <= "\uffff")


def code_units(name: str, max_name: int) -> Iterator[str]:
    """Characters that are equal in their low 7, 8 or 16 bits, first, last or all of them."""
    for bits, added in ((0x7F, 0x80), (0xFF, 0x100), (0xFF, 0x1E00), (0xFFFF, 0x10000), (0xFFFF, 0x20000)):
        yield _each(name, lambda code, bits=bits: chr(code & bits))  # type: ignore[misc]
        raised = [chr(code + added) if (code := ord(c)) < added else c for c in name]
        yield from ("".join(raised), name[:-1] + raised[-1], raised[0] + name[1:])
    yield name.translate({0x10000: 0xFFFF, 0xFFFF: 0x10000})
