"""Wrong queues over a SQLite file that are right within one process: what they look at may change by the hand of another one."""

from .change import Change, changing

__all__ = ["CHANGES"]

_change = changing("sqlite_", "sqlite", "prism_backends.sqlite.queue")
_LOCKED = 'async with self._client.shared.setdefault("turns", __import__("asyncio").Lock()):'
_TWO = "Two transactions under one lock are as good as one."

_TURN = "                looks_first = True\n"
_TAKE_FOR_GOOD = """            found = messages.first(name)
            if found is not None:
                messages.remove(found.id)
            return found
"""
_TAKE_LEASED = """            found = messages.first(name)
            if found is None:
                return None
            token = messages.lease"""
_DEQUEUE = '        row = await self._take("dequeue", queue, take, put_back, timeout_s)\n'
_HELD = "        if not await self._change(operation, lease.queue, step):\n"
_BEFORE_TAKE = "    async def _take(self, operation"
_POLICY = '        await self._change("configure_dead_letter", queue, lambda messages: messages.set_policy(name, to, most))\n'
_DELAYED = """        return await self._add("enqueue_delayed", queue, payload, headers, \
delay_s=check_delay(delay_s, _ME, _LONGEST_S))
"""
_PRIORITIZED = """        return await self._add("enqueue_with_priority", queue, payload, headers, \
priority=check_priority(priority, _ME))
"""
_REDRIVE = '        return await self._change("redrive", queue, lambda messages: messages.revive(name))\n'
_OF_THE_TARGET = """        target = await self._look("redrive", queue, lambda messages: messages._policy(name)[0])
        if target is None:
            return 0
        async with self._takers.turn(target.decode()):
            rows = await self._look("redrive", queue, lambda messages: messages.dead(name))
            dead = [row for row in rows if row.until_s is None]
"""


def _shown(operation: str, before: str, promise: str, *also: str) -> Change:
    """Return a take that sees its message before its transaction begins."""
    look = f"""                if operation == "{operation}":
                    self._seen = await self._look(operation, queue, lambda messages: messages.first(name))
"""
    return _change(
        f"{operation}_looks_first",
        before,
        before.replace("messages.first(name)", "self._seen"),
        promise,
        "Those who take in this process have their turns; so what was seen is still there.",
        also=also,
        more=((_TURN, _TURN + look),),
    )


def _unchecked(operation: str, change: str, promise: str, *also: str) -> Change:
    """Return what is done with a message once its lease was found valid."""
    after = f"""        {_LOCKED}
            if operation == "{operation}":
                valid = await self._change(operation, lease.queue, lambda messages: messages.is_leased(name, identity, token))
                if valid:
                    await self._change(operation, lease.queue, lambda messages: {change})
            else:
                valid = await self._change(operation, lease.queue, step)
        if not valid:
"""
    return _change(f"{operation}_looks_first", _HELD, after, promise, _TWO, also=also)


CHANGES = [
    _shown("dequeue", _TAKE_FOR_GOOD, "queue_basic.10", "queue_basic.2"),
    _shown("receive", _TAKE_LEASED, "queue_visibility.8", "queue_visibility.2"),
    _unchecked("ack", "messages.remove(identity)", "queue_visibility.8", "queue_visibility.5"),
    _unchecked(
        "release",
        "messages._fail(identity, name, lease.attempt)",
        "queue_visibility.5",
        "queue_visibility.2",
        "queue_visibility.8",
    ),
    _unchecked(
        "extend",
        "messages.prolong(identity, messages.now_s + 43_200)",
        "queue_visibility.5",
        "queue_visibility.8",
        "queue_visibility.7",
    ),
    _change(
        "enqueue_numbers_first",
        "            return messages.add(name, texts, data, priority, until_s)\n\n        return str(await",
        f"""            messages.restore(Row(number, name, -priority, number, 0, until_s, None, 0, None, texts, data))
            return number

        {_LOCKED}
            number = await self._change(operation, queue, lambda messages: messages._count())
            return str(await""",
        "queue_basic.10",
        "Whoever has the lock is given the next number, and is the next to write.",
        also=("queue_basic.3", "queue_basic.5"),
    ),
    _change(
        "dequeue_looks_whether_there_is_one",
        _DEQUEUE,
        f"""        {_LOCKED}
            if timeout_s <= 0 and not await self._look("dequeue", queue, lambda messages: messages.is_ready(name)):
                return None
            row = await self._take("dequeue", queue, take, put_back, 1e6)
""",
        "queue_basic.4",
        "What is there waits for who holds the lock.",
        also=("queue_basic.10",),
    ),
    _change(
        "what_is_due_is_looked_up_first",
        _TURN,
        f"""                {_LOCKED}
                    rows = "SELECT id FROM queue_messages WHERE namespace = ? AND until_s <= ? AND token IS NULL"
                    wake = "UPDATE queue_messages SET until_s = NULL, token = NULL WHERE namespace = ? AND id = ?"
                    ours = self._namespace
                    due = await self._client.read(operation, lambda file, now_s: file.execute(rows, (ours, now_s)).fetchall())
                    if due:
                        await self._client.write(operation, lambda file, now_s: [file.execute(wake, (ours, *row)) for row in due])
{_TURN}""",
        "queue_delayed.4",
        "What is due stays so until somebody sees to it, and that is done by one at a time.",
        also=("queue_visibility.2", "queue_visibility.8", "queue_delayed.1"),
    ),
    _change(
        "delay_comes_afterwards",
        _DELAYED,
        """        seconds = check_delay(delay_s, _ME, _LONGEST_S)
        async with self._takers.turn(queue):
            identity = await self._add("enqueue_delayed", queue, payload, headers)
            if seconds > 0:
                later = lambda messages: messages.prolong(int(identity), messages.now_s + seconds + _ROUNDING_S)
                await self._change("enqueue_delayed", queue, later)
        return identity
""",
        "queue_delayed.1",
        "Whoever takes waits for the turn.",
        also=("queue_delayed.4",),
    ),
    _change(
        "priority_comes_afterwards",
        _PRIORITIZED,
        """        rank = -check_priority(priority, _ME)
        async with self._takers.turn(queue):
            identity = int(await self._add("enqueue_with_priority", queue, payload, headers))
            name, texts, data = queue.encode(), json.dumps(dict(headers or {})), bytes(payload)
            row = Row(identity, name, rank, identity, 0, None, None, 0, None, texts, data)
            lift = lambda messages: (messages.remove(identity), messages.restore(row))
            if rank:
                await self._change("enqueue_with_priority", queue, lift)
        return str(identity)
""",
        "queue_priority.4",
        "A message is put again where it belongs before anybody takes it, who would wait for the turn.",
        also=("queue_priority.1", "queue_basic.2", "queue_basic.10"),
    ),
    _change(
        "priority_is_looked_up_first",
        _TAKE_FOR_GOOD,
        _TAKE_FOR_GOOD.replace("messages.first(name)", "self._seen and self._first_of(messages, name, self._seen.rank)"),
        "queue_priority.1",
        "The highest priority that there is stays so while this process has the turn.",
        also=("queue_basic.4", "queue_basic.10", "queue_priority.4"),
        more=(
            (
                _BEFORE_TAKE,
                f"""    def _first_of(self, messages: Messages, name: bytes, rank: int) -> Row | None:
        import prism_backends.sqlite.messages as texts

        row = messages._do(texts._FIRST.replace("ORDER BY", "AND rank = :rank ORDER BY"), queue=name, rank=rank).fetchone()
        return None if row is None else Row(*row)

{_BEFORE_TAKE}""",
            ),
            (
                _TURN,
                f"""{_TURN}                if operation == "dequeue":
                    self._seen = await self._look(operation, queue, lambda messages: messages.first(name))
""",
            ),
        ),
    ),
    _change(
        "redrive_tells_what_it_saw",
        _REDRIVE,
        f"""{_OF_THE_TARGET}            await self._change("redrive", queue, lambda messages: messages.revive(name))
            return len(dead)
""",
        "queue_dead_letter.5",
        "Who takes from the target has to wait for the turn.",
    ),
    _change(
        "redrive_moves_what_it_saw",
        _REDRIVE,
        f"""{_OF_THE_TARGET}
            def again(messages: Messages) -> None:
                for row in dead:
                    messages.remove(row.id)
                    messages.restore(row._replace(queue=name, origin=None, attempts=0, number=messages._count()))

            await self._change("redrive", queue, again)
            return len(dead)
""",
        "queue_dead_letter.3",
        "Who takes from the target has to wait for the turn.",
        also=("queue_dead_letter.5", "queue_dead_letter.2"),
    ),
    _change(
        "dies_in_two_steps",
        _POLICY,
        """        columns = "id, queue, rank, number, attempts, until_s, token, failed, origin, headers, payload"
        ready = f"SELECT {columns} FROM queue_messages WHERE namespace = :namespace AND queue = :queue AND until_s IS NULL"

        def part(messages: Messages) -> list[Row]:
            rows = [Row(*row) for row in messages._do(ready, queue=name)]
            dead = [row for row in rows if row.attempts >= most]
            for row in dead:
                messages.remove(row.id)
            messages.set_policy(name, to, most)
            return dead

        def arrive(messages: Messages) -> None:
            for row in dead:
                messages.restore(row._replace(queue=to, origin=name, attempts=0, number=messages._count()))

        async with self._takers.turn(queue), self._takers.turn(target):
            dead = await self._change("configure_dead_letter", queue, part)
            await self._change("configure_dead_letter", queue, arrive)
""",
        "queue_dead_letter.3",
        "Those who take have to wait for both turns.",
        also=("queue_dead_letter.1", "queue_dead_letter.6"),
    ),
]
