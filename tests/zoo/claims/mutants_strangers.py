"""Mutants that nobody who knew the checks would write."""

from tests.zoo.declare import Mutant

from .declare import declaring
from .ours import OurConsumer, OursOnTopics, OurSweep
from .stranger_consumer import StrangeConsumer
from .strangers import StrangeClaimCheck

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


class _MarksAlways(OurConsumer):
    def _marks(self) -> bool:
        return True


class _AllMarkers(OurSweep):
    def is_acked(self, identifier: str) -> bool:
        markers = self.marked.get(identifier, {})
        late = [at for at in markers.values() if self.now_ms - at <= self.config.retention_after_ack_s * 1000]
        return super().is_acked(identifier) and not late


@mutant("CC4", "wrong set", trap="a consumer that is not named acks long after those that are")
class RetentionIsOfAllMarkers(OursOnTopics):
    """The ack of whoever is not named is marked too, which is no harm, and then waited for, which is."""

    consumer_type = _MarksAlways
    sweep_type = _AllMarkers


@mutant("CC1", "falsy", trap="a threshold of 0")
class ThresholdOfZeroIsNone(StrangeClaimCheck):
    def is_large(self, head: list[bytes]) -> bool:
        return sum(map(len, head)) > (self.config.threshold or 64 * 1024)


class _WholeSeconds(StrangeConsumer):
    def is_expired(self, age_ms: int) -> bool:
        return age_ms // 1000 > self.claims.config.max_age_s


@mutant("CC6", "rounding", trap="an absent claim just older than the age")
class AgeInWholeSeconds(StrangeClaimCheck):
    consumer_type = _WholeSeconds
