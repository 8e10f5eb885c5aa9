"""Mutants that do not wake who waits while somebody else has not taken what is his."""

import asyncio
from collections.abc import Mapping

from prism_testkit.interfaces import Bytes
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Listener, Member, PubSub
from .reference_newer import NewerPubSub, PatternListener
from .stores import Row

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("basic.4", "lost wake", trap="one waits while another of its topic has two messages unread", also="basic.9")
class ABacklogOfOneWakesNobody(PubSub):
    async def publish(self, topic: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        waiting = set(self.store.waiting)
        if any(len(listener.buffer) >= 1 for listener in self.listeners(self.topic(topic, "publish"))):
            self.store.waiting.clear()
        try:
            return await super().publish(topic, payload, headers)
        finally:
            self.store.waiting |= waiting


@mutant("wildcards.6", "lost wake", trap="one waits while another pattern has a message unread", also="wildcards.9")
class ABacklogOfAPatternWakesNobody(NewerPubSub):
    async def publish(self, topic: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        waiting = set(self.store.waiting)
        if any(isinstance(listener, PatternListener) and listener.buffer for listener in self.watchers()):
            self.store.waiting.clear()
        try:
            return await super().publish(topic, payload, headers)
        finally:
            self.store.waiting |= waiting


@mutant("persistent.9", "lost wake", trap="one waits while another subscription has a message unread", also="persistent.6")
class ABacklogOfASubscriptionWakesNobody(PubSub):
    def insert(self, row: Row) -> None:
        waiting = set(self.store.waiting)
        known = self.space().marks
        behind = [
            name
            for (topic, name) in self.space().starts
            if topic == row.topic and any(not known.get((topic, name), {}).get(each.message.id) for each in self.rows(topic))
        ]
        if behind:
            self.store.waiting.clear()
        try:
            super().insert(row)
        finally:
            self.store.waiting |= waiting


@mutant("persistent.9", "lost wake", trap="one waits while another subscription holds a message", also="persistent.6")
class WhatIsHeldWakesNobody(PubSub):
    def insert(self, row: Row) -> None:
        waiting = set(self.store.waiting)
        if any(slot[:2] == (self.namespace, row.topic) for slot in self.store.holds):
            self.store.waiting.clear()
        try:
            super().insert(row)
        finally:
            self.store.waiting |= waiting


@mutant("basic.4", "lost wake", trap="one waits while another subscription is left", also="basic.9 basic.10")
class WhoLeavesForgetsWhoWaits(PubSub):
    async def leave(self, listener: Listener) -> None:
        self.store.waiting.clear()
        await super().leave(listener)


@mutant("basic.9", "lost wake", trap="one waits while another wait is cancelled", also="persistent.9 basic.4")
class WhoIsCancelledTakesAllWithHim(PubSub):
    async def pause(self, *ends: float) -> None:
        try:
            await super().pause(*ends)
        except asyncio.CancelledError:
            self.store.waiting.clear()
            raise


@mutant("persistent.9", "lost wake", trap="one waits while a member of another name joins", also="persistent.6")
class WhoJoinsForgetsWhoWaits(PubSub):
    async def join(self, member: Member, start: str) -> None:
        await super().join(member, start)
        self.store.waiting.clear()
