"""Our claim check where the checks of the pattern let an implementation choose: how long a sweep goes on, and what it says."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from prism_backends.memory import MemoryObjectStorage, MemoryQueue
from prism_backends.memory.client import connect
from prism_patterns.claim_check import ClaimCheckConfig, PrismClaimCheck
from prism_testkit.backend import Place
from prism_testkit.clock import VirtualClock
from prism_testkit.interfaces.errors import AccessDenied, PayloadTooLarge
from prism_testkit.schedules import VirtualLoop

FIELD = "prism-claim-check"


class Guarded(MemoryObjectStorage):
    """Refuses to remove some objects, by their turn."""

    tried = 0
    refused: Callable[[int], bool] = staticmethod(lambda turn: False)

    async def delete(self, bucket: str, key: str) -> bool:
        turn = self.tried
        self.tried += 1
        if self.refused(turn):
            raise AccessDenied(f"removal {turn} is refused")
        return await super().delete(bucket, key)


def run(tmp_path: Path, work: Callable[[PrismClaimCheck, Guarded, VirtualClock], Awaitable[None]]) -> None:
    clock = VirtualClock()
    loop = VirtualLoop(clock)

    async def main() -> None:
        async with connect(Place(directory=tmp_path, shared={}, clock=clock)) as client:
            store = Guarded(client, "n")
            config = ClaimCheckConfig(threshold=1, max_age_s=1e6, grace_period_s=1e6, cleanup="sweep")
            async with PrismClaimCheck(queue=MemoryQueue(client, "n"), store=store, config=config, clock=clock) as claims:
                await work(claims, store, clock)

    loop.run_until_complete(main())
    loop.close()


@pytest.mark.parametrize(
    ("refused", "tried", "failed"),
    [
        (lambda turn: turn == 0, 20, 1),
        (lambda turn: turn % 2 == 0, 20, 10),
        (lambda turn: turn != 3, 20, 19),
        (lambda turn: True, 16, 16),
    ],
)
def test_a_sweep_goes_on_until_the_store_is_in_trouble(
    tmp_path: Path, refused: Callable[[int], bool], tried: int, failed: int
) -> None:
    async def work(claims: PrismClaimCheck, store: Guarded, clock: VirtualClock) -> None:
        for _ in range(20):
            await claims.publish("t", b"payload")
        claims._worker.cancel()  # type: ignore[union-attr]
        await clock.advance(2e6 + 1)
        store.refused = refused
        with pytest.raises(AccessDenied) as raised:
            await claims.sweep()
        assert store.tried == tried
        assert f"could not remove, or their markers: {failed};" in raised.value.__notes__[0]
        assert f"expired={tried - failed}," in raised.value.__notes__[0]
        store.refused = lambda turn: False
        assert (await claims.sweep()).expired == 20 - (tried - failed)

    run(tmp_path, work)


def test_health_tells_of_a_sweep_that_failed_in_part(tmp_path: Path) -> None:
    async def work(claims: PrismClaimCheck, store: Guarded, clock: VirtualClock) -> None:
        await claims.publish("t", b"payload")
        store.refused = lambda turn: store.tried < 3
        await clock.advance(2e6 + 7200)
        health = await claims.health()
        assert health.status == "degraded"
        assert "removal 0 is refused" in health.detail or "removal 1 is refused" in health.detail
        await clock.advance(3 * 3600)
        assert (await claims.health()).status == "healthy"

    run(tmp_path, work)


@pytest.mark.parametrize("size", [1, 2])
@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({FIELD + "'" * (512 - len(FIELD)): "x"}, "with 512 bytes it leaves no room for that: a name has 512"),
        ({FIELD: "x", "h": "v" * (8192 - len(FIELD) - 2)}, "need 1 more to escape those named 'prism-claim-check'"),
    ],
)
def test_headers_without_room_for_the_escape_are_refused_in_words(
    tmp_path: Path, size: int, headers: dict[str, str], words: str
) -> None:
    async def work(claims: PrismClaimCheck, store: Guarded, clock: VirtualClock) -> None:
        with pytest.raises(PayloadTooLarge, match=words):
            await claims.publish("t", b"x" * size, headers)

    run(tmp_path, work)
