"""queue: what was looked at before tells nothing of now, however often another client has worked since."""

from prism_suites._judging import same
from prism_testkit.case import Case
from prism_testkit.checks import check
from prism_testkit.interfaces import QueueBasic


@check("queue_basic.2", "queue_basic.10")
async def however_often_another_client_worked(queue: QueueBasic, case: Case) -> None:
    """A client that has seen a message takes the one that is there since, after any number of others up to 64.

    All have one length, so a store that writes anew what it keeps has the same size again after some number of them.
    """
    other = await case.client()
    for often in range(1, 65) if not case.server else (3, 64):
        await queue.enqueue("q", b"%08d" % 0)
        first = await queue.peek("q")
        same("queue_basic.2", first and first.payload, b"%08d" % 0, "peek does not give the message that was enqueued")
        for number in range(1, often + 1):
            await other.enqueue("q", b"%08d" % number)
            await other.dequeue("q")
        got = [await queue.dequeue("q"), await queue.dequeue("q")]
        sentence = f"a client that has seen a message takes another than the one that is there, after {often} by another client"
        same("queue_basic.2", [message and message.payload for message in got], [b"%08d" % often, None], sentence)
