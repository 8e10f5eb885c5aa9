"""Characters that stores treat specially, by what is done to them. The transformations insert, append and exchange them."""

__all__ = ["BLANKS", "CONTROLS", "EXTREMES", "INVISIBLES", "MARKS", "PUNCTUATION", "RIVALS", "SEPARATORS", "SYNTAX"]

PUNCTUATION = "%_*?[]\\/+.:#-'\"`;$&=,~!@^{}<>|()"
"""Every ASCII character that is neither letter nor digit nor control, those that are patterns or separators somewhere first."""

CONTROLS = "\x00\n\r\t\x08\x7f\x1b\x1a\x01\x04\x0b\x0c\x1c\x1d\x1e\x1f\x85\x80\x9f"
"""Terminators, line ends, tabs, erasers, field separators; the first three end a string, a line or a header somewhere."""

SYNTAX = PUNCTUATION + " " + CONTROLS
"""What a query, a path, a URL, a pattern or a protocol may take for its own."""

SEPARATORS = ":/.\x00|-_,#;\\@\t\n +=~"
"""What a driver may join the parts of a key with."""

BLANKS = (
    " \t\n\r\x0b\x0c\x85\xa0\u3000\u2028\u2029\u2003\u2009\u200a\u202f\u205f\u1680"
    "\x1c\x1d\x1e\x1f\u2000\u2001\u2002\u2004\u2005\u2006\u2007\u2008"
)
"""Every character for which `str.isspace` holds, the common ones first."""

INVISIBLES = (
    "\u200b\ufeff\xad\u200d\u200c\u2060\u200e\u200f\u202a\u202e\u2066\u2069\u061c\ufe0f\ufe0e\u034f\u180e\u2061"
    "\u115f\u3164\uffa0\u17b4\u2800\ufff9\U000e0061\U000e0100\U0001d173\u0378\ue000\ufffe\ufdd0\U0001ffff"
)
"""Zero width, byte order mark, soft hyphen, joiners, bidi marks, variation selectors, fillers, tags; then what collations weigh
as nothing: unassigned, private and noncharacters."""

MARKS = "\u0301\u0300\u0308\u0327\u0323\u0307\u030a\u0338\u0345\u0489\u20dd\u05b0\u064e\u093c\u3099\u0e31\u0334"
"""Combining marks of several classes, so that their canonical order matters."""

EXTREMES = (
    "\x00\x01\x09\x1f !/09:@AZ[`az{~\x7f\x80\x9f\xa0\xff\u0100\u07ff\u0800\u0fff\ud7fb\ud7ff\ue000\uf8ff\ufb00\ufeff"
    "\ufffc\ufffd\ufffe\uffff\U00010000\U0001f600\U0001ffff\U000e0001\U000fffff\U00100000\U0010fffd\U0010ffff"
)
"""The ends of every range that an upper bound, an encoding length or an order (UTF-8, UTF-16, locale) may turn at."""

RIVALS: tuple[str, ...] = (
    "éèe",
    "中文",
    "🍣🍺",
    "ßẞs",
    "жд",
    "あア",
    "\uac00\uac01",
    "①②",
    "𝐀𝐁",
    "אב",
    "بت",
    "กข",
    "अआ",
    "→←",
    "⠁⠂",
    "\ue001\ue002",
    "\u0378\u0379",
    "\U00013000\U00013001",
    "\U00020000\U00020001",
    "\U000f0000\U000f0001",
    "\ufffd?",
    "Ææ",
    "øo",
    "đd",
    "\u0660\u0661",
    "©®",
    "€¤",
    "\x80\x81",
    "表能",
    "\uf600\U0001f600",
    "\U0001f468\U0001f469",
    "\U0001f3fb\U0001f3ff",
    "\U0001f1e9\U0001f1ea",
    "აბ",
)
"""Different characters that some charset, collation or font cannot tell apart: what it cannot encode becomes the same ``?``,
what it has no weight for is equal."""
