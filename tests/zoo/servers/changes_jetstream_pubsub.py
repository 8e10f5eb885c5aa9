"""Wrong drivers of durable subscriptions over a real JetStream."""

from .change import Change

__all__ = ["CHANGES"]

_DRIVER = "prism_backends.jetstream.pubsub"
_API = "prism_backends.jetstream.api"
_HOLDING = "prism_backends.jetstream.holding"

CHANGES = [
    Change(
        name="jetstream_topic_keeps_what_interests_somebody",
        backend="jetstream",
        module=_DRIVER,
        before='return stream_config(f"{self._namespace}_topic_{at}", self._subject(at))',
        after='return stream_config(f"{self._namespace}_topic_{at}", self._subject(at), retention="interest")',
        promise="pubsub_persistent.1",
        also=("pubsub_persistent.13", "pubsub_persistent.10"),
        why="what nobody subscribed to fills the disk",
    ),
    Change(
        name="jetstream_topic_has_eight_subscriptions",
        backend="jetstream",
        module=_DRIVER,
        before='return stream_config(f"{self._namespace}_topic_{at}", self._subject(at))',
        after='return stream_config(f"{self._namespace}_topic_{at}", self._subject(at), max_consumers=8)',
        promise="pubsub_persistent.6",
        also=("pubsub_persistent.1", "pubsub_persistent.11"),
        why="a bound for the server: nobody has so many subscriptions of one topic",
    ),
    Change(
        name="jetstream_consumers_in_memory",
        backend="jetstream",
        module=_API,
        before='"replay_policy": "instant",',
        after='"replay_policy": "instant",\n        "mem_storage": True,',
        promise="pubsub_persistent.16",
        also=("pubsub_persistent.4", "pubsub_persistent.5"),
        why="acknowledgements are not worth a write to the disk",
    ),
    Change(
        name="jetstream_late_answers_are_told_the_server",
        backend="jetstream",
        module=_HOLDING,
        before="held = [reply for _, _, reply in parts.values() if reply in self._until]",
        after="held = [reply for _, _, reply in parts.values() if reply not in self._revoked]",
        more=(("self._until.pop(reply) for reply in held", "self._until.pop(reply, 0.0) for reply in held"),),
        promise="pubsub_persistent.15",
        also=("pubsub_persistent.5", "pubsub_persistent.7", "pubsub_persistent.4"),
        why="the server knows what is held",
    ),
    Change(
        name="jetstream_new_begins_with_the_last",
        backend="jetstream",
        module=_DRIVER,
        before='first = found["state"]["last_seq"] + 1 if found is not None else 1',
        after='first = found["state"]["last_seq"] if found is not None else 1',
        promise="pubsub_persistent.1",
        why="the sequence after which it begins",
    ),
    Change(
        name="jetstream_earliest_begins_again",
        backend="jetstream",
        module=_DRIVER,
        before="        if await self.server.consumer(what, f\"{config['name']}.{who}\") is not None:\n            return\n",
        after=(
            "        if (known := await self.server.consumer(what, f\"{config['name']}.{who}\")) is not None:\n"
            "            if known['num_ack_pending'] or start == \"new\":\n                return\n"
            "            await self.server.api(what, f\"CONSUMER.DELETE.{config['name']}.{who}\")\n"
        ),
        promise="pubsub_persistent.1",
        also=("pubsub_persistent.5",),
        why="who says earliest wants all of it, if nothing is on its way",
    ),
    Change(
        name="jetstream_persistent_publish_is_deduplicated",
        backend="jetstream",
        module=_DRIVER,
        before="self._config(at), self._subject(at), sealed(texts, data)))",
        after='self._config(at), self._subject(at), sealed(texts, data), {"Nats-Msg-Id": hashed(sealed(texts, data))}))',
        promise="pubsub_persistent.1",
        also=("pubsub_persistent.13", "pubsub_persistent.2"),
        why="a publish that is tried again sends nothing",
    ),
    Change(
        name="jetstream_nack_in_microseconds",
        backend="jetstream",
        module=_HOLDING,
        before='body = b"-NAK " + json.dumps({"delay": delay_ns}).encode() if delay_ns else b"-NAK"',
        after='body = b"-NAK " + json.dumps({"delay": delay_ns // 1000}).encode() if delay_ns else b"-NAK"',
        promise="pubsub_persistent.8",
        also=("stream_consumer_groups.7",),
        why="delays in microseconds",
    ),
    Change(
        name="jetstream_the_rest_takes_the_place_of_the_first",
        backend="jetstream",
        module=_HOLDING,
        before="                found += await self._rest(found, most - 1)\n",
        after="                found = await self._rest(found, most - 1) or found\n",
        promise="pubsub_persistent.9",
        also=("pubsub_persistent.14", "pubsub_persistent.3", "pubsub_persistent.13", "pubsub_persistent.4"),
        why="the rest is what counts",
    ),
    Change(
        name="jetstream_left_member_terminates",
        backend="jetstream",
        module="prism_backends.jetstream.holding",
        before='        await self._tell("leave", b"-NAK", held)\n',
        after='        await self._tell("leave", b"+TERM", held)\n',
        promise="pubsub_persistent.4",
        also=("pubsub_persistent.7",),
        why="terminate what this member has",
    ),
]
