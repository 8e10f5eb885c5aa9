"""Compares what a call on a queue said with what the model allows, and names the promise that broke."""

from itertools import pairwise
from typing import Any, NoReturn

from prism_suites._judging import broken
from prism_suites._keyvalue_model import Window
from prism_suites._queue_model import Item, Model
from prism_suites._queue_taking import Put, is_message, spoil
from prism_testkit.interfaces import QueueMessage

__all__ = ["Judge"]

_GONE = {
    "acked": "queue_visibility.4",
    "dequeued": "queue_basic.2",
    "died": "queue_dead_letter.1",
    "redriven": "queue_dead_letter.3",
}


class Judge:
    """Judges one namespace; ``sibling`` is the model of the other one. ``basic``: plain takes name the promise of a plain queue."""

    def __init__(self, model: Model, sibling: Model) -> None:
        self.model = model
        self.sibling = sibling

    def known(self, queue: str, message: Any, kind: str) -> Item:
        """Return the message of the model that was given, or say why there can be none."""
        if not isinstance(message, QueueMessage):
            broken(_content(kind), f"{kind} gives something that is no message", expected="a QueueMessage", got=message)
        item = self.model.items.get((queue, message.id))
        if item is None or item.put.payload != message.payload:
            self._stranger(queue, message, kind, item)
        is_message(_content(kind), message, item.put, f"{kind} gives a message that is not as it was enqueued")
        if kind != "receive":  # a lease is handed back
            spoil(message)
        return item

    def _stranger(self, queue: str, message: QueueMessage, kind: str, item: Item | None) -> NoReturn:
        for other in self.sibling.items.values():
            if other.put.payload == message.payload and other.put.payload:
                broken(_space(kind), f"{kind} gives a message of another namespace", expected="one of its own", got=message)
        for (name, _), other in self.model.items.items():
            if name != queue and other.put.payload == message.payload and other.put.id == message.id:
                promise = "queue_dead_letter.1" if other.died_in or name in self.model.configured else _alias(kind)
                broken(promise, f"{kind} gives a message of another queue, {name[:40]!a}", expected="one of its own", got=message)
        why = self.model.gone.get((queue, message.id))
        if why is not None and item is None:
            broken(_GONE[why], f"{kind} gives a message that is gone ({why})", expected="another message or none", got=message)
        if item is not None:
            broken(_content(kind), f"{kind} gives another payload under an id", expected=item.put.payload, got=message.payload)
        broken(_once(kind), f"{kind} gives a message that was not enqueued", expected="one that was", got=message)

    def nothing(self, queue: str, now: Window, kind: str) -> None:
        """Judge that a take, or a look, found nothing."""
        for item in self.model.of(queue):
            if self.model.free(item, now) == "yes" and not self.model.doomed(item):
                sentence = f"{kind} finds nothing, though a message is available"
                broken(self._lost(item, kind), sentence, expected=item.put, got=None)

    def _lost(self, item: Item, kind: str) -> str:
        if item.died_in:
            return "queue_dead_letter.3"
        if item.was_delayed and not item.returned:
            return "queue_delayed.1"
        if kind == "peek":
            return "queue_basic.5"
        return "queue_visibility.11" if kind == "receive" or item.returned else "queue_basic.2"

    def taken(self, item: Item, now: Window, kind: str) -> None:
        """Judge that a message may be given, and that it is its turn."""
        model = self.model
        if model.held(item, now) == "yes":
            broken("queue_visibility.2", f"{kind} gives a message whose lease is valid", expected="another or none", got=item.put)
        if model.delayed(item, now) == "yes":
            broken("queue_delayed.1", f"{kind} gives a message whose delay is not over", expected="another or none", got=item.put)
        configured = model.configured.get(item.queue)
        if kind == "receive" and configured is not None and item.attempts >= configured.most:
            sentence = f"a message is delivered more than {configured.most} times"
            broken("queue_dead_letter.1", sentence, expected="it died", got=item.put)
        for other in model.of(item.queue):
            if other is item or model.free(other, now) != "yes" or model.doomed(other):
                continue
            self._turn(item, other, kind)

    def _turn(self, item: Item, other: Item, kind: str) -> None:
        if item.priority is not None and other.priority is not None and other.priority > item.priority:
            promise = "queue_priority.3" if other.returned or item.returned else "queue_priority.1"
            broken(promise, f"{kind} gives a message before one of a higher priority", expected=other.put, got=item.put)
        free_order = item.returned or other.returned or item.was_delayed or other.was_delayed
        if free_order or item.priority is None or item.priority != other.priority:
            return
        if other.place < item.place:
            brought_back = item.maybe or other.maybe
            promise = "queue_dead_letter.5" if brought_back else "queue_priority.1" if item.priority else _order(kind)
            broken(promise, f"{kind} gives a message before one that was enqueued earlier", expected=other.put, got=item.put)

    def shown(self, queue: str, message: Any, now: Window) -> Item:
        """Judge what a look showed."""
        model = self.model
        item = self.known(queue, message, "peek")
        if model.delayed(item, now) == "yes":
            broken("queue_delayed.1", "peek shows a message whose delay is not over", expected="another or none", got=item.put)
        if not model.open_leases(queue, now):
            self.taken(item, now, "peek")
        return item

    def listed(self, queue: str, got: Any, now: Window) -> list[Item]:
        """Judge a list of dead messages; those of which it was open whether they died have died if they are in it."""
        model, configured = self.model, self.model.configured.get(queue)
        if not isinstance(got, list):
            broken("queue_dead_letter.4", "dead_letters gives no list", expected="a list", got=got)
        if configured is None:
            if got:
                broken("queue_dead_letter.6", "a queue without configuration lists dead messages", expected=[], got=got)
            return []
        limbo = {item.put.id: item for item in model.limbo(queue, now)}
        found: list[Item] = []
        for message in got:
            if isinstance(message, QueueMessage) and message.id in limbo:
                model.fail(limbo[message.id], "deadline")
                model.kill(limbo.pop(message.id))
            found.append(self._dead(queue, configured.target, message))
        if len({id(item) for item in found}) < len(found):
            broken("queue_dead_letter.3", "dead_letters lists a message twice", expected="each once", got=got)
        moving = model.limbo(configured.target, now)
        for item in model.of(configured.target):
            if item.died_in == queue and item not in found and item not in moving and model.held(item, now) == "no":
                broken("queue_dead_letter.4", "dead_letters leaves out a message that died", expected=item.put, got=got)
        for first, second in pairwise(found):
            if first.died_in == second.died_in == queue and second.died[1] <= first.died[0]:
                sentence = "dead_letters does not list the messages in the order in which they died"
                broken("queue_dead_letter.4", sentence, expected=[second.put, first.put], got=got)
        return found

    def _dead(self, queue: str, target: str, message: Any) -> Item:
        if isinstance(message, QueueMessage) and (queue, message.id) in self.model.items:
            sentence = "dead_letters lists a message that has not failed often enough"
            most = self.model.configured[queue].most
            broken("queue_dead_letter.1", sentence, expected=f"those of which {most} deliveries failed", got=message)
        item = self.known(target, message, "dead_letters")
        if item.died_in != queue and queue not in item.maybe:
            sentence = f"dead_letters lists a message that did not die in {queue!r}"
            broken("queue_dead_letter.4", sentence, expected="its dead", got=message)
        return item

    def enqueued(self, queue: str, put: Put) -> None:
        """Judge the id that an enqueue returned."""
        if not isinstance(put.id, str):
            broken("queue_basic.1", "enqueue returned no text", expected="an id", got=put.id)
        if (queue, put.id) in self.model.items or (queue, put.id) in self.model.gone:
            broken("queue_basic.2", "enqueue returned an id that another message of its queue had", expected="its own", got=put.id)


def _content(kind: str) -> str:
    return {"receive": "queue_visibility.1", "peek": "queue_basic.5", "dead_letters": "queue_dead_letter.2"}.get(
        kind, "queue_basic.1"
    )


def _once(kind: str) -> str:
    return {"receive": "queue_visibility.15", "dead_letters": "queue_dead_letter.4"}.get(kind, "queue_basic.2")


def _order(kind: str) -> str:
    return {"receive": "queue_visibility.1", "peek": "queue_basic.5"}.get(kind, "queue_basic.3")


def _alias(kind: str) -> str:
    return {"receive": "queue_visibility.15", "dead_letters": "queue_dead_letter.10"}.get(kind, "queue_basic.6")


def _space(kind: str) -> str:
    return {"receive": "queue_visibility.15", "dead_letters": "queue_dead_letter.10"}.get(kind, "queue_basic.9")
