"""Names with a character more, less or other: blanks, invisible ones, separators, wildcards, quotes, marks of bookkeeping."""

from collections.abc import Iterator

from prism_testkit.strategies._characters import BLANKS, CONTROLS, INVISIBLES, PUNCTUATION, RIVALS, SEPARATORS, SYNTAX

__all__ = ["affixes", "blanks", "bookkeeping", "controls", "doubling", "inserts", "invisibles", "joined", "nul", "patterns"]
__all__ += ["quotes", "rivals", "separators", "wildcards"]

_ENDS = "/.:-_*%#$~!@+&,;=?\\|'\"`[]{}()<>^\x00\n\r\t\x7f\x08\x1a"
_BOOKKEEPING = (
    *(":ttl", ":lock", ":meta", ":expires", ":v", ":1", ".meta", ".lock", ".tmp", ".ttl", ".bak", ".json", "/_meta", "/.meta"),
    *("#1", "#meta", "@1", ";1", "$", "~", "_1", "__meta", "_ttl", "-lock", "\x00meta", "|0", "::", "//", "$DATA", "/data", "/0"),
)
_FRONTS = (
    "_",
    "__",
    "$",
    "@",
    ".",
    "#",
    "~",
    "!",
    "meta:",
    "ttl:",
    "lock:",
    "idx:",
    "kv:",
    "data:",
    "tmp.",
    "x",
    "0",
    "{",
    "-",
    "--",
)


def blanks(name: str, max_name: int) -> Iterator[str]:
    """Every blank at either end, none at the ends, runs of blanks as one, none at all."""
    yield from (name.strip(), name.lstrip(), name.rstrip(), name.expandtabs(), name.expandtabs(4))
    yield from (" ".join(name.split()), "".join(name.split()), name.replace(" ", "  "))
    yield from (name.replace(" ", other) for other in "\t_-+\xa0")
    yield from (name.replace(other, " ") for other in "\t_-+\xa0")
    for blank in BLANKS:
        yield name + blank
        yield blank + name
    yield from (f" {name} ", f"{name}  ", name + "\r\n", name + "\tx", f"{name}\tx".expandtabs(), f"{name}\tx".expandtabs(4))


def invisibles(name: str, max_name: int) -> Iterator[str]:
    """Every invisible or weightless character in the middle and at the ends, and none."""
    yield "".join(character for character in name if character not in INVISIBLES)
    middle = (len(name) + 1) // 2
    yield from (name[:middle] + character + name[middle:] for character in INVISIBLES)
    yield from (text for character in INVISIBLES[:9] for text in (name + character, character + name))


def controls(name: str, max_name: int) -> Iterator[str]:
    """Every control character in the middle; line ends of each kind, with two different second lines; what an eraser leaves."""
    yield "".join(character for character in name if character >= " ")
    yield from (name.replace("\n", other) for other in ("\r\n", "\r", " ", "", "\x85", "\u2028", "\\n", "\n\n", "\n "))
    yield from (name.replace("\r\n", "\n"), name.replace("\r", "\n"), name.replace("\r", ""), name.partition("\n")[0])
    middle = (len(name) + 1) // 2
    for control in CONTROLS:
        yield from (name[:middle] + control + name[middle:], name + control + "x")
    for end in ("\n", "\r\n", "\r", "\x85", "\u2028", "\n\n"):
        yield from (f"{name}{end}x", f"{name}{end}y", f"{end}{name}")
    yield from (f"{name}x\x08", f"{name}x\x7f", f"x\r{name}", f"\x1b[1m{name}\x1b[0m", f"{name}\x1b[K")


def nul(name: str, max_name: int) -> Iterator[str]:
    """What is the same up to the first NUL, or after the last, or without any."""
    yield from (name.replace("\x00", ""), name.partition("\x00")[0], name.rpartition("\x00")[2])
    yield from (name.replace("\x00", other) for other in (" ", "0", "\\0", "\ufffd", "\u2400", "\xc0\x80"))
    yield from (name + "\x00", name + "\x00\x00", name + "\x00x", name + "\x00y", "\x00" + name, "\x00x" + name)
    yield from (name + "\\0", name + "\u2400", name + "%00")


def inserts(name: str, max_name: int) -> Iterator[str]:
    """Every punctuation mark in the middle, with and without something behind it."""
    middle = (len(name) + 1) // 2
    for character in PUNCTUATION + " ":
        yield name[:middle] + character + name[middle:]
    for character in PUNCTUATION + " ":
        yield name + character + "x"


def affixes(name: str, max_name: int) -> Iterator[str]:
    """Every mark added to either end, or dropped from there."""
    yield from (name.strip(_ENDS), name.rstrip(_ENDS), name.lstrip(_ENDS), name[1:], name[:-1])
    for character in _ENDS:
        yield name + character
        yield character + name
    yield from (name + "..", name + "//", "//" + name, name + ". ", name + " .")


def wildcards(name: str, max_name: int) -> Iterator[str]:
    """The name with one character, or a part, as what means "any" in LIKE, glob, a regular expression, NATS or MQTT."""
    middle = len(name) // 2
    for wild in ("%", "_", "*", "?", ".", "#", "+", ">", ".*", "[^/]", "**"):
        for start, stop in ((middle, middle + 1), (0, 1), (len(name) - 1, len(name)), (0, len(name)), (middle, len(name))):
            yield name[:start] + wild + name[stop:]
    yield from ("_" * len(name), "?" * len(name), "." * len(name))


def patterns(name: str, max_name: int) -> Iterator[str]:
    """Texts that match the name when taken for a pattern, a format or a command."""
    middle = len(name) // 2
    before, here, after = name[:middle], name[middle : middle + 1], name[middle + 1 :]
    for template in (
        "[{}]",
        "[{}-{}]",
        "({})",
        "{{{},x}}",
        "\\{}",
        "{}?",
        "{}+",
        "{}*x",
        "{}{{1}}",
        "{}|x",
        "[!x]",
        "\\Q{}\\E",
        "!{}",
        "^{}",
    ):
        yield before + template.format(here, here) + after
    yield from (
        f"^{name}",
        f"{name}$",
        f"^{name}$",
        f"({name})",
        f"(?i){name}",
        f"{name}.*",
        f"{name}%",
        f"{name}*",
        f"%{name}",
        f"*{name}",
    )
    yield from (f"{name}%s", f"{name}{{}}", f"{name}{{0}}", f"${name}", f"${{{name}}}", f"$({name})", f"%{name}%", f"%({name})s")
    yield from (
        f"{{{{{name}}}}}",
        f"{name}$1",
        f"{name}\\1",
        f"{name}&",
        f"~{name}",
        f"!{name}",
        f"@{name}",
        f"{name}%n",
        f"{name}{{x",
    )


def quotes(name: str, max_name: int) -> Iterator[str]:
    """The name in every kind of quotes or brackets, unquoted, and with an end of statement behind it."""
    pairs = ("''", '""', "``", "[]", "{}", "<>", "()", "«»", "“”", "‘’", "||", "//", "%%", "__", "**", "\x00\x00")
    if name[:1] + name[-1:] in pairs:
        yield from (pair[0] + name[1:-1] + pair[1] for pair in pairs)
        yield name[1:-1]
    yield from (pair[0] + name + pair[1] for pair in pairs)
    yield from (f"b'{name}'", f"u'{name}'", f"r'{name}'", f"N'{name}'", f"E'{name}'", f"'{name}", f'"{name}', f"\\'{name}\\'")
    yield from (
        f"{name}'",
        f"{name}''",
        f"{name}';--",
        f"{name}'--",
        f"{name}--",
        f"{name} --",
        f"{name};",
        f"{name}#",
        f"{name}/**/",
    )
    yield from (f"{name}' OR '1'='1", f'{name}"; x', f"{name}\\", f"{name}\\'", f"{name}//x", f"{name} -- x", f"<![CDATA[{name}]]>")


def doubling(name: str, max_name: int) -> Iterator[str]:
    """Every mark of the name twice, or escaped, or once where it stood twice."""
    for character in SYNTAX:
        if character in name:
            yield from (name.replace(character, character * 2), name.replace(character * 2, character))
            yield from (name.replace(character, "\\" + character), name.replace("\\" + character, character))
            yield from (name.replace(character, f"[{character}]"), name.replace(character, f"!{character}"))


def separators(name: str, max_name: int) -> Iterator[str]:
    """Every separator of the name as another one, as a letter, several times, or left out: what sanitising does."""
    present = [character for character in SEPARATORS if character in name]
    for character in present:
        yield from (name.replace(character, other) for other in SEPARATORS)
        yield from (name.replace(character, ""), name.replace(character, character * 2), name.replace(character, character * 3))
    yield "".join(character for character in name if character.isalnum())
    yield from ("".join(character if character.isalnum() else other for character in name) for other in "_-.?xX ")
    yield name.translate(dict.fromkeys(map(ord, SYNTAX)))


def joined(name: str, max_name: int) -> Iterator[str]:
    """The same characters, cut into parts elsewhere or into more parts."""
    for separator in SEPARATORS:
        parts = [part for part in name.split(separator) if part] if separator in name else [name[:1], name[1:]]
        if separator in name:
            yield from (
                separator.join(parts),
                separator.join(["", *parts]),
                separator.join([*parts, ""]),
                separator.join(parts[1:]),
            )
            yield from (separator.join(parts[::-1]), separator.join(parts[:-1]), parts[0] if parts else "", "".join(parts))
            yield from ((separator * 2).join(parts), separator.join(["", *parts, ""]))
        yield separator.join(parts)


def bookkeeping(name: str, max_name: int) -> Iterator[str]:
    """The name as a driver may spell keys of its own beside it: lock, expiry, version, chunk; with reserved-looking fronts."""
    yield from (name + suffix for suffix in _BOOKKEEPING)
    yield from (front + name for front in _FRONTS)
    yield from (f"{{{name}}}", f"{{{name}}}x", f"prism:{name}", f"default:{name}", f"{name}:{name}", f"{name}/{name}")


def rivals(name: str, max_name: int) -> Iterator[str]:
    """Characters that some charset or collation cannot tell apart, each at the same place; and what is left when they are lost."""
    middle = (len(name) + 1) // 2
    for group in RIVALS:
        for rival in group:
            if rival in name:
                yield from (name.replace(rival, other) for other in group)
            yield name[:middle] + rival + name[middle:]
    yield from (name[:middle] + lost + name[middle:] for lost in ("?", "??", "\ufffd", "\ufffd\ufffd", "_", "\x1a", "\x7f", "□"))
