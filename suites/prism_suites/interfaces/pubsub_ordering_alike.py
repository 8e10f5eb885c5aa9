"""pubsub_ordering: messages that are alike, or empty, keep the order of their key as others do."""

from hypothesis import given
from hypothesis import strategies as st

from prism_suites._judging import same
from prism_suites._pubsub_members import received
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import PubSubOrdering

_PAYLOADS = {"e": b"", "0": b"0", "x": b"x", "n": b"null"}


@check("pubsub_ordering.3", "pubsub_ordering.2", "pubsub_ordering.5")
@gauntlet(lambda limits: [{"line": line, "nacks": nacks} for line in ("eee", "xxxx", "exe", "000", "nxne") for nacks in (0, 1)])
@given(line=st.text("e0xn", min_size=2, max_size=6), nacks=st.integers(0, 2))
async def what_is_alike_stands_in_line(pubsub: PubSubOrdering, case: Case, line: str, nacks: int) -> None:
    """Of one key one message at a time is given, in the order of publishing, whatever payloads and headers they have (PS-29)."""
    ids = [await pubsub.publish_ordered("t", "k", _PAYLOADS[each]) for each in line]
    async with pubsub.subscribe_durable("t", "s", "earliest") as member:
        for number, (identity, each) in enumerate(zip(ids, line, strict=True)):
            for turn in range(nacks + 1):
                got = await received(case, member, 10)
                found = [(delivery.message.id, delivery.message.payload) for delivery in got]
                story = f"message {number + 1} of {len(line)}"
                same(
                    "pubsub_ordering.3", found, [(identity, _PAYLOADS[each])], f"{story} of a key does not come alone, in its turn"
                )
                await (member.ack(*got) if turn == nacks else member.nack(*got))
