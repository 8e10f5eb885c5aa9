"""Removing what belongs to a namespace."""

import re

from prism_backends.kafka.client import KafkaClient

__all__ = ["clean"]

_NAMESPACE_WIDTH = 24


async def clean(client: KafkaClient, prefix: str) -> None:
    """Remove every topic of every namespace that begins with ``prefix``; a stranger's that only looks alike stays.

    When it returns the broker does not know them any more, so their names can be used again.
    """
    if not re.fullmatch(rf"[0-9a-z]{{1,{_NAMESPACE_WIDTH}}}", prefix):
        raise ValueError(f"clean: expected 1 to {_NAMESPACE_WIDTH} digits of base 36, found {prefix!r}")
    ours = re.compile(rf"{prefix}[0-9a-z]{{{_NAMESPACE_WIDTH - len(prefix)}}}-(stream|pubsub|plain)")
    what = f"kafka: clean {prefix}"
    await client.delete(what, [topic for topic in await client.topics(what) if ours.fullmatch(topic)])
