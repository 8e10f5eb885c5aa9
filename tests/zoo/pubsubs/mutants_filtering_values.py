"""Mutants of `PubSubFiltering`: how attributes are compared, refused and kept (5 to 7)."""

import fnmatch
import unicodedata
import zlib
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

from prism_testkit.interfaces import InvalidName, Message, PayloadTooLarge, Subscription
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference_newer import FilteredListener, NewerPubSub

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

# filtering.5: whole, in every code point, each name with its own value


class _Folded(FilteredListener):
    """Compares what `name` and `value` make of names and values."""

    def name(self, text: str) -> str:
        return text

    def value(self, text: str) -> str:
        return text

    def wants(self, message: Message) -> bool:
        headers = {(self.name(name), self.value(value)) for name, value in message.headers.items()}
        return all((self.name(name), self.value(value)) in headers for name, value in self.attributes.items())


@mutant("filtering.5", "folding", trap="a name in another case", also="filtering.2")
class FoldsTheCaseOfNames(_Folded):
    """As in HTTP."""

    def name(self, text: str) -> str:
        return text.lower()


@mutant("filtering.5", "folding", trap="a value in another case", also="filtering.2")
class FoldsTheCaseOfValues(_Folded):
    def value(self, text: str) -> str:
        return text.casefold()


@mutant("filtering.5", "folding", trap="a value with blanks around it", also="filtering.2")
class StripsValues(_Folded):
    def value(self, text: str) -> str:
        return text.strip()


@mutant("filtering.5", "folding", trap="a name in two normal forms", also="filtering.2")
class FoldsTheFormOfNames(_Folded):
    def name(self, text: str) -> str:
        return unicodedata.normalize("NFC", text)


@mutant("filtering.5", "folding", trap="a name with a hyphen and one with an underscore", also="filtering.2")
class HyphensAreUnderscores(_Folded):
    """As in environments of CGI."""

    def name(self, text: str) -> str:
        return text.replace("-", "_")


@mutant("filtering.5", "truncation", trap="long values that differ in their end", also="filtering.2")
class ComparesTheFirst255Characters(_Folded):
    def value(self, text: str) -> str:
        return text[:255]


@mutant("filtering.5", "type", trap="values that are equal as numbers", also="filtering.2")
class NumbersAreComparedAsNumbers(_Folded):
    def value(self, text: str) -> str:
        try:
            return str(float(text))
        except ValueError:
            return text


@mutant("filtering.5", "encoding", trap="values with characters beyond Latin-1", also="filtering.2")
class AttributesAreLatin1(_Folded):
    def value(self, text: str) -> str:
        return text.encode("latin-1", "replace").decode("latin-1")


@mutant("filtering.5", "hash", trap="many values", also="filtering.2")
class ComparesEightBitsOfAHash(_Folded):
    """Two of some hundred values fall together."""

    def value(self, text: str) -> str:
        return str(zlib.crc32(text.encode()) & 0xFF)


@mutant("filtering.5", "prefix", trap="a value that begins with the one asked for", also="filtering.2")
class AValueIsAPrefix(FilteredListener):
    def holds_attribute(self, headers: Mapping[str, str], name: str, value: str) -> bool:
        return name in headers and headers[name].startswith(value)


@mutant("filtering.5", "prefix", trap="a value that holds the one asked for", also="filtering.2")
class AValueIsLookedForWithin(FilteredListener):
    def holds_attribute(self, headers: Mapping[str, str], name: str, value: str) -> bool:
        return name in headers and value in headers[name] and bool(value or not headers[name])


@mutant("filtering.5", "meaning", trap="a value with a star", also="filtering.2")
class AValueIsAPattern(FilteredListener):
    def holds_attribute(self, headers: Mapping[str, str], name: str, value: str) -> bool:
        return name in headers and (headers[name] == value or fnmatch.fnmatchcase(headers[name], value))


@mutant("filtering.5", "meaning", trap="a value with a comma", also="filtering.2")
class AValueIsAList(FilteredListener):
    def holds_attribute(self, headers: Mapping[str, str], name: str, value: str) -> bool:
        return name in headers and (headers[name] == value or (value != "" and value in headers[name].split(",")))


@mutant("filtering.5", "meaning", trap="a value that begins with a bang", also="filtering.1 filtering.2")
class ABangMeansNot(FilteredListener):
    def holds_attribute(self, headers: Mapping[str, str], name: str, value: str) -> bool:
        if value.startswith("!"):
            return headers.get(name) != value[1:]
        return super().holds_attribute(headers, name, value)


@mutant("filtering.5", "delimiters", trap="a name or a value with a =", also="filtering.2")
class JoinsNamesAndValues(FilteredListener):
    def wants(self, message: Message) -> bool:
        pairs = {f"{name}={value}" for name, value in message.headers.items()}
        return all(f"{name}={value}" in pairs for name, value in self.attributes.items())


@mutant("filtering.5", "delimiters", trap="a value with a line break or an ampersand", also="filtering.2")
class LooksInOneText(FilteredListener):
    def wants(self, message: Message) -> bool:
        text = "".join(f"\n{name}={value}\n" for name, value in message.headers.items())
        return all(f"\n{name}={value}\n" in text for name, value in self.attributes.items())


@mutant("filtering.5", "swapped", trap="the values of two headers exchanged", also="filtering.2")
class AnyNameWithAnyValue(FilteredListener):
    def holds_attribute(self, headers: Mapping[str, str], name: str, value: str) -> bool:
        return name in headers and value in headers.values()


# filtering.6: what is illegal


@mutant("filtering.6", "missing check", trap="attributes=None")
class NoneIsNoAttributes(NewerPubSub):
    def attributes(self, attributes: Mapping[str, str]) -> Mapping[str, str]:
        return super().attributes({} if attributes is None else attributes)


@mutant("filtering.6", "conversion", trap="a value that is a number")
class ValuesAreMadeTexts(NewerPubSub):
    def attributes(self, attributes: Mapping[str, str]) -> Mapping[str, str]:
        if isinstance(attributes, Mapping):
            attributes = {name: str(value) for name, value in attributes.items()}
        return super().attributes(attributes)


@mutant("filtering.6", "conversion", trap="a list of pairs")
class PairsWillDo(NewerPubSub):
    def attributes(self, attributes: Mapping[str, str]) -> Mapping[str, str]:
        return super().attributes(dict(attributes) if isinstance(attributes, list | tuple) else attributes)


@mutant("filtering.6", "missing check", trap="attributes of more than 8 KiB")
class AttributesHaveNoLimit(NewerPubSub):
    def attributes(self, attributes: Mapping[str, str]) -> Mapping[str, str]:
        try:
            return super().attributes(attributes)
        except PayloadTooLarge:
            return dict(attributes)


@mutant("filtering.6", "unit", trap="attributes of wide characters over 8 KiB")
class AttributesAreCountedInCharacters(NewerPubSub):
    def attributes(self, attributes: Mapping[str, str]) -> Mapping[str, str]:
        try:
            return super().attributes(attributes)
        except PayloadTooLarge:
            if sum(len(name) + len(value) for name, value in attributes.items()) > 8192:
                raise
            return dict(attributes)


@mutant("filtering.6", "boundary", trap="attributes of exactly 8 KiB")
class EightKiBIsTooMuch(NewerPubSub):
    def attributes(self, attributes: Mapping[str, str]) -> Mapping[str, str]:
        if sum(len(n.encode()) + len(v.encode()) for n, v in super().attributes(attributes).items()) >= 8192:
            raise PayloadTooLarge("zoo: subscribe_filtered: too much")
        return super().attributes(attributes)


@mutant("filtering.6", "limit", trap="a name of 512 bytes")
class NamesOfAttributesHave255Bytes(NewerPubSub):
    def attributes(self, attributes: Mapping[str, str]) -> Mapping[str, str]:
        if any(len(name.encode()) > 255 for name in super().attributes(attributes)):
            raise InvalidName("zoo: subscribe_filtered: a name is too long")
        return super().attributes(attributes)


@mutant("filtering.6", "limit", trap="more than ten attributes")
class TenAttributesAreEnough(NewerPubSub):
    def attributes(self, attributes: Mapping[str, str]) -> Mapping[str, str]:
        if len(super().attributes(attributes)) > 10:
            raise PayloadTooLarge("zoo: subscribe_filtered: too many")
        return super().attributes(attributes)


@mutant("filtering.6", "missing check", trap="an attribute with an empty name, or one of 513 bytes")
class NamesOfAttributesAreNotChecked(NewerPubSub):
    def attributes(self, attributes: Mapping[str, str]) -> Mapping[str, str]:
        try:
            return super().attributes(attributes)
        except InvalidName:
            return dict(attributes)


@mutant("filtering.6", "wrong error", trap="a surrogate in a value")
class AnythingWrongIsInvalidName(NewerPubSub):
    def attributes(self, attributes: Mapping[str, str]) -> Mapping[str, str]:
        try:
            return super().attributes(attributes)
        except (ValueError, PayloadTooLarge) as error:
            raise InvalidName(str(error)) from error


@mutant("filtering.6", "missing check", trap="an illegal topic")
class TopicsOfFiltersAreNotChecked(NewerPubSub):
    def subscribe_filtered(self, topic: str, attributes: Mapping[str, str]) -> AbstractAsyncContextManager[Subscription]:
        return self.entered(self.filtered_type(self, topic, self.attributes(attributes)))


@mutant("filtering.6", "late", trap="illegal attributes that are entered")
class ChecksAttributesAtTheFirstMessage(NewerPubSub):
    """And then the publisher is told."""

    def attributes(self, attributes: Mapping[str, str]) -> Mapping[str, str]:
        return dict(attributes) if isinstance(attributes, Mapping) else super().attributes(attributes)

    def fan_out(self, topic: str, message: Message) -> None:
        for listener in self.listeners(topic):
            if isinstance(listener, FilteredListener):
                super().attributes(listener.attributes)
        super().fan_out(topic, message)


# filtering.7: a copy


@mutant("filtering.7", "aliasing", trap="a mapping that is changed after the entry", also="filtering.2 filtering.1")
class KeepsTheAttributes(NewerPubSub):
    def attributes(self, attributes: Mapping[str, str]) -> Mapping[str, str]:
        super().attributes(attributes)
        return attributes


@mutant("filtering.7", "late copy", trap="a mapping that is changed before the first message", also="filtering.2 filtering.1")
class CopiesAtTheFirstMessage(KeepsTheAttributes):
    def fan_out(self, topic: str, message: Message) -> None:
        for listener in self.listeners(topic):
            if isinstance(listener, FilteredListener):
                listener.attributes = dict(listener.attributes)
        super().fan_out(topic, message)


@mutant("filtering.7", "stale cache", trap="one mapping, entered, changed and entered again", also="filtering.2 filtering.1")
class KnowsMappingsByTheirIdentity(NewerPubSub):
    """What was checked once is not checked again."""

    def attributes(self, attributes: Mapping[str, str]) -> Mapping[str, str]:
        known: dict[int, Any] = self.store.notes.setdefault("attributes", {})
        if id(attributes) not in known:
            known[id(attributes)] = attributes, super().attributes(attributes)
        found: Mapping[str, str] = known[id(attributes)][1]
        return found


@mutant("filtering.7", "view", trap="a mapping that gets another name after the entry", also="filtering.2 filtering.1")
class KeepsAViewOfTheNames(NewerPubSub):
    """Values are copied; which names there are is asked again."""

    def attributes(self, attributes: Mapping[str, str]) -> Mapping[str, str]:
        return _View(attributes, super().attributes(attributes))


class _View(dict[str, str]):
    def __init__(self, names: Mapping[str, str], values: Mapping[str, str]) -> None:
        super().__init__(values)
        self.names = names

    def items(self) -> Any:
        return [(name, self.get(name, value)) for name, value in self.names.items()]
