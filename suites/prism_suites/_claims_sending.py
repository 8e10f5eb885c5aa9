"""Sends payloads through a claim check and back, and judges all that is seen of them on the way."""

from collections.abc import Mapping, Sequence
from typing import Any

from prism_patterns.claim_check import ClaimCheck, ClaimConsumer
from prism_suites._claims import FIELD, SENDS, TOPIC, T, claims_there, sent_messages, take, taken
from prism_suites._judging import same, truth
from prism_testkit.bound import Bound
from prism_testkit.case import Case

__all__ = ["Upload", "all_there_and_back", "payload_of", "there_and_back"]

_BLOCK = bytes((7 * i + i // 251) % 256 for i in range(65_521))
"""Its length is prime, so that no chunk is like another."""


_SHORT = 1024
"""Of payloads up to this length reading is repeated over and over."""


def payload_of(size: int) -> bytes:
    return (_BLOCK * (size // len(_BLOCK) + 1))[:size]


async def there_and_back(
    claims: Bound[ClaimCheck], case: Case, payload: bytes, headers: Mapping[str, str], given: Any, **config: Any
) -> None:
    await all_there_and_back(claims, case, [(payload, headers, given)], **config)


async def all_there_and_back(
    claims: Bound[ClaimCheck], case: Case, sent: Sequence[tuple[bytes, Mapping[str, str], Any]], **config: Any
) -> None:
    """Publish each and take it back; what is listed goes one after another through one instance, which is quicker to open."""
    field = config.get("claim_check_field", FIELD)
    async with claims.opened(threshold=T, **config) as check_in, check_in.consume(TOPIC, "c") as consumer:
        claimed_before = 0
        for number, (payload, headers, given) in enumerate(sent):
            await _one_there_and_back(claims, case, check_in, consumer, payload, headers, given, field, number, claimed_before)
            claimed_before += len(payload) > T


async def _one_there_and_back(
    claims: Bound[ClaimCheck],
    case: Case,
    check_in: ClaimCheck,
    consumer: ClaimConsumer,
    payload: bytes,
    headers: Mapping[str, str],
    given: Any,
    field: str,
    number: int,
    claimed_before: int,
) -> None:
    receipt = await check_in.publish(TOPIC, given, headers)
    delivery = await take(consumer)
    same("CC1", await consumer.read(delivery), payload, "a payload does not come back byte for byte")
    same("CC1", await taken(consumer, delivery), payload, "the chunks of a payload are not the payload")
    for _ in range(3 if len(payload) <= _SHORT else 0):
        same("CC1", await consumer.read(delivery), payload, "a payload that was read before does not come back again")
    same("CC1", dict(delivery.headers), dict(headers), "the headers do not come back as they were given")
    same("CC1", (delivery.topic, delivery.message_id), (TOPIC, receipt.message_id), "topic or id of a delivery are others")
    claimed = len(payload) > T
    truth("CC1", receipt.claim is not None, claimed, "the receipt says otherwise than the threshold, whether it is claimed")
    truth("CC1", delivery.claim is not None, claimed, "the delivery says otherwise than the threshold, whether it is claimed")
    message = sent_messages(case)[number]
    truth("CC1", field in message.headers, claimed, "the header of a claim is not on exactly the messages that are claimed")
    same(
        "CC1",
        len(await claims_there(claims)),
        claimed_before + claimed,
        "the number of stored objects is another than that of claims",
    )
    if claimed:
        same("CC1", message.payload, b"", "the message of a claim carries a payload")
    await consumer.ack(delivery)


class Upload:
    """A call as far as it may be the upload of a claim."""

    def __init__(self, entry: Any) -> None:
        self.op = entry.op
        key = entry.args[1] if len(entry.args) > 1 else entry.kwargs.get("key", "")
        self.key_is_own = "/_" in str(key)  # a name under the prefix that begins with `_`, whatever follows

    @property
    def is_effect(self) -> bool:
        """Something was stored that is not the pattern's own, or sent."""
        return self.op in SENDS or (self.op.startswith("store.put") and not self.key_is_own)
