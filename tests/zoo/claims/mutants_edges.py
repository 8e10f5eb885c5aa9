"""Mutants of headers that have no room to be escaped, of a sweep one of whose removals fails, and of delays of nacks."""

from collections.abc import Mapping
from typing import Any

from prism_patterns.claim_check import ClaimDelivery, Swept
from prism_testkit.interfaces import PrismError
from tests.zoo.declare import Mutant

from .declare import declaring
from .stranger_consumer import StrangeConsumer
from .stranger_sweep import Sweep
from .strangers import StrangeClaimCheck

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


class Quoting(StrangeClaimCheck):
    """Escapes by a quote behind the name, wherever that leads."""

    class _Unquoting(StrangeConsumer):
        def unescaped(self, headers: Any, field: str) -> dict[str, str]:
            return {name[:-1] if _is_quoted(name, field) else name: text for name, text in headers.items() if name != field}

    consumer_type = _Unquoting

    def escaped(self, headers: dict[str, str]) -> dict[str, str]:
        field = self.config.claim_check_field
        quoted = {f"{name}'" if _is_quoted(name, field) else name: text for name, text in headers.items()}
        return self.made_to_fit(quoted)

    def made_to_fit(self, headers: dict[str, str]) -> dict[str, str]:
        return headers


def _is_quoted(name: str, field: str) -> bool:
    return name.rstrip("'") == field


@mutant("CC1", "wrong error", trap="a header with the name of ours and quotes, 512 bytes in all", also="CC3")
class LeavesAnEscapedNameToTheQueue(Quoting):
    """Found after the upload, and called illegal, which it is not."""


@mutant("CC1", "truncation", trap="a header with the name of ours and quotes, 512 bytes in all")
class CutsAnEscapedName(Quoting):
    def made_to_fit(self, headers: dict[str, str]) -> dict[str, str]:
        return {name[:512]: text for name, text in headers.items()}


@mutant("CC1", "missing step", trap="a header with the name of ours and quotes, 512 bytes in all")
class DropsANameItCannotEscape(Quoting):
    def made_to_fit(self, headers: dict[str, str]) -> dict[str, str]:
        return {name: text for name, text in headers.items() if len(name.encode()) <= 512}


@mutant("CC1", "truncation", trap="headers that fill 8 KiB, one of them with the name of ours")
class CutsATextForTheEscape(Quoting):
    def made_to_fit(self, headers: dict[str, str]) -> dict[str, str]:
        over = _weight(headers) - 8192
        longest = max(headers, key=lambda name: len(headers[name]), default="")
        if over in (1, 2, 3) and len(longest) <= 512:
            return {**headers, longest: headers[longest][:-over]}
        return headers


def _weight(headers: Mapping[str, str]) -> int:
    return sum(len(text.encode()) for pair in headers.items() for text in pair)


@mutant("CC7", "missing step", trap="a removal that fails, and others behind it", also="CC4")
class StopsAtTheFirstFailedRemoval(StrangeClaimCheck):
    class _Brittle(Sweep):
        async def run(self) -> Swept:
            async for found in self.store.list_objects(self.config.bucket, f"{self.config.prefix}/"):
                self.note(found)
            for identifier in self.found():
                await self.decide(identifier)
            return Swept(self.expired, self.acked, self.markers)

    sweep_type = _Brittle


@mutant("CC7", "order of steps", trap="the removal of an acked claim that fails, and a later sweep", also="CC4")
class RemovesMarkersThoughTheirClaimStayed(StrangeClaimCheck):
    class _Hasty(Sweep):
        async def decide(self, identifier: str) -> None:
            try:
                gone = await self.is_gone(identifier)
            except PrismError as error:
                self.errors.append(error)
                gone = True
            if gone:
                for consumer in self.marked.get(identifier, ()):
                    self.markers += await self.remove(f"{self.key(identifier)}.acks/{consumer}")

    sweep_type = _Hasty


@mutant("CC7", "wrong condition", trap="two removals, the first of which fails", also="CC4")
class GivesUpTheClassOfAFailedRemoval(StrangeClaimCheck):
    """Once an expired claim could not be removed no other one is tried, and the same for those that were acked."""

    class _Classed(Sweep):
        async def decide(self, identifier: str) -> None:
            failed: set[bool] = self.__dict__.setdefault("failed", set())
            old = identifier in self.stored and self.is_old(identifier)
            if old in failed:
                return
            try:
                await super().decide(identifier)
            except PrismError:
                failed.add(old)
                raise

    sweep_type = _Classed


# What is given back for a while


@mutant("CC4", "missing step", trap="a nack with a delay")
class NacksAtOnce(StrangeClaimCheck):
    class _Nacking(StrangeConsumer):
        async def nack(self, delivery: ClaimDelivery, delay_s: float = 0) -> None:
            await super().nack(delivery)

    consumer_type = _Nacking


@mutant("CC4", "unit", trap="a nack with a delay of less than a second")
class NacksForWholeSeconds(StrangeClaimCheck):
    class _Nacking(StrangeConsumer):
        async def nack(self, delivery: ClaimDelivery, delay_s: float = 0) -> None:
            await super().nack(delivery, int(delay_s))

    consumer_type = _Nacking


@mutant("CC4", "boundary", trap="a nack with a delay, of a payload that is inline", also="CC6")
class DelaysClaimsOnly(StrangeClaimCheck):
    class _Nacking(StrangeConsumer):
        async def nack(self, delivery: ClaimDelivery, delay_s: float = 0) -> None:
            await super().nack(delivery, delay_s if delivery.claim is not None else 0)

    consumer_type = _Nacking
