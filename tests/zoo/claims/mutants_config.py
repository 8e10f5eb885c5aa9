"""Mutants of entry: configurations that disagree, and those that do not fit the slots."""

import json
from typing import Any, Self

from prism_patterns.claim_check import Receipt
from prism_testkit.interfaces import ConfigError, PrismError, PubSubPersistent, QueueVisibility
from prism_testkit.interfaces.pubsub import PubSubBasic
from prism_testkit.interfaces.stream import StreamBasic, StreamConsumerGroups
from prism_testkit.pattern import offers
from tests.zoo.declare import Mutant

from .declare import declaring
from .ours import Ours, OursOnQueues
from .strangers import StrangeClaimCheck

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

# CC8: those that disagree


@mutant("CC8", "missing step", trap="two that disagree")
class ChecksNoAgreement(StrangeClaimCheck):
    async def agree(self) -> None:
        """Everybody will have read the manual."""


@mutant("CC8", "incomplete", trap="two that disagree on max_age_s")
class AgreesOnTheCompressionOnly(StrangeClaimCheck):
    agreed = ("compression",)


@mutant("CC8", "incomplete", trap="two that disagree on their compression")
class AgreesOnTheAgeOnly(StrangeClaimCheck):
    agreed = ("max_age_s",)


@mutant("CC8", "order of steps", trap="two that disagree: the second overwrites what the first wrote")
class WritesItsAgreementFirst(StrangeClaimCheck):
    async def agree(self) -> None:
        mine = json.dumps({name: getattr(self.config, name) for name in self.agreed})
        await self.store.put(self.config.bucket, f"{self.config.prefix}/_config", mine.encode())
        await super().agree()


@mutant("CC8", "forgotten state", trap="one that disagrees with one that has ended")
class ForgetsTheAgreementWhenClosed(StrangeClaimCheck):
    async def __aexit__(self, *error: Any) -> None:
        await super().__aexit__(*error)
        await self.store.delete(self.config.bucket, f"{self.config.prefix}/_config")


@mutant("CC8", "truncation", trap="two that disagree on max_age_s by less than a second")
class AgreesOnWholeSeconds(StrangeClaimCheck):
    def compare(self, mine: dict[str, object], theirs: dict[str, object]) -> None:
        super().compare(*({**side, "max_age_s": int(float(str(side["max_age_s"])))} for side in (mine, theirs)))


@mutant("CC8", "wrong condition", trap="a second that keeps claims for less long than the first")
class AcceptsAShorterAge(StrangeClaimCheck):
    def compare(self, mine: dict[str, object], theirs: dict[str, object]) -> None:
        least = min(float(str(side["max_age_s"])) for side in (mine, theirs))
        super().compare({**mine, "max_age_s": least}, theirs)


@mutant("CC8", "leak", trap="two that use one bucket under different prefixes")
class AgreesForTheWholeBucket(OursOnQueues):
    async def __aenter__(self) -> Self:
        self._layout.agreement = "_config"
        return await super().__aenter__()


@mutant("CC8", "late", trap="a second that disagrees, and only enters")
class RefusesAtTheFirstPublish(StrangeClaimCheck):
    refused: ConfigError | None = None

    async def agree(self) -> None:
        try:
            await super().agree()
        except ConfigError as error:
            self.refused = error

    async def published(self, topic: str, payload: Any, headers: Any) -> Receipt:
        if self.refused is not None:
            raise self.refused
        return await super().published(topic, payload, headers)


@mutant("CC8", "message", trap="somebody who has to find out who disagrees")
class NamesItsOwnSideOnly(StrangeClaimCheck):
    def compare(self, mine: dict[str, object], theirs: dict[str, object]) -> None:
        if mine != theirs:
            raise ConfigError(f"not as agreed: {mine}")


@mutant("CC8", "wrong error", trap="two that disagree")
class RefusesWithAValueError(StrangeClaimCheck):
    def compare(self, mine: dict[str, object], theirs: dict[str, object]) -> None:
        try:
            super().compare(mine, theirs)
        except PrismError as error:
            raise ValueError(str(error)) from None


# CC8: those that do not fit the slots


class _Fitting(Ours):
    """What fits the slots is judged otherwise."""

    def fits(self) -> bool:
        raise NotImplementedError

    def _check_slots(self) -> None:
        if not self.fits():
            super()._check_slots()


@mutant("CC8", "missing step", trap="on_ack over a stream or a subscription without acks")
class LetsOnAckInWithoutAcks(_Fitting):
    def fits(self) -> bool:
        return not self._channel.acks


@mutant("CC8", "incomplete", trap="on_ack over a stream without groups")
class TakesAPositionForAnAck(_Fitting):
    def fits(self) -> bool:
        return offers(self._queue, StreamBasic) and not offers(self._queue, StreamConsumerGroups)


@mutant("CC8", "incomplete", trap="on_ack over a subscription that is not durable")
class TakesADeliveryForAnAck(_Fitting):
    def fits(self) -> bool:
        return offers(self._queue, PubSubBasic) and not offers(self._queue, PubSubPersistent)


@mutant("CC8", "missing step", trap="on_ack over PubSubPersistent, nobody named")
class LetsOnAckInWithoutNames(_Fitting):
    def fits(self) -> bool:
        return offers(self._queue, PubSubPersistent)


@mutant("CC8", "missing step", trap="on_ack over QueueVisibility, two named")
class LetsTwoConsumersShareAQueue(StrangeClaimCheck):
    def check_config(self) -> None:
        """The second one will find something to ack."""


@mutant("CC8", "wrong condition", trap="on_ack over QueueVisibility or StreamConsumerGroups, nobody named", also="CC4")
class WantsNamesEverywhere(OursOnQueues):
    def _check_slots(self) -> None:
        super()._check_slots()
        if self._config.cleanup == "on_ack" and not self._config.consumers:
            raise ConfigError("on_ack needs consumers")


@mutant("CC8", "wrong condition", trap="two consumers named under sweep, where nobody waits for them")
class WantsOneConsumerWhateverTheCleanup(StrangeClaimCheck):
    def check_config(self) -> None:
        if len(self.config.consumers) > 1:
            raise ConfigError("a message of a queue has one consumer")


@mutant("CC8", "downgrade", trap="on_ack over what has no acks")
class SweepsInstead(Ours):
    def _check_slots(self) -> None:
        if self._config.cleanup == "on_ack" and not self._channel.acks and not offers(self._queue, QueueVisibility):
            self._config = self._config.model_copy(update={"cleanup": "sweep"})
        super()._check_slots()
