"""Wrong closings."""

import asyncio
import threading
from pathlib import Path
from typing import Any

from prism_testkit.interfaces import Closed, Message, QueueMessage
from tests.zoo.declare import Mutant

from .declare import declaring
from .models import KeyValue, Listener, PubSub, Queue

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("2", "missing step", also="1")
class CloseLeavesItsTask(KeyValue):
    async def stop_keeper(self) -> None:
        if self.state == "new":
            await super().stop_keeper()


@mutant("2", "wrong error", "a second close")
class ClosedTwiceItRaises(Queue):
    async def close(self) -> None:
        if self.state == "closed":
            raise Closed("zoo: close: it is closed")
        await super().close()


@mutant("2", "missing step", "a take that waits when it is closed", also="4")
class CloseForgetsCallsThatWait(Queue):
    async def end(self) -> None:
        await self.leave()
        await self.stop_keeper()


@mutant("2", "missing step", "a read after close")
class ClosedItStillReads(KeyValue):
    def admit(self, operation: str) -> None:
        if operation != "get" or self.state == "draining":
            super().admit(operation)


@mutant("2", "order of steps", "a message that was buffered before close")
class ClosedItGivesWhatIsBuffered(PubSub):
    class listener_type(Listener):  # noqa: N801  it takes the place of an attribute
        async def receive(self, timeout_s: float = 0) -> Message | None:
            await asyncio.sleep(0)
            if self.buffer:
                return self.buffer.popleft()
            if not self.wire.empty():
                return self.wire.get_nowait()
            return await super().receive(timeout_s)


@mutant("2", "leak between clients", "another driver of the connection", also="1 3 4")
class CloseClosesTheConnection(Queue):
    def admit(self, operation: str) -> None:
        if self.client.closed:
            raise Closed(f"zoo: {operation}: the connection is closed")
        super().admit(operation)

    async def end(self) -> None:
        await super().end()
        self.client.closed = True


@mutant("2", "leak between clients", "calls of another driver of the connection that wait", also="1 3 4")
class CloseAbortsCallsOfOthers(Queue):
    def __init__(self, client: Any, namespace: str) -> None:
        super().__init__(client, namespace)
        shared = client.__dict__.setdefault("in_hand", set())
        self.in_hand = shared


@mutant("2", "order of steps", "a write that returned just before close", also="3")
class CloseLosesWhatIsNotFlushed(KeyValue):
    async def _set(self, key: str, value: bytes) -> None:
        self.flushing = asyncio.get_running_loop().call_later(0.001, self.values.__setitem__, key, value)
        self.unflushed = {**getattr(self, "unflushed", {}), key: value}

    async def _get(self, key: str) -> bytes | None:
        await asyncio.sleep(0.002)
        return await super()._get(key)

    async def end(self) -> None:
        if getattr(self, "flushing", None) is not None:
            self.flushing.cancel()
        await super().end()


@mutant("2", "missing step", "a subscription that waits for long when it is closed", also="4")
class CloseWaitsForCalls(PubSub):
    async def end(self) -> None:
        if self.in_hand:
            await asyncio.wait(list(self.in_hand))
        await super().end()


@mutant("2", "lost on cancel", "a take that is given a message as it is closed")
class AbortedTakeTakesAMessage(Queue):
    async def _dequeue(self, queue: str, timeout_s: float) -> QueueMessage | None:
        try:
            return await super()._dequeue(queue, timeout_s)
        except asyncio.CancelledError:
            # It stays on the list of those that wait, and the next message is given to it.
            self.client.data.setdefault(f"ghosts/{self.namespace}", []).append(queue)
            raise

    async def _enqueue(self, queue: str, message: QueueMessage) -> None:
        ghosts = self.client.data.get(f"ghosts/{self.namespace}", [])
        if queue in ghosts:
            ghosts.remove(queue)
            return
        await super()._enqueue(queue, message)


@mutant("2", "lost on cancel", "a close that is cancelled")
class CancelledCloseIsHalfAClose(PubSub):
    async def close(self) -> None:
        if self.state == "closed":
            return
        self.state = "closed"
        await asyncio.sleep(0)
        await self.end()


@mutant("2", "wrong error", "leaving a subscription after close")
class LeavingAfterCloseRaises(PubSub):
    async def exit(self, listener: Listener) -> None:
        if self.state == "closed":
            await listener.leave()
            raise Closed("zoo: unsubscribe: it is closed")
        await super().exit(listener)


@mutant("2", "missing step", "a subscription that is entered when it is closed", also="1")
class CloseLeavesWhatPumps(PubSub):
    async def leave(self) -> None:
        for listener in list(self.entered):
            self.listeners.discard(listener)

    async def exit(self, listener: Listener) -> None:
        if self.state != "closed":
            await super().exit(listener)


@mutant("2", "missing step", "an open after close", also="3")
class ClosedItOpensAgain(KeyValue):
    async def open(self) -> None:
        if self.state == "closed":
            self.state, self.closing = "new", None
        await super().open()


@mutant("2", "wrong error", "a take that waits when it is closed", also="3 4")
class AbortedCallsRaiseAnotherError(Queue):
    def told_aborted(self, operation: str) -> None:
        raise ConnectionResetError("the connection went away")


@mutant("2", "wrong value", "a take that waits when it is closed", also="3")
class AbortedCallsSayThatNothingCame(Queue):
    async def _dequeue(self, queue: str, timeout_s: float) -> QueueMessage | None:
        try:
            return await super()._dequeue(queue, timeout_s)
        except asyncio.CancelledError:
            return None


@mutant("2", "leak", "many drivers, one after another")
class CloseLeavesAnOpenFile(KeyValue):
    async def begin(self) -> None:
        await super().begin()
        self.client.__dict__.setdefault("files", []).append(Path(__file__).open("rb"))  # noqa: ASYNC230, SIM115  that is the mistake


@mutant("2", "leak", "many drivers, one after another")
class CloseLeavesAThread(Queue):
    async def begin(self) -> None:
        await super().begin()
        threading.Thread(target=threading.Event().wait, args=(5.0,), daemon=True).start()


@mutant("2", "race", "a close while it opens", also="1")
class ClosedWhileItOpensItIsOpen(KeyValue):
    def now_open(self) -> None:
        self.state = "open"


@mutant("2", "race", "a close while it opens", also="1")
class ClosedWhileItOpensItLeavesItsTask(Queue):
    async def begin(self) -> None:
        for _ in range(6):
            await asyncio.sleep(0)
        await super().begin()

    async def wait_for_open(self) -> None:
        pass

    def now_open(self) -> None:
        if self.state == "new":
            self.state = "open"
