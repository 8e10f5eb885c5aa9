"""Mutants of `PubSubWildcards`: what a pattern matches (3 and 4)."""

import fnmatch
import re
import unicodedata

from prism_testkit.interfaces import Message
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference_newer import NewerPubSub

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

# wildcards.3: what matches


@mutant("wildcards.3", "wrong library", trap="a * and a topic with more tokens", also="wildcards.2")
class MatchesLikeAShell(NewerPubSub):
    def covers(self, pattern: str, topic: str) -> bool:
        return fnmatch.fnmatchcase(topic, re.sub(r"(^|\.)>$", r"\1*", pattern).replace("[", "[[]").replace("?", "[?]"))


@mutant("wildcards.3", "boundary", trap="a.> and a", also="wildcards.2")
class TheRestMayBeNothing(NewerPubSub):
    def rest_suffices(self, length: int) -> bool:
        return length >= 0


@mutant("wildcards.3", "boundary", trap="a.> and a.b.c", also="wildcards.1")
class TheRestIsOneToken(NewerPubSub):
    def rest_suffices(self, length: int) -> bool:
        return length == 1


@mutant("wildcards.3", "truth value", trap="a.* and a.", also="wildcards.1")
class AStarStandsForNothingEmpty(NewerPubSub):
    def stands_for(self, wanted: str, token: str) -> bool:
        return (wanted == "*" and token != "") or wanted == token


@mutant("wildcards.3", "truth value", trap="a.> and a.", also="wildcards.1")
class TheRestIsNotOneEmptyToken(NewerPubSub):
    def covers_tokens(self, wanted: list[str], tokens: list[str]) -> bool:
        if wanted[-1] == ">" and not any(tokens[len(wanted) - 1 :]):
            return False
        return super().covers_tokens(wanted, tokens)


@mutant("wildcards.3", "wrong vendor", trap="a.* and a.b.c", also="wildcards.2")
class ALastStarStandsForTheRest(NewerPubSub):
    def covers_tokens(self, wanted: list[str], tokens: list[str]) -> bool:
        if wanted[-1] == "*":
            wanted = [*wanted[:-1], ">"]
        return super().covers_tokens(wanted, tokens)


@mutant("wildcards.3", "missing case", trap="a pattern without wildcards", also="wildcards.1 wildcards.4")
class WithoutAWildcardNothingMatches(NewerPubSub):
    def covers_tokens(self, wanted: list[str], tokens: list[str]) -> bool:
        return bool({"*", ">"} & set(wanted)) and super().covers_tokens(wanted, tokens)


@mutant("wildcards.3", "folding", trap="a..b and a.b", also="wildcards.1 wildcards.2")
class EmptyTokensDoNotCount(NewerPubSub):
    def tokens(self, text: str) -> list[str]:
        return [token for token in text.split(".") if token] or [""]


@mutant("wildcards.3", "folding", trap="a. and a", also="wildcards.1 wildcards.2")
class ALastDotDoesNotCount(NewerPubSub):
    def tokens(self, text: str) -> list[str]:
        return text.removesuffix(".").split(".")


@mutant("wildcards.3", "limit", trap="many tokens", also="wildcards.1 wildcards.2 wildcards.7")
class CutsAtSixteenTokens(NewerPubSub):
    def tokens(self, text: str) -> list[str]:
        return text.split(".", 15)


@mutant("wildcards.3", "two sides", trap="a topic with a wildcard as a token", also="wildcards.1 wildcards.4")
class WildcardsOfATopicMatchNothing(NewerPubSub):
    """A topic that looks like a pattern is not among what a wildcard stands for."""

    def stands_for(self, wanted: str, token: str) -> bool:
        return super().stands_for(wanted, token) and not (wanted == "*" and token in ("*", ">"))


@mutant("wildcards.3", "prefix", trap="a.> and ab.c", also="wildcards.2")
class TheRestIsAPrefixOfText(NewerPubSub):
    """What stands before a last ``.>`` is compared as a text, and the dot is lost."""

    def covers(self, pattern: str, topic: str) -> bool:
        if pattern.endswith(".>") and "*" not in self.tokens(pattern):
            return topic.startswith(pattern[:-2]) and len(topic) > len(pattern) - 2
        return super().covers(pattern, topic)


# wildcards.4: tokens are equal in every code point; no other character has a meaning


@mutant("wildcards.4", "folding", trap="two cases of a letter", also="wildcards.2")
class FoldsTheCaseOfTokens(NewerPubSub):
    def stands_for(self, wanted: str, token: str) -> bool:
        return wanted == "*" or wanted.lower() == token.lower()


@mutant("wildcards.4", "folding", trap="a letter with an accent in two forms", also="wildcards.2")
class FoldsNormalForms(NewerPubSub):
    def stands_for(self, wanted: str, token: str) -> bool:
        return wanted == "*" or unicodedata.normalize("NFC", wanted) == unicodedata.normalize("NFC", token)


@mutant("wildcards.4", "folding", trap="blanks around a token", also="wildcards.2 wildcards.3")
class StripsTokens(NewerPubSub):
    def tokens(self, text: str) -> list[str]:
        return [token.strip() for token in text.split(".")]


@mutant("wildcards.4", "missing escape", trap="a + in a pattern", also="wildcards.1 wildcards.2")
class PatternsAreRegularExpressions(NewerPubSub):
    def covers(self, pattern: str, topic: str) -> bool:
        tokens = [{"*": r"[^.]*", ">": r"[\s\S]*"}.get(token, token) for token in pattern.split(".")]
        try:
            return re.fullmatch(r"\.".join(tokens), topic) is not None
        except re.error:
            return super().covers(pattern, topic)


@mutant("wildcards.4", "line break", trap="a line break in a topic", also="wildcards.1 wildcards.3")
class ADotOfTheExpressionIsNoLineBreak(NewerPubSub):
    def covers(self, pattern: str, topic: str) -> bool:
        tokens = [{"*": r"[^.]*", ">": r".*"}.get(token, re.escape(token)) for token in pattern.split(".")]
        return re.fullmatch(r"\.".join(tokens), topic) is not None


@mutant("wildcards.4", "line break", trap="a topic that ends with a line break", also="wildcards.2")
class ALastLineBreakIsNotSeen(NewerPubSub):
    def covers(self, pattern: str, topic: str) -> bool:
        tokens = [{"*": r"[^.]*", ">": r"[\s\S]*"}.get(token, re.escape(token)) for token in pattern.split(".")]
        return re.match(r"\.".join(tokens) + "$", topic) is not None


@mutant("wildcards.4", "meaning", trap="a* as a token", also="wildcards.2")
class AStarWithinATokenStandsForTheRestOfIt(NewerPubSub):
    def stands_for(self, wanted: str, token: str) -> bool:
        return super().stands_for(wanted, token) or (wanted.endswith("*") and token.startswith(wanted[:-1]))


@mutant("wildcards.4", "meaning", trap="** as a token", also="wildcards.2 wildcards.3")
class TwoStarsStandForAnyTokens(NewerPubSub):
    def covers_tokens(self, wanted: list[str], tokens: list[str]) -> bool:
        return super().covers_tokens([*wanted[:-1], ">"] if wanted[-1] == "**" else wanted, tokens)


@mutant("wildcards.4", "meaning", trap="# or + as a token", also="wildcards.2")
class KnowsTheWildcardsOfMqtt(NewerPubSub):
    def tokens(self, text: str) -> list[str]:
        found = super().tokens(text)
        return [*["*" if token == "+" else token for token in found[:-1]], {"#": ">", "+": "*"}.get(found[-1], found[-1])]


@mutant("wildcards.4", "meaning", trap="a token that begins with a dollar", also="wildcards.1 wildcards.3")
class TopicsOfTheSystemAreHidden(NewerPubSub):
    """A wildcard does not stand for a first token that begins with ``$``."""

    def covers(self, pattern: str, topic: str) -> bool:
        return super().covers(pattern, topic) and not (topic.startswith("$") and pattern[0] in "*>")


@mutant("wildcards.4", "escape", trap="a backslash before a wildcard", also="wildcards.3 wildcards.2")
class ABackslashTakesTheMeaning(NewerPubSub):
    def stands_for(self, wanted: str, token: str) -> bool:
        return super().stands_for(wanted, token) or (wanted in ("\\*", "\\>") and token == wanted[1:])


@mutant("wildcards.4", "mixture", trap="a plain subscription to a topic with a wildcard in it", also="wildcards.6")
class PlainSubscriptionsArePatterns(NewerPubSub):
    def fan_out(self, topic: str, message: Message) -> None:
        super().fan_out(topic, message)
        for (space, other), listeners in list(self.store.listeners.items()):
            if space == self.namespace and other not in ("", topic) and self.covers(other, topic):
                for listener in listeners:
                    listener.offer(message)


@mutant("wildcards.4", "mixture", trap="a publish to a topic with a wildcard in it", also="wildcards.2 wildcards.6")
class PublishesToWhatATopicMatches(NewerPubSub):
    def fan_out(self, topic: str, message: Message) -> None:
        super().fan_out(topic, message)
        if {"*", ">"} & set(self.tokens(topic)):
            for (space, other), listeners in list(self.store.listeners.items()):
                if space == self.namespace and other not in ("", topic) and self.covers(topic, other):
                    for listener in listeners:
                        listener.offer(message)
